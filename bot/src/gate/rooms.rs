//! What a channel is called: one name on every platform, by ids that do not change.

use commands::ledger::Place;
use config::Config;
use std::collections::HashMap;

/// The channels that the config names.
#[derive(Debug, Default)]
pub struct Rooms(HashMap<(String, String), String>);

impl Rooms {
    /// The config's channels.
    pub fn new(config: &Config) -> Rooms {
        let ids =
            config.rooms.iter().flat_map(|(name, ids)| ids.iter().map(move |(platform, id)| (name, platform, id)));
        Rooms(ids.map(|(name, platform, id)| ((platform.clone(), id.clone()), name.clone())).collect())
    }

    /// The channel that policy knows: by the config's name for it, else by its id. A thread belongs to the channel that
    /// it hangs under.
    pub fn name<'a>(&'a self, place: &'a Place) -> &'a str {
        let channel = place.channel.split('/').next().unwrap_or(&place.channel);
        self.0.get(&(place.platform.clone(), channel.to_owned())).map_or(channel, String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_known_by_its_id_on_its_own_platform_and_a_thread_by_its_channel() {
        let text = "[channels.ops]\ndiscord = \"501\"\nirc = \"#ops\"\n";
        let (config, problems) = config::parse(text, "deckhand.toml", std::path::Path::new("/srv"), &|_| None);
        assert!(problems.is_empty(), "{problems}");
        let rooms = Rooms::new(&config);
        for (platform, channel, name) in [
            ("discord", "501", "ops"),
            ("discord", "501/77", "ops"),
            ("irc", "#ops", "ops"),
            ("irc", "501", "501"),
            ("discord", "502", "502"),
            ("discord", "5", "5"),
            ("console", "ops", "ops"),
            ("console", "ops/00", "ops"),
        ] {
            let place = Place { platform: platform.to_owned(), channel: channel.to_owned(), message: "1".to_owned() };
            assert_eq!(rooms.name(&place), name, "{platform} {channel}");
        }
    }
}
