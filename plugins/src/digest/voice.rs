//! What customers say of a service, kept for the next digest.

use super::records::{VOICES, Voice};
use chrono::{DateTime, TimeDelta, Utc};
use commands::act::Act;
use commands::complete::Choice;
use commands::cx::{Cx, Ports};
use commands::offer::Section;
use commands::reply::{Reply, Tone};
use commands::stop::{Result, Stop};
use commands::store::Read;
use commands::text;
use serde::Deserialize;
use std::ops::Range;

/// The longest that is kept, in characters.
const LONGEST: usize = 200;

/// How long it is kept.
const KEPT: TimeDelta = TimeDelta::days(90);

/// How many are listed.
const LISTED: usize = 25;

/// How wide one is in a list.
const COLUMNS: usize = 120;

#[derive(Deserialize)]
struct AddArgs {
    service: String,
    text: String,
}

#[derive(Deserialize)]
struct ListArgs {
    service: Option<String>,
}

#[derive(Deserialize)]
struct RemoveArgs {
    number: u64,
}

fn name(number: u64) -> String {
    format!("{number:012}")
}

pub async fn add(cx: &Cx) -> Result<Reply> {
    let AddArgs { service, text: said } = cx.args()?;
    let letters = said.chars().count();
    if letters > LONGEST {
        return Err(Stop::refuse(format!(
            "This has {letters} characters, and {LONGEST} are kept at the most, so nothing was kept. Say the heart of it."
        )));
    }
    let old = VOICES.scan(cx.store(), "", usize::MAX).await?.into_iter();
    let old: Vec<_> = old.filter(|(_, voice)| cx.now() - voice.value.at > KEPT).map(|(name, _)| name).collect();
    let voice = Voice { at: cx.now(), service: service.clone(), text: said };
    let act = Act {
        verb: "voice.add",
        object: text::cut(&text::plain(&voice.text), COLUMNS),
        service: Some(service.clone()),
        ..Act::default()
    };
    let number = cx
        .act(act, async |permit| {
            old.iter().for_each(|name| permit.delete(VOICES.key(name)));
            VOICES.put(permit, name(permit.act()), &voice)?;
            permit.undo(Some(format!("voice remove number:{}", permit.act())));
            Ok(permit.act())
        })
        .await?;
    Ok(Reply::say(format!("Kept as #{number}: it stands beside `{service}` in the next digest.")))
}

pub async fn list(cx: &Cx) -> Result<Reply> {
    let ListArgs { service } = cx.args()?;
    let mut all = newest(cx.store(), usize::MAX).await?;
    all.retain(|(_, voice)| service.as_ref().is_none_or(|service| voice.service == *service));
    if all.is_empty() {
        return Ok(Reply::say("Nobody has said anything yet. `/voice add` keeps what a customer says."));
    }
    let row = |(number, voice): &(u64, Voice)| {
        let words = text::cut(&text::plain(&voice.text), COLUMNS);
        [number.to_string(), voice.service.clone(), text::ago(voice.at, cx.now()), words]
    };
    let count = text::plural(all.len(), "voice");
    let more = all.len().saturating_sub(LISTED);
    let says = if more > 0 { format!("The newest {LISTED} are shown.") } else { String::new() };
    Ok(Reply::card(Tone::Plain, count, says)
        .table(["Number", "Service", "When", "Words"], all.iter().take(LISTED).map(row).collect()))
}

pub async fn remove(cx: &Cx) -> Result<Reply> {
    let RemoveArgs { number } = cx.args()?;
    let Some(found) = VOICES.get(cx.store(), name(number)).await? else {
        return Err(Stop::refuse(format!("There is no voice #{number}. `/voice list` shows what there is.")));
    };
    let act = Act {
        verb: "voice.remove",
        object: format!("#{number}"),
        service: Some(found.value.service.clone()),
        ..Act::default()
    };
    cx.act(act, async |permit| {
        permit.expect(VOICES.key(name(number)), found.version);
        permit.delete(VOICES.key(name(number)));
        Ok(())
    })
    .await?;
    Ok(Reply::say(format!("#{number} is gone, and stands in no digest to come.")))
}

/// The newest, as numbers.
pub async fn choices(ports: &Ports) -> Vec<Choice> {
    let newest = newest(&*ports.store, LISTED).await.unwrap_or_default();
    newest.into_iter().map(|(number, voice)| Choice::new(number.to_string(), text::plain(&voice.text))).collect()
}

/// What was said within this time.
///
/// # Errors
/// When the store can not be read.
pub async fn section(ports: &Ports, span: &Range<DateTime<Utc>>) -> anyhow::Result<Vec<Section>> {
    let mut all = newest(&*ports.store, usize::MAX).await?;
    all.retain(|(_, voice)| span.contains(&voice.at));
    let line = |(_, voice): &(u64, Voice)| {
        // Without backticks and on one line: nothing gets out of these two.
        format!("`{}`: `{}`", voice.service, text::plain(&voice.text))
    };
    let lines: Vec<_> = all.iter().rev().map(line).collect();
    Ok(if lines.is_empty() { Vec::new() } else { vec![Section { title: "Customers say".to_owned(), lines }] })
}

/// The newest, newest first.
async fn newest(store: &dyn Read, limit: usize) -> anyhow::Result<Vec<(u64, Voice)>> {
    let found = VOICES.scan_back(store, "", None, limit).await?.into_iter();
    Ok(found.filter_map(|(name, voice)| Some((name.parse().ok()?, voice.value))).collect())
}
