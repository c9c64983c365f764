//! Deckhand on Discord, in front of the stand-in: what people see there, whatever goes wrong on the way.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

#[path = "on_discord/answers.rs"]
mod answers;
#[path = "on_discord/buttons.rs"]
mod buttons;
#[path = "on_discord/long.rs"]
mod long;
#[path = "on_discord/odd.rs"]
mod odd;
#[path = "on_discord/once.rs"]
mod once;
#[path = "on_discord/rings.rs"]
mod rings;
#[path = "on_discord/rooms.rs"]
mod rooms;
#[path = "on_discord/talk.rs"]
mod talk;
#[path = "on_discord/ways.rs"]
mod ways;
#[path = "on_discord/who.rs"]
mod who;

use serde_json::Value;
use std::time::Duration;
use tests::discord::Discord;
use tests::discord::state::{Interaction, Seen, State, What};
use tests::stage::elsewhere::Elsewhere;
use tests::stage::transcript::Line;

/// The route of acknowledgements.
const CALLBACK: &str = "POST /interactions/{interaction_id}/{interaction_token}/callback";

/// How an interaction was acknowledged, by Discord's numbers for callbacks.
const ANSWERED: u64 = 4;
const DEFERRED: u64 = 5;
const UPDATED_LATER: u64 = 6;

/// ana and ben may ship anywhere, dan to production in #ops alone, eve nothing; whoever has the role `release` on Discord is
/// a deployer.
const CONFIG: &str = r#"
environments = ["staging", "production"]

[people.ana]
roles = ["deployer"]
[people.ben]
roles = ["deployer"]
[people.dan]
roles = ["developer"]
[people.eve]
roles = []

[roles.deployer]
discord = ["{role release}"]

[[policy]]
allow = "* effect=reads"
to = ["deployer", "developer"]
[[policy]]
allow = "deploy *"
to = ["deployer"]
[[policy]]
allow = "deploy ship env=production"
to = ["developer"]
in = ["ops"]

[deploy]

[services.hello]
repository = "/srv/hello"
[services.hello.deploy]
command = ["./ship", "{environment}", "{commit}"]
limit = "1h"
[services.hello.deploy.health]
url = "http://hello.example/{environment}/health"
contains = "ok {commit}"
tries = 2
"#;

/// A server with the channels `ops`, `lounge` and a thread of `ops`, and Deckhand in it.
struct House {
    stage: Elsewhere,
}

/// What came of something that somebody did.
struct Told {
    /// The interaction.
    id: String,
    /// What people have seen since they looked before.
    seen: Vec<Seen>,
}

impl House {
    async fn new() -> House {
        House::with("").await
    }

    /// With more in its config.
    async fn with(more: &str) -> House {
        let channels = ["ops", "ops/story", "lounge"].map(str::to_owned);
        let stage = Elsewhere::new(&format!("{CONFIG}\n{more}"), &channels).await.unwrap();
        stage.discord.add_member("chloe", &["release"]);
        let house = House { stage };
        // What is written at a start is written.
        house.pass(1).await;
        house
    }

    fn discord(&self) -> &Discord {
        &self.stage.discord
    }

    /// Looks at what there is, or changes it.
    fn at<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.discord().state())
    }

    /// Says a line in #ops, and waits for the last word.
    async fn say(&self, who: &str, line: &str) -> Told {
        self.say_in("ops", who, line).await
    }

    async fn say_in(&self, channel: &str, who: &str, line: &str) -> Told {
        let id = self.begin_in(channel, who, line);
        self.told(id).await
    }

    /// Says a line in #ops, and does not wait; returns the interaction.
    fn begin(&self, who: &str, line: &str) -> String {
        self.begin_in("ops", who, line)
    }

    fn begin_in(&self, channel: &str, who: &str, line: &str) -> String {
        id(&self.discord().say(who, channel, line).unwrap())
    }

    /// Presses a button, and waits for the last word.
    async fn press(&self, who: &str, message: &str, label: &str) -> Told {
        let pressed = self.discord().press(who, message, label).unwrap();
        self.told(id(&pressed)).await
    }

    /// An interaction that is on its way: somebody has said this line, and nobody has heard it yet.
    fn unheard(&self, who: &str, line: &str) -> Value {
        self.at(|state| state.gateway.lost = 1);
        self.discord().say(who, "ops", line).unwrap()
    }

    /// Waits for the last word on this interaction.
    async fn told(&self, id: String) -> Told {
        self.stage.until_told(&id).await.unwrap();
        Told { id, seen: self.discord().read() }
    }

    /// Somebody has something under way in staging that goes on until it is told to end; returns its message.
    async fn under_way(&self, who: &str) -> String {
        assert!(self.stage.world.direct("the next program hangs"));
        self.begin(who, "/deploy ship hello staging v1");
        self.pass(1).await;
        self.discord().read().last().unwrap().message.clone()
    }

    /// Ends what is under way, well.
    async fn end(&self) -> Vec<Seen> {
        assert!(self.stage.world.direct("the program ends well"));
        self.pass(10).await;
        self.discord().read()
    }

    /// Presses a button, and fills in the code that its form asks for.
    async fn fill(&self, message: &str, label: &str, code: &str) -> Told {
        let pressed = id(&self.discord().press("ana", message, label).unwrap());
        assert_eq!(self.discord().next().await.what, What::Form);
        self.told(id(&self.discord().fill(&pressed, &[("code", code)]).unwrap())).await
    }

    /// Follows a stage direction.
    async fn direct(&mut self, direction: &str) {
        self.stage.play(Line::Direction(direction.to_owned())).await.unwrap();
    }

    async fn pass(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    /// Kills the bot, and begins another.
    async fn restart(&mut self) {
        self.stage.kill();
        self.stage.begin().await.unwrap();
        self.pass(1).await;
    }

    fn interaction(&self, id: &str) -> Interaction {
        self.at(|state| state.interactions[id].clone())
    }

    /// How long it took to acknowledge an interaction, and with which callback.
    fn acknowledged(&self, id: &str) -> (Duration, u64) {
        self.interaction(id).acknowledged.expect("it was acknowledged")
    }

    /// How many requests of this route there were.
    fn requests(&self, route: &str) -> usize {
        self.at(|state| state.requests.iter().filter(|request| request.route == route).count())
    }

    fn user(&self, name: &str) -> String {
        self.at(|state| state.user(name).unwrap().to_owned())
    }

    /// The thread whose name begins like this.
    fn thread(&self, name: &str) -> String {
        self.at(|state| {
            let mut threads = state.channels.iter().filter(|(_, channel)| channel.parent.is_some());
            threads.find(|(_, thread)| thread.name.starts_with(name)).expect("there is a thread").0.clone()
        })
    }

    fn channel(&self, name: &str) -> String {
        self.at(|state| state.channel(name).unwrap().to_owned())
    }

    /// How often something was begun that the ledger has.
    async fn acts(&self) -> usize {
        self.stage.ledger().await.unwrap().matches(" doing ").count()
    }

    /// Lets everything come to its end, and makes sure that nothing is amiss; the ledger comes back.
    async fn finish(self) -> String {
        self.stage.finish().await.unwrap()
    }
}

impl Told {
    /// The last thing that was seen.
    fn last(&self) -> &Seen {
        self.seen.last().expect("people have seen something")
    }

    /// What was seen, in a word each, and whether one person alone sees it.
    fn course(&self) -> Vec<(What, bool)> {
        self.seen.iter().map(|seen| (seen.what, seen.only.is_some())).collect()
    }

    /// That a sentence which only `who` sees came of it, and nothing else.
    #[track_caller]
    fn assert_only(&self, house: &House, who: &str, says: &str) {
        assert_eq!(self.course(), [(What::Posted, true)], "{:?}", self.seen);
        let seen = self.last();
        assert_eq!(seen.only, Some(house.user(who)));
        assert!(words(seen).contains(says), "`{}` does not say `{says}`", words(seen));
    }
}

fn id(asked: &Value) -> String {
    asked["id"].as_str().unwrap().to_owned()
}

/// Everything that a message says, however it is drawn.
fn words(seen: &Seen) -> String {
    let embeds = seen.body["embeds"].as_array().into_iter().flatten();
    let fields = |embed: &Value| embed["fields"].as_array().cloned().unwrap_or_default();
    let embedded = embeds.flat_map(|embed| {
        let fields = fields(embed).into_iter().flat_map(|field| [field["name"].clone(), field["value"].clone()]);
        [embed["title"].clone(), embed["description"].clone()].into_iter().chain(fields)
    });
    let texts = std::iter::once(seen.body["content"].clone()).chain(embedded);
    texts.filter_map(|text| text.as_str().map(str::to_owned)).collect::<Vec<_>>().join("\n")
}
