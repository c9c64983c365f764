//! Stories that outlast an interaction's token, lose their message, or have nowhere to be told.

use super::{House, words};
use tests::discord::state::{Access, Seen, What};

const QUARTER: u64 = 15 * 60;

/// What was seen as `what`.
fn all(seen: &[Seen], what: What) -> Vec<&Seen> {
    seen.iter().filter(|seen| seen.what == what).collect()
}

#[tokio::test(start_paused = true)]
async fn past_fourteen_minutes_the_story_goes_on_in_a_thread_in_a_message_of_deckhands_own() {
    let house = House::new().await;
    let old = house.under_way("ana").await;
    house.pass(QUARTER).await;
    let seen = house.discord().read();
    let posted = all(&seen, What::Posted);
    assert_eq!(posted.len(), 1, "{seen:?}");
    let new = posted[0];
    // It is the whole story, in a thread under the old message, and its buttons live.
    assert!(words(new).contains("shipping v1 (1111111)"), "{}", words(new));
    let threads = all(&seen, What::Thread);
    assert_eq!((threads.len(), threads[0].body["id"].as_str()), (1, Some(new.channel.as_str())), "{seen:?}");
    assert_eq!((new.labels(), &new.interaction), (vec!["Cancel"], &None));
    let link = format!("https://discord.com/channels/{}/{}/{}", house.discord().guild(), new.channel, new.message);
    let left = seen.iter().rfind(|seen| seen.message == old).unwrap();
    assert!(left.text().contains(&link) && left.labels().is_empty(), "{}", left.body);
    // No minute goes by without a sign of life, over the change, too.
    let told = house.press("ben", &new.message, "Cancel").await;
    let ended = told.seen.iter().rfind(|seen| seen.message == new.message).unwrap();
    assert!(words(ended).contains("ben"), "{}", words(ended));
    assert!(told.seen.iter().all(|seen| seen.message != old));
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_there_after_a_restart() {
    let mut house = House::new().await;
    house.under_way("ana").await;
    house.pass(QUARTER).await;
    let new = all(&house.discord().read(), What::Posted)[0].message.clone();
    house.restart().await;
    house.pass(2).await;
    let seen = house.end().await;
    assert!(seen.iter().all(|seen| seen.message == new), "{seen:?}");
    assert!(words(seen.last().unwrap()).contains("is live"), "{}", words(seen.last().unwrap()));
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn where_the_bot_may_not_write_the_asker_is_told_privately() {
    for access in [Access::Read, Access::None] {
        let house = House::new().await;
        let old = house.under_way("ana").await;
        let ops = house.channel("ops");
        house.at(|state| state.channels.get_mut(&ops).unwrap().access = access);
        house.pass(QUARTER).await;
        let seen = house.discord().read();
        let private = all(&seen, What::Posted)[0].clone();
        assert_eq!(private.channel, house.channel("@ana"), "{access:?}");
        let left = seen.iter().rfind(|seen| seen.message == old).unwrap();
        assert!(left.text().contains("private message"), "{}", left.body);
        let seen = house.end().await;
        assert!(seen.iter().all(|seen| seen.message == private.message), "{access:?}");
        assert!(words(seen.last().unwrap()).contains("is live"), "{access:?}");
        house.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_too_the_asker_is_told_privately_where_the_bot_may_not_write() {
    let mut house = House::new().await;
    house.under_way("ana").await;
    let ops = house.channel("ops");
    house.stage.kill();
    house.at(|state| state.channels.get_mut(&ops).unwrap().access = Access::None);
    house.pass(QUARTER).await;
    house.stage.begin().await.unwrap();
    let seen = house.end().await;
    assert_eq!(seen.last().unwrap().channel, house.channel("@ana"));
    assert!(words(seen.last().unwrap()).contains("is live"));
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn who_has_left_and_can_not_be_told_keeps_nobody_from_working() {
    let house = House::new().await;
    house.under_way("ana").await;
    let (ops, ana, guild) = (house.channel("ops"), house.user("ana"), house.discord().guild());
    house.at(|state| {
        state.guilds.get_mut(&guild).unwrap().members.remove(&ana);
        state.channels.get_mut(&ops).unwrap().access = Access::None;
    });
    house.pass(QUARTER).await;
    let private = house.channel("@ana");
    house.at(|state| {
        state.channels.get_mut(&private).unwrap().access = Access::None;
        state.channels.get_mut(&ops).unwrap().access = Access::Write;
    });
    house.end().await;
    let told = house.say("ben", "/deploy status").await;
    assert!(words(told.last()).contains("v1 (1111111)"), "{}", words(told.last()));
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_gone_is_posted_anew() {
    let house = House::new().await;
    let old = house.under_way("ana").await;
    house.discord().delete(&old);
    let seen = house.end().await;
    let posted = all(&seen, What::Posted);
    assert_eq!(posted.len(), 1, "{seen:?}");
    // That one may go, too.
    let told = house.say("ben", "/deploy status").await;
    assert!(words(told.last()).contains("v1 (1111111)"));
    assert!(words(seen.last().unwrap()).contains("is live") && seen.last().unwrap().message == posted[0].message);
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_gone_when_deckhand_is_back_is_posted_anew() {
    for minutes in [1, 20] {
        let mut house = House::new().await;
        let old = house.under_way("ana").await;
        house.stage.kill();
        house.pass(minutes * 60).await;
        house.discord().delete(&old);
        house.stage.begin().await.unwrap();
        let seen = house.end().await;
        assert_eq!(all(&seen, What::Posted).len(), 1, "{minutes}: {seen:?}");
        assert!(words(seen.last().unwrap()).contains("is live"), "{minutes}");
        assert_eq!(seen.last().unwrap().channel, house.channel("ops"), "{minutes}");
        house.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_over_early_loses_nothing() {
    let house = House::new().await;
    let old = house.under_way("ana").await;
    house.at(|state| state.interactions.values_mut().for_each(|asked| asked.expired = true));
    let seen = house.end().await;
    assert!(seen.iter().all(|seen| seen.message != old) && all(&seen, What::Posted).len() == 1, "{seen:?}");
    assert!(words(seen.last().unwrap()).contains("is live"));
    house.finish().await;
}
