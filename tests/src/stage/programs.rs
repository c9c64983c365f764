//! The programs of the stage's world, which ask Deckhand for something by themselves.

use super::world::World;
use bot::gate::Bot;
use bot::hooks::Hooks;
use commands::route::{Answer, Body};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether one has something to say.
const LOOK: Duration = Duration::from_millis(100);

/// What programs were answered, a line each, until somebody looks.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    /// Hears them in one life of the bot.
    pub fn begin(bot: &Arc<Bot>, world: &World, dead: &CancellationToken) -> Heard {
        let (heard, hooks, world, dead) = (Heard::default(), Hooks::new(bot), world.clone(), dead.clone());
        let told = heard.clone();
        tokio::spawn(async move {
            while dead.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
                for request in world.webhooks() {
                    let Answer { status, body, .. } = hooks.answer(request).await;
                    let body = if let Body::Whole(body) = body { body } else { continue };
                    let line = format!("  to a webhook: {} {}", status.as_u16(), String::from_utf8_lossy(&body));
                    told.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            }
        });
        heard
    }

    /// What they were answered since that was asked last.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
