//! A program that an act has started: followed to its end with its last lines shown, ended on request, and found again
//! after a restart. It is shared by the plugins that run programs, and knows none of them.

use chrono::{DateTime, Utc};
use commands::act::Permit;
use commands::cx::Cx;
use commands::ports::{Exit, Group, Running};
use commands::reply::Reply;
use commands::text;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How many of a program's last lines a message shows.
const LINES: usize = 6;

/// How often a message is redrawn at the most.
const REDRAW: Duration = Duration::from_millis(500);

/// How often it is redrawn although the program says nothing: a silent message looks like a dead one.
const PULSE: Duration = Duration::from_secs(60);

/// How often a program that was left to itself is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What becomes of a program when Deckhand is stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum OnStop {
    /// It is ended.
    #[default]
    End,
    /// It goes on, and the next start of Deckhand settles its act.
    HandOver,
}

/// Shows what `draw` makes of the time that has passed and of the program's last lines, until the program ends; nothing
/// comes of it when Deckhand stops and leaves it to itself.
pub(crate) async fn follow(
    cx: &Cx,
    running: Running,
    on_stop: OnStop,
    cancel: &CancellationToken,
    draw: impl Fn(Duration, String) -> Reply,
) -> Option<Exit> {
    let Running { mut lines, mut exit, .. } = running;
    let (began, mut last, mut dirty) = (Instant::now(), VecDeque::new(), true);
    let mut redraw = tokio::time::interval(REDRAW);
    let mut drawn = began;
    let mut open = true;
    loop {
        tokio::select! {
            biased;
            line = lines.recv(), if open => match line {
                Some(line) => {
                    last.push_back(text::line(&line));
                    last.drain(..last.len().saturating_sub(LINES));
                    dirty = true;
                }
                None => open = false,
            },
            // An exit that nobody tells is a launcher that has died: the worst is assumed.
            exit = &mut exit, if !open => return Some(exit.unwrap_or(Exit::Status(-1))),
            () = cx.stopping().cancelled(), if !cancel.is_cancelled() => match on_stop {
                OnStop::HandOver => return None,
                OnStop::End => cancel.cancel(),
            },
            _ = redraw.tick() => if std::mem::take(&mut dirty) || drawn.elapsed() >= PULSE {
                drawn = Instant::now();
                cx.progress(draw(began.elapsed(), last.make_contiguous().join("\n")));
            },
        }
    }
}

/// Waits until a program that an earlier run of Deckhand has left to itself has ended; after `until`, or on a cancel, ends
/// it. Nothing comes of it when Deckhand is to stop meanwhile.
pub(crate) async fn wait_out(
    cx: &Cx,
    permit: &Permit,
    group: &Group,
    until: DateTime<Utc>,
    grace: Duration,
    cancel: &CancellationToken,
) -> Option<()> {
    let processes = &cx.ports().processes;
    while processes.alive(group) {
        if cx.now() > until || cancel.is_cancelled() {
            processes.end(permit, group, grace).await;
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = cancel.cancelled() => {}
            () = cx.stopping().cancelled() => return None,
        }
    }
    Some(())
}

/// The last lines of a log, fit to be shown.
pub(crate) async fn tail(cx: &Cx, log: &str) -> String {
    let tail = cx.ports().files.tail(log, 2_000).await.ok().flatten().unwrap_or_default();
    last_lines(&tail)
}

/// The last lines of an output, fit to be shown.
pub(crate) fn last_lines(output: &str) -> String {
    let lines: Vec<_> = output.lines().map(text::line).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// Seconds as people say them: `0.4 s`, `12 s`, `3 min 20 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0..=9 => format!("{:.1} s", duration.as_secs_f64()),
        seconds @ 10..=119 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// What is under way, one of each key.
#[derive(Debug)]
pub(crate) struct UnderWay<K>(Arc<Mutex<HashMap<K, Cancel>>>);

impl<K> Default for UnderWay<K> {
    fn default() -> UnderWay<K> {
        UnderWay(Arc::default())
    }
}

/// What ends a program that is under way.
#[derive(Debug, Clone)]
pub(crate) struct Cancel {
    /// The number of its act.
    pub number: u64,
    /// Ends it: TERM first, KILL after the grace.
    pub token: CancellationToken,
    /// Who has cancelled it.
    pub by: Arc<OnceLock<String>>,
}

impl Cancel {
    /// Ends it for `who`. The first one to say so is the one who did.
    pub fn end(&self, who: &str) {
        let _ = self.by.set(who.to_owned());
        self.token.cancel();
    }

    /// Why it was ended before its time.
    pub fn why(&self) -> String {
        match self.by.get() {
            Some(who) => format!("{} cancelled it, and its program was ended", text::plain(who)),
            None => "Deckhand is being stopped, so its program was ended".to_owned(),
        }
    }
}

/// A place among what is under way, until it is dropped.
pub(crate) struct Registered<K: Eq + Hash> {
    pub cancel: Cancel,
    key: K,
    all: Arc<Mutex<HashMap<K, Cancel>>>,
}

impl<K: Eq + Hash> Drop for Registered<K> {
    fn drop(&mut self) {
        lock(&self.all).remove(&self.key);
    }
}

impl<K: Eq + Hash + Clone> UnderWay<K> {
    /// Takes the place of `key` for the act of this number; nothing where it is taken.
    pub fn register(&self, key: &K, number: u64) -> Option<Registered<K>> {
        let cancel = Cancel { number, token: CancellationToken::new(), by: Arc::default() };
        let mut all = lock(&self.0);
        if all.contains_key(key) {
            return None;
        }
        all.insert(key.clone(), cancel.clone());
        Some(Registered { cancel, key: key.clone(), all: self.0.clone() })
    }

    /// Everything that is under way, in the order in which it began.
    pub fn all(&self) -> Vec<(K, Cancel)> {
        let mut all: Vec<_> = lock(&self.0).iter().map(|(key, cancel)| (key.clone(), cancel.clone())).collect();
        all.sort_by_key(|(_, cancel)| cancel.number);
        all
    }
}

fn lock<K>(all: &Mutex<HashMap<K, Cancel>>) -> MutexGuard<'_, HashMap<K, Cancel>> {
    all.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
