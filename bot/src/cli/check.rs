//! `deckhand check`: every mistake in the config at once.

use super::Placed;
use super::say_line;
use crate::assembly;
use anyhow::{Result, bail};

pub(super) fn check(place: &Placed) -> Result<u8> {
    let Some((config, problems)) = place.config() else {
        bail!("name the config to check: `deckhand check --config FILE`");
    };
    let plan = assembly::plan(&config, plugins::ALL, &problems);
    if !problems.is_empty() {
        super::print_problems(&problems);
        return Ok(1);
    }
    let commands = plan.registry().iter().count();
    say_line(format_args!(
        "The config is fine: {}, {}, {}, {}.",
        ::commands::text::plural(config.people.len(), "person").replace("persons", "people"),
        ::commands::text::plural(config.services.len(), "service"),
        ::commands::text::plural(config.policy.len(), "rule"),
        ::commands::text::plural(commands, "command")
    ));
    Ok(0)
}
