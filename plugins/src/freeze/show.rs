//! How freezes look in chat.

use super::records::{Freeze, Frozen, Lift};
use chrono::{DateTime, SecondsFormat, Utc};
use commands::cx::Cx;
use commands::moment;
use commands::parse::quote;
use commands::reply::{Button, Reply, Tone};
use commands::text;

/// A moment as people say it.
pub fn moment(at: DateTime<Utc>, cx: &Cx) -> String {
    moment::show(at, cx.now(), cx.ports().vocabulary.zone)
}

/// Why it is frozen: the calendar's name for it comes first.
fn why(frozen: &Frozen) -> String {
    let why = text::plain(&frozen.why);
    let why = why.trim_end_matches('.');
    match &frozen.span.name {
        Some(name) => format!("{} ({why})", text::plain(name)),
        None => why.to_owned(),
    }
}

fn by(frozen: &Frozen) -> String {
    match &frozen.made {
        Some((number, freeze)) => format!("{} (#{number})", text::plain(&freeze.who)),
        None => "the config".to_owned(),
    }
}

/// What somebody is told whom a freeze stops. `others` may lift it, where they themselves may not.
pub fn stopped(
    frozen: &Frozen,
    service: Option<&str>,
    environment: Option<&str>,
    others: Option<&[String]>,
    cx: &Cx,
) -> Reply {
    let service = service.map(|service| format!(" service:{service}")).unwrap_or_default();
    let line = format!("`/freeze break env:{}{service} because:\"…\"`", environment.unwrap_or("…"));
    let way = match others {
        None => format!("Where it can not wait, {line} lifts the freeze for you."),
        Some([]) => "Nobody may lift it.".to_owned(),
        Some(some) => format!("Where it can not wait, {} may say {line}, and then this.", text::list(some)),
    };
    Reply::refuse(format!(
        "{} is frozen until {}, by {}: {}. Nothing was done. What goes back is let through. {way}",
        text::capital(&frozen.scope.to_string()),
        moment(frozen.span.until, cx),
        by(frozen),
        why(frozen),
    ))
}

/// What somebody is told who goes through a freeze.
pub fn passes(frozen: &Frozen, lift: &Lift, cx: &Cx) -> String {
    format!(
        "{} is frozen until {} ({}), and you go through it until {}: {}.",
        frozen.scope,
        moment(frozen.span.until, cx),
        why(frozen),
        moment(lift.until, cx),
        text::plain(&lift.why).trim_end_matches('.')
    )
}

/// What is said of a new freeze.
pub fn added(number: u64, freeze: &Freeze, cx: &Cx) -> Reply {
    let says = format!("Until {}, only what goes back changes {}.", moment(freeze.until, cx), freeze.scope);
    let reply = Reply::card(Tone::Good, format!("Freeze #{number}"), says);
    let reply = if freeze.from > cx.now() { reply.field("From", moment(freeze.from, cx)) } else { reply };
    reply.field("Because", text::plain(&freeze.why)).button(Button::new("Remove", format!("freeze remove {number}")))
}

/// What everybody in the channel is told when somebody lifts freezes for themselves.
pub fn broken(lift: &Lift, lifted: &[Frozen], cx: &Cx) -> Reply {
    let says = format!(
        "{} goes through the freeze of {} until {}: {}.",
        text::plain(&lift.who),
        lift.scope,
        moment(lift.until, cx),
        text::plain(&lift.why).trim_end_matches('.')
    );
    let reply = Reply::card(Tone::Warn, "A freeze is broken", says);
    lifted.iter().fold(reply, |reply, frozen| {
        reply.field(
            format!("Frozen by {}", by(frozen)),
            format!("until {}: {}", moment(frozen.span.until, cx), why(frozen)),
        )
    })
}

/// What the maker of a freeze is told when it is lifted for somebody.
pub fn told_of_break(number: u64, freeze: &Freeze, lift: &Lift, cx: &Cx) -> Reply {
    let says = format!(
        "{}, {} goes through your freeze #{number} until {}: {}.",
        text::plain(&freeze.who),
        text::plain(&lift.who),
        moment(lift.until, cx),
        text::plain(&lift.why).trim_end_matches('.')
    );
    called(Reply::card(Tone::Warn, "A freeze is broken", says), &freeze.who)
}

/// What the maker of a freeze is told when somebody else ends it.
pub fn told_of_end(number: u64, freeze: &Freeze, cx: &Cx) -> Reply {
    let again = line(freeze);
    let says = format!(
        "{}, {} has ended your freeze #{number}. `/{again}` makes it again.",
        text::plain(&freeze.who),
        text::plain(cx.who())
    );
    called(Reply::card(Tone::Warn, "A freeze has ended", says), &freeze.who)
}

/// What is frozen at a moment.
pub fn checked(at: DateTime<Utc>, frozen: &[Frozen], next: Option<Frozen>, cx: &Cx) -> Reply {
    let when = moment(at, cx);
    let next = next.map(|next| {
        format!(
            "The next freeze is of {}, from {} until {}: {}.",
            next.scope,
            moment(next.span.from, cx),
            moment(next.span.until, cx),
            why(&next)
        )
    });
    let next = next.unwrap_or_else(|| "No freeze is to come.".to_owned());
    if frozen.is_empty() {
        return Reply::card(Tone::Good, format!("{when}: not frozen"), next);
    }
    Reply::card(Tone::Warn, format!("{when}: frozen"), next).table(HEAD, rows(frozen, cx))
}

/// The freezes that hold, and those to come.
pub fn list(found: &[Frozen], lifts: &[Lift], cx: &Cx) -> Reply {
    if found.is_empty() {
        return Reply::say("Nothing is frozen, and no freeze is to come. `/freeze add` makes one.");
    }
    let now = found.iter().filter(|frozen| frozen.span.from <= cx.now()).count();
    let says = match now {
        0 => "None holds now.".to_owned(),
        _ => format!("{now} of {} now.", if now == 1 { "them holds" } else { "them hold" }),
    };
    let lifted = lifts.iter().map(|lift| {
        format!("\n{} goes through {} until {}.", text::plain(&lift.who), lift.scope, moment(lift.until, cx))
    });
    Reply::card(Tone::Plain, text::plural(found.len(), "freeze"), says + &lifted.collect::<String>())
        .table(HEAD, rows(found, cx))
}

const HEAD: [&str; 5] = ["What", "From", "Until", "Why", "By"];

fn rows(frozen: &[Frozen], cx: &Cx) -> Vec<[String; 5]> {
    let row = |frozen: &Frozen| {
        let (from, until) = (moment(frozen.span.from, cx), moment(frozen.span.until, cx));
        [frozen.scope.to_string().replace('`', ""), from, until, text::cut(&why(frozen), 80), by(frozen)]
    };
    frozen.iter().map(row).collect()
}

/// What it is, for those who choose one.
pub fn about(freeze: &Freeze) -> String {
    let scope = freeze.scope.to_string().replace('`', "");
    format!("{scope}, {}: {}", text::plain(&freeze.who), text::cut(&text::plain(&freeze.why), 40))
}

/// The line that makes a freeze again.
pub fn line(freeze: &Freeze) -> String {
    let time = |at: DateTime<Utc>| quote(&at.to_rfc3339_opts(SecondsFormat::Secs, true));
    let mut line = format!("freeze add until:{} because:{}", time(freeze.until), quote(&freeze.why));
    freeze.scope.environments.iter().for_each(|name| line += &format!(" env:{name}"));
    freeze.scope.services.iter().for_each(|name| line += &format!(" service:{name}"));
    line + &format!(" from:{}", time(freeze.from))
}

fn called(mut reply: Reply, who: &str) -> Reply {
    reply.calls.push(who.to_owned());
    reply
}
