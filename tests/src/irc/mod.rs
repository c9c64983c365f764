//! A network of IRC in memory: plain data, with people that say what they are told to, and a server that refuses what a
//! server would refuse.

mod server;

use anyhow::{Result, bail};
use async_trait::async_trait;
use bot::platforms::irc::dial::{Dial, Stream};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::mpsc;

/// The network's name in configs.
pub const NETWORK: &str = "libera";

/// A network, shared by everybody on it.
#[derive(Clone, Default)]
pub struct Network(Arc<Mutex<State>>);

/// All there is of it.
#[derive(Default)]
pub struct State {
    /// Everybody but Deckhand, by nick.
    pub people: BTreeMap<String, Person>,
    /// What Deckhand has said, oldest first.
    pub said: Vec<Said>,
    /// What it sent, line by line.
    pub sent: Vec<String>,
    /// What no server would take.
    pub amiss: Vec<String>,
    /// How it behaves.
    pub knobs: Knobs,
    /// Deckhand's nick, while it is on.
    pub nick: Option<String>,
    /// The channels that Deckhand is in.
    pub joined: Vec<String>,
    /// How often Deckhand has connected.
    pub connections: usize,
    link: Option<mpsc::UnboundedSender<Order>>,
}

/// Somebody on the network.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// The account that they are logged in to.
    pub account: Option<String>,
    /// The fingerprint of their certificate.
    pub fingerprint: Option<String>,
}

/// Something that Deckhand said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `PRIVMSG` or `NOTICE`.
    pub command: String,
    /// A channel or a nick.
    pub target: String,
    /// The words.
    pub text: String,
}

/// How the server behaves.
#[derive(Debug, Clone, Default)]
pub struct Knobs {
    /// Nobody can connect.
    pub down: bool,
    /// It can no more than RFC 1459: no tags, no capabilities.
    pub old: bool,
    /// It sends back what it takes, under its label.
    pub echoes: bool,
    /// Nicks that are taken.
    pub taken: Vec<String>,
    /// What it answers to a `JOIN` of a channel, such as `475`.
    pub closed: BTreeMap<String, String>,
    /// Whether it takes nothing to channels.
    pub muted: bool,
    /// Whether it answers no `PING`.
    pub silent: bool,
    /// Whether the link breaks at the next `PING`, after everything before it was read.
    pub breaks_at_ping: bool,
    /// The password of SASL, base64 as it is sent.
    pub password: Option<String>,
}

/// What a connection is told to do.
enum Order {
    Send(String),
    Break,
}

#[async_trait]
impl Dial for Network {
    async fn dial(&self) -> Result<Box<dyn Stream>> {
        if self.state().knobs.down {
            bail!("connection refused");
        }
        let (theirs, ours) = tokio::io::duplex(64 * 1024);
        let (link, orders) = mpsc::unbounded_channel();
        {
            let mut state = self.state();
            state.link = Some(link);
            (state.nick, state.connections) = (None, state.connections + 1);
            state.joined.clear();
        }
        tokio::spawn(server::serve(self.clone(), ours, orders));
        Ok(Box::new(theirs))
    }
}

impl Network {
    /// All there is.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Somebody comes, logged in to the account of their name.
    pub fn arrive(&self, nick: &str) {
        let person = Person { account: Some(nick.to_owned()), ..Person::default() };
        self.state().people.entry(nick.to_owned()).or_insert(person);
    }

    /// Sends Deckhand a line.
    pub fn send(&self, line: impl Into<String>) {
        if let Some(link) = &self.state().link {
            // It may just have gone.
            let _ = link.send(Order::Send(line.into()));
        }
    }

    /// Breaks the link without a word.
    pub fn break_link(&self) {
        if let Some(link) = self.state().link.take() {
            let _ = link.send(Order::Break);
        }
    }

    /// `nick` says something in a channel, or to Deckhand, whose nick is a target, too.
    pub fn say(&self, nick: &str, target: &str, text: &str) {
        let (old, account) = {
            let state = self.state();
            (state.knobs.old, state.people.get(nick).and_then(|person| person.account.clone()))
        };
        let tag = account.filter(|_| !old).map(|account| format!("@account={account} ")).unwrap_or_default();
        let line = format!(":{} PRIVMSG {target} :{text}", mask(nick));
        let end = (0..=line.len().min(510)).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
        self.send(format!("{tag}{}", &line[..end]));
    }

    /// `nick` is called otherwise from now on.
    pub fn rename(&self, nick: &str, to: &str) {
        let person = self.state().people.remove(nick).unwrap_or_default();
        self.state().people.insert(to.to_owned(), person);
        self.send(format!(":{} NICK :{to}", mask(nick)));
    }

    /// `nick` goes, as in a netsplit.
    pub fn quit(&self, nick: &str) {
        self.state().people.remove(nick);
        self.send(format!(":{} QUIT :hub.example leaf.example", mask(nick)));
    }

    /// What Deckhand said to a channel or nick, in lines.
    pub fn heard_by(&self, target: &str) -> Vec<String> {
        let state = self.state();
        state.said.iter().filter(|said| said.target == target).map(|said| said.text.clone()).collect()
    }

    /// The number of the newest choice of this label that `who` can see.
    pub fn choice(&self, who: &str, label: &str) -> Option<u32> {
        let state = self.state();
        let seen = state.said.iter().rev().filter(|said| said.target.starts_with('#') || said.target == who);
        let number = |choice: &str| {
            let (number, text) = choice.strip_prefix('!')?.split_once(' ')?;
            (text == label).then(|| number.parse().ok()).flatten()
        };
        seen.flat_map(|said| said.text.split(" · ")).find_map(number)
    }

    /// Waits until `what` is there, but not for ever.
    pub async fn until<T>(&self, what: &str, found: impl Fn(&State) -> Option<T>) -> T {
        for _ in 0..6_000 {
            if let Some(found) = found(&self.state()) {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let state = self.state();
        panic!("never: {what}. Said: {:#?}", state.said);
    }
}

/// Who `nick` is to a server.
pub fn mask(nick: &str) -> String {
    format!("{nick}!{}@{nick}.example", nick.trim_end_matches('_'))
}
