//! What is told of a config that becomes another, and what is kept of it.

use super::*;
use commands::store::MAX_VALUE;
use std::path::Path;

fn read(text: &str) -> Config {
    let env = |name: &str| (name == "TOKEN").then(|| "hunter2-hunter2".to_owned());
    let whole = format!("environments = [\"live\", \"test\"]\n{text}");
    config::parse(&whole, "deckhand.toml", Path::new("/srv"), &env).0
}

/// What stands on the ledger when a config becomes another: of which service and environment, what, and what to put back.
fn told(before: &str, now: &str) -> Vec<String> {
    let (before, now) = (read(before), read(now));
    let said = |config: &Config| said(config, &Redactor::new(config.secrets.clone()), [7; 16]);
    let (old, new) = (said(&before), said(&now));
    let all: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let changed = all.into_iter().filter(|name| old.get(*name) != new.get(*name));
    let changed: Vec<_> = changed.map(|name| Changed { name, before: old.get(name), now: new.get(name) }).collect();
    let shown = |draft: Draft| {
        let place = [&draft.service, &draft.environment].map(|name| name.clone().unwrap_or("-".to_owned())).join(" ");
        let back = draft.by_hand().unwrap_or_default().replace("by hand, in deckhand.toml: ", "");
        format!("{place}: {} < {}", draft.object, back.replace("; then start Deckhand again", ""))
    };
    entries(&now, &changed, DateTime::UNIX_EPOCH).into_iter().map(shown).collect()
}

#[test]
fn what_has_changed_is_told_with_what_to_put_back() {
    let of = |lines: &str| format!("[services.hello.deploy]\n{lines}");
    for (before, now, wanted) in [
        (of("tries = 2"), of("# higher\ntries = 2"), ""),
        (of("tries = 2"), of("tries = 5"), "hello -: hello: deploy.tries 2 → 5 < write tries = 2 in line 3"),
        (
            of("tries = 2"),
            of("tries = 2\nlimit = \"3m\""),
            "hello -: hello: deploy.limit is new (3m) < take limit out of [services.hello.deploy] (line 4)",
        ),
        (
            of("live = { limit = \"3m\" }"),
            of("live = { limit = \"3m\", tries = 5 }"),
            "hello live: hello: deploy.live.tries is new (5) < take tries out of [services.hello.deploy.live] (line 3)",
        ),
        (
            of("tries = 2"),
            of("tries = 5\nlive = { limit = \"3m\" }"),
            "hello -: hello: deploy.live is new; deploy.tries 2 → 5 < write tries = 2 in line 3; take all of services.hello.deploy.live out",
        ),
        (
            String::new(),
            "timezone = \"Asia/Seoul\"".to_owned(),
            "- -: timezone is new (Asia/Seoul) < take timezone out of the top of the file (line 2)",
        ),
        (
            of("limit = \"3m\"\ntries = 2"),
            of("tries = 2"),
            "hello -: hello: deploy.limit is gone (it was 3m) < write limit = \"3m\" again in [services.hello.deploy]",
        ),
        (
            of("live = { limit = \"3m\" }"),
            of("live = { limit = \"1m\" }"),
            "hello live: hello: deploy.live.limit 3m → 1m < write limit = \"3m\" in line 3",
        ),
        (
            "[people.dan]\nroles = [\"dev\", \"ops\"]".to_owned(),
            "[people.dan]\nroles = [\"ops\", \"lead\"]".to_owned(),
            "- -: people.dan.roles without dev, with lead < put dev back, take lead out in line 3",
        ),
        (
            "[people.dan]\nroles = [\"dev\", \"ops\"]".to_owned(),
            "[people.dan]\nroles = [\"ops\", \"dev\"]".to_owned(),
            "- -: people.dan.roles in another order < put what stands there back in its order in line 3",
        ),
        (
            "[people.dan]\nroles = [\"dev\"]\ndiscord = \"1\"".to_owned(),
            "[people.eve]\nroles = [\"dev\"]".to_owned(),
            "- -: people.dan is gone; people.eve is new < write again what stood in [people.dan]; take all of people.eve out",
        ),
        (
            "timezone = \"Asia/Seoul\"".to_owned(),
            String::new(),
            "- -: timezone is gone (it was Asia/Seoul) < write timezone = \"Asia/Seoul\" again at the top of the file",
        ),
        (
            "[[policy]]\nallow = \"a\"\nto = [\"b\"]\n[[policy]]\nallow = \"c\"\nto = [\"b\"]".to_owned(),
            "[[policy]]\nallow = \"a\"\nto = [\"b\"]".to_owned(),
            "- -: policy without { allow = \"c\", to = [\"b\"] } < put { allow = \"c\", to = [\"b\"] } back in line 2",
        ),
        ("[metrics]".to_owned(), String::new(), "- -: [metrics] is gone < write again what stood in [metrics]"),
        (String::new(), "[metrics]".to_owned(), "- -: [metrics] is new < take all of metrics out"),
    ] {
        assert_eq!(told(&before, &now).join("|"), wanted, "{before}\n→\n{now}");
    }
}

#[test]
fn of_what_may_be_a_secret_nothing_is_told_but_that_it_is_another() {
    let kept = "not kept here, for it may be a secret";
    for (before, now) in [
        ("[chat.discord]\ntoken = \"swordfish\"", "[chat.discord]\ntoken = \"codfish\""),
        ("[deploy]\ncommand = [\"ship\", \"swordfish\"]", "[deploy]\ncommand = [\"ship\", \"codfish\"]"),
        ("[m]\nurl = \"http://ana:swordfish@hello/\"", "[m]\nurl = \"http://ana:codfish@hello/\""),
    ] {
        let told = told(before, now).join("|");
        assert!(told.contains("is another") && told.contains(kept) && !told.contains("fish"), "{told}");
    }
    let of = |value: &str| format!("[m]\ntoken = \"{value}\"");
    assert_eq!(told(&of("${TOKEN}"), &of("${TOKEN}")), Vec::<String>::new());
    let kept = serde_json::to_string(&said(&read(&of("swordfish")), &Redactor::default(), [7; 16])).unwrap();
    assert!(!kept.contains("swordfish") && kept.contains("\"#"), "{kept}");
}

#[test]
fn however_large_a_config_is_each_record_holds_its_piece() {
    let checks: String = (0..4_000).map(|n| format!("c{n} = {{ kind = \"tcp\", limit = \"{n}s\" }}\n")).collect();
    let rules: String =
        (0..6_000).map(|n| format!("[[policy]]\nallow = \"deploy ship s{n}\"\nto = [\"dev\"]\n")).collect();
    for text in [format!("[services.hello.checks]\n{checks}"), rules] {
        let parts = said(&read(&text), &Redactor::default(), [7; 16]);
        let part = parts.values().max_by_key(|part| part.len() + part[0].says.len()).unwrap();
        let pieces = pieces_of(part);
        assert_eq!(&pieces.concat(), part);
        for piece in pieces {
            assert!(serde_json::to_vec(&piece).unwrap().len() < MAX_VALUE - 1_024);
        }
    }
}

#[test]
fn of_many_changes_the_first_are_told_and_the_others_counted() {
    let of = |value: u8| (0..9).map(|key| format!("k{key} = {value}\n")).collect::<String>();
    let told = told(&format!("[deploy]\n{}", of(1)), &format!("[deploy]\n{}", of(2))).join("|");
    assert!(told.contains("deploy.k4 1 → 2; and 4 more <") && told.ends_with("in line 7; and 4 more"), "{told}");
}
