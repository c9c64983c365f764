//! Drill: the built program charts what a real Prometheus and a real Graphite have: what was noted for days, what
//! node_exporter says now, what is no number, what is too much, and what goes wrong on the way.

mod before;
mod own;
mod pushed;
mod servers;

use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderValue;
use serde_json::Value;
use servers::{Graphite, NodeExporter, Prometheus};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;
use tests::program::{Home, client, until};
use tests::team::filled;

const CONFIG: &str = r#"
environments = ["production"]
data = "{data}"

[people.ana]
roles = ["deployer"]

[[policy]]
allow = "*"
to = ["deployer"]

[console]
listen = "{listen}"

[lock]

[services.hello]

[metrics.sources.prometheus]
kind = "prometheus"
url = "{prometheus}"

[metrics.sources.plugins]
kind = "program"
program = ["/usr/lib/nagios/plugins/check_load", "-w", "0,0,0", "-c", "1000,1000,1000"]

[metrics.sources.status]
kind = "json"
url = "{prometheus}"

[metrics.sources.wrong]
kind = "prometheus"
url = "{exporter}"

[metrics.measures.greeting]
source = "prometheus"
query = 'greeting_seconds{env="{environment}"}'
unit = "s"
better = "lower"
bad = 0.5
service = "hello"

[metrics.measures.load]
source = "prometheus"
query = "node_load1"

[metrics.measures.cpu]
source = "prometheus"
query = 'sum by (mode) (rate(node_cpu_seconds_total{mode=~"{mode}"}[10s]))'
variables = { mode = ["user|system", "idle"] }

[metrics.measures.many]
source = "prometheus"
query = "many"

[metrics.measures.none]
source = "prometheus"
query = "no_such_metric"

[metrics.measures.odd]
source = "prometheus"
query = "odd / 0"

[metrics.measures.number]
source = "prometheus"
query = "42"

[metrics.measures.torn]
source = "prometheus"
query = "rate("

[metrics.measures.clash]
source = "prometheus"
query = "many * on() many"

[metrics.measures.load5]
source = "plugins"
query = "load5"

[metrics.measures.load6]
source = "plugins"
query = "load6"

[metrics.measures.heads]
source = "status"
query = "/api/v1/status/tsdb#/data/headStats/numSeries"

[metrics.measures.version]
source = "status"
query = "/api/v1/status/buildinfo#/data/version"

[metrics.measures.wrong]
source = "wrong"
query = "up"
"#;

/// What was noted before the drill, minute by minute, in OpenMetrics' text: two days of `greeting_seconds`, which is slower
/// since an hour, was not noted for half an hour, and was very slow for one minute; and ten thousand of `many`.
fn history(now: DateTime<Utc>) -> String {
    let mut text = "# TYPE greeting_seconds gauge\n".to_owned();
    for minute in (1..=2 * 24 * 60_i64).rev() {
        let value = match minute {
            150..=180 => continue,
            300 => 0.9,
            ..60 => 0.21,
            _ => 0.14,
        };
        let at = (now - TimeDelta::minutes(minute)).timestamp();
        let _ = writeln!(text, "greeting_seconds{{env=\"production\"}} {value} {at}");
    }
    text += "# TYPE many gauge\n";
    for number in 0..10_000 {
        for minute in [60_i64, 30, 1] {
            let _ = writeln!(
                text,
                "many{{number=\"{number}\"}} {number} {}",
                (now - TimeDelta::minutes(minute)).timestamp()
            );
        }
    }
    text += "# TYPE odd gauge\n";
    let _ = writeln!(
        text,
        "odd{{sign=\"nought\"}} 0 {0}\nodd{{sign=\"plus\"}} 1 {0}",
        (now - TimeDelta::minutes(1)).timestamp()
    );
    text + "# EOF\n"
}

/// The last reply to a line.
fn say(home: &Home, line: &str) -> Value {
    let ran = home.run(&["say", "--json", line]);
    ran.json().pop().unwrap_or_else(|| panic!("nothing was said to {line}: {ran:?}"))
}

/// The text of it.
fn text(home: &Home, line: &str) -> String {
    say(home, line)["text"].as_str().unwrap_or_default().to_owned()
}

/// The picture of a reply, and how wide and high it is.
async fn picture(home: &Home, reply: &Value) -> (Vec<u8>, u32, u32) {
    let name = reply["files"][0]["name"].as_str().unwrap_or_else(|| panic!("no picture: {reply}"));
    let asked = client()
        .get(home.url(&format!("/files/{name}?as=ana")))
        .bearer_auth(home.token())
        .send()
        .await
        .expect("the console answers");
    assert_eq!(
        (asked.status().as_u16(), &asked.headers()["content-type"]),
        (200, &HeaderValue::from_static("image/png"))
    );
    let bytes = asked.bytes().await.expect("it has a body").to_vec();
    assert!(bytes.starts_with(b"\x89PNG\r\n"), "{name}");
    // Where PNG has them: the beginning of its first chunk.
    let side = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let (wide, high) = (side(16), side(20));
    if let Some(folder) = std::env::var_os("PICTURES") {
        std::fs::write(std::path::Path::new(&folder).join(name), &bytes).expect("a file");
    }
    (bytes, wide, high)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_prometheus_has_is_drawn_and_told() {
    let exporter = NodeExporter::start();
    let now = Utc::now();
    let prometheus = Prometheus::start(&history(now), exporter.address());
    let home = Home::with(&filled(CONFIG, &[("prometheus", &prometheus.url()), ("exporter", &exporter.url())]));
    let deckhand = home.start();

    days(&home).await;
    one_minute_of_a_month(&home).await;
    scraped(&home).await;
    odd_answers(&home);

    prometheus.stop();
    let gone = say(&home, "metrics chart greeting");
    assert_eq!(gone["outcome"], "broken");
    assert!(gone["text"].as_str().unwrap_or_default().contains("can not be asked: "), "{gone}");
    deckhand.stop();
    assert_eq!(home.ledger().len(), 2, "looking is no act");
    home.assert_sound();
}

/// Against yesterday, with what is missing, beside what was changed.
async fn days(home: &Home) {
    let taken = say(home, "lock take service:hello env:production because:\"the <b>database</b> moves\"");
    assert_eq!(taken["outcome"], "done", "{taken}");
    let chart = say(home, "metrics chart greeting last:6h vs:yesterday");
    let says = chart["text"].as_str().unwrap_or_default();
    let parts = [
        "210 ms now, ",
        "% against yesterday (140 ms)",
        "It was bad (500 ms and more) for 1 minute, first at ",
        "Highest: 900 ms at ",
        "There are no figures from ",
    ];
    for part in parts {
        assert!(says.contains(part), "{part}\n{says}");
    }
    assert!(!says.contains("right after"), "a lock makes nothing slower: {says}");
    let (_, wide, high) = picture(home, &chart).await;
    assert!(wide == 1_080 && (700..1_200).contains(&high), "{wide} x {high}");
    let series: Vec<f64> = serde_json::from_value(chart["files"][0]["series"].clone()).expect("figures");
    assert!(series.contains(&0.9) && series.contains(&0.14), "{series:?}");

    let show = say(home, "metrics show greeting env:production");
    assert_eq!(show["card"]["title"], "greeting in production: 210 ms");
    assert_eq!(show["fields"][0]["value"], "140 ms (+50 % since)", "{show}");
    assert_eq!(show["fields"][1]["value"], "no figure", "{show}");

    let number = taken["fields"][0]["value"].as_str().unwrap_or_default().trim_start_matches('#').to_owned();
    let early = text(home, &format!("metrics compare greeting {number}"));
    assert!(early.contains("has only just ended"), "{early}");
}

/// What stands out for a minute is told in a month, which Prometheus does not give at once.
async fn one_minute_of_a_month(home: &Home) {
    let chart = say(home, "metrics chart greeting last:30d");
    let says = chart["text"].as_str().unwrap_or_default();
    assert!(says.contains("Highest: 900 ms at "), "{says}");
    picture(home, &chart).await;
}

/// What node_exporter says of this very machine.
async fn scraped(home: &Home) {
    until("the load was noted", || {
        let title = say(home, "metrics show load")["card"]["title"].as_str().unwrap_or_default().to_owned();
        title.strip_prefix("load: ").is_some_and(|figure| figure.parse::<f64>().is_ok()).then_some(())
    });
    until("there are enough figures for a rate", || {
        let reply = say(home, "metrics chart cpu last:5m");
        (reply["table"]["rows"].as_array().map(Vec::len) == Some(2)).then_some(())
    });
    let chart = say(home, "metrics chart cpu last:5m");
    assert_eq!(chart["table"]["rows"][0][0], "mode=\"system\"", "{chart}");
    picture(home, &chart).await;
    let idle = say(home, "metrics chart cpu last:5m with:mode=idle");
    assert!(idle["table"].is_null() && idle["card"]["title"] == "cpu, mode idle", "{idle}");
}

/// Whatever else it answers.
fn odd_answers(home: &Home) {
    for (line, part) in [
        ("metrics chart none", "answers, and has no series for this query: `no_such_metric`"),
        ("metrics show none", "answers, and has no series for this query: `no_such_metric`"),
        ("metrics chart torn", "does not understand the query: `1:6: parse error"),
        ("metrics chart clash", "can not work the query out: `"),
        ("metrics chart many last:2h", "There are 10000 series, and 5 are shown, those that stand worst."),
        ("metrics show many", "There are 10000 series, and 5 are shown, those that stand worst."),
        ("metrics show wrong", "answers 200 in HTML, and not as Prometheus does"),
        ("metrics show load6", "gives no figure `load6`, but `load1`, `load5` or `load15`"),
        ("metrics show version", "has no number at `/data/version`, but a text"),
        ("metrics show cpu with:mode=nice", "`mode` of `cpu` can not be `nice`."),
    ] {
        let says = text(home, line);
        assert!(says.contains(part), "{line}: {says}");
    }
    for measure in ["load5", "heads"] {
        let title =
            say(home, &format!("metrics show {measure}"))["card"]["title"].as_str().unwrap_or_default().to_owned();
        let figure: f64 = title.trim_start_matches(&format!("{measure}: ")).parse().expect(&title);
        assert!(figure > 0.0, "{title}");
    }
    let odd = say(home, "metrics show odd")["table"]["rows"].to_string();
    assert!(odd.contains("no number") && odd.contains("infinite"), "{odd}");
    let many = say(home, "metrics chart many last:2h")["table"]["rows"].to_string();
    assert!(many.contains(r#"number=\"9999\""#) && many.contains(r#"number=\"9995\""#), "{many}");
    assert_eq!(say(home, "metrics show number")["card"]["title"], "number: 42");
    let flat = text(home, "metrics chart number last:1h");
    assert!(flat.starts_with("42 now, 42 on average over 1 hour."), "{flat}");
}

const GRAPHITE: &str = r#"
environments = ["staging", "production"]
data = "{data}"

[people.ana]
roles = ["deployer"]

[[policy]]
allow = "*"
to = ["deployer"]

[console]
listen = "{listen}"

[lock]

[services.hello]

[metrics]
theme = "dark"

[metrics.sources.graphite]
kind = "graphite"
url = "{graphite}"
markers = ["lock.take"]

[metrics.measures.load]
source = "graphite"
query = "servers.{environment}.load"
better = "lower"
warn = 0.8

[metrics.measures.torn]
source = "graphite"
query = "nosuch(servers.{environment}.load)"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_graphite_has_is_drawn_and_told() {
    let now = Utc::now().timestamp() / 60 * 60;
    let figure = |minute: i64| (now - 60 * minute, if minute < 30 { 0.9 } else { 0.5 });
    let figures: Vec<_> = (0..600).filter(|minute| !(100..120).contains(minute)).map(figure).collect();
    let graphite = Graphite::start(&figures);
    let home = Home::with(&filled(GRAPHITE, &[("graphite", &graphite.url())]));
    let deckhand = home.start();

    let chart = say(&home, "metrics chart load last:4h");
    let says = chart["text"].as_str().unwrap_or_default();
    for part in ["0.9 ", "It was worth a look (0.8 and more) for 30 minutes", "There are no figures from "] {
        assert!(says.contains(part), "{part}\n{says}");
    }
    picture(&home, &chart).await;
    assert_eq!(say(&home, "metrics show load")["card"]["title"], "load in production: 0.9");
    for (line, part) in [
        ("metrics chart load env:staging", "answers, and has no series for this query: `servers.staging.load`"),
        (
            "metrics show torn",
            "does not understand the query: `Invalid parameters (Received request for unknown function",
        ),
    ] {
        let says = text(&home, line);
        assert!(says.contains(part), "{line}: {says}");
    }
    assert!(home.ledger().is_empty(), "looking is no act");
    let marked = marks(&home, &graphite, 1).await;
    let first = marked[0].as_object().expect("an event");
    assert!(first["what"].as_str().unwrap_or_default().ends_with(" lock.take production/hello"), "{first:?}");
    let tags: BTreeSet<_> = first["tags"].as_array().expect("tags").iter().filter_map(Value::as_str).collect();
    assert_eq!(tags, BTreeSet::from(["deckhand", "hello", "lock.take", "production"]));

    // What was marked is not marked again, whatever is restarted.
    deckhand.kill();
    let deckhand = home.start();
    let marked = marks(&home, &graphite, marked.len() + 1).await;
    let whats: BTreeSet<_> = marked.iter().map(|event| event["what"].to_string()).collect();
    assert_eq!(whats.len(), marked.len(), "{marked:?}");
    deckhand.stop();
    home.assert_sound();
}

/// Takes and gives back a lock again and again, until so many events are at Graphite: a new source is told of what comes after
/// the first look at it.
async fn marks(home: &Home, graphite: &Graphite, count: usize) -> Vec<Value> {
    let address = format!("{}/events/get_data?tags=deckhand", graphite.url());
    for _ in 0..60 {
        let taken = say(home, "lock take service:hello env:production because:\"the <b>database</b> `moves`\"");
        assert_eq!(taken["outcome"], "done", "{taken}");
        say(home, "lock release service:hello env:production");
        let answer = client().get(&address).send().await.expect("Graphite answers");
        let events: Vec<Value> = answer.json().await.expect("it is JSON");
        if events.len() >= count {
            return events;
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    panic!("Graphite has not been told: {}", home.log());
}
