//! What is asked of ten thousand post-mortems on the disk: searching them, listing them, and what is due.

use super::ask::ask;
use super::deploys::built;
use super::{Figure, Goal, median};
use anyhow::Result;
use bot::gate::Bot;
use commands::store::Batch;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// How many post-mortems there are, and how many action items each has.
pub const MANY: u64 = 10_000;
const ITEMS: u64 = 3;

/// What is asked, and what that is.
const LINES: [(&str, &str); 5] = [
    ("/postmortem find connection pool", "what a tenth of them has"),
    ("/postmortem find 커넥션 풀", "what a tenth of them has, in Korean and spaced otherwise"),
    ("/postmortem find zebra", "what none has"),
    ("/postmortem list", "the newest"),
    ("/postmortem due", "what is open"),
];

/// How often each is asked in a benchmark.
pub const TURNS: usize = 9;

/// How long somebody waits without noticing that they do, in seconds.
const UNNOTICED: f64 = 0.3;

const CONFIG: &str = r#"
environments = ["production"]

[people.ana]
roles = ["deployer"]

[[policy]]
allow = "*"
to = ["deployer"]

[console]
listen = "127.0.0.1:0"

[postmortems]

[services.app]
"#;

/// What half of each is made of: 3.5 kB of a post-mortem in all, as long as many that are public.
const FILLER: &str = "Traffic moved to the second zone, and the queue grew until the workers were restarted. ";

/// Measures it, each line so many times; everything is kept under `scratch`.
///
/// # Errors
/// When something is not answered.
pub async fn run(scratch: &Path, turns: usize) -> Result<Vec<Figure>> {
    let folder = scratch.join("post-mortems");
    fs::create_dir_all(&folder)?;
    let bot = built(CONFIG, &folder)?;
    fill(&bot).await?;
    let mut figures = Vec::new();
    for (line, what) in LINES {
        let mut took = Vec::new();
        for _ in 0..turns {
            took.push(ask(&bot, line).await?.as_secs_f64());
        }
        let took = median(took);
        figures.push(Figure {
            what: format!("`{line}` over {MANY} post-mortems with {} action items: {what}", MANY * ITEMS),
            measured: format!("{:.0} ms", took * 1e3),
            against: "what nobody notices: 300 ms".to_owned(),
            ratio: took / UNNOTICED,
            goal: Goal::AtMost(1.0),
        });
    }
    Ok(figures)
}

async fn fill(bot: &Arc<Bot>) -> Result<()> {
    let mut batch = Batch::default();
    for number in 1..=MANY {
        let about = match number % 10 {
            0 => "The connection pool was full.",
            1 => "커넥션풀이 가득 찼다.",
            _ => "The disk was full.",
        };
        let stage = if number % 100 == 0 { "draft" } else { "closed" };
        put(&mut batch, format!("documents/{number:016x}"), document(number, about, stage));
        for item in 0..ITEMS {
            let item = number * ITEMS + item;
            let state = if number % 100 == 0 { json!("open") } else { json!({ "done": { "at": AT } }) };
            let kept = json!({
                "number": item, "what": "Alert on the lag", "kind": "detect", "owner": "ana", "due": "2026-03-09",
                "until": "an alert at 30 s", "state": state,
            });
            put(&mut batch, format!("items/{number:016x}/{item:016x}"), kept);
        }
        if number % 500 == 0 {
            bot.world.store.commit(std::mem::take(&mut batch)).await?;
        }
    }
    Ok(())
}

const AT: &str = "2026-03-02T09:00:00Z";

fn document(number: u64, about: &str, stage: &str) -> Value {
    let wording = |text: String| json!({ "text": text, "version": 1, "who": "ana", "at": AT });
    let names = ["summary", "impact", "timeline", "factors", "surprises", "went-well", "was-hard", "luck"];
    let mut sections: Map<_, _> = names.iter().map(|name| ((*name).to_owned(), wording(FILLER.repeat(5)))).collect();
    sections["summary"] = wording(format!("{about} {}", FILLER.repeat(5)));
    json!({
        "number": number, "title": format!("Slow checkout, no. {number}"), "service": "app", "environment": "production",
        "severity": "sev2", "incident": null, "stage": stage, "by": "ana",
        "place": { "platform": "console", "channel": "ops" }, "started": AT, "due": AT, "sections": sections,
    })
}

fn put(batch: &mut Batch, name: String, data: Value) {
    batch.put(format!("postmortem/{name}"), json!({ "schema": 1, "data": data }).to_string());
}
