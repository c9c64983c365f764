//! After a start: what the config says otherwise than before stands on the ledger, once, with what to put back by hand.
//!
//! What it said before is kept by part: a service, or a section. Of what may be a secret only two bytes of a salted hash are
//! kept: enough to see that it is another, and too little to find out by trying what it is.

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

/// How many settings are told in words, and of how many it is said how to put them back.
const MOST: usize = 5;

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

/// The first of them, and how many more there are.
fn some_of<'a>(all: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = all.len();
    let mut some: Vec<_> = all.take(MOST).map(str::to_owned).collect();
    some.extend((count > MOST).then(|| format!("and {} more", count - MOST)));
    some.join("; ")
}

/// A change in words.
struct Told<'a> {
    path: &'a [String],
    /// What is another now.
    what: String,
    back: Back,
}

/// How a change is put back.
enum Back {
    /// By this.
    By(String),
    /// Nobody here knows: what this said before may be a secret.
    Unknown(String),
}

/// How all of them are put back.
fn way_back(told: &[Told<'_>]) -> String {
    let known = told.iter().filter_map(|told| if let Back::By(how) = &told.back { Some(how.as_str()) } else { None });
    let hidden =
        told.iter().filter_map(|told| if let Back::Unknown(of) = &told.back { Some(of.as_str()) } else { None });
    let (known, hidden): (Vec<_>, Vec<_>) = (known.collect(), hidden.collect());
    let hidden = match hidden.split_last() {
        None => None,
        Some((only, [])) => Some((*only).to_owned()),
        Some(_) if hidden.len() > MOST => Some(format!("{} settings", hidden.len())),
        Some((last, others)) => Some(format!("{} and {last}", others.join(", "))),
    };
    let hidden = hidden.map(|of| format!("what {of} said before is not kept here, for it may be a secret"));
    let known = (!known.is_empty()).then(|| some_of(known.into_iter()));
    known.into_iter().chain(hidden).collect::<Vec<_>>().join("; ")
}

impl<'a> Changed<'a> {
    /// Keeps what it says now in place of what it said before, of which these pieces, with their versions, are kept.
    fn keep(&self, kept: &BTreeMap<String, u64>, batch: &mut Batch) -> anyhow::Result<()> {
        let mut pieces = BTreeMap::new();
        for (number, piece) in self.now.map(|part| pieces_of(part)).unwrap_or_default().into_iter().enumerate() {
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

    /// The heading of the table that the names begin at.
    fn heading(&self) -> Vec<String> {
        self.service().map_or_else(Vec::new, |service| vec!["services".to_owned(), service.to_owned()])
    }

    fn told(&self) -> Vec<Told<'a>> {
        let whole = |part: &'a Part, what: &str, back: &str| {
            let section = self.name.strip_prefix(SECTION).map(str::to_owned);
            let table = settings::dotted(&[self.heading(), section.clone().into_iter().collect()].concat());
            let subject = section.map_or_else(|| "the service".to_owned(), |section| format!("[{section}]"));
            let back = format!("{back} [{table}]");
            vec![Told {
                path: part.first().map_or(&[], |kept| &kept.path),
                what: format!("{subject} {what}"),
                back: Back::By(back),
            }]
        };
        let (before, now) = match (self.before, self.now) {
            (Some(before), Some(now)) => (before, now),
            (None, Some(now)) => return whole(now, "is new", "take out"),
            (Some(before), None) => return whole(before, "is gone", "write again what stood in"),
            (None, None) => return Vec::new(),
        };
        let old: BTreeMap<_, _> = before.iter().map(|kept| (&kept.path, kept)).collect();
        let new: BTreeMap<_, _> = now.iter().map(|kept| (&kept.path, kept)).collect();
        let paths: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
        let (mut told, mut tables) = (Vec::new(), BTreeSet::new());
        for path in paths {
            let (before, now) = (old.get(path).copied(), new.get(path).copied());
            let (gone, others) = (now.is_none(), if now.is_none() { &new } else { &old });
            if before == now {
                continue;
            } else if before.is_some() && now.is_some() {
                told.extend(self.one(before, now));
            } else if let Some(table) = whole_table(path, others) {
                told.extend(tables.insert(table).then(|| self.table(table, gone)));
            } else {
                told.extend(self.one(before, now));
            }
        }
        told
    }

    /// A table that is new, or gone.
    fn table(&self, path: &'a [String], gone: bool) -> Told<'a> {
        let (name, table) = (settings::dotted(path), settings::dotted(&[self.heading(), path.to_vec()].concat()));
        let (what, back) = match gone {
            true => (format!("{name} is gone"), format!("write again what stood in [{table}]")),
            false => (format!("{name} is new"), format!("take out [{table}]")),
        };
        Told { path, what, back: Back::By(back) }
    }

    /// A setting that says something else, is new, or is gone.
    fn one(&self, before: Option<&'a Kept>, now: Option<&'a Kept>) -> Option<Told<'a>> {
        let path = &before.or(now)?.path[..];
        let name = settings::dotted(path);
        let table = || format!("[{}]", settings::dotted(&[self.heading(), path[..path.len() - 1].to_vec()].concat()));
        let (what, back) = match (before, now) {
            (None, Some(now)) => {
                let says = now.shown().map(|says| format!(" ({says})")).unwrap_or_default();
                (format!("{name} is new{says}"), Back::By(format!("take line {} out", now.line)))
            }
            (Some(before), None) => {
                let says = before.shown().map(|says| format!(" (it was {says})")).unwrap_or_default();
                let back = match before.written() {
                    Some(line) => Back::By(format!("write {line} again in {}", table())),
                    None => Back::Unknown(name.clone()),
                };
                (format!("{name} is gone{says}"), back)
            }
            (Some(before), Some(now)) => {
                let back = match before.written() {
                    Some(line) => Back::By(format!("write {line} in line {}", now.line)),
                    None => Back::Unknown(format!("line {}", now.line)),
                };
                (format!("{name} {}", before.became(now)), back)
            }
            (None, None) => return None,
        };
        Some(Told { path, what, back })
    }
}

/// The largest table with this setting that has none of these others.
fn whole_table<'a, T>(path: &'a [String], others: &BTreeMap<&Vec<String>, T>) -> Option<&'a [String]> {
    let mut tables = (1..path.len()).map(|length| &path[..length]);
    tables.find(|table| !others.keys().any(|other| other.starts_with(table)))
}

impl Kept {
    fn is_shown(&self) -> bool {
        !self.says.iter().any(|said| said.starts_with(HIDDEN))
    }

    /// What it says, as people read it.
    fn shown(&self) -> Option<String> {
        let says: Vec<_> = self.says.iter().map(|said| bare(said)).collect();
        self.is_shown().then(|| if says.is_empty() { "an empty list".to_owned() } else { says.join(", ") })
    }

    /// As it stands in its table.
    fn written(&self) -> Option<String> {
        let says: Vec<_> = self.says.iter().map(String::as_str).collect();
        self.is_shown().then(|| settings::line(self.path.last().map_or("", String::as_str), &says, self.list))
    }

    /// How it differs from what it is now.
    fn became(&self, now: &Kept) -> String {
        if self.list && now.list {
            return changes_of(&self.says, &now.says);
        }
        match (self.shown(), now.shown()) {
            (Some(before), Some(now)) => format!("{before} → {now}"),
            _ => "is another".to_owned(),
        }
    }
}

/// What a list has no more, and what it has besides.
fn changes_of(before: &[String], now: &[String]) -> String {
    let without = |all: &[String], others: &[String]| {
        let mut rest = all.to_vec();
        for other in others {
            rest.iter().position(|said| said == other).into_iter().for_each(|at| _ = rest.remove(at));
        }
        rest
    };
    let (gone, come) = (without(before, now), without(now, before));
    if gone.iter().chain(&come).any(|said| said.starts_with(HIDDEN)) {
        return "is another".to_owned();
    }
    let told = [("without", gone), ("with", come)];
    let told = told.into_iter().filter(|(_, items)| !items.is_empty());
    let told: Vec<_> = told
        .map(|(word, items)| format!("{word} {}", items.iter().map(|it| bare(it)).collect::<Vec<_>>().join(", ")))
        .collect();
    if told.is_empty() { "in another order".to_owned() } else { told.join(", ") }
}

/// A text without its quotes, where it has none in it.
fn bare(said: &str) -> &str {
    let inner = said.strip_prefix('"').and_then(|said| said.strip_suffix('"'));
    inner.filter(|inner| !inner.contains(['"', '\\'])).unwrap_or(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use commands::store::MAX_VALUE;
    use std::path::Path;

    fn read(text: &str) -> Config {
        let env = |name: &str| (name == "TOKEN").then(|| "hunter2-hunter2".to_owned());
        let whole = format!("environments = [\"live\", \"test\"]\n{text}");
        config::parse(&whole, "deckhand.toml", Path::new("/srv"), &env).0
    }

    /// What stands on the ledger when a config becomes another: of which service and environment, what, and what to put back.
    fn told(before: &str, now: &str) -> Vec<String> {
        let (before, now) = (read(before), read(now));
        let said = |config: &Config| said(config, &Redactor::new(config.secrets.clone()), [7; 16]);
        let (old, new) = (said(&before), said(&now));
        let all: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        let changed = all.into_iter().filter(|name| old.get(*name) != new.get(*name));
        let changed: Vec<_> = changed.map(|name| Changed { name, before: old.get(name), now: new.get(name) }).collect();
        let shown = |draft: Draft| {
            let place =
                [&draft.service, &draft.environment].map(|name| name.clone().unwrap_or("-".to_owned())).join(" ");
            let back = draft.by_hand().unwrap_or_default().replace("by hand, in deckhand.toml: ", "");
            format!("{place}: {} < {}", draft.object, back.replace("; then start Deckhand again", ""))
        };
        entries(&now, &changed, DateTime::UNIX_EPOCH).into_iter().map(shown).collect()
    }

    #[test]
    fn what_has_changed_is_told_with_what_to_put_back() {
        let of = |lines: &str| format!("[services.hello.deploy]\n{lines}");
        for (before, now, wanted) in [
            (of("tries = 2"), of("# higher\ntries = 2"), ""),
            (of("tries = 2"), of("tries = 5"), "hello -: hello: deploy.tries 2 → 5 < write tries = 2 in line 3"),
            (
                of("tries = 2"),
                of("tries = 2\nlimit = \"3m\""),
                "hello -: hello: deploy.limit is new (3m) < take line 4 out",
            ),
            (
                of("limit = \"3m\"\ntries = 2"),
                of("tries = 2"),
                "hello -: hello: deploy.limit is gone (it was 3m) < write limit = \"3m\" again in [services.hello.deploy]",
            ),
            (
                of("live = { limit = \"3m\" }"),
                of("live = { limit = \"1m\" }"),
                "hello live: hello: deploy.live.limit 3m → 1m < write limit = \"3m\" in line 3",
            ),
            (
                "[people.dan]\nroles = [\"dev\", \"ops\"]".to_owned(),
                "[people.dan]\nroles = [\"ops\", \"lead\"]".to_owned(),
                "- -: people.dan.roles without dev, with lead < write roles = [\"dev\", \"ops\"] in line 3",
            ),
            (
                "[people.dan]\nroles = [\"dev\", \"ops\"]".to_owned(),
                "[people.dan]\nroles = [\"ops\", \"dev\"]".to_owned(),
                "- -: people.dan.roles in another order < write roles = [\"dev\", \"ops\"] in line 3",
            ),
            (
                "[people.dan]\nroles = [\"dev\"]\ndiscord = \"1\"".to_owned(),
                "[people.eve]\nroles = [\"dev\"]".to_owned(),
                "- -: people.dan is gone; people.eve is new < write again what stood in [people.dan]; take out [people.eve]",
            ),
            ("[metrics]".to_owned(), String::new(), "- -: [metrics] is gone < write again what stood in [metrics]"),
            (String::new(), "[metrics]".to_owned(), "- -: [metrics] is new < take out [metrics]"),
        ] {
            assert_eq!(told(&before, &now).join("|"), wanted, "{before}\n→\n{now}");
        }
    }

    #[test]
    fn of_what_may_be_a_secret_nothing_is_told_but_that_it_is_another() {
        let kept = "not kept here, for it may be a secret";
        for (before, now) in [
            ("[chat.discord]\ntoken = \"swordfish\"", "[chat.discord]\ntoken = \"codfish\""),
            ("[deploy]\ncommand = [\"ship\", \"swordfish\"]", "[deploy]\ncommand = [\"ship\", \"codfish\"]"),
            ("[m]\nurl = \"http://ana:swordfish@hello/\"", "[m]\nurl = \"http://ana:codfish@hello/\""),
        ] {
            let told = told(before, now).join("|");
            assert!(told.contains("is another") && told.contains(kept) && !told.contains("fish"), "{told}");
        }
        let of = |value: &str| format!("[m]\ntoken = \"{value}\"");
        assert_eq!(told(&of("${TOKEN}"), &of("${TOKEN}")), Vec::<String>::new());
        let kept = serde_json::to_string(&said(&read(&of("swordfish")), &Redactor::default(), [7; 16])).unwrap();
        assert!(!kept.contains("swordfish") && kept.contains("\"#"), "{kept}");
    }

    #[test]
    fn however_large_a_config_is_each_record_holds_its_piece() {
        let checks: String = (0..4_000).map(|n| format!("c{n} = {{ kind = \"tcp\", limit = \"{n}s\" }}\n")).collect();
        let rules: String =
            (0..6_000).map(|n| format!("[[policy]]\nallow = \"deploy ship s{n}\"\nto = [\"dev\"]\n")).collect();
        for text in [format!("[services.hello.checks]\n{checks}"), rules] {
            let parts = said(&read(&text), &Redactor::default(), [7; 16]);
            let part = parts.values().max_by_key(|part| part.len() + part[0].says.len()).unwrap();
            let pieces = pieces_of(part);
            assert_eq!(&pieces.concat(), part);
            for piece in pieces {
                assert!(serde_json::to_vec(&piece).unwrap().len() < MAX_VALUE - 1_024);
            }
        }
    }

    #[test]
    fn of_many_changes_the_first_are_told_and_the_others_counted() {
        let of = |value: u8| (0..9).map(|key| format!("k{key} = {value}\n")).collect::<String>();
        let told = told(&format!("[deploy]\n{}", of(1)), &format!("[deploy]\n{}", of(2))).join("|");
        assert!(told.contains("deploy.k4 1 → 2; and 4 more <") && told.ends_with("in line 7; and 4 more"), "{told}");
    }
}
