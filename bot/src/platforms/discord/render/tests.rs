//! What the renderer makes of replies, as golden files, and what it never does, whatever it is given.

mod discord;

use super::markdown::{escape, fit, units, unmarked, visible};
use super::*;
use bytes::Bytes;
use commands::reply::{Button, Form, Input, Look, Tone};
use discord::{form_limits, limits, read, said};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn people() -> HashMap<String, String> {
    [("ana", "80351110224678912"), ("ben", "80351110224678913")].map(|(name, id)| (name.into(), id.into())).into()
}

fn upload(name: &str, bytes: impl Into<Bytes>) -> Upload {
    Upload { name: name.to_owned(), bytes: bytes.into() }
}

/// A button as the gate names it.
fn button(number: usize, label: impl Into<String>, look: Look) -> Button {
    let mut button = Button::new(label, format!("do number:{number}")).look(look);
    button.id = format!("{number:024x}");
    button
}

fn buttons(count: usize, look: impl Fn(usize) -> Look) -> Vec<Button> {
    (1..=count).map(|number| button(number, format!("Service {number}"), look(number))).collect()
}

fn deploy(tone: Tone, title: &str, text: &str) -> Reply {
    Reply::card(tone, title, text).field("Deploy", "#3").field("Release", "v2 (`1f3870b`)").field("Live before", "v1")
}

fn grid(head: &[&str], rows: &[&[&str]]) -> commands::reply::Grid {
    let owned = |row: &[&str]| row.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    commands::reply::Grid { head: owned(head), rows: rows.iter().map(|row| owned(row)).collect() }
}

/// One reply a rule.
fn goldens() -> Vec<(&'static str, Reply, Vec<Upload>)> {
    let log: String = (1..=400).map(|number| format!("line {number} of the program\n")).collect();
    let with = |change: fn(&mut Reply)| {
        let mut reply = Reply::say("Choose what to look at.");
        change(&mut reply);
        reply
    };
    let table = |head: &[&str], rows: &[&[&str]]| Reply { table: Some(grid(head, rows)), ..Reply::default() };
    let mut live = deploy(Tone::Good, "hello in staging: v2 is live", "v2 is live since 09:00:12 UTC.")
        .file("Log of #3", "deploy/hello/staging/3.log");
    live.buttons = vec![button(1, "Rollback to v1", Look::Plain)];
    let mut working = deploy(Tone::Working, "hello in staging: shipping v2", "The program is running, for 4.0 s now.")
        .output("Building\nPushing 3 of 7");
    working.state = State::Progress;
    working.buttons = vec![button(1, "Cancel", Look::Danger)];
    let mut question = Reply::card(Tone::Warn, "Ship v2 of hello to production?", "It is Friday.").only_you();
    question.outcome = Outcome::Refused;
    question.buttons = vec![button(1, "Yes, do it", Look::Danger), button(2, "No", Look::Plain)];
    let failed = deploy(Tone::Bad, "hello in staging: v2 is not live", "The program ended with 1.");
    let failed = failed.output("error: no space left\n```\n@everyone look\n```").outcome(Outcome::Broken);
    let sentences = [
        ("sentence", Reply::say("`hello` is live in `staging`.")),
        ("refusal", Reply::refuse("You may not ship to `production`. Ask ben.")),
        ("mistake", Reply::refuse("There is no command `shp`.").output("/shp hello\n ^^^")),
        ("broken", Reply::say("The store did not answer.").outcome(Outcome::Broken)),
        ("nothing", Reply::say(" ")),
        ("calls", Reply { calls: ["ana", "zoe", "ben", "ana"].map(str::to_owned).into(), ..Reply::say("It is down.") }),
        ("card", live.clone()),
        ("progress", working),
        ("question", question),
        ("failed", failed),
        ("bare_card", Reply::card(Tone::Plain, "Ledger", "")),
        ("no_card_fields", Reply::say("Here it is.").field("Rule", "3").field("", "").outcome(Outcome::Refused)),
        ("markdown", Reply::say(MARKDOWN)),
        ("links", Reply::say(LINKS)),
        ("table", table(&["Service", "Live"], &[&["`결제`", "v1"], &["hello", "v2\nnow"], &["", "–"]])),
        (
            "table_wide",
            table(&WIDE, &[&["`**hello**`", "v2", "2 hours ago", "frozen by ana"], &["a*b", "", "just now", ""]]),
        ),
        ("table_long", Reply { card: live.card.clone(), ..table(&["#"], &[&["a row of the table"][..]; 400]) }),
        ("long_sentence", Reply::say("A sentence of 2,000 letters. ".repeat(100))),
        ("long_text", Reply::card(Tone::Plain, "Why", "A `sentence` that goes on. ".repeat(300))),
        ("long_title", Reply::card(Tone::Plain, "Title ".repeat(100), "Text")),
        ("long_output", Reply::card(Tone::Bad, "It failed", "See the end.").output(log)),
        ("long_line", Reply::say("See the end.").output("한국어 ".repeat(3_000))),
        ("fields", (1..=40).fold(Reply::say("Facts"), |reply, number| reply.field(format!("Fact {number}"), "yes"))),
        ("long_field", Reply::card(Tone::Plain, "Facts", "").field("Name ".repeat(100), "value ".repeat(400))),
        ("buttons", with(|reply| reply.buttons = buttons(11, |number| [Look::Main, Look::Plain][number.min(2) - 1]))),
        (
            "lists",
            with(|reply| {
                reply.buttons = buttons(60, |number| if number % 9 == 0 { Look::Danger } else { Look::Plain })
            }),
        ),
        (
            "buttons_left",
            with(|reply| reply.buttons = buttons(150, |number| if number < 30 { Look::Main } else { Look::Plain })),
        ),
        (
            "button_labels",
            with(|reply| {
                reply.buttons = vec![
                    button(1, "", Look::Main),
                    button(1, "Again", Look::Main),
                    button(2, "한".repeat(90), Look::Plain),
                ]
            }),
        ),
    ];
    let mut goldens: Vec<_> = sentences.into_iter().map(|(name, reply)| (name, reply, Vec::new())).collect();
    goldens[6].2 = vec![upload("3.log", "done\n")];
    let odd = ["../../etc/passwd", "로그.log", "a b.txt", "a b.txt", "a_b-2.txt", ".", "x.png"];
    goldens.push(("file_names", Reply::say("Files"), odd.map(|name| upload(name, "x")).into()));
    let many = (1..=12).map(|number| upload(&format!("{number}.log"), "x")).collect();
    goldens.push(("files_left", Reply::say("Files"), many));
    goldens
}

const WIDE: [&str; 4] = ["Service", "Live", "Since", "Note"];
const MARKDOWN: &str = "**bold** _it_ ~~no~~ ||hidden|| [here](https://evil.example) @everyone <@1> <#2> <:x:3> <t:4> </x:5> \
    :100: `code` ` ``` \\ 09:00:12\n# Title\n## Title\n-# small\n> quote\n>>> all\n- a\n* b\n+ c\n 1. d\n1.5 s\n#3 and -1\n\
    \u{202E}gnp.exe\u{200B}`a``b`";
const LINKS: &str = "See https://deckhand.example/a_(b)?c=d_e*f, (http://[::1]:8080/health). Not https://good.example@evil.example, \
    https://exa\u{43C}ple.com nor file://x, nor `https://in.code`";

#[test]
fn replies_look_as_their_golden_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/platforms/discord/render/golden");
    let update = std::env::var_os("UPDATE").is_some();
    let goldens = goldens();
    for (name, reply, uploads) in &goldens {
        let message = message(reply, uploads.clone(), &people());
        check(&message, reply);
        let files: Vec<_> = message.files.iter().map(file).collect();
        let shown = serde_json::to_string_pretty(&json!({ "body": message.body, "files": files })).unwrap() + "\n";
        let path = folder.join(format!("{name}.json"));
        if update {
            fs::write(&path, &shown).unwrap();
        }
        let golden = fs::read_to_string(&path).unwrap_or_default();
        let again = "`UPDATE=1 cargo test -p bot --lib discord::render` writes it, for you to look at";
        assert!(shown == golden, "{name}.json differs: {again}. It is now\n{shown}");
    }
    let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let known = |file: &str| goldens.iter().any(|(name, ..)| file == format!("{name}.json"));
    assert!(left.iter().all(|file| known(file.to_str().unwrap())), "nobody draws one of {left:?}");
}

/// A file as a golden file has it: its size, and its text where that is short.
fn file(file: &Upload) -> Value {
    let text = String::from_utf8_lossy(&file.bytes);
    let text = if text.len() < 200 { json!(text) } else { json!("…") };
    json!({ "name": file.name, "bytes": file.bytes.len(), "text": text })
}

/// No limit is broken, nothing but Deckhand's own markup has a meaning, and nothing is lost.
fn check(message: &Message, reply: &Reply) {
    limits(message);
    let shown = said(&message.body, &reply.calls, &people());
    let answer = message.files.iter().find(|file| file.name == "answer.txt");
    let answer = answer.map(|file| String::from_utf8(file.bytes.to_vec()).unwrap());
    assert_eq!(answer.is_some(), shown.contains("the whole answer is in answer.txt"), "{shown}");
    let whole = squashed(&answer.unwrap_or(shown));
    for piece in pieces(reply) {
        assert!(whole.contains(&squashed(piece)), "{piece:?} is lost in {whole}");
    }
}

/// All that a reply says.
fn pieces(reply: &Reply) -> BTreeSet<&str> {
    let mut pieces = vec![&reply.text, &reply.output];
    pieces.extend(reply.card.iter().map(|card| &card.title));
    pieces.extend(reply.fields.iter().flat_map(|field| [&field.name, &field.value]));
    pieces.extend(reply.table.iter().flat_map(|grid| grid.rows.iter().flatten()));
    pieces.extend(reply.calls.iter().filter(|name| !people().contains_key(*name)));
    let mut ids = HashSet::new();
    pieces.extend(reply.buttons.iter().filter(|button| ids.insert(&button.id)).map(|button| &button.label));
    pieces.into_iter().map(String::as_str).collect()
}

/// A text without what may look otherwise: space, marks of code, and what can not be seen.
fn squashed(text: &str) -> String {
    visible(text).chars().filter(|letter| !letter.is_whitespace() && !"`'\u{FFFD}".contains(*letter)).collect()
}

/// Text that a limit or a sign could stumble over.
fn texts() -> Vec<String> {
    let units = [
        "a",
        "word ",
        "한",
        "한국어 ",
        "👨‍👩‍👧‍👦",
        "🏳️‍🌈 ",
        "\u{202E}",
        "\u{200B}",
        "\u{301}",
        "`",
        "```",
        "\n",
        "*",
        "_",
        "||",
        "\\",
        "@everyone ",
        "<@1>",
        "[x](https://evil.example)",
        "https://a.example/",
        "`code` ",
        "`a*b",
        "# ",
        "\n# ",
        "\n1. ",
        "\n- ",
        ":x:",
        "\t",
        "\0",
    ];
    let mut texts: Vec<String> = units.iter().flat_map(|unit| [unit.to_string(), unit.repeat(7)]).collect();
    texts.extend(units.iter().map(|unit| unit.repeat(5_000 / unit.len())));
    for size in [80, 100, 256, 1_024, 2_000, 4_096, 6_000] {
        texts.extend([size, size + 1].map(|size| "x".repeat(size)));
        texts.extend(["*", "👍"].map(|unit| unit.repeat(size / 2)));
    }
    texts.push("word".repeat(2_500));
    texts.extend([MARKDOWN, LINKS, "", " "].map(str::to_owned));
    texts
}

#[test]
fn no_text_breaks_a_limit_or_is_lost() {
    for text in texts() {
        let say = Reply::say(&*text);
        let card = Reply::card(Tone::Good, &*text, &*text);
        let fields = (0..8).fold(Reply::default(), |reply, _| reply.field(&*text, &*text));
        let rows = vec![[text.clone(), text.clone()]; 3];
        let table = Reply::default().table(["one", "two"], rows.clone());
        let mut all = card.clone().field(&*text, &*text).field("a", "b").table(["one", "two"], rows).output(&*text);
        all.buttons = (1..=12).map(|number| button(number, &*text, Look::Plain)).collect();
        let mut called = say.clone();
        called.calls = (0..60).map(|number| format!("{number}{text}")).collect();
        for reply in [say.clone(), say.output(&*text), card, fields, table, all, called] {
            check(&message(&reply, Vec::new(), &people()), &reply);
        }
    }
}

#[test]
fn no_number_of_things_breaks_a_limit_or_is_lost() {
    for count in [0, 1, 4, 5, 6, 10, 11, 24, 25, 26, 27, 60, 100, 101, 150] {
        let words = |number: usize| format!("{number} {}", "word ".repeat(number));
        let looks: [fn(usize) -> Look; 4] = [
            |_| Look::Plain,
            |_| Look::Main,
            |number| [Look::Plain, Look::Danger][number % 2],
            |number| if number < 20 { Look::Main } else { Look::Plain },
        ];
        for look in looks {
            let mut reply =
                (0..count).fold(Reply::say("Text"), |reply, number| reply.field(words(number), words(number)));
            reply.buttons = buttons(count, look);
            reply.table = Some(grid(&["a", "b"], &vec![&["cell", "`cell`"][..]; count]));
            reply.output = (0..count).map(|number| words(number) + "\n").collect();
            reply.calls = (0..count).map(|number| format!("name{number}")).collect();
            let people =
                reply.calls.iter().enumerate().map(|(id, name)| (name.clone(), format!("{:020}", id + 1))).collect();
            let message = message(&reply, (0..count).map(|_| upload("a.log", "x")).collect(), &people);
            limits(&message);
            let mut uncalled = reply.clone();
            uncalled.calls.clear();
            check(&super::message(&uncalled, Vec::new(), &people), &uncalled);
        }
    }
}

#[test]
fn only_code_and_links_mean_something() {
    let cases = [
        ("plain, with (brackets) & co. #3", "plain, with (brackets) & co. #3"),
        ("a*b_c~d|e", "a\\*b\\_c\\~d\\|e"),
        ("`a*b` c*d", "`a*b` c\\*d"),
        ("an odd ` one", "an odd \\` one"),
        ("``", "\\`\\`"),
        ("```x```", "\\`\\``x`\\`\\`"),
        ("`a``b`", "`a` `b`"),
        ("`a\nb`", "\\`a\nb\\`"),
        ("[a](https://b.example)", "\\[a](<https://b.example>)"),
        ("C:\\x `C:\\`", "C:\\\\x `C:\\`"),
        ("@everyone <@&1>", "\\@everyone \\<\\@&1>"),
        ("12:34:56 :100:", "12:34:56 \\:100:"),
        ("# a\n#a\n  > b\nc # d", "\\# a\n#a\n  \\> b\nc # d"),
        ("1. a\n1.5\n12) b\n-# c\n- d\n-1", "1\\. a\n1.5\n12) b\n\\-# c\n\\- d\n-1"),
        ("a\u{202E}b\u{0}", "a\u{FFFD}b\u{FFFD}"),
        ("HTTPS://a.example steam://b", "HTTPS\\://a.example steam\\://b"),
        ("http:// https://a", "http\\:// <https://a>"),
        ("한국어 👩‍🚀", "한국어 👩‍🚀"),
    ];
    for (text, shown) in cases {
        assert_eq!(escape(text), shown);
    }
    for text in texts() {
        // Read as Discord reads it, every text is itself.
        let whole = visible(&text);
        let side_by_side = whole.replace("``", "` `");
        let shown = read(&escape(&text), &[]);
        assert!(
            [unmarked(&whole), unmarked(&side_by_side)].iter().any(|text| squashed(text) == squashed(&shown)),
            "{text:?}: {shown:?}"
        );
    }
}

#[test]
fn text_is_cut_so_that_it_still_reads() {
    let cases = [
        ("two words", 9, "two words"),
        ("two words", 8, "two wor…"),
        ("two words", 5, "two…"),
        ("a***", 6, "a\\*…"),
        ("한국어", 2, "한…"),
        ("👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 12, "👨‍👩‍👧‍👦…"),
        ("`some code` and", 8, "`some…`"),
        ("see https://a.example/page", 20, "see https\\://a.exa…"),
        ("abc", 0, ""),
    ];
    for (text, limit, shown) in cases {
        assert_eq!(fit(text, limit), (shown.to_owned(), shown != text), "{text} in {limit}");
    }
    for text in texts() {
        for limit in [1, 2, 3, 10, 80, 256, 1_000] {
            let (shown, cut) = fit(&text, limit);
            assert!(units(&shown) <= limit && cut == (shown != escape(&text)), "{text:?} in {limit}");
            assert!(!cut || shown.trim_end_matches('`').ends_with('…'), "{shown:?}");
        }
    }
}

#[test]
fn a_file_that_is_too_large_is_cut_where_it_began() {
    let large: Vec<u8> = (0..1_200_000).flat_map(|number| format!("line {number:07}\n").into_bytes()).collect();
    let picture = [vec![0x89, b'P', b'N', b'G', 0], vec![1; 11 * 1024 * 1024]].concat();
    let single = "한".repeat(4 * 1024 * 1024);
    let uploads = vec![upload("large.log", large), upload("chart.png", picture), upload("small.log", "all of it")];
    let reply = Reply::say("Logs").file("The log", "x/large.log");
    let shown = message(&reply, uploads, &people());
    limits(&shown);
    assert_eq!(shown.body["content"], "Logs\nThere is no room for 1 file: `chart.png`.");
    assert_eq!(shown.body["attachments"][0]["description"], "The log");
    let text = std::str::from_utf8(&shown.files[0].bytes).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let cut: usize = first.strip_prefix("Cut here: ").unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(rest.starts_with("line ") && rest.ends_with("line 1199999\n"), "{first}");
    assert_eq!(cut + rest.len(), 1_200_000 * 13);
    assert_eq!(shown.files[1].bytes, "all of it");
    let shown = message(&reply, vec![upload("single.txt", single)], &people());
    assert!(std::str::from_utf8(&shown.files[0].bytes).unwrap().ends_with("한"));
    let files = (0..3).map(|_| upload("a.log", "line\n".repeat(2_000_000))).collect();
    limits(&message(&reply, files, &people()));
}

#[test]
fn a_files_title_describes_it() {
    let reply = Reply::say("Logs").file("The log of b", "a/b.log");
    let uploads = vec![upload("b.log", "x"), upload("c.log", "y"), upload("The log of b.txt", "z")];
    let shown = message(&reply, uploads, &people());
    limits(&shown);
    assert_eq!(shown.body["attachments"][0]["description"], "The log of b");
    assert_eq!(shown.body["attachments"][1], json!({ "id": 1, "filename": "c.log" }));
    let third = json!({ "id": 2, "filename": "The_log_of_b.txt", "description": "The log of b" });
    assert_eq!(shown.body["attachments"][2], third);
}

#[test]
fn a_form_asks_for_what_is_missing() {
    let code = Input {
        name: "code".to_owned(),
        label: "Code from your app".to_owned(),
        most: 6,
        secret: true,
        ..Input::default()
    };
    let why = Input {
        name: "why".to_owned(),
        long: true,
        hint: "#123".to_owned(),
        value: "because".to_owned(),
        most: 300,
        ..Input::default()
    };
    let shown = form("0a", &Form { title: "Ship to production".to_owned(), inputs: vec![code, why] });
    form_limits(&shown);
    let expected = json!({
        "custom_id": "0a",
        "title": "Ship to production",
        "components": [
            { "type": 1, "components": [{
                "type": 4, "custom_id": "code", "style": 1, "label": "Code from your app",
                "required": true, "min_length": 1, "max_length": 6,
            }] },
            { "type": 1, "components": [{
                "type": 4, "custom_id": "why", "style": 2, "label": "why",
                "required": true, "min_length": 1, "max_length": 300, "placeholder": "#123", "value": "because",
            }] },
        ],
    });
    assert_eq!(shown, expected);
    for text in texts() {
        for most in [0, 1, 300, 10_000] {
            let (label, hint, value) = (text.clone(), text.clone(), text.clone());
            let input = Input { name: "one".to_owned(), label, hint, value, most, ..Input::default() };
            form_limits(&form("0a", &Form { title: text.clone(), inputs: vec![input; 7] }));
        }
    }
}
