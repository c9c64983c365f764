//! Standing in line for a lock, and leaving it.

use super::records::{Book, Scope, WAITS, Wait, wait_name};
use super::tend::call_next;
use super::{Asked, act, show};
use commands::act::Act;
use commands::cx::Cx;
use commands::reply::Reply;
use commands::stop::{Result, Stop};
use commands::text;

/// Gives a place in line back; a refusal for somebody who has neither a lock nor a place.
pub(super) async fn leave(cx: &Cx, scope: &Scope, mut book: Book) -> Result<Reply> {
    let Some((name, _)) = book.waits.iter().find(|(_, wait)| wait.scope == *scope && wait.who == cx.who()).cloned()
    else {
        let own = book.locks.iter().find(|lock| lock.who == cx.who() && lock.until > cx.now());
        return Err(match (book.exact(scope, cx.now()), own) {
            (Some(other), _) => Stop::refuse(format!(
                "{} holds the lock of {scope}, and only they give it back. `/lock wait {1}` puts you in line, `/lock steal {1} because:\"…\"` takes it over.",
                text::plain(&other.who),
                scope.args()
            )),
            (None, Some(own)) => Stop::refuse(format!(
                "You do not hold {scope}, but {}: say `/lock release {}`.",
                own.scope,
                own.scope.args()
            )),
            (None, None) => Stop::refuse(format!(
                "You do not hold {scope}, so there was nothing to give back. `/lock list` shows all locks."
            )),
        });
    };
    let act = Act { says: format!("Leave the line for {scope}."), state: None, ..act("lock.leave", scope) };
    cx.act(act, async |permit| {
        book.edit(permit)?;
        permit.delete(WAITS.key(&name));
        book.waits.retain(|(other, _)| *other != name);
        call_next(cx, permit, &mut book)
    })
    .await?;
    Ok(Reply::say(format!("You do not wait for {scope} any more.")))
}

pub(super) async fn wait(cx: &Cx, asked: Asked) -> Result<Reply> {
    let Asked { said, scope, book } = asked;
    let ahead = |until: usize| book.waits[..until].iter().filter(|(_, wait)| wait.scope.meets(&scope)).count();
    if let Some(place) = book.waits.iter().position(|(_, wait)| wait.scope == scope && wait.who == cx.who()) {
        return Err(Stop::refuse(format!("You wait for {scope} already: {}.", in_line(ahead(place)))));
    }
    let Some(lock) = book.blocks(&scope, cx.who(), cx.now()) else {
        return Err(Stop::refuse(format!(
            "Nobody else has locked {scope}, so there is nothing to wait for. Take it: `/lock take {} because:\"…\"`.",
            scope.args()
        )));
    };
    let wait = Wait {
        scope: scope.clone(),
        who: cx.who().to_owned(),
        why: said.because.unwrap_or_else(|| "waited for it".to_owned()),
        place: cx.call().place.clone(),
        told: None,
    };
    let undo = Some(format!("lock release {}", scope.args()));
    let act = Act { says: format!("Wait for {scope}."), state: None, undo, ..act("lock.wait", &scope) };
    cx.act(act, async |permit| {
        book.edit(permit)?;
        Ok(WAITS.put(permit, wait_name(&scope.environment, permit.act()), &wait)?)
    })
    .await?;
    Ok(Reply::say(format!(
        "You are {}. {} has locked {} until {}; you are told here when it is your turn. `/lock release {}` gives your place back.",
        in_line(ahead(book.waits.len())),
        text::plain(&lock.who),
        lock.scope,
        show::moment(lock.until, cx),
        scope.args()
    )))
}

fn in_line(ahead: usize) -> String {
    match ahead {
        0 => "first in line".to_owned(),
        1 => "second in line".to_owned(),
        2 => "third in line".to_owned(),
        more => format!("number {} in line", more + 1),
    }
}
