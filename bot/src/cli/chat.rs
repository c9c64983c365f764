//! `deckhand chat`: a terminal to the running bot, with line editing, history and completion.

use super::Placed;
use super::client::Client;
use super::hidden;
use super::render::Screen;
use super::say_line;
use anyhow::Result;
use commands::parse::quote;
use commands::reply::{Input, Reply};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};
use std::sync::Arc;
use tokio::runtime::Handle;

/// A terminal to the running bot.
#[derive(clap::Args)]
pub struct Chat {
    /// As whom
    #[arg(long = "as", value_name = "NAME")]
    person: Option<String>,
    /// In which channel
    #[arg(long = "in", value_name = "CHANNEL")]
    channel: Option<String>,
}

/// Asks the running bot what can be typed next.
struct Live {
    client: Arc<Client>,
    person: Option<String>,
    channel: String,
    runtime: Handle,
}

impl Helper for Live {}
impl Highlighter for Live {}
impl Validator for Live {}
impl Hinter for Live {
    type Hint = String;
}

impl Completer for Live {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        // A command needs no slash on a terminal; the bot wants to see one.
        let slash = if line.starts_with('/') { "" } else { "/" };
        let typed = format!("{slash}{}", &line[..at]);
        let asked = self.client.complete(&typed, typed.chars().count(), self.person.as_deref(), &self.channel);
        // Nothing to offer is all that a lost bot means here; the next line says that it is lost.
        let answer = self.runtime.block_on(asked).unwrap_or_default();
        let suggestions = answer["suggestions"].as_array().cloned().unwrap_or_default();
        let pair = |suggestion: &serde_json::Value| {
            let line = suggestion["line"].as_str()?.strip_prefix(slash)?.to_owned();
            let (label, about) = (suggestion["label"].as_str()?, suggestion["about"].as_str().unwrap_or_default());
            let display = if about.is_empty() { label.to_owned() } else { format!("{label}  – {about}") };
            Some(Pair { display, replacement: line })
        };
        Ok((0, suggestions.iter().filter_map(pair).collect()))
    }
}

pub(super) async fn chat(place: &Placed, chat: Chat) -> Result<u8> {
    let config = place.config();
    let data = place.data(config.as_ref().map(|(config, _)| config))?;
    let client = Arc::new(Client::at(&data)?);
    let session = client.session().await?;
    let first = |key: &str| session[key].as_str().or(session[key][0].as_str()).unwrap_or_default().to_owned();
    let person = chat.person.unwrap_or_else(|| first("person"));
    let channel = chat.channel.unwrap_or_else(|| first("channels"));
    say_line(format_args!(
        "You are {person} in #{channel}. `help` shows what you can say; Tab completes; Ctrl-D leaves."
    ));
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || talk(&client, &person, channel, &runtime, &data.join("history"))).await?
}

/// The line of the reply's first button with a form, once that is filled in; nothing where there is none, or something
/// was left empty.
fn fill(reply: &Reply, editor: &mut Editor<Live, FileHistory>) -> Result<Option<String>> {
    let mut buttons = reply.buttons.iter().filter_map(|button| Some((button, button.form.as_ref()?)));
    let Some((button, form)) = buttons.next() else { return Ok(None) };
    let mut line = button.line.clone();
    for Input { name, label, hint, value, secret, .. } in &form.inputs {
        let hint = if hint.is_empty() { String::new() } else { format!(" ({hint})") };
        let question = format!("{}: {label}{hint}, or nothing: ", button.label);
        let given = match secret {
            true => hidden::ask(&question)?,
            false => match editor.readline_with_initial(&question, (value, "")) {
                Ok(given) if !given.trim().is_empty() => Some(given),
                Ok(_) | Err(ReadlineError::Interrupted | ReadlineError::Eof) => None,
                Err(error) => return Err(error.into()),
            },
        };
        let Some(given) = given else { return Ok(None) };
        line = format!("{line} {name}:{}", quote(&given));
    }
    Ok(Some(line))
}

/// Reads lines until there are no more. It blocks, as line editing does, on a thread of its own.
fn talk(
    client: &Arc<Client>,
    person: &str,
    channel: String,
    runtime: &Handle,
    history: &std::path::Path,
) -> Result<u8> {
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(true).build();
    let mut editor: Editor<Live, FileHistory> = Editor::with_config(config)?;
    editor.set_helper(Some(Live {
        client: client.clone(),
        person: Some(person.to_owned()),
        channel: channel.clone(),
        runtime: runtime.clone(),
    }));
    // The first time there is no history.
    let _ = editor.load_history(history);
    loop {
        match editor.readline(&format!("{person} #{channel} › ")) {
            Ok(line) if line.trim().is_empty() => {}
            Ok(line) => {
                let mut next = Some(line);
                while let Some(line) = next.take() {
                    let mut screen = Screen::default();
                    let said = client.say(&line, Some(person), Some(&channel), |reply| screen.show(reply));
                    match runtime.block_on(said) {
                        Ok(reply) => next = fill(&reply, &mut editor)?,
                        Err(error) => eprintln!("{error:#}"),
                    }
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        }
    }
    // A history that can not be kept is missed, and does no harm.
    let _ = editor.save_history(history);
    Ok(0)
}
