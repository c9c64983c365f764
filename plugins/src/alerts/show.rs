//! How alerts look in chat.

use super::alertmanager::labels;
use super::records::{Firing, Silence};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use commands::moment;
use commands::reply::{Button, Form, Input, Reply, Tone};
use commands::text;

/// How many alerts a message shows.
const SHOWN: usize = 15;

/// The most letters of a reason.
const REASON: usize = 300;

/// What an alert is about: `hello in production`.
fn about(service: Option<&str>, environment: Option<&str>) -> Option<String> {
    match (service, environment) {
        (Some(service), Some(environment)) => Some(format!("{service} in {environment}")),
        (one, other) => one.or(other).map(str::to_owned),
    }
}

fn said(firing: &Firing) -> String {
    let severity = text::plain(&firing.severity);
    let severity = if severity.is_empty() { severity } else { format!("{severity}: ") };
    let says = if firing.says.is_empty() { "it does not say what is wrong" } else { &firing.says };
    text::cut(&format!("{severity}{}", text::plain(says)), 200)
}

/// Alerts that fire anew, all about the same service and environment.
pub fn fires(all: &[Firing]) -> Reply {
    let Some(first) = all.first() else { return Reply::default() };
    let about = about(first.service.as_deref(), first.environment.as_deref());
    let about = about.map(|about| format!("{about}: ")).unwrap_or_default();
    if let [only] = all {
        let reply = Reply::card(
            Tone::Bad,
            format!("{about}{} fires", only.title()),
            format!("{}.", text::capital(&said(only))),
        );
        let page = only.page.iter().map(|page| text::plain(page));
        let reply = page.fold(reply, |reply, page| reply.field("More", page));
        return reply.button(silence(only));
    }
    let title = format!("{about}{} fire", text::plural(all.len(), "alert"));
    let rows = all.iter().take(SHOWN).map(|firing| [firing.title(), said(firing)]).collect();
    let more = all.len().saturating_sub(SHOWN);
    let says = if more == 0 { String::new() } else { format!("{more} more are shown by `/alert list`.") };
    Reply::card(Tone::Bad, title, says).table(["Alert", "Says"], rows)
}

/// That alerts came and were left out: more than `at_once` in one request, or than `most` in all.
pub fn left_out(count: usize, at_once: usize, most: usize) -> Reply {
    let (alerts, were) = if count == 1 { ("alert", "was") } else { ("alerts", "were") };
    let came = format!("{count} more {alerts} came and {were} left out");
    let says = format!(
        "They are not listed here: Deckhand takes {at_once} at once and {most} in all, each with labels, a time and a fingerprint. Look at Alertmanager."
    );
    Reply::card(Tone::Bad, came, says)
}

/// Alerts that do not fire any more; `why` where nobody has said so.
pub fn over(all: &[Firing], why: &str, now: DateTime<Utc>) -> Reply {
    let Some(first) = all.first() else { return Reply::default() };
    let about = about(first.service.as_deref(), first.environment.as_deref());
    let about = about.map(|about| format!("{about}: ")).unwrap_or_default();
    let why = if why.is_empty() { String::new() } else { format!(" {}.", text::capital(why)) };
    if let [only] = all {
        let says = format!("It began {}.{why}", text::ago(only.since, now));
        return Reply::card(Tone::Good, format!("{about}{} is over", only.title()), says);
    }
    let names: Vec<_> = all.iter().take(SHOWN).map(Firing::title).collect();
    let title = format!("{about}{} are over", text::plural(all.len(), "alert"));
    Reply::card(Tone::Good, title, format!("{}.{why}", names.join(", ")))
}

/// All that fire, newest first, each with until when it is silenced.
pub fn list(all: &[(Firing, Option<DateTime<Utc>>)], now: DateTime<Utc>, zone: Tz) -> Reply {
    let row = |(firing, silenced): &(Firing, Option<DateTime<Utc>>)| {
        let about = about(firing.service.as_deref(), firing.environment.as_deref());
        let silenced =
            silenced.map_or_else(|| "–".to_owned(), |until| format!("until {}", moment::show(until, now, zone)));
        [firing.title(), about.unwrap_or_else(|| "–".to_owned()), said(firing), text::ago(firing.since, now), silenced]
    };
    let rows: Vec<_> = all.iter().take(50).map(row).collect();
    let says =
        if rows.len() < all.len() { format!("The newest {} of {}.", rows.len(), all.len()) } else { String::new() };
    let fire = if all.len() == 1 { "fires" } else { "fire" };
    Reply::card(Tone::Warn, format!("{} {fire}", text::plural(all.len(), "alert")), says)
        .table(["Alert", "About", "Says", "Since", "Silenced"], rows)
}

/// One alert in full.
pub fn one(
    firing: &Firing,
    silenced: Option<&Silence>,
    until: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    zone: Tz,
) -> Reply {
    let at = moment::show(firing.since, now, zone);
    let mut reply =
        Reply::card(Tone::Warn, format!("{} fires", firing.title()), format!("{}.", text::capital(&said(firing))))
            .field("Since", format!("{at} ({})", text::ago(firing.since, now)));
    if let Some(about) = about(firing.service.as_deref(), firing.environment.as_deref()) {
        reply = reply.field("About", about);
    }
    reply = reply.field("Labels", labels(&firing.labels)).field("Taken in", format!("#{}", firing.act));
    if let Some(page) = &firing.page {
        reply = reply.field("More", text::plain(page));
    }
    match (silenced, until) {
        (Some(it), _) => {
            let says = format!(
                "until {} by {}, because: {}",
                moment::show(it.until, now, zone),
                text::plain(&it.who),
                text::plain(&it.because)
            );
            reply.field("Silenced", says).button(Button::new("End the silence", unsilence(&firing.fingerprint)))
        }
        (None, Some(until)) => {
            reply.field("Silenced", format!("until {}, not from here", moment::show(until, now, zone)))
        }
        (None, None) => reply.button(silence(firing)),
    }
}

/// The line that ends a silence.
pub fn unsilence(fingerprint: &str) -> String {
    format!("alert unsilence alert:{fingerprint}")
}

/// Silences it for an hour; why is asked for.
fn silence(firing: &Firing) -> Button {
    let because = Input {
        name: "because".to_owned(),
        label: "Why".to_owned(),
        hint: "who looks after it".to_owned(),
        most: REASON,
        ..Input::default()
    };
    let form = Form { title: "Silence it for an hour".to_owned(), inputs: vec![because] };
    Button::new("Silence for 1h", format!("alert silence alert:{} for:1h", firing.fingerprint)).form(form)
}
