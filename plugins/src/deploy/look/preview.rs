//! `/deploy plan`: what a ship would do, said before anything is done; and whether a plan still stands when it is shipped.

use crate::deploy::plan::{Plan, Way};
use crate::deploy::records::{self, Target};
use crate::deploy::settings::{Service, digest};
use crate::deploy::source::commits::{self, Commit, MOST};
use crate::deploy::source::git;
use crate::deploy::strategy::Step;
use crate::deploy::{Deployer, params, with};
use commands::cx::{Cx, Foreseen};
use commands::policy::{Asks, Needed};
use commands::reply::{Button, Outcome, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// How many commits are shown.
const SHOWN: usize = 8;

/// How many steps are shown.
const SHOWN_STEPS: usize = 12;

/// How many authors are named.
const AUTHORS: usize = 5;

#[derive(Deserialize)]
struct PlanArgs {
    service: String,
    env: String,
    r#ref: String,
    params: Option<String>,
}

/// All that a plan rests on, part by part, so that what has changed can be named: it is what stands behind `plan:`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Grounds {
    /// The commit to be shipped, whole.
    commit: String,
    /// The deploy that made live what is live before; 0 for none.
    live: String,
    /// What policy asks for, and of whom.
    policy: String,
    /// What ships it and to which targets, and the checks after it.
    how: String,
}

impl Grounds {
    fn of(plan: &Plan<'_>, foreseen: &Foreseen) -> Grounds {
        Grounds {
            commit: plan.release.commit.clone(),
            live: plan.before.0.as_ref().map_or(0, |live| live.deploy).to_string(),
            policy: digest(&policy(foreseen)),
            how: match (params::said(&plan.release.params), &plan.release.artifact) {
                (none, None) if none.is_empty() => plan.service.how.clone(),
                (some, None) => digest(&json!({ "how": plan.service.how, "params": some })),
                (some, Some(it)) => digest(&json!({ "how": plan.service.how, "params": some, "artifact": it })),
            },
        }
    }

    fn read(digest: &str) -> Option<Grounds> {
        let parts: Vec<_> = digest.split('-').map(str::to_owned).collect();
        let [commit, live, policy, how] = <[String; 4]>::try_from(parts).ok()?;
        Some(Grounds { commit, live, policy, how })
    }

    fn digest(&self) -> String {
        [&*self.commit, &self.live, &self.policy, &self.how].join("-")
    }

    /// What is not as it was in `old`.
    fn changes(&self, old: &Grounds, plan: &Plan<'_>) -> Vec<String> {
        let live = plan.before.0.as_ref().map_or_else(|| "nothing".to_owned(), |live| live.release.to_string());
        let told = [
            (self.commit != old.commit, format!("{} is another commit now", text::code(&plan.release.reference))),
            (self.live != old.live, format!("{live} is live now")),
            (self.policy != old.policy, "policy asks for something else".to_owned()),
            (self.how != old.how, "it is shipped in another way".to_owned()),
        ];
        told.into_iter().filter_map(|(changed, told)| changed.then_some(told)).collect()
    }
}

/// What policy asks for, and of whom, part by part.
fn policy(foreseen: &Foreseen) -> Value {
    let Asks { confirm, code, approvals } = &foreseen.asks;
    let seconds = |time: &Duration| time.as_secs();
    let approval = |Needed { by, code }: &Needed| {
        json!({
            "quorum": by.quorum,
            "approvers": by.approvers,
            "within": by.within.as_secs(),
            "code": code.as_ref().map(seconds),
        })
    };
    json!({
        "confirm": confirm,
        "code": code.as_ref().map(seconds),
        "approvals": approvals.iter().map(approval).collect::<Vec<_>>(),
        "who may": foreseen.who_may,
    })
}

impl Deployer {
    pub(in crate::deploy) async fn plan(&self, cx: &Cx) -> Result<Reply> {
        let PlanArgs { service, env, r#ref, params } = cx.args()?;
        let target = Target { service, environment: env };
        let service = self.service(&target)?;
        let release = git::resolve(cx.ports(), &target.service, &service.repository, &r#ref).await?;
        let release = with(cx, service, &target, release, params.as_deref())?;
        let release = self.proven(cx, service, &target, release).await?;
        let before = records::live(cx.store(), &target).await?;
        let plan = Plan { service, target, release, before, way: Way::Forward, why: String::new(), on: Vec::new() };
        let foreseen = cx.would(&line(&plan)).await?;
        self.preview(cx, &plan, &foreseen).await
    }

    /// Refuses to ship what is not what somebody was shown, and says what has changed, with the plan as it is now.
    pub(in crate::deploy) async fn check_plan(&self, cx: &Cx, plan: &Plan<'_>, digest: &str) -> Result<()> {
        let Some(shown) = Grounds::read(digest) else {
            return Err(Stop::refuse(format!(
                "{} is no plan, so nothing was done. `/deploy plan` makes one, with a button that ships it.",
                text::code(digest)
            )));
        };
        let foreseen = cx.would(&line(plan)).await?;
        let changes = Grounds::of(plan, &foreseen).changes(&shown, plan);
        if changes.is_empty() {
            return Ok(());
        }
        let preview = self.preview(cx, plan, &foreseen).await?;
        let says = format!("Nothing was done, because the plan does not hold any more: {}.", changes.join("; "));
        Err(Reply { text: format!("{says} This is how it stands now. {}", preview.text), ..preview }
            .outcome(Outcome::Refused)
            .only_you()
            .into())
    }

    async fn preview(&self, cx: &Cx, plan: &Plan<'_>, foreseen: &Foreseen) -> Result<Reply> {
        let Plan { service, target, release, .. } = plan;
        let mut in_the_way = foreseen.in_the_way.clone();
        match self.check_order(cx, service, target, release).await {
            Err(Stop::Refused(reply)) => in_the_way.push(reply.text),
            other => other?,
        }
        let ci = self.ci_previewed(cx, service, target, release).await;
        in_the_way.extend(ci.iter().filter_map(|(_, way)| way.clone()));
        let tone = if in_the_way.is_empty() { Tone::Plain } else { Tone::Warn };
        let title = format!("Plan: {} {release} to {}", target.service, target.environment);
        let act = self.act(cx, plan).await?;
        let mut reply = Reply::card(tone, title, act.says).field("Commit", text::code(&release.commit));
        let checks = if service.health.is_some() {
            "its health check".to_owned()
        } else {
            format!("none: it counts as live once its {} ends well", service.driver.worker())
        };
        if let Some((says, _)) = ci {
            reply = reply.field("CI", says);
        }
        if let Some(artifact) = &release.artifact {
            reply = reply.field("Artifact", text::code(artifact));
        }
        let mut colour = None;
        let mut work = plan.work(0, release, Duration::ZERO);
        if plan.is_course() {
            let steps = self.steps(cx, plan).await?;
            let shipped = steps.iter().find_map(|step| if let Step::Ship(place) = step { Some(place) } else { None });
            if let Some(place) = shipped {
                work.hosts.retain(|host| place.hosts.contains(&host.name));
            }
            colour = shipped.and_then(|place| place.colour.clone());
            let told = steps.iter().take(SHOWN_STEPS).enumerate().map(|(at, step)| format!("{}. {step}", at + 1));
            let more = steps.len().saturating_sub(SHOWN_STEPS);
            let more = (more > 0).then(|| format!("… and {more} more"));
            let told = told.chain(more).collect::<Vec<_>>().join("\n");
            reply = reply.field(format!("Steps ({})", service.strategy.name()), told);
        }
        work.colour = colour.as_deref();
        reply = reply.field("How", format!("It {}.", service.driver.says(&work)));
        if let Some(rehearsed) = service.driver.rehearse(cx.ports(), &work).await {
            let says = rehearsed.unwrap_or_else(|why| format!("It could not be rehearsed: {why}."));
            reply = reply.field("Rehearsed", says);
        }
        reply = reply.field("Checks after", checks).field("Policy", asks(foreseen, act.danger));
        reply = commits(cx, plan, reply).await;
        if !in_the_way.is_empty() {
            reply = reply.field("In the way", in_the_way.join("\n"));
        }
        if !foreseen.allowed {
            return Ok(reply);
        }
        let digest = Grounds::of(plan, foreseen).digest();
        Ok(reply.button(Button::new("Ship this plan", format!("{} plan:{digest}", line(plan)))))
    }
}

/// The line that ships it, whatever is planned meanwhile.
fn line(plan: &Plan<'_>) -> String {
    let Target { service, environment } = &plan.target;
    let reference = commands::parse::quote(&plan.release.reference);
    let with = params::said(&plan.release.params);
    let with = if with.is_empty() { with } else { format!(" params:{}", commands::parse::quote(&with)) };
    format!("deploy ship service:{service} env:{environment} ref:{reference}{with}")
}

fn asks(foreseen: &Foreseen, danger: bool) -> String {
    let may = match &foreseen.who_may[..] {
        [] => "No rule allows it to anyone, here and now".to_owned(),
        some => format!("It is allowed to {}", text::list(some)),
    };
    let Asks { confirm, code, approvals } = &foreseen.asks;
    if !foreseen.allowed {
        return format!("{may}; not to you.");
    }
    let own = match code {
        Some(_) => "You are asked for a yes with a one-time code.",
        None if *confirm || danger => "You are asked for a yes.",
        None if approvals.is_empty() => "You are asked for nothing more.",
        None => "",
    };
    let others = approvals.iter().map(|needed| format!("It needs {needed}."));
    let parts = [format!("{may}."), own.to_owned()].into_iter().chain(others).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(" ")
}

/// Adds the commits since what is live, and whether one can go back over them.
pub(super) async fn commits(cx: &Cx, plan: &Plan<'_>, reply: Reply) -> Reply {
    let Some(live) = &plan.before.0 else {
        return reply.field("Rollback", "There is nothing to go back to: nothing is live.");
    };
    let (from, to) = (&*live.release.commit, &*plan.release.commit);
    if from == to {
        let back = format!("To {}: it is the same commit.", live.release.full());
        return reply.field("Commits", "None: this very commit is live.").field("Rollback", back);
    }
    let Service { repository, unsafe_back, .. } = plan.service;
    let unmarked = || {
        let says =
            format!("To {}. The config has no `unsafe_back`, so nothing is known to be in the way.", live.release);
        unsafe_back.is_empty().then_some(says)
    };
    let between = async |from, to, patterns| commits::between(cx.ports(), repository, from, to, patterns).await;
    let (new, gone) = match (between(from, to, &[]).await, between(to, from, &[]).await) {
        (Ok(new), Ok(gone)) => (new, gone),
        (Err(why), _) | (_, Err(why)) => {
            let back = unmarked().unwrap_or_else(|| format!("Whether it is safe is not known: {why}."));
            return reply.field("Commits", format!("Not known: {why}.")).field("Rollback", back);
        }
    };
    let back = match unmarked() {
        Some(says) => says,
        None => match between(from, to, unsafe_back).await {
            Ok(found) => unsafe_to_go_back(&found, &live.release.to_string()),
            Err(why) => format!("Whether it is safe is not known: {why}."),
        },
    };
    let reply = reply.field("Commits", counted(&new, &gone)).field("Rollback", back);
    let rows: Vec<_> = new.iter().filter(|commit| !commit.merge).take(SHOWN).map(row).collect();
    if rows.is_empty() { reply } else { reply.table(["Commit", "Author", "Says"], rows) }
}

fn row(commit: &Commit) -> [String; 3] {
    let author = text::cut(&text::plain(&commit.author), 30);
    [commit.hash.get(..7).unwrap_or_default().to_owned(), author, text::cut(&text::plain(&commit.subject), 80)]
}

/// How many commits come, by whom, and how many that are live go.
fn counted(new: &[Commit], gone: &[Commit]) -> String {
    let count = |commits: &[Commit]| {
        let more = if commits.len() >= MOST { "at least " } else { "" };
        let merges = commits.iter().filter(|commit| commit.merge).count();
        let merges = if merges == 0 { String::new() } else { format!(", {merges} of them merged others") };
        format!("{more}{}{merges}", text::plural(commits.len(), "commit"))
    };
    let authors: BTreeSet<_> = new.iter().map(|commit| text::cut(&text::plain(&commit.author), 30)).collect();
    let by = match authors.len() {
        0 => String::new(),
        few @ 1..=AUTHORS => format!(", by {}", authors.into_iter().take(few).collect::<Vec<_>>().join(", ")),
        many => {
            let named: Vec<_> = authors.into_iter().take(AUTHORS).collect();
            format!(", by {} and {} more", named.join(", "), many - AUTHORS)
        }
    };
    let comes = format!("{}{by}.", count(new));
    let shown = new.iter().filter(|commit| !commit.merge).count();
    let comes = if shown > SHOWN { format!("{comes} The newest {SHOWN} are shown.") } else { comes };
    if gone.is_empty() { comes } else { format!("{comes} Live now and not in it: {}.", count(gone)) }
}

fn unsafe_to_go_back(found: &[Commit], live: &str) -> String {
    if found.is_empty() {
        return format!("Safe: no commit on the way changes what can not go back to {live}.");
    }
    let names: Vec<_> = found.iter().take(AUTHORS).map(|commit| commit.hash.get(..7).unwrap_or_default()).collect();
    let more =
        if found.len() > names.len() { format!(" and {} more", found.len() - names.len()) } else { String::new() };
    format!("Not safe: {}{more} can not be gone back over, so think before you return to {live}.", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(hash: &str, author: &str, merge: bool) -> Commit {
        Commit { hash: hash.to_owned(), merge, author: author.to_owned(), subject: "x".to_owned() }
    }

    #[test]
    fn a_digest_says_all_parts_and_nothing_else_is_one() {
        let grounds =
            Grounds { commit: "a".repeat(40), live: "7".into(), policy: digest(&json!(1)), how: digest(&json!({})) };
        assert_eq!(Grounds::read(&grounds.digest()), Some(grounds));
        for odd in ["", "abc", "a-b-c", "a-b-c-d-e"] {
            assert_eq!(Grounds::read(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_digest_is_the_same_in_every_version_of_deckhand() {
        let asks = Asks {
            confirm: true,
            code: Some(Duration::from_secs(600)),
            approvals: vec![Needed {
                by: config::Approval { quorum: 2, approvers: vec!["lead".into()], within: Duration::from_secs(3600) },
                code: None,
            }],
        };
        let foreseen =
            Foreseen { allowed: true, asks, who_may: vec!["deployer".into()], in_the_way: vec!["a lock".into()] };
        let parts = json!({
            "approvals": [{ "approvers": ["lead"], "code": null, "quorum": 2, "within": 3600 }],
            "code": 600,
            "confirm": true,
            "who may": ["deployer"],
        });
        assert_eq!(policy(&foreseen), parts);
        assert_eq!(digest(&parts), "eae804e1");
    }

    #[test]
    fn commits_are_counted_with_their_authors() {
        let one = [commit("1", "ana", false)];
        let many: Vec<_> = (0..7).map(|n| commit("2", &format!("a{n}`"), n == 0)).collect();
        for (new, gone, says) in [
            (&one[..], &[][..], "1 commit, by ana."),
            (&[][..], &one[..], "0 commits. Live now and not in it: 1 commit."),
            (&many[..], &[][..], "7 commits, 1 of them merged others, by a0', a1', a2', a3', a4' and 2 more."),
        ] {
            assert_eq!(counted(new, gone), says);
        }
    }
}
