//! The watches that plugins keep: work that goes on all the time, on one replica, and begins again after a mishap.

use super::{Keeper, LOOK};
use crate::gate::Bot;
use commands::cx::{Call, Cx, Who};
use commands::ledger::Place;
use commands::plugin::Plugin;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Lets every plugin keep its watch until `shutdown`, or until Deckhand is about to stop, while this holds the lease
/// `watches` as `holder`. An act that has begun comes to its end.
pub async fn watch(bot: Arc<Bot>, holder: String, shutdown: CancellationToken) {
    let (store, clock) = (bot.world.store.clone(), bot.world.ports.clock.clone());
    let keeper = Keeper { store, clock, holder, lease: "watches" };
    let ends = || async {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = bot.stopping().cancelled() => {}
        }
    };
    loop {
        let mut lease = tokio::select! {
            () = ends() => return,
            lease = keeper.take() => lease,
        };
        let held = CancellationToken::new();
        let mut watches = JoinSet::new();
        for plugged in &bot.plugins {
            watches.spawn(keep(bot.clone(), plugged.spec.name, plugged.plugin.clone(), held.clone()));
        }
        let over = tokio::select! {
            () = ends() => true,
            () = keeper.hold(&mut lease) => false,
        };
        held.cancel();
        while watches.join_next().await.is_some() {}
        if over {
            if let Err(error) = keeper.store.release(&lease).await {
                tracing::warn!("could not give back the lease of the watches, which ends by itself: {error:#}");
            }
            return;
        }
        tracing::warn!("lost the lease of the watches: another replica keeps them now");
    }
}

/// One plugin's watch. One that panicked begins again.
async fn keep(bot: Arc<Bot>, name: &'static str, plugin: Arc<dyn Plugin>, held: CancellationToken) {
    loop {
        let call = Call::unasked(Who::deckhand(), Place::default());
        // Nobody is there to see how far it is.
        let cx = Cx::new(bot.world.clone(), call, None, mpsc::unbounded_channel().0, held.clone());
        if AssertUnwindSafe(plugin.watch(&cx)).catch_unwind().await.is_ok() {
            return;
        }
        tracing::error!(plugin = name, "its watch panicked, and begins again in a minute");
        if held.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_none() {
            return;
        }
    }
}
