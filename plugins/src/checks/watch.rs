//! Looking at services all the time, each check at its own pace, and telling once what has changed.

use super::settings::Check;
use super::show;
use super::state::{News, STATES, State};
use crate::probe::{self, Seen};
use chrono::{DateTime, Utc};
use commands::act::Act;
use commands::cx::{Cx, Ports};
use commands::ledger::Place;
use commands::offer::{Better, Measure};
use commands::stop::Result;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

/// How many tries are made at the same time.
const AT_ONCE: usize = 64;

/// The first tries of all checks are spread over this time, so that they do not come in step for ever.
const SPREAD: Duration = Duration::from_secs(10);

/// How many tries of a check are remembered: over four hours at one in 30 seconds.
const REMEMBERED: usize = 512;

/// A difference in latency that nobody feels, in milliseconds.
const NOISE: f64 = 20.0;

/// Everything that was seen since Deckhand was started.
pub struct Watcher {
    known: Mutex<HashMap<String, Known>>,
    samples: Mutex<HashMap<String, VecDeque<Sample>>>,
    turns: Semaphore,
}

/// What is known of one check.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// How it stands.
    pub state: State,
    /// What the last try met, whoever asked for it.
    pub last: Option<std::result::Result<(), String>>,
}

#[derive(Debug, Clone)]
struct Sample {
    at: DateTime<Utc>,
    good: bool,
    took: Duration,
    figures: Vec<probe::Figure>,
}

impl Default for Watcher {
    fn default() -> Watcher {
        Watcher { known: Mutex::default(), samples: Mutex::default(), turns: Semaphore::new(AT_ONCE) }
    }
}

impl Watcher {
    /// How a check stands, as far as is known.
    pub fn state(&self, check: &Check) -> (String, Known) {
        (check.name.clone(), self.known().get(&key(check)).cloned().unwrap_or_default())
    }

    /// Tries it once, when there is room, and remembers what was met.
    pub async fn look(&self, ports: &Ports, check: &Check) -> Seen {
        // It is never closed; were it, there would be no bound.
        let _turn = self.turns.acquire().await;
        let seen = probe::once(ports, &check.probe, check.timeout).await;
        self.known().entry(key(check)).or_default().last = Some(seen.well.clone());
        let (good, took) = (seen.well.is_ok(), seen.took);
        let mut samples = lock(&self.samples);
        let samples = samples.entry(key(check)).or_default();
        samples.push_back(Sample { at: ports.clock.now(), good, took, figures: seen.figures.clone() });
        samples.drain(..samples.len().saturating_sub(REMEMBERED));
        seen
    }

    /// Looks at it again and again, until Deckhand is about to stop.
    pub async fn follow(&self, cx: &Cx, check: &Check, tell: &[Place]) {
        let stopping = cx.stopping();
        let mut recalled = self.recall(cx, check).await;
        let mut pause = offset(check);
        while stopping.run_until_cancelled(sleep(pause)).await.is_some() {
            let began = Instant::now();
            if !recalled {
                recalled = self.recall(cx, check).await;
            }
            let Some(seen) = stopping.run_until_cancelled(self.look(cx.ports(), check)).await else { return };
            if let Err(stop) = self.hear(cx, check, &seen, tell).await {
                tracing::warn!(check = key(check), "a change can not be told yet: {stop}");
            }
            let down = self.state(check).1.state.up == Some(false);
            let wanted = if down { check.rule.down_interval } else { check.rule.interval };
            pause = wanted.saturating_sub(began.elapsed());
        }
    }

    /// Takes up how it stood when Deckhand last ran; false while that can not be read.
    async fn recall(&self, cx: &Cx, check: &Check) -> bool {
        match STATES.get(cx.store(), key(check)).await {
            Ok(kept) => {
                let kept = kept.map(|kept| kept.value).unwrap_or_default();
                self.known().entry(key(check)).or_default().state = kept;
                true
            }
            Err(error) => {
                tracing::warn!(check = key(check), "how it stood can not be read: {error:#}");
                false
            }
        }
    }

    /// Counts a try. A change is an act; one that can not be written has not been counted.
    async fn hear(&self, cx: &Cx, check: &Check, seen: &Seen, tell: &[Place]) -> Result<()> {
        let mut state = self.state(check).1.state;
        if let Some(news) = state.hear(seen.well.is_ok(), cx.now(), &check.rule) {
            self.tell(cx, check, &state, seen, news, tell).await?;
        }
        self.known().entry(key(check)).or_default().state = state;
        Ok(())
    }

    async fn tell(&self, cx: &Cx, check: &Check, state: &State, seen: &Seen, news: News, tell: &[Place]) -> Result<()> {
        let verb = match news {
            News::Down => "checks.down",
            News::Up(_) => "checks.up",
            News::Flapping => "checks.flapping",
            News::Steady(_) => "checks.steady",
        };
        let live = cx.ports().offered.live(cx.ports(), &check.service, &check.environment).await?;
        let act = Act {
            verb,
            object: format!("{}: {}", check.service, check.name),
            service: Some(check.service.clone()),
            environment: Some(check.environment.clone()),
            facts: vec![("since", state.since.to_rfc3339())],
            ..Act::default()
        };
        cx.act(act, async |permit| {
            STATES.put(permit, key(check), state)?;
            permit.note(show::note(state, seen, news));
            let reply = show::news(check, state, seen, news, live.as_ref(), cx.now());
            tell.iter().try_for_each(|place| permit.say(place, reply.clone()))
        })
        .await
    }

    /// What the tries within a span of time come to.
    pub fn measures(&self, check: &Check, span: &Range<DateTime<Utc>>) -> Vec<Measure> {
        let samples = lock(&self.samples);
        let Some(samples) = samples.get(&key(check)) else { return Vec::new() };
        let samples = samples.iter().filter(|sample| span.contains(&sample.at));
        let mut found: BTreeMap<String, (Vec<f64>, &str, Better)> = BTreeMap::new();
        let name = |what: &str| format!("{}: {what}", check.name);
        for sample in samples {
            let mut add = |what: &str, value, unit, better| {
                found.entry(name(what)).or_insert((Vec::new(), unit, better)).0.push(value);
            };
            add("up", if sample.good { 100.0 } else { 0.0 }, "%", Better::Higher);
            if sample.good {
                add("latency", sample.took.as_secs_f64() * 1e3, "ms", Better::Lower);
            }
            for figure in &sample.figures {
                let Some(better) = check.better.get(&figure.name) else { continue };
                add(&figure.name, figure.value, &figure.unit, *better);
            }
        }
        let measure = |(name, (values, unit, better)): (String, (Vec<f64>, &str, Better))| Measure {
            name,
            unit: unit.to_owned(),
            better,
            value: values.iter().sum::<f64>() / values.len() as f64,
            samples: u32::try_from(values.len()).unwrap_or(u32::MAX),
            noise: if unit == "ms" { NOISE } else { 0.0 },
        };
        found.into_iter().map(measure).collect()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        lock(&self.known)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The name of a check's record.
fn key(check: &Check) -> String {
    format!("{}/{}/{}", check.service, check.environment, check.name)
}

/// When a check is first tried: the same at every start, and different for each (FNV-1a).
fn offset(check: &Check) -> Duration {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = key(check).bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    let spread = SPREAD.min(check.rule.interval).as_millis() as u64;
    Duration::from_millis((hash >> 32) % spread.max(1))
}
