//! The rules of the house, checked on its own files: who may know whom, and that every command is shown and explained.

#[path = "house/schema.rs"]
mod schema;
#[path = "house/sources.rs"]
mod sources;

use bot::builtin;
use commands::registry::Registry;
use commands::spec::PluginSpec;
use commands::views::{discord, manual, words};
use schema::mismatches;
use serde_json::{Value, json};
use sources::{code, files, long, named, played, read, root};
use std::collections::BTreeSet;
use std::fs;

/// The crates, each of which depends on all before it and on none after it.
const HOUSE: [&str; 5] = ["config", "commands", "plugins", "bot", "tests"];

const SOCKETS: &[&str] = &["std::net", "tokio::net", "reqwest"];
/// For `config`, which may name an address.
const CONNECTIONS: &[&str] = &["TcpListener", "TcpStream", "UdpSocket", "UnixStream", "reqwest"];
const DISK: &[&str] = &["std::fs", "tokio::fs"];
const PROGRAMS: &[&str] = &["std::process", "tokio::process"];
const CLOCKS: &[&str] = &["SystemTime", "Utc::now", "Local::now"];
/// What would let a name through unseen.
const LISTS: &[&str] = &["use std::{", "use tokio::{"];
const PLATFORMS: &[&str] = &["discord", "Discord", "console", "Console", "irc", "IRC", "slack", "Slack"];
/// Names in Discord's JSON that nothing else has.
const DISCORD: &[&str] = &[
    "allowed_mentions",
    "application_id",
    "autocomplete",
    "custom_id",
    "embeds",
    "guild_id",
    "max_value",
    "min_value",
    "name_localizations",
];

/// What plugins share, which knows none of them.
const SHARED: [&str; 6] = ["calendar", "declared", "github", "probe", "program", "words"];

/// Functions of the contract that change nothing, or only a batch that somebody else commits. All others want a permit.
const HARMLESS: [(&str, &[&str]); 2] = [
    ("commands/src/ports.rs", &["new", "get", "read", "alive", "writing_to"]),
    ("commands/src/table.rs", &["new", "schema", "key", "get", "scan", "scan_back", "put_in", "name<'k>", "decode"]),
];

fn assert_none(found: &[String], instead: &str) {
    assert!(found.is_empty(), "{}\n{instead}", found.join("\n"));
}

fn specs() -> impl Iterator<Item = &'static PluginSpec> {
    std::iter::once(&builtin::SPEC).chain(plugins::ALL.iter().copied())
}

fn registry() -> Registry {
    Registry::new(specs().flat_map(|spec| spec.commands))
}

#[test]
fn the_crates_stand_in_one_line() {
    let members = format!("members = {HOUSE:?}");
    assert!(
        read("Cargo.toml").contains(&members),
        "Cargo.toml should say `{members}`: a new crate is a question of design"
    );
    for (place, name) in HOUSE.iter().enumerate() {
        let manifest = read(&format!("{name}/Cargo.toml"));
        let keys: BTreeSet<_> = manifest.lines().filter_map(|line| line.split(['.', ' ', '=']).next()).collect();
        let on: Vec<_> = HOUSE.into_iter().filter(|other| keys.contains(other)).collect();
        let allowed = &HOUSE[..place];
        let outside: Vec<_> = on.iter().filter(|other| !allowed.contains(other)).collect();
        assert!(
            outside.is_empty(),
            "{name}/Cargo.toml depends on {outside:?}, and may on {allowed:?}: move what it needs to the left"
        );
        assert!(
            place == 0 || !on.is_empty(),
            "{name}/Cargo.toml depends on nothing of the house: is this test reading it right?"
        );
    }
}

#[test]
fn the_contract_does_no_input_or_output() {
    // Its clock is tokio's, so that the tests own time: the one file that may ask it.
    assert!(
        read("commands/src/clock.rs").contains("use tokio::time::Instant;"),
        "the contract's clock must be tokio's"
    );
    let found = named("commands/src", &[SOCKETS, DISK, PROGRAMS, CLOCKS, LISTS], &[]);
    assert_none(&found, "Put it behind a trait of `commands::ports` or `commands::store`, and carry it out in `bot`.");
    let found = named("commands/src", &[&["Instant::now"]], &["src/clock.rs"]);
    assert_none(&found, "Ask `commands::clock::Clock`, or take the moment as an argument.");
    let found = named("config/src", &[CONNECTIONS, PROGRAMS, CLOCKS], &[]);
    assert_none(&found, "`config` reads the operator's files and nothing else: take the rest as an argument.");
}

#[test]
fn plugins_know_neither_the_machine_nor_platforms_nor_each_other() {
    let found = named("plugins/src", &[SOCKETS, DISK, PROGRAMS, CLOCKS, LISTS], &[]);
    assert_none(&found, "Use `cx.ports()` and `cx.now()`.");
    let found = named("plugins/src", &[PLATFORMS], &[]);
    assert_none(&found, "Say it with `commands::reply`: each platform renders what it can.");
    // `probe` is no plugin: how a service is looked at is the same for all.
    let foreign = |file: &String| {
        let own = file.trim_start_matches("plugins/src/").split(['/', '.']).next().unwrap_or_default().to_owned();
        let lines = code(file).into_iter().filter(move |(_, line)| {
            let shared = |path: &str| path.starts_with(&own) || SHARED.iter().any(|name| path.starts_with(name));
            line.contains("super::super::") || line.split("crate::").skip(1).any(|path| !shared(path))
        });
        lines
            .map(|(number, line)| format!("{file}:{number} reaches out of its plugin: {}", line.trim()))
            .collect::<Vec<_>>()
    };
    let found: Vec<_> =
        files("plugins/src", ".rs").iter().filter(|file| *file != "plugins/src/lib.rs").flat_map(foreign).collect();
    assert_none(&found, "What two plugins share is offered and asked for through a trait in `commands`.");
}

#[test]
fn only_its_own_files_know_discords_words() {
    let own = ["views/discord", "platforms/discord", "tests/src/discord", "bench/discord", "stage/elsewhere"];
    let crates = HOUSE.iter().flat_map(|name| named(&format!("{name}/src"), &[DISCORD], &own));
    assert_none(
        &crates.collect::<Vec<_>>(),
        "Move it to `commands/src/views/discord.rs` or `bot/src/platforms/discord`.",
    );
}

#[test]
fn no_transcript_opens_a_socket() {
    let found = named("tests/src/stage", &[SOCKETS, LISTS], &[]);
    assert_none(&found, "The stage's world is plain data behind `commands::ports`.");
}

#[test]
fn whatever_changes_the_world_takes_a_permit() {
    for (file, harmless) in HARMLESS {
        let code: String = code(file).into_iter().map(|(_, line)| line + "\n").collect();
        let functions: Vec<_> =
            code.split("pub ").skip(1).filter_map(|rest| Some((rest.split_once("fn ")?, rest))).collect();
        let functions = functions.into_iter().filter(|((before, _), _)| ["", "async ", "const "].contains(before));
        let wrong: Vec<_> = functions
            .map(|((_, rest), _)| rest.split_once(" {").map_or(rest, |(signature, _)| signature))
            .filter(|signature| !harmless.iter().any(|name| signature.starts_with(&format!("{name}("))))
            .filter(|signature| !signature.contains("&Permit"))
            .map(|signature| format!("{file}: fn {signature}"))
            .collect();
        assert_none(&wrong, "Take a `&Permit`, or, if it only reads, add its name to HARMLESS.");
    }
}

#[test]
fn every_command_stands_in_a_transcript() {
    let lines: Vec<_> = files("tests/transcripts", ".md").iter().flat_map(|file| played(&read(file))).collect();
    let says =
        |line: &str, name: &str| line.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let registry = registry();
    let missing = registry.iter().map(|spec| spec.name).filter(|name| !lines.iter().any(|line| says(line, name)));
    let missing: Vec<_> = missing.map(|name| format!("/{name} is played in no transcript")).collect();
    assert_none(
        &missing,
        "Let somebody say it in a file of tests/transcripts; `UPDATE=1 cargo test -p tests --test transcripts` fills in the rest.",
    );
}

#[test]
fn every_transcript_stands_in_the_manual() {
    let list = read("docs/transcripts.md");
    let listed = |file: &String| list.contains(&format!("(../{file})"));
    let missing: Vec<_> = files("tests/transcripts", ".md").into_iter().filter(|file| !listed(file)).collect();
    assert_none(&missing, "Give each a line in docs/transcripts.md.");
}

#[test]
fn every_command_stands_in_the_manual() {
    let (folder, update) = (root().join("docs/commands"), std::env::var_os("UPDATE").is_some());
    fs::create_dir_all(&folder).unwrap();
    let pages = manual::pages(specs());
    let wanted: BTreeSet<_> = pages.iter().map(|(name, _)| format!("docs/commands/{name}")).collect();
    for (name, page) in pages {
        let file = folder.join(&name);
        if update {
            fs::write(&file, &page).unwrap();
        }
        let same = fs::read_to_string(&file).is_ok_and(|written| written == page);
        assert!(
            same,
            "docs/commands/{name} is not what the table says: `UPDATE=1 cargo test -p tests --test house` writes it"
        );
    }
    let left: Vec<_> = files("docs/commands", "").into_iter().filter(|file| !wanted.contains(file)).collect();
    assert_none(&left, "No command has these pages: remove them.");
}

#[test]
fn the_table_of_commands_keeps_its_rules() {
    assert_none(&registry().checks(), "Mend the command's declaration.");
    assert_none(&discord::checks(&discord::registration(specs(), None)), "Say it shorter, or make two commands of it.");
    let Some(file) = std::env::var_os("DISCORD_OPENAPI") else {
        return println!("Discord's registration was not checked: set DISCORD_OPENAPI to its openapi.json.");
    };
    let api: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let put = &api["paths"]["/applications/{application_id}/commands"]["put"];
    let schema = &put["requestBody"]["content"]["application/json"]["schema"];
    let mut table = discord::registration(specs(), None);
    assert_none(&mismatches(&api, schema, &table, ""), "Mend `commands/src/views/discord.rs`.");
    for (place, wrong) in [
        ("/0/name", json!("")),
        ("/0/description", json!("x".repeat(101))),
        ("/0/description_localizations/ko", json!("말".repeat(101))),
        ("/0/contexts", json!([0, 0])),
        ("/1/options", json!([{ "type": 12 }])),
    ] {
        let right = std::mem::replace(table.pointer_mut(place).unwrap(), wrong);
        assert!(!mismatches(&api, schema, &table, "").is_empty(), "this check lets a wrong {place} pass");
        *table.pointer_mut(place).unwrap() = right;
    }
}

#[test]
fn every_command_is_explained_in_every_language() {
    assert!(words::ALL.iter().any(|(code, _)| *code == "ko"), "Korean is one of the languages");
    for (code, words) in words::ALL.iter() {
        assert_none(&words.checks(&registry()), &format!("In commands/src/views/words/{code}.toml."));
    }
}

#[test]
fn every_file_of_the_page_is_served() {
    let (folder, list) = ("bot/src/platforms/console/page", read("bot/src/platforms/console/page.rs"));
    let names: Vec<_> = files(folder, "").iter().map(|file| file.trim_start_matches(folder).to_owned()).collect();
    assert!(!names.is_empty(), "{folder} is empty");
    let missing = names.into_iter().filter(|name| !list.contains(&format!("include_str!(\"page{name}\")")));
    assert_none(&missing.collect::<Vec<_>>(), "Add them to ASSETS in platforms/console/page.rs, or remove them.");
}

#[test]
fn every_example_is_a_config_without_mistakes() {
    let examples = files("examples", "deckhand.toml");
    assert!(!examples.is_empty(), "there are no examples");
    for example in examples {
        let (config, problems) = config::load(&root().join(&example), &|_| None);
        bot::assembly::plan(&config, plugins::ALL, &problems);
        assert!(problems.is_empty(), "{problems}");
    }
}

#[test]
fn the_readme_names_the_two_commands() {
    let readme = read("README.md");
    for command in ["git clone ", "cargo run --release"] {
        assert!(
            readme.contains(command),
            "README.md does not say `{command}`: a newcomer needs these two commands and no more"
        );
    }
}

#[test]
fn what_is_long_is_asked_about() {
    let made_up =
        format!("    fn short() {{\n    }}\n    fn long() {{\n{}    }}\n{}", "//\n".repeat(70), "//\n".repeat(430));
    assert_eq!(long("x.rs", &made_up), ["x.rs has 504 lines", "x.rs:3 has 72 lines: fn long() {"]);
    let found: Vec<_> =
        HOUSE.iter().flat_map(|name| files(name, ".rs")).flat_map(|file| long(&file, &read(&file))).collect();
    println!("Is each of these one thing?\n{}", found.join("\n"));
}
