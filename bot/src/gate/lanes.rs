//! Whose turn it is: queues that keep order, share fairly between people, and say where one stands.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;

/// Queues by key; each lets one through at a time.
#[derive(Debug)]
pub struct Lanes<K> {
    queues: Arc<Mutex<HashMap<K, Queue>>>,
    bound: usize,
}

#[derive(Debug, Default)]
struct Queue {
    /// The first has its turn; the others wait.
    tickets: VecDeque<Ticket>,
    next: u64,
}

#[derive(Debug, Clone)]
struct Ticket {
    number: u64,
    person: String,
    /// How many of the same person's stood in the queue before it.
    round: usize,
    moved: Arc<Notify>,
}

/// A queue is full: this many wait.
#[derive(Debug, PartialEq, Eq)]
pub struct Full(pub usize);

/// A place in a queue; leaving it (by dropping) lets the next one through.
#[derive(Debug)]
pub struct Place<K: Eq + Hash> {
    queues: Arc<Mutex<HashMap<K, Queue>>>,
    key: K,
    number: u64,
    moved: Arc<Notify>,
}

impl<K: Eq + Hash + Clone> Lanes<K> {
    /// Queues in which at most `bound` wait behind the one whose turn it is.
    pub fn new(bound: usize) -> Lanes<K> {
        Lanes { queues: Arc::default(), bound }
    }

    /// Takes a place for `person`: behind everyone who has as many there already, before those who have more.
    ///
    /// # Errors
    /// When the queue is full.
    pub fn join(&self, key: K, person: &str) -> Result<Place<K>, Full> {
        let mut queues = lock(&self.queues);
        let queue = queues.entry(key.clone()).or_default();
        if queue.tickets.len() > self.bound {
            return Err(Full(queue.tickets.len() - 1));
        }
        let round = queue.tickets.iter().filter(|ticket| ticket.person == person).count();
        let turn = usize::from(!queue.tickets.is_empty());
        let behind = queue.tickets.iter().skip(turn).take_while(|ticket| ticket.round <= round).count();
        let ticket = Ticket { number: queue.next, person: person.to_owned(), round, moved: Arc::default() };
        queue.next += 1;
        let place = Place { queues: self.queues.clone(), key, number: ticket.number, moved: ticket.moved.clone() };
        queue.tickets.insert(turn + behind, ticket);
        queue.tickets.iter().for_each(|ticket| ticket.moved.notify_one());
        Ok(place)
    }
}

impl<K: Eq + Hash> Place<K> {
    /// Waits until it is our turn, and tells `position` where we stand (1 is next) each time that changes.
    pub async fn turn(&self, mut position: impl FnMut(usize)) {
        let mut told = 0;
        loop {
            match self.ahead() {
                0 => return,
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
        let tickets = queues.get(&self.key).map(|queue| &queue.tickets);
        tickets.and_then(|tickets| tickets.iter().position(|ticket| ticket.number == self.number)).unwrap_or(0)
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut queues = lock(&self.queues);
        let Some(queue) = queues.get_mut(&self.key) else { return };
        queue.tickets.retain(|ticket| ticket.number != self.number);
        queue.tickets.iter().for_each(|ticket| ticket.moved.notify_one());
        if queue.tickets.is_empty() {
            queues.remove(&self.key);
        }
    }
}

fn lock<K>(queues: &Mutex<HashMap<K, Queue>>) -> MutexGuard<'_, HashMap<K, Queue>> {
    queues.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_in_order_and_told_where_one_stands() {
        let lanes = Lanes::new(4);
        let first = lanes.join("hello", "ana").unwrap();
        let second = lanes.join("hello", "ben").unwrap();
        let third = lanes.join("hello", "chloe").unwrap();
        first.turn(|_| panic!("nobody is ahead of the first")).await;
        let waits = tokio::spawn(async move {
            let mut seen = Vec::new();
            third.turn(|ahead| seen.push(ahead)).await;
            seen
        });
        tokio::task::yield_now().await;
        drop(first);
        second.turn(|_| panic!("the first has left")).await;
        tokio::task::yield_now().await;
        drop(second);
        assert_eq!(waits.await.unwrap(), [2, 1]);
    }

    #[test]
    fn a_person_with_many_does_not_push_back_one_with_few() {
        let lanes = Lanes::new(9);
        let _ana: Vec<_> = (0..4).map(|_| lanes.join((), "ana").unwrap()).collect();
        let ben = lanes.join((), "ben").unwrap();
        let chloe = lanes.join((), "chloe").unwrap();
        assert_eq!((ben.ahead(), chloe.ahead()), (1, 2));
    }

    #[test]
    fn the_queue_is_bounded_and_other_keys_are_free() {
        let lanes = Lanes::new(1);
        let _places = [lanes.join("a", "ana").unwrap(), lanes.join("a", "ben").unwrap()];
        assert_eq!(lanes.join("a", "chloe").unwrap_err(), Full(1));
        assert_eq!(lanes.join("b", "chloe").unwrap().ahead(), 0);
    }
}
