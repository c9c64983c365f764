//! `deckhand commands`: the table, as people and programs read it.

use super::Placed;
use super::say_line;
use crate::assembly::{self, Plan};
use crate::builtin;
use anyhow::Result;
use commands::registry::Registry;
use commands::views;

/// Print every command there is.
#[derive(clap::Args)]
pub struct Commands {
    /// As the console's page reads it
    #[arg(long, conflicts_with_all = ["discord", "manual"])]
    json: bool,
    /// As Discord registers it
    #[arg(long)]
    discord: bool,
    /// As the pages of the manual, into this folder
    #[arg(long, value_name = "FOLDER", conflicts_with = "discord")]
    manual: Option<std::path::PathBuf>,
}

pub(super) fn print(place: &Placed, wanted: &Commands) -> Result<u8> {
    let read = place.config();
    let plan = read.as_ref().map(|(config, problems)| assembly::plan(config, plugins::ALL, problems));
    let all = || std::iter::once(&builtin::SPEC).chain(plugins::ALL.iter().copied()).collect();
    let specs: Vec<_> = plan.as_ref().map_or_else(all, Plan::specs);
    let registry = Registry::new(specs.iter().flat_map(|spec| spec.commands));
    let all: Vec<_> = registry.iter().collect();
    if let Some(folder) = &wanted.manual {
        std::fs::create_dir_all(folder)?;
        for (file, text) in views::manual::pages(specs) {
            std::fs::write(folder.join(file), text)?;
        }
    } else if wanted.discord {
        let registration = views::discord::registration(specs, plan.as_ref().map(Plan::policy));
        say_line(format_args!("{}", serde_json::to_string_pretty(&registration)?));
    } else if wanted.json {
        say_line(format_args!("{}", serde_json::to_string_pretty(&views::console::commands(&all))?));
    } else {
        all.iter()
            .for_each(|command| say_line(format_args!("/{}\n    {}", views::help::usage(command), command.about)));
    }
    Ok(0)
}
