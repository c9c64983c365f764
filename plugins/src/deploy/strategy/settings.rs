//! What the operator wrote about a service's strategy.

use super::{Batch, OnSick, Strategy, Switch};
use crate::deploy::settings::{Host, Placeholders};
use commands::plugin::Setup;
use config::Section;
use std::collections::BTreeMap;
use std::time::Duration;

const NAMES: [&str; 4] = ["all-at-once", "rolling", "blue-green", "canary"];

/// Reads `strategy` and what belongs to it, noting every mistake.
pub fn read(
    setup: &Setup<'_>,
    section: &Section<'_>,
    targets: &BTreeMap<String, Vec<Host>>,
    placeholders: &Placeholders,
) -> Strategy {
    match section.choice("strategy", &NAMES).as_deref() {
        Some("rolling") => Strategy::Rolling { batch: batch(section), on_sick: on_sick(section) },
        Some("blue-green") => Strategy::BlueGreen(switch(setup, section, targets, placeholders)),
        Some("canary") => Strategy::Canary {
            switch: switch(setup, section, targets, placeholders),
            weights: weights(section),
            hold: section.duration("hold").unwrap_or(Duration::from_secs(60)),
        },
        _ => Strategy::AllAtOnce,
    }
}

fn batch(section: &Section<'_>) -> Batch {
    let Some(text) = section.text("batch") else { return Batch::Count(1) };
    let read = match text.strip_suffix('%') {
        Some(percent) => percent.parse().ok().filter(|percent| (1..=100).contains(percent)).map(Batch::Percent),
        None => text.parse().ok().filter(|count| *count > 0).map(Batch::Count),
    };
    read.unwrap_or_else(|| {
        section.problem(
            "batch",
            format!("`{text}` is no batch"),
            "write a number or a share, as in `\"2\"` or `\"25%\"`",
        );
        Batch::Count(1)
    })
}

fn on_sick(section: &Section<'_>) -> OnSick {
    match section.choice("on_sick", &["back", "leave"]).as_deref() {
        Some("leave") => OnSick::Leave,
        _ => OnSick::Back,
    }
}

/// The shares of a canary: rising, and 100 at the end.
fn weights(section: &Section<'_>) -> Vec<u8> {
    if !section.has("weights") {
        return vec![5, 25, 50, 100];
    }
    let texts = section.texts("weights");
    let weights: Vec<u8> = texts.iter().filter_map(|text| text.trim_end_matches('%').parse().ok()).collect();
    let rises = weights.windows(2).all(|pair| pair[0] < pair[1]);
    let whole = weights.len() == texts.len() && weights.first() > Some(&0) && weights.last() == Some(&100);
    if !rises || !whole {
        let what = "these are no shares that rise to 100 %";
        section.problem("weights", what, "write them as in `[\"5%\", \"25%\", \"50%\", \"100%\"]`");
    }
    weights
}

/// The program that switches. The targets of each environment must have two colours, or none at all.
fn switch(
    setup: &Setup<'_>,
    section: &Section<'_>,
    targets: &BTreeMap<String, Vec<Host>>,
    placeholders: &Placeholders,
) -> Switch {
    let argv = section.required_texts("switch");
    argv.iter().for_each(|word| placeholders.check(section, "switch", word));
    if !argv.is_empty() && !argv.iter().any(|word| word.contains("{colour}")) {
        section.problem("switch", "it is not told which colour", "write `{colour}` as one of its arguments");
    }
    for (environment, hosts) in targets.iter().filter(|(_, hosts)| !hosts.is_empty()) {
        let mut colours: Vec<_> = hosts.iter().map(|host| host.colour.as_deref()).collect();
        colours.sort_unstable();
        colours.dedup();
        if colours.len() != 2 || colours.contains(&None) {
            let what = format!("the targets of `{environment}` are not of two colours");
            section.problem("targets", what, "give each `colour = \"blue\"` or `colour = \"green\"`");
        }
    }
    Switch { argv, folder: section.path("folder").unwrap_or_else(|| setup.config.folder.clone()) }
}
