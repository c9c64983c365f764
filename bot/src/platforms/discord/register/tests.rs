//! Registration with a Discord of plain data, which tells back what it was given in its own way.

use super::*;
use async_trait::async_trait;
use bytes::Bytes;
use commands::ports::Wire;
use commands::views;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const APPLICATION: &str = "100";

/// What Discord has of one application.
#[derive(Default)]
struct Discord {
    /// By the address of the list.
    commands: Mutex<BTreeMap<String, Vec<Value>>>,
    /// The servers that the bot is in.
    guilds: Vec<&'static str>,
    /// What was written, in order: `PATCH /applications/100/commands/7`.
    written: Mutex<Vec<String>>,
    /// The last number given.
    number: Mutex<u64>,
    /// What any write is answered with instead.
    refuses: Option<(u16, Value)>,
}

impl Discord {
    /// Starts Deckhand: registers, and says what was written for it.
    async fn start(self: &Arc<Self>, scope: Scope, wanted: &Value) -> (Result<Vec<Change>>, Vec<String>) {
        let rest = Rest::new(self.clone(), "https://discord.test".to_owned(), "secret".to_owned());
        let done = register(&rest, APPLICATION, scope, &["1".to_owned(), "2".to_owned()], wanted).await;
        (done, std::mem::take(&mut self.written.lock().unwrap()))
    }

    fn names(&self, list: &str) -> Vec<String> {
        let commands = self.commands.lock().unwrap();
        commands.get(list).into_iter().flatten().map(|command| word(command, "name").to_owned()).collect()
    }

    fn answer(&self, method: &Method, path: &str, body: Value) -> (u16, Value) {
        let list = path.strip_prefix("/applications/100").unwrap_or_default();
        let (list, id) = list.split_once("commands").map_or((list, ""), |(before, id)| (before, id));
        let guild = list.strip_prefix("/guilds/").map(|guild| guild.trim_end_matches('/'));
        if guild.is_some_and(|guild| !self.guilds.contains(&guild)) {
            return (403, json!({ "code": 50001, "message": "Missing Access" }));
        }
        let mut all = self.commands.lock().unwrap();
        let commands = all.entry(list.trim_end_matches('/').to_owned()).or_default();
        if *method == Method::GET {
            return (200, commands.iter().map(|command| self.echo(command, guild)).collect());
        }
        self.written.lock().unwrap().push(format!("{method} {path}"));
        if let Some((status, body)) = &self.refuses {
            return (*status, body.clone());
        }
        let place = commands.iter().position(|command| command["id"] == id.trim_start_matches('/'));
        match (method.as_str(), place) {
            ("DELETE", Some(place)) => drop(commands.remove(place)),
            ("PATCH", Some(place)) => {
                let fields = body.as_object().cloned().unwrap_or_default();
                assert!(!fields.contains_key("type"), "Discord takes no other type");
                fields.into_iter().for_each(|(field, value)| commands[place][field] = value);
            }
            ("POST", None) => commands.push(self.with_id(body)),
            ("PUT", None) => *commands = body.as_array().unwrap().iter().map(|one| self.with_id(one.clone())).collect(),
            other => panic!("{other:?} {path}"),
        }
        (200, Value::Null)
    }

    fn with_id(&self, mut command: Value) -> Value {
        let mut number = self.number.lock().unwrap();
        *number += 1;
        command["id"] = number.to_string().into();
        command
    }

    /// A command as Discord tells it: with fields of its own, and without those that are not set.
    fn echo(&self, command: &Value, guild: Option<&str>) -> Value {
        let mut told = told_back(command);
        for (field, value) in [
            ("application_id", json!(APPLICATION)),
            ("version", json!("9")),
            ("nsfw", json!(false)),
            ("dm_permission", json!(true)),
            ("name_localizations", command["name_localizations"].clone()),
            ("default_member_permissions", command["default_member_permissions"].clone()),
        ] {
            told[field] = value;
        }
        // What stands in a menu can have no description, and is told with an empty one.
        if command["description"].is_null() {
            told["description"] = "".into();
        }
        if let Some(guild) = guild {
            (told["guild_id"], told["contexts"], told["integration_types"]) =
                (json!(guild), Value::Null, json!([0, 1]));
        }
        told
    }
}

fn told_back(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let set = fields.iter().filter(|(_, value)| ![json!(false), json!([]), Value::Null].contains(value));
            Value::Object(set.map(|(field, value)| (field.clone(), told_back(value))).collect())
        }
        Value::Array(items) => items.iter().map(told_back).collect(),
        Value::Number(number) if number.as_i64() == Some(0) => json!(0.0),
        other => other.clone(),
    }
}

#[async_trait]
impl Wire for Discord {
    async fn send(&self, request: http::Request<Bytes>, _: Duration, _: usize) -> Result<http::Response<Bytes>> {
        let body = serde_json::from_slice(request.body()).unwrap_or_default();
        let (status, body) = match request.uri().path() {
            "/applications/@me" => (200, json!({ "id": APPLICATION, "name": "Deck`hand" })),
            "/users/@me/guilds" => {
                let after = request.uri().query().and_then(|query| query.split_once("after=")).map(|(_, id)| id);
                let place = after.and_then(|id| self.guilds.iter().position(|guild| *guild == id));
                let page = self.guilds.iter().skip(place.map_or(0, |place| place + 1)).take(PAGE);
                (200, page.map(|id| json!({ "id": id, "name": format!("Server {id}") })).collect())
            }
            path => self.answer(request.method(), path, body),
        };
        Ok(http::Response::builder().status(status).body(body.to_string().into())?)
    }
}

/// Servers `1` and `2`, both with Deckhand in them, and no commands.
fn discord() -> Arc<Discord> {
    Arc::new(Discord { guilds: vec!["1", "2"], ..Discord::default() })
}

/// The real table.
fn table() -> Value {
    views::discord::registration(std::iter::once(&crate::builtin::SPEC).chain(plugins::ALL.iter().copied()), None)
}

/// So many made-up commands, each named by its number.
fn made_up(numbers: impl IntoIterator<Item = usize>) -> Value {
    let command = |number: usize| {
        let option = json!({ "type": 10, "name": "share", "description": "x", "required": false, "min_value": 0 });
        json!({
            "type": 1,
            "name": format!("c{number}"),
            "description": "x",
            "options": [option],
            "default_member_permissions": null,
            "contexts": [0],
            "integration_types": [0],
        })
    };
    numbers.into_iter().map(command).collect()
}

fn done(changes: Result<Vec<Change>>) -> Vec<String> {
    let place = |change: &Change| change.guild.clone().unwrap_or_else(|| "all".to_owned());
    changes.unwrap().iter().map(|change| format!("{} {} {}", place(change), change.done, change.command)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_first_start_registers_all_and_a_second_sends_nothing() {
    for (scope, lists) in [(Scope::Guild, &["/guilds/1", "/guilds/2"][..]), (Scope::Global, &[""])] {
        let discord = discord();
        let (changes, written) = discord.start(scope, &table()).await;
        let wanted: Vec<_> = table().as_array().unwrap().iter().map(|each| word(each, "name").to_owned()).collect();
        assert_eq!(done(changes).len(), wanted.len() * lists.len());
        let puts: Vec<_> = lists.iter().map(|list| format!("PUT /applications/100{list}/commands")).collect();
        assert_eq!(written, puts);
        assert!(lists.iter().all(|list| discord.names(list) == wanted));
        for again in ["a second start", "a third"] {
            let (changes, written) = discord.start(scope, &table()).await;
            assert_eq!((done(changes), written), (vec![], vec![]), "{again} {scope:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_changed_is_sent() {
    let list = "/applications/100/guilds/1/commands";
    let with = |pointer: &str, value: Value| {
        let mut wanted = made_up(1..=3);
        let (object, field) = pointer.rsplit_once('/').unwrap();
        wanted.pointer_mut(object).unwrap()[field] = value;
        wanted
    };
    let cases = [
        ("a description", with("/1/description", json!("y")), vec![format!("PATCH {list}/2")]),
        ("one of an option", with("/1/options/0/description", json!("y")), vec![format!("PATCH {list}/2")]),
        ("one in Korean", with("/2/description_localizations", json!({ "ko": "가" })), vec![format!("PATCH {list}/3")]),
        ("no options any more", with("/0/options", json!([])), vec![format!("PATCH {list}/1")]),
        ("who sees it", with("/0/default_member_permissions", json!("0")), vec![format!("PATCH {list}/1")]),
        ("a bound", with("/0/options/0/min_value", json!(1)), vec![format!("PATCH {list}/1")]),
        ("what says nothing", with("/0/options/0/autocomplete", json!(false)), vec![]),
        ("what Discord decides", with("/0/version", json!("10")), vec![]),
        ("where, which servers do not have", with("/0/contexts", json!([0, 1])), vec![]),
        ("one gone", made_up([1, 3]), vec![format!("DELETE {list}/2")]),
        ("one new", made_up(1..=4), vec![format!("POST {list}")]),
        ("one for another", made_up([1, 2, 9]), vec![format!("DELETE {list}/3"), format!("POST {list}")]),
        ("a few new", made_up(1..=8), vec![format!("POST {list}"); 5]),
        ("many new, and one gone", made_up(2..=31), vec![format!("PUT {list}")]),
        ("all gone", json!([]), [1, 2, 3].map(|id| format!("DELETE {list}/{id}")).into()),
    ];
    for (what, wanted, written) in cases {
        let discord = discord();
        discord.start(Scope::Guild, &made_up(1..=3)).await.0.unwrap();
        let first = discord.start(Scope::Guild, &wanted).await;
        let first: Vec<_> = first.1.into_iter().filter(|line| line.contains("/guilds/1/")).collect();
        assert_eq!(first, written, "{what}");
        let again = discord.start(Scope::Guild, &wanted).await;
        assert_eq!(again.1, Vec::<String>::new(), "{what} is sent only once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_takes_back_what_is_no_longer_said() {
    let (discord, wanted) = (discord(), made_up([1]));
    let mut before = wanted.clone();
    before[0]["default_member_permissions"] = json!("0");
    before[0]["description_localizations"] = json!({ "ko": "가" });
    discord.start(Scope::Global, &before).await.0.unwrap();
    let (changes, written) = discord.start(Scope::Global, &wanted).await;
    assert_eq!(done(changes), ["all changed c1"]);
    assert_eq!(written, ["PATCH /applications/100/commands/1"]);
    let kept = discord.commands.lock().unwrap()[""][0].clone();
    assert_eq!([&kept["default_member_permissions"], &kept["description_localizations"]], [&Value::Null; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_command_stands_in_one_scope_only() {
    let discord = discord();
    let lists = || ["", "/guilds/1", "/guilds/2"].map(|list| discord.names(list).len());
    discord.start(Scope::Global, &made_up(1..=2)).await.0.unwrap();
    assert_eq!(lists(), [2, 0, 0]);
    let (changes, _) = discord.start(Scope::Guild, &made_up(1..=2)).await;
    let wanted = ["1 added c1", "1 added c2", "2 added c1", "2 added c2", "all removed c1", "all removed c2"];
    assert_eq!(done(changes), wanted);
    assert_eq!(lists(), [0, 2, 2]);
    discord.start(Scope::Global, &made_up(1..=2)).await.0.unwrap();
    assert_eq!(lists(), [2, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_the_scope_is_told_and_the_others_are_served() {
    let wanted = made_up(1..=2);
    let apart = Arc::new(Discord { guilds: vec!["2"], ..Discord::default() });
    apart.start(Scope::Global, &wanted).await.0.unwrap();
    let told = apart.start(Scope::Guild, &wanted).await.0.unwrap_err().to_string();
    assert!(told.starts_with("Discord takes no commands in the server 1: Deckhand is not there, or lacks"), "{told}");
    assert!(
        told.contains("client_id=100&scope=bot+applications.commands&permissions=309237763072&guild_id=1,"),
        "{told}"
    );
    assert_eq!(["", "/guilds/2"].map(|list| apart.names(list).len()), [2, 2], "server 1 keeps what it has");
    for (refused, wanted) in [
        ((400, json!({ "code": 30034, "message": "Max" })), "no more new commands in the server 1 today: 200"),
        ((400, json!({ "code": 50035, "message": "Invalid Form Body" })), "in the server 1 could not be registered:"),
    ] {
        let discord = Arc::new(Discord { guilds: vec!["1", "2"], refuses: Some(refused), ..Discord::default() });
        let told = discord.start(Scope::Guild, &made_up([1])).await.0.unwrap_err().to_string();
        assert!(told.contains(wanted) && told.lines().count() == 2, "{told}");
    }
}

#[test]
fn what_was_done_is_one_line() {
    let change = |guild: Option<&str>, command: &str, done| Change {
        guild: guild.map(str::to_owned),
        command: command.to_owned(),
        done,
    };
    assert_eq!(told(&[]), "as they should be");
    let changes = [
        change(Some("1"), "deploy", Done::Changed),
        change(Some("1"), "lock", Done::Added),
        change(None, "deploy", Done::Removed),
        change(Some("1"), "freeze", Done::Added),
    ];
    let line = "removed deploy for all servers; added lock, freeze in the server 1; changed deploy in the server 1";
    assert_eq!(told(&changes), line);
}

#[tokio::test(start_paused = true)]
async fn the_token_must_be_that_of_the_application() {
    let rest = |discord| Rest::new(discord, "https://discord.test".to_owned(), "secret".to_owned());
    let told = check(&rest(discord()), "999", &[]).await.unwrap_err().to_string();
    let wanted = "the token of `[chat.discord]` belongs to the application 100 (`Deck'hand`), not to 999: write \
                  `application = \"100\"`, or the token of the other";
    assert_eq!(told, wanted);
    let servers = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let standing = check(&rest(discord()), APPLICATION, &servers(&["2", "3"])).await.unwrap();
    let foreign = vec![("1".to_owned(), "Server 1".to_owned())];
    assert_eq!(standing, Standing { missing: servers(&["3"]), foreign });
    assert_eq!(check(&rest(discord()), APPLICATION, &servers(&["2", "1"])).await.unwrap(), Standing::default());
}

#[tokio::test(start_paused = true)]
async fn a_bot_in_many_servers_finds_all_of_them() {
    let ids: Vec<&'static str> = (1..=450).map(|id: u32| &*id.to_string().leak()).collect();
    let guilds: Vec<_> = ids.iter().map(|id| (*id).to_owned()).collect();
    let discord = Arc::new(Discord { guilds: ids, ..Discord::default() });
    let rest = Rest::new(discord, "https://discord.test".to_owned(), "secret".to_owned());
    assert_eq!(check(&rest, APPLICATION, &guilds).await.unwrap(), Standing::default());
}
