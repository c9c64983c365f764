//! How post-mortems look in chat.

use super::form::Asked;
use super::hints::Hint;
use super::records::{Document, Head, Issue, Item, ItemState, Stage, Wording};
use super::write::edit_button;
use chrono::{DateTime, NaiveDate, Utc};
use commands::cx::Cx;
use commands::moment;
use commands::reply::{Button, Look, Reply, Tone};
use commands::text;

/// How many columns of a section a card shows.
const GLIMPSE: usize = 90;

/// How wide a section's text is shown, in characters: in Korean, that is twice as many columns.
const WIDE: usize = 90;

/// A moment as people say it.
pub fn at(at: DateTime<Utc>, cx: &Cx) -> String {
    moment::show(at, cx.now(), cx.ports().vocabulary.zone)
}

/// A day as people say it.
pub fn day(day: NaiveDate) -> String {
    day.format("%a %-d %b %Y").to_string()
}

/// The heading of a card.
pub fn title(document: &Document) -> String {
    format!("Post-mortem #{}: {}", document.number, text::plain(&document.title))
}

/// What is said of a post-mortem that has just begun.
pub fn started(cx: &Cx, document: &Document) -> Reply {
    let due = match document.due {
        Some(due) => format!(" Its review is due {}.", at(due, cx)),
        None => String::new(),
    };
    let number = document.number;
    let says = format!(
        "It is a draft. Write it in forms, several of you at once: `/postmortem edit {number}`. What happened counts here, and not who did it.{due}"
    );
    Reply::card(Tone::Good, title(document), says)
        .button(Button::new("Write", format!("postmortem edit number:{number}")).look(Look::Main))
        .button(Button::new("Show", format!("postmortem show number:{number}")))
}

/// A post-mortem at a glance.
pub fn card(cx: &Cx, document: &Document, items: &[Item], sections: &[Asked]) -> Reply {
    let number = document.number;
    let mut says = vec![stage(cx, document)];
    let written = |asked: &&Asked| !document.wording(&asked.name).text.is_empty();
    let missing: Vec<_> = sections.iter().filter(|asked| !written(asked)).map(|asked| asked.title.as_str()).collect();
    if !missing.is_empty() && document.waits_for_review() {
        says.push(format!("Still to be written: {}.", missing.join(", ")));
    }
    if let Some(published) = &document.published {
        let there = published.url.as_ref().map_or_else(String::new, |url| format!(": {url}"));
        says.push(format!("It was published {}{there}.", text::ago(published.at, cx.now())));
    }
    if let Some(endless) = items.iter().find(|item| item.until.is_empty() && item.state == ItemState::Open) {
        says.push(format!(
            "Of item #{}, nobody has said by what one can see that it is done: `/postmortem action change item:{0} until:…`.",
            endless.number
        ));
    }
    let late = document.due.is_some_and(|due| due < cx.now()) && document.waits_for_review();
    let mut reply = Reply::card(if late { Tone::Warn } else { Tone::Plain }, title(document), says.join(" "));
    for asked in sections.iter().filter(written) {
        let wording = document.wording(&asked.name);
        reply = reply.field(asked.title.clone(), text::cut(&text::plain(&wording.text), GLIMPSE));
    }
    if !items.is_empty() {
        reply = reply.table(["Item", "What", "Owner", "Due"], items.iter().map(|item| item_row(cx, item)).collect());
    }
    reply = match document.stage {
        Stage::Draft => reply
            .button(Button::new("Write", format!("postmortem edit number:{number}")).look(Look::Main))
            .button(Button::new("Hand over to review", format!("postmortem review number:{number}"))),
        Stage::InReview => reply
            .button(Button::new("Approve", format!("postmortem approve number:{number}")).look(Look::Main))
            .button(Button::new("Write", format!("postmortem edit number:{number}"))),
        Stage::Reviewed => reply.button(Button::new("Close", format!("postmortem close number:{number}"))),
        Stage::Closed => reply,
    };
    reply
}

/// How far it is, as sentences.
fn stage(cx: &Cx, document: &Document) -> String {
    let meeting = match &document.meeting {
        Some(meeting) if meeting.at > cx.now() => {
            format!(" It is talked about {}, with {}.", at(meeting.at, cx), text::plain(&meeting.facilitator))
        }
        _ => String::new(),
    };
    let due = match document.due {
        Some(due) if !document.waits_for_review() => (due, ""),
        Some(due) if due < cx.now() => (due, "was"),
        Some(due) => (due, "is"),
        None => (cx.now(), ""),
    };
    let due = if due.1.is_empty() { String::new() } else { format!(" Its review {} due {}.", due.1, at(due.0, cx)) };
    let approved = match &document.approved {
        Some(who) => format!(", approved by {}", text::plain(who)),
        None => String::new(),
    };
    format!("It is {}{approved}.{due}{meeting}", document.stage.predicate())
}

/// A section in full.
pub fn section(cx: &Cx, document: &Document, asked: &Asked, shown: &Wording, newest: u32) -> Reply {
    let heading = format!("{} of #{}", asked.title, document.number);
    let who = match shown.version {
        0 => "It stands as it began.".to_owned(),
        version => format!("Version {version}, by {}, {}.", text::plain(&shown.who), text::ago(shown.at, cx.now())),
    };
    let asks = format!("{}: {}", asked.title, asked.asks);
    let says = if shown.text.is_empty() { format!("{who} Nothing is written yet. {asks}") } else { who };
    let mut reply = Reply::card(Tone::Plain, heading, says).output(wrapped(&shown.text));
    if shown.version == newest {
        reply = reply.button(edit_button(document, asked));
    }
    if shown.version > 0 {
        let earlier =
            format!("postmortem show number:{} section:{} version:{}", document.number, asked.name, shown.version - 1);
        reply = reply.button(Button::new("Earlier", earlier));
    }
    if shown.version < newest {
        let back =
            format!("postmortem restore number:{} section:{} version:{}", document.number, asked.name, shown.version);
        reply = reply.button(Button::new("Put this back", back));
    }
    reply
}

/// `reply` with a hint; `line` puts another text in the place of this one, and is empty where there is nothing to be put.
pub fn hinted(reply: Reply, text: &str, hint: &Hint, line: impl Fn(&str) -> String) -> Reply {
    let sentence = text.get(hint.at.clone()).unwrap_or_default();
    let reply = reply.field("A hint, for you alone", hint.asks).field("Reads now", text::plain(sentence));
    let (Some(instead), Some(whole)) = (&hint.instead, hint.applied(text)) else { return reply };
    let reply = reply.field("Could read", text::plain(instead));
    match line(&whole) {
        line if line.is_empty() => reply,
        line => reply.button(Button::new("Use this wording", line)),
    }
}

/// A row of the list.
pub fn row(cx: &Cx, head: &Head) -> [String; 3] {
    let due = match head.due {
        Some(due) if head.waits_for_review() => at(due, cx),
        _ => "–".to_owned(),
    };
    let title = text::cut(&text::plain(&head.title), 60);
    [format!("#{} {title}", head.number), head.stage.words().to_owned(), due]
}

/// A row of a table of action items.
pub fn item_row(cx: &Cx, item: &Item) -> [String; 4] {
    let due = match &item.state {
        ItemState::Open => day(item.due),
        ItemState::Done { at: then } => format!("done {}", at(*then, cx)),
        ItemState::Dropped { .. } => "dropped".to_owned(),
    };
    let issue = item.issue.as_ref().and_then(Issue::name).map_or_else(String::new, |name| format!(" ({name})"));
    [format!("#{}{issue}", item.number), text::cut(&text::plain(&item.what), 60), owner(cx, &item.owner), due]
}

/// Who sees to it, and whether they are still there.
pub fn owner(cx: &Cx, owner: &str) -> String {
    match cx.ports().vocabulary.people.iter().any(|person| person == owner) {
        true => text::plain(owner),
        false => format!("{} (no longer here)", text::plain(owner)),
    }
}

/// A text in lines that a screen shows, each fit to be shown.
pub fn wrapped(whole: &str) -> String {
    let mut lines = Vec::new();
    for line in whole.lines() {
        let mut shown = String::new();
        for word in line.split(' ') {
            if !shown.is_empty() && shown.chars().count() + word.chars().count() >= WIDE {
                lines.push(text::line(&std::mem::take(&mut shown)));
            }
            if !shown.is_empty() {
                shown.push(' ');
            }
            shown.push_str(word);
        }
        lines.push(text::line(&shown));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paragraphs_are_shown_whole() {
        for word in ["word", "낱말이"] {
            let text = format!("{}\n\n- {word}", vec![word; 400].join(" "));
            let shown = wrapped(&text);
            assert_eq!(shown.split_whitespace().filter(|it| *it == word).count(), 401, "{word}");
            assert!(shown.ends_with(&format!("\n\n- {word}")));
        }
        assert_eq!(wrapped("\u{202e}a\u{1b}[31mb"), text::line("\u{202e}a\u{1b}[31mb"));
    }
}
