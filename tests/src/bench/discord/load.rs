//! What a bot is asked, and how long it takes: seen by the stand-in, from the moment at which an interaction leaves it.

use super::bots::{Bot, lane};
use crate::discord::state::Received;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::HashMap;
use std::mem::take;
use std::time::Duration;
use tokio::time::Instant;

/// How long one turn may ask for more.
const LONGEST: Duration = Duration::from_secs(20);

/// The callbacks that are an answer, and that promise one.
const MESSAGE: u64 = 4;
const LATER: u64 = 5;

/// Something that a bot is asked over and over.
pub struct Case {
    /// What it is called.
    pub name: &'static str,
    /// Whether it changes nothing.
    pub reads: bool,
    /// What came out.
    pub part: Part,
    /// From whoever asks, and the last answer to them.
    line: fn(&str, &Value) -> String,
    /// The last answer in each lane.
    answers: HashMap<usize, Value>,
}

/// What came out of all turns.
#[derive(Default)]
pub struct Part {
    /// One interaction at a time.
    pub alone: Taken,
    /// Many at once.
    pub together: Taken,
    /// How many of these were done in a second, by turn.
    pub rates: Vec<f64>,
    /// What the bot's process used of the processor for these.
    pub cpu: Duration,
}

/// How long it took until interactions were acknowledged, and until their answers were shown.
#[derive(Default)]
pub struct Taken {
    /// Until the callback came.
    pub acknowledged: Vec<Duration>,
    /// Until the answer came: with the callback, or in an edit.
    pub done: Vec<Duration>,
}

impl Case {
    /// Deckhand's: without the store, with a few records, and a change.
    ///
    /// The change is a grant that is lent and taken back by turns: it starts no program, whose time would hide Deckhand's,
    /// and there are never more grants than lanes.
    pub fn deckhand() -> Vec<Case> {
        vec![
            Case::new("`/whoami`", true, |_, _| "/whoami".to_owned()),
            Case::new("`/deploy status`", true, |_, _| "/deploy status service-0".to_owned()),
            Case::new("`/grant` and `/revoke` by turns", false, |who, answer| match lent(answer) {
                Some(number) => format!("/revoke {number}"),
                // Nobody can lend a right to themselves.
                None => {
                    let to = if who == "dan" { "eve" } else { "dan" };
                    format!("/grant {to} may:\"deploy ship env=staging\" for:1h because:\"the train is late\"")
                }
            }),
        ]
    }

    /// The one of the others.
    pub fn ping() -> Vec<Case> {
        vec![Case::new("`/ping`, deferred and edited", true, |_, _| "/ping".to_owned())]
    }

    fn new(name: &'static str, reads: bool, line: fn(&str, &Value) -> String) -> Case {
        Case { name, reads, line, part: Part::default(), answers: HashMap::new() }
    }
}

impl Taken {
    fn add(&mut self, more: Taken) {
        self.acknowledged.extend(more.acknowledged);
        self.done.extend(more.done);
    }
}

/// The number of the grant that this answer tells of.
fn lent(answer: &Value) -> Option<&str> {
    answer.pointer("/embeds/0/title")?.as_str()?.split_once("Grant #").map(|(_, number)| number)
}

/// Asks one thing after the other.
///
/// # Errors
/// When a request of the bot's is refused, or its answer is none.
pub async fn alone(bot: &Bot, case: &mut Case, count: usize) -> Result<()> {
    let taken = drive(bot, case, count, 1).await?;
    case.part.alone.add(taken);
    Ok(())
}

/// Keeps `at_once` under way.
///
/// # Errors
/// As [`alone`].
pub async fn together(bot: &Bot, case: &mut Case, count: usize, at_once: usize) -> Result<()> {
    let (began, used) = (Instant::now(), bot.cpu()?);
    let taken = drive(bot, case, count, at_once).await?;
    case.part.rates.push(taken.done.len() as f64 / began.elapsed().as_secs_f64());
    case.part.cpu += bot.cpu()?.saturating_sub(used);
    case.part.together.add(taken);
    Ok(())
}

/// Asks `count` times, of which `at_once` are under way, and stops to ask when that takes too long.
async fn drive(bot: &Bot, case: &mut Case, count: usize, at_once: usize) -> Result<Taken> {
    let (began, mut taken) = (Instant::now(), Taken::default());
    let mut open = HashMap::new();
    for lane in 0..at_once {
        ask(bot, case, lane, &mut open)?;
    }
    let mut asked = at_once;
    while !open.is_empty() {
        for request in requests(bot, case.name).await {
            let Some(id) = interaction(&request.path) else { continue };
            let Some((lane, at)) = open.get(id).copied() else { continue };
            ensure!(request.status < 300, "{}: {} was refused: {}", bot.name, request.route, request.body);
            let took = request.at - at;
            let first = request.route.ends_with("/callback");
            if first {
                taken.acknowledged.push(took);
            }
            let answer = match request.body["type"].as_u64().filter(|_| first) {
                Some(LATER) => continue,
                Some(kind) => {
                    ensure!(kind == MESSAGE, "{} answers {} with a callback of type {kind}", bot.name, case.name);
                    &request.body["data"]
                }
                None => &request.body,
            };
            taken.done.push(took);
            case.answers.insert(lane, answer.clone());
            forget(bot, id);
            open.remove(id);
            if asked < count && began.elapsed() < LONGEST {
                ask(bot, case, lane, &mut open)?;
                asked += 1;
            }
        }
    }
    Ok(taken)
}

/// The requests that have come since the last look.
async fn requests(bot: &Bot, what: &str) -> Vec<Received> {
    let what = format!("{} answers {what}", bot.name);
    let came = bot.discord.until(&what, |state| Some(take(&mut state.requests)).filter(|came| !came.is_empty())).await;
    // What people see is not looked at here, and is not to pile up.
    drop(bot.discord.read());
    came
}

fn ask(bot: &Bot, case: &Case, lane_number: usize, open: &mut HashMap<String, (usize, Instant)>) -> Result<()> {
    let (who, channel) = lane(lane_number);
    let line = (case.line)(who, case.answers.get(&lane_number).unwrap_or(&Value::Null));
    let asked = bot.discord.say(who, &channel, &line)?;
    let id = asked["id"].as_str().context("an interaction has an id")?.to_owned();
    open.insert(id, (lane_number, Instant::now()));
    Ok(())
}

/// The interaction that a request to this path is about.
pub fn interaction(path: &str) -> Option<&str> {
    let mut parts = path.split('/').skip(1);
    match parts.next()? {
        "interactions" => parts.next(),
        // The stand-in's tokens tell whose they are.
        "webhooks" => parts.nth(1)?.split('.').nth(1),
        _ => None,
    }
}

/// Discord keeps what was said; the stand-in need not.
fn forget(bot: &Bot, id: &str) {
    let mut state = bot.discord.state();
    let asked = state.interactions.remove(id);
    if let Some(message) = asked.and_then(|asked| asked.original) {
        state.messages.remove(&message);
    }
}
