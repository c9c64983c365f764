//! What channels are called: one name, over all platforms.

use crate::ids::Ids;
use crate::{Section, names};
use std::collections::BTreeMap;

/// The id of a channel on each platform, by the platform's name.
pub(crate) fn read(top: &Section) -> BTreeMap<String, BTreeMap<String, String>> {
    let (mut rooms, mut ids) = (BTreeMap::new(), Ids::of("channel"));
    for (name, section) in top.tables("channels") {
        if let Some(mistake) = names::mistake("a channel", &name) {
            section.problem_at_start(mistake);
        }
        rooms.insert(name.clone(), ids.read(&section, None, &name));
    }
    rooms
}
