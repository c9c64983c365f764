//! How flags look in chat.

use super::change::{Found, Target, Wish};
use super::model::{Life, SETTINGS, Setting, State, setting_name};
use super::rollout::Rollout;
use super::schedule::Planned;
use super::snapshot::Snapshot;
use super::words::{self, details};
use chrono::{DateTime, Utc};
use commands::cx::Cx;
use commands::moment;
use commands::reply::{Button, Look, Reply, Tone};
use commands::table::Versioned;
use commands::text;

/// A change, for those who are told.
pub struct Told<'a> {
    /// Of what.
    pub target: &'a Target,
    /// What it is.
    pub wish: &'a Wish,
    /// When it goes back by itself.
    pub until: Option<DateTime<Utc>>,
    /// The act.
    pub act: u64,
    /// The flags that can not be on without this one.
    pub dependants: &'a [String],
    /// The rollout that it cuts short.
    pub rollout: Option<Versioned<Rollout>>,
    /// What is planned to turn it on again, and does not any more: a person has turned it off.
    pub waits: &'a [Planned],
}

/// A moment on the team's clocks.
pub fn moment(at: DateTime<Utc>, cx: &Cx) -> String {
    moment::show(at, cx.now(), cx.ports().vocabulary.zone)
}

/// The line that takes an act back.
pub fn undo_line(target: &Target, act: u64) -> String {
    format!("flag undo flag:{} env:{} number:{act}", target.found.key, target.environment)
}

/// What is said where there is nothing to change.
pub fn stands_already(target: &Target, cx: &Cx) -> Reply {
    let Target { found, environment, setting, .. } = target;
    let since = setting.changed.as_ref().map(|changed| {
        format!(", since {} by {} (#{})", moment(changed.at, cx), text::plain(&changed.who), changed.act)
    });
    let until = setting.until.map(|at| {
        let key = &found.key;
        format!(
            " It goes back by itself at {}: to have it otherwise, say `/flag undo {key} {environment}` first.",
            moment(at, cx)
        )
    });
    Reply::say(format!(
        "`{}` in `{environment}` is {} already{}. Nothing was changed.{}",
        found.key,
        text::plain(&target.stands()),
        since.unwrap_or_default(),
        until.unwrap_or_default()
    ))
}

/// A change that is done.
pub fn changed(told: &Told<'_>, cx: &Cx) -> Reply {
    let Told { target, wish, until, act, .. } = told;
    let Target { found, environment, setting, .. } = target;
    let tone = if wish.after.on { Tone::Good } else { Tone::Warn };
    let (was, is) = words::pair(&setting.state, &wish.after, &target.snapshot);
    let how = if wish.after.on { "on" } else { "off" };
    let title = format!("{}: {how} in {environment}", found.key);
    let mut reply = Reply::card(tone, title, says(told, cx))
        .field("Change", format!("#{act} by {}", text::plain(cx.who())))
        .field("Before", text::plain(&was))
        .field("After", text::plain(&is));
    if !wish.because.is_empty() {
        reply = reply.field("Because", text::plain(&wish.because));
    }
    if let Some(until) = until {
        reply = reply.field("Until", moment(*until, cx));
    }
    reply.button(Button::new("Undo", undo_line(target, *act)))
}

fn says(told: &Told<'_>, cx: &Cx) -> String {
    let Told { target, wish, until, dependants, rollout, waits, .. } = told;
    let mut says = String::new();
    if !wish.after.on && !dependants.is_empty() {
        let names: Vec<_> = dependants.iter().take(10).map(|key| format!("`{key}`")).collect();
        let more = dependants.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        says += &format!("What needs it is off with it: {}{more}. ", names.join(", "));
    }
    let (key, is) = (&target.found.key, text::plain(&words::state(&wish.after, &target.snapshot)));
    says += &match until {
        Some(until) => format!("`{key}` is {is} until {}, and goes back by itself then.", moment(*until, cx)),
        None if wish.after.on => format!("`{key}` is {is} now."),
        None => format!("`{key}` is off for everybody now."),
    };
    if until.is_none() {
        says += &stays(&target.setting, &wish.after, cx).unwrap_or_default();
    }
    if let Some(rollout) = rollout {
        let (act, who) = (rollout.value.act, text::plain(&rollout.value.who));
        says += &format!(" Its rollout #{act}, of {who}, has ended with that.");
    }
    if !waits.is_empty() {
        let numbers = waits.iter().map(|planned| format!("#{}", planned.act)).collect::<Vec<_>>().join(", ");
        says += &format!(" It stays off until a person turns it on: what is planned with {numbers} does not.");
    }
    says
}

/// What a change ends that was to go back by itself, where it does not just do that.
pub fn stays(was: &Setting, after: &State, cx: &Cx) -> Option<String> {
    let until = was.until.filter(|_| was.before.as_ref().is_none_or(|before| !before.same(after)))?;
    Some(format!(" It does not go back by itself any more, which was to be at {}.", moment(until, cx)))
}

/// The same for those who were not there: it says who did it, and calls whoever answers for the flag when it was turned off.
pub fn announced(told: &Told<'_>, cx: &Cx) -> Reply {
    let mut reply = changed(told, cx);
    let owner = told.target.found.flag.owner.as_deref().filter(|owner| *owner != cx.who());
    if !told.wish.after.on {
        reply.calls.extend(owner.map(str::to_owned));
    }
    reply
}

/// How a flag stands in each environment.
pub fn flag(
    found: &Found,
    settings: &[(String, Setting)],
    needed_by: &[String],
    snapshot: &Snapshot,
    cx: &Cx,
) -> Reply {
    let flag = &found.flag;
    let about = text::plain(&flag.about);
    let tone = if flag.archived.is_some() { Tone::Warn } else { Tone::Plain };
    let archived = flag.archived.map(|at| format!("Archived since {}: no application sees it.", moment(at, cx)));
    let says: Vec<_> = [about, archived.unwrap_or_default()].into_iter().filter(|it| !it.is_empty()).collect();
    let mut reply = Reply::card(tone, format!("Flag {}", found.key), says.join("\n"));
    let owner = flag.owner.as_deref().map_or_else(|| "nobody".to_owned(), text::plain);
    reply = reply.field("Owner", owner).field("Kind", flag.kind.word());
    if let Some(service) = &flag.service {
        reply = reply.field("Service", service.as_str());
    }
    reply = match flag.life {
        Life::Unsaid => reply,
        Life::Permanent => reply.field("Lives", "for good"),
        Life::Until(at) if at <= cx.now() => {
            reply.field("Lives", format!("no longer: it should have gone {}", moment(at, cx)))
        }
        Life::Until(at) => reply.field("Lives", format!("until {}", moment(at, cx))),
    };
    for (name, words) in [("Tags", &flag.tags), ("Needed by", &needed_by.to_vec())] {
        if !words.is_empty() {
            reply = reply.field(name, text::plain(&words.join(", ")));
        }
    }
    if !flag.needs.is_empty() {
        let needs: Vec<_> = flag.needs.iter().map(need).collect();
        reply = reply.field("Needs", text::plain(&needs.join(", ")));
    }
    let row = |(environment, setting): &(String, Setting)| {
        let (since, who) = match &setting.changed {
            Some(changed) => (moment(changed.at, cx), format!("{} (#{})", text::plain(&changed.who), changed.act)),
            None => ("–".to_owned(), "–".to_owned()),
        };
        let until = setting.until.map(|until| format!(", until {}", moment(until, cx))).unwrap_or_default();
        [environment.clone(), text::plain(&words::state(&setting.state, snapshot)) + &until, since, who]
    };
    for line in settings.iter().flat_map(|(environment, setting)| details(environment, setting, snapshot)) {
        reply.output += &format!("{line}\n");
    }
    reply = reply.table(["Environment", "Stands", "Since", "By"], settings.iter().map(row).collect());
    if flag.archived.is_some() {
        return reply.button(Button::new("Restore", format!("flag restore flag:{}", found.key)));
    }
    let on = settings.iter().filter(|(_, setting)| setting.state.on);
    on.fold(reply, |reply, (environment, _)| {
        let line = format!("flag off flag:{} env:{environment}", found.key);
        reply.button(Button::new(format!("Off in {environment}"), line).look(Look::Danger))
    })
}

fn need(need: &unleash_types::client_features::FeatureDependency) -> String {
    let how = match (need.enabled, need.variants.as_deref()) {
        (Some(false), _) => " off".to_owned(),
        (_, Some([])) | (_, None) => String::new(),
        (_, Some(variants)) => format!(" as {}", variants.join(" or ")),
    };
    format!("{}{how}", need.feature)
}

/// How a flag stands in every environment of the config.
///
/// # Errors
/// When the store can not be read.
pub async fn settings(cx: &Cx, key: &str) -> anyhow::Result<Vec<(String, Setting)>> {
    let mut settings = Vec::new();
    for environment in &cx.ports().vocabulary.environments {
        let setting = SETTINGS.get(cx.store(), setting_name(environment, key)).await?;
        settings.push((environment.clone(), setting.map(|setting| setting.value).unwrap_or_default()));
    }
    Ok(settings)
}
