//! How locks look in chat.

use super::records::{Book, LOCKS, Lock, Scope, Wait};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use commands::cx::Cx;
use commands::moment;
use commands::parse::quote;
use commands::reply::{Button, Look, Reply, Tone};
use commands::text;

/// A moment as people say it.
pub fn moment(at: DateTime<Utc>, cx: &Cx) -> String {
    moment::show(at, cx.now(), cx.ports().vocabulary.zone)
}

/// What somebody is told whom a lock stops.
pub fn stopped(lock: &Lock, cx: &Cx) -> Reply {
    let Lock { scope, who, why, since, until, offered, .. } = lock;
    let who = text::plain(who);
    let offered = match offered {
        Some(to) => format!(" It is offered to {}.", text::plain(to)),
        None => String::new(),
    };
    Reply::refuse(format!(
        "{who} has locked {scope} since {}, until {}: {}.{offered} Nothing was done. Wait for it, or take it over with `/lock steal {} because:\"…\"`.",
        moment(*since, cx),
        moment(*until, cx),
        text::plain(why).trim_end_matches('.'),
        scope.args()
    ))
    .button(Button::new("Wait for it", format!("lock wait {}", scope.args())))
}

/// A lock in a sentence.
pub fn note(lock: &Lock, now: DateTime<Utc>, zone: Tz) -> String {
    format!(
        "{} has locked {} until {}: {}.",
        text::plain(&lock.who),
        lock.scope,
        moment::show(lock.until, now, zone),
        text::plain(&lock.why).trim_end_matches('.')
    )
}

/// What is said of a lock that somebody has now.
pub fn held(lock: &Lock, number: u64, says: String, cx: &Cx) -> Reply {
    Reply::card(Tone::Good, format!("Locked: {}", title(&lock.scope)), says)
        .field("Lock", format!("#{number}"))
        .field("Until", moment(lock.until, cx))
        .field("Because", text::plain(&lock.why))
        .button(Button::new("Give it back", format!("lock release {}", lock.scope.args())).only_for(&*lock.who))
}

/// What the next in line is told.
pub fn your_turn(wait: &Wait, minutes: i64) -> Reply {
    let Wait { scope, who, why, .. } = wait;
    let line = take(scope, why);
    let says = format!(
        "{}, it is your turn for {minutes} minutes; then the next one is asked. Take it with `/{line}`.",
        text::plain(who)
    );
    let button = Button::new("Take it", line).look(Look::Main).only_for(who).drawn_from(LOCKS.key(scope.name()), 0);
    called(Reply::card(Tone::Good, format!("Free: {}", title(scope)), says).button(button), who)
}

/// What the one is told to whom a lock is offered.
pub fn offered(lock: &Lock, to: &str, version: u64, cx: &Cx) -> Reply {
    let line = take(&lock.scope, &lock.why);
    let says = format!(
        "{} hands the lock over to {}, who takes it with the button or `/{line}`. Until then it stays with {0}, and ends at {}.",
        text::plain(&lock.who),
        text::plain(to),
        moment(lock.until, cx)
    );
    let button = Button::new("Take it over", line).look(Look::Main).only_for(to);
    let button = button.drawn_from(LOCKS.key(lock.scope.name()), version);
    called(Reply::card(Tone::Plain, format!("Handed over: {}", title(&lock.scope)), says).button(button), to)
}

/// What the holder is told when the lock is not theirs any more.
pub fn lost(lock: &Lock, how: &str) -> Reply {
    let says = format!("{}, your lock of {} {how}", text::plain(&lock.who), lock.scope);
    called(Reply::card(Tone::Warn, format!("No longer yours: {}", title(&lock.scope)), says), &lock.who)
}

/// One row of the list.
pub fn row(lock: &Lock, book: &Book, cx: &Cx) -> [String; 6] {
    let waiting: Vec<_> = book.waits.iter().filter(|(_, wait)| wait.scope.meets(&lock.scope)).collect();
    let waiting: Vec<_> = waiting.iter().map(|(_, wait)| text::plain(&wait.who)).collect();
    [
        title(&lock.scope),
        text::plain(&lock.who),
        moment(lock.since, cx),
        moment(lock.until, cx),
        text::cut(&text::plain(&lock.why), 80),
        if waiting.is_empty() { "–".to_owned() } else { waiting.join(", ") },
    ]
}

/// The line that takes a lock.
pub fn take(scope: &Scope, why: &str) -> String {
    format!("lock take {} because:{}", scope.args(), quote(why))
}

fn title(scope: &Scope) -> String {
    match &scope.service {
        Some(service) => format!("{service} in {}", scope.environment),
        None => format!("all of {}", scope.environment),
    }
}

fn called(mut reply: Reply, who: &str) -> Reply {
    reply.calls.push(who.to_owned());
    reply
}
