//! `/deploy history`: the deploys of a service in an environment, page by page, and each in full with its log.

use crate::deploy::back::good;
use crate::deploy::records::{DEPLOYS, Deploy, Live, Progress, Target, live, name};
use crate::deploy::settings::Service;
use crate::deploy::ship::with_logs;
use crate::deploy::{Deployer, records, show};
use commands::act::RESTS_ON;
use commands::complete::Choice;
use commands::cx::{Cx, Ports};
use commands::ledger::Entry;
use commands::reply::{Button, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;

/// How many deploys a page shows.
const PAGE: usize = 10;

/// How many are looked at for one page where only some are wanted.
const LOOKED_AT: usize = 1_000;

/// What can be asked for alone.
pub(in crate::deploy) const OUTCOMES: [&str; 3] = ["good", "failed", "unknown"];

/// The facts of an act that the page shows by other names, or that are no news to people.
const SHOWN: [&str; 4] = ["commit", "ref", "artifact", RESTS_ON];

#[derive(Deserialize)]
struct HistoryArgs {
    service: String,
    env: String,
    number: Option<u64>,
    outcome: Option<String>,
    before: Option<u64>,
}

impl Deployer {
    pub(in crate::deploy) async fn history(&self, cx: &Cx) -> Result<Reply> {
        let HistoryArgs { service, env, number, outcome, before } = cx.args()?;
        let target = Target { service, environment: env };
        let service = self.service(&target)?;
        match number {
            Some(number) => one(cx, service, &target, number).await,
            None => page(cx, &target, outcome.as_deref(), before).await,
        }
    }
}

async fn page(cx: &Cx, target: &Target, outcome: Option<&str>, before: Option<u64>) -> Result<Reply> {
    let Target { service, environment } = target;
    let (deploys, next) = find(cx, target, outcome, before).await?;
    let (live, version) = live(cx.store(), target).await?;
    if deploys.is_empty() && next.is_none() {
        return Ok(Reply::say(match (outcome, before) {
            (None, None) => format!("`{service}` was never deployed to `{environment}`."),
            _ => format!(
                "There is no such deploy of `{service}` to `{environment}`. `/deploy history {service} {environment}` shows all."
            ),
        }));
    }
    let rows = deploys.iter().map(|deploy| show::history_row(deploy, live.as_ref(), cx.now())).collect();
    let title = format!("Deploys of {service} to {environment}");
    let says = match outcome {
        None => "",
        Some("good") => "Only those that went well.",
        Some("unknown") => "Only those of which nobody knows how they ended.",
        Some(_) => "Only those that failed.",
    };
    let mut reply = Reply::card(Tone::Plain, title, says).table(["#", "Release", "When", "Who", "Took", "How"], rows);
    if let Some(next) = next {
        let outcome = outcome.map(|outcome| format!(" outcome:{outcome}")).unwrap_or_default();
        let line = format!("deploy history service:{service} env:{environment}{outcome} before:{next}");
        reply = reply.button(Button::new("Older", line));
    }
    let Some(live) = live.filter(|_| before.is_none()) else { return Ok(reply) };
    let back = good(cx.store(), target, Some(&live.release), 1).await?.pop();
    Ok(match back {
        Some(back) => reply.button(show::back(target, &back.release, back.number, version)),
        None => reply,
    })
}

/// What may be written for `number:`.
pub(in crate::deploy) async fn numbers(target: &Target, ports: &Ports) -> anyhow::Result<Vec<Choice>> {
    let deploys = records::history(&*ports.store, target, PAGE).await?;
    let choice = |deploy: Deploy| Choice { value: deploy.number.to_string(), about: deploy.release.to_string() };
    Ok(deploys.into_iter().map(choice).collect())
}

/// A page of deploys, newest first, and the number before which the next one begins, where there are more.
async fn find(
    cx: &Cx,
    target: &Target,
    outcome: Option<&str>,
    before: Option<u64>,
) -> Result<(Vec<Deploy>, Option<u64>)> {
    let (mut found, mut looked) = (Vec::new(), 0);
    let mut before = before;
    while looked < LOOKED_AT {
        let from = before.map(|number| name(target, number));
        // One more than fits tells whether there is a next page.
        let some = DEPLOYS.scan_back(cx.store(), &format!("{target}/"), from.as_deref(), PAGE + 1).await?;
        let last = some.len() <= PAGE;
        for (_, deploy) in some.into_iter().map(|(key, deploy)| (key, deploy.value)) {
            if found.len() == PAGE {
                return Ok((found, before));
            }
            (before, looked) = (Some(deploy.number), looked + 1);
            if outcome.is_none_or(|outcome| is(&deploy.state, outcome)) {
                found.push(deploy);
            }
        }
        if last {
            return Ok((found, None));
        }
    }
    Ok((found, before))
}

fn is(state: &Progress, outcome: &str) -> bool {
    match outcome {
        "good" => matches!(state, Progress::Good { .. }),
        "unknown" => matches!(state, Progress::Unknown { .. }),
        _ => matches!(state, Progress::Bad { .. }),
    }
}

/// A deploy in full: with whatever its act says on the ledger, such as who approved it.
async fn one(cx: &Cx, settings: &Service, target: &Target, number: u64) -> Result<Reply> {
    let Target { service, environment } = target;
    let Some(found) = DEPLOYS.get(cx.store(), name(target, number)).await? else {
        return Err(Stop::refuse(format!(
            "#{number} is no deploy of `{service}` to `{environment}`. `/deploy history {service} {environment}` lists those that are."
        )));
    };
    let deploy = found.value;
    let (live, version) = live(cx.store(), target).await?;
    let tone = match &deploy.state {
        Progress::Good { .. } => Tone::Good,
        Progress::Bad { .. } => Tone::Bad,
        _ => Tone::Working,
    };
    let title = format!("Deploy #{number}: {service} {} to {environment}", deploy.release);
    let at = deploy.began.with_timezone(&cx.ports().vocabulary.zone).format("%Y-%m-%d %H:%M:%S %Z");
    let how = show::how(&deploy, live.as_ref(), usize::MAX);
    let says = match &*how {
        "live" | "under way" => format!("It is {how}."),
        _ => format!("It {how}."),
    };
    let reply = Reply::card(tone, title, says).field("Commit", text::code(&deploy.release.commit));
    let artifact = deploy.release.artifact.iter().map(|artifact| text::code(artifact));
    let mut reply = artifact
        .fold(reply, |reply, artifact| reply.field("Artifact", artifact))
        .field("Who", text::plain(&deploy.who))
        .field("When", format!("{at}, {}", text::ago(deploy.began, cx.now())));
    reply = match show::took(&deploy) {
        Some(took) => reply.field("Took", took),
        None => reply,
    };
    if let Some(act) = records::act(cx.store(), number).await? {
        reply = with_act(reply, &act);
    }
    let other = |live: &Live| !live.release.is(&deploy.release);
    if live.as_ref().is_some_and(other) && is(&deploy.state, "good") {
        reply = reply.button(show::back(target, &deploy.release, number, version));
    }
    Ok(with_logs(cx, reply, settings, target, number).await)
}

/// What stands on the ledger beside the deploy's own record.
fn with_act(mut reply: Reply, act: &Entry) -> Reply {
    if !act.draft.why.is_empty() {
        reply = reply.field("Because", text::plain(&act.draft.why));
    }
    for (name, fact) in act.draft.facts.iter().filter(|(name, _)| !SHOWN.contains(&name.as_str())) {
        let fact = fact.as_str().map_or_else(|| fact.to_string(), str::to_owned);
        reply = reply.field(text::capital(name), text::plain(&fact));
    }
    reply
}
