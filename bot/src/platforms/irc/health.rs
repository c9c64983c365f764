//! How the link to a network stands, for probes and for `deckhand doctor`.

use crate::platforms::Probe;
use chrono::{DateTime, Utc};
use commands::clock::Clock;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// What is known of a link.
pub struct Health {
    network: String,
    clock: Clock,
    known: Mutex<Known>,
}

struct Known {
    /// The nick that it is on under, while it is on.
    nick: Option<String>,
    since: DateTime<Utc>,
    /// The channels of the config; each with why Deckhand is not in it, if it is not.
    channels: BTreeMap<String, Option<String>>,
    /// What ended the last link, or kept one from being made.
    why: Option<String>,
    connections: u64,
    /// How many messages wait, by the channel, or, after `@`, the person that does not take them.
    waits: BTreeMap<String, usize>,
}

impl Health {
    /// Nothing has happened yet.
    pub fn new(network: &str, channels: &[(String, Option<String>)], clock: Clock) -> Arc<Health> {
        let channels = channels.iter().map(|(name, _)| (name.clone(), Some("not joined yet".to_owned())));
        let known = Known {
            nick: None,
            since: clock.now(),
            channels: channels.collect(),
            why: None,
            connections: 0,
            waits: BTreeMap::new(),
        };
        Arc::new(Health { network: network.to_owned(), clock, known: Mutex::new(known) })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// It is on, under this nick.
    pub fn on(&self, nick: &str) {
        let mut known = self.known();
        if known.nick.is_none() {
            known.since = self.clock.now();
            known.connections += 1;
        }
        (known.nick, known.why) = (Some(nick.to_owned()), None);
    }

    /// It is off, for this reason.
    pub fn off(&self, why: &str) {
        let mut known = self.known();
        if known.nick.take().is_some() {
            known.since = self.clock.now();
        }
        known.why = Some(why.to_owned());
        known.channels.values_mut().for_each(|state| *state = Some("not connected".to_owned()));
    }

    /// It is in a channel, or is not for this reason.
    pub fn channel(&self, name: &str, why_not: Option<String>) {
        let mut known = self.known();
        let found = known.channels.iter_mut().find(|(channel, _)| super::message::same(channel, name));
        if let Some((_, state)) = found {
            *state = why_not;
        }
    }

    /// So many messages wait for these.
    pub fn wait(&self, waits: BTreeMap<String, usize>) {
        self.known().waits = waits;
    }

    /// Why it is not in a channel, if it is not.
    pub fn why_not_in(&self, name: &str) -> Option<String> {
        self.known().channels.get(name).cloned().flatten()
    }
}

impl Known {
    /// The first channel that does not take messages, and how many wait for it.
    fn closed(&self) -> Option<(&String, &usize)> {
        self.waits.iter().find(|(to, _)| !to.starts_with('@'))
    }
}

impl Probe for Health {
    fn name(&self) -> &str {
        &self.network
    }

    fn ready(&self) -> bool {
        let known = self.known();
        known.nick.is_some() && known.channels.values().all(Option::is_none) && known.closed().is_none()
    }

    fn report(&self) -> Value {
        let ready = self.ready();
        let known = self.known();
        json!({
            "ready": ready,
            "nick": known.nick,
            "since": known.since,
            "connections": known.connections,
            "why": known.why,
            "channels": known.channels,
            "waits": known.waits,
        })
    }
}

/// What a report of the network `name` means for the operator: how Deckhand is on it, or what to mend.
///
/// # Errors
/// A sentence about what is wrong, and what to do.
pub fn diagnosis(name: &str, report: &Value) -> Result<String, String> {
    let since = report["since"].as_str().unwrap_or("?");
    let Some(nick) = report["nick"].as_str() else {
        let why = report["why"].as_str().unwrap_or("it connects");
        return Err(format!(
            "{name} is not connected since {since}: {why}; Deckhand tries again by itself, so look at `[chat.irc.{name}]`, and at this machine's network"
        ));
    };
    let channels: Vec<_> = report["channels"].as_object().into_iter().flatten().collect();
    if let Some((channel, why)) = channels.iter().find_map(|(channel, why)| Some((channel, why.as_str()?))) {
        return Err(format!("{name} does not let it into {channel}: {why}; let {nick} in there, or mend `channels`"));
    }
    let waits = report["waits"].as_object().into_iter().flatten().find(|(to, _)| !to.starts_with('@'));
    if let Some((channel, count)) = waits {
        return Err(format!(
            "{count} messages wait for {channel} on {name}: let {nick} speak there (`/mode {channel} +v {nick}`)"
        ));
    }
    let names = channels.iter().map(|(channel, _)| channel.as_str()).collect::<Vec<_>>().join(", ");
    Ok(format!("on {name} as {nick} since {since}, in {names}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_ready_once_it_is_in_every_channel() {
        let begins = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let channels = [("#ops".to_owned(), None), ("#dev".to_owned(), None)];
        let health = Health::new("libera", &channels, Clock::at(begins));
        let told = || diagnosis("libera", &health.report());
        health.off("no route to host");
        assert!(told().unwrap_err().contains("no route to host"));
        health.on("deckhand");
        health.channel("#OPS", None);
        health.channel("#dev", Some("it wants a key (475)".to_owned()));
        assert!(!health.ready());
        assert!(told().unwrap_err().contains("#dev: it wants a key"));
        health.channel("#dev", None);
        health.wait([("@ana".to_owned(), 1)].into());
        assert!(health.ready());
        health.wait([("#dev".to_owned(), 2)].into());
        assert!(!health.ready());
        assert!(told().unwrap_err().contains("2 messages wait for #dev"));
        health.wait(BTreeMap::new());
        assert_eq!(told().unwrap(), "on libera as deckhand since 2027-01-15T08:00:00Z, in #dev, #ops");
        health.off("ping time-out");
        assert!(!health.ready());
    }
}
