//! Acts of the ledger in a timeline: offered, kept there, said to have brought the incident about, and taken out again.

use super::records::{Entry, Kind, Standing, TIMELINE, timeline_of};
use super::{Change, Incidents, act, enter, lately, meant, show};
use commands::cx::Cx;
use commands::ledger::{self, Phase, Query};
use commands::reply::{Button, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::store::Read;
use commands::text;
use serde::Deserialize;
use std::collections::HashSet;

/// How many acts are offered at once to be kept.
const CANDIDATES: usize = 5;

#[derive(Deserialize)]
struct KeepArgs {
    act: u64,
    cause: Option<String>,
    remove: Option<String>,
    instead: Option<u64>,
    number: Option<u64>,
}

impl Incidents {
    /// What stands on the ledger of what the incident affects, and not in its timeline.
    pub(super) async fn candidates(&self, cx: &Cx, it: &Standing) -> Result<Reply> {
        let kept = kept(cx, it).await?;
        let out = |entry: &ledger::Entry| kept.contains(&entry.act());
        let found = lately::acts(cx, &it.incident.offered(it.number), &self.settings, out).await?;
        let title = format!("Candidates for the timeline of #{}", it.number);
        if found.acts.is_empty() {
            let span = config::duration::show(self.settings.lately.to_std().unwrap_or_default());
            let says = format!(
                "The ledger has nothing more about what #{} affects, from {span} before it on. `/incident keep` keeps any other act.",
                it.number
            );
            return Ok(Reply::card(Tone::Plain, title, says));
        }
        let older = |more: String| format!(" {} older ones come when these are kept.", text::capital(&more));
        let more = found.beyond(CANDIDATES).map(older).unwrap_or_default();
        let mut reply = Reply::card(Tone::Plain, title, format!("Newest first. One press keeps an act.{more}"));
        for entry in found.acts.iter().take(CANDIDATES) {
            let head =
                format!("#{} {}, {}", entry.act(), show::who(&entry.draft.who), show::moment(cx, entry.draft.at));
            let line = format!("incident keep act:{} number:{}", entry.act(), it.number);
            reply = reply.field(head, lately::words(entry)).button(Button::new(format!("Keep #{}", entry.act()), line));
        }
        Ok(reply)
    }

    pub(super) async fn keep(&self, cx: &Cx) -> Result<Reply> {
        let KeepArgs { act: number, cause, remove, instead, number: incident } = cx.args()?;
        let mut it = meant(cx, incident).await?;
        if remove.is_some() {
            return self.drop(cx, it, number, cause.is_some(), instead).await;
        }
        let is_kept = kept(cx, &it).await?.contains(&number);
        if is_kept && (cause.is_none() || it.incident.cause == Some(number)) {
            return Err(Stop::refuse(format!("Act #{number} stands in the timeline of #{} already.", it.number)));
        }
        let Some(found) = find(cx.store(), number).await? else {
            return Err(Stop::refuse(format!(
                "There is no act #{number} on the ledger, so nothing was kept. `/incident timeline candidates:yes` shows those that may belong there."
            )));
        };
        let words = lately::words(&found);
        let what = match cause {
            Some(_) => format!("Brought about by #{number}: {words}"),
            None => format!("Kept #{number}: {words}"),
        };
        let undo = match (&cause, it.incident.cause) {
            (Some(_), Some(before)) if is_kept => format!("incident keep act:{before} cause:yes number:{}", it.number),
            (Some(_), Some(before)) => {
                format!("incident keep act:{number} remove:yes instead:{before} number:{}", it.number)
            }
            (Some(_), None) if is_kept => {
                format!("incident keep act:{number} cause:yes remove:yes number:{}", it.number)
            }
            _ => format!("incident keep act:{number} remove:yes number:{}", it.number),
        };
        it.incident.cause = cause.map(|_| number).or(it.incident.cause);
        let change = Change { at: found.draft.at, kind: Some(Kind::Act), ..Change::now(cx, "incidents.keep", what) };
        let change = change.undo(undo);
        let told = show::changed(cx, &it, &change);
        let entry = Entry {
            at: found.draft.at,
            kind: Kind::Act,
            who: found.draft.who.clone(),
            text: words,
            about: Some(number),
            place: found.draft.place.clone(),
            message: None,
            revisions: Vec::new(),
        };
        let kept = act(&it, &change, cx);
        cx.act(kept, async |permit| {
            it.put(permit)?;
            if !is_kept {
                enter(permit, it.number, &entry)?;
            }
            self.tell(cx, permit, &it, &told, false)
        })
        .await?;
        Ok(told)
    }

    /// Takes an act out of the timeline again; or, where it is only the `cause` that is wrong, leaves it there. What brought it
    /// about is then another act of the timeline, or nothing that is known.
    async fn drop(&self, cx: &Cx, mut it: Standing, number: u64, cause: bool, instead: Option<u64>) -> Result<Reply> {
        let all = TIMELINE.scan(cx.store(), &timeline_of(it.number), usize::MAX).await?;
        let stands = |act: u64| all.iter().any(|(name, entry)| entry.value.number(name) == act);
        if let Some(instead) = instead.filter(|instead| *instead == number || !stands(*instead)) {
            return Err(Stop::refuse(format!(
                "Act #{instead} does not stand in the timeline of #{}, or is the one that goes, so nothing was changed. Say `instead:` with another, or leave it out.",
                it.number
            )));
        }
        let found = all.into_iter().find(|(_, entry)| entry.value.about == Some(number));
        let was_cause = it.incident.cause == Some(number);
        if (cause || instead.is_some()) && !was_cause {
            return Err(Stop::refuse(format!(
                "#{number} is not said to have brought #{} about, so nothing was changed.",
                it.number
            )));
        }
        if cause {
            it.incident.cause = instead;
            let what = format!("#{number} has not brought it about, after all{}", in_its_place(instead));
            let undo = format!("incident keep act:{number} cause:yes number:{}", it.number);
            let change = Change::now(cx, "incidents.drop", what).undo(undo);
            return self.change(cx, it, Change { kind: None, ..change }).await;
        }
        let Some((name, entry)) = found else {
            return Err(Stop::refuse(format!(
                "Act #{number} was not kept in the timeline of #{}, so nothing was taken out.",
                it.number
            )));
        };
        it.incident.cause = instead.or(it.incident.cause.filter(|_| !was_cause));
        let again = if was_cause { " cause:yes" } else { "" };
        let undo = format!("incident keep act:{number}{again} number:{}", it.number);
        let what = format!("Taken out of the timeline: #{number}, {}{}", entry.value.text, in_its_place(instead));
        let change = Change { kind: None, ..Change::now(cx, "incidents.drop", what).undo(undo) };
        let told = show::changed(cx, &it, &change);
        cx.act(act(&it, &change, cx), async |permit| {
            it.put(permit)?;
            permit.expect(TIMELINE.key(&name), entry.version);
            permit.delete(TIMELINE.key(&name));
            self.tell(cx, permit, &it, &told, false)
        })
        .await?;
        Ok(told)
    }
}

/// What is said of the act that has brought it about after all.
fn in_its_place(instead: Option<u64>) -> String {
    instead.map_or_else(String::new, |instead| format!("; #{instead} has brought it about"))
}

/// The acts that stand in the timeline.
async fn kept(cx: &Cx, it: &Standing) -> Result<HashSet<u64>> {
    let all = TIMELINE.scan(cx.store(), &timeline_of(it.number), usize::MAX).await?;
    Ok(all.iter().map(|(name, entry)| entry.value.number(name)).collect())
}

/// The newest entry of an act.
async fn find(store: &dyn Read, act: u64) -> anyhow::Result<Option<ledger::Entry>> {
    let Some(record) = store.get(&ledger::key(act)).await? else { return Ok(None) };
    let doing = ledger::Entry::read(&record.value)?;
    if doing.draft.phase != Phase::Doing {
        // What was done elsewhere, and is only known, has no other entry.
        return Ok(Some(doing).filter(|entry| entry.act() == act));
    }
    let query = Query { verb: Some(doing.draft.verb.clone()), since: Some(doing.draft.at), ..Query::default() };
    let entries = query.run(store, usize::MAX).await?;
    Ok(entries.into_iter().find(|entry| entry.act() == act).or(Some(doing)))
}

/// Lets an act that was kept while it was under way say how it has ended since.
pub(super) async fn settle(store: &dyn Read, entry: &mut Entry) -> anyhow::Result<()> {
    let Some(number) = entry.about.filter(|_| entry.text.ends_with(lately::UNDER_WAY)) else { return Ok(()) };
    if let Some(found) = find(store, number).await? {
        entry.text = lately::words(&found);
    }
    Ok(())
}
