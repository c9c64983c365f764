//! Work that an act has begun, a program mostly: followed to its end with its last lines shown, ended on request, and found
//! again after a restart. It is shared by the plugins that run programs, and knows none of them.

mod board;

pub(crate) use board::{Board, LINES, Shown};

use commands::act::Permit;
use commands::cx::{Cx, Ports};
use commands::ports::{Exit, Group, Running};
use commands::reply::Reply;
use commands::text;
use config::Section;
use futures::future::join_all;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often a message is redrawn at the most.
const REDRAW: Duration = Duration::from_millis(500);

/// When it is drawn first. What has ended by then is told by its end alone, and nobody has waited for a button of it.
const FIRST: Duration = Duration::from_millis(40);

/// How often it is redrawn although nothing has changed: a silent message looks like a dead one.
const PULSE: Duration = Duration::from_secs(60);

/// How often a program that was left to itself is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What becomes of work when Deckhand is stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum OnStop {
    /// It is ended.
    #[default]
    End,
    /// It goes on, and the next start of Deckhand settles its act.
    HandOver,
}

impl OnStop {
    /// Reads `on_stop`.
    pub fn read(section: &Section<'_>) -> OnStop {
        match section.choice("on_stop", &["end", "hand-over"]).as_deref() {
            Some("hand-over") => OnStop::HandOver,
            _ => OnStop::End,
        }
    }
}

/// Takes the output of a program, a line at a time, until it has ended.
pub(crate) async fn ended(running: Running, mut take: impl FnMut(String)) -> Exit {
    let Running { mut lines, exit, .. } = running;
    while let Some(line) = lines.recv().await {
        take(line);
    }
    // An exit that nobody tells is a launcher that has died: the worst is assumed.
    exit.await.unwrap_or(Exit::Status(-1))
}

/// Shows what `draw` makes of the time that has passed and of the board, until `end` comes; nothing comes of it when
/// Deckhand stops and leaves the work to itself.
pub(crate) async fn follow<E>(
    cx: &Cx,
    board: &Board,
    on_stop: OnStop,
    cancel: &CancellationToken,
    end: impl Future<Output = E>,
    draw: impl Fn(Duration, &Shown) -> Reply,
) -> Option<E> {
    let mut end = pin!(end);
    let (began, mut drawn, mut first) = (Instant::now(), Instant::now(), true);
    let mut redraw = tokio::time::interval_at(began + FIRST, REDRAW);
    loop {
        tokio::select! {
            biased;
            end = &mut end => return Some(end),
            () = cx.stopping().cancelled(), if !cancel.is_cancelled() => match on_stop {
                OnStop::HandOver => return None,
                OnStop::End => cancel.cancel(),
            },
            _ = redraw.tick() => if std::mem::take(&mut first) | board.has_changed() || drawn.elapsed() >= PULSE {
                drawn = Instant::now();
                cx.progress(draw(began.elapsed(), &board.shown()));
            },
        }
    }
}

/// How programs came to their end that an earlier start of Deckhand began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitedOut {
    /// By themselves.
    Ended,
    /// They were ended on request.
    Cancelled,
    /// They were ended, because they took too long.
    TooLong,
}

/// Waits until programs that an earlier start of Deckhand began have ended; after `limit`, or on a cancel, ends them.
pub(crate) async fn wait_out(
    ports: &Ports,
    permit: &Permit,
    mut groups: Vec<Group>,
    limit: Duration,
    grace: Duration,
    cancel: &CancellationToken,
) -> WaitedOut {
    let (processes, began) = (&ports.processes, Instant::now());
    loop {
        groups.retain(|group| processes.alive(group));
        let how = match () {
            () if groups.is_empty() => return WaitedOut::Ended,
            () if cancel.is_cancelled() => WaitedOut::Cancelled,
            () if began.elapsed() > limit => WaitedOut::TooLong,
            () => {
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    () = cancel.cancelled() => {}
                }
                continue;
            }
        };
        join_all(groups.iter().map(|group| processes.end(permit, group, grace))).await;
        return how;
    }
}

/// The last lines of a log, fit to be shown.
pub(crate) async fn tail(cx: &Cx, log: &str) -> String {
    let tail = cx.ports().files.tail(log, 2_000).await.ok().flatten().unwrap_or_default();
    last_lines(tail.lines())
}

/// The last of these lines, fit to be shown.
pub(crate) fn last_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let lines: Vec<_> = lines.into_iter().collect();
    let last: Vec<_> = lines[lines.len().saturating_sub(LINES)..].iter().map(|line| text::line(line)).collect();
    last.join("\n")
}

/// Seconds as people say them: `0.4 s`, `12 s`, `3 min 20 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0..=9 => format!("{:.1} s", duration.as_secs_f64()),
        seconds @ 10..=119 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// What is under way, by the numbers of its acts, each with what it is one of.
#[derive(Debug)]
pub(crate) struct UnderWay<K>(Arc<Mutex<All<K>>>);

type All<K> = BTreeMap<u64, (K, Cancel)>;

impl<K> Default for UnderWay<K> {
    fn default() -> UnderWay<K> {
        UnderWay(Arc::default())
    }
}

/// What ends work that is under way.
#[derive(Debug, Clone)]
pub(crate) struct Cancel {
    /// The number of its act.
    pub number: u64,
    /// Ends it: TERM first, KILL after the grace.
    pub token: CancellationToken,
    /// Who has cancelled it.
    by: Arc<OnceLock<String>>,
    /// What goes on since ending it changes nothing any more.
    past: Arc<OnceLock<String>>,
}

impl Cancel {
    /// Ends it for `who`. The first one to say so is the one who did.
    pub fn end(&self, who: &str) {
        let _ = self.by.set(who.to_owned());
        self.token.cancel();
    }

    /// From now on ending it changes nothing; `goes_on` is what happens instead, as a sentence without the full stop.
    pub fn too_late(&self, goes_on: String) {
        let _ = self.past.set(goes_on);
    }

    /// What goes on, where ending it changes nothing any more.
    pub fn is_too_late(&self) -> Option<&str> {
        self.past.get().map(String::as_str)
    }

    /// Why it was ended before its time, what did the work ("program"), and what that left in the world, where it left
    /// anything: a sentence each.
    pub fn why(&self, worker: &str, left_behind: Option<String>) -> String {
        match (self.by.get(), left_behind) {
            (Some(who), None) => format!("{} cancelled it, and its {worker} was ended", text::plain(who)),
            (Some(who), Some(left)) => format!("{} cancelled it. {left}", text::plain(who)),
            (None, None) => format!("Deckhand is being stopped, so its {worker} was ended"),
            (None, Some(left)) => format!("Deckhand is being stopped, so it was to end. {left}"),
        }
    }
}

/// A place among what is under way, until it is dropped.
pub(crate) struct Registered<K> {
    pub cancel: Cancel,
    all: Arc<Mutex<All<K>>>,
}

impl<K> Drop for Registered<K> {
    fn drop(&mut self) {
        lock(&self.all).remove(&self.cancel.number);
    }
}

impl<K: Eq + Clone> UnderWay<K> {
    /// Puts the act of this number among what is under way, as one of `key`.
    pub fn register(&self, key: &K, number: u64) -> Registered<K> {
        self.add(&mut lock(&self.0), key, number)
    }

    /// The same, where no other one of `key` is under way.
    pub fn register_alone(&self, key: &K, number: u64) -> Option<Registered<K>> {
        let mut all = lock(&self.0);
        let taken = all.values().any(|(other, _)| other == key);
        (!taken).then(|| self.add(&mut all, key, number))
    }

    fn add(&self, all: &mut All<K>, key: &K, number: u64) -> Registered<K> {
        let cancel = Cancel { number, token: CancellationToken::new(), by: Arc::default(), past: Arc::default() };
        all.insert(number, (key.clone(), cancel.clone()));
        Registered { cancel, all: self.0.clone() }
    }

    /// What is under way of `key`.
    pub fn get(&self, key: &K) -> Option<Cancel> {
        lock(&self.0).values().find(|(other, _)| other == key).map(|(_, cancel)| cancel.clone())
    }

    /// Everything that is under way, in the order in which it began.
    pub fn all(&self) -> Vec<(K, Cancel)> {
        lock(&self.0).values().cloned().collect()
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_is_found_until_it_is_over_and_the_first_cancel_counts() {
        let under_way = UnderWay::default();
        let first = under_way.register_alone(&"hello", 7);
        assert!(first.is_some() && under_way.register_alone(&"hello", 9).is_none());
        let other = under_way.register_alone(&"shop", 8);
        let found = under_way.get(&"hello").unwrap();
        found.end("ana");
        found.end("ben");
        assert_eq!(found.is_too_late(), None);
        found.too_late("It goes back".to_owned());
        assert_eq!(first.as_ref().unwrap().cancel.is_too_late(), Some("It goes back"));
        assert!(first.as_ref().unwrap().cancel.token.is_cancelled());
        assert!(first.as_ref().unwrap().cancel.why("program", None).starts_with("ana cancelled it"));
        assert!(!other.as_ref().unwrap().cancel.token.is_cancelled());
        drop(first);
        assert_eq!(
            under_way.all().iter().map(|(key, cancel)| (*key, cancel.number)).collect::<Vec<_>>(),
            [("shop", 8)]
        );
    }
}
