//! How deploys look in chat.

use super::doubt::Doubt;
use super::params;
use super::plan::{Plan, Way};
use super::records::{Deploy, Live, Progress, Release, Target};
use crate::program::{Shown, seconds};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use commands::cx::InLine;
use commands::reply::{Button, Look, Outcome, Reply, Tone};
use commands::text;
use std::time::Duration;

fn card(tone: Tone, title: String, plan: &Plan<'_>, number: u64, says: impl Into<String>) -> Reply {
    let before = plan.before.0.as_ref().map_or_else(|| "nothing".to_owned(), |live| live.release.full());
    let reply = Reply::card(tone, title, says)
        .field("Deploy", format!("#{number}"))
        .field("Release", plan.release.to_string())
        .field("Live before", before);
    let with = params::said(&plan.release.params);
    let reply = if with.is_empty() { reply } else { reply.field("With", text::plain(&with)) };
    let reply = plan.since().into_iter().fold(reply, |reply, since| reply.field("Since then", since));
    let artifact = plan.release.artifact.iter().map(|artifact| text::code(artifact));
    let reply = artifact.fold(reply, |reply, artifact| reply.field("Artifact", artifact));
    let reply = plan.already().into_iter().fold(reply, |reply, on| reply.field("On it already", on));
    if plan.why.is_empty() { reply } else { reply.field("Because", text::plain(&plan.why)) }
}

fn place(target: &Target) -> String {
    format!("{} in {}", target.service, target.environment)
}

pub(super) fn under_way(plan: &Plan<'_>, number: u64, elapsed: Duration, shown: &Shown) -> Reply {
    let says = match shown.not_begun() {
        Some(waits) => format!("It has not started, for {} now: {waits}. {NOT_BEGUN}", seconds(elapsed)),
        None => format!("The {} is running, for {} now.", plan.service.driver.worker(), seconds(elapsed)),
    };
    let reply = card(Tone::Working, format!("{}: {}", place(&plan.target), doing(plan)), plan, number, says);
    let reply = shown.link.iter().fold(reply, |reply, link| reply.field("Run", text::plain(link)));
    let rows: Vec<_> = shown.hosts.iter().map(|(name, says)| [name.clone(), text::plain(says)]).collect();
    let reply = if rows.is_empty() { reply } else { reply.table(["Target", "How"], rows) };
    reply.output(shown.output()).button(cancel(&plan.target, number))
}

/// What can be done about work that does not begin.
const NOT_BEGUN: &str = "It is waited for; `/deploy cancel` ends it.";

/// The most steps that are shown: those around the one that is being taken.
const STEPS: usize = 7;

/// A deploy of several steps, at one of them.
pub(super) fn on_course(
    plan: &Plan<'_>,
    deploy: &Deploy,
    took: &[Duration],
    elapsed: Duration,
    says: Option<String>,
    shown: &Shown,
) -> Reply {
    let (at, steps) = (deploy.at, &deploy.steps);
    let step = steps.get(at).map(ToString::to_string).unwrap_or_default();
    let back = deploy.back.iter().map(|why| format!("{}. It goes back. ", why.trim_end_matches('.')));
    let now = says
        .unwrap_or_else(|| format!("Step {} of {}: {step}, {} since it began.", at + 1, steps.len(), seconds(elapsed)));
    let now = match shown.not_begun() {
        Some(waits) => format!("{now} It has not started: {waits}. {NOT_BEGUN}"),
        None => now,
    };
    let tone = if deploy.back.is_some() { Tone::Warn } else { Tone::Working };
    let says = back.collect::<String>() + &now;
    let first = at.saturating_sub(STEPS / 2).min(steps.len().saturating_sub(STEPS));
    let rows = steps.iter().enumerate().skip(first).take(STEPS).map(|(number, step)| {
        let how = match took.get(number) {
            Some(took) => format!("done, {}", seconds(*took)),
            None if number == at => "now".to_owned(),
            None => "–".to_owned(),
        };
        [format!("{}", number + 1), step.to_string(), how]
    });
    let before = plan.before.0.as_ref().filter(|_| deploy.back.is_some());
    let doing = before.map_or_else(|| doing(plan), |before| format!("going back to {}", before.release));
    let reply = card(tone, format!("{}: {doing}", place(&plan.target)), plan, deploy.number, says);
    let hosts: Vec<_> = shown.hosts.iter().map(|(name, says)| format!("{name} {}", text::plain(says))).collect();
    let reply = if hosts.is_empty() { reply } else { reply.field("Targets", text::cut(&hosts.join(", "), 400)) };
    let reply = shown
        .link
        .iter()
        .fold(reply, |reply, link| reply.field("Run", text::plain(link)))
        .table(["#", "Step", "How"], rows.collect())
        .output(shown.output());
    // What leads back is not cancelled.
    if deploy.back.is_some() { reply } else { reply.button(cancel(&plan.target, deploy.number)) }
}

pub(super) fn checking(plan: &Plan<'_>, number: u64, met: Option<(u32, u32, &str)>) -> Reply {
    let says = match met {
        None => format!("The {} has ended well. Its health is being checked.", plan.service.driver.worker()),
        Some((attempt, tries, met)) => format!("The health check {met} (try {attempt} of {tries})."),
    };
    card(Tone::Working, format!("{}: checking {}", place(&plan.target), plan.release), plan, number, says)
        .button(cancel(&plan.target, number))
}

pub(super) fn putting_back(plan: &Plan<'_>, number: u64, release: &Release) -> Reply {
    let says = format!("{} is not well, so {release} is being put back.", plan.release);
    card(Tone::Warn, format!("{}: putting back {release}", place(&plan.target)), plan, number, says)
}

/// `shipped` is the release with the artifact that its driver has named.
pub(super) fn live(plan: &Plan<'_>, shipped: &Release, number: u64, version: u64, now: DateTime<Tz>) -> Reply {
    let at = now.format("%H:%M:%S %Z");
    let mut says = format!("{} is live since {at}.", plan.release);
    match (&plan.release.artifact, &shipped.artifact) {
        (Some(then), Some(now)) if then != now => {
            says += &format!(" It is another artifact than it was then: {}.", text::code(now));
        }
        (Some(_), None) => says += " Which artifact it is was not said.",
        (None, Some(now)) => says += &format!(" Its artifact is {}.", text::code(now)),
        _ => {}
    }
    let reply = card(Tone::Good, format!("{}: {} is live", place(&plan.target), plan.release), plan, number, says);
    match plan.before.0.as_ref().filter(|before| !before.release.is(&plan.release)) {
        Some(before) => {
            let to_it = back(&plan.target, &before.release, before.deploy, version);
            // What was just gone back from is no way out of anything: whoever presses it is to see that.
            let again = |button: Button| Button { label: button.label.replacen("Rollback", "Return", 1), ..button };
            reply.button(if plan.way == Way::Back { again(to_it) } else { to_it })
        }
        None => reply,
    }
}

pub(super) fn failed(plan: &Plan<'_>, number: u64, why: &str, output: String) -> Reply {
    // Without a check nobody has looked at what is live.
    let title = match plan.service.health {
        Some(_) => format!("{}: {} is not live", place(&plan.target), plan.release),
        None => format!("{}: {} failed", place(&plan.target), doing(plan)),
    };
    card(Tone::Bad, title, plan, number, format!("{}.", why.trim_end_matches('.')))
        .output(output)
        .outcome(Outcome::Broken)
}

/// Nobody knows how it came out; `says` is what is known, and what is to be said next.
pub(super) fn unknown(plan: &Plan<'_>, number: u64, says: &str, output: String) -> Reply {
    let title = format!("{}: whether {} is live is not known", place(&plan.target), plan.release);
    card(Tone::Warn, title, plan, number, says).output(output).outcome(Outcome::Broken)
}

pub(super) fn left(plan: &Plan<'_>, number: u64, how: &str) -> Reply {
    let says = format!("Deckhand is being stopped, and {how}. This message is continued when Deckhand is back.");
    card(Tone::Warn, format!("{}: {}", place(&plan.target), doing(plan)), plan, number, says).outcome(Outcome::Broken)
}

fn doing(plan: &Plan<'_>) -> String {
    match plan.way {
        Way::Forward => format!("shipping {}", plan.release),
        Way::Back => format!("going back to {}", plan.release),
    }
}

/// Ends this very deploy: pressed late, it does not hit the next one.
pub(super) fn cancel(target: &Target, number: u64) -> Button {
    let Target { service, environment } = target;
    let line = format!("deploy cancel service:{service} env:{environment} number:{number}");
    Button::new("Cancel", line).look(Look::Danger)
}

/// The button that goes back to `release`, which the deploy `number` has shipped, good while the record of what is live has
/// this version.
pub(super) fn back(target: &Target, release: &Release, number: u64, version: u64) -> Button {
    let Target { service, environment } = target;
    let line = format!("deploy rollback service:{service} env:{environment} to:{}", release.word(number));
    // A label shows no marks.
    let label = format!("Rollback to {}", release.full().replace('`', ""));
    Button::new(text::cut(&label, 78), line).drawn_from(super::records::LIVE.key(target), version)
}

/// One row of what is live where.
pub(super) fn status_row(
    target: &Target,
    live: Option<&Live>,
    running: Option<u64>,
    held: Option<&Doubt>,
    in_line: &[InLine],
    now: DateTime<Utc>,
) -> [String; 4] {
    let held = held.map(|doubt| {
        let ago = text::ago(doubt.since, now);
        format!("held: how #{} ended is not known ({ago}), `/deploy settle` says it", doubt.deploy)
    });
    let under_way = running.map(|number| format!("#{number} is under way"));
    let (release, since, note) = match live {
        None => ("nothing yet".to_owned(), "–".to_owned(), None),
        Some(live) => {
            let doubt = live.doubt.map(|number| format!("how #{number} ended is not known"));
            (live.release.full(), format!("{} (#{})", text::ago(live.since, now), live.deploy), doubt)
        }
    };
    let waiting: Vec<_> = in_line.iter().skip(1).map(|it| text::plain(&it.who)).collect();
    let waiting = match waiting.len() {
        0 => None,
        1 => Some(format!("{} waits", waiting[0])),
        _ => Some(format!("in line: {}", waiting.join(", "))),
    };
    let notes: Vec<_> = [under_way.or(held).or(note), waiting].into_iter().flatten().collect();
    let note = if notes.is_empty() { "–".to_owned() } else { notes.join("; ") };
    [format!("{} / {}", target.service, target.environment), release, since, note]
}

/// One row of a history.
pub(super) fn history_row(deploy: &Deploy, live: Option<&Live>, now: DateTime<Utc>) -> [String; 6] {
    let (who, took) = (text::plain(&deploy.who), took(deploy).unwrap_or_else(|| "–".to_owned()));
    let number = format!("#{}", deploy.number);
    [number, deploy.release.to_string(), text::ago(deploy.began, now), who, took, how(deploy, live, 80)]
}

/// How a deploy came out, in at most so many columns.
pub(super) fn how(deploy: &Deploy, live: Option<&Live>, columns: usize) -> String {
    match &deploy.state {
        Progress::Running(_) => "under way".to_owned(),
        Progress::Good { .. } if live.is_some_and(|live| live.deploy == deploy.number) => "live".to_owned(),
        Progress::Good { .. } => "was live".to_owned(),
        Progress::Bad { why, .. } => format!("failed: {}", text::cut(&text::plain(why), columns)),
        Progress::Unknown { why, .. } => format!("not known: {}", text::cut(&text::plain(why), columns)),
    }
}

/// How long a deploy took, once it has ended.
pub(super) fn took(deploy: &Deploy) -> Option<String> {
    match &deploy.state {
        Progress::Running(_) => None,
        Progress::Good { at } | Progress::Bad { at, .. } | Progress::Unknown { at, .. } => {
            Some(seconds((*at - deploy.began).to_std().unwrap_or_default()))
        }
    }
}
