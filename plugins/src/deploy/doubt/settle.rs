//! `/deploy settle`: somebody says what is live after a deploy of which nobody knew how it came out.

use super::{DOUBTS, Doubt, NOTHING, UNKNOWN, buttons, line, settled};
use crate::deploy::records::{DEPLOYS, LIVE, Live, Progress, Release, Target, history, live, name};
use crate::deploy::settings::Service;
use crate::deploy::source::git;
use crate::deploy::{Deployer, show};
use commands::act::Act;
use commands::cx::Cx;
use commands::reply::{Button, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::table::Versioned;
use commands::text;
use serde::Deserialize;

#[derive(Deserialize)]
struct SettleArgs {
    service: String,
    env: String,
    live: String,
    because: Option<String>,
}

/// What somebody says.
enum Said {
    /// What was shipped is live.
    Shipped,
    /// What was live before still is.
    Before,
    /// Another release is.
    Other(Release),
    Nothing,
    /// They take back what was said.
    Unknown,
}

impl Deployer {
    pub(in crate::deploy) async fn settle(&self, cx: &Cx) -> Result<Reply> {
        let SettleArgs { service, env, live: word, because } = cx.args()?;
        let target = Target { service, environment: env };
        let service = self.service(&target)?;
        if let Some(number) = self.running(&target) {
            return Err(Stop::refuse(format!(
                "Deploy #{number} of `{}` to `{}` is under way, so nothing was settled. Its own message tells how it ends.",
                target.service, target.environment
            )));
        }
        let doubt = in_doubt(cx, &target).await?;
        let said = self.said(cx, service, &target, &doubt.value, &word).await?;
        let Target { service: its, environment } = &target;
        let deploy = doubt.value.deploy;
        let (object, says, commit) = match &said {
            Said::Unknown => (UNKNOWN.to_owned(), format!("Say that nobody knows how deploy #{deploy} ended"), None),
            Said::Nothing => (NOTHING.to_owned(), "Say that nothing is live".to_owned(), None),
            Said::Shipped => stated(&doubt.value.release),
            Said::Other(release) => stated(release),
            Said::Before => doubt.value.before.as_ref().map(|live| stated(&live.release)).unwrap_or_default(),
        };
        let act = Act {
            verb: "deploy.settle",
            object: format!("{its} {object}"),
            service: Some(its.clone()),
            environment: Some(environment.clone()),
            says: format!("{says}, of `{its}` in `{environment}`."),
            facts: [("deploy", deploy.to_string())]
                .into_iter()
                .chain(commit.map(|commit| ("commit", commit)))
                .collect(),
            undo: (!matches!(said, Said::Unknown)).then(|| line(&target, UNKNOWN)),
            state: Some(DOUBTS.key(&target)),
            why: because.unwrap_or_default(),
            danger: false,
        };
        let version = live(cx.store(), &target).await?.1;
        let noted = DEPLOYS.get(cx.store(), name(&target, deploy)).await?.map(|noted| noted.value);
        cx.act(act, async |permit| {
            let live = live_then(service, &target, &doubt.value, &said, permit.act(), cx);
            let noted = noted.map(|mut deploy| {
                // Which artifact it is nobody has said.
                deploy.release.artifact = deploy.release.artifact.filter(|_| !matches!(said, Said::Shipped));
                deploy.state = state_then(cx, &doubt.value, &said, &object);
                // Where something else is live, it is at all targets.
                deploy.on.clear();
                deploy
            });
            permit.expect(LIVE.key(&target), version);
            let who = (!matches!(said, Said::Unknown)).then(|| cx.who().to_owned());
            settled(permit, &target, &doubt, live.as_ref(), noted, who)
        })
        .await?;
        self.told(cx, &target, &said).await
    }

    /// What is meant by a word: one of the releases that it may be, or whatever git knows.
    async fn said(&self, cx: &Cx, service: &Service, target: &Target, doubt: &Doubt, word: &str) -> Result<Said> {
        let is = |release: &Release| {
            release.reference == word || word.len() >= 7 && release.commit.starts_with(&word.to_ascii_lowercase())
        };
        let number = word.strip_prefix('#').and_then(|number| number.parse::<u64>().ok());
        let before = doubt.before.as_ref();
        match word {
            NOTHING => return Ok(Said::Nothing),
            UNKNOWN if doubt.settled.is_some() => return Ok(Said::Unknown),
            UNKNOWN => {
                return Err(Stop::refuse(format!(
                    "Nobody has said yet how deploy #{} ended, so nothing was done. {}",
                    doubt.deploy,
                    doubt.next(target)
                )));
            }
            _ if number == Some(doubt.deploy) => return Ok(Said::Shipped),
            _ if number.is_some() && number == before.map(|live| live.deploy) => return Ok(Said::Before),
            _ if is(&doubt.release)
                && before.is_some_and(|live| is(&live.release) && !live.release.is(&doubt.release)) =>
            {
                return Err(Stop::refuse(format!(
                    "Both what #{} shipped and what was live before were {}, so nothing was done. {}",
                    doubt.deploy,
                    text::code(word),
                    doubt.next(target)
                )));
            }
            _ if is(&doubt.release) => return Ok(Said::Shipped),
            _ if before.is_some_and(|live| is(&live.release)) => return Ok(Said::Before),
            _ => {}
        }
        let release = git::resolve(cx.ports(), &target.service, &service.repository, word).await?;
        let same = |other: &Release| other.commit == release.commit;
        Ok(if same(&doubt.release) {
            Said::Shipped
        } else if before.is_some_and(|live| same(&live.release)) {
            Said::Before
        } else if service.strategy.switch().is_some() {
            return Err(Stop::refuse(format!(
                "Only what #{} shipped and what was live before can be live there, as one of two colours serves. Nothing was done. {}",
                doubt.deploy,
                doubt.next(target)
            )));
        } else {
            Said::Other(release)
        })
    }

    async fn told(&self, cx: &Cx, target: &Target, said: &Said) -> Result<Reply> {
        let Target { service, environment } = target;
        let who = text::plain(cx.who());
        if let Said::Unknown = said {
            let doubt = DOUBTS.get(cx.store(), target).await?;
            let says = |doubt: &Versioned<Doubt>| {
                format!("Nobody knows how deploy #{} ended. {}", doubt.value.deploy, doubt.value.next(target))
            };
            let reply = |doubt: Versioned<Doubt>| buttons(Reply::say(says(&doubt)), target, &doubt);
            return Ok(doubt.map_or_else(|| Reply::say("It is not known any more."), reply));
        }
        let (live, version) = live(cx.store(), target).await?;
        let what = live.as_ref().map_or_else(|| NOTHING.to_owned(), |live| live.release.to_string());
        let says = format!("{who} says so. What is shipped there goes on from that.");
        let reply = Reply::card(Tone::Good, format!("{service} in {environment}: {what} is live"), says);
        let before = match said {
            Said::Shipped => DOUBTS.get(cx.store(), target).await?.and_then(|doubt| doubt.value.before),
            _ => None,
        };
        let back = before.filter(|before| live.as_ref().is_some_and(|live| !live.release.is(&before.release)));
        let reply = match back {
            Some(before) => reply.button(show::back(target, &before.release, before.deploy, version)),
            None => reply,
        };
        Ok(reply.button(Button::new("Nobody knows", line(target, UNKNOWN)).drawn_from(LIVE.key(target), version)))
    }
}

/// The deploy that somebody may speak about: the last one, if it is or was in doubt.
async fn in_doubt(cx: &Cx, target: &Target) -> Result<Versioned<Doubt>> {
    let Target { service, environment } = target;
    let last = history(cx.store(), target, 1).await?.pop().map(|deploy| deploy.number);
    let doubt = DOUBTS.get(cx.store(), target).await?;
    doubt.filter(|doubt| doubt.value.settled.is_none() || last == Some(doubt.value.deploy)).ok_or_else(|| {
        Stop::refuse(format!(
            "How the last deploy of `{service}` to `{environment}` ended is known, so there is nothing to settle. `/deploy history {service} {environment}` shows how."
        ))
    })
}

fn stated(release: &Release) -> (String, String, Option<String>) {
    (release.to_string(), format!("Say that {release} is live"), Some(release.commit.clone()))
}

/// What is live then.
fn live_then(service: &Service, target: &Target, doubt: &Doubt, said: &Said, act: u64, cx: &Cx) -> Option<Live> {
    let of = |release: &Release, deploy, colour| Live {
        release: release.clone(),
        deploy,
        since: cx.now(),
        colour,
        kept: None,
        doubt: None,
    };
    match said {
        Said::Nothing => None,
        Said::Unknown => doubt.before.as_ref().map(|before| before.in_doubt(doubt.deploy)),
        Said::Before => doubt.before.clone().map(|before| Live { doubt: None, ..before }),
        Said::Other(release) => Some(of(release, act, None)),
        Said::Shipped => {
            let live = doubt.live(service, target, cx.now());
            Some(Live { release: Release { artifact: None, ..live.release }, ..live })
        }
    }
}

/// How the deploy came out then.
fn state_then(cx: &Cx, doubt: &Doubt, said: &Said, object: &str) -> Progress {
    let at = cx.now();
    match said {
        Said::Shipped => Progress::Good { at },
        Said::Unknown => Progress::Unknown { at: doubt.since, why: doubt.says.clone() },
        _ => {
            let why = format!("{}. {} says that {object} is live", doubt.says, text::plain(cx.who()));
            Progress::Bad { at, why }
        }
    }
}

impl Doubt {
    /// What it shipped, as what is live.
    pub(super) fn live(&self, service: &Service, target: &Target, since: chrono::DateTime<chrono::Utc>) -> Live {
        let serving = self.before.as_ref().and_then(|live| live.colour.as_deref());
        let colours = service.strategy.colours(service.hosts(&target.environment), serving);
        let colour = colours.map(|[idle, _]| idle);
        Live { release: self.release.clone(), deploy: self.deploy, since, colour, kept: None, doubt: None }
    }
}
