//! `deckhand enroll`: one-time codes for somebody, set up on the server, whatever they had before.

use super::Placed;
use super::client::{Client, Mistaken};
use super::hidden;
use super::say_line;
use anyhow::Result;
use serde_json::{Value, json};

/// Set up somebody's one-time codes with the running bot, in place of those that they had.
#[derive(clap::Args)]
pub struct Enroll {
    /// Whose: a person of the config, or as in discord:4711
    person: String,
}

pub(super) async fn enroll(place: &Placed, Enroll { person }: Enroll) -> Result<u8> {
    let client = Client::find(place)?;
    let offer: Value = client.post("/api/enroll", &json!({ "person": person })).await?.json().await?;
    let shown = |key: &str| offer[key].as_str().unwrap_or_default().to_owned();
    say_line(format_args!(
        "The new secret for one-time codes of {person}. It is shown this once; give it to their app:\n\n    {}\n    {}\n",
        shown("secret"),
        shown("url")
    ));
    loop {
        let Some(code) = hidden::ask("The first code that the app shows (nothing to leave all as it was): ")? else {
            say_line("Nothing was changed.");
            return Ok(1);
        };
        match client.post("/api/enroll", &json!({ "person": person, "code": code })).await {
            Ok(_) => {
                say_line(format_args!("Deckhand takes one-time codes of it from {person} from now on, each once."));
                return Ok(0);
            }
            Err(error) if error.is::<Mistaken>() => say_line(format_args!("{error}")),
            Err(error) => return Err(error),
        }
    }
}
