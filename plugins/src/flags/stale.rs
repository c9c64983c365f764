//! Flags that somebody should look at: expired, nobody's, or standing the same way for so long that the code could say it.

use super::Flags;
use super::model::{FLAGS, Flag, Kind, Life, SETTINGS, Setting};
use chrono::{DateTime, TimeDelta, Utc};
use commands::act::Act;
use commands::cx::{Cx, Ports};
use commands::moment;
use commands::reply::{Button, Reply, Tone};
use commands::stop::Result;
use commands::text;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Where it is kept which digest was told last: none is told twice.
const DIGEST: &str = "flags/digest";

/// How many rows are shown.
const MOST: usize = 25;

#[derive(Deserialize)]
struct Said {
    owner: Option<String>,
}

/// A flag that somebody should look at.
pub struct Stale {
    /// Its key.
    pub key: String,
    /// What it is.
    pub flag: Flag,
    /// Why.
    pub why: String,
}

impl Flags {
    pub(super) async fn stale(&self, cx: &Cx) -> Result<Reply> {
        let Said { owner } = cx.args()?;
        let mut found = self.look_for_stale(cx.ports()).await?;
        found.retain(|it| owner.is_none() || it.flag.owner == owner);
        if found.is_empty() {
            let whose = owner.map(|owner| format!(" of {}", text::plain(&owner))).unwrap_or_default();
            return Ok(Reply::say(format!(
                "No flag{whose} is stale: none is expired, nobody's, never asked for, or the same for everybody for long."
            )));
        }
        Ok(told(&found))
    }

    /// Tells the flags' channel once a week, and calls the owners.
    pub(super) async fn digest(&self, cx: &Cx, due: DateTime<Utc>) -> Result<()> {
        let last = cx.store().get(DIGEST).await?;
        let is_told = last.as_ref().is_some_and(|last| last.value == due.to_rfc3339());
        let found = self.look_for_stale(cx.ports()).await?;
        if is_told || found.is_empty() || self.settings.tell.is_empty() {
            return Ok(());
        }
        let mut reply = told(&found);
        reply.calls = found.iter().filter_map(|it| it.flag.owner.clone()).collect();
        reply.calls.sort();
        reply.calls.dedup();
        let act = Act { verb: "flags.digest", object: text::plural(found.len(), "stale flag"), ..Act::default() };
        cx.act(act, async |permit| {
            permit.expect(DIGEST, last.map_or(0, |last| last.version));
            permit.put(DIGEST, due.to_rfc3339());
            self.settings.tell.iter().try_for_each(|place| permit.say(place, reply.clone()))
        })
        .await
    }

    /// Every flag that somebody should look at.
    ///
    /// # Errors
    /// When the store can not be read.
    pub(super) async fn look_for_stale(&self, ports: &Ports) -> anyhow::Result<Vec<Stale>> {
        let mut settings: BTreeMap<String, Vec<(String, Setting)>> = BTreeMap::new();
        for (name, setting) in SETTINGS.scan(&*ports.store, "", usize::MAX).await? {
            let Some((environment, key)) = name.split_once('/') else { continue };
            settings.entry(key.to_owned()).or_default().push((environment.to_owned(), setting.value));
        }
        let mut found = Vec::new();
        for (key, flag) in FLAGS.scan(&*ports.store, "", usize::MAX).await? {
            let settings = settings.remove(&key).unwrap_or_default();
            let flag = flag.value;
            let why = match self.why_stale(ports, &flag, &settings) {
                None if self.is_unused(ports, &key, &flag).await? => {
                    Some("no application has ever asked for it".to_owned())
                }
                why => why,
            };
            found.extend(why.map(|why| Stale { key, flag, why }));
        }
        Ok(found)
    }

    fn is_long_ago(&self, ports: &Ports, since: DateTime<Utc>) -> bool {
        let long = TimeDelta::from_std(self.settings.stale_after).unwrap_or(TimeDelta::MAX);
        since.checked_add_signed(long).is_some_and(|then| then <= ports.clock.now())
    }

    /// Whether a flag has been there for long, and nobody has evaluated it anywhere.
    async fn is_unused(&self, ports: &Ports, key: &str, flag: &Flag) -> anyhow::Result<bool> {
        if flag.archived.is_some() || flag.life == Life::Permanent || !self.is_long_ago(ports, flag.created) {
            return Ok(false);
        }
        for environment in &ports.vocabulary.environments {
            if self.serving.usage(&*ports.store, environment, key).await?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Why a flag is stale, if it is.
    fn why_stale(&self, ports: &Ports, flag: &Flag, settings: &[(String, Setting)]) -> Option<String> {
        if flag.archived.is_some() {
            return None;
        }
        if let Life::Until(at) = flag.life
            && at <= ports.clock.now()
        {
            return Some(format!("should be gone since {}", shown(at, ports)));
        }
        if flag.owner.is_none() {
            return Some("nobody answers for it".to_owned());
        }
        if flag.life == Life::Permanent || !matches!(flag.kind, Kind::Release | Kind::Experiment) {
            return None;
        }
        let since = |settings: &mut dyn Iterator<Item = &(String, Setting)>| {
            settings.filter_map(|(_, setting)| setting.changed.as_ref().map(|it| it.at)).max().unwrap_or(flag.created)
        };
        let production = &self.settings.production;
        // Where nothing was ever said about it, it is off.
        let on_for_all =
            |name: &String| settings.iter().any(|(other, setting)| other == name && setting.state.for_everybody());
        let in_production = since(&mut settings.iter().filter(|(name, _)| production.contains(name)));
        if !production.is_empty() && production.iter().all(on_for_all) && self.is_long_ago(ports, in_production) {
            return Some(format!("on for everybody since {}", shown(in_production, ports)));
        }
        let last = since(&mut settings.iter());
        let off = settings.iter().all(|(_, setting)| !setting.state.on);
        (off && self.is_long_ago(ports, last)).then(|| format!("off everywhere since {}", shown(last, ports)))
    }
}

fn shown(at: DateTime<Utc>, ports: &Ports) -> String {
    moment::show(at, ports.clock.now(), ports.vocabulary.zone)
}

fn told(found: &[Stale]) -> Reply {
    let row = |it: &Stale| {
        let owner = it.flag.owner.as_deref().map_or_else(|| "nobody".to_owned(), text::plain);
        [it.key.clone(), it.why.clone(), owner]
    };
    let more = found.len().saturating_sub(MOST);
    let more = if more > 0 { format!(" {more} more are not shown.") } else { String::new() };
    let says = format!("What is in the code for good needs no flag: take it out there, then `/flag archive` it.{more}");
    let rows = found.iter().take(MOST).map(row).collect();
    let reply =
        Reply::card(Tone::Warn, text::plural(found.len(), "stale flag"), says).table(["Flag", "Why", "Owner"], rows);
    match found {
        [one] => reply.button(Button::new(format!("Archive {}", one.key), format!("flag archive flag:{}", one.key))),
        _ => reply,
    }
}
