//! The life of a flag: it is made, belongs to somebody, and goes to the archive when nobody needs it any more.

use super::change::{Found, TIMERS};
use super::model::{FLAGS, Flag, Kind, Life, put_flag, setting_name, wrong_with_key};
use super::rollout::ROLLOUTS;
use super::{Flags, schedule, show};
use chrono::{DateTime, Utc};
use commands::act::Act;
use commands::cx::Cx;
use commands::reply::{Button, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;
use unleash_types::client_features::FeatureDependency;

#[derive(Deserialize)]
struct CreateArgs {
    flag: String,
    about: Option<String>,
    service: Option<String>,
    owner: Option<String>,
    kind: Option<String>,
    expires: Option<DateTime<Utc>>,
    permanent: Option<String>,
    tags: Option<String>,
    needs: Option<String>,
    project: Option<String>,
}

#[derive(Deserialize)]
struct FlagArgs {
    flag: String,
    because: Option<String>,
    to: Option<String>,
    number: Option<u64>,
}

impl Flags {
    pub(super) async fn create(&self, cx: &Cx) -> Result<Reply> {
        let args: CreateArgs = cx.args()?;
        let (key, flag) = self.made(cx, args).await?;
        let act = Act {
            facts: vec![("flag", key.clone()), ("kind", flag.kind.word().to_owned())],
            ..act("flags.create", &key, &flag, format!("Make the flag `{key}`, off everywhere."))
        };
        let mut reply =
            Reply::card(Tone::Good, format!("Flag {key}"), format!("`{key}` is there, and off everywhere."))
                .field("Owner", flag.owner.as_deref().map_or_else(|| "nobody".to_owned(), text::plain))
                .field("Kind", flag.kind.word());
        if let Some(first) = cx.ports().vocabulary.environments.first() {
            reply = reply.button(Button::new(format!("On in {first}"), format!("flag on flag:{key} env:{first}")));
        }
        cx.act(act, async |permit| {
            permit.expect(FLAGS.key(&key), 0);
            permit.undo(Some(format!("flag archive flag:{key} number:{}", permit.act())));
            put_flag(permit, &key, &flag)?;
            self.announce(cx, permit, None, &by(cx, &reply))
        })
        .await?;
        self.live.caught_up(cx.ports()).await?;
        Ok(reply)
    }

    /// The flag that is to be made.
    async fn made(&self, cx: &Cx, args: CreateArgs) -> Result<(String, Flag)> {
        let key = args.flag;
        if let Some((wrong, fits)) = wrong_with_key(&key) {
            return Err(Stop::refuse(format!(
                "{} can not be the key of a flag: it {wrong}. Applications ask for it in an address. Say `/flag create {fits}`.",
                text::code(&text::cut(&key, 60))
            )));
        }
        let snapshot = self.live.get(cx.ports()).await?;
        if let Some((other, flag)) = snapshot.flags.iter().find(|(other, _)| other.eq_ignore_ascii_case(&key)) {
            let next = if flag.archived.is_some() { "restore" } else { "show" };
            let archived = if flag.archived.is_some() { ", in the archive" } else { "" };
            return Err(Stop::refuse(format!(
                "There is a flag `{other}` already{archived}, so none was made. `/flag {next} {other}` is for that one."
            )));
        }
        let life = match (args.expires, args.permanent.as_deref() == Some("yes")) {
            (Some(_), true) => {
                return Err(Stop::refuse(
                    "A flag that is permanent does not expire. Leave `expires` or `permanent` out.",
                ));
            }
            (Some(at), false) => Life::Until(at),
            (None, true) => Life::Permanent,
            (None, false) => Life::Unsaid,
        };
        let mut needs = Vec::new();
        for name in words(args.needs.as_deref()) {
            let parent = self.find(cx, &name).await?;
            if !parent.flag.needs.is_empty() {
                return Err(Stop::refuse(format!(
                    "`{}` needs another flag itself, and what is needed may not: the libraries of applications look one step far. Nothing was made.",
                    parent.key
                )));
            }
            needs.push(FeatureDependency { feature: parent.key, enabled: Some(true), variants: None });
        }
        let project = args.project.or_else(|| self.settings.projects.first().cloned()).unwrap_or_default();
        if !self.settings.projects.contains(&project) {
            let known = self.settings.projects.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            return Err(Stop::refuse(format!("There is no project {}. One of {known}.", text::code(&project))));
        }
        let flag = Flag {
            kind: args.kind.as_deref().and_then(Kind::of).unwrap_or_default(),
            project,
            about: args.about.unwrap_or_default(),
            owner: Some(args.owner.unwrap_or_else(|| cx.who().to_owned())),
            service: args.service,
            created: cx.now(),
            life,
            tags: words(args.tags.as_deref()),
            impressions: false,
            needs,
            archived: None,
            act: 0,
        };
        Ok((key, flag))
    }

    pub(super) async fn owner(&self, cx: &Cx) -> Result<Reply> {
        let FlagArgs { flag, to, number, .. } = cx.args()?;
        let found = self.find(cx, &flag).await?;
        is_last(&found, number)?;
        let Found { key, flag, version } = found;
        let to = to.unwrap_or_default();
        let before = flag.owner.clone();
        if before.as_deref() == Some(&to) {
            return Ok(Reply::say(format!("{} answers for `{key}` already. Nothing was changed.", text::plain(&to))));
        }
        let from = before.as_deref().map_or_else(|| "nobody".to_owned(), text::plain);
        let act = Act {
            facts: vec![("flag", key.clone()), ("before", from.clone()), ("after", to.clone())],
            ..act("flags.owner", &key, &flag, format!("Make {} answer for `{key}`.", text::plain(&to)))
        };
        let reply =
            Reply::card(Tone::Good, format!("Flag {key}"), format!("{} answers for `{key}` now.", text::plain(&to)))
                .field("Before", from)
                .field("After", text::plain(&to));
        let next = Flag { owner: Some(to), ..flag };
        let undo = before.map(|before| format!("flag owner flag:{key} to:{before}"));
        self.put(cx, act, (key, version), next, (reply, undo)).await
    }

    pub(super) async fn archive(&self, cx: &Cx) -> Result<Reply> {
        let FlagArgs { flag, because, number, .. } = cx.args()?;
        let found = self.find(cx, &flag).await?;
        is_last(&found, number)?;
        let Found { key, flag, version } = found;
        let snapshot = self.live.get(cx.ports()).await?;
        let dependants: Vec<_> = snapshot.dependants(&key).map(|key| format!("`{key}`")).take(10).collect();
        if !dependants.is_empty() {
            return Err(Stop::refuse(format!(
                "`{key}` is needed by {}, which would be off without it. Nothing was archived: archive these first.",
                dependants.join(", ")
            )));
        }
        let environments = &cx.ports().vocabulary.environments;
        let on = |env: &&String| {
            snapshot.served(env, super::snapshot::ALL).and_then(|it| it.find(&key)).is_some_and(|it| it.on)
        };
        let on: Vec<_> = environments.iter().filter(on).map(|name| format!("`{name}`")).collect();
        let is_on = match on.is_empty() {
            true => "It is off everywhere.".to_owned(),
            false => format!("It is on in {}: applications will take what their code says without it.", on.join(", ")),
        };
        let act = Act {
            facts: vec![("flag", key.clone()), ("on in", on.join(", "))],
            why: because.unwrap_or_default(),
            danger: !on.is_empty(),
            ..act("flags.archive", &key, &flag, format!("Put the flag `{key}` into the archive. {is_on}"))
        };
        let reply = Reply::card(
            Tone::Warn,
            format!("Flag {key}"),
            format!("`{key}` is archived: no application sees it any more. How it stands is kept."),
        );
        let undo = Some(format!("flag restore flag:{key}"));
        self.put(cx, act, (key, version), Flag { archived: Some(cx.now()), ..flag }, (reply, undo)).await
    }

    pub(super) async fn restore(&self, cx: &Cx) -> Result<Reply> {
        let FlagArgs { flag, number, .. } = cx.args()?;
        let found = self.any(cx, &flag).await?;
        is_last(&found, number)?;
        let Found { key, flag, version } = found;
        if flag.archived.is_none() {
            return Ok(Reply::say(format!("`{key}` is not archived. Nothing was changed.")));
        }
        let missing = self.missing_needs(cx, &flag).await? + &goes_on(cx, &key).await?;
        let act = Act {
            facts: vec![("flag", key.clone())],
            danger: self.on_in_production(cx, &key).await?,
            ..act(
                "flags.restore",
                &key,
                &flag,
                format!("Bring `{key}` back from the archive, as it stood in each environment.{missing}"),
            )
        };
        let tone = if missing.is_empty() { Tone::Good } else { Tone::Warn };
        let says = format!("`{key}` is back, and stands as it did.{missing}");
        let reply =
            Reply::card(tone, format!("Flag {key}"), says).button(Button::new("Show", format!("flag show flag:{key}")));
        let undo = Some(format!("flag archive flag:{key}"));
        self.put(cx, act, (key, version), Flag { archived: None, ..flag }, (reply, undo)).await
    }

    /// What a flag needs that applications do not see either, in a sentence; nothing where all of it is there.
    async fn missing_needs(&self, cx: &Cx, flag: &Flag) -> Result<String> {
        let snapshot = self.live.get(cx.ports()).await?;
        let missing = |need: &&FeatureDependency| {
            need.enabled.unwrap_or(true) && snapshot.find(&need.feature).is_none_or(|(_, flag)| flag.archived.is_some())
        };
        let missing: Vec<_> = flag.needs.iter().filter(missing).map(|need| need.feature.as_str()).collect();
        let Some(first) = missing.first() else { return Ok(String::new()) };
        let names = missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        Ok(format!(
            " It needs {names}, which is archived: it is off for everybody until `/flag restore {first}` brings that back."
        ))
    }

    /// Puts a flag in the place of what it was, tells its owner, and offers the line that takes that back: it is good as
    /// long as this is the last change of the flag.
    async fn put(
        &self,
        cx: &Cx,
        act: Act,
        (key, version): (String, u64),
        next: Flag,
        (reply, undo): (Reply, Option<String>),
    ) -> Result<Reply> {
        let reply = cx
            .act(act, async |permit| {
                permit.expect(FLAGS.key(&key), version);
                put_flag(permit, &key, &next)?;
                let undo = undo.map(|line| format!("{line} number:{}", permit.act()));
                permit.undo(undo.clone());
                let mut reply = reply;
                reply.buttons.splice(0..0, undo.map(|line| Button::new("Undo", line)));
                let mut told = by(cx, &reply);
                told.calls.extend(next.owner.clone().filter(|owner| owner != cx.who()));
                self.announce(cx, permit, None, &told)?;
                Ok(reply)
            })
            .await?;
        self.live.caught_up(cx.ports()).await?;
        Ok(reply)
    }

    async fn on_in_production(&self, cx: &Cx, key: &str) -> Result<bool> {
        let settings = show::settings(cx, key).await?;
        Ok(settings.iter().any(|(name, setting)| setting.state.on && self.settings.production.contains(name)))
    }
}

/// What goes on with a flag that is back: rollouts that waited for it.
async fn goes_on(cx: &Cx, key: &str) -> Result<String> {
    let mut says = String::new();
    for environment in &cx.ports().vocabulary.environments {
        if let Some(timer) = TIMERS.get(cx.store(), setting_name(environment, key)).await? {
            let at = show::moment(timer.value.at, cx);
            says +=
                &format!(" In `{environment}` it goes back to how it stood before by itself, which was to be at {at}.");
        }
        if let Some(planned) = schedule::told(cx, environment, key).await? {
            says += &format!(" Planned in `{environment}`: {planned}.");
        }
        let rollout = ROLLOUTS.get(cx.store(), setting_name(environment, key)).await?;
        if rollout.is_some_and(|rollout| rollout.value.held.is_none()) {
            says += &format!(
                " Its rollout in `{environment}` goes on: `/flag hold {key} {environment}` keeps it where it is."
            );
        }
    }
    Ok(says)
}

fn act(verb: &'static str, key: &str, flag: &Flag, says: String) -> Act {
    let state = Some(FLAGS.key(key));
    Act { verb, object: key.to_owned(), service: flag.service.clone(), says, state, ..Act::default() }
}

/// The same for those who do not see who has asked.
fn by(cx: &Cx, reply: &Reply) -> Reply {
    reply.clone().field("By", text::plain(cx.who()))
}

/// Makes sure that nothing about the flag itself was changed since this act.
fn is_last(found: &Found, number: Option<u64>) -> Result<()> {
    match number.filter(|number| *number != found.flag.act) {
        None => Ok(()),
        Some(number) => Err(Stop::refuse(format!(
            "#{number} is not the last change of `{0}` itself: that is #{1}. Nothing was done. `/flag history {0}` shows both.",
            found.key, found.flag.act
        ))),
    }
}

/// The words of a list with commas.
pub(super) fn words(list: Option<&str>) -> Vec<String> {
    let words = list.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}
