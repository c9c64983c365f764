//! The charts of a post-mortem: drawn once, when it is started, and kept with it, since what measures forgets.

use super::records::{Document, name};
use bytes::Bytes;
use commands::act::Permit;
use commands::cx::{Cx, Ports};
use commands::offer::chart::Wanted;
use commands::offer::incident::Account;
use commands::reply::{FileRef, Reply};
use commands::store::Read;
use commands::text;
use std::time::Duration;

/// The most charts of one post-mortem, and the largest, in bytes: one takes some ten thousand.
const MOST: usize = 6;
const LARGEST: usize = 512 * 1024;

/// Where their bytes lie: `NUMBER/PLACE`, places counted from 1.
const KEPT: &str = "postmortem/pictures/";

/// The section that they stand in, where there is one of this name.
pub const SECTION: &str = "impact";

/// A chart as it was drawn: what it shows, and its bytes.
pub struct Drawn {
    /// What it shows, fit to be shown.
    pub title: String,
    bytes: Bytes,
}

/// How long somebody who starts a post-mortem waits for its charts.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was measured of everything that an incident has affected, from as long before it as it lasted. A draft without charts
/// is better than none: what can not be drawn, or not in time, is left out.
pub async fn draw(ports: &Ports, account: &Account) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    if tokio::time::timeout(PATIENCE, draw_into(&mut drawn, ports, account)).await.is_err() {
        tracing::warn!("not all charts of incident #{} were drawn in time", account.incident.number);
    }
    drawn.truncate(MOST);
    drawn
}

async fn draw_into(drawn: &mut Vec<Drawn>, ports: &Ports, account: &Account) {
    let incident = &account.incident;
    let end = incident.clocks.mitigated.or(incident.clocks.resolved).unwrap_or_else(|| ports.clock.now());
    let began = incident.since();
    for service in &incident.services {
        for environment in &incident.environments {
            let wanted =
                Wanted { service: Some(service.clone()), environment: Some(environment.clone()), ..Wanted::default() };
            let charts = ports.offered.charts(ports, &wanted, began - (end - began)..end).await.unwrap_or_default();
            for chart in charts {
                let Some(picture) = &chart.picture else { continue };
                let Ok(Some(bytes)) = ports.files.picture(&picture.name).await else { continue };
                let title = text::plain(&chart.title);
                if bytes.len() <= LARGEST && drawn.iter().all(|other: &Drawn| other.title != title) {
                    drawn.push(Drawn { title, bytes });
                }
            }
        }
    }
}

/// Keeps charts with the post-mortem that an act starts.
pub fn keep(permit: &Permit, document: u64, drawn: &[Drawn]) {
    for (place, one) in (1..).zip(drawn) {
        permit.put(key(document, place), one.bytes.clone());
    }
}

/// The bytes of a post-mortem's charts, in the order of its titles.
///
/// # Errors
/// When the store can not be read.
pub async fn all(store: &dyn Read, document: &Document) -> anyhow::Result<Vec<Bytes>> {
    let mut all = Vec::new();
    for place in 1..=document.charts.len() {
        all.extend(store.get(&key(document.number, place)).await?.map(|record| record.value));
    }
    Ok(all)
}

/// `reply` with a post-mortem's charts as files.
///
/// # Errors
/// When they can not be read or kept.
pub async fn shown(cx: &Cx, document: &Document, mut reply: Reply) -> anyhow::Result<Reply> {
    for (place, bytes) in (1..).zip(all(cx.store(), document).await?) {
        let (title, name) = (document.charts[place - 1].clone(), format!("postmortem-{}-{place}.png", document.number));
        cx.ports().files.keep_picture(&name, bytes).await?;
        reply.files.push(FileRef { title, name, series: Vec::new() });
    }
    Ok(reply)
}

/// What a chart's file is called beside the page: `chart-1.png`.
pub fn file(place: usize) -> String {
    format!("chart-{place}.png")
}

/// The charts as Markdown: pictures in the folder `beside` the page, or their titles alone.
pub fn markdown(titles: &[String], beside: Option<&str>) -> String {
    let line = |(place, title): (usize, &String)| match beside {
        Some(folder) => format!("![{}]({folder}/{})", title.replace(['[', ']'], " "), file(place)),
        None => format!("*A chart of {} is with it in the chat.*", title.replace('*', " ")),
    };
    (1..).zip(titles).map(line).collect::<Vec<_>>().join("\n\n")
}

fn key(document: u64, place: usize) -> String {
    format!("{KEPT}{}/{place:02}", name(document))
}
