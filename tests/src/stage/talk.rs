//! What people say to each other on the stage, so that lines can be about it: `ben has written in #ops: it is down, with
//! pool.png`, `ben has edited chat-1: it is up` (or, told late: `edited chat-1, 3 seconds ago: …`) and `ben has deleted chat-1`.

use super::world::World;
use anyhow::{Context, Result};
use bot::gate::Bot;
use bytes::Bytes;
use chrono::TimeDelta;
use commands::ledger::Place;
use commands::message::{Attachment, MESSAGES, Message};
use commands::store::Batch;

/// The files that people have at hand: what is in them, where anything is, and how large they say that they are.
const FILES: [(&str, Option<&[u8]>, u64); 4] = [
    ("pool.png", Some(b"\x89PNG\r\n\x1a\n"), 8),
    ("app.log", Some(b"the pool is exhausted\n"), 22),
    ("heap.bin", None, 40 * 1024 * 1024),
    ("gone.txt", None, 3),
];

/// Follows a direction about what people say; false where it is about something else.
///
/// # Errors
/// When the store can not be used.
pub async fn direct(direction: &str, bot: &Bot, world: &World) -> Result<bool> {
    let Some((who, what)) = direction.split_once(" has ") else { return Ok(false) };
    if let Some((name, says)) = what.strip_prefix("edited ").and_then(|rest| rest.split_once(": ")) {
        let (name, ago) = name.split_once(", ").unwrap_or((name, "0 seconds ago"));
        let ago = ago.strip_suffix(" seconds ago").context("when was it edited?")?.parse()?;
        bot.revised(name, Some(says), bot.world.ports.clock.now() - TimeDelta::seconds(ago)).await;
        return Ok(true);
    }
    if let Some(name) = what.strip_prefix("deleted ") {
        bot.revised(name, None, bot.world.ports.clock.now()).await;
        return Ok(true);
    }
    let Some((channel, said)) = what.strip_prefix("written in #").and_then(|rest| rest.split_once(": ")) else {
        return Ok(false);
    };
    let (text, files) = said.rsplit_once(", with ").unwrap_or((said, ""));
    let named = files.split(" and ").filter(|name| !name.is_empty());
    let attachments = named.map(|name| {
        let (_, bytes, size) = FILES.iter().find(|(known, ..)| *known == name).context("nobody has this file")?;
        let url = format!("https://cdn.example/{name}");
        world.serve(&url, bytes.map(Bytes::from_static));
        anyhow::Ok(Attachment { name: name.to_owned(), size: *size, url })
    });
    let (store, now) = (&*bot.world.ports.store, bot.world.ports.clock.now());
    let number = MESSAGES.scan(store, "chat-", usize::MAX).await?.len() + 1;
    let message = Message {
        place: Place { platform: "chat".to_owned(), channel: channel.to_owned(), message: number.to_string() },
        at: now,
        who: who.to_owned(),
        called: who.to_owned(),
        text: text.replace(" / ", "\n"),
        link: Some(format!("https://chat.example/{number}")),
        attachments: attachments.collect::<Result<_>>()?,
        followed: true,
        edited: None,
        deleted: None,
        asked_by: None,
        heard: now,
    };
    let mut batch = Batch::default();
    MESSAGES.put_in(&mut batch, message.name(), &message)?;
    bot.world.store.commit(batch).await.map_err(anyhow::Error::from)?;
    Ok(true)
}
