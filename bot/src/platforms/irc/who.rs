//! Who somebody is: the account or the certificate that the server vouches for. A nick proves nothing.

use super::link::Link;
use super::message::{Message, same};
use super::settings::Identity;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long the server may take to say who somebody is.
const PATIENCE: Duration = Duration::from_secs(15);

/// How many may be asked about at once: who says more than this at once is flooding.
const MOST: usize = 32;

/// Somebody on the network, as long as they are there: their nick may change.
#[derive(Debug)]
pub struct Seat {
    nick: Mutex<Option<String>>,
    /// What they are known by: their account or fingerprint, else their whole mask, which can be neither.
    pub id: String,
    /// Whether the server vouches for them.
    pub proven: bool,
}

impl Seat {
    /// Their nick; none once they have gone.
    pub fn nick(&self) -> Option<String> {
        self.nick.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    fn set(&self, nick: Option<&str>) {
        *self.nick.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = nick.map(str::to_owned);
    }
}

/// A question to the server that is open.
struct Open {
    nick: String,
    mask: Option<String>,
    id: Option<String>,
    /// Whether they changed their nick or left meanwhile: the answer may be about somebody else.
    void: bool,
    done: oneshot::Sender<Found>,
}

/// What the server says of a nick.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    mask: Option<String>,
    id: Option<String>,
}

/// Everybody who is being dealt with.
#[derive(Default)]
pub struct Crowd {
    open: Mutex<Vec<Open>>,
    seats: Mutex<Vec<Weak<Seat>>>,
}

impl Crowd {
    fn open(&self) -> MutexGuard<'_, Vec<Open>> {
        self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Weak<Seat>>> {
        self.seats.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Who has sent this message.
    pub async fn sender(&self, message: &Message, link: &Link, identity: Identity) -> Option<Arc<Seat>> {
        let nick = message.nick()?;
        let mask = message.from.as_str();
        if identity == Identity::Account && link.tags_accounts() {
            return Some(self.seat(nick, message.tag("account").filter(|account| !account.is_empty()), mask));
        }
        let found = self.ask(nick, link).await;
        // Whoever has the nick now may not be who spoke.
        let id = found.filter(|found| found.mask.as_deref() == Some(mask)).and_then(|found| found.id);
        Some(self.seat(nick, id.as_deref(), mask))
    }

    /// Whether whoever has this nick now is `id`.
    pub async fn is(&self, nick: &str, id: &str, link: &Link) -> bool {
        let found = self.ask(nick, link).await;
        found.is_some_and(|found| found.id.as_deref() == Some(id) || found.mask.as_deref() == Some(id))
    }

    fn seat(&self, nick: &str, id: Option<&str>, mask: &str) -> Arc<Seat> {
        let proven = id.is_some();
        let seat =
            Arc::new(Seat { nick: Mutex::new(Some(nick.to_owned())), id: id.unwrap_or(mask).to_owned(), proven });
        let mut seats = self.seats();
        seats.retain(|seat| seat.strong_count() > 0);
        seats.push(Arc::downgrade(&seat));
        seat
    }

    async fn ask(&self, nick: &str, link: &Link) -> Option<Found> {
        let (done, found) = oneshot::channel();
        {
            let mut open = self.open();
            open.retain(|open| !open.done.is_closed());
            if open.len() >= MOST {
                return None;
            }
            open.push(Open { nick: nick.to_owned(), mask: None, id: None, void: false, done });
        }
        link.send(&format!("WHOIS {nick}"));
        tokio::time::timeout(PATIENCE, found).await.ok()?.ok()
    }

    /// Looks at what the server sends: answers about people, and people who come to be somebody else.
    pub fn hear(&self, message: &Message, identity: Identity) {
        match &*message.command {
            "311" => self.note(message, |open| {
                open.mask = Some(format!("{}!{}@{}", message.param(1), message.param(2), message.param(3)));
            }),
            "330" if identity == Identity::Account => {
                self.note(message, |open| open.id = Some(message.param(2).to_owned()))
            }
            "276" if identity == Identity::Certificate => self.note(message, |open| {
                let last = message.params.last().and_then(|text| text.rsplit(' ').next());
                open.id = last.map(|print| print.replace(':', "").to_ascii_lowercase());
            }),
            "318" | "401" => self.answer(message.param(1)),
            "NICK" => self.moved(message.nick().unwrap_or_default(), Some(message.param(0))),
            "QUIT" => self.moved(message.nick().unwrap_or_default(), None),
            _ => {}
        }
    }

    /// The link is down: nobody is known any more.
    pub fn forget(&self) {
        self.open().clear();
        for seat in self.seats().drain(..).filter_map(|seat| seat.upgrade()) {
            seat.set(None);
        }
    }

    fn note(&self, message: &Message, change: impl FnOnce(&mut Open)) {
        if let Some(open) = self.open().iter_mut().find(|open| same(&open.nick, message.param(1))) {
            change(open);
        }
    }

    fn answer(&self, nick: &str) {
        let mut open = self.open();
        let Some(place) = open.iter().position(|open| same(&open.nick, nick)) else { return };
        let Open { mask, id, void, done, .. } = open.remove(place);
        let found = if void { Found { mask: None, id: None } } else { Found { mask, id } };
        // Whoever asked may have given up.
        let _ = done.send(found);
    }

    fn moved(&self, nick: &str, to: Option<&str>) {
        for open in self.open().iter_mut() {
            open.void |= same(&open.nick, nick) || to.is_some_and(|to| same(&open.nick, to));
        }
        for seat in self.seats().iter().filter_map(Weak::upgrade) {
            if seat.nick().is_some_and(|is| same(&is, nick)) {
                seat.set(to);
            }
        }
    }
}
