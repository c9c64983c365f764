//! The commands that only look: showing, listing, editing, and asking for a hint.

use super::document::markdown;
use super::hints::Part;
use super::records::Head;
use super::{Postmortems, Said, document, pictures, records, show, write};
use commands::cx::Cx;
use commands::reply::{Button, Look, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;

/// How many rows a list shows.
const MOST: usize = 25;

#[derive(Deserialize)]
struct Listed {
    stage: Option<String>,
    service: Option<String>,
}

impl Postmortems {
    pub(super) async fn show(&self, cx: &Cx) -> Result<Reply> {
        let said: Said = cx.args()?;
        let found = document(cx, said.number).await?.value;
        let Some(section) = &said.section else {
            if said.version.is_some() {
                return Err(Stop::refuse(
                    "A version is one of a section: say which, as in `/postmortem show number:7 section:impact version:2`.",
                ));
            }
            let items = records::items(cx.store(), Some(found.number)).await?;
            let items: Vec<_> = items.into_iter().map(|(_, item)| item.value).collect();
            let file = format!("postmortem-{}.md", found.number);
            let whole = markdown(&found, &items, &self.settings, cx.ports().vocabulary.zone, None);
            cx.ports().files.keep_text(&file, whole).await?;
            return Ok(show::card(cx, &found, &items, &self.settings.sections).file(found.title.clone(), file));
        };
        let asked = self.section(section)?;
        let newest = found.wording(&asked.name);
        let shown = match said.version.filter(|version| *version != newest.version) {
            None => newest.clone(),
            Some(version) => {
                let past = write::past(cx, &found, asked, version).await?;
                past.ok_or_else(|| {
                    let newest = newest.version;
                    Stop::refuse(format!("{} has no version {version}; the newest is {newest}.", asked.title))
                })?
            }
        };
        let reply = show::section(cx, &found, asked, &shown, newest.version);
        Ok(if asked.name == pictures::SECTION { pictures::shown(cx, &found, reply).await? } else { reply })
    }

    pub(super) async fn edit(&self, cx: &Cx) -> Result<Reply> {
        let said: Said = cx.args()?;
        let found = document(cx, said.number).await?.value;
        write::is_open(&found)?;
        let says = "Each button opens a section as it stands. What others write meanwhile is not written over.";
        let reply = Reply::card(Tone::Plain, show::title(&found), says).only_you();
        let sections = self.settings.sections.iter();
        Ok(sections.fold(reply, |reply, asked| reply.button(write::edit_button(&found, asked))))
    }

    pub(super) async fn hint(&self, cx: &Cx) -> Result<Reply> {
        let said: Said = cx.args()?;
        let Some(hints) = &self.settings.hints else {
            return Err(Stop::refuse("Hints are turned off here: the config says `hints = false`."));
        };
        let nothing = || Ok(Reply::say("Nothing in it blames or judges, as far as can be told.").only_you());
        if let Some(text) = &said.text {
            let text = text::lines_of(text);
            let Some(hint) = hints.first(&text, Part::Story) else { return nothing() };
            let reply = Reply::card(Tone::Plain, "A hint", "Only you see it, and nothing depends on it.").only_you();
            return Ok(show::hinted(reply, &text, &hint, |_| String::new()));
        }
        if said.number.is_none() {
            return Err(Stop::refuse(
                "It is not said what to look at. Say `/postmortem hint text:\"…\"`, or `/postmortem hint number:7`.",
            ));
        }
        let found = document(cx, said.number).await?.value;
        let hinted = self.settings.sections.iter().find_map(|asked| {
            let wording = found.wording(&asked.name);
            Some((asked, self.look(&found, &wording.text, asked.part)?, wording))
        });
        let Some((asked, hint, wording)) = hinted else { return nothing() };
        let says =
            format!("In {} of post-mortem #{}. Only you see it, and nothing depends on it.", asked.title, found.number);
        let reply = Reply::card(Tone::Plain, "A hint", says).only_you();
        let line = |text: &str| write::write_line(&found, asked, wording.version, text);
        Ok(show::hinted(reply, &wording.text, &hint, line))
    }

    pub(super) async fn list(&self, cx: &Cx) -> Result<Reply> {
        let Listed { stage, service } = cx.args()?;
        let fits = |found: &Head| {
            let Head { stage: own, service: of, .. } = found;
            let same = stage.as_ref().is_none_or(|stage| own.words().replace(' ', "-") == *stage);
            same && (service.is_none() || *of == service)
        };
        let found: Vec<_> = records::heads(cx.store()).await?.into_iter().filter(fits).collect();
        if found.is_empty() {
            return Ok(Reply::say("There is no such post-mortem. `/postmortem start title:\"…\"` starts one."));
        }
        let more = found.len().saturating_sub(MOST);
        let more = if more > 0 {
            format!(" {more} older ones are not shown; `/postmortem find` searches all.")
        } else {
            String::new()
        };
        let rows = found.iter().take(MOST).map(|found| show::row(cx, found)).collect();
        let says = format!("The newest first.{more}");
        let reply = Reply::card(Tone::Plain, text::plural(found.len(), "post-mortem"), says);
        let newest = &found[0];
        let open = Button::new(format!("Show #{}", newest.number), format!("postmortem show number:{}", newest.number));
        Ok(reply.table(["Post-mortem", "Stage", "Review due"], rows).button(open.look(Look::Main)))
    }
}
