//! `deckhand say`: one line, its answer, and an exit status that a script can use.

use super::Placed;
use super::client::Client;
use super::render::Screen;
use super::say_line;
use anyhow::Result;
use commands::reply::{Outcome, Reply};

/// Say one line to the running bot.
#[derive(clap::Args)]
pub struct Say {
    /// As whom
    #[arg(long = "as", value_name = "NAME")]
    person: Option<String>,
    /// In which channel
    #[arg(long = "in", value_name = "CHANNEL")]
    channel: Option<String>,
    /// Print each reply as a line of JSON
    #[arg(long)]
    json: bool,
    /// The line, with or without its slash
    #[arg(required = true, trailing_var_arg = true)]
    line: Vec<String>,
}

pub(super) async fn say(place: &Placed, say: Say) -> Result<u8> {
    let client = Client::find(place)?;
    let line = match &say.line[..] {
        [line] => line.clone(),
        // The shell has taken the quotation marks away that kept a word together.
        words => words.iter().map(|word| requoted(word)).collect::<Vec<_>>().join(" "),
    };
    let mut screen = Screen::default();
    let hear = |reply: &Reply| {
        if say.json {
            say_line(format_args!("{}", json(reply)));
        } else {
            screen.show(reply);
        }
    };
    let last = client.say(&line, say.person.as_deref(), say.channel.as_deref(), hear).await?;
    Ok(match last.outcome {
        Outcome::Done => 0,
        Outcome::Refused => 1,
        Outcome::Broken => 2,
    })
}

fn requoted(word: &str) -> String {
    match word.split_once(':') {
        Some((name, value)) if value.contains(char::is_whitespace) => {
            format!("{name}:{}", commands::parse::quote(value))
        }
        _ if word.contains(char::is_whitespace) => commands::parse::quote(word),
        _ => word.to_owned(),
    }
}

/// The reply as scripts read it: every key that they may rely on is always there.
fn json(reply: &Reply) -> serde_json::Value {
    let mut json = serde_json::to_value(reply).unwrap_or_default();
    let always = [
        ("card", serde_json::Value::Null),
        ("fields", serde_json::json!([])),
        ("buttons", serde_json::json!([])),
        ("files", serde_json::json!([])),
    ];
    if let Some(object) = json.as_object_mut() {
        for (key, empty) in always {
            object.entry(key).or_insert(empty);
        }
    }
    json
}
