//! What the operator wrote, read once and checked whole.
//!
//! [`load`] reads the file and checks the core's own part of it. Plugins and platforms then read their parts through
//! [`Section`]s, [`Config::unclaimed`] finds what nobody read, and [`Problems`] holds all that is wrong, not only the
//! first thing.

pub mod address;
pub mod duration;
mod during;
mod ids;
mod names;
mod people;
mod policy;
mod problem;
mod roles;
mod rooms;
mod schedule;
mod secret;
mod section;
pub mod settings;
pub mod suggest;
mod tree;

pub use during::During;
pub use people::{DECKHAND, Person};
pub use policy::{Approval, Rule};
pub use problem::{Place, Problem, Problems, quoted};
pub use schedule::Schedule;
pub use section::Section;
pub use settings::{Said, Setting};

use chrono_tz::Tz;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::File,
    io::{ErrorKind, Read},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use tree::{Text, Tree};

/// How an environment variable is looked up: `&|name| std::env::var(name).ok()` outside tests.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A greater file is no config but a mistake.
pub(crate) const LARGEST: usize = 1 << 20;

/// The keys of the file's top level that are the core's own.
const CORE: [&str; 11] = [
    "data",
    "timezone",
    "environments",
    "services",
    "people",
    "roles",
    "channels",
    "policy",
    "console",
    "hooks",
    "backup",
];

/// The whole config. Where [`Problems`] came with it, it holds what could be read, and is not to be run on.
pub struct Config {
    /// The folder of the file, which relative paths in it start from.
    pub folder: PathBuf,
    /// Where Deckhand keeps its own data, when the file says so.
    pub data: Option<PathBuf>,
    /// The zone that times of the day are meant in; UTC by default.
    pub zone: Tz,
    /// The environments in the order of promotion.
    pub environments: Vec<String>,
    /// What is deployed and watched, by name.
    pub services: BTreeMap<String, Service>,
    /// Who may speak to the bot, by name.
    pub people: BTreeMap<String, Person>,
    /// The ids of each role's own roles on chat platforms: of the role's name, then of the platform's.
    pub roles: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// The ids of channels on chat platforms: of the channel's name, then of the platform's.
    pub rooms: BTreeMap<String, BTreeMap<String, String>>,
    /// Who may do what, in the order of the file.
    pub policy: Vec<Rule>,
    /// The local console.
    pub console: Console,
    /// The channels of the console; `ops` by default.
    pub channels: Vec<String>,
    /// Where programs are listened to, when the file says so.
    pub hooks: Option<SocketAddr>,
    /// The backup that is made by itself.
    pub backup: Backup,
    /// Every value of six or more characters that came from `${NAME}` or `${file:PATH}`: never to be shown.
    pub secrets: Vec<String>,
    tree: Tree,
    claimed: Mutex<BTreeSet<String>>,
}

/// Something that is deployed and watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// One line for people; may be empty.
    pub about: String,
    /// Where its source is: a URL that git knows, or an absolute path.
    pub repository: Option<String>,
    /// Whom to ask about it: people and roles of the config.
    pub owners: Vec<String>,
    /// The services that it can not do without.
    pub depends_on: Vec<String>,
}

/// The local console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Console {
    /// Where it listens; `127.0.0.1:7878` by default.
    pub listen: SocketAddr,
    /// The address that people reach it by, where a proxy stands before it; without a slash at its end.
    pub public_url: Option<String>,
    /// The people it may speak as, all by default.
    pub speak_as: Vec<String>,
}

/// The backup that is made by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// When, as a line of crontab, not checked here; `30 3 * * *` by default.
    pub at: String,
    /// Where `at` stands, for whoever checks it.
    pub place: Place,
    /// How many are kept, from 1 to 365; 7 by default.
    pub keep: usize,
}

/// Reads and checks the file. It never fails: what is wrong, be it the whole file, is told in the problems.
pub fn load(path: &Path, env: Env) -> (Config, Problems) {
    let folder = path.parent().unwrap_or(Path::new(""));
    let folder = std::path::absolute(folder.join(".")).unwrap_or_else(|_| folder.to_owned());
    let folder: PathBuf = folder.components().collect();
    match contents(path) {
        Ok(text) => parse(&text, &path.to_string_lossy(), &folder, env),
        Err((what, instead)) => {
            let (empty, problems) = parse("", "", &folder, env);
            let place = Place { file: Some(path.into()), ..Place::default() };
            problems.push(Problem { place, what, instead: instead.into() });
            (empty, problems)
        }
    }
}

/// The text of the file, or what is wrong with it and what to do instead.
pub(crate) fn contents(path: &Path) -> Result<String, (String, &'static str)> {
    let mut bytes = Vec::new();
    // One byte more than allowed lets `parse` see that the file is too large.
    let read = File::open(path).and_then(|file| file.take(LARGEST as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| match error.kind() {
        ErrorKind::NotFound => ("there is no such file".into(), "write it, or name another"),
        ErrorKind::PermissionDenied => ("this user may not read it".into(), "let the user that runs Deckhand read it"),
        ErrorKind::IsADirectory => ("this is a folder".into(), "name the file in it"),
        _ => (format!("it can not be read ({error})"), "mend that, or name another file"),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        (format!("line {line} is no UTF-8 text"), "save the file as UTF-8")
    })
}

/// Checks a config given as text. `shown_as` names it in problems; relative paths start from `folder`.
pub fn parse(text: &str, shown_as: &str, folder: &Path, env: Env) -> (Config, Problems) {
    let problems = Problems::default();
    let too_large = text.len() > LARGEST;
    if too_large {
        let place = Place { file: Some(shown_as.into()), ..Place::default() };
        let instead = "name the right file, or keep only the config in it".into();
        problems.push(Problem { place, what: "the file is larger than 1 MiB".into(), instead });
    }
    let tree = Tree::parse(if too_large { "" } else { text }, shown_as, folder, env, &problems);
    let config = Config::read(&tree, &problems);
    (Config { tree, ..config }, problems)
}

impl Config {
    /// The core's own part. The tree itself is still missing in it, for it is being read.
    fn read(tree: &Tree, problems: &Problems) -> Self {
        let top = Section::top(tree, problems);
        let environments = top.texts_each("environments", |text| names::check("an environment", text));
        if top.is_empty_list("environments") {
            top.problem("environments", "there are no environments", "write at least one, or take the line out");
        }
        let people = people::read(&top);
        let roles = roles::read(&top, &people);
        let held = people.values().flat_map(|person| &person.roles).chain(people.keys()).chain(roles.keys());
        let held: Vec<_> = held.map(String::as_str).collect();
        let policy = policy::read(&top, &held, &people);
        let services = services(&top, &held);
        let (console, channels) = console(&top, &people);
        let hooks = hooks(&top, console.listen);
        Self {
            folder: tree.folder.clone(),
            data: top.path("data"),
            zone: zone(&top),
            environments,
            services,
            policy,
            people,
            roles,
            rooms: rooms::read(&top),
            console,
            channels,
            hooks,
            backup: backup(&top),
            secrets: problems.secrets(),
            tree: Tree::default(),
            claimed: Mutex::default(),
        }
    }

    /// Whether the top-level table `name` stands in the file.
    pub fn has(&self, name: &str) -> bool {
        self.tree.root.entries.contains_key(name)
    }

    /// A plugin's or platform's own top-level table, `[name]`, which counts as claimed from now on.
    pub fn section<'a>(&'a self, name: &str, problems: &Problems) -> Option<Section<'a>> {
        self.claim(name);
        Section::top(&self.tree, problems).table(name)
    }

    /// The table `[services.X.name]` of every service X that has one, in the order of the services' names; claimed from
    /// now on.
    pub fn service_sections<'a>(&'a self, name: &str, problems: &Problems) -> Vec<(String, Section<'a>)> {
        self.claim(&service_claim(name));
        let Some(services) = Section::top(&self.tree, problems).table("services") else { return Vec::new() };
        let mut found: Vec<_> = services
            .tables_here()
            .into_iter()
            .filter_map(|(service, section)| Some((service, section.table(name)?)))
            .collect();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        found
    }

    /// Where what is told in the channel of this name goes, as platforms and the channel's ids there: to every chat platform
    /// that is on and has such a channel, else to the console's.
    pub fn channel(&self, name: &str) -> Vec<(String, String)> {
        let nowhere = Problems::default();
        let chats = Section::top(&self.tree, &nowhere).table("chat");
        // Each network of IRC is a platform of its own.
        let networks = chats.as_ref().and_then(|chats| chats.table("irc"));
        let on = |platform: &String| [&chats, &networks].into_iter().flatten().any(|chats| chats.has(platform));
        let ids = self.rooms.get(name).into_iter().flatten().filter(|(platform, _)| on(platform));
        let mut found: Vec<_> = ids.map(|(platform, id)| (platform.clone(), id.clone())).collect();
        if found.is_empty() && self.channels.iter().any(|channel| channel == name) {
            found.push(("console".to_owned(), name.to_owned()));
        }
        found
    }

    /// Notes every top-level key and every table of a service that nobody asked for. To be called last; `known` are the
    /// names of all sections that somebody would read.
    pub fn unclaimed(&self, known: &[&str], problems: &Problems) {
        let claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        let top = Section::top(&self.tree, problems);
        for name in self.tree.root.entries.keys() {
            if CORE.contains(&name.as_str()) || claimed.contains(name) {
                continue;
            }
            let what = format!("nothing reads {}", quoted(name));
            top.unknown(name, what, known.iter().copied().chain(CORE));
        }
        let Some(services) = top.table("services") else { return };
        for (_, service) in services.tables_here() {
            for (name, _) in service.tables_here() {
                let name = name.as_str();
                if claimed.contains(&service_claim(name)) {
                    continue;
                }
                let table = format!("[{}.{name}]", service.title());
                let what = format!("nothing reads {}", quoted(&table));
                if known.contains(&name) && !self.has(name) {
                    let instead = format!("write a section `[{name}]` too, which turns it on, or take this one out");
                    service.problem_at_key(name, what, instead);
                } else {
                    service.unknown(name, what, known.iter().copied());
                }
            }
        }
    }

    /// Notes every id of a person, a role or a channel that belongs to none of the `known` platforms: a misspelt platform
    /// would silently lock people out.
    pub fn check_platforms(&self, known: &[&str], problems: &Problems) {
        let top = Section::top(&self.tree, problems);
        let people = self.people.iter().map(|(name, person)| ("people", name, person.ids.keys().collect::<Vec<_>>()));
        let roles = self.roles.iter().map(|(name, ids)| ("roles", name, ids.keys().collect()));
        let rooms = self.rooms.iter().map(|(name, ids)| ("channels", name, ids.keys().collect()));
        for (table, name, platforms) in people.chain(roles).chain(rooms) {
            let Some(section) = top.table(table).and_then(|table| table.table(name)) else { continue };
            for platform in platforms.into_iter().filter(|platform| !known.contains(&platform.as_str())) {
                section.unknown(platform, format!("there is no platform {}", quoted(platform)), known.iter().copied());
            }
        }
    }

    fn claim(&self, name: &str) {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into());
    }
}

/// Names can not hold a space, so this never meets a top-level one.
fn service_claim(name: &str) -> String {
    format!("services * {name}")
}

/// Only the folder: the rest may hold secrets.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("folder", &self.folder).finish_non_exhaustive()
    }
}

fn zone(top: &Section) -> Tz {
    let Some(text) = top.text_node("timezone") else { return Tz::UTC };
    text.value.parse().unwrap_or_else(|_| {
        let names = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let by_city =
            names().find(|name| name.rsplit('/').next().is_some_and(|it| it.eq_ignore_ascii_case(&text.value)));
        let instead = match by_city.or_else(|| suggest::suggest(&text.value, names())) {
            Some(name) => format!("write `{name}`"),
            None => "write one as in `Asia/Seoul`, `Europe/Paris` or `UTC`".into(),
        };
        top.problem("timezone", format!("there is no time zone {}", text.shown()), text.instead(instead));
        Tz::UTC
    })
}

/// The services. `known` are the people and roles that there are.
fn services(top: &Section, known: &[&str]) -> BTreeMap<String, Service> {
    let all = top.tables("services");
    let names: Vec<_> = all.iter().map(|(name, _)| name.clone()).collect();
    let read = |(name, section): (String, Section)| {
        if let Some(mistake) = names::mistake("a service", &name) {
            section.problem_at_start(mistake);
        }
        let about = section.text("about").unwrap_or_default();
        let repository = section.text_node("repository").and_then(|text| repository(&section, text));
        let owners = section.texts_each("owners", |text| {
            let nobody = section.whole() && !known.contains(&text.value.as_str());
            nobody.then(|| {
                let instead = names::nearest(&text.value, known.iter().copied());
                (format!("there is no person or role {}", text.shown()), instead)
            })
        });
        let depends_on = section.texts_each("depends_on", |text| match names.contains(&text.value) {
            true if text.value != name => None,
            true => Some(("it depends on itself".to_owned(), "take it out".to_owned())),
            false => {
                let others = names.iter().map(String::as_str).filter(|other| *other != name);
                Some((format!("there is no service {}", text.shown()), names::nearest(&text.value, others)))
            }
        });
        // The tables in it are other readers' sections, which `unclaimed` looks after.
        section.finish_except_tables();
        (name, Service { about, repository, owners, depends_on })
    };
    all.into_iter().map(read).collect()
}

/// A URL that git can only read from, or `user@host:path`, stays as it is; anything else is a path. Helpers such as
/// `ext::sh -c …` would run a program.
fn repository(section: &Section, text: &Text) -> Option<String> {
    let value = text.value.as_str();
    let is_host_and_path = value.split_once(':').is_some_and(|(host, _)| !host.contains('/'));
    let why = match value.split_once("://") {
        _ if value.contains(char::is_control) => "holds control characters",
        Some((_, host)) if host.starts_with('-') => "would be an option of a program",
        Some((scheme, _)) if ["https", "http", "ssh", "git", "file"].contains(&scheme) => return Some(value.into()),
        Some(_) => "is no address that is cloned from",
        None if !is_host_and_path => return Some(section.path("repository")?.to_string_lossy().into_owned()),
        None if value.starts_with('-') => "would be an option of a program",
        None if value.contains("::") => "would run a program",
        None => return Some(value.into()),
    };
    section.refuse("repository", text, why, "write a path, `https://host/path` or `git@host:path`".into());
    None
}

fn console(top: &Section, people: &BTreeMap<String, Person>) -> (Console, Vec<String>) {
    let mut listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 7878));
    let mut public_url = None;
    let mut speak_as: Vec<_> = people.keys().cloned().collect();
    let mut channels = vec!["ops".to_owned()];
    if let Some(console) = top.table("console") {
        listen = address(&console, listen).unwrap_or(listen);
        public_url = console.url("public_url").and_then(|url| {
            let bare = url.trim_end_matches('/').to_owned();
            // The page is the whole of its host: it has no place under a path.
            let is_bare = bare.split_once("://").is_some_and(|(_, host)| !host.contains(['/', '?', '#', '@']));
            if !is_bare {
                let instead = "write it as in `https://deckhand.example.com`".to_owned();
                console.problem("public_url", "it has more than a host and a port".to_owned(), instead);
            }
            is_bare.then_some(bare)
        });
        if console.has("speak_as") {
            let known = || people.keys().map(String::as_str);
            speak_as = console.texts_each("speak_as", |text| match people.contains_key(&text.value) {
                true => None,
                false if !console.whole() => None,
                false => Some((format!("there is no person {}", text.shown()), names::nearest(&text.value, known()))),
            });
        }
        if console.has("channels") {
            channels = console.texts_each("channels", names::check_line);
            if console.is_empty_list("channels") {
                let instead = "write `channels = [\"ops\"]`, or take the line out";
                console.problem("channels", "there are no channels", instead);
            }
        }
        console.finish();
    }
    (Console { listen, public_url, speak_as }, channels)
}

/// Where programs are listened to.
fn hooks(top: &Section, console: SocketAddr) -> Option<SocketAddr> {
    let example = SocketAddr::from((Ipv4Addr::LOCALHOST, 7879));
    let section = top.table("hooks")?;
    if !section.has("listen") {
        section.missing("listen", &format!("\"{example}\""));
    }
    let listen = address(&section, example);
    if let Some(listen) = listen.filter(|listen| listen.port() == console.port() && console.port() != 0) {
        let what =
            format!("the console listens on the port {} already, and programs have no business there", listen.port());
        section.problem("listen", what, format!("write another port, as in `{example}`"));
    }
    section.finish();
    listen
}

/// The address under `listen`.
fn address(section: &Section, example: SocketAddr) -> Option<SocketAddr> {
    let text = section.text_node("listen")?;
    let address = text.value.parse().ok();
    if address.is_none() {
        let instead = text.instead(format!("write an IP address and a port, as in `{example}`"));
        section.problem("listen", format!("{} is no address", text.shown()), instead);
    }
    address
}

fn backup(top: &Section) -> Backup {
    let mut backup = Backup { at: "30 3 * * *".into(), place: Place::default(), keep: 7 };
    if let Some(section) = top.table("backup") {
        backup.at = section.text("at").unwrap_or(backup.at);
        backup.place = section.place("at");
        backup.keep = section.integer("keep", 1..=365).and_then(|keep| keep.try_into().ok()).unwrap_or(backup.keep);
        section.finish();
    }
    backup
}

#[cfg(test)]
mod tests;
