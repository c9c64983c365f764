//! Whose turn it is: queues that keep order, share fairly between people, and say where one stands.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use tokio::sync::Notify;

/// Queues by key, of what people wait with; each lets one through at a time.
#[derive(Debug)]
pub struct Lanes<K, W> {
    queues: Shared<K, W>,
    bound: usize,
}

type Shared<K, W> = Arc<Mutex<Queues<K, W>>>;

#[derive(Debug)]
struct Queues<K, W> {
    /// The first of each has its turn; the others wait.
    by_key: HashMap<K, VecDeque<Ticket<W>>>,
    next: u64,
}

#[derive(Debug, Clone)]
struct Ticket<W> {
    number: u64,
    person: String,
    what: W,
    /// How many of the same person's stood in the queue before it.
    round: usize,
    moved: Arc<Notify>,
    gone: Arc<OnceLock<Gone<W>>>,
}

/// Why a place in a queue was given up before its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gone<W> {
    /// Whoever had it left.
    Left,
    /// Something newer of the same person's stands there.
    Replaced(W),
}

/// A queue is full: this many wait.
#[derive(Debug, PartialEq, Eq)]
pub struct Full(pub usize);

/// What stands in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing<W> {
    /// Its number, which nothing else ever has.
    pub number: u64,
    /// Whose it is.
    pub person: String,
    /// What they wait with.
    pub what: W,
}

/// A place in a queue; leaving it (by dropping) lets the next one through.
#[derive(Debug)]
pub struct Place<K: Eq + Hash, W> {
    queues: Shared<K, W>,
    key: K,
    number: u64,
    moved: Arc<Notify>,
    gone: Arc<OnceLock<Gone<W>>>,
}

impl<K: Eq + Hash + Clone, W: Clone> Lanes<K, W> {
    /// Queues in which at most `bound` wait behind the one whose turn it is.
    pub fn new(bound: usize) -> Lanes<K, W> {
        Lanes { queues: Arc::new(Mutex::new(Queues { by_key: HashMap::new(), next: 1 })), bound }
    }

    /// Takes a place for `person`: behind everyone who has as many there already, before those who have more; or the place
    /// of something of theirs that waits, where `replaces` says of it that the new one makes it pointless.
    ///
    /// # Errors
    /// When the queue is full.
    pub fn join(&self, key: K, person: &str, what: W, replaces: impl Fn(&W) -> bool) -> Result<Place<K, W>, Full> {
        let mut queues = lock(&self.queues);
        let Queues { by_key, next } = &mut *queues;
        let tickets = by_key.entry(key.clone()).or_default();
        let older = tickets.iter().skip(1).position(|ticket| ticket.person == person && replaces(&ticket.what));
        if older.is_none() && tickets.len() > self.bound {
            return Err(Full(tickets.len() - 1));
        }
        let mut ticket = Ticket {
            number: *next,
            person: person.to_owned(),
            what,
            round: tickets.iter().filter(|ticket| ticket.person == person).count(),
            moved: Arc::default(),
            gone: Arc::default(),
        };
        *next += 1;
        let (moved, gone) = (ticket.moved.clone(), ticket.gone.clone());
        let place = Place { queues: self.queues.clone(), key, number: ticket.number, moved, gone };
        if let Some(older) = older.and_then(|at| tickets.get_mut(at + 1)) {
            ticket.round = older.round;
            let newer = ticket.what.clone();
            std::mem::replace(older, ticket).end(Gone::Replaced(newer));
        } else {
            let turn = usize::from(!tickets.is_empty());
            let behind = tickets.iter().skip(turn).take_while(|other| other.round <= ticket.round).count();
            tickets.insert(turn + behind, ticket);
        }
        tickets.iter().for_each(|ticket| ticket.moved.notify_one());
        Ok(place)
    }

    /// What stands in the queue of this key; the first has its turn.
    pub fn standing(&self, key: &K) -> Vec<Standing<W>> {
        let queues = lock(&self.queues);
        queues.by_key.get(key).into_iter().flatten().map(Ticket::standing).collect()
    }

    /// How many wait in all queues, behind those whose turn it is.
    pub fn waiting(&self) -> usize {
        lock(&self.queues).by_key.values().map(|tickets| tickets.len().saturating_sub(1)).sum()
    }

    /// The keys of all queues that somebody stands in.
    pub fn keys(&self) -> Vec<K> {
        lock(&self.queues).by_key.keys().cloned().collect()
    }

    /// Takes those out of a queue that wait there and are `unwanted`, and returns them.
    pub fn leave(&self, key: &K, unwanted: impl Fn(&Standing<W>) -> bool) -> Vec<Standing<W>> {
        let mut queues = lock(&self.queues);
        let Some(tickets) = queues.by_key.get_mut(key) else { return Vec::new() };
        let turn = tickets.pop_front();
        let (gone, stay) = tickets.drain(..).partition::<VecDeque<_>, _>(|ticket| unwanted(&ticket.standing()));
        tickets.extend(turn.into_iter().chain(stay));
        tickets.iter().for_each(|ticket| ticket.moved.notify_one());
        gone.iter().for_each(|ticket| ticket.end(Gone::Left));
        gone.iter().map(Ticket::standing).collect()
    }
}

impl<W: Clone> Ticket<W> {
    fn standing(&self) -> Standing<W> {
        Standing { number: self.number, person: self.person.clone(), what: self.what.clone() }
    }

    fn end(&self, why: Gone<W>) {
        // It is out of the queue by now: nobody else ends it.
        let _ = self.gone.set(why);
        self.moved.notify_one();
    }
}

impl<K: Eq + Hash, W: Clone> Place<K, W> {
    /// The queue that it is in.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// The number under which it stands there.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Waits until it is our turn, and tells `position` where we stand (1 is next) each time that changes.
    ///
    /// # Errors
    /// When the place was given up before.
    pub async fn turn(&self, mut position: impl FnMut(usize)) -> Result<(), Gone<W>> {
        let mut told = 0;
        loop {
            if let Some(gone) = self.gone.get() {
                return Err(gone.clone());
            }
            match self.ahead() {
                0 => return Ok(()),
                ahead if ahead != told => {
                    told = ahead;
                    position(ahead);
                }
                _ => {}
            }
            self.moved.notified().await;
        }
    }

    fn ahead(&self) -> usize {
        let queues = lock(&self.queues);
        let tickets = queues.by_key.get(&self.key);
        tickets.and_then(|tickets| tickets.iter().position(|ticket| ticket.number == self.number)).unwrap_or(0)
    }
}

impl<K: Eq + Hash, W> Drop for Place<K, W> {
    fn drop(&mut self) {
        let mut queues = lock(&self.queues);
        let Some(tickets) = queues.by_key.get_mut(&self.key) else { return };
        tickets.retain(|ticket| ticket.number != self.number);
        tickets.iter().for_each(|ticket| ticket.moved.notify_one());
        if tickets.is_empty() {
            queues.by_key.remove(&self.key);
        }
    }
}

fn lock<K, W>(queues: &Mutex<Queues<K, W>>) -> MutexGuard<'_, Queues<K, W>> {
    queues.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never(_: &&str) -> bool {
        false
    }

    #[tokio::test]
    async fn one_at_a_time_in_order_and_told_where_one_stands() {
        let lanes = Lanes::new(4);
        let first = lanes.join("hello", "ana", "v1", never).unwrap();
        let second = lanes.join("hello", "ben", "v1", never).unwrap();
        let third = lanes.join("hello", "chloe", "v1", never).unwrap();
        first.turn(|_| panic!("nobody is ahead of the first")).await.unwrap();
        let waits = tokio::spawn(async move {
            let mut seen = Vec::new();
            third.turn(|ahead| seen.push(ahead)).await.unwrap();
            seen
        });
        tokio::task::yield_now().await;
        drop(first);
        second.turn(|_| panic!("the first has left")).await.unwrap();
        tokio::task::yield_now().await;
        drop(second);
        assert_eq!(waits.await.unwrap(), [2, 1]);
    }

    #[test]
    fn a_person_with_many_does_not_push_back_one_with_few() {
        let lanes = Lanes::new(9);
        let _ana: Vec<_> = (0..4).map(|_| lanes.join((), "ana", "v1", never).unwrap()).collect();
        let ben = lanes.join((), "ben", "v1", never).unwrap();
        let chloe = lanes.join((), "chloe", "v1", never).unwrap();
        assert_eq!((ben.ahead(), chloe.ahead()), (1, 2));
    }

    #[test]
    fn the_queue_is_bounded_and_other_keys_are_free() {
        let lanes = Lanes::new(1);
        let _places = [lanes.join("a", "ana", "v1", never).unwrap(), lanes.join("a", "ben", "v1", never).unwrap()];
        assert_eq!(lanes.join("a", "chloe", "v1", never).unwrap_err(), Full(1));
        assert_eq!(lanes.join("b", "chloe", "v1", never).unwrap().ahead(), 0);
        assert!(lanes.join("a", "ben", "v2", |_| true).is_ok(), "what takes another's place needs no room");
    }

    #[tokio::test]
    async fn something_newer_takes_the_place_of_the_same_persons_alone_and_not_of_what_has_its_turn() {
        let lanes = Lanes::new(9);
        let first = lanes.join((), "ana", "v1", |_| true).unwrap();
        let ana = lanes.join((), "ana", "v1", |_| true).unwrap();
        let ben = lanes.join((), "ben", "v1", |_| true).unwrap();
        let newer = lanes.join((), "ana", "v2", |_| true).unwrap();
        assert_eq!(ana.turn(|_| {}).await, Err(Gone::Replaced("v2")));
        drop(ana);
        assert_eq!(first.turn(|_| {}).await, Ok(()));
        let standing: Vec<_> = lanes.standing(&()).into_iter().map(|it| (it.person, it.what)).collect();
        let expected = [("ana", "v1"), ("ben", "v1"), ("ana", "v2")];
        assert_eq!(standing, expected.map(|(person, what)| (person.to_owned(), what)));
        assert_eq!((ben.ahead(), newer.ahead()), (1, 2));
    }

    #[tokio::test]
    async fn who_waits_can_leave_and_who_has_their_turn_can_not() {
        let lanes = Lanes::new(9);
        let first = lanes.join((), "ana", "v1", never).unwrap();
        let second = lanes.join((), "ana", "v2", never).unwrap();
        let third = lanes.join((), "ben", "v3", never).unwrap();
        let left = lanes.leave(&(), |standing| standing.person == "ana");
        assert_eq!(left.iter().map(|it| it.what).collect::<Vec<_>>(), ["v2"]);
        assert_eq!(second.turn(|_| {}).await, Err(Gone::Left));
        assert_eq!((first.ahead(), third.ahead()), (0, 1));
        drop((first, second));
        assert_eq!(third.turn(|_| {}).await, Ok(()));
        drop(third);
        assert!(lanes.keys().is_empty());
    }
}
