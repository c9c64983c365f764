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
use std::collections::{BTreeMap, HashSet};

/// What is said of an act that has not ended.
pub(super) const UNDER_WAY: &str = " (under way)";

/// How many changes are shown under an incident.
const MOST: usize = 5;

/// How many acts are taken at the most, and how many are read at once.
const MOST_KNOWN: usize = 60;
const PAGE: usize = 60;

/// Acts that write down what happened, and change nothing that runs.
const PAPERWORK: [&str; 2] = ["incidents.", "postmortems."];

/// What touches everything where it names neither a service nor an environment.
const WIDE: [&str; 3] = ["freeze.add", "freeze.remove", "config.change"];

/// The newest acts that may have to do with an incident.
pub(super) struct Found {
    /// The acts, newest first.
    pub acts: Vec<Entry>,
    /// Whether there are older ones besides.
    more: bool,
}

impl Found {
    /// How many they are beyond the first `shown`, as it is said.
    pub(super) fn beyond(&self, shown: usize) -> Option<String> {
        let count = self.acts.len().checked_sub(shown).filter(|count| *count > 0 || self.more)?;
        Some(if self.more { format!("more than {count}") } else { count.to_string() })
    }
}

/// The acts since so long before the incident that touch what it affects, or a neighbour of that, less those that are left
/// `out`.
pub(super) async fn acts(
    cx: &Cx,
    incident: &Incident,
    settings: &Settings,
    out: impl Fn(&Entry) -> bool,
) -> anyhow::Result<Found> {
    let mut incident = incident.clone();
    incident.services.extend(settings.neighbours(&incident.services).into_keys());
    let (mut all, mut more) = (BTreeMap::new(), false);
    for mut query in queries(cx, &incident, settings) {
        let mut own = HashSet::new();
        // An incident's own acts are of the same service: what matters is looked for beyond them.
        'pages: loop {
            let (acts, goes_on) = query.clone().acts(cx.store(), PAGE).await?;
            query.before = acts.last().map(|entry| entry.seq);
            for entry in acts.into_iter().filter(|entry| matters(&incident, entry) && !out(entry)) {
                // Where a page ends between an act's two entries, the act is on the next as well.
                if own.insert(entry.act()) && own.len() > MOST_KNOWN {
                    more = true;
                    break 'pages;
                }
                all.entry(entry.act()).or_insert(entry);
            }
            if !goes_on {
                break;
            }
        }
    }
    let more = more || all.len() > MOST_KNOWN;
    Ok(Found { acts: all.into_values().rev().take(MOST_KNOWN).collect(), more })
}

/// What is asked of the ledger: all of it, where nobody knows what the incident affects.
fn queries(cx: &Cx, incident: &Incident, settings: &Settings) -> Vec<Query> {
    let query = Query {
        since: incident.since().checked_sub_signed(settings.lately),
        until: incident.clocks.resolved.map(|resolved| resolved + TimeDelta::seconds(1)),
        ..Query::default()
    };
    if incident.services.is_empty() && incident.environments.is_empty() {
        return vec![query];
    }
    // A change of a whole environment touches what is said to be affected wherever it is.
    let environments = match incident.environments.is_empty() {
        true => &cx.ports().vocabulary.environments,
        false => &incident.environments,
    };
    let services = incident.services.iter().map(|service| Query { service: Some(service.clone()), ..query.clone() });
    let environments =
        environments.iter().map(|environment| Query { environment: Some(environment.clone()), ..query.clone() });
    let wide = WIDE.iter().map(|verb| Query { verb: Some((*verb).to_owned()), ..query.clone() });
    services.chain(environments).chain(wide).collect()
}

/// Whether an act changed something that the incident affects. What Deckhand does by itself for no service in particular is
/// its own book-keeping.
fn matters(incident: &Incident, entry: &Entry) -> bool {
    let draft = &entry.draft;
    let own = PAPERWORK.iter().any(|paper| draft.verb.starts_with(paper));
    let wide = draft.service.is_none() && draft.environment.is_none() && WIDE.contains(&draft.verb.as_str());
    let touched = wide || incident.concerns(draft.service.as_deref(), draft.environment.as_deref());
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
        // That something is not well has changed nothing: it may be what the incident is about.
        let found = acts(cx, incident, settings, |entry| entry.draft.verb.starts_with("alerts.")).await?;
        let neighbours = settings.neighbours(&incident.services);
        let span = config::duration::show(settings.lately.to_std().unwrap_or_default());
        let says = match found.acts.len() {
            0 => format!("nothing in the {span} before"),
            count if count <= MOST => "newest first".to_owned(),
            _ => {
                let count = found.beyond(0).unwrap_or_default();
                format!("the newest {MOST} of {count}; `/incident timeline candidates:yes` shows more")
            }
        };
        let mut lately = Lately { fields: vec![("Changed lately".to_owned(), says)], buttons: Vec::new() };
        let mut seen = HashSet::new();
        for entry in found.acts.iter().take(MOST) {
            let who = show::who(&entry.draft.who);
            let name = format!("#{} {who}, {}", entry.act(), text::ago(entry.draft.at, cx.now()));
            let neighbour = entry.draft.service.as_ref().and_then(|service| Some((service, neighbours.get(service)?)));
            let neighbour = neighbour.map(|(service, why)| format!(" ({service}, {why})")).unwrap_or_default();
            let by_hand = entry.draft.by_hand().map(|how| format!(". Way back: {}", text::plain(how)));
            lately.fields.push((name, words(entry) + &neighbour + &by_hand.unwrap_or_default()));
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
