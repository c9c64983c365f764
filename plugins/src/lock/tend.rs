//! What happens to locks without anybody asking: they end with their leases, and those in line are told in order.

use super::records::{Book, LOCKS, Lock, WAITS, Wait};
use super::show;
use chrono::TimeDelta;
use commands::act::{Act, Permit};
use commands::cx::Cx;
use commands::stop::Result;
use std::collections::BTreeSet;

/// For how many minutes it is the turn of the one who was told.
pub const TURN_MINUTES: i64 = 5;

/// Clears away what is over in every environment.
pub(super) async fn tend(cx: &Cx) -> Result<()> {
    let locks = LOCKS.scan(cx.store(), "", usize::MAX).await?.into_iter().map(|(_, lock)| lock.value.scope);
    let waits = WAITS.scan(cx.store(), "", usize::MAX).await?.into_iter().map(|(_, wait)| wait.value.scope);
    let environments: BTreeSet<_> = locks.chain(waits).map(|scope| scope.environment).collect();
    for environment in environments {
        let book = Book::read(cx.store(), &environment).await?;
        let over: Vec<_> = book.locks.iter().filter(|lock| lock.until <= cx.now()).cloned().collect();
        for lock in over {
            expire(cx, lock).await?;
        }
        let book = Book::read(cx.store(), &environment).await?;
        let late = |wait: &&(String, Wait)| {
            wait.1.told.is_some_and(|told| told + TimeDelta::minutes(TURN_MINUTES) <= cx.now())
        };
        let passed: Vec<_> = book.waits.iter().filter(late).cloned().collect();
        for (name, wait) in passed {
            pass(cx, name, wait).await?;
        }
    }
    Ok(())
}

async fn expire(cx: &Cx, lock: Lock) -> Result<()> {
    let mut book = Book::read(cx.store(), &lock.scope.environment).await?;
    // Its holder may have renewed it a moment ago.
    if !book.locks.contains(&lock) {
        return Ok(());
    }
    let act = Act {
        verb: "lock.expire",
        object: format!("{}: {}", lock.scope.name(), lock.who),
        service: lock.scope.service.clone(),
        environment: Some(lock.scope.environment.clone()),
        facts: vec![("until", lock.until.to_rfc3339())],
        ..Act::default()
    };
    cx.act(act, async |permit| {
        book.edit(permit)?;
        permit.delete(LOCKS.key(lock.scope.name()));
        book.locks.retain(|other| *other != lock);
        let again = show::take(&lock.scope, &lock.why);
        let how = format!("has ended, because its time was over. `/{again}` takes it again.");
        permit.say(&lock.place, show::lost(&lock, &how))?;
        call_next(cx, permit, &mut book)
    })
    .await
}

/// Lets the next one have the turn that somebody did not use.
async fn pass(cx: &Cx, name: String, wait: Wait) -> Result<()> {
    let mut book = Book::read(cx.store(), &wait.scope.environment).await?;
    if !book.waits.iter().any(|other| other.0 == name && other.1 == wait) {
        return Ok(());
    }
    let act = Act {
        verb: "lock.pass",
        object: format!("{}: {}", wait.scope.name(), wait.who),
        service: wait.scope.service.clone(),
        environment: Some(wait.scope.environment.clone()),
        ..Act::default()
    };
    cx.act(act, async |permit| {
        book.edit(permit)?;
        permit.delete(WAITS.key(&name));
        book.waits.retain(|(other, _)| *other != name);
        call_next(cx, permit, &mut book)
    })
    .await
}

/// Tells the first in line for whatever is free that it is their turn. `book` is as the act leaves it.
pub(super) fn call_next(cx: &Cx, permit: &Permit, book: &mut Book) -> Result<()> {
    for place in 0..book.waits.len() {
        let (name, wait) = &book.waits[place];
        let before = book.waits[..place].iter().any(|(_, other)| other.scope.meets(&wait.scope));
        if before || wait.told.is_some() || book.blocks(&wait.scope, &wait.who, cx.now()).is_some() {
            continue;
        }
        let told = Wait { told: Some(cx.now()), ..wait.clone() };
        WAITS.put(permit, name, &told)?;
        permit.say(&told.place, show::your_turn(&told, TURN_MINUTES))?;
        book.waits[place].1 = told;
    }
    Ok(())
}
