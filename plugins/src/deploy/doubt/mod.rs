//! Deploys of which nobody knows how they came out: nothing more is shipped there until somebody says what is live, or
//! Deckhand finds it out by itself.

mod settle;
mod watch;

use super::driver::Handle;
use super::records::{Deploy, LIVE, Live, Progress, Release, Target};
use chrono::{DateTime, Utc};
use commands::act::Permit;
use commands::complete::Choice;
use commands::cx::{Cx, Ports};
use commands::ledger::NOT_KNOWN;
use commands::parse;
use commands::reply::{Button, Reply};
use commands::stop::Result;
use commands::store::Read;
use commands::table::{Table, Versioned};
use commands::text;
use serde::{Deserialize, Serialize};

/// The last deploy in doubt, by target.
pub const DOUBTS: Table<Doubt> = Table::new("deploy/doubt/");

/// What is said where nothing is live.
const NOTHING: &str = "nothing";

/// What takes back what was said.
const UNKNOWN: &str = "unknown";

/// A deploy of which nobody knows how it came out, or knew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Doubt {
    /// Which.
    pub deploy: u64,
    /// What it shipped.
    pub release: Release,
    /// What was live before it.
    pub before: Option<Live>,
    /// Since when nobody knows.
    pub since: DateTime<Utc>,
    /// What is known, and where one looks to know more: sentences, without the last full stop.
    pub says: String,
    /// What finds its work again.
    pub handle: Option<Handle>,
    /// Whether its work is over, so that what is live tells how it ended.
    #[serde(default)]
    pub over: bool,
    /// Who has said how it is; nothing is shipped before that.
    pub settled: Option<String>,
}

impl Doubt {
    /// What may be live, likeliest first: what is said of it, and its name.
    fn either(&self) -> Vec<(String, String)> {
        let shipped = (self.release.word(self.deploy), self.release.full());
        let before = self.before.as_ref().filter(|before| !before.release.is(&self.release));
        let before = before.map(|before| (before.release.word(before.deploy), before.release.full()));
        vec![shipped, before.unwrap_or((NOTHING.to_owned(), NOTHING.to_owned()))]
    }

    /// What was shipped and what was live before under the same name, such as a branch's: it tells nobody which is meant.
    fn shared_name(&self) -> Option<&str> {
        let before = &self.before.as_ref()?.release;
        let shared = before.reference == self.release.reference && before.commit != self.release.commit;
        shared.then_some(self.release.reference.as_str())
    }

    /// What is typed for a release that the deploy `number` has shipped.
    fn word(&self, release: &Release, number: u64) -> String {
        let other = |live: &Live| live.release.commit == self.release.commit && !live.release.is(&self.release);
        if self.before.as_ref().is_some_and(other) {
            return format!("#{number}");
        }
        let is_hash = release.commit.starts_with(&release.reference);
        let short = is_hash || self.shared_name() == Some(&release.reference);
        if short { release.short().to_owned() } else { release.reference.clone() }
    }

    /// What is typed for what may be live, likeliest first.
    fn words(&self) -> Vec<String> {
        let shipped = self.word(&self.release, self.deploy);
        let before = self.before.as_ref().map(|live| self.word(&live.release, live.deploy));
        let mut words: Vec<_> = std::iter::once(shipped).chain(before).collect();
        words.dedup();
        words
    }

    /// The lines that say how it is, as they are typed.
    pub fn lines(&self, target: &Target) -> String {
        let Target { service, environment } = target;
        let mut names: Vec<_> = self.words().iter().map(|word| parse::quote(word)).collect();
        if names.len() < 2 {
            names.push(NOTHING.to_owned());
        }
        let line = |name: &String| text::to_say(&format!("deploy settle {service} {environment} {name}"));
        names.iter().map(line).collect::<Vec<_>>().join(" or ")
    }

    /// That nothing more is shipped, and what changes that.
    pub fn next(&self, target: &Target) -> String {
        format!("Nothing more is shipped there until somebody says what is live: {}.", self.lines(target))
    }
}

/// The deploy that holds a target, and the version of its record.
///
/// # Errors
/// When the store can not be read.
pub async fn held(store: &dyn Read, target: &Target) -> anyhow::Result<Option<Versioned<Doubt>>> {
    Ok(DOUBTS.get(store, target).await?.filter(|doubt| doubt.value.settled.is_none()))
}

/// Stages that nobody knows how `deploy` came out; `over` is whether its work surely does not go on.
///
/// # Errors
/// When it can not be written down.
pub fn hold(
    permit: &Permit,
    target: &Target,
    deploy: &mut Deploy,
    before: Option<&Live>,
    says: String,
    over: bool,
    at: DateTime<Utc>,
) -> Result<()> {
    let handle = deploy.handle().cloned();
    let doubt = Doubt {
        deploy: deploy.number,
        release: deploy.release.clone(),
        before: before.cloned(),
        since: at,
        says: says.trim_end_matches('.').to_owned(),
        handle,
        over,
        settled: None,
    };
    DOUBTS.put(permit, target, &doubt)?;
    if let Some(before) = before {
        LIVE.put(permit, target, &before.in_doubt(deploy.number))?;
    }
    // Should this be all that can be told, it says what is to be done.
    permit.failed(format!("{NOT_KNOWN}{}. {}", doubt.says, doubt.next(target)));
    deploy.state = Progress::Unknown { at, why: doubt.says };
    Ok(())
}

/// What somebody is told who wants to ship where a deploy is in doubt.
pub fn stopped(cx: &Cx, target: &Target, doubt: &Versioned<Doubt>) -> Reply {
    let Target { service, environment } = target;
    let Doubt { deploy, says, since, .. } = &doubt.value;
    let says = format!(
        "Nobody knows how deploy #{deploy} of `{service}` to `{environment}` ended ({}), so nothing was done. {says}. {}",
        text::ago(*since, cx.now()),
        doubt.value.next(target)
    );
    buttons(Reply::refuse(says), target, doubt)
}

/// Adds the buttons that say how it is, good as long as nobody has said it.
pub fn buttons(reply: Reply, target: &Target, Versioned { value, version }: &Versioned<Doubt>) -> Reply {
    value.either().into_iter().fold(reply, |reply, (word, name)| {
        let line = line(target, &word);
        let verb = if word == NOTHING { "Nothing".to_owned() } else { name };
        reply.button(Button::new(format!("{verb} is live"), line).drawn_from(DOUBTS.key(target), *version))
    })
}

/// What may be written for `live:`.
pub async fn choices(target: &Target, ports: &Ports) -> anyhow::Result<Vec<Choice>> {
    let Some(Versioned { value: doubt, .. }) = DOUBTS.get(&*ports.store, target).await? else { return Ok(Vec::new()) };
    let choice = |value: &str, about: &str| Choice { value: value.to_owned(), about: about.to_owned() };
    let shipped = format!("what #{} shipped", doubt.deploy);
    let abouts = [&*shipped, "what was live before"];
    let mut choices: Vec<_> = doubt.words().iter().zip(abouts).map(|(word, about)| choice(word, about)).collect();
    choices.push(choice(NOTHING, "nothing is live"));
    choices.extend(doubt.settled.iter().map(|_| choice(UNKNOWN, "nobody knows after all")));
    Ok(choices)
}

fn line(target: &Target, word: &str) -> String {
    let Target { service, environment } = target;
    format!("deploy settle service:{service} env:{environment} live:{word}")
}

/// Stages what is live after all, how the deploy came out, and who says so.
fn settled(
    permit: &Permit,
    target: &Target,
    Versioned { value, version }: &Versioned<Doubt>,
    live: Option<&Live>,
    deploy: Option<Deploy>,
    who: Option<String>,
) -> Result<()> {
    permit.expect(DOUBTS.key(target), *version);
    DOUBTS.put(permit, target, &Doubt { settled: who, ..value.clone() })?;
    match live {
        Some(live) => LIVE.put(permit, target, live)?,
        None => permit.delete(LIVE.key(target)),
    }
    if let Some(deploy) = deploy {
        super::records::DEPLOYS.put(permit, super::records::name(target, deploy.number), &deploy)?;
    }
    Ok(())
}
