//! After a start: what the config says otherwise than before stands on the ledger, once, with what to put back by hand.
//!
//! What it said before is kept by part: a service, or a section. Of what may be a secret only two bytes of a salted hash are
//! kept: enough to see that it is another, and too little to find out by trying what it is.

mod told;

use crate::gate::Bot;
use anyhow::Context;
use chrono::{DateTime, Utc};
use commands::ledger::{BY_HAND, Draft, Phase, Place};
use commands::redact::Redactor;
use commands::store::{Batch, CommitError};
use commands::table::Table;
use config::{Config, settings};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use told::{some_of, way_back};

/// What was said, by part and, as a record has its bounds, by piece of it.
const PARTS: Table<Part> = Table::new("config/parts/");

/// From how many bytes on a piece is full, how many items of a list are kept in words, and how long each may be, in bytes: what
/// is more or longer is kept as what can not be shown.
const PIECE: usize = 64 * 1024;
const MOST_ITEMS: usize = 200;
const LONGEST: usize = 300;

/// What the hashes are salted with; it is there as soon as a config was read.
const SALT: Table<[u8; 16]> = Table::new("config/salt");

/// The verb of what stands on the ledger.
const VERB: &str = "config.change";

/// Who changed it, as far as Deckhand knows: no person can be called so.
const WHO: &str = "config file";

/// What begins what can not be shown: nothing that TOML has begins so.
const HIDDEN: char = '#';

/// What begins the name of a service's part, and of a section's.
const SERVICE: &str = "service/";
const SECTION: &str = "section/";

/// The settings of a part, in the order of their names.
type Part = Vec<Kept>;

/// What a setting said.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    /// The names of the tables that it stands in, and its own: below a service's table, or from the top of the file.
    path: Vec<String>,
    /// Each item of a list, and one of everything else.
    says: Vec<String>,
    /// Whether that is a list.
    list: bool,
    /// The line that it stands in.
    #[serde(skip)]
    line: usize,
}

/// It may stand in another line without anything having changed.
impl PartialEq for Kept {
    fn eq(&self, other: &Kept) -> bool {
        (&self.path, &self.says, self.list) == (&other.path, &other.says, other.list)
    }
}

/// A part that says something else than before; nothing before where it is new, nothing now where it is gone.
struct Changed<'a> {
    name: &'a str,
    before: Option<&'a Part>,
    now: Option<&'a Part>,
}

/// Notes what the config says otherwise than when Deckhand was started the last time; the first time, only what it says.
///
/// # Errors
/// When the store can not be read or written.
pub async fn note(bot: &Bot, config: &Config) -> anyhow::Result<()> {
    let world = &bot.world;
    let (store, mut batch) = (&*world.store, Batch::default());
    let known = SALT.get(store, "").await?;
    let salt = match &known {
        Some(salt) => salt.value,
        None => {
            let mut salt = [0; 16];
            getrandom::fill(&mut salt).map_err(|error| anyhow::anyhow!("there are no random numbers: {error}"))?;
            batch.expect(SALT.key(""), 0);
            SALT.put_in(&mut batch, "", &salt)?;
            salt
        }
    };
    let now = said(config, &world.redactor, salt);
    let (mut before, mut kept) = (BTreeMap::<String, Part>::new(), BTreeMap::new());
    for (name, piece) in PARTS.scan(store, "", usize::MAX).await? {
        let part = name.rsplit_once('/').map_or(&*name, |(part, _)| part);
        before.entry(part.to_owned()).or_default().extend(piece.value);
        kept.insert(name, piece.version);
    }
    let mut changed = Vec::new();
    for name in now.keys().chain(before.keys()).collect::<BTreeSet<_>>() {
        let part = Changed { name, before: before.get(name), now: now.get(name) };
        if part.before != part.now {
            part.keep(&kept, &mut batch)?;
            changed.push(part);
        }
    }
    if known.is_some() {
        batch.entries = entries(config, &changed, world.ports.clock.now());
        // What was put together of parts is looked at once more.
        for draft in &mut batch.entries {
            draft.object = world.redactor.redact(&draft.object).into_owned();
            draft.facts.values_mut().for_each(|fact| world.redactor.redact_json(fact));
        }
    }
    if batch.writes.is_empty() {
        return Ok(());
    }
    match store.commit(batch).await {
        // Another replica has read the same config, and was first to say so.
        Ok(_) | Err(CommitError::Conflict { .. }) => Ok(()),
        Err(CommitError::Broken(error)) => Err(error).context("what the config says can not be written down"),
    }
}

/// What the config says now, by part, as it may be kept.
fn said(config: &Config, redactor: &Redactor, salt: [u8; 16]) -> BTreeMap<String, Part> {
    let mut parts: BTreeMap<String, Part> = BTreeMap::new();
    for setting in config.settings() {
        let part = match &setting.service {
            Some(service) => format!("{SERVICE}{service}"),
            None => format!("{SECTION}{}", setting.path.first().map_or("", String::as_str)),
        };
        let few = setting.says.len() <= MOST_ITEMS;
        let is_shown = |said: &settings::Said| {
            few && said.harmless && said.text.len() <= LONGEST && redactor.redact(&said.text) == said.text
        };
        let keep = |said: settings::Said| match is_shown(&said) {
            true => said.text,
            false => {
                let hash = Sha256::new().chain_update(salt).chain_update(said.text).finalize();
                format!("{HIDDEN}{:02x}{:02x}", hash[0], hash[1])
            }
        };
        let says = setting.says.into_iter().map(keep).collect();
        let kept = Kept { path: setting.path, says, list: setting.is_list, line: setting.place.line };
        parts.entry(part).or_default().push(kept);
    }
    parts
}

/// What stands on the ledger: an entry for each service, and one for all that is of none.
fn entries(config: &Config, changed: &[Changed<'_>], at: DateTime<Utc>) -> Vec<Draft> {
    let (services, sections): (Vec<_>, Vec<_>) = changed.iter().partition(|part| part.service().is_some());
    let all = services.chunks(1).chain((!sections.is_empty()).then_some(&sections[..]));
    all.map(|parts| entry(config, parts, at)).collect()
}

fn entry(config: &Config, parts: &[&Changed<'_>], at: DateTime<Utc>) -> Draft {
    let service = parts.first().and_then(|part| part.service());
    let told: Vec<_> = parts.iter().flat_map(|part| part.told()).collect();
    let of = service.map(|service| format!("{service}: ")).unwrap_or_default();
    let by_hand = format!("by hand, in {}: {}; then start Deckhand again", config.file().display(), way_back(&told));
    let object = of + &some_of(told.iter().map(|told| told.what.as_str()));
    let mut environments = told.iter().map(|told| config.environments.iter().find(|name| told.path.contains(name)));
    let first = environments.next().flatten();
    Draft {
        at,
        // Deckhand has changed nothing: it was done before it came to look.
        phase: Phase::Did,
        of: None,
        verb: VERB.to_owned(),
        digest: format!("{:x}", Sha256::digest(&object)),
        object,
        service: service.map(str::to_owned),
        environment: first.filter(|_| environments.all(|other| other == first)).cloned(),
        who: WHO.to_owned(),
        place: Place::default(),
        why: String::new(),
        note: String::new(),
        undo: None,
        state: None,
        facts: [(BY_HAND.to_owned(), by_hand.into())].into_iter().collect(),
    }
}

/// A part in pieces that a record holds.
fn pieces_of(part: &Part) -> Vec<Part> {
    let (mut pieces, mut size) = (vec![Part::new()], 0);
    for kept in part {
        let own = kept.path.iter().chain(&kept.says).map(|text| text.len() + 4).sum::<usize>();
        if size + own > PIECE && size > 0 {
            pieces.push(Part::new());
            size = 0;
        }
        size += own;
        pieces.last_mut().into_iter().for_each(|piece| piece.push(kept.clone()));
    }
    pieces
}

impl<'a> Changed<'a> {
    /// Keeps what it says now in place of what it said before, of which these pieces, with their versions, are kept.
    fn keep(&self, kept: &BTreeMap<String, u64>, batch: &mut Batch) -> anyhow::Result<()> {
        let mut pieces = BTreeMap::new();
        for (number, piece) in self.now.map(pieces_of).unwrap_or_default().into_iter().enumerate() {
            pieces.insert(format!("{}/{number:04}", self.name), piece);
        }
        let of = format!("{}/", self.name);
        let old = kept.keys().filter(|name| name.strip_prefix(&of).is_some_and(|number| !number.contains('/')));
        for name in old.chain(pieces.keys()).collect::<BTreeSet<_>>() {
            batch.expect(PARTS.key(name), kept.get(name).copied().unwrap_or(0));
            match pieces.get(name) {
                Some(piece) => PARTS.put_in(batch, name, piece)?,
                None => _ = batch.delete(PARTS.key(name)),
            }
        }
        Ok(())
    }

    fn service(&self) -> Option<&'a str> {
        self.name.strip_prefix(SERVICE)
    }
}

#[cfg(test)]
mod tests;
