//! Channels of their own: made beside another channel, found again after a kill, and known as belonging to it.

use super::rest::{Request, RestError};
use super::{Discord, PostError, leaf};
use anyhow::anyhow;
use commands::store::Batch;
use commands::table::Table;
use commands::text;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

/// The channel beside which each was made, by its own id.
const ROOMS: Table<String> = Table::new("discord/rooms/");

/// The most characters of a channel's name, which may have 100: a phone shows fewer.
const LONGEST_NAME: usize = 60;

/// Discord's codes for what stands in the way.
const MOST_CHANNELS: u64 = 30_013;
const MAY_NOT: [u64; 2] = [50_001, 50_013];

/// A channel of a server.
#[derive(Deserialize)]
struct Channel {
    id: String,
    topic: Option<String>,
    parent_id: Option<String>,
    #[serde(default)]
    permission_overwrites: Vec<Value>,
}

impl Discord {
    /// Deckhand's name of a channel, or of a thread in it: one that was made beside another one belongs to that, as a thread
    /// does.
    pub(super) async fn whole(&self, channel: String) -> String {
        let room = channel.split('/').next().unwrap_or(&channel);
        match ROOMS.get(&**self.records.store(), room).await {
            Ok(Some(beside)) => format!("{}/{channel}", beside.value),
            Ok(None) => channel,
            Err(error) => {
                tracing::error!(channel, "whether it was made by Deckhand can not be looked up: {error:#}");
                channel
            }
        }
    }

    /// Makes a channel beside another one, which whoever sees that one sees, too. The key `once` stands in its topic, by which
    /// it is found where it was made before.
    pub(super) async fn make_room(
        &self,
        beside: &str,
        name: &str,
        title: &str,
        once: &str,
    ) -> Result<String, PostError> {
        // One that was made beside a channel is no channel to make others beside.
        let beside = beside.split('/').next().unwrap_or(beside);
        let (guild, channels) = self.neighbours(beside).await?;
        let made = channels.iter().find(|other| other.topic.as_ref().is_some_and(|topic| topic.ends_with(once)));
        let room = match made {
            Some(made) => made.id.clone(),
            None => {
                let model = channels.iter().find(|other| other.id == beside);
                let category = self.settings.rooms.as_ref().or(model.and_then(|model| model.parent_id.as_ref()));
                let body = json!({
                    "name": slug(name),
                    "type": 0,
                    "topic": format!("{} · {once}", text::plain(title)),
                    "parent_id": category,
                    "permission_overwrites": model.map(|model| &model.permission_overwrites),
                });
                let path = format!("/guilds/{guild}/channels");
                let made = self.rest.call(Request::new(Method::POST, path).body(body)).await.map_err(why_not)?;
                made["id"].as_str().unwrap_or_default().to_owned()
            }
        };
        let mut batch = Batch::default();
        ROOMS.put_in(&mut batch, &room, &beside.to_owned()).map_err(PostError::Refused)?;
        self.records.store().commit(batch).await.map_err(|error| PostError::Away(error.into()))?;
        Ok(format!("{beside}/{room}"))
    }

    /// The server that has this channel, and all of its channels.
    async fn neighbours(&self, channel: &str) -> Result<(&str, Vec<Channel>), PostError> {
        for guild in &self.settings.guilds {
            let listed = self.rest.call(Request::new(Method::GET, format!("/guilds/{guild}/channels"))).await?;
            let all: Vec<Channel> = serde_json::from_value(listed)
                .map_err(|error| PostError::Refused(anyhow!("Discord's list of channels can not be read: {error}")))?;
            if all.iter().any(|other| other.id == leaf(channel)) {
                return Ok((guild, all));
            }
        }
        Err(PostError::Refused(anyhow!("no server that is served has the channel {channel}")))
    }
}

/// Why no channel was made, and what to do about it.
fn why_not(error: RestError) -> PostError {
    match error {
        RestError::Refused { code, .. } if MAY_NOT.contains(&code) => PostError::Refused(anyhow!(
            "Deckhand may make none: give its role *Manage Channels*, and all that the channel's own settings give or take"
        )),
        RestError::Refused { code: MOST_CHANNELS, .. } => {
            PostError::Refused(anyhow!("the server has 500 channels, which is the most: delete some"))
        }
        error => error.into(),
    }
}

/// What a channel is called: letters and digits, with `-` between them, as Discord has it.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.to_lowercase().chars() {
        match letter.is_alphanumeric() {
            true => slug.push(letter),
            false if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            false => {}
        }
    }
    let cut: String = slug.chars().take(LONGEST_NAME).collect();
    cut.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn a_channel_is_named_after_its_number_and_title_whatever_they_say() {
        for (title, name) in [
            ("Nobody can pay!", "inc-12-nobody-can-pay"),
            ("<@123> @everyone `rm -rf /`", "inc-12-123-everyone-rm-rf"),
            ("결제가 안 됩니다", "inc-12-결제가-안-됩니다"),
            ("\u{202e}yap\n\n#ops", "inc-12-yap-ops"),
            ("--- ???", "inc-12"),
            (&"x".repeat(10_000), &format!("inc-12-{}", "x".repeat(53))),
        ] {
            assert_eq!(slug(&format!("inc-12 {title}")), name);
        }
    }
}
