//! The jobs that plugins declare, done by Deckhand itself through the same acts as everything else.

use super::{Job, Missed, Run};
use crate::gate::Bot;
use anyhow::{Context, anyhow};
use commands::cx::{Call, Cx, Who};
use commands::ledger::Place;
use commands::plugin::{self, Plugin};
use commands::store::Batch;
use futures::FutureExt;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The jobs of every plugin that is on.
pub fn plugged(bot: &Arc<Bot>) -> Vec<Job> {
    let jobs = bot.plugins.iter().flat_map(|plugged| {
        let job = |declared| job(bot, plugged.spec.name, &plugged.plugin, declared);
        plugged.plugin.jobs().into_iter().map(job)
    });
    jobs.collect()
}

fn job(bot: &Arc<Bot>, owner: &str, plugin: &Arc<dyn Plugin>, declared: plugin::Job) -> Job {
    let (bot, plugin, name) = (bot.clone(), plugin.clone(), declared.name);
    let run = move |run: Run| {
        let (inner, plugin) = (bot.clone(), plugin.clone());
        // It outlives the runner that is shut down around it: an act that has begun comes to its end.
        let work = bot.spawn(async move {
            let call = Call::unasked(Who::deckhand(), Place::default());
            // Nobody is there to see how far it is.
            let nobody = mpsc::unbounded_channel().0;
            let cx = Cx::new(inner.world.clone(), call, None, nobody, inner.stopping().clone());
            plugin.work(&cx, name, run.due).await
        });
        async move {
            work.await.context("it was broken off")?.map_err(|stop| anyhow!("{stop}"))?;
            Ok(Batch::default())
        }
        .boxed()
    };
    Job { name: format!("{owner}.{name}"), schedule: declared.schedule, missed: Missed::Once, run: Box::new(run) }
}
