//! The console: a page and a terminal client on one local API, with the same commands, policy and ledger as any chat.

mod http;
pub mod messages;
mod page;
pub mod session;
mod visits;

pub use http::router;

use super::{Platform, PostError};
use crate::gate::people::{CONSOLE, Speaker};
use crate::gate::{Ask, Bot, Said};
use crate::world::Folder;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::cx::Who;
use commands::ledger::Place;
use commands::parse;
use commands::reply::{Reply, State};
use messages::{Message, Messages};
use session::Doors;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The longest message of a person, in characters: twice the longest command, so that the parser has the word on those.
const LONGEST_MESSAGE: usize = 4_000;

/// The console at work.
pub struct Console {
    bot: Arc<Bot>,
    messages: Arc<Messages>,
    doors: Doors,
    files: Arc<Folder>,
    settings: Settings,
}

/// What the console is made with.
pub struct Settings {
    /// Where it listens: the only names that a browser may know it by are this address's, and that of `public`.
    pub listen: SocketAddr,
    /// The address that people reach it by, where a proxy stands before it.
    pub public: Option<String>,
    /// The people that it may speak as; the first is the one it begins with.
    pub people: Vec<String>,
    /// Its channels.
    pub channels: Vec<String>,
    /// The demo's folder of environments, which are served as pages.
    pub demo: Option<PathBuf>,
    /// The environments that the demo serves.
    pub links: Vec<String>,
}

/// Why the console did not take what was said.
#[derive(Debug)]
pub enum Unheard {
    /// The asker can mend it.
    Mistake(String),
    /// Something does not work.
    Broken(anyhow::Error),
}

impl From<anyhow::Error> for Unheard {
    fn from(error: anyhow::Error) -> Unheard {
        Unheard::Broken(error)
    }
}

impl Console {
    /// A console in front of this bot.
    pub fn new(
        bot: Arc<Bot>,
        messages: Arc<Messages>,
        doors: Doors,
        files: Arc<Folder>,
        settings: Settings,
    ) -> Arc<Console> {
        Arc::new(Console { bot, messages, doors, files, settings })
    }

    /// The address that signs a browser in, once.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn first_link(&self) -> anyhow::Result<String> {
        Ok(self.link(&self.doors.link(None)?))
    }

    /// The address that signs a browser in with this word.
    fn link(&self, word: &str) -> String {
        let own = || format!("http://{}", self.settings.listen);
        format!("{}/signin?word={word}", self.settings.public.clone().unwrap_or_else(own))
    }

    /// Says a line as this person in this channel, and waits until it is answered: for what the demo does by itself.
    ///
    /// # Errors
    /// As what anybody says.
    pub async fn hear_stagehand(&self, (person, channel): (&str, &str), line: String) -> Result<(), Unheard> {
        let mut replies = self.hear(Said::Line(line), &self.bot.people.named(person), channel).await?;
        while replies.recv().await.is_some() {}
        Ok(())
    }

    /// Who speaks as `name`; the first of the console's people without one.
    fn person(&self, name: Option<&str>) -> Result<Who, Unheard> {
        let people = &self.settings.people;
        let Some(name) = name.or(people.first().map(String::as_str)) else {
            return Err(Unheard::Mistake(
                "The config names no people, so nobody can speak here. Add one under `[people.NAME]`.".to_owned(),
            ));
        };
        if !people.iter().any(|person| person == name) {
            let name = commands::text::code(name);
            return Err(Unheard::Mistake(format!(
                "Nobody speaks as {name} here. Write one of {}.",
                commands::text::list(people)
            )));
        }
        Ok(self.bot.people.named(name))
    }

    /// Whether there is such a channel, or such a thread in one.
    async fn check_channel(&self, channel: &str) -> Result<(), Unheard> {
        let exists = match channel.split_once('/') {
            Some((parent, root)) => self.is_channel(parent) && self.messages.get(parent, root).await?.is_some(),
            None => self.is_channel(channel),
        };
        if exists {
            return Ok(());
        }
        let wrong = commands::text::code(channel);
        Err(Unheard::Mistake(format!(
            "There is no channel {wrong}. Write one of {}.",
            commands::text::list(&self.settings.channels)
        )))
    }

    fn is_channel(&self, name: &str) -> bool {
        self.settings.channels.iter().any(|channel| channel == name)
    }

    /// Takes what somebody says in a channel, shows it there, and shows the answers as they come; they are handed back
    /// too. What is no command is answered by nobody.
    async fn hear(&self, said: Said, who: &Who, channel: &str) -> Result<mpsc::UnboundedReceiver<Reply>, Unheard> {
        self.check_channel(channel).await?;
        if let Said::Line(text) = &said
            && text.chars().count() > LONGEST_MESSAGE
        {
            let length = text.chars().count();
            let what = format!(
                "This has {length} characters; {LONGEST_MESSAGE} is the most. Nothing was said. Say it shorter."
            );
            return Err(Unheard::Mistake(what));
        }
        let mut line = self.messages.draft(channel, &who.name);
        line.text = Some(self.bot.shown(&said).await?);
        let (sender, replies) = mpsc::unbounded_channel();
        if let Said::Line(text) = &said
            && parse::command_in(text).is_none()
        {
            self.messages.keep(&line).await?;
            return Ok(replies);
        }
        let mut answer = self.messages.draft(channel, "deckhand");
        answer.answers = Some(line.id.clone());
        self.messages.ask(&line, &answer).await?;
        let speaker = Speaker::console(&who.name);
        let place = Place { message: answer.id.clone(), ..place(channel) };
        let mut answers = self.bot.ask(Ask { said, speaker, place });
        let (messages, asker) = (self.messages.clone(), who.name.clone());
        // The bot waits for it when it stops: the last word of a call is kept, too.
        self.bot.spawn(async move {
            while let Some(reply) = answers.recv().await {
                if let Err(error) = messages.show(&mut answer, reply.clone(), &asker).await {
                    tracing::error!("a message can not be kept: {error:#}");
                }
                // The asker may have gone; the channel still shows it.
                let _ = sender.send(reply);
            }
        });
        Ok(replies)
    }
}

/// A channel of the console.
fn place(channel: &str) -> Place {
    Place { platform: CONSOLE.to_owned(), channel: channel.to_owned(), message: String::new() }
}

/// The console's messages as a platform: what Deckhand says there without being asked.
pub struct Board(pub Arc<Messages>);

#[async_trait]
impl Platform for Board {
    fn name(&self) -> &str {
        CONSOLE
    }

    async fn post(&self, channel: &str, reply: &Reply, once: &str) -> Result<String, PostError> {
        if self.0.get(channel, once).await.map_err(PostError::Away)?.is_some() {
            return Ok(once.to_owned());
        }
        if let Some((above, root)) = channel.split_once('/')
            && self.0.get(above, root).await.map_err(PostError::Away)?.is_none()
        {
            return Err(PostError::Refused(anyhow::anyhow!("the message of this thread is gone")));
        }
        let mut message = self.0.draft(channel, "deckhand");
        once.clone_into(&mut message.id);
        message.reply = Some(Reply { state: State::Final, ..reply.clone() });
        self.0.keep(&message).await.map_err(PostError::Away)?;
        Ok(message.id)
    }

    async fn edit(&self, place: &Place, reply: &Reply) -> Result<(), PostError> {
        let Place { channel, message: id, .. } = place;
        let found = self.0.get(channel, id).await.map_err(PostError::Away)?;
        let edited = found.is_some();
        // Where a kill came before it was shown, it is still as it was begun.
        let begun = self.0.begun(channel, id).await.map_err(PostError::Away)?;
        let draft = || Message { id: id.clone(), ..self.0.draft(channel, "deckhand") };
        let message = Message { reply: Some(reply.clone()), edited, ..found.or(begun).unwrap_or_else(draft) };
        self.0.keep(&message).await.map_err(PostError::Away)
    }

    async fn unanswered(&self) -> anyhow::Result<Vec<(Place, DateTime<Utc>)>> {
        let place = |channel, message| Place { platform: CONSOLE.to_owned(), channel, message };
        let unanswered = self.0.unanswered().await?;
        Ok(unanswered.into_iter().map(|message| (place(message.channel, message.id), message.at)).collect())
    }

    async fn open_thread(&self, place: &Place, _title: &str) -> Result<String, PostError> {
        Ok(format!("{}/{}", place.channel, place.message))
    }
}
