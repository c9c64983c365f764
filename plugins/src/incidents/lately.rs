//! What changed lately on what an incident affects and on its neighbours, as the ledger has it: the newest first, each with
//! its way back.

use super::settings::Settings;
use super::show;
use chrono::TimeDelta;
use commands::act;
use commands::cx::Cx;
use commands::ledger::{Entry, Phase, Query};
use commands::offer::incident::Incident;
use commands::reply::{Button, Reply};
use commands::text;
use std::collections::HashSet;
use std::collections::btree_map::{self, BTreeMap};

/// What is said of an act that has not ended.
pub(super) const UNDER_WAY: &str = " (under way)";

/// How many changes are shown under an incident.
const MOST: usize = 5;

/// How many acts of each service and environment are taken at the most, and how many are read at once.
const MOST_OF_EACH: usize = 60;
const PAGE: usize = 60;

/// The acts since so long before the incident that touch what it affects, or a neighbour of that, newest first.
pub(super) async fn acts(cx: &Cx, incident: &Incident, settings: &Settings) -> anyhow::Result<Vec<Entry>> {
    let before = settings.lately;
    let mut incident = incident.clone();
    incident.services.extend(settings.neighbours(&incident.services).into_keys());
    let incident = &incident;
    let query = Query {
        since: incident.since().checked_sub_signed(before),
        until: incident.clocks.resolved.map(|resolved| resolved + TimeDelta::seconds(1)),
        ..Query::default()
    };
    let of = |service: Option<&String>, environment: Option<&String>| Query {
        service: service.cloned(),
        environment: environment.cloned(),
        ..query.clone()
    };
    let mut queries: Vec<_> = incident.services.iter().map(|service| of(Some(service), None)).collect();
    queries.extend(incident.environments.iter().map(|environment| of(None, Some(environment))));
    if queries.is_empty() {
        queries.push(query.clone());
    }
    let mut found = BTreeMap::new();
    for mut query in queries {
        let mut left = MOST_OF_EACH;
        // An incident's own acts are of the same service: what matters is looked for beyond them.
        loop {
            let (acts, more) = query.clone().acts(cx.store(), PAGE).await?;
            query.before = acts.last().map(|entry| entry.seq);
            for entry in acts.into_iter().filter(|entry| matters(incident, entry)) {
                if let btree_map::Entry::Vacant(place) = found.entry(entry.act()) {
                    place.insert(entry);
                    left = left.saturating_sub(1);
                }
            }
            if !more || left == 0 {
                break;
            }
        }
    }
    Ok(found.into_values().rev().collect())
}

/// Whether an act changed something that the incident affects. What Deckhand does by itself for no service in particular is
/// its own book-keeping.
fn matters(incident: &Incident, entry: &Entry) -> bool {
    let draft = &entry.draft;
    let own = draft.verb.starts_with("incidents.");
    let touched = incident.concerns(draft.service.as_deref(), draft.environment.as_deref());
    let unknown = incident.services.is_empty() && incident.environments.is_empty();
    !own && (touched || unknown) && (draft.service.is_some() || draft.who != config::DECKHAND)
}

/// The act in a few words, safe to show.
pub(super) fn words(entry: &Entry) -> String {
    let draft = &entry.draft;
    let how = match draft.phase {
        Phase::Did => "",
        Phase::Doing => UNDER_WAY,
        Phase::Failed => " (failed)",
    };
    let place = draft.environment.as_ref().map(|environment| format!(" in {environment}")).unwrap_or_default();
    format!("{} {}{place}{how}", draft.verb, text::plain(&draft.object))
}

/// What changed lately, as it is added to a message.
pub(super) struct Lately {
    fields: Vec<(String, String)>,
    buttons: Vec<Button>,
}

impl Lately {
    /// Looks it up.
    pub(super) async fn read(cx: &Cx, incident: &Incident, settings: &Settings) -> anyhow::Result<Lately> {
        let mut found = acts(cx, incident, settings).await?;
        // That something is not well has changed nothing: it may be what the incident is about.
        found.retain(|entry| !entry.draft.verb.starts_with("alerts."));
        let neighbours = settings.neighbours(&incident.services);
        let span = config::duration::show(settings.lately.to_std().unwrap_or_default());
        let says = match found.len() {
            0 => format!("nothing in the {span} before"),
            count if count <= MOST => "newest first".to_owned(),
            count => format!("the newest {MOST} of {count}; `/incident timeline candidates:yes` shows more"),
        };
        let mut lately = Lately { fields: vec![("Changed lately".to_owned(), says)], buttons: Vec::new() };
        let mut seen = HashSet::new();
        for entry in found.iter().take(MOST) {
            let who = show::who(&entry.draft.who);
            let name = format!("#{} {who}, {}", entry.act(), text::ago(entry.draft.at, cx.now()));
            let neighbour = entry.draft.service.as_ref().and_then(|service| Some((service, neighbours.get(service)?)));
            let neighbour = neighbour.map(|(service, why)| format!(" ({service}, {why})")).unwrap_or_default();
            lately.fields.push((name, words(entry) + &neighbour));
            // Only the newest change of a thing can be taken back by its own line: an older one has been overtaken.
            if seen.insert(&entry.draft.state) {
                lately.buttons.extend(act::way_back(cx.store(), entry).await?);
            }
        }
        Ok(lately)
    }

    /// The message with it.
    pub(super) fn onto(&self, mut reply: Reply) -> Reply {
        reply.buttons.extend(self.buttons.iter().cloned());
        self.fields.iter().fold(reply, |reply, (name, value)| reply.field(name, value))
    }
}
