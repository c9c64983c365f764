//! Starting a post-mortem, and writing its sections: several people at once, and nobody over another.

use super::document::without_names;
use super::form::{self, Asked, Known, LONGEST};
use super::hints::{Hint, NAME, Part};
use super::records::{ABOUT, DOCUMENTS, Document, ITEMS, Item, PAST, Stage, Wording, past_name};
use super::{Postmortems, Said, account, act, agree, document, pictures, records, show};
use chrono::TimeDelta;
use commands::act::Act;
use commands::cx::Cx;
use commands::offer::incident::{Account, Incident};
use commands::reply::{Button, Form, Input, Look, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The longest text of a section, in bytes: as many as the longest one has in Korean. All of them fit into one record.
const BYTES: usize = 3 * LONGEST;

/// The longest title, in columns.
const TITLE: usize = 120;

/// Of which incidents a post-mortem is offered where nobody says what it is about: those that were not over before, the newest.
const LATELY: TimeDelta = TimeDelta::days(14);
const ASKED: usize = 3;

/// The number that a title is, and nothing else: `5`, `#5`.
fn numbered(title: &str) -> Option<u64> {
    let title = title.trim();
    title.strip_prefix('#').unwrap_or(title).parse().ok()
}

impl Postmortems {
    pub(super) async fn begin(&self, cx: &Cx) -> Result<Reply> {
        let mut said: Said = cx.args()?;
        if let Some(number) = said.title.as_deref().filter(|_| said.incident.is_none()).and_then(numbered) {
            // Nobody calls a post-mortem `5`: the incident of that number is meant.
            (said.incident, said.title) = (Some(number), None);
        }
        let account = match said.incident {
            Some(number) => Some(self.account(cx, number).await?),
            None => None,
        };
        let about = account.as_ref().map(|account| &account.incident);
        let Some(title) = said.title.clone().or_else(|| about.map(|about| about.title.clone())) else {
            return Err(ask_about(cx).await?.into());
        };
        let severity = || about.and_then(|about| about.severity).map(|severity| format!("sev{severity}"));
        let begun = Document {
            number: 0,
            title: text::cut(title.trim(), TITLE),
            service: said.service.or_else(|| about.and_then(|about| about.services.first().cloned())),
            environment: said.env.or_else(|| about.and_then(|about| about.environments.first().cloned())),
            severity: said.severity.or_else(severity),
            incident: said.incident,
            stage: Stage::Draft,
            by: cx.who().to_owned(),
            place: cx.call().place.clone(),
            started: cx.now(),
            due: None,
            roles: account.as_ref().map(account::roles).unwrap_or_default(),
            sections: BTreeMap::new(),
            charts: Vec::new(),
            meeting: None,
            approved: None,
            reviewed: None,
            published: None,
            reminded: records::Reminded::default(),
        };
        let (mut known, mut items, mut drawn) = (Known::default(), Vec::new(), Vec::new());
        if let Some(account) = &account {
            drawn = pictures::draw(cx.ports(), account).await;
            known = account::known(cx.ports(), account).await;
            items = account::items(account, cx.who(), cx.now(), cx.ports().vocabulary.zone);
        }
        self.start(cx, begun, known, items, drawn).await
    }

    /// What is known of an incident that has no post-mortem yet.
    async fn account(&self, cx: &Cx, number: u64) -> Result<Account> {
        if let Some(other) = ABOUT.get(cx.store(), records::name(number)).await? {
            let other = other.value;
            return Err(Stop::refuse(format!(
                "Incident #{number} has a post-mortem already, so none was started: `/postmortem show {other}`."
            )));
        }
        cx.ports().offered.incident(cx.ports(), number).await?.ok_or_else(|| {
            Stop::refuse(format!(
                "There is no incident #{number}, so nothing was started. Without one, say `/postmortem start title:\"…\"`."
            ))
        })
    }

    /// Keeps a new post-mortem, its sections filled in by their templates.
    async fn start(
        &self,
        cx: &Cx,
        mut begun: Document,
        known: Known,
        items: Vec<Item>,
        drawn: Vec<pictures::Drawn>,
    ) -> Result<Reply> {
        let known = Known {
            title: begun.title.clone(),
            service: begun.service.clone(),
            environment: begun.environment.clone(),
            severity: begun.severity.clone(),
            ..known
        };
        begun.charts = drawn.iter().map(|one| one.title.clone()).collect();
        begun.due = agree::due(begun.severity.as_deref(), cx.now(), cx.ports().vocabulary.zone);
        for asked in &self.settings.sections {
            let mut filled = form::fill(&asked.template, &known).map_err(anyhow::Error::from)?;
            if filled.chars().count() > LONGEST {
                filled = form::fill(&asked.template, &known.clone().without_links()).map_err(anyhow::Error::from)?;
            }
            let text = form::fitting(&without_names(&filled, &begun.roles, &self.settings.people));
            let wording = Wording { text, version: 0, who: cx.who().to_owned(), at: cx.now() };
            begun.sections.insert(asked.name.clone(), wording);
        }
        let start = Act { state: None, object: text::cut(&begun.title, 80), ..act("postmortems.start", &begun) };
        cx.act(start, async |permit| {
            begun.number = permit.act();
            if let Some(incident) = begun.incident {
                permit.expect(ABOUT.key(records::name(incident)), 0);
                ABOUT.put(permit, records::name(incident), &begun.number)?;
            }
            for (section, wording) in &begun.sections {
                PAST.put(permit, past_name(begun.number, section, 0), wording)?;
            }
            pictures::keep(permit, begun.number, &drawn);
            for item in &items {
                ITEMS.put(permit, records::item_name(begun.number, item.number), item)?;
            }
            Ok(DOCUMENTS.put(permit, records::name(begun.number), &begun)?)
        })
        .await?;
        Ok(show::started(cx, &begun))
    }

    pub(super) async fn write(&self, cx: &Cx) -> Result<Reply> {
        let said: Said = cx.args()?;
        let found = document(cx, said.number).await?;
        let asked = self.section(said.section.as_deref().unwrap_or_default())?;
        let text = text::lines_of(said.text.as_deref().unwrap_or_default());
        is_open(&found.value).map_err(|stop| handed_back(stop, &text))?;
        let length = text.chars().count();
        if length > LONGEST || text.len() > BYTES {
            return Err(Stop::refuse(format!(
                "This text has {length} characters in {} bytes, and a section may have {LONGEST} in {BYTES}, so nothing was changed. Put what is long where it can be linked to, and say it shorter here.",
                text.len()
            )));
        }
        let stands = found.value.wording(&asked.name);
        if text == stands.text {
            return Ok(Reply::say(format!("{} reads like this already. Nothing was changed.", asked.title)).only_you());
        }
        let read = said.based.unwrap_or(if stands.who == cx.who() { stands.version } else { 0 });
        if read != stands.version {
            return Err(overtaken(cx, &found.value, asked, &stands, &text).into());
        }
        let wording = Wording { text, version: stands.version + 1, who: cx.who().to_owned(), at: cx.now() };
        let text = wording.text.clone();
        let put = self.put(cx, found.value, found.version, asked, wording, "postmortems.write").await;
        put.map_err(|stop| handed_back(stop, &text))
    }

    pub(super) async fn restore(&self, cx: &Cx) -> Result<Reply> {
        let said: Said = cx.args()?;
        let found = document(cx, said.number).await?;
        let asked = self.section(said.section.as_deref().unwrap_or_default())?;
        is_open(&found.value)?;
        let (stands, wanted) = (found.value.wording(&asked.name), said.version.unwrap_or_default());
        let Some(past) = past(cx, &found.value, asked, wanted).await?.filter(|_| wanted < stands.version) else {
            return Err(Stop::refuse(format!(
                "{} has no version {wanted} to go back to, so nothing was changed: it is at version {}.",
                asked.title, stands.version
            )));
        };
        let text = past.text;
        let wording = Wording { text, version: stands.version + 1, who: cx.who().to_owned(), at: cx.now() };
        self.put(cx, found.value, found.version, asked, wording, "postmortems.restore").await
    }

    async fn put(
        &self,
        cx: &Cx,
        mut document: Document,
        version: u64,
        asked: &Asked,
        wording: Wording,
        verb: &'static str,
    ) -> Result<Reply> {
        let before = wording.version - 1;
        let undo = format!("postmortem restore number:{} section:{} version:{before}", document.number, asked.name);
        let writes = Act {
            facts: vec![("section", asked.name.clone()), ("version", wording.version.to_string())],
            undo: Some(undo),
            ..act(verb, &document)
        };
        document.sections.insert(asked.name.clone(), wording.clone());
        let was_in_review = document.stage == Stage::InReview;
        if was_in_review {
            document.stage = Stage::Draft;
        }
        cx.act(writes, async |permit| {
            permit.expect(DOCUMENTS.key(records::name(document.number)), version);
            PAST.put(permit, past_name(document.number, &asked.name, wording.version), &wording)?;
            Ok(DOCUMENTS.put(permit, records::name(document.number), &document)?)
        })
        .await?;
        let title = format!("{}: version {}", asked.title, wording.version);
        let mut says = format!("It is in post-mortem #{}, {}.", document.number, text::code(&document.title));
        if was_in_review {
            // Nobody finds good what they have not read.
            says += " It is a draft again: `/postmortem review` hands it over as it is now.";
        }
        let reply = Reply::card(Tone::Good, title, says).only_you();
        let hint = self.look(&document, &wording.text, asked.part);
        let next = self.next(&document, asked).map(|next| edit_button(&document, next));
        let with_hint = hint.into_iter().fold(reply, |reply, hint| {
            let line = |text: &str| write_line(&document, asked, wording.version, text);
            show::hinted(reply, &wording.text, &hint, line)
        });
        Ok(next.into_iter().fold(with_hint, Reply::button))
    }

    /// The first section after this one that has nothing in it.
    fn next(&self, document: &Document, after: &Asked) -> Option<&Asked> {
        let sections = &self.settings.sections;
        let place = sections.iter().position(|section| section.name == after.name)?;
        let mut rest = sections[place + 1..].iter().chain(&sections[..place]);
        rest.find(|section| document.wording(&section.name).text.is_empty())
    }

    /// The one thing in a text that is worth a question.
    pub(super) fn look(&self, document: &Document, text: &str, part: Part) -> Option<Hint> {
        let mut hint = self.settings.hints.as_ref()?.first(text, part)?;
        if hint.rule == NAME {
            let sentence = text.get(hint.at.clone())?;
            hint.instead = Some(without_names(sentence, &document.roles, &self.settings.people));
        }
        Some(hint)
    }
}

/// An earlier wording of a section. One that the config got after the post-mortem was started began empty.
///
/// # Errors
/// When the store can not be read.
pub(super) async fn past(cx: &Cx, document: &Document, asked: &Asked, version: u32) -> anyhow::Result<Option<Wording>> {
    let past = PAST.get(cx.store(), past_name(document.number, &asked.name, version)).await?;
    let began_empty = || Wording { text: String::new(), version: 0, who: String::new(), at: document.started };
    Ok(past.map(|past| past.value).or_else(|| (version == 0).then(began_empty)))
}

/// The line that puts `text` into a section of which somebody has read this version.
pub(super) fn write_line(document: &Document, asked: &Asked, version: u32, text: &str) -> String {
    let text = commands::parse::quote(&text::as_line(text));
    format!("postmortem section number:{} section:{} based:{version} text:{text}", document.number, asked.name)
}

/// A button that asks for a section's text, beginning with what there is.
pub(super) fn edit_button(document: &Document, asked: &Asked) -> Button {
    let stands = document.wording(&asked.name);
    edit_from(document, asked, stands.version, stands.text)
}

fn edit_from(document: &Document, asked: &Asked, version: u32, value: String) -> Button {
    let input = Input {
        name: "text".to_owned(),
        label: text::cut(&asked.title, 45),
        hint: text::cut(&asked.asks, 100),
        value,
        long: true,
        lines: true,
        most: LONGEST,
        ..Input::default()
    };
    let line = format!("postmortem section number:{} section:{} based:{version}", document.number, asked.name);
    let form = Form { title: text::cut(&format!("{} of #{}", asked.title, document.number), 45), inputs: vec![input] };
    Button::new(asked.title.clone(), line).form(form).again()
}

/// What somebody is told who has written while somebody else was faster: both texts, and what can be done with theirs.
fn overtaken(cx: &Cx, document: &Document, asked: &Asked, stands: &Wording, own: &str) -> Reply {
    let who = if stands.who == cx.who() { "You have".to_owned() } else { format!("{} has", text::plain(&stands.who)) };
    let says = format!(
        "{who} changed {} meanwhile ({}), so yours was not put over it. Both are here, yours below: take one, or make one of both.",
        asked.title,
        text::ago(stands.at, cx.now())
    );
    let both = format!("{}\n\n{own}", stands.text);
    let reply = Reply::card(Tone::Warn, format!("{} has moved on", asked.title), says)
        .field(format!("Theirs, version {}", stands.version), text::plain(&stands.text))
        .output(show::wrapped(own))
        .button(
            Button::new("Put mine in its place", write_line(document, asked, stands.version, own)).only_for(cx.who()),
        )
        .button(Button::new(
            "Show theirs in full",
            format!("postmortem show number:{} section:{}", document.number, asked.name),
        ))
        .only_you();
    if both.chars().count() > LONGEST {
        return reply;
    }
    let join = edit_from(document, asked, stands.version, both).only_for(cx.who()).look(Look::Main);
    reply.button(Button { label: "Make one of both".to_owned(), ..join })
}

/// A refusal that gives the writer their text back: what was written in a form is nowhere else.
fn handed_back(stop: Stop, text: &str) -> Stop {
    match stop {
        Stop::Refused(reply) => Stop::Refused(Box::new(reply.output(show::wrapped(text)))),
        other => other,
    }
}

/// Whether it can be written in: what somebody has found good stays as it is.
///
/// # Errors
/// A refusal that says how it can.
pub(super) fn is_open(document: &Document) -> Result<()> {
    match document.stage {
        Stage::Draft | Stage::InReview => Ok(()),
        stage => Err(Stop::refuse(format!(
            "Post-mortem #{} is {}, so nobody writes in it any more. `/postmortem reopen {0}` makes it a draft again.",
            document.number,
            stage.words()
        ))),
    }
}

/// Asks what a post-mortem is about: one of the incidents of late that have none.
async fn ask_about(cx: &Cx) -> Result<Reply> {
    let mut incidents = cx.ports().offered.incidents(cx.ports(), cx.now() - LATELY).await?;
    incidents.sort_by_key(|incident| Reverse(incident.number));
    let (mut named, mut buttons) = (String::new(), Vec::new());
    for Incident { number, title, .. } in incidents {
        if buttons.len() < ASKED && ABOUT.get(cx.store(), records::name(number)).await?.is_none() {
            named += &format!(" Incident #{number} ({}) has none yet.", text::cut(&text::plain(&title), 60));
            buttons.push(Button::new(format!("Start it for #{number}"), format!("postmortem start incident:{number}")));
        }
    }
    let reply = Reply::refuse(format!(
        "It is not said what it is about, so nothing was started.{named} Say `/postmortem start title:\"…\"`{}.",
        if buttons.is_empty() { "" } else { " for anything else" }
    ));
    Ok(buttons.into_iter().fold(reply, Reply::button))
}
