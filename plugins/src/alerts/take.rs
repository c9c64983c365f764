//! Taking alerts in: what is new is told, what is over is told, and all else changes nothing.

use super::Alerts;
use super::incoming::{self, Batch, Heard};
use super::records::{self, FIRING, Firing, SILENCES, Source};
use super::show;
use super::silence::UNSILENCE;
use chrono::{DateTime, Utc};
use commands::act::Act;
use commands::cx::Cx;
use commands::ledger::Place;
use commands::stop::Result;
use commands::table::Versioned;
use commands::text;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The most alerts that fire at once; more are left out, which is told.
const MOST: usize = 5_000;

/// For how long Alertmanager has to have forgotten an alert until it is over: after its own restart it knows none for a
/// while.
const GONE: Duration = Duration::from_secs(5 * 60);

/// How often it is told again that alerts are left out, while they are.
const TOLD_AGAIN: Duration = Duration::from_secs(3600);

/// How often it is looked for alerts of which nothing is heard any more.
const LOOK: Duration = Duration::from_secs(60);

/// What is known of alerts beside the store.
#[derive(Default)]
pub struct Taker {
    /// Alerts are taken in one after the other.
    turn: tokio::sync::Mutex<()>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// When each alert was heard of last, in this run.
    heard: HashMap<String, Instant>,
    /// Since when Alertmanager knows an alert no more.
    missing: HashMap<String, Instant>,
    /// Until when Alertmanager silences an alert.
    silenced: HashMap<String, DateTime<Utc>>,
    /// When it was told last that alerts were left out.
    left_out: Option<Instant>,
    /// Whether it was told that Alertmanager does not answer.
    complained: bool,
}

/// What came of a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// How many alerts fire anew.
    pub fire: usize,
    /// How many are over.
    pub over: usize,
    /// How many were left out, as there are too many.
    pub left_out: usize,
}

/// The alerts that Alertmanager knows, and until when each is silenced.
type Known = HashMap<String, Option<DateTime<Utc>>>;

/// A service and an environment, where they are known.
type About = (Option<String>, Option<String>);

impl Taker {
    /// Until when Alertmanager silences an alert, as far as it was asked.
    pub fn silenced(&self, fingerprint: &str) -> Option<DateTime<Utc>> {
        self.seen().silenced.get(fingerprint).copied()
    }

    /// Forgets that Alertmanager silences an alert, until it is asked again.
    pub fn is_loud(&self, fingerprint: &str) {
        self.seen().silenced.remove(fingerprint);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Alerts {
    /// Takes in what was heard: an act for all that is new of one service and environment, and one for all that is over.
    pub(super) async fn take(&self, cx: &Cx, Batch { heard, left_out }: Batch) -> Result<Taken> {
        let _turn = self.taker.turn.lock().await;
        let mut room = MOST.saturating_sub(records::firing(cx.store()).await?.len());
        let (mut taken, mut fires, mut over) =
            (Taken { left_out, ..Taken::default() }, BTreeMap::new(), BTreeMap::new());
        for it in heard {
            self.taker.seen().heard.insert(it.fingerprint.clone(), Instant::now());
            let known = FIRING.get(cx.store(), &it.fingerprint).await?;
            match (known, it.over) {
                (None, false) if room == 0 => taken.left_out += 1,
                (None, false) => {
                    room -= 1;
                    let firing = self.firing_of(cx, it);
                    let about = (firing.service.clone(), firing.environment.clone());
                    // Should one stand there twice, it is one.
                    fires.entry(about).or_insert_with(BTreeMap::new).insert(firing.fingerprint.clone(), firing);
                }
                (Some(known), true) => {
                    let about = (known.value.service.clone(), known.value.environment.clone());
                    over.entry(about).or_insert_with(BTreeMap::new).insert(it.fingerprint, known);
                }
                _ => {}
            }
        }
        for (about, fires) in fires {
            taken.fire += fires.len();
            self.fire(cx, about, fires.into_values().collect()).await?;
        }
        for (about, over) in over {
            taken.over += over.len();
            self.resolve(cx, about, over.into_values().collect(), "").await?;
        }
        if taken.left_out > 0 {
            self.leave(cx, taken.left_out).await?;
        }
        Ok(taken)
    }

    /// Says where people are that alerts were left out: Alertmanager does not read what it is answered.
    async fn leave(&self, cx: &Cx, count: usize) -> Result<()> {
        if self.taker.seen().left_out.is_some_and(|told| told.elapsed() < TOLD_AGAIN) {
            return Ok(());
        }
        let object = text::plural(count, "alert");
        cx.act(Act { verb: "alerts.leave", object, ..Act::default() }, async |permit| {
            let reply = show::left_out(count, incoming::MOST, MOST);
            self.settings.tell(None).iter().try_for_each(|place| permit.say(place, reply.clone()))
        })
        .await?;
        self.taker.seen().left_out = Some(Instant::now());
        Ok(())
    }

    fn firing_of(&self, cx: &Cx, heard: Heard) -> Firing {
        let vocabulary = &cx.ports().vocabulary;
        let (service, environment) = self.settings.about(&heard.labels, &vocabulary.services, &vocabulary.environments);
        let Heard { fingerprint, name, severity, says, labels, page, since, from, .. } = heard;
        let told = cx.now();
        // A clock that is ahead makes nothing begin later than it was told.
        let since = since.map_or(told, |since| since.min(told));
        Firing {
            fingerprint,
            name,
            severity,
            service,
            environment,
            says,
            labels,
            page,
            since,
            told,
            act: 0,
            from,
            silent: false,
        }
    }

    async fn fire(&self, cx: &Cx, about: About, mut fires: Vec<Firing>) -> Result<()> {
        for firing in &mut fires {
            // What Alertmanager silences it does not send: only what was said here counts.
            firing.silent = records::silence(cx.store(), &firing.fingerprint, cx.now()).await?.is_some();
        }
        let loud: Vec<_> = fires.iter().filter(|firing| !firing.silent).cloned().collect();
        let tell = self.settings.tell(about.0.as_deref());
        cx.act(act("alerts.fire", about.clone(), &fires), async |permit| {
            for firing in &mut fires {
                firing.act = permit.act();
                permit.expect(FIRING.key(&firing.fingerprint), 0);
                FIRING.put(permit, &firing.fingerprint, firing)?;
            }
            if loud.is_empty() {
                permit.note("silenced");
                return Ok(());
            }
            let reply = show::fires(&loud);
            tell.iter().try_for_each(|place| permit.say(place, reply.clone()))
        })
        .await
    }

    /// Tells what came while it was silenced, and fires now that it is not.
    async fn tell_late(&self, cx: &Cx, about: About, late: Vec<Versioned<Firing>>) -> Result<()> {
        let tell = self.settings.tell(about.0.as_deref());
        let all: Vec<_> = late.iter().map(|it| Firing { silent: false, ..it.value.clone() }).collect();
        cx.act(act("alerts.tell", about, &all), async |permit| {
            for (firing, it) in all.iter().zip(&late) {
                permit.expect(FIRING.key(&firing.fingerprint), it.version);
                FIRING.put(permit, &firing.fingerprint, firing)?;
            }
            let reply = show::fires(&all).field("Silenced", "until now");
            tell.iter().try_for_each(|place| permit.say(place, reply.clone()))
        })
        .await
    }

    /// Ends alerts, for a reason where nobody has said that they are over.
    async fn resolve(&self, cx: &Cx, about: About, over: Vec<Versioned<Firing>>, why: &str) -> Result<()> {
        let tell = self.settings.tell(about.0.as_deref());
        let all: Vec<_> = over.iter().map(|it| it.value.clone()).collect();
        let reply = show::over(&all, why, cx.now());
        let mut silent = true;
        for it in &all {
            silent &= self.silenced(cx.ports(), &it.fingerprint).await?.is_some();
        }
        cx.act(act("alerts.resolve", about.clone(), &all), async |permit| {
            for it in &over {
                permit.expect(FIRING.key(&it.value.fingerprint), it.version);
                permit.delete(FIRING.key(&it.value.fingerprint));
            }
            permit.note(why);
            let tell: &[Place] = if silent { &[] } else { tell };
            tell.iter().try_for_each(|place| permit.say(place, reply.clone()))
        })
        .await?;
        let mut seen = self.taker.seen();
        for it in all {
            seen.heard.remove(&it.fingerprint);
            seen.missing.remove(&it.fingerprint);
            seen.silenced.remove(&it.fingerprint);
        }
        Ok(())
    }

    /// Ends what nobody has ended, as messages get lost: what Alertmanager knows no more, and what nothing is heard of.
    pub(super) async fn keep_true(&self, cx: &Cx) {
        let began = Instant::now();
        let every = self.settings.alertmanager.as_ref().map_or(LOOK, |it| it.every);
        while cx.stopping().run_until_cancelled(sleep(every)).await.is_some() {
            if let Err(stop) = self.look(cx, began).await {
                tracing::warn!("alerts can not be looked after: {stop}");
            }
        }
    }

    async fn look(&self, cx: &Cx, began: Instant) -> Result<()> {
        let asked = cx.now();
        let gone = match &self.settings.alertmanager {
            None => None,
            Some(alertmanager) => match alertmanager.alerts(cx.ports()).await {
                Ok(known) => Some(known),
                Err(error) => {
                    if !std::mem::replace(&mut self.taker.seen().complained, true) {
                        tracing::warn!("Alertmanager does not say which alerts fire: {error:#}");
                    }
                    None
                }
            },
        };
        let gone = match gone {
            Some(alerts) => {
                self.catch_up(cx, alerts.meant).await?;
                self.forget_silences(cx, &alerts.known).await?;
                Some(alerts.known)
            }
            None => None,
        };
        let _turn = self.taker.turn.lock().await;
        let (mut over, mut late) = (BTreeMap::<(About, &str), Vec<_>>::new(), BTreeMap::<About, Vec<_>>::new());
        for it in records::firing(cx.store()).await? {
            let why = self.why_over(&it.value, gone.as_ref(), asked, began);
            let about = (it.value.service.clone(), it.value.environment.clone());
            match why {
                Some(why) => over.entry((about, why)).or_default().push(it),
                None if it.value.silent && !self.is_quiet(cx, &it.value, gone.as_ref()).await? => {
                    late.entry(about).or_default().push(it);
                }
                None => {}
            }
        }
        for ((about, why), over) in over {
            self.resolve(cx, about, over, why).await?;
        }
        for (about, late) in late {
            self.tell_late(cx, about, late).await?;
        }
        Ok(())
    }

    /// Takes in alerts that fire and whose notifications got lost, as Alertmanager has them.
    async fn catch_up(&self, cx: &Cx, mut meant: Vec<Value>) -> Result<()> {
        let firing: HashSet<_> =
            records::firing(cx.store()).await?.into_iter().map(|it| it.value.fingerprint).collect();
        meant.retain(|alert| alert["fingerprint"].as_str().is_some_and(|print| !firing.contains(print)));
        if meant.is_empty() {
            return Ok(());
        }
        match incoming::of_alertmanager(json!({ "version": "4", "alerts": meant }).to_string().as_bytes()) {
            Ok(batch) => self.take(cx, batch).await.map(|_| ()),
            Err(what) => {
                tracing::warn!("Alertmanager's own alerts are not understood: {what}");
                Ok(())
            }
        }
    }

    /// Forgets the silences that somebody has ended at Alertmanager.
    async fn forget_silences(&self, cx: &Cx, known: &Known) -> Result<()> {
        let Some(alertmanager) = &self.settings.alertmanager else { return Ok(()) };
        let _one = self.silencing.lock().await;
        let mut own = SILENCES.scan(cx.store(), "", usize::MAX).await?;
        own.retain(|(print, it)| {
            let silenced = known.get(print).is_some_and(Option::is_some);
            it.value.id.is_some() && it.value.until > cx.now() && !silenced
        });
        if own.is_empty() {
            return Ok(());
        }
        // What is not known now is looked at again.
        let Ok(silent) = alertmanager.silent(cx.ports()).await else { return Ok(()) };
        own.retain(|(_, it)| it.value.id.as_ref().is_some_and(|id| !silent.contains(id)));
        for (print, Versioned { value, version }) in own {
            let act = Act {
                verb: UNSILENCE,
                object: text::plain(&value.name),
                facts: vec![("alert", print.clone())],
                service: value.service,
                environment: value.environment,
                ..Act::default()
            };
            cx.act(act, async |permit| {
                permit.expect(SILENCES.key(&print), version);
                permit.delete(SILENCES.key(&print));
                permit.note("it was ended at Alertmanager");
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// Why an alert is over of which nobody says so: by what Alertmanager `known` when it was `asked`, where it answered.
    fn why_over(
        &self,
        firing: &Firing,
        known: Option<&Known>,
        asked: DateTime<Utc>,
        began: Instant,
    ) -> Option<&'static str> {
        let mut seen = self.taker.seen();
        let print = &firing.fingerprint;
        let is_theirs = firing.from == Source::Alertmanager;
        let Some(known) = known.filter(|_| is_theirs) else {
            // What Alertmanager has sent it is asked for: that it does not answer ends nothing.
            if is_theirs && self.settings.alertmanager.is_some() {
                return None;
            }
            let heard = seen.heard.get(print).copied().unwrap_or(began);
            return (heard.elapsed() >= self.settings.forget).then_some("nothing was heard of it for too long");
        };
        seen.complained = false;
        match known.get(print) {
            Some(until) => {
                seen.missing.remove(print);
                match until {
                    Some(until) => seen.silenced.insert(print.clone(), *until),
                    None => seen.silenced.remove(print),
                };
                None
            }
            // What was told since it was asked may not have been there yet.
            None if firing.told >= asked => None,
            None => {
                let since = *seen.missing.entry(print.clone()).or_insert_with(Instant::now);
                (since.elapsed() >= GONE).then_some("Alertmanager knows it no more")
            }
        }
    }

    /// Whether an alert is silenced still. A silence at Alertmanager may have been ended there: it knows that best.
    async fn is_quiet(&self, cx: &Cx, firing: &Firing, known: Option<&Known>) -> Result<bool> {
        let there = known.and_then(|known| known.get(&firing.fingerprint));
        let own = records::silence(cx.store(), &firing.fingerprint, cx.now()).await?;
        Ok(match there.filter(|_| firing.from == Source::Alertmanager) {
            Some(until) => until.is_some() || own.is_some_and(|own| own.value.id.is_none()),
            None => own.is_some(),
        })
    }
}

/// What is done to alerts of one service and environment.
fn act(verb: &'static str, (service, environment): About, all: &[Firing]) -> Act {
    let names: Vec<_> = all.iter().map(Firing::title).collect();
    let prints: Vec<_> = all.iter().map(|it| it.fingerprint.as_str()).collect();
    Act {
        verb,
        object: text::cut(&names.join(", "), 200),
        service,
        environment,
        facts: vec![("fingerprints", prints.join(","))],
        ..Act::default()
    }
}
