//! What post-mortems have for other plugins: what follows an incident, and what a digest tells of reviews and action items.

use super::Postmortems;
use super::records::{self, ABOUT, Head, ItemState};
use async_trait::async_trait;
use chrono::{DateTime, Months, Utc};
use commands::cx::Ports;
use commands::offer::incident::Incident;
use commands::offer::{Offers, Section};
use commands::reply::Button;
use commands::text;
use std::collections::BTreeMap;
use std::ops::Range;

#[async_trait]
impl Offers for Postmortems {
    async fn after_incident(&self, ports: &Ports, incident: &Incident) -> anyhow::Result<Vec<Button>> {
        let own = ABOUT.get(&*ports.store, records::name(incident.number)).await?;
        Ok(vec![match own.map(|own| own.value) {
            Some(number) => Button::new(format!("Post-mortem #{number}"), format!("postmortem show number:{number}")),
            None => Button::new("Start the post-mortem", format!("postmortem start incident:{}", incident.number)),
        }])
    }

    fn issue_closed(&self, repository: &str, number: u64) -> bool {
        let tracker = self.settings.tracker.as_ref();
        let follows = tracker.is_some_and(|tracker| tracker.repository.eq_ignore_ascii_case(repository));
        if follows {
            self.closed.note(number);
        }
        follows
    }

    async fn digest(&self, ports: &Ports, span: Range<DateTime<Utc>>) -> anyhow::Result<Vec<Section>> {
        let all = records::heads(&*ports.store).await?;
        let mut lines = reviews(&all, &span);
        lines.extend(self.actions(ports, &all, &span).await?);
        lines.extend(anniversaries(&all, &span));
        let section = Section { title: "Post-mortems".to_owned(), lines };
        Ok(if section.lines.is_empty() { Vec::new() } else { vec![section] })
    }
}

/// What was started a year before, to the day, and can be read again.
fn anniversaries(all: &[Head], span: &Range<DateTime<Utc>>) -> Vec<String> {
    let a_year_before = |at: DateTime<Utc>| at.checked_sub_months(Months::new(12)).unwrap_or(at);
    let then = a_year_before(span.start)..a_year_before(span.end);
    let again = all.iter().filter(|it| then.contains(&it.started) && !it.waits_for_review());
    again.map(|it| format!("A year ago: #{}, {}. `/postmortem show {0}`.", it.number, text::code(&it.title))).collect()
}

/// Which were found good, how many of them in time, and which are late.
fn reviews(all: &[Head], span: &Range<DateTime<Utc>>) -> Vec<String> {
    let reviewed: Vec<_> = all
        .iter()
        .filter(|it| !it.waits_for_review())
        .filter_map(|it| Some((it.due?, it.reviewed?)))
        .filter(|(_, at)| span.contains(at))
        .collect();
    let in_time = reviewed.iter().filter(|(due, at)| at <= due).count();
    let mut lines = Vec::new();
    if !reviewed.is_empty() {
        lines.push(format!("{in_time} of {} reviewed in time.", text::plural(reviewed.len(), "post-mortem")));
    }
    let is_late = |it: &&Head| it.waits_for_review() && it.due.is_some_and(|due| due < span.end);
    let late = |it: &Head| format!("The review of #{}, {}, is late.", it.number, text::code(&it.title));
    lines.extend(all.iter().filter(is_late).map(late));
    lines
}

impl Postmortems {
    /// How many action items were done, and in time, and how many of each team are late.
    async fn actions(&self, ports: &Ports, all: &[Head], span: &Range<DateTime<Utc>>) -> anyhow::Result<Vec<String>> {
        let zone = ports.vocabulary.zone;
        let services: BTreeMap<_, _> = all.iter().map(|it| (it.number, it.service.as_deref())).collect();
        let day = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive();
        let (mut done, mut in_time, mut late) = (0_usize, 0_usize, BTreeMap::<String, usize>::new());
        for (of, item) in records::items(&*ports.store, None).await? {
            match item.value.state {
                ItemState::Done { at } if span.contains(&at) => {
                    done += 1;
                    in_time += usize::from(day(at) <= item.value.due);
                }
                ItemState::Open if item.value.due < day(span.end) => {
                    *late.entry(self.team(services.get(&of).copied().flatten())).or_default() += 1;
                }
                _ => {}
            }
        }
        let done = (done > 0).then(|| format!("{in_time} of {} done in time.", text::plural(done, "action item")));
        let late = late.into_iter().map(|(of, count)| format!("{} of {of} late.", text::plural(count, "action item")));
        Ok(done.into_iter().chain(late).collect())
    }

    /// Whose a service is: its owners, or nobody's but its own.
    fn team(&self, service: Option<&str>) -> String {
        let Some(service) = service else { return "no service".to_owned() };
        match self.settings.teams.get(service).map_or(&[][..], Vec::as_slice) {
            [] => text::code(service),
            owners => owners.iter().map(|owner| text::code(owner)).collect::<Vec<_>>().join(" and "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postmortem::records::{Reminded, Stage};

    #[test]
    fn what_was_learned_a_year_ago_is_told_on_its_day() {
        let at = |time: &str| time.parse::<DateTime<Utc>>().unwrap();
        let head = |number, started: &str, stage| Head {
            number,
            title: "Slow".to_owned(),
            service: None,
            stage,
            by: "ana".to_owned(),
            started: at(started),
            due: None,
            reviewed: None,
            reminded: Reminded::default(),
        };
        let all = [
            head(1, "2025-03-02T09:00:00Z", Stage::Closed),
            head(2, "2025-03-02T09:00:00Z", Stage::Draft),
            head(3, "2025-03-03T09:00:00Z", Stage::Reviewed),
            head(4, "2024-02-29T09:00:00Z", Stage::Closed),
        ];
        for (from, until, told) in [
            ("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z", vec!["A year ago: #1, `Slow`. `/postmortem show 1`."]),
            ("2026-03-04T00:00:00Z", "2026-03-05T00:00:00Z", vec![]),
            ("2025-02-28T00:00:00Z", "2025-03-01T00:00:00Z", vec!["A year ago: #4, `Slow`. `/postmortem show 4`."]),
        ] {
            assert_eq!(anniversaries(&all, &(at(from)..at(until))), told, "{from}");
        }
    }
}
