//! What people say to each other: "Add to timeline" in the menu of a message, pins, marks, edits and deletions.

use super::{House, Told, id, words};
use bytes::Bytes;
use serde_json::json;

/// Incidents are opened in #ops; deployers may do all about them.
const INCIDENTS: &str = "[incidents]\n[[policy]]\nallow = \"incident *\"\nto = [\"deployer\"]\n";

const LABEL: &str = "Add to timeline";

/// A server with an incident, whose thread is `thread`.
struct Room {
    house: House,
    thread: String,
}

impl Room {
    /// `messages` is what stands in the config about reading messages.
    async fn new(messages: &str) -> Room {
        let house = House::with(&format!("{INCIDENTS}{messages}")).await;
        house.say("ana", "/incident open title:\"nobody can pay\"").await;
        house.pass(3).await;
        house.discord().read();
        let thread = house.thread("Incident #1");
        Room { house, thread }
    }

    fn write(&self, who: &str, text: &str, files: &[(&str, &'static [u8], usize)]) -> String {
        let named: Vec<_> = files.iter().map(|(name, _, size)| (*name, *size)).collect();
        let message = self.house.discord().write(who, &self.thread, text, &named).unwrap();
        self.house.at(|state| {
            let attachments = state.messages[&message].body["attachments"].as_array().cloned().unwrap_or_default();
            for (attachment, (_, bytes, _)) in attachments.iter().zip(files) {
                let gone = bytes.is_empty().then_some(None);
                let url = attachment["url"].as_str().unwrap();
                self.house.stage.world.serve(url, gone.unwrap_or(Some(Bytes::from_static(bytes))));
            }
        });
        message
    }

    async fn choose(&self, who: &str, message: &str) -> Told {
        let asked = self.house.discord().choose_on(who, message, LABEL).unwrap();
        self.house.told(id(&asked)).await
    }

    /// The timeline, as its page shows it.
    async fn timeline(&self) -> String {
        let told = self.house.say_in(&self.thread, "ana", "/incident timeline").await;
        words(told.last())
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_kept_with_its_author_its_time_and_its_files() {
    let room = Room::new("").await;
    let message = room.write(
        "ben",
        "the pool is **exhausted** @everyone\nsee `rm -rf`",
        &[("pool.png", b"\x89PNG\r\n\x1a\n", 8), ("heap.bin", b"x", 40 << 20), ("old.txt", b"", 3)],
    );
    room.house.pass(600).await;
    let told = room.choose("ana", &message).await;
    let says = words(told.last());
    for part in ["ben", "pool is", "heap.bin: it has 40 MB", "old.txt: it is not there any more", "not seen here"] {
        assert!(says.contains(part), "`{says}` does not say {part}");
    }
    assert_eq!(told.last().only, None, "everybody sees what was kept");
    assert_eq!(told.last().body["mention_everyone"], json!(false));
    let again = room.choose("ben", &message).await;
    assert_eq!(again.last().only, Some(room.house.user("ben")));
    assert!(words(again.last()).contains("stands in the timeline of #1 already"));
    let page = room.timeline().await;
    assert!(page.contains("ben") && page.contains("(with 3 files)"), "{page}");
    let entry = says.split("Entry").nth(1).and_then(|rest| rest.split('#').nth(1)).unwrap();
    let entry: String = entry.chars().take_while(char::is_ascii_digit).collect();
    let whole = room.house.say_in(&room.thread, "ana", &format!("/incident timeline entry:{entry}")).await;
    let whole = whole.last().clone();
    let link = format!("https://discord.com/channels/{}/{}/{message}", room.house.discord().guild(), room.thread);
    assert!(words(&whole).contains(&link), "{}", words(&whole));
    assert_eq!(whole.body["attachments"].as_array().map(Vec::len), Some(1), "{}", whole.body);
    room.house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn who_may_not_is_told_so_and_an_empty_message_is_refused() {
    let room = Room::new("").await;
    let message = room.write("ana", "it is down", &[]);
    let told = room.choose("eve", &message).await;
    assert_eq!(told.last().only, Some(room.house.user("eve")));
    let empty = room.write("ben", "  ", &[]);
    assert!(words(room.choose("ana", &empty).await.last()).contains("says nothing that could be kept"));
    assert!(!room.timeline().await.contains("it is down"));
    room.house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_message_forwards_and_what_another_bot_has_drawn_is_kept_too() {
    let room = Room::new("").await;
    let forwarded = room.write("ben", "", &[]);
    let drawn = room.write("ben", "", &[]);
    room.house.at(|state| {
        let messages = &mut state.messages;
        let body = &mut messages.get_mut(&forwarded).unwrap().body;
        body["message_snapshots"] = json!([{ "message": { "content": "I was charged twice", "attachments": [] } }]);
        let body = &mut messages.get_mut(&drawn).unwrap().body;
        body["embeds"] = json!([{ "type": "rich", "title": "Latency", "description": "p99 is 9 s" }]);
    });
    room.choose("ana", &forwarded).await;
    room.choose("ana", &drawn).await;
    let page = room.timeline().await;
    assert!(page.contains("I was charged twice") && page.contains("Latency⏎p99 is 9 s"), "{page}");
    room.house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn it_asks_which_incident_where_several_are_open() {
    let room = Room::new("").await;
    room.house.say("ana", "/incident open title:\"search is slow\" another:yes").await;
    room.house.pass(3).await;
    room.house.discord().read();
    let message = room.house.discord().write("ben", "lounge", "it began at noon", &[]).unwrap();
    let told = room.choose("ana", &message).await;
    assert!(words(told.last()).contains("2 incidents are open"), "{}", words(told.last()));
    room.house.press("ana", &told.last().message.clone(), "#1").await;
    room.house.pass(2).await;
    room.house.discord().read();
    assert!(room.timeline().await.contains("it began at noon"));
    room.house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_a_message_is_followed_where_discord_lets_it_be_read() {
    for (messages, followed) in [("[chat.discord]\nmessages = true\n", true), ("", false)] {
        let room = Room::new(messages).await;
        let message = room.write("ben", "the pool is empty", &[]);
        room.choose("ana", &message).await;
        room.house.discord().rewrite(&message, "the pool is full");
        room.house.pass(1).await;
        let page = room.timeline().await;
        assert_eq!(page.contains("the pool is full (edited)"), followed, "{page}");
        room.house.discord().delete(&message);
        room.house.pass(1).await;
        assert_eq!(room.timeline().await.contains("(deleted there)"), followed);
        room.house.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pin_and_a_mark_keep_a_message_where_an_incident_is_talked_about() {
    let room = Room::new("[chat.discord]\nmessages = true\n").await;
    let discord = room.house.discord();
    let (pinned, marked) = (room.write("ben", "it was v2", &[]), room.write("ben", "the cache is cold", &[]));
    discord.pin("ana", &pinned);
    discord.react("chloe", &marked, "📌");
    discord.react("ana", &marked, "👍");
    let elsewhere = discord.write("ben", "lounge", "lunch?", &[]).unwrap();
    discord.pin("ana", &elsewhere);
    room.house.pass(5).await;
    // A second mark of the same message says nothing new.
    discord.react("ana", &marked, "📌");
    room.house.pass(5).await;
    let seen = discord.read();
    let told: Vec<_> = seen.iter().map(words).filter(|words| words.contains("Entry")).collect();
    assert_eq!(told.len(), 2, "{seen:?}");
    let page = room.timeline().await;
    assert!(page.contains("it was v2") && page.contains("the cache is cold") && !page.contains("lunch"), "{page}");
    room.house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_happened_while_deckhand_was_away_is_caught_up_with_once() {
    let mut room = Room::new("[chat.discord]\nmessages = true\n").await;
    let [edited, gone, taken_out] = ["it was v2", "ignore me", "lunch?"].map(|text| room.write("ben", text, &[]));
    let [pinned, marked, others, shared] =
        ["the cache is cold", "it is DNS", "so it is", "we see it too"].map(|text| room.write("ben", text, &[]));
    for message in [&edited, &gone, &taken_out] {
        room.choose("ana", message).await;
    }
    let line = format!("/incident quote message:discord-{taken_out} remove:yes");
    assert!(words(room.house.say_in(&room.thread, "ana", &line).await.last()).contains("any more"));
    room.house.stage.kill();
    let discord = room.house.discord();
    discord.rewrite(&edited, "it was v3");
    discord.delete(&gone);
    discord.pin("ana", &pinned);
    discord.react("chloe", &marked, "📌");
    discord.react("eve", &others, "📌");
    // Whoever may is heard, whoever else has marked it, and in whatever order Discord names them.
    discord.react("eve", &shared, "📌");
    discord.react("ana", &shared, "📌");
    discord.pin("ana", &taken_out);
    room.house.stage.begin().await.unwrap();
    room.house.pass(10).await;
    room.house.discord().read();
    let page = room.timeline().await;
    for part in ["it was v3 (edited)", "ignore me (deleted there)", "the cache is cold", "it is DNS", "we see it too"] {
        assert!(page.contains(part), "{part} is missing: {page}");
    }
    assert!(!page.contains("lunch?") && !page.contains("so it is"), "{page}");
    let acts = room.house.acts().await;
    room.house.restart().await;
    room.house.pass(10).await;
    assert_eq!(room.house.acts().await, acts, "another start finds nothing new");
    room.house.say_in(&room.thread, "ana", "/incident resolve").await;
    room.house.stage.kill();
    room.house.discord().rewrite(&pinned, "it was the cache");
    room.house.stage.begin().await.unwrap();
    room.house.pass(5).await;
    let page = room.timeline().await;
    assert!(page.contains("it was the cache (edited)"), "{page}");
    room.house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn marks_from_before_an_incident_are_none_of_its_own_whenever_deckhand_starts() {
    let mut house = House::with(&format!("{INCIDENTS}[chat.discord]\nmessages = true\n")).await;
    let discord = house.discord();
    let [pinned, marked] =
        ["last week: v1", "last week: DNS"].map(|text| discord.write("ben", "ops", text, &[]).unwrap());
    discord.pin("ana", &pinned);
    discord.react("ana", &marked, "📌");
    house.say("ana", "/incident open title:\"nobody can pay\"").await;
    house.pass(3).await;
    let acts = house.acts().await;
    house.restart().await;
    house.pass(10).await;
    assert_eq!(house.acts().await, acts);
    // What is marked there now is meant for it.
    house.discord().react("chloe", &marked, "📌");
    house.pass(5).await;
    assert_eq!(house.acts().await, acts + 1);
    house.discord().read();
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_mark_where_no_incident_is_talked_about_asks_discord_nothing() {
    let room = Room::new("[chat.discord]\nmessages = true\n").await;
    let discord = room.house.discord();
    let elsewhere = discord.write("ben", "lounge", "lunch?", &[]).unwrap();
    let before = room.house.at(|state| state.requests.len());
    discord.pin("ana", &elsewhere);
    discord.react("ana", &elsewhere, "📌");
    room.house.pass(3).await;
    assert_eq!(room.house.at(|state| state.requests.len()), before);
    room.house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn in_its_own_thread_an_incident_is_meant_even_once_it_is_over() {
    let room = Room::new("").await;
    room.house.say_in(&room.thread, "ana", "/incident resolve").await;
    room.house.say("ana", "/incident open title:\"search is slow\"").await;
    room.house.pass(3).await;
    room.house.discord().read();
    let message = room.write("ben", "it was the cache", &[]);
    let told = room.choose("ana", &message).await;
    assert!(words(told.last()).contains("Incident #1 ben"), "{}", words(told.last()));
    assert!(room.timeline().await.contains("it was the cache"));
    room.house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_note_that_is_long_is_kept_whole_and_one_that_is_too_long_is_refused() {
    let room = Room::new("").await;
    let part = "**the pool** is _full_ @everyone <@123> ![graph](https://evil.example/x.png) `rm -rf /` ";
    let note = |length: usize| part.repeat(length / part.len() + 1)[..length].trim().to_owned();
    let line = |text: &str| format!("/incident note text:\"{text}\"");
    let told = room.house.say_in(&room.thread, "ana", &line(&note(10_000))).await;
    told.assert_only(&room.house, "ana", "and may have 8000. Say it shorter.");
    let long = note(4_000);
    let told = room.house.say_in(&room.thread, "ana", &line(&long)).await;
    assert!(words(told.last()).contains('…'), "what is cut says so");
    assert_eq!(
        (told.last().body["mention_everyone"].clone(), told.last().body["mentions"].clone()),
        (json!(false), json!([]))
    );
    assert!(room.timeline().await.contains("shows all of an entry"));
    let message = told.last().message.clone();
    let whole = room.house.press("ana", &message, "All of it").await;
    let file = room.house.at(|state| {
        let files = &state.messages[&whole.last().message].files;
        files.get("answer.txt").map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    });
    let shown = file.unwrap_or_else(|| words(whole.last()));
    let plain = |text: &str| text.split_whitespace().collect::<String>().replace('`', "'");
    assert!(plain(&shown).contains(&plain(&long)), "the whole note is shown: {shown}");
    room.house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn when_somebody_deletes_the_thread_the_channel_is_told() {
    let room = Room::new("").await;
    room.house.at(|state| _ = state.channels.remove(&room.thread));
    let mut seen = room.house.say_in("lounge", "ana", "/incident update text:\"all is well\"").await.seen;
    room.house.pass(5).await;
    seen.extend(room.house.discord().read());
    let ops = room.house.channel("ops");
    let told = seen.iter().any(|seen| seen.channel == ops && words(seen).contains("all is well"));
    assert!(told, "{seen:?}");
    room.house.finish().await;
}
