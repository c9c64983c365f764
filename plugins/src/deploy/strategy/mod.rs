//! Strategies: in which steps a release comes to all the targets of an environment, and which steps lead back. They are
//! data, known before anything is done; `course.rs` takes the steps.

mod settings;

pub use settings::read;

use super::settings::Host;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// In which steps a release comes to all targets.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Strategy {
    /// All at the same time.
    #[default]
    AllAtOnce,
    /// Some after the others, each batch checked before the next.
    Rolling {
        /// How many at a time.
        batch: Batch,
        /// What becomes of those that have the new release when a batch is sick.
        on_sick: OnSick,
    },
    /// To the colour that serves nobody; then everybody is switched over at once.
    BlueGreen(Switch),
    /// To the colour that serves nobody, which then gets more and more of the load.
    Canary {
        /// Gives a colour its share.
        switch: Switch,
        /// The shares, in percent; the last is 100.
        weights: Vec<u8>,
        /// How long each is held and measured before the next.
        hold: Duration,
    },
}

/// How many targets are shipped to at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// So many.
    Count(usize),
    /// So many percent of all, rounded down, but at least one.
    Percent(usize),
}

/// What becomes of the targets that have the new release when a batch is sick.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnSick {
    /// They get back what was live.
    #[default]
    Back,
    /// They are left as they are, for people to look at.
    Leave,
}

/// The program that gives `{colour}` the share `{weight}` of the load, in percent, and the rest to the other. It says how
/// things are to be, so that running it twice does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// It, with its arguments.
    pub argv: Vec<String>,
    /// Where it runs.
    pub folder: PathBuf,
}

/// The colours of an environment whose targets have none.
pub const COLOURS: [&str; 2] = ["blue", "green"];

/// One step of a deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The driver ships to these targets; to the environment as a whole where it has none.
    Ship(Place),
    /// These must be well.
    Check(Place),
    /// What serves everybody must be well.
    CheckAll,
    /// The colour gets this share of the load, in percent.
    Weigh(String, u8),
    /// The targets must stay well for so long.
    Hold(Place, Duration),
}

/// Where a step is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The names of the targets; none for the environment, or the colour, as a whole.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The colour, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<String>,
}

impl Strategy {
    /// What the config calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Strategy::AllAtOnce => "all-at-once",
            Strategy::Rolling { .. } => "rolling",
            Strategy::BlueGreen(_) => "blue-green",
            Strategy::Canary { .. } => "canary",
        }
    }

    /// What gives a colour its share.
    pub fn switch(&self) -> Option<&Switch> {
        match self {
            Strategy::BlueGreen(switch) | Strategy::Canary { switch, .. } => Some(switch),
            Strategy::AllAtOnce | Strategy::Rolling { .. } => None,
        }
    }

    /// The two colours, that which serves nobody first. Before the first deploy that is the first of them: then nothing
    /// serves anybody.
    pub fn colours(&self, hosts: &[Host], serving: Option<&str>) -> Option<[String; 2]> {
        self.switch()?;
        let mut colours: Vec<_> = hosts.iter().filter_map(|host| host.colour.clone()).collect();
        colours.dedup();
        if colours.is_empty() {
            colours = COLOURS.map(str::to_owned).to_vec();
        }
        let [first, second] = [colours.first()?.clone(), colours.get(1)?.clone()];
        Some(if serving == Some(&*first) { [second, first] } else { [first, second] })
    }

    /// The steps of a deploy. `serving` is the colour that everybody is served by, `kept` whether the other one still has
    /// the very release that is to become live.
    pub fn steps(&self, hosts: &[Host], serving: Option<&str>, kept: bool) -> Vec<Step> {
        let all = Place { hosts: names(hosts), colour: None };
        let idle = self.colours(hosts, serving).map(|[idle, _]| idle);
        let there = Place { hosts: of_colour(hosts, idle.as_deref()), colour: idle.clone() };
        let mut steps = Vec::new();
        match self {
            Strategy::AllAtOnce => return vec![Step::Ship(all.clone()), Step::Check(all)],
            // An environment that is one whole has nothing to roll over.
            Strategy::Rolling { .. } if hosts.is_empty() => return vec![Step::Ship(all.clone()), Step::Check(all)],
            Strategy::Rolling { batch, .. } => {
                for some in all.hosts.chunks(batch.of(hosts.len())) {
                    let some = Place { hosts: some.to_vec(), colour: None };
                    steps.extend([Step::Ship(some.clone()), Step::Check(some)]);
                }
                return steps;
            }
            Strategy::BlueGreen(_) | Strategy::Canary { .. } if !kept => steps.push(Step::Ship(there.clone())),
            Strategy::BlueGreen(_) | Strategy::Canary { .. } => {}
        }
        steps.push(Step::Check(there.clone()));
        let colour = idle.unwrap_or_default();
        match self {
            // What went well once needs no measuring again: going back has to be quick. Where nobody is served yet, there is
            // nobody to try it on.
            Strategy::Canary { weights, hold, .. } if !kept && serving.is_some() => {
                for weight in weights {
                    steps.push(Step::Weigh(colour.clone(), *weight));
                    if *weight < 100 {
                        steps.push(Step::Hold(there.clone(), *hold));
                    }
                }
            }
            _ => steps.push(Step::Weigh(colour, 100)),
        }
        steps.push(Step::CheckAll);
        steps
    }

    /// The steps that lead back when the step `at` of `steps` did not work: all are to be taken with what was live before,
    /// and by the targets that were `on` the new release already, too. None where nothing that serves anybody was changed,
    /// or all is to be left as it is.
    pub fn way_back(
        &self,
        steps: &[Step],
        at: usize,
        on: &[String],
        hosts: &[Host],
        serving: Option<&str>,
    ) -> Vec<Step> {
        let taken = &steps[..steps.len().min(at + 1)];
        match self {
            Strategy::AllAtOnce | Strategy::Rolling { on_sick: OnSick::Back, .. } => {
                let shipped = |name: &String| {
                    let to = |step: &Step| matches!(step, Step::Ship(place) if place.hosts.contains(name));
                    on.contains(name) || taken.iter().any(to)
                };
                let done = Place { hosts: names(hosts).into_iter().filter(shipped).collect(), colour: None };
                if done.hosts.is_empty() { Vec::new() } else { vec![Step::Ship(done.clone()), Step::Check(done)] }
            }
            Strategy::BlueGreen(_) | Strategy::Canary { .. } => {
                let weighed = taken.iter().any(|step| matches!(step, Step::Weigh(..)));
                match self.colours(hosts, serving) {
                    Some([_, serving]) if weighed => vec![Step::Weigh(serving, 100), Step::CheckAll],
                    _ => Vec::new(),
                }
            }
            Strategy::Rolling { on_sick: OnSick::Leave, .. } => Vec::new(),
        }
    }
}

impl Batch {
    /// How many of `all` are shipped to at a time.
    fn of(self, all: usize) -> usize {
        match self {
            Batch::Count(count) => count,
            Batch::Percent(percent) => all * percent / 100,
        }
        .max(1)
    }
}

fn names(hosts: &[Host]) -> Vec<String> {
    hosts.iter().map(|host| host.name.clone()).collect()
}

/// The targets of a colour.
fn of_colour(hosts: &[Host], colour: Option<&str>) -> Vec<String> {
    hosts.iter().filter(|host| host.colour.as_deref() == colour).map(|host| host.name.clone()).collect()
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Step::Ship(place) => write!(f, "Ship to {place}"),
            Step::Check(place) => write!(f, "Check {place}"),
            Step::CheckAll => f.write_str("Check what all are served"),
            Step::Weigh(colour, weight) => write!(f, "Give {colour} {weight} %"),
            Step::Hold(place, time) => write!(f, "Watch {place} for {}", config::duration::show(*time)),
        }
    }
}

/// How many targets are named.
const NAMED: usize = 4;

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.hosts[..], &self.colour) {
            ([], None) => f.write_str("the environment"),
            ([], Some(colour)) => f.write_str(colour),
            (some, _) if some.len() > NAMED => {
                write!(f, "{} and {} more", some[..NAMED].join(", "), some.len() - NAMED)
            }
            (some, _) => f.write_str(&some.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests;
