//! What the incidents plugin keeps: a record for each incident, which of them are open, and what happened in each.

use chrono::{DateTime, Utc};
use commands::act::{POSTED, Permit, Posted};
use commands::cx::Cx;
use commands::ledger::Place;
use commands::offer::incident::{Clocks, Incident as Offered, Stage, Todo};
use commands::reply::FileRef;
use commands::store::Read;
use commands::table::Table;
use serde::{Deserialize, Serialize};

/// The incidents, by number.
pub const INCIDENTS: Table<Incident> = Table::new("incidents/all/");

/// The number of the last one that was opened.
pub const LAST: Table<u64> = Table::new("incidents/last");

/// Those that are not over, by number: what is looked at before every change.
const OPEN: Table<()> = Table::new("incidents/open/");

/// Whether somebody has said how bad it is, by number: what the buttons that ask for it are drawn from.
pub const SEVERITY_SAID: Table<()> = Table::new("incidents/severity/");

/// Whether somebody leads, by number: what the button that asks for it is drawn from.
pub const LED: Table<()> = Table::new("incidents/led/");

/// What happened, by the incident's number, the moment, and the act that noted it.
pub const TIMELINE: Table<Entry> = Table::new("incidents/timeline/");

/// Of how many of the last incidents the threads are known.
pub const RECENT: usize = 100;

/// How many incidents are read at once.
const PAGE: usize = 100;

/// Messages that stand in a timeline, by their names and the incident's: the name of the entry.
pub const QUOTED: Table<String> = Table::new("incidents/quoted/");

/// Messages that were taken out of a timeline again, by the same names: where they stood, and how.
pub const REMOVED: Table<(String, Entry)> = Table::new("incidents/removed/");

/// An incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// What is wrong.
    pub title: String,
    /// From 1, the worst, to 4.
    pub severity: Option<u8>,
    /// How far it has come.
    pub stage: Stage,
    /// How far people are with it, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The services that it affects.
    pub services: Vec<String>,
    /// The environments in which it does.
    pub environments: Vec<String>,
    /// When what was the case.
    pub clocks: Clocks,
    /// The act that brought it about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<u64>,
    /// Where it is talked about.
    pub place: Place,
    /// What was last told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<Update>,
    /// Who does what in it.
    #[serde(default)]
    pub roles: Vec<(Role, String)>,
    /// Who did so before them.
    #[serde(default)]
    pub former: Vec<(Role, String)>,
    /// What is left to be done.
    #[serde(default)]
    pub todos: Vec<Todo>,
    /// Who may change what it affects for a while.
    #[serde(default)]
    pub allowed: Vec<Allowed>,
    /// The alerts that belong to it.
    #[serde(default)]
    pub alerts: Vec<Joined>,
    /// What people are reminded of.
    pub reminders: Reminders,
}

/// What was told of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// What.
    pub text: String,
    /// Who told it.
    pub who: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// What somebody does in an incident. The order is that in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Leads: decides, and repairs nothing. One at a time.
    Commander,
    /// Helps the commander, and takes their place.
    Deputy,
    /// Writes down what happens.
    Scribe,
    /// Talks to everybody outside.
    Liaison,
    /// Knows the matter, and repairs it.
    Expert,
}

impl Role {
    /// The words for those that several people may have, or nobody.
    pub const WORDS: &'static [&'static str] = &["deputy", "scribe", "liaison", "expert"];

    /// The role of this word.
    pub fn of(word: &str) -> Option<Role> {
        let all = [Role::Commander, Role::Deputy, Role::Scribe, Role::Liaison, Role::Expert];
        all.into_iter().find(|role| role.word() == word)
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Role::Commander => "commander",
            Role::Deputy => "deputy",
            Role::Scribe => "scribe",
            Role::Liaison => "liaison",
            Role::Expert => "expert",
        }
    }
}

/// Somebody may change what an incident affects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// Who.
    pub who: String,
    /// Only this service.
    pub service: Option<String>,
    /// Until when.
    pub until: DateTime<Utc>,
}

/// What people are reminded of, and how often they were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminders {
    /// How often it was asked who leads, since nobody does, and when it is asked next.
    pub lead: Asked,
    /// How often it was asked how bad it is, and when it is asked next.
    pub severity: Asked,
    /// When the next update is due; nothing where none is.
    pub update: Option<DateTime<Utc>>,
    /// Whether somebody has stopped the reminders of updates.
    #[serde(default)]
    pub stopped: bool,
    /// When it is told next that it is still open.
    pub open: Option<DateTime<Utc>>,
}

/// A question that is asked a few times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// How often it was asked.
    pub times: u8,
    /// When it is asked next.
    pub next: DateTime<Utc>,
}

/// An alert that belongs to an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// What names it.
    pub fingerprint: String,
    /// What it is called.
    pub name: String,
    /// The act that took it in, when it fired last.
    pub act: u64,
    /// Whether it still fires.
    pub firing: bool,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: DateTime<Utc>,
    /// What kind of thing.
    pub kind: Kind,
    /// Who told it.
    pub who: String,
    /// What.
    pub text: String,
    /// The act that it is about, where that is another than the one that noted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<u64>,
    /// Where it was said.
    pub place: Place,
    /// The message that it is, where somebody has kept one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Quoted>,
    /// What stood there before, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<Revision>,
}

/// What is kept of a message besides its words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quoted {
    /// What names it.
    pub name: String,
    /// What its author was called where they said it.
    pub called: String,
    /// Where a browser finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Copies of what went with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileRef>,
    /// What went with it and was not copied, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// When it was edited last where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<DateTime<Utc>>,
    /// When it was deleted where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<DateTime<Utc>>,
}

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Somebody noted it.
    Note,
    /// Somebody said it, and it was kept.
    Quote,
    /// It was told to everybody.
    Update,
    /// The incident itself changed: its severity, a role, a clock.
    Change,
    /// An act of the ledger, kept.
    Act,
}

/// How something that happened was described before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// The words.
    pub text: String,
    /// Who replaced them.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// An incident as it stands in the store.
pub struct Standing {
    /// Its number.
    pub number: u64,
    /// The record.
    pub incident: Incident,
    /// The record's version.
    pub version: u64,
    /// Where its card stands, and the thread under it, once they are posted.
    pub posted: Option<Posted>,
}

impl Incident {
    /// Who leads.
    pub fn commander(&self) -> Option<&str> {
        self.roles.iter().find(|(role, _)| *role == Role::Commander).map(|(_, who)| who.as_str())
    }

    /// Gives somebody a role; of commanders there is one.
    pub fn give(&mut self, role: Role, who: &str) {
        if let Some(commander) = self.commander().filter(|_| role == Role::Commander).map(str::to_owned) {
            self.take(role, &commander);
        }
        self.former.retain(|(other, person)| (*other, person.as_str()) != (role, who));
        self.roles.push((role, who.to_owned()));
        self.roles.sort();
    }

    /// Takes a role back.
    pub fn take(&mut self, role: Role, who: &str) {
        self.roles.retain(|(other, person)| (*other, person.as_str()) != (role, who));
        self.former.retain(|(other, person)| (*other, person.as_str()) != (role, who));
        self.former.push((role, who.to_owned()));
    }

    /// As other plugins see it.
    pub fn offered(&self, number: u64) -> Offered {
        Offered {
            number,
            title: self.title.clone(),
            severity: self.severity,
            stage: self.stage,
            services: self.services.clone(),
            environments: self.environments.clone(),
            clocks: self.clocks.clone(),
            cause: self.cause,
            place: self.place.clone(),
        }
    }
}

impl Entry {
    /// Something that the caller notes now; what it is, is to be filled in.
    pub fn by(cx: &Cx) -> Entry {
        let (who, place) = (cx.who().to_owned(), cx.call().place.clone());
        let (kind, text) = (Kind::Note, String::new());
        Entry { at: cx.now(), kind, who, text, about: None, place, message: None, revisions: Vec::new() }
    }
}

impl Standing {
    /// The incident of this number.
    ///
    /// # Errors
    /// When it can not be read.
    pub async fn read(store: &dyn Read, number: u64) -> anyhow::Result<Option<Standing>> {
        let Some(found) = INCIDENTS.get(store, name(number)).await? else { return Ok(None) };
        let posted = POSTED.get(store, card_of(number)).await?.map(|posted| posted.value);
        Ok(Some(Standing { number, incident: found.value, version: found.version, posted }))
    }

    /// Those that are not over, oldest first.
    ///
    /// # Errors
    /// When they can not be read.
    pub async fn open(store: &dyn Read) -> anyhow::Result<Vec<Standing>> {
        let mut found = Vec::new();
        for (name, _) in OPEN.scan(store, "", usize::MAX).await? {
            let number = u64::from_str_radix(&name, 16).unwrap_or_default();
            found.extend(Standing::read(store, number).await?);
        }
        Ok(found)
    }

    /// The one that this is the thread of, open or not, if it is one of the last.
    ///
    /// # Errors
    /// When they can not be read.
    pub async fn of_thread(store: &dyn Read, here: &Place) -> anyhow::Result<Option<Standing>> {
        // A thread's channel names the one that it hangs under.
        if !here.channel.contains('/') {
            return Ok(None);
        }
        for it in Standing::newest(store, RECENT).await? {
            let found = Standing::read(store, it.number).await?;
            if let Some(found) = found.filter(|it| it.is_home(here)) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Where it is talked about: in its thread, where it has one.
    pub fn home(&self) -> &Place {
        self.posted.as_ref().and_then(|posted| posted.thread.as_ref()).unwrap_or(&self.incident.place)
    }

    /// Whether it is talked about here: a channel of its own may have threads, too.
    pub fn is_home(&self, here: &Place) -> bool {
        let home = self.home();
        let inside = |home: &str| {
            home.contains('/') && here.channel.strip_prefix(home).is_some_and(|thread| thread.starts_with('/'))
        };
        home.platform == here.platform && (home.channel == here.channel || inside(&home.channel))
    }

    /// The newest, at most so many; where their cards stand is not looked up.
    ///
    /// # Errors
    /// When they can not be read.
    pub async fn newest(store: &dyn Read, limit: usize) -> anyhow::Result<Vec<Standing>> {
        let (mut newest, mut before) = (Vec::new(), None::<String>);
        while newest.len() < limit {
            let page = INCIDENTS.scan_back(store, "", before.as_deref(), PAGE.min(limit - newest.len())).await?;
            let Some((last, _)) = page.last() else { break };
            before = Some(last.clone());
            newest.extend(page.into_iter().map(|(name, found)| {
                let number = u64::from_str_radix(&name, 16).unwrap_or_default();
                Standing { number, incident: found.value, version: found.version, posted: None }
            }));
            // Others are answered meanwhile.
            tokio::task::yield_now().await;
        }
        Ok(newest)
    }

    /// Writes the record with the end of the act, unless it has changed meanwhile.
    ///
    /// # Errors
    /// When it can not be written as JSON.
    pub fn put(&self, permit: &Permit) -> anyhow::Result<()> {
        let (name, incident) = (name(self.number), &self.incident);
        permit.expect(INCIDENTS.key(&name), self.version);
        INCIDENTS.put(permit, &name, incident)?;
        mark(permit, &OPEN, &name, incident.stage != Stage::Resolved)?;
        mark(permit, &SEVERITY_SAID, &name, incident.severity.is_some())?;
        mark(permit, &LED, &name, incident.commander().is_some())
    }
}

/// Keeps an empty record there, or none.
fn mark(permit: &Permit, table: &Table<()>, name: &str, stands: bool) -> anyhow::Result<()> {
    if stands {
        return table.put(permit, name, &());
    }
    permit.delete(table.key(name));
    Ok(())
}

/// The name of an incident's record: in the order of their numbers.
pub fn name(number: u64) -> String {
    format!("{number:016x}")
}

/// What an incident's card is found by.
pub fn card_of(number: u64) -> String {
    format!("incidents/{}", name(number))
}

/// The name under which it is found where a message stands.
pub fn quoted(message: &str, incident: u64) -> String {
    format!("{message}/{}", name(incident))
}

/// Where the timeline of an incident lies.
pub fn timeline_of(incident: u64) -> String {
    format!("{incident:016x}/")
}

/// The name of something that happened: in the order of their moments.
pub fn entry_name(incident: u64, at: DateTime<Utc>, act: u64) -> String {
    let at = u64::try_from(at.timestamp_micros()).unwrap_or(0);
    format!("{}{at:016x}-{act:016x}", timeline_of(incident))
}

/// The number of the act that noted what has this name.
pub fn noted_by(name: &str) -> u64 {
    name.rsplit('-').next().and_then(|act| u64::from_str_radix(act, 16).ok()).unwrap_or_default()
}
