//! Who somebody is, and where: by ids, never by names.

use super::{House, id, words};
use serde_json::{Value, json};
use tests::discord::state::{Access, Channel, Guild};

#[tokio::test(start_paused = true)]
async fn a_person_is_an_id_and_the_roles_that_the_config_maps() {
    let house = House::new().await;
    let chloe = house.user("chloe");
    for (who, says) in [
        ("ana", "You are `ana`, with the roles `deployer`.".to_owned()),
        ("dan", "You are `dan`, with the roles `developer`.".to_owned()),
        ("eve", "You are `eve`".to_owned()),
        ("chloe", format!("You are `discord:{chloe}`, with the roles `deployer`.")),
    ] {
        house.say(who, "/whoami").await.assert_only(&house, who, &says);
    }
    let ledger = {
        house.say("chloe", "/deploy ship hello staging v1").await;
        house.finish().await
    };
    assert!(ledger.contains(&format!("doing discord:{chloe} deploy.ship")), "{ledger}");
}

#[tokio::test(start_paused = true)]
async fn a_name_is_worth_nothing() {
    let house = House::new().await;
    let named = house.discord().add_member("eve the second", &["deployer", "ana"]);
    let mut asked = house.unheard("eve the second", "/deploy ship hello staging v1");
    for name in ["username", "global_name"] {
        asked["member"]["user"][name] = "ana".into();
    }
    asked["member"]["nick"] = "ana".into();
    house.discord().deliver(asked.clone());
    let told = house.told(id(&asked)).await;
    told.assert_only(&house, "eve the second", &format!("Deckhand does not know you: you are `discord:{named}`."));
    // A person of the config has what the config gives them, whatever roles they have on Discord.
    let (dan, guild, release) = (house.user("dan"), house.discord().guild(), house.discord().role("release"));
    house.at(|state| state.guilds.get_mut(&guild).unwrap().members.insert(dan, vec![release]));
    house.say("dan", "/deploy ship hello staging v1").await.assert_only(&house, "dan", "dan may not say");
    // Who loses the role has lost the rights.
    let chloe = house.user("chloe");
    house.at(|state| state.guilds.get_mut(&guild).unwrap().members.insert(chloe, Vec::new()));
    let told = house.say("chloe", "/deploy ship hello staging v1").await;
    told.assert_only(&house, "chloe", "Deckhand does not know you");
    assert_eq!(house.finish().await, "");
}

#[tokio::test(start_paused = true)]
async fn what_comes_from_a_place_that_is_not_served_is_refused() {
    let house = House::new().await;
    let (ana, ops) = (house.user("ana"), house.channel("ops"));
    let elsewhere = |asked: &mut Value| asked["guild_id"] = "1100000000000000009".into();
    let privately = |asked: &mut Value| {
        let user = asked["member"]["user"].take();
        asked["user"] = user;
        asked["context"] = 1.into();
        asked["channel"] = json!({ "id": ops, "type": 1 });
        for name in ["guild_id", "guild", "member"] {
            asked.as_object_mut().unwrap().remove(name);
        }
    };
    for change in [&elsewhere as &dyn Fn(&mut Value), &privately] {
        let mut asked = house.unheard("ana", "/deploy ship hello staging v1");
        change(&mut asked);
        house.discord().deliver(asked.clone());
        house.told(id(&asked)).await.assert_only(&house, "ana", "does not serve this place");
        assert_eq!(house.interaction(&id(&asked)).user, ana);
    }
    // A server whose roles and channels have the names of ours.
    let (guild, den) = ("1100000000000000009".to_owned(), "1100000000000000010".to_owned());
    house.at(|state| {
        let members = [(ana.clone(), Vec::new())].into();
        let roles = [(guild.clone(), "@everyone".to_owned())].into();
        state.guilds.insert(guild.clone(), Guild { name: "house".to_owned(), roles, members, lets_make: true });
        let ops = Channel {
            guild: guild.clone(),
            name: "ops".to_owned(),
            parent: None,
            access: Access::Write,
            made: Value::Null,
        };
        state.channels.insert(den.clone(), ops);
        // Its commands are those of the application everywhere.
        state.commands.iter_mut().for_each(|command| command.guild = None);
    });
    let told = house.say_in(&den, "ana", "/deploy ship hello staging v1").await;
    told.assert_only(&house, "ana", "does not serve this place");
    assert_eq!(house.finish().await, "");
}

#[tokio::test(start_paused = true)]
async fn what_is_meant_for_another_application_is_left_alone() {
    let house = House::new().await;
    let mut asked = house.unheard("ana", "/deploy ship hello staging v1");
    asked["application_id"] = "1100000000000000009".into();
    let before = house.at(|state| state.requests.len());
    house.discord().deliver(asked.clone());
    house.pass(5).await;
    assert_eq!(house.at(|state| state.requests.len()), before);
    assert_eq!(house.at(|state| state.interactions.remove(&id(&asked)).unwrap().acknowledged), None);
    assert_eq!(house.finish().await, "");
}

#[tokio::test(start_paused = true)]
async fn a_thread_has_the_rules_of_its_channel_and_is_answered_in() {
    let house = House::new().await;
    let line = "/deploy ship hello production v1";
    house.say_in("lounge", "dan", line).await.assert_only(&house, "dan", "dan may not say");
    for channel in ["ops", "ops/story"] {
        let told = house.say_in(channel, "dan", line).await;
        assert!(told.seen.iter().all(|seen| seen.channel == house.channel(channel)), "{channel}");
    }
    // A channel that merely has the name of ours is another one.
    let twin = house.discord().add_channel("ops");
    house.say_in(&twin, "dan", line).await.assert_only(&house, "dan", "dan may not say");
    assert_eq!(house.acts().await, 2);
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_story_in_a_thread_goes_on_in_the_thread() {
    let mut house = House::new().await;
    assert!(house.stage.world.direct("the next program hangs"));
    house.begin_in("ops/story", "ana", "/deploy ship hello staging v1");
    house.pass(16 * 60).await;
    let thread = house.channel("ops/story");
    assert!(house.discord().read().iter().all(|seen| seen.channel == thread));
    house.restart().await;
    house.pass(1).await;
    let seen = house.end().await;
    assert!(seen.iter().all(|seen| seen.channel == thread), "{seen:?}");
    assert!(words(seen.last().unwrap()).contains("is live"));
    house.finish().await;
}
