//! What applications are served: built from the store, held so that nobody who reads it ever waits, and built anew, as far as
//! it has changed, with each change that is committed, here or by another replica.

use super::model::{self, FLAGS, Flag, MARK, MODEL, SEGMENTS, SETTINGS, Segment, Setting, State};
use super::serve::face::Face;
use anyhow::{Context as _, ensure};
use arc_swap::ArcSwap;
use bytes::Bytes;
use chrono::DateTime;
use commands::cx::Ports;
use commands::store::{Change, Read, Watch};
use commands::table::Table;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio::sync::{OnceCell, watch};
use unleash_types::client_features::{self as api, ClientFeature, ClientFeatures, Context};
use unleash_yggdrasil::{EngineState, ResolvedToggle};

/// In how many parts an environment's flags are compiled: a change compiles one of them anew.
const PARTS: usize = 64;

/// How long a change may take from its commit to what is served before somebody is told.
const PATIENCE: Duration = Duration::from_secs(10);

/// The project that stands for all.
pub const ALL: &str = "*";

/// All that is served, as of one moment.
#[derive(Default)]
pub struct Snapshot {
    /// The store's revision of the last change that is in it. It only grows.
    pub revision: u64,
    /// Every flag there is, archived ones too, by key.
    pub flags: Arc<BTreeMap<String, Arc<Flag>>>,
    /// Every segment, by number.
    pub segments: Arc<BTreeMap<i32, Segment>>,
    environments: BTreeMap<String, BTreeMap<String, Arc<Served>>>,
}

impl Snapshot {
    /// What is served of a project in an environment; [`ALL`] is every project.
    pub fn served(&self, environment: &str, project: &str) -> Option<&Arc<Served>> {
        self.environments.get(environment)?.get(project)
    }

    /// A flag by its key, in any case, archived or not.
    pub fn find(&self, key: &str) -> Option<(&String, &Arc<Flag>)> {
        let same = || self.flags.iter().find(|(other, _)| other.eq_ignore_ascii_case(key));
        self.flags.get_key_value(key).or_else(same)
    }

    /// The flags that can not be on without this one.
    pub fn dependants<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let needs = move |flag: &Flag| flag.archived.is_none() && flag.needs.iter().any(|need| need.feature == key);
        self.flags.iter().filter(move |(_, flag)| needs(flag)).map(|(key, _)| key.as_str())
    }
}

/// What is served of a project, or of all, in an environment.
pub struct Served {
    /// The definitions, as Unleash's client API has them: the whole body.
    pub definitions: Bytes,
    /// Names exactly these definitions, with its quotes: the same on every replica, and after a restart.
    pub etag: String,
    /// The flags, by key.
    pub flags: Vec<Arc<Definition>>,
    parts: Parts,
    timed: OnceLock<bool>,
}

/// A flag as it is served in an environment.
#[derive(Debug)]
pub struct Definition {
    /// Its key.
    pub key: String,
    /// Its project.
    pub project: String,
    /// Whether it is on for anybody at all.
    pub on: bool,
    /// Whether applications are asked to report each evaluation.
    pub impressions: bool,
    /// Whether it is for some people only: it has constraints, segments, or names them.
    pub targeted: bool,
    /// Whether people are shared out: by a rollout of less than all of them, or among variants.
    pub split: bool,
    json: Vec<u8>,
    face: OnceLock<Face>,
}

impl Definition {
    /// How it looks to clients, written when the first one asks.
    pub fn face(&self) -> &Face {
        self.face.get_or_init(|| Face::of(self, &serde_json::from_slice(&self.json).unwrap_or_default()))
    }
}

type Parts = Arc<Vec<Arc<EngineState>>>;

impl Served {
    /// A flag, by its key.
    pub fn find(&self, key: &str) -> Option<&Arc<Definition>> {
        let at = self.flags.binary_search_by(|flag| flag.key.as_str().cmp(key)).ok()?;
        self.flags.get(at)
    }

    /// What a flag is for this context; nothing where there is no such flag.
    pub fn resolve(&self, key: &str, context: &Context) -> Option<ResolvedToggle> {
        self.find(key)?;
        self.engine(key).resolve(key, context, &None)
    }

    /// What every flag is for this context, in the order of keys.
    pub fn resolve_all<'a>(
        &'a self,
        context: &'a Context,
    ) -> impl Iterator<Item = (&'a Arc<Definition>, ResolvedToggle)> + 'a {
        self.flags
            .iter()
            .filter_map(move |flag| Some((flag, self.engine(&flag.key).resolve(&flag.key, context, &None)?)))
    }

    /// Whether what a flag is for somebody may change with time alone: one goes by dates.
    pub fn timed(&self) -> bool {
        let holds = |word: &[u8]| self.definitions.windows(word.len()).any(|part| part == word);
        *self.timed.get_or_init(|| holds(b"\"DATE_AFTER\"") || holds(b"\"DATE_BEFORE\""))
    }

    /// The engine that knows this flag.
    pub fn engine(&self, key: &str) -> &EngineState {
        &self.parts[part(key)]
    }
}

/// The part that a key is in: any function will do that is the same all the time.
fn part(key: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    usize::try_from(hasher.finish() % PARTS as u64).unwrap_or_default()
}

/// The snapshot, kept up to date.
pub struct Live {
    shared: OnceCell<Arc<Shared>>,
    projects: Vec<String>,
}

struct Shared {
    now: ArcSwap<Snapshot>,
    revision: watch::Sender<u64>,
}

impl Live {
    /// It serves these projects, whether or not they have a flag.
    pub fn of(projects: &[String]) -> Live {
        Live { shared: OnceCell::new(), projects: projects.to_vec() }
    }

    /// What is served now. Whoever asks first waits until it is built.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn get(&self, ports: &Ports) -> anyhow::Result<Arc<Snapshot>> {
        Ok(self.shared(ports).await?.now.load_full())
    }

    /// The revision of what is served, as it grows.
    ///
    /// # Errors
    /// As [`Live::get`].
    pub async fn follow(&self, ports: &Ports) -> anyhow::Result<watch::Receiver<u64>> {
        Ok(self.shared(ports).await?.revision.subscribe())
    }

    /// Waits until all that is committed is served.
    ///
    /// # Errors
    /// When the store can not be read, or it takes too long.
    pub async fn caught_up(&self, ports: &Ports) -> anyhow::Result<Arc<Snapshot>> {
        let shared = self.shared(ports).await?;
        let committed = revision(&*ports.store).await?;
        let mut revision = shared.revision.subscribe();
        let reached = tokio::time::timeout(PATIENCE, revision.wait_for(|revision| *revision >= committed)).await;
        ensure!(
            matches!(reached, Ok(Ok(_))),
            "The change is stored, but applications do not see it yet; the log says why"
        );
        Ok(shared.now.load_full())
    }

    async fn shared(&self, ports: &Ports) -> anyhow::Result<&Arc<Shared>> {
        let build = async || {
            let changes = ports.store.watch(MODEL);
            let mut book = Book::read(&*ports.store, &ports.vocabulary.environments, &self.projects).await?;
            let first = book.serve(&Snapshot::default()).await;
            let shared =
                Arc::new(Shared { revision: watch::Sender::new(first.revision), now: ArcSwap::from_pointee(first) });
            tokio::spawn(book.keep_up(changes, Arc::downgrade(&shared)));
            anyhow::Ok(shared)
        };
        self.shared.get_or_try_init(build).await
    }
}

/// The revision of the last change of the model.
async fn revision(store: &dyn Read) -> anyhow::Result<u64> {
    Ok(store.get(MARK).await?.map_or(0, |mark| mark.version))
}

/// All of the model, and what has changed since it was last built.
struct Book {
    revision: u64,
    flags: BTreeMap<String, Arc<Flag>>,
    segments: BTreeMap<i32, Segment>,
    environments: BTreeMap<String, Environment>,
    projects: Vec<String>,
    flags_changed: bool,
    segments_changed: bool,
}

/// How the flags stand in one environment.
struct Environment {
    states: BTreeMap<String, State>,
    definitions: BTreeMap<String, Arc<Definition>>,
    parts: Parts,
    changed: BTreeSet<String>,
}

impl Book {
    fn empty(environments: &[String], projects: &[String]) -> Book {
        let environment = |name: &String| {
            let parts = (0..PARTS).map(|_| Arc::new(EngineState::initial_state(DateTime::UNIX_EPOCH)));
            let empty = Environment {
                states: BTreeMap::new(),
                definitions: BTreeMap::new(),
                parts: Arc::new(parts.collect()),
                changed: BTreeSet::new(),
            };
            (name.clone(), empty)
        };
        Book {
            revision: 0,
            flags: BTreeMap::new(),
            segments: BTreeMap::new(),
            environments: environments.iter().map(environment).collect(),
            projects: projects.to_vec(),
            flags_changed: true,
            segments_changed: true,
        }
    }

    async fn read(store: &dyn Read, environments: &[String], projects: &[String]) -> anyhow::Result<Book> {
        let mut book = Book::empty(environments, projects);
        // Before all else: what is read after it is at least as new.
        book.revision = revision(store).await?;
        for (key, record) in store.scan(MODEL, None, usize::MAX).await? {
            book.take(Change { key, value: Some(record.value), revision: record.version });
        }
        Ok(book)
    }

    /// Takes a change in; true when it was the last of its commit.
    fn take(&mut self, change: Change) -> bool {
        let Change { key, value, revision } = change;
        if key == MARK {
            self.revision = self.revision.max(revision);
            return true;
        }
        if let Some(name) = FLAGS.name(&key) {
            match value.and_then(|value| decode(&FLAGS, &key, &value)) {
                Some(flag) => _ = self.flags.insert(name.to_owned(), Arc::new(flag)),
                None => _ = self.flags.remove(name),
            }
            self.flags_changed = true;
            self.environments.values_mut().for_each(|it| _ = it.changed.insert(name.to_owned()));
        } else if let Some((environment, name)) = SETTINGS.name(&key).and_then(|name| name.split_once('/')) {
            // One that the config does not name any more is kept, and served to nobody.
            let Some(environment) = self.environments.get_mut(environment) else { return false };
            let setting: Option<Setting> = value.and_then(|value| decode(&SETTINGS, &key, &value));
            match setting {
                Some(setting) => _ = environment.states.insert(name.to_owned(), setting.state),
                None => _ = environment.states.remove(name),
            }
            environment.changed.insert(name.to_owned());
        } else if let Some(number) = SEGMENTS.name(&key).and_then(|name| name.parse().ok()) {
            match value.and_then(|value| decode(&SEGMENTS, &key, &value)) {
                Some(segment) => _ = self.segments.insert(number, segment),
                None => _ = self.segments.remove(&number),
            }
            self.segments_changed = true;
        }
        false
    }

    /// Follows what is committed, for as long as anybody is served.
    async fn keep_up(mut self, mut changes: Watch, shared: Weak<Shared>) {
        while let Some(change) = changes.next().await {
            let Some(shared) = shared.upgrade() else { return };
            if !self.take(change) {
                continue;
            }
            let next = self.serve(&shared.now.load()).await;
            let revision = next.revision;
            shared.now.store(Arc::new(next));
            // It is not sent where it stays the same: after a start, what the store had already.
            shared.revision.send_if_modified(|now| std::mem::replace(now, revision) != revision);
        }
    }

    /// What is served from now on, as far as possible made of what was served `before`.
    async fn serve(&mut self, before: &Snapshot) -> Snapshot {
        let mut next = Snapshot {
            revision: self.revision,
            flags: before.flags.clone(),
            segments: before.segments.clone(),
            environments: before.environments.clone(),
        };
        if std::mem::take(&mut self.flags_changed) {
            next.flags = Arc::new(self.flags.clone());
        }
        let segments = std::mem::take(&mut self.segments_changed);
        if segments {
            next.segments = Arc::new(self.segments.clone());
        }
        for (name, environment) in &mut self.environments {
            if !segments && environment.changed.is_empty() {
                continue;
            }
            if segments {
                environment.changed.extend(self.flags.keys().cloned());
            }
            environment.build(&self.flags, &self.segments).await;
            next.environments.insert(name.clone(), environment.served(name, &self.projects, &self.segments));
        }
        next
    }
}

impl Environment {
    /// Compiles what has changed.
    async fn build(&mut self, flags: &BTreeMap<String, Arc<Flag>>, segments: &BTreeMap<i32, Segment>) {
        let changed = std::mem::take(&mut self.changed);
        for key in &changed {
            match self.feature(flags, key) {
                Some(feature) => _ = self.definitions.insert(key.clone(), Arc::new(definition(&feature))),
                None => _ = self.definitions.remove(key),
            }
        }
        // What needs a flag is compiled with it.
        let needs = |flag: &Flag| flag.needs.iter().any(|need| changed.contains(&need.feature));
        let dependants = flags.iter().filter(|(_, flag)| needs(flag)).map(|(key, _)| part(key));
        let parts: BTreeSet<usize> = changed.iter().map(|key| part(key)).chain(dependants).collect();
        let mut keys: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
        for key in self.definitions.keys().filter(|key| parts.contains(&part(key))) {
            let with = keys.entry(part(key)).or_default();
            with.insert(key);
            with.extend(
                flags.get(key).into_iter().flat_map(|flag| flag.needs.iter().map(|need| need.feature.as_str())),
            );
        }
        let mut engines = (*self.parts).clone();
        for part in parts {
            let keys = keys.remove(&part).unwrap_or_default();
            let features = keys.into_iter().filter_map(|key| self.feature(flags, key)).collect();
            engines[part] = Arc::new(compiled(features, segments));
            // Many flags take a while, and others have something to do meanwhile.
            tokio::task::yield_now().await;
        }
        self.parts = Arc::new(engines);
    }

    /// A flag as Unleash's API has it here; nothing where it is archived, or there is none.
    fn feature(&self, flags: &BTreeMap<String, Arc<Flag>>, key: &str) -> Option<ClientFeature> {
        let flag = flags.get(key).filter(|flag| flag.archived.is_none())?;
        let state = self.states.get(key).cloned().unwrap_or_default();
        Some(ClientFeature {
            name: key.to_owned(),
            feature_type: Some(flag.kind.word().to_owned()),
            description: None,
            created_at: None,
            last_seen_at: None,
            enabled: state.on,
            stale: Some(false),
            impression_data: Some(flag.impressions),
            project: Some(flag.project.clone()),
            strategies: Some(state.strategies),
            variants: Some(state.variants),
            dependencies: (!flag.needs.is_empty()).then(|| flag.needs.clone()),
        })
    }

    fn served(
        &self,
        environment: &str,
        projects: &[String],
        segments: &BTreeMap<i32, Segment>,
    ) -> BTreeMap<String, Arc<Served>> {
        let named = projects.iter().map(String::as_str).chain([ALL]);
        let mut projects: BTreeMap<&str, Vec<Arc<Definition>>> = named.map(|name| (name, Vec::new())).collect();
        for definition in self.definitions.values() {
            for project in [ALL, &definition.project] {
                projects.entry(project).or_default().push(definition.clone());
            }
        }
        let served = |(project, flags): (&str, Vec<_>)| {
            let definitions = body(environment, &flags, segments);
            let etag = format!("\"{:.16}\"", format!("{:x}", Sha256::digest(&definitions)));
            (
                project.to_owned(),
                Arc::new(Served { definitions, etag, flags, parts: self.parts.clone(), timed: OnceLock::new() }),
            )
        };
        projects.into_iter().map(served).collect()
    }
}

/// Whether the engine takes a flag: what it does not is off for everybody.
pub fn taken(feature: ClientFeature, segments: &BTreeMap<i32, Segment>) -> bool {
    let segments = segments.iter().map(|(number, segment)| served_segment(*number, segment)).collect();
    let all = ClientFeatures { version: 2, features: vec![feature], segments: Some(segments), query: None, meta: None };
    let warnings = EngineState::initial_state(DateTime::UNIX_EPOCH).apply_client_features(all);
    warnings.is_none_or(|warnings| warnings.is_empty())
}

/// An engine that knows these flags.
pub fn compiled(features: Vec<ClientFeature>, segments: &BTreeMap<i32, Segment>) -> EngineState {
    let engine = EngineState::initial_state(DateTime::UNIX_EPOCH);
    let segments = segments.iter().map(|(number, segment)| served_segment(*number, segment)).collect();
    let all = ClientFeatures { version: 2, features, segments: Some(segments), query: None, meta: None };
    for warning in engine.apply_client_features(all).unwrap_or_default() {
        tracing::error!(flag = warning.toggle_name, "{}", warning.message);
    }
    engine
}

/// A record; one that can not be read is left out, so that the others are served.
fn decode<T: Serialize + DeserializeOwned>(table: &Table<T>, key: &str, value: &[u8]) -> Option<T> {
    let read = table.decode(value).with_context(|| format!("the record {key} can not be read, and is not served"));
    read.map_err(|error| tracing::error!("{error:#}")).ok()
}

fn definition(feature: &ClientFeature) -> Definition {
    let strategies = || feature.strategies.iter().flatten();
    let variants = strategies().map(|strategy| strategy.variants.iter().flatten().count());
    let variants = variants.chain([feature.variants.iter().flatten().count()]).max();
    let part = |strategy| model::share(strategy).is_some_and(|share| (1..100).contains(&share));
    Definition {
        key: feature.name.clone(),
        project: feature.project.clone().unwrap_or_default(),
        on: feature.enabled,
        impressions: feature.impression_data.unwrap_or_default(),
        targeted: strategies().any(|strategy| model::is_bound(strategy) || model::share(strategy).is_none()),
        split: variants > Some(1) || strategies().any(part),
        json: serde_json::to_vec(feature).unwrap_or_default(),
        face: OnceLock::new(),
    }
}

fn served_segment(number: i32, segment: &Segment) -> api::Segment {
    api::Segment { id: number, constraints: segment.constraints.clone() }
}

/// The body of Unleash's `GET /api/client/features`.
fn body(environment: &str, flags: &[Arc<Definition>], segments: &BTreeMap<i32, Segment>) -> Bytes {
    let length: usize = flags.iter().map(|flag| flag.json.len() + 1).sum();
    let mut body = Vec::with_capacity(length + 256);
    body.extend_from_slice(br#"{"version":2,"features":["#);
    for (at, flag) in flags.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&flag.json);
    }
    let segments: Vec<_> = segments.iter().map(|(number, segment)| served_segment(*number, segment)).collect();
    let rest = serde_json::json!({ "segments": segments, "query": { "environment": environment } }).to_string();
    body.extend_from_slice(b"],");
    body.extend_from_slice(rest.trim_start_matches('{').as_bytes());
    Bytes::from(body)
}

#[cfg(test)]
mod tests;
