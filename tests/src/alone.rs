//! A bot on the stage's world, without a platform: for tests of one moment, where a transcript tells a story.

use crate::stage::BEGINS;
use crate::stage::world::World;
use bot::assembly::{self, Surroundings};
use bot::gate::people::{CONSOLE, Speaker};
use bot::gate::{Ask, Bot, Said};
use commands::clock::Clock;
use commands::ledger::Place;
use commands::reply::Reply;
use commands::spec::PluginSpec;
use commands::store::Store;
use std::path::Path;
use std::sync::Arc;

/// The stage's clock, at the beginning.
///
/// # Panics
/// Never: the moment can be read.
pub fn clock() -> Clock {
    Clock::at(BEGINS.parse().expect("a moment"))
}

/// A life of Deckhand with this config.
///
/// # Panics
/// When the config has mistakes.
pub fn bot(
    config: &str,
    plugins: &'static [&'static PluginSpec],
    clock: &Clock,
    store: Arc<dyn Store>,
    world: &Arc<World>,
) -> Arc<Bot> {
    let (config, problems) = config::parse(config, "deckhand.toml", Path::new("/srv"), &|_| None);
    let plan = assembly::plan(&config, plugins, &problems);
    assert!(problems.is_empty(), "{problems}");
    plan.build(Surroundings {
        clock: clock.clone(),
        store,
        wire: world.clone(),
        dial: world.clone(),
        launcher: world.clone(),
        files: world.clone(),
        mirrors: world.clone(),
    })
}

/// The last reply to what `who` says on the console.
pub async fn say(bot: &Arc<Bot>, who: &str, line: &str) -> Reply {
    hear(bot, who, Said::Line(line.to_owned())).await
}

/// The last reply to what `who` says or presses on the console.
pub async fn hear(bot: &Arc<Bot>, who: &str, said: Said) -> Reply {
    let place = Place { platform: CONSOLE.to_owned(), channel: "ops".to_owned(), message: format!("{who} {said:?}") };
    let mut replies = bot.ask(Ask { said, speaker: Speaker::console(who), place });
    let mut last = Reply::default();
    while let Some(reply) = replies.recv().await {
        last = reply;
    }
    last
}
