//! What other plugins may ask about incidents.

use super::Incidents;
use super::records::{Role, Standing, TIMELINE, timeline_of};
use super::{keep, show};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::cx::Ports;
use commands::offer::incident::{Account, Event, Incident};
use commands::offer::{Offers, Section};
use std::ops::Range;

#[async_trait]
impl Offers for Incidents {
    async fn notes(&self, ports: &Ports, service: &str, environment: &str) -> anyhow::Result<Vec<String>> {
        let open = Standing::open(&*ports.store).await?;
        let touches = |it: &&Standing| it.incident.offered(it.number).concerns(Some(service), Some(environment));
        Ok(open.iter().filter(touches).map(|it| format!("{} is not over.", show::named(it))).collect())
    }

    async fn digest(&self, ports: &Ports, span: Range<DateTime<Utc>>) -> anyhow::Result<Vec<Section>> {
        let all = Standing::newest(&*ports.store, usize::MAX).await?;
        let during = |it: &&Standing| {
            let clocks = &it.incident.clocks;
            clocks.declared < span.end && clocks.resolved.is_none_or(|resolved| resolved >= span.start)
        };
        let lines: Vec<_> = all.iter().filter(during).map(|it| in_short(it, span.end)).collect();
        Ok(if lines.is_empty() { Vec::new() } else { vec![Section { title: "Incidents".to_owned(), lines }] })
    }

    async fn incidents(&self, ports: &Ports, since: DateTime<Utc>) -> anyhow::Result<Vec<Incident>> {
        let all = Standing::newest(&*ports.store, usize::MAX).await?;
        let lasted = |it: &Standing| it.incident.clocks.resolved.is_none_or(|resolved| resolved >= since);
        Ok(all.into_iter().filter(lasted).map(|it| it.incident.offered(it.number)).collect())
    }

    async fn incident(&self, ports: &Ports, number: u64) -> anyhow::Result<Option<Account>> {
        let Some(it) = Standing::read(&*ports.store, number).await? else { return Ok(None) };
        let timeline = TIMELINE.scan(&*ports.store, &timeline_of(number), usize::MAX).await?;
        let mut events = Vec::new();
        for (_, entry) in timeline {
            let mut entry = entry.value;
            keep::settle(&*ports.store, &mut entry).await?;
            let super::Entry { at, who, text, about, place, message, .. } = entry;
            let (link, files) = message.map(|message| (message.link, message.files)).unwrap_or_default();
            events.push(Event { at, who, text, act: about, place: Some(place), link, files });
        }
        let mut roles: Vec<(Role, String)> = it.incident.roles.clone();
        roles.extend(it.incident.former.iter().cloned());
        roles.sort();
        Ok(Some(Account {
            incident: it.incident.offered(number),
            update: it.incident.update.as_ref().map(|update| update.text.clone()),
            roles: roles.into_iter().map(|(role, who)| (role.word(), who)).collect(),
            timeline: events,
            todos: it.incident.todos,
        }))
    }
}

/// How an incident stood at a moment, in a sentence.
fn in_short(it: &Standing, at: DateTime<Utc>) -> String {
    let since = it.incident.offered(it.number).since();
    let how = match it.incident.clocks.resolved.filter(|resolved| *resolved <= at) {
        Some(resolved) => format!("over after {}", show::span(resolved - since)),
        None => format!("not over, for {} so far", show::span(at - since)),
    };
    format!("{}: {how}.", show::named(it))
}
