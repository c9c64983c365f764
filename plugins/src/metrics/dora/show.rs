//! How DORA's measures look: a figure, its count, its step and its definition, in this order.

use super::Target;
use super::bands::{self, Step};
use super::middle::Middle;
use super::rules::{Fails, LeadFrom, Rules};
use super::tally::Figures;
use crate::metrics::unit::{Unit, number};
use chrono_tz::Tz;
use commands::reply::{Reply, Tone};
use commands::text::plural;

/// Of fewer than this no step is told.
const ENOUGH: usize = 5;

/// What is not measured is neither nought nor any step.
const NO_DATA: &str = "no data";

/// All five, and what others were like in a year.
pub fn reply(target: &Target, it: &Figures, rules: Rules, zone: Tz, year: Option<&str>) -> Reply {
    let Target { service, environment } = target;
    let title = format!("{service} in {environment}: DORA over {}", plural(it.days, "day"));
    let mut says = vec![format!("Middles are medians. Days are those of {zone}.")];
    says.extend(left_out(it));
    let mut reply = Reply::card(Tone::Plain, title, "")
        .field("Deployment frequency", frequency(it))
        .field("Change lead time", lead(it, rules))
        .field("Failed-deployment recovery time", recovery(it))
        .field("Change fail rate", fail_rate(it, rules))
        .field("Deployment rework rate", rework(it));
    if let Some(report) = year.and_then(|year| bands::REPORTS.iter().find(|report| report.year == year)) {
        let year = report.year;
        says.push(format!(
            "The table is what teams of {year} had in the middle, by cluster, and no threshold ({}).",
            report.source
        ));
        let head = [year, "Frequency", "Lead time", "Recovery", "Fail rate"];
        reply = reply.table(head, report.clusters.iter().map(|cluster| cluster.map(str::to_owned)).collect());
    }
    reply.text = says.join(" ");
    reply
}

/// A line for a digest: all five figures, each with its count, and with its definition where that is not DORA's.
pub fn line(target: &Target, it: &Figures, rules: Rules) -> String {
    let Target { service, environment } = target;
    let time = |middle: Option<Middle>, whose: &str| {
        middle.map_or_else(|| NO_DATA.to_owned(), |it| format!("{} (n = {}{whose})", span(it.value), it.n))
    };
    let share = |part: usize, whose: &str| match it.deployments {
        0 => NO_DATA.to_owned(),
        n => format!("{} (n = {n}{whose})", share(part, n)),
    };
    let lead_from = if rules.lead_from == LeadFrom::Merge { ", from merge" } else { "" };
    let (bad, fails) = match rules.fails {
        Fails::Deployments => (it.failed, ""),
        Fails::Incidents => (it.incidents, ", incidents as GitLab has it"),
    };
    format!(
        "`{service}` in `{environment}`: {} on {} of {}, lead time {}, recovery {}, fail rate {}, rework {}.",
        plural(it.deployments, "deployment"),
        it.days_with,
        plural(it.days, "day"),
        time(it.lead, lead_from),
        time(it.recovery, ""),
        share(bad, fails),
        share(it.rework, ""),
    )
}

/// What is counted nowhere, so that nobody misses it.
fn left_out(it: &Figures) -> Vec<String> {
    let parts = [(it.never, "did not go live"), (it.unknown, "ended nobody knows how")];
    let parts = parts.iter().filter(|(n, _)| *n > 0);
    let parts: Vec<_> = parts.map(|(n, how)| format!("{} that {how}", plural(*n, "deployment"))).collect();
    let deployments = (!parts.is_empty()).then(|| format!("Not counted: {}.", parts.join(", ")));
    let parts = [
        (it.elsewhere, "named a cause that is no deployment counted here"),
        (it.unlinked, "could not be linked to a deployment"),
    ];
    let parts: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, how)| format!("{n} {how}")).collect();
    let incidents =
        (!parts.is_empty()).then(|| format!("Of {}, {}.", plural(it.incidents, "incident"), parts.join(", ")));
    deployments.into_iter().chain(incidents).collect()
}

/// Seconds as people read them.
fn span(seconds: f64) -> String {
    Unit::of("s").show(seconds)
}

/// "8.33 %", "no data".
fn share(part: usize, whole: usize) -> String {
    if whole == 0 { NO_DATA.to_owned() } else { format!("{} %", number(part as f64 / whole as f64 * 100.0)) }
}

fn step(n: usize, step: Step) -> String {
    if n < ENOUGH {
        return format!("Fewer than {ENOUGH}: no step.");
    }
    format!("Step {} of 6 in DORA's survey: {}.", step.number, step.words)
}

fn frequency(it: &Figures) -> String {
    let Some(a_day) = it.a_day else { return format!("{NO_DATA}: no deployment got to people in this time.") };
    let middle = match it.week {
        Some(week) => {
            let weeks = plural(week.n, "whole week");
            format!("{} days a week in the middle of {weeks}", number(week.value))
        }
        None => "no whole week to tell".to_owned(),
    };
    let step = match it.week {
        Some(week) => step(it.deployments, bands::of_frequency(week.value, a_day.value, it.one_in)),
        None => "So no step.".to_owned(),
    };
    let n = plural(it.deployments, "deployment");
    format!(
        "{middle}; n = {n}, on {} of {}. {step} By days with a deployment that got to people; weeks that are not whole, or before the first one, are left out.",
        it.days_with,
        plural(it.days, "day")
    )
}

fn lead(it: &Figures, rules: Rules) -> String {
    let definition = match rules.lead_from {
        LeadFrom::Commit => "From commit to live, of all changes that went live.",
        LeadFrom::Merge => "From merge to live, as GitLab has it: shorter than from commit to live.",
    };
    let early = match rules.lead_from {
        LeadFrom::Commit => "live before it was committed",
        LeadFrom::Merge => "live before it was merged",
    };
    let parts = [
        (it.without_changes, "deployment", "whose changes are not known"),
        (it.early, "change", early),
        (it.untimed, "change", "of which it is not known when it was merged"),
    ];
    let parts: Vec<_> =
        parts.iter().filter(|(n, ..)| *n > 0).map(|(n, noun, why)| format!("{} {why}", plural(*n, noun))).collect();
    let left_out = if parts.is_empty() { String::new() } else { format!(" Left out: {}.", parts.join(", ")) };
    match it.lead {
        None => format!("{NO_DATA}: of no change it is known when it went live.{left_out} {definition}"),
        Some(Middle { value, n }) => {
            let step = step(n, bands::of_span(value));
            format!("{} in the middle; n = {}. {step} {definition}{left_out}", span(value), plural(n, "change"))
        }
    }
}

fn recovery(it: &Figures) -> String {
    let definition = "From a failed deployment's going live to its being made good; of one that was put back or left unwell from its beginning, or from that of its incident where that came first.";
    let open = match it.open {
        0 => String::new(),
        open => format!(" Left out: {open} not made good yet."),
    };
    match it.recovery {
        None if it.deployments == 0 => format!("{NO_DATA}: no deployment got to people in this time."),
        None if it.failed == 0 => format!("{NO_DATA}: no deployment failed. {definition}"),
        None => format!("{NO_DATA} yet.{open} {definition}"),
        Some(Middle { value, n }) => {
            let step = step(n, bands::of_span(value));
            format!("{} in the middle; n = {n} failed. {step} {definition}{open}", span(value))
        }
    }
}

fn fail_rate(it: &Figures, rules: Rules) -> String {
    if it.deployments == 0 {
        return format!("{NO_DATA}: no deployment got to people in this time.");
    }
    let n = plural(it.deployments, "deployment");
    match rules.fails {
        Fails::Deployments => format!(
            "{}; {} of n = {n}. Those that were put back, left unwell or rolled back, or that an incident is about, each once.",
            share(it.failed, it.deployments),
            it.failed
        ),
        Fails::Incidents => format!(
            "{}; {} ÷ n = {n}, as GitLab has it: it can be more than 100 %.",
            share(it.incidents, it.deployments),
            plural(it.incidents, "incident")
        ),
    }
}

fn rework(it: &Figures) -> String {
    if it.deployments == 0 {
        return format!("{NO_DATA}: no deployment got to people in this time.");
    }
    format!(
        "{}; {} of n = {}. Those that went back, or began while an incident was open that a deployment had brought about.",
        share(it.rework, it.deployments),
        it.rework,
        plural(it.deployments, "deployment")
    )
}
