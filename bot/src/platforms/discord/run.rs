//! Discord from the first look to the last word: what is checked, registered, listened to, and told of a silence.

use super::endpoint::{self, Endpoint};
use super::gateway::{self, Ended, Gap, Gateway, Listener, Pace};
use super::health::{Health, Hear};
use super::register::{self, Scope};
use super::rest::RestError;
use super::{Discord, NAME, settings};
use crate::outbox::{self, Outgoing};
use anyhow::{Context, Result};
use commands::clock::Clock;
use commands::reply::Reply;
use commands::store::Batch;
use commands::text;
use commands::views;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Discord, checked and ready to be listened to.
pub struct Link {
    discord: Arc<Discord>,
    gateway: Option<Gateway>,
    endpoint: Option<(TcpListener, Arc<Endpoint>)>,
}

impl Link {
    /// Looks whether the token is the application's, makes the commands at Discord ours, and finds the ways in.
    ///
    /// # Errors
    /// When the token is not good, Discord can not be reached, or the endpoint's address is taken.
    pub async fn connect(discord: Arc<Discord>, health: Arc<Health>, clock: Clock) -> Result<Link> {
        let settings::Settings { application, guilds, .. } = &discord.settings;
        let checked = register::check(&discord.rest, application, guilds).await;
        checked.with_context(|| format!("Deckhand does not start without Discord (at {})", discord.settings.api))?;
        let scope = if discord.settings.global { Scope::Global } else { Scope::Guild };
        let plugins = discord.bot.plugins.iter().map(|plugged| plugged.spec);
        let wanted = views::discord::registration(plugins, Some(&discord.bot.policy));
        if let Err(error) = register::register(&discord.rest, application, scope, guilds, &wanted).await {
            // What was registered before still works.
            tracing::error!("not all commands are registered with Discord: {error:#}");
        }
        let hear: Hear = {
            let discord = discord.clone();
            Arc::new(move |raw| discord.hear(raw))
        };
        let endpoint = match &discord.settings.endpoint {
            Some(settings::Endpoint { listen, public_key }) => {
                let taken = || {
                    format!(
                        "Discord's endpoint can not listen on {listen}: write another `listen` under `[chat.discord]`"
                    )
                };
                let listener = TcpListener::bind(listen).await.with_context(taken)?;
                Some((listener, Endpoint::new(*public_key, clock.clone(), health.clone(), hear)?))
            }
            None => None,
        };
        let gateway = match discord.settings.gateway {
            true => Some(Gateway::find(discord.rest.clone(), discord.pace(), clock, health).await?),
            false => None,
        };
        Ok(Link { discord, gateway, endpoint })
    }

    /// Listens until `stop` is cancelled.
    ///
    /// # Errors
    /// When the gateway is at its end: see [`Ended`].
    pub async fn run(self, stop: CancellationToken) -> Result<(), Ended> {
        let Link { discord, gateway, endpoint } = self;
        let until = stop.clone().cancelled_owned();
        let served = async {
            if let Some((listener, endpoint)) = endpoint
                && let Err(error) =
                    axum::serve(listener, endpoint::router(endpoint)).with_graceful_shutdown(until).await
            {
                tracing::error!("Discord's endpoint has ended: {error}");
            }
        };
        let behind = discord.clone();
        discord.bot.spawn(async move { behind.catch_up().await });
        let listened = async {
            match gateway {
                Some(gateway) => gateway.run(discord.listener(), stop.clone()).await,
                None => {
                    stop.cancelled().await;
                    Ok(())
                }
            }
        };
        // What was let in before the stop is still answered; when the gateway fails, all ends at once.
        let served = async {
            served.await;
            Ok(())
        };
        tokio::try_join!(listened, served).map(drop)
    }
}

/// Whether this error only says that Discord can not be reached: starting Deckhand again may help.
pub fn is_away(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Ended::Away(_))) || matches!(error.downcast_ref(), Some(RestError::Away(_)))
}

impl Discord {
    fn pace(&self) -> gateway::Settings {
        let settings::Settings { token, messages, silence, .. } = self.settings.clone();
        gateway::Settings { token, messages, silence, pace: Pace::default() }
    }

    fn listener(self: &Arc<Discord>) -> Listener {
        let (hears, follows, tells) = (self.clone(), self.clone(), self.clone());
        let away = move |gap| {
            let discord = tells.clone();
            tells.bot.spawn(async move {
                discord.tell_of(gap).await;
                discord.catch_up().await;
            });
        };
        Listener {
            hear: Arc::new(move |raw| hears.hear(raw)),
            happens: Arc::new(move |event, raw| follows.happens(event, raw)),
            away: Arc::new(away),
        }
    }

    /// Says in the channel for news that nothing was heard for a while: what was said meanwhile is lost.
    async fn tell_of(&self, gap: Gap) {
        let zone = self.bot.world.ports.vocabulary.zone;
        let [from, until] = [gap.from, gap.until].map(|at| at.with_timezone(&zone).format("%H:%M:%S").to_string());
        tracing::warn!("Discord was not heard from {from} to {until}");
        let Some(channel) = self.settings.news.clone() else { return };
        let text = format!(
            "I was away from {} to {} ({zone}). What was said to me meanwhile, I have not heard: say it again.",
            text::code(&from),
            text::code(&until)
        );
        let mut batch = Batch::default();
        let staged = outbox::stage(&mut batch, &Outgoing::post(self.records.now(), NAME, channel, Reply::say(text)));
        let committed = match staged {
            Ok(()) => self.records.store().commit(batch).await.map(drop).map_err(anyhow::Error::from),
            Err(error) => Err(error),
        };
        if let Err(error) = committed {
            tracing::error!("a silence can not be told: {error:#}");
        }
    }
}
