//! What an import would change: worked out beforehand, shown, and carried out just so or not at all.

use super::{Bundle, Known, named};
use crate::flags::model::{FLAGS, Flag, SETTINGS, Segment, Setting, State, setting_name, wrong_with_key};
use crate::flags::snapshot::Snapshot;
use crate::flags::{Flags, snapshot};
use commands::cx::Cx;
use commands::text;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use unleash_types::client_features::ClientFeature;

/// How many flags a file may have.
pub const MOST: usize = 10_000;

/// The largest state, in bytes of JSON.
const LARGEST: usize = 64 * 1024;

/// The longest text of a flag, in columns, and how many tags it keeps.
const TEXT: (usize, usize) = (2_000, 50);

/// The first number of a segment that came with an import: acts, which number the others, do not reach it.
const FIRST_SEGMENT: i32 = 1_000_000_000;

/// What an import would change.
#[derive(Debug, Default)]
pub struct Plan {
    /// Flags that there are not yet.
    pub made: BTreeMap<String, Flag>,
    /// Segments that there are not yet.
    pub segments: BTreeMap<i32, Segment>,
    /// Flags that come to stand otherwise.
    pub changed: Vec<Change>,
    /// How many stand like that already.
    pub same: usize,
    /// What of the file is left out: a sentence each.
    pub lost: Vec<String>,
}

/// A flag that comes to stand otherwise in an environment.
#[derive(Debug)]
pub struct Change {
    /// Where.
    pub environment: String,
    /// Which.
    pub key: String,
    /// Its service.
    pub service: Option<String>,
    /// How it stands, and the version of that record.
    pub was: (Setting, u64),
    /// The version of the flag's own record; 0 where it is made.
    pub flag: u64,
    /// How it is to stand.
    pub after: State,
}

impl Plan {
    /// Names exactly this: what changes, from what to what.
    pub fn digest(&self) -> String {
        let change =
            |it: &Change| json!([it.environment, it.key, it.was.1, it.flag, it.was.0.state, it.after, it.service]);
        let all = json!([self.made, self.segments, self.changed.iter().map(change).collect::<Vec<_>>()]);
        format!("{:.12}", format!("{:x}", Sha256::digest(all.to_string())))
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.made.is_empty() && self.changed.is_empty()
    }
}

impl Flags {
    /// What it would change to read these flags, into one environment or each into its own.
    pub(super) async fn arrange(&self, cx: &Cx, mut bundle: Bundle, into: Option<&str>) -> anyhow::Result<Plan> {
        let snapshot = self.live.get(cx.ports()).await?;
        let mut plan = Plan { lost: std::mem::take(&mut bundle.lost), ..Plan::default() };
        let numbers = numbers(&bundle, &snapshot, &mut plan);
        let mut refused: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut refuse = |why: &str, key: &str| refused.entry(why.to_owned()).or_default().push(key.to_owned());
        for (key, flag) in &bundle.flags {
            match amiss(key, flag, &bundle, &snapshot) {
                Some(why) => refuse(&why, key),
                None if snapshot.flags.contains_key(key) => {}
                None => _ = plan.made.insert(key.clone(), self.fitted(cx, flag, &mut plan.lost)),
            }
        }
        let environments = &cx.ports().vocabulary.environments;
        for ((environment, key), mut after) in std::mem::take(&mut bundle.states) {
            let is_meant = into.is_none_or(|into| into == environment);
            let known = plan.made.get(&key).or_else(|| snapshot.flags.get(&key).map(|flag| &**flag));
            let Some(flag) = known.filter(|_| is_meant && bundle.flags.contains_key(&key)) else { continue };
            if refused_before(&snapshot, &key, flag) {
                continue;
            }
            if !environments.contains(&environment) {
                refuse(&format!("there is no environment {} here", text::code(&environment)), &key);
                continue;
            }
            if let Err(why) = settle(&mut after, &key, &numbers, &plan, &snapshot) {
                refuse(&why, &key);
                continue;
            }
            let version = FLAGS.get(cx.store(), &key).await?.map_or(0, |found| found.version);
            let was = SETTINGS.get(cx.store(), setting_name(&environment, &key)).await?;
            let was = was.map(|was| (was.value, was.version)).unwrap_or_default();
            if was.0.state.same(&after) {
                plan.same += 1;
                continue;
            }
            let service = flag.service.clone();
            plan.changed.push(Change { environment, key, service, was, flag: version, after });
        }
        // What a refused flag would need to stand is not made half.
        for (why, keys) in refused {
            plan.made.retain(|key, _| !keys.contains(key));
            plan.changed.retain(|change| !keys.contains(&change.key));
            plan.lost.push(format!("Left out: {}. The reason: {why}.", named(keys.iter().map(String::as_str))));
        }
        let used: Vec<_> = plan.changed.iter().flat_map(|change| change.after.segments()).collect();
        plan.segments.retain(|number, _| used.contains(number));
        Ok(plan)
    }

    /// A flag as it can be here: what the config does not know is taken out, and named.
    fn fitted(&self, cx: &Cx, flag: &Flag, lost: &mut Vec<String>) -> Flag {
        let vocabulary = &cx.ports().vocabulary;
        let mut flag = flag.clone();
        let mut unknown = |what: &str, name: &str| {
            let sentence = format!("There is no {what} {} here: flags that had it have none.", text::code(name));
            if !lost.contains(&sentence) {
                lost.push(sentence);
            }
        };
        if let Some(owner) = flag.owner.take_if(|owner| !vocabulary.people.contains(owner)) {
            unknown("person", &owner);
        }
        if let Some(service) = flag.service.take_if(|service| !vocabulary.services.contains(service)) {
            unknown("service", &service);
        }
        if !self.settings.projects.contains(&flag.project) {
            unknown("project", &flag.project);
            flag.project = self.settings.projects.first().cloned().unwrap_or_default();
        }
        flag.about = text::cut(&flag.about, TEXT.0);
        flag.tags.truncate(TEXT.1);
        flag.tags.iter_mut().for_each(|tag| *tag = text::cut(&text::line(tag), 100));
        flag
    }
}

/// Whether a flag that is here already was refused: it is archived, here or there.
fn refused_before(snapshot: &Snapshot, key: &str, flag: &Flag) -> bool {
    snapshot.flags.contains_key(key) && flag.archived.is_some()
}

/// The numbers that the file's segments have here; those that are not here yet join the plan.
fn numbers(bundle: &Bundle, snapshot: &Snapshot, plan: &mut Plan) -> BTreeMap<i32, Result<i32, String>> {
    let free = snapshot.segments.keys().copied().max().unwrap_or_default().max(FIRST_SEGMENT);
    let mut next = (1..).map(|more| free.saturating_add(more));
    let mut numbers = BTreeMap::new();
    for (number, known) in &bundle.segments {
        let name = known.name();
        let here = snapshot.segments.iter().find(|(_, segment)| segment.name.eq_ignore_ascii_case(name));
        let found = match (here, known) {
            (Some((here, segment)), Known::Whole(theirs))
                if json!(segment.constraints) == json!(theirs.constraints) =>
            {
                Ok(*here)
            }
            (Some(_), Known::Whole(_)) => Err(format!("the segment {} is another one here", text::code(name))),
            (Some((here, _)), Known::Name(_)) => Ok(*here),
            (None, Known::Name(_)) => Err(format!(
                "the file does not say who is in the segment {0}: make it with `/segment create {0}` first",
                text::code(name).trim_matches('`')
            )),
            (None, Known::Whole(_)) if wrong_with_key(name).is_some() => {
                Err(format!("{} can not be the name of a segment", text::code(name)))
            }
            (None, Known::Whole(theirs)) => {
                let made = next.next().unwrap_or(i32::MAX);
                plan.segments.insert(made, theirs.clone());
                Ok(made)
            }
        };
        numbers.insert(*number, found);
    }
    numbers
}

/// What keeps a flag from being read.
fn amiss(key: &str, flag: &Flag, bundle: &Bundle, snapshot: &Snapshot) -> Option<String> {
    if wrong_with_key(key).is_some() {
        return Some("its key has something in it that no address can carry".to_owned());
    }
    if let Some((other, here)) = snapshot.find(key) {
        return match (other == key, here.archived.is_some()) {
            (false, _) => Some(format!("there is a flag `{other}` already")),
            (true, true) => Some("it is archived here".to_owned()),
            (true, false) => None,
        };
    }
    let needs = |name: &str| {
        let parent = bundle.flags.get(name).or_else(|| snapshot.flags.get(name).map(|flag| &**flag));
        parent.is_some_and(|parent| parent.needs.is_empty() && name != key)
    };
    (!flag.needs.iter().all(|need| needs(&need.feature)))
        .then(|| "it needs a flag that is neither here nor in the file, or that needs another one itself".to_owned())
}

/// Makes a state of the file one that can stand here.
fn settle(
    after: &mut State,
    key: &str,
    numbers: &BTreeMap<i32, Result<i32, String>>,
    plan: &Plan,
    here: &Snapshot,
) -> Result<(), String> {
    for number in after.strategies.iter_mut().flat_map(|strategy| strategy.segments.iter_mut().flatten()) {
        *number = numbers.get(number).cloned().unwrap_or_else(|| Err("the file lacks its segment".to_owned()))?;
    }
    // As Unleash's server does: their order decides who gets which.
    after.variants.sort_by(|left, right| left.name.cmp(&right.name));
    if json!(after).to_string().len() > LARGEST {
        return Err(format!("what it goes by takes more than {} KiB", LARGEST >> 10));
    }
    let feature = ClientFeature {
        name: key.to_owned(),
        enabled: true,
        strategies: Some(after.strategies.clone()),
        variants: Some(after.variants.clone()),
        ..ClientFeature::default()
    };
    let segments: BTreeMap<_, _> =
        here.segments.iter().chain(&plan.segments).map(|(number, segment)| (*number, segment.clone())).collect();
    match snapshot::taken(feature, &segments) {
        true => Ok(()),
        false => Err("the engine does not take what it goes by".to_owned()),
    }
}

/// By how many percent of the users one of them goes up in production at the most; nothing where none does.
pub fn most_at_once(plan: &Plan, production: &[String]) -> Option<u8> {
    let jump = |change: &Change| change.after.most().saturating_sub(change.was.0.state.most());
    let raises =
        |change: &&Change| production.contains(&change.environment) && change.after.raises(&change.was.0.state);
    plan.changed.iter().filter(raises).map(jump).max()
}

/// The environments and services that it touches, each with a flag of it.
pub fn touched(plan: &Plan) -> BTreeMap<(&str, Option<&str>), &str> {
    let mut touched = BTreeMap::new();
    for it in &plan.changed {
        touched.insert((it.environment.as_str(), it.service.as_deref()), it.key.as_str());
    }
    touched
}
