//! The life of one answer: acknowledged within Discord's three seconds, shown as it changes, told to its end.

use super::incoming::Heard;
use super::record::Taken;
use super::rest::{Ready, Request, Rest, RestError};
use super::{Callback, Discord, EPHEMERAL, NAME, PostError, TOKEN_MINUTES, leaf, render::Message};
use crate::gate::Replies;
use crate::outbox::{self, Outgoing};
use crate::platforms::Platform;
use commands::ledger::Place;
use commands::reply::{Outcome, Reply, State, Tone};
use commands::store::Batch;
use http::Method;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long the first reply is waited for. One that comes in time is the acknowledgement itself, and says at once whether
/// only the asker sees it; after that, Discord is told that the answer comes later.
const GRACE: Duration = Duration::from_millis(1_500);

/// How long the disk is not asked yet while the promise leaves: its threads would take the processor from it.
const HEAD_START: Duration = Duration::from_millis(1);

/// How long the token of an interaction is used.
const TOKEN_LIFE: Duration = Duration::from_secs(TOKEN_MINUTES as u64 * 60);

/// The answer to one interaction.
pub(super) struct Answer {
    discord: Arc<Discord>,
    heard: Heard,
    /// Whether a record is kept of it.
    kept: bool,
    /// Whether it takes the place of the message whose button was pressed.
    in_place: bool,
    standing: Standing,
    /// The message that answers, where that is not noted down yet.
    message: Option<String>,
    /// What it says.
    shown: Option<Reply>,
    /// When the token is not used any more.
    over: Instant,
    /// How many messages of the bot's own this answer has begun.
    begun: u32,
    /// Whose devices it has let ring.
    rung: HashSet<String>,
}

/// Where the answer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// Nowhere yet.
    Nowhere,
    /// In the message that answers the interaction, or (`theirs`) in the one whose button was pressed.
    Original { only_you: bool, theirs: bool },
    /// In a further message of the interaction.
    FollowUp { id: String, only_you: bool },
    /// In a message of the bot's own.
    Own { channel: String, id: String },
}

impl Answer {
    pub(super) fn new(discord: Arc<Discord>, heard: Heard, kept: bool, in_place: bool) -> Answer {
        let over = Instant::now() + TOKEN_LIFE;
        let standing = Standing::Nowhere;
        let rung = HashSet::new();
        Answer { discord, heard, kept, in_place, standing, message: None, shown: None, over, begun: 0, rung }
    }

    /// Tells what `begin` answers, from the first word to the last; `at_once`, Discord is told meanwhile that the answer
    /// comes. `begin` notes down in which message, where that is known by then. An interaction that was taken before is
    /// left alone.
    pub(super) async fn tell<Begun>(
        mut self,
        begin: impl FnOnce(Option<String>) -> Begun,
        at_once: impl Future<Output = bool>,
    ) where
        Begun: Future<Output = anyhow::Result<Option<Replies>>>,
    {
        let grace = Instant::now() + GRACE;
        let (promise_over, is_over) = oneshot::channel();
        let promise = async {
            if !at_once.await {
                return None;
            }
            let promised = self.promise().await;
            // When `begin` waits no longer, the message is still to be noted down.
            Some(promised.map(|message| promise_over.send(message).err().flatten()))
        };
        let begin = async {
            let message = tokio::time::timeout(HEAD_START, is_over).await;
            begin(message.ok().and_then(Result::ok).flatten()).await
        };
        tokio::pin!(begin);
        let (promised, begun) = tokio::join!(promise, tokio::time::timeout_at(grace, &mut begin));
        let begun = match begun {
            Ok(Ok(None)) if !matches!(promised, Some(Ok(_))) => {
                return tracing::info!(id = self.heard.id, "this interaction was taken before");
            }
            begun => {
                match promised {
                    Some(promised) => self.promised(promised).await,
                    None if begun.is_err() => self.defer().await,
                    None => {}
                }
                match begun {
                    Ok(begun) => begun,
                    Err(_) => {
                        self.keep_message().await;
                        begin.await
                    }
                }
            }
        };
        let mut replies = match begun {
            Ok(Some(replies)) => replies,
            Ok(None) => {
                let text = "This was taken before Deckhand was restarted, and is not done twice. `/audit` shows what was done.";
                return self.show(Reply::say(text), None).await;
            }
            Err(error) => {
                tracing::error!("an interaction can not be noted down, so it was not taken: {error:#}");
                let text = "Deckhand can not write down what it is asked, so nothing was done. Its disk may be full: tell the operator.";
                return self.show(Reply::refuse(text).outcome(Outcome::Broken), None).await;
            }
        };
        loop {
            let next = match self.standing {
                Standing::Nowhere => match tokio::time::timeout_at(grace, replies.recv()).await {
                    Ok(next) => next,
                    Err(_) => {
                        self.defer().await;
                        continue;
                    }
                },
                Standing::Own { .. } => replies.recv().await,
                _ if self.message.is_some() => match tokio::time::timeout_at(grace, replies.recv()).await {
                    Ok(next) => next,
                    Err(_) => {
                        self.keep_message().await;
                        continue;
                    }
                },
                _ => match tokio::time::timeout_at(self.over, replies.recv()).await {
                    Ok(next) => next,
                    Err(_) => {
                        self.hand_over().await;
                        continue;
                    }
                },
            };
            let Some(mut reply) = next else { return };
            let rest = self.discord.rest.clone();
            let place = self.place(&rest).await;
            // Only the latest state is worth a request.
            while let Ok(later) = replies.try_recv() {
                reply = later;
            }
            let last = reply.state == State::Final;
            self.show(reply, place).await;
            if last {
                return;
            }
        }
    }

    /// Waits until the next edit could be sent.
    async fn place<'a>(&self, rest: &'a Rest) -> Option<Ready<'a>> {
        match self.path() {
            Some(path) => Some(rest.ready(&Method::PATCH, &path).await),
            None => None,
        }
    }

    /// Acknowledges without an answer yet.
    async fn defer(&mut self) {
        let promised = self.promise().await;
        self.promised(promised).await;
        self.keep_message().await;
    }

    /// Notes down which message answers. A quick answer spares the wait for the disk: its own note says that, too.
    async fn keep_message(&mut self) {
        if let Some(message) = self.message.take() {
            self.keep(|taken| taken.message = Some(message)).await;
        }
    }

    /// Promises Discord an answer; returns the message that it will stand in, where a record of it is kept.
    async fn promise(&self) -> Result<Option<String>, RestError> {
        let kind = if self.in_place { Callback::UpdateLater } else { Callback::Later };
        self.call_back(kind, (Value::Null, Vec::new())).await
    }

    async fn promised(&mut self, promised: Result<Option<String>, RestError>) {
        match promised {
            Ok(message) => {
                self.standing = Standing::Original { only_you: false, theirs: self.in_place };
                self.message = message;
            }
            Err(error) => self.lost(error).await,
        }
    }

    /// Shows a state of the answer, wherever it stands, and makes sure of the last one.
    async fn show(&mut self, reply: Reply, place: Option<Ready<'_>>) {
        let shown = match self.standing.clone() {
            Standing::Nowhere => self.acknowledge(&reply).await,
            Standing::Original { only_you, theirs } if theirs && only_you != reply.only_you => {
                drop(place);
                self.follow_up(&reply).await
            }
            Standing::Original { only_you, .. } | Standing::FollowUp { only_you, .. } if only_you != reply.only_you => {
                drop(place);
                // Who sees a message can not be changed: another takes its place.
                self.remove().await;
                self.follow_up(&reply).await
            }
            _ => self.edit(&reply, place).await,
        };
        let shown = match shown {
            Err(RestError::Refused { status: 404 | 401, .. }) => self.go_on(&self.heard.channel.clone(), &reply).await,
            Err(RestError::Refused { status, code, message }) => {
                tracing::error!(status, code, "Discord refuses an answer: {message}");
                self.show_plainly(&reply).await
            }
            shown => shown,
        };
        if shown.is_ok() {
            self.ring(&reply).await;
        }
        self.note(&reply, shown).await;
        self.shown = Some(reply);
    }

    /// Calls those whom the answer calls and no new message has: Discord lets no device ring for what is edited, which the
    /// content of a promised answer is, too.
    async fn ring(&mut self, reply: &Reply) {
        let calls: Vec<_> = reply.calls.iter().filter(|name| !self.rung.contains(*name)).cloned().collect();
        if calls.is_empty() || reply.only_you {
            return;
        }
        self.rung.extend(calls.iter().cloned());
        let call = super::call(calls);
        let rung = match &self.standing {
            Standing::Own { channel, .. } => {
                let nonce = format!("{}-r{}", self.heard.id, self.rung.len());
                self.discord.say(channel, &call, &nonce).await.map(drop)
            }
            _ => {
                let Message { body, .. } = self.discord.rendered(&call).await;
                let path = format!("/webhooks/{}/{}?wait=true", self.discord.settings.application, self.heard.token);
                self.discord.rest.call(Request::new(Method::POST, path).body(body)).await.map(drop)
            }
        };
        if let Err(error) = rung {
            tracing::warn!("nobody is called: {:?}", PostError::from(error));
        }
    }

    /// Keeps what a restart needs; a last word that Discord could not take goes to the outbox.
    async fn note(&mut self, reply: &Reply, shown: Result<(), RestError>) {
        let last = reply.state == State::Final;
        let message = self.message.take();
        let told = match shown {
            Ok(()) => last,
            Err(error) => {
                tracing::warn!("an answer can not be shown: {:?}", PostError::from(error));
                if last && self.kept && !reply.only_you {
                    self.stage(reply.clone()).await;
                }
                false
            }
        };
        if !self.kept {
            return;
        }
        if let Some(message) = message {
            self.keep(|taken| (taken.told, taken.message) = (told, Some(message))).await;
        } else if told {
            noted(self.discord.records.told(&self.heard.id).await);
        }
    }

    async fn stage(&self, reply: Reply) {
        let Heard { id, channel, .. } = &self.heard;
        let place = Place { platform: NAME.to_owned(), channel: channel.clone(), message: id.clone() };
        let mut batch = Batch::default();
        let staged = outbox::stage(&mut batch, &Outgoing::edit(self.discord.records.now(), place, reply));
        let committed = match staged {
            Ok(()) => self.discord.records.store().commit(batch).await.map(drop).map_err(anyhow::Error::from),
            Err(error) => Err(error),
        };
        if let Err(error) = committed {
            tracing::error!("an answer can not be kept for later: {error:#}");
        }
    }

    /// The first answer is the acknowledgement.
    async fn acknowledge(&mut self, reply: &Reply) -> Result<(), RestError> {
        let Message { mut body, files } = self.discord.rendered(reply).await;
        let theirs = self.in_place && !reply.only_you;
        if reply.only_you {
            body["flags"] = EPHEMERAL.into();
        }
        self.message = self.call_back(if theirs { Callback::Update } else { Callback::Message }, (body, files)).await?;
        if !theirs {
            self.rung.extend(reply.calls.iter().cloned());
        }
        self.standing = Standing::Original { only_you: reply.only_you, theirs };
        Ok(())
    }

    /// Answers the interaction, and returns the id of the message that answers, where a record of it is kept.
    async fn call_back(&self, kind: Callback, data: (Value, Vec<super::Upload>)) -> Result<Option<String>, RestError> {
        let Heard { id, token, .. } = &self.heard;
        let answer = self.discord.call_back(id, token, kind, data, self.kept).await?;
        // The id of a message that is still to be filled stands here alone.
        let message = answer.pointer("/interaction/response_message_id").and_then(Value::as_str);
        Ok(message.filter(|_| self.kept).map(str::to_owned))
    }

    async fn edit(&self, reply: &Reply, place: Option<Ready<'_>>) -> Result<(), RestError> {
        let Some(path) = self.path() else { return Ok(()) };
        let Message { body, files } = self.discord.rendered(reply).await;
        let request = Request::new(Method::PATCH, path).body(body).files(files);
        let edited = match place {
            Some(place) => place.call(request).await,
            None => self.discord.rest.call(request).await,
        };
        edited.map(drop)
    }

    async fn follow_up(&mut self, reply: &Reply) -> Result<(), RestError> {
        let Message { mut body, files } = self.discord.rendered(reply).await;
        if reply.only_you {
            body["flags"] = EPHEMERAL.into();
        }
        let path = format!("/webhooks/{}/{}?wait=true", self.discord.settings.application, self.heard.token);
        let posted = self.discord.rest.call(Request::new(Method::POST, path).body(body).files(files)).await?;
        self.rung.extend(reply.calls.iter().cloned());
        let id = posted["id"].as_str().unwrap_or_default().to_owned();
        if !reply.only_you && self.kept {
            self.keep(|taken| taken.message = Some(id.clone())).await;
        }
        self.standing = Standing::FollowUp { id, only_you: reply.only_you };
        Ok(())
    }

    /// Takes away the message that the answer stands in.
    async fn remove(&mut self) {
        self.message = None;
        let Some(path) = self.path() else { return };
        if let Err(error) = self.discord.rest.call(Request::new(Method::DELETE, path)).await {
            tracing::warn!("a message can not be taken away: {:?}", PostError::from(error));
        }
    }

    fn path(&self) -> Option<String> {
        let webhook = format!("/webhooks/{}/{}/messages", self.discord.settings.application, self.heard.token);
        match &self.standing {
            Standing::Nowhere => None,
            Standing::Original { .. } => Some(format!("{webhook}/@original")),
            Standing::FollowUp { id, .. } => Some(format!("{webhook}/{id}")),
            Standing::Own { channel, id } => Some(format!("/channels/{channel}/messages/{id}")),
        }
    }

    /// The acknowledgement came too late, or found nobody: the answer will stand in a message of the bot's own.
    async fn lost(&mut self, error: RestError) {
        tracing::warn!("an interaction can not be acknowledged: {:?}", PostError::from(error));
        if let Err(error) = self.go_on(&self.heard.channel.clone(), &working()).await {
            tracing::warn!("nor can a message of its own be posted: {:?}", PostError::from(error));
        }
    }

    /// Goes on in a new message of `channel`: the old one is gone, or its token is over.
    async fn go_on(&mut self, channel: &str, reply: &Reply) -> Result<(), RestError> {
        self.begun += 1;
        self.message = None;
        let nonce = format!("{}-{}", self.heard.id, self.begun);
        let (channel, id) = self.discord.say_somewhere(channel, &self.heard.speaker.id, reply, &nonce).await?;
        self.rung.extend(reply.calls.iter().cloned());
        if self.kept {
            let (channel, id) = (channel.clone(), id.clone());
            self.keep(move |taken| taken.moved(channel, id)).await;
        }
        self.standing = Standing::Own { channel, id };
        Ok(())
    }

    /// The token is nearly over: the story goes on in a message of the bot's own, in a thread under the old one, which says
    /// where.
    async fn hand_over(&mut self) {
        let story = self.shown.clone().unwrap_or_else(working);
        let old = self.path();
        let room = self.thread(&story).await.unwrap_or_else(|| self.heard.channel.clone());
        if let Err(error) = self.go_on(&room, &story).await {
            tracing::warn!("an answer can not go on in a message of its own: {:?}", PostError::from(error));
            // The token may still do for a moment; what comes is shown with it, or goes to the outbox.
            self.over += Duration::from_secs(20);
            return;
        }
        let (Standing::Own { channel, id }, Some(old)) = (&self.standing, old) else { return };
        let text = match self.heard.guild.as_deref().filter(|_| channel == leaf(&room)) {
            Some(guild) => format!("It goes on here: https://discord.com/channels/{guild}/{channel}/{id}"),
            None => "It goes on in a private message to whoever asked: Deckhand may not write here.".to_owned(),
        };
        let body = json!({ "content": text, "embeds": [], "components": [], "allowed_mentions": { "parse": [] } });
        if let Err(error) = self.discord.rest.call(Request::new(Method::PATCH, old).body(body)).await {
            tracing::warn!("the old message can not point to the new one: {:?}", PostError::from(error));
        }
    }

    /// A thread under the message where the story began; nothing where none can be, as in a thread.
    async fn thread(&self, story: &Reply) -> Option<String> {
        let Heard { id, channel, .. } = &self.heard;
        if story.only_you || !self.kept || channel.contains('/') {
            return None;
        }
        let place = Place { platform: NAME.to_owned(), channel: channel.clone(), message: id.clone() };
        let title = story.card.as_ref().map_or("A long story", |card| card.title.as_str());
        let opened = self.discord.open_thread(&place, title).await;
        opened.inspect_err(|error| tracing::info!("no thread can be opened: {error:?}")).ok()
    }

    /// Discord did not take the message as it was drawn: its bare words, so that nobody is left without an answer.
    async fn show_plainly(&mut self, reply: &Reply) -> Result<(), RestError> {
        let title = reply.card.as_ref().map(|card| format!("{}: ", card.title)).unwrap_or_default();
        let plain = Reply {
            text: format!("{title}{}\nDiscord did not take all of this answer.", reply.text),
            buttons: reply.buttons.clone(),
            only_you: reply.only_you,
            state: reply.state,
            outcome: reply.outcome,
            ..Reply::default()
        };
        match self.standing {
            Standing::Nowhere => self.acknowledge(&plain).await,
            _ => self.edit(&plain, None).await,
        }
    }

    async fn keep(&self, change: impl FnOnce(&mut Taken)) {
        noted(self.discord.records.change(&self.heard.id, change).await);
    }
}

fn noted(noted: anyhow::Result<()>) {
    if let Err(error) = noted {
        tracing::warn!("where an answer stands can not be noted down: {error:#}");
    }
}

/// What is shown where nothing is known yet.
fn working() -> Reply {
    let card = Reply::card(Tone::Working, "Working", "This is being done; the answer comes here.");
    Reply { state: State::Progress, ..card }
}
