//! Drill: the built program on Discord, over real sockets: a deploy from its command to its end, and every way to be cut off.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use chrono::Utc;
use commands::clock::Clock;
use serde_json::Value;
use std::time::Duration;
use tests::discord::gateway::Leave;
use tests::discord::knobs::Fault;
use tests::discord::state::{Seen, State, What};
use tests::discord::{Discord, Served};
use tests::program::{Deckhand, Home, Ran, Service, client, until, until_async};
use tests::team::{TEAM, filled};

/// The stand-in as the team's platform.
const DISCORD: &str = r#"
[chat.discord]
api = "{api}"
token = "{token}"
application = "{application}"
guilds = ["{guild}"]
news = "ops"
"#;

/// The team's config; what stands in braces is filled in when it is known.
fn config() -> String {
    filled(&format!("{TEAM}{DISCORD}"), &[("platform", "discord")])
}

/// An installation on a Discord of its own.
struct Team {
    home: Home,
    service: Service,
    discord: Discord,
    served: Served,
}

impl Team {
    async fn new() -> Team {
        let discord = Discord::new(Clock::at(Utc::now()));
        discord.add_channel("ops");
        discord.add_member("ana", &[]);
        // A drill starts the program more often than a day has sessions for.
        discord.state().gateway.spacing = Duration::ZERO;
        let served = discord.serve().await;
        let mut home = Home::demo();
        let service = Service::make(&home);
        home.write_config(&config());
        let mut team = Team { home, service, discord, served };
        team.configure(&config());
        team
    }

    /// Writes the config, with all that is known filled in.
    fn configure(&mut self, config: &str) {
        let guild = self.discord.guild();
        let config = self.at(|state| {
            let values = [
                ("ana", state.user("ana").unwrap()),
                ("ops", state.channel("ops").unwrap()),
                ("health", &self.service.health),
                ("api", &self.served.api()),
                ("token", &state.token),
                ("application", &state.application),
                ("guild", &guild),
            ];
            filled(config, &values)
        });
        self.home.write_config(&config);
    }

    fn at<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.discord.state())
    }

    /// Starts Deckhand, and waits until it hears what Discord sends.
    async fn start(&self) -> Deckhand {
        let deckhand = self.home.start();
        self.until_ready(200).await;
        deckhand
    }

    /// Runs Deckhand to an end that it comes to by itself.
    async fn run(&self) -> Ran {
        tokio::task::block_in_place(|| self.home.run(&[]))
    }

    /// Waits until `/readyz` answers with this status, and returns its report.
    async fn until_ready(&self, status: u16) -> Value {
        until_async(&format!("/readyz answers {status}"), async || {
            let answer = client().get(self.home.url("/readyz")).send().await.ok()?;
            if answer.status() == status { answer.json().await.ok() } else { None }
        })
        .await
    }

    fn say(&self, line: &str) -> Value {
        self.discord.say("ana", "ops", line).unwrap()
    }

    /// Waits until people see something that says this.
    async fn until_said(&self, what: &str) -> Seen {
        self.discord
            .until(&format!("somebody reads `{what}`"), |state| {
                let says = |body: &Value| body.to_string().contains(what);
                let (id, message) = state.messages.iter().rfind(|(_, message)| says(&message.body))?;
                Some(Seen {
                    what: What::Edited,
                    channel: message.body["channel_id"].to_string(),
                    message: id.clone(),
                    only: message.only.clone(),
                    interaction: message.interaction.clone(),
                    body: message.body.clone(),
                })
            })
            .await
    }

    /// How many requests there were that change what is registered.
    fn registrations(&self) -> usize {
        self.at(|state| {
            let writes = |route: &str| route.contains("/commands") && !route.starts_with("GET");
            state.requests.iter().filter(|request| writes(&request.route)).count()
        })
    }

    /// Everything is as Discord wants it.
    fn finish(self) {
        self.discord.read();
        self.discord.finish();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_from_its_command_to_its_end() {
    let team = Team::new().await;
    let deckhand = team.start().await;
    assert!(team.registrations() > 0);
    team.discord.type_in("ana", "ops", "/deploy ship service:app env:staging ref:v").unwrap();
    let offered = team
        .discord
        .until("refs are offered", |state| state.interactions.values().find_map(|asked| asked.answer.clone()));
    assert!(offered.await.to_string().contains("v2"));
    for tag in ["v1", "v2"] {
        let asked = team.say(&format!("/deploy ship app staging {tag}"));
        let told = team.until_said(&format!("{tag} ({}) is live since", &team.service.commit(tag)[..7])).await;
        assert_eq!(
            (told.interaction.as_deref(), team.service.live()),
            (asked["id"].as_str(), team.service.commit(tag))
        );
    }
    let rollback = format!("Rollback to v1 ({})", &team.service.commit("v1")[..7]);
    let last = team.until_said(&rollback).await;
    team.discord.press("ana", &last.message, &rollback).unwrap();
    team.discord.until("v1 is live", |_| (team.service.live() == team.service.commit("v1")).then_some(())).await;
    let doctor = team.home.run(&["doctor"]);
    assert!(doctor.out.contains("✓ discord: ready, 4 interactions"), "{doctor:?}");
    let places: Vec<_> = team.home.ledger().iter().map(|entry| entry["place"]["platform"].clone()).collect();
    assert!(places.len() == 6 && places.iter().all(|place| place == "discord"), "{places:?}");
    deckhand.stop();
    assert_eq!(team.at(|state| state.gateway.connected()), 0);
    // A second start changes nothing that is registered, and has forgotten nothing.
    let before = team.registrations();
    let deckhand = team.start().await;
    assert_eq!(team.registrations(), before);
    team.say("/deploy status");
    team.until_said("v1 (").await;
    deckhand.stop();
    team.home.assert_sound();
    team.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_while_the_connection_is_lost_comes_late_and_once() {
    let team = Team::new().await;
    let deckhand = team.start().await;
    for (round, leave) in
        [Leave::Cut, Leave::Reconnect, Leave::Close(4000), Leave::Invalid(true)].into_iter().enumerate()
    {
        team.discord.leave(leave);
        team.say(&format!("/why line:\"deploy status s{round}\""));
        team.until_said(&format!("There is no service `s{round}`")).await;
        team.until_ready(200).await;
        assert_eq!(team.at(|state| state.gateway.resumes), round + 1, "{leave:?}");
    }
    assert_eq!(team.at(|state| state.messages.len()), 4);
    let heard = team.until_ready(200).await["discord"]["interactions"].clone();
    assert_eq!((&heard["received"], &heard["handled"]), (&4.into(), &4.into()));
    assert_eq!(team.at(|state| state.gateway.identifies.len()), 1);
    // Where Discord has forgotten the session, it says from when to when it was away.
    team.discord.leave(Leave::Close(4009));
    team.until_said("I was away from").await;
    team.until_ready(200).await;
    deckhand.stop();
    team.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_accepts_and_drops_is_not_stormed() {
    let team = Team::new().await;
    let deckhand = team.start().await;
    let before = team.at(|state| {
        state.gateway.drops = true;
        state.gateway.connects
    });
    team.discord.leave(Leave::Cut);
    team.until_ready(503).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let tries = team.at(|state| {
        state.gateway.drops = false;
        state.gateway.connects - before
    });
    assert!((2..=8).contains(&tries), "{tries} connections in 6 s");
    team.until_ready(200).await;
    team.say("/deploy status");
    team.until_said("nothing").await;
    deckhand.stop();
    team.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_does_not_answer_is_not_trusted() {
    let team = Team::new().await;
    team.at(|state| state.gateway.heartbeat = Duration::from_secs(2));
    let deckhand = team.start().await;
    team.at(|state| state.gateway.acknowledges = false);
    team.until_ready(503).await;
    // It counts as lost, and what was said meanwhile comes over the next connection.
    team.at(|state| state.gateway.acknowledges = true);
    team.say("/deploy status");
    team.until_said("nothing").await;
    team.until_ready(200).await;
    assert!(team.at(|state| state.gateway.connects > 1 && state.gateway.identifies.len() == 1));
    deckhand.stop();
    team.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_why_it_can_not_begin_and_ends() {
    let mut team = Team::new().await;
    let config = config();
    let other = config.replace("{application}", "1100000000000000009");
    let forged = config.replace("{token}", "forged.by.eve");
    for (config, fault, refuses, code, says) in [
        (other.as_str(), None, None, 2, "belongs to the application"),
        (&forged, None, None, 2, "Discord does not know the token"),
        // A supervisor may try these again.
        (&config, Some(500), None, 1, "Discord does not say where its gateway is"),
        (&config, Some(403), None, 1, "Discord does not say where its gateway is"),
        (&config, None, Some(4004), 2, "Discord does not accept Deckhand's token"),
        (&config, None, Some(4012), 2, "Discord does not take the way in which Deckhand connects"),
        (&config, None, Some(4014), 2, "Discord does not let Deckhand read messages"),
    ] {
        team.configure(config);
        team.at(|state| {
            fault.iter().for_each(|status| state.knobs.plan("GET /gateway/bot", 5, Fault::Status(*status)));
            state.gateway.refuses = refuses;
        });
        let ran = team.run().await;
        assert!(ran.code == Some(code) && ran.err.contains(says), "{says}: {ran:?}");
        assert!(!ran.err.contains("forged.by.eve") && !ran.err.contains("stand-in.bot.token"), "{ran:?}");
        team.at(|state| state.knobs = Default::default());
    }
    // Nothing hears who can not begin.
    assert_eq!(team.at(|state| state.gateway.connected()), 0);
    team.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_deploy_its_message_tells_the_truth() {
    let team = Team::new().await;
    let mut deckhand = team.start().await;
    for (round, (how, is_live)) in
        [("sleep 1", true), ("sleep 3; echo late", true), ("sleep 1; exit 3", false)].into_iter().enumerate()
    {
        team.service.how(how);
        let tag = ["v1", "v2", "v3"][round];
        let asked = team.say(&format!("/deploy ship app staging {tag}"));
        let id = asked["id"].as_str().unwrap();
        team.discord.until("it is acknowledged", |state| state.interactions[id].acknowledged).await;
        team.service.wait_for_runs(round + 1);
        deckhand.kill();
        deckhand = team.start().await;
        let last = team
            .discord
            .until("its message tells how it ended", |state| {
                let message = state.messages.values().find(|message| message.interaction.as_deref() == Some(id))?;
                let text = message.body.to_string();
                (text.contains("✓") || text.contains("✗")).then_some(text)
            })
            .await;
        let live = format!("says that {tag} ({}) is live and well", &team.service.commit(tag)[..7]);
        assert_eq!(last.contains(&live), is_live, "{how}: {last}");
        assert_eq!((team.service.live() == team.service.commit(tag), team.service.runs().len()), (is_live, round + 1));
    }
    deckhand.stop();
    team.home.assert_sound();
    team.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_in_the_middle_of_a_deploy_it_says_so_before_it_goes() {
    let team = Team::new().await;
    let deckhand = team.start().await;
    team.service.how("sleep 50");
    team.say("/deploy ship app staging v1");
    team.service.wait_for_runs(1);
    team.until_said("The program is running").await;
    deckhand.stop();
    let told = team.at(|state| state.messages.values().next().unwrap().body.to_string());
    assert!(told.contains("✗ app in staging") && told.contains("is not live"), "{told}");
    until("nothing of the program is left", || (!team.service.is_running()).then_some(()));
    let deckhand = team.start().await;
    team.say("/deploy status");
    team.until_said("nothing").await;
    deckhand.stop();
    team.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_read_is_counted_and_shown_by_the_doctor() {
    let team = Team::new().await;
    let deckhand = team.start().await;
    let odd = serde_json::json!({ "id": "1", "token": "x", "type": 77, "guild_id": team.discord.guild() });
    team.discord.deliver(odd);
    team.say("/whoami");
    team.until_said("You are `ana`").await;
    let doctor = team.home.run(&["doctor"]);
    assert!(doctor.code != Some(0) && doctor.out.contains("1 interaction could not be read"), "{doctor:?}");
    deckhand.stop();
    team.finish();
}
