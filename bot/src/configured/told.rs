//! What the config says otherwise, in words: what is another now, and what to write to have it back.

use super::{Changed, HIDDEN, Kept, Part, SECTION};
use config::settings;
use std::collections::{BTreeMap, BTreeSet};

/// How many settings are told in words, and of how many it is said how to put them back.
const MOST: usize = 5;

/// The first of them, and how many more there are.
pub(super) fn some_of<'a>(all: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = all.len();
    let mut some: Vec<_> = all.take(MOST).map(str::to_owned).collect();
    some.extend((count > MOST).then(|| format!("and {} more", count - MOST)));
    some.join("; ")
}

/// A change in words.
pub(super) struct Told<'a> {
    pub path: &'a [String],
    /// What is another now.
    pub what: String,
    back: Back,
}

/// How a change is put back.
enum Back {
    /// By writing this over what stands there: all lines stay where they are.
    Over(String),
    /// By this.
    By(String),
    /// Nobody here knows: what this said before may be a secret.
    Unknown(String),
}

/// How all of them are put back.
pub(super) fn way_back(told: &[Told<'_>]) -> String {
    let over = told.iter().filter_map(|told| if let Back::Over(how) = &told.back { Some(how.as_str()) } else { None });
    let others = told.iter().filter_map(|told| if let Back::By(how) = &told.back { Some(how.as_str()) } else { None });
    // Lines have their numbers until one is put in or taken out.
    let known = over.chain(others);
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
    /// The heading of the table that the names begin at.
    fn heading(&self) -> Vec<String> {
        self.service().map_or_else(Vec::new, |service| vec!["services".to_owned(), service.to_owned()])
    }

    /// What is another of it.
    pub(super) fn told(&self) -> Vec<Told<'a>> {
        let whole = |part: &'a Part, what: &str, back: &str| {
            // What stands at the top of the file is a setting, and no section.
            if let [only] = &part[..]
                && self.service().is_none()
                && only.path.len() == 1
                && !only.is_table()
            {
                let (before, now) = (self.before.and(Some(only)), self.now.and(Some(only)));
                return self.one(before, now).into_iter().collect();
            }
            let section = self.name.strip_prefix(SECTION).map(str::to_owned);
            let table = settings::dotted(&[self.heading(), section.clone().into_iter().collect()].concat());
            let subject = section.map_or_else(|| "the service".to_owned(), |section| format!("[{section}]"));
            let back = back.replace("{}", &table);
            vec![Told {
                path: part.first().map_or(&[], |kept| &kept.path),
                what: format!("{subject} {what}"),
                back: Back::By(back),
            }]
        };
        let (before, now) = match (self.before, self.now) {
            (Some(before), Some(now)) => (before, now),
            (None, Some(now)) => return whole(now, "is new", "take all of {} out"),
            (Some(before), None) => return whole(before, "is gone", "write again what stood in [{}]"),
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
            false => (format!("{name} is new"), format!("take all of {table} out")),
        };
        Told { path, what, back: Back::By(back) }
    }

    /// A setting that says something else, is new, or is gone.
    fn one(&self, before: Option<&'a Kept>, now: Option<&'a Kept>) -> Option<Told<'a>> {
        let path = &before.or(now)?.path[..];
        let name = settings::dotted(path);
        let (above, key) = path.split_at(path.len() - 1);
        let table = |begins: &str| match &[self.heading(), above.to_vec()].concat()[..] {
            [] if begins == "of" => "of the top of the file".to_owned(),
            [] => "at the top of the file".to_owned(),
            path => format!("{begins} [{}]", settings::dotted(path)),
        };
        let (what, back) = match (before, now) {
            (None, Some(now)) => {
                let says = now.shown().map(|says| format!(" ({says})")).unwrap_or_default();
                let back = format!("take {} out {} (line {})", settings::dotted(key), table("of"), now.line);
                (format!("{name} is new{says}"), Back::By(back))
            }
            (Some(before), None) => {
                let says = before.shown().map(|says| format!(" (it was {says})")).unwrap_or_default();
                let back = match before.written() {
                    Some(line) => Back::By(format!("write {line} again {}", table("in"))),
                    None => Back::Unknown(name.clone()),
                };
                (format!("{name} is gone{says}"), back)
            }
            (Some(before), Some(now)) => {
                let (what, back) = match before.list && now.list {
                    true => items(&before.says, &now.says),
                    false => before.became(now),
                };
                let back = match back {
                    Some(back) => Back::Over(format!("{back} in line {}", now.line)),
                    None => Back::Unknown(format!("line {}", now.line)),
                };
                (format!("{name} {what}"), back)
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

    /// Whether it stands for a table with nothing in it.
    fn is_table(&self) -> bool {
        self.says == ["{}"]
    }

    /// How it differs from what it is now, and what to write to have it back.
    fn became(&self, now: &Kept) -> (String, Option<String>) {
        let what = match (self.shown(), now.shown()) {
            (Some(before), Some(now)) => format!("{before} → {now}"),
            _ => "is another".to_owned(),
        };
        (what, self.written().map(|line| format!("write {line}")))
    }
}

/// What a list has no more, and what it has besides; and how that is taken back.
fn items(before: &[String], now: &[String]) -> (String, Option<String>) {
    let without = |all: &[String], others: &[String]| {
        let mut rest = all.to_vec();
        for other in others {
            rest.iter().position(|said| said == other).into_iter().for_each(|at| _ = rest.remove(at));
        }
        rest
    };
    let (gone, come) = (without(before, now), without(now, before));
    if gone.iter().chain(&come).any(|said| said.starts_with(HIDDEN)) {
        return ("is another".to_owned(), None);
    }
    if gone.is_empty() && come.is_empty() {
        return ("in another order".to_owned(), Some("put what stands there back in its order".to_owned()));
    }
    let list = |items: &[String]| items.iter().map(|it| bare(it)).collect::<Vec<_>>().join(", ");
    let all = |parts: [(&[String], String); 2]| {
        let some = parts.into_iter().filter(|(items, _)| !items.is_empty());
        some.map(|(_, words)| words).collect::<Vec<_>>().join(", ")
    };
    let what = all([(&gone, format!("without {}", list(&gone))), (&come, format!("with {}", list(&come)))]);
    let back = all([(&gone, format!("put {} back", list(&gone))), (&come, format!("take {} out", list(&come)))]);
    (what, Some(back))
}

/// A text without its quotes, where it has none in it.
fn bare(said: &str) -> &str {
    let inner = said.strip_prefix('"').and_then(|said| said.strip_suffix('"'));
    inner.filter(|inner| !inner.contains(['"', '\\'])).unwrap_or(said)
}
