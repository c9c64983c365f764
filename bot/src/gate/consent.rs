//! Questions: a yes is asked for inside the act, bound to exactly what would be done, and outlives a restart.

use super::approval::{self, Desk, Known};
use super::buttons::Dresser;
use super::codes::{self, ENROLL, Standing};
use crate::outbox::{self, Outgoing};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use commands::act::Act;
use commands::cx::{Consent, Consented, Cx, Who};
use commands::ledger::Place;
use commands::reply::{Button, Look, Reply, Tone};
use commands::spec::Effect;
use commands::stop::{Result, Stop};
use commands::store::{Batch, CommitError, Read, Store};
use commands::table::{Table, Versioned};
use commands::text;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The command that says yes to a question. The gate turns it into the line that waited for it.
pub const CONFIRM: &str = "confirm";

/// The command that says no to one.
pub const DECLINE: &str = "decline";

/// The questions that are open.
const QUESTIONS: Table<Question> = Table::new("questions/");

/// How long a question is open, in minutes.
const OPEN_MINUTES: i64 = 15;

/// After how many minutes the asker is reminded of it.
const REMIND_MINUTES: i64 = 5;

/// A question that is open.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Question {
    /// Who was asked.
    pub who: String,
    /// The line that is waiting for the yes.
    pub line: String,
    /// What a yes agrees to.
    pub digest: String,
    /// The facts of the act, to tell what changed.
    pub facts: Vec<(String, String)>,
    /// Whether the yes comes with a one-time code.
    #[serde(default)]
    pub code: bool,
    /// What they were told.
    pub says: String,
    /// Where.
    pub place: Place,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether they were reminded.
    pub reminded: bool,
}

impl Question {
    /// When it ends by itself.
    pub fn ends(&self) -> DateTime<Utc> {
        self.at + TimeDelta::minutes(OPEN_MINUTES)
    }
}

/// Asks the person who called.
pub struct AskFirst {
    /// Where questions are kept.
    pub store: Arc<dyn Store>,
    /// Where others are asked.
    pub desk: Desk,
}

#[async_trait]
impl Consent for AskFirst {
    async fn ask(&self, cx: &Cx, act: &Act) -> Result<Consented> {
        let Some(invocation) = cx.invocation() else { return Ok(Consented::default()) };
        let call = cx.call();
        let digest = act.digest();
        let agreed = call.agreed.as_ref();
        let known = Known::of(&*self.store, cx, &invocation.line(), &digest).await?;
        // A yes to something else is none, and whoever gave it is asked again, whatever made them be asked at first.
        let same = agreed.is_some_and(|agreed| agreed.digest == digest) || known.same.is_some();
        let danger = act.danger || invocation.command.effect == Effect::Danger;
        // What stops something has no time for questions to anybody.
        let stops = invocation.command.stops() && !act.danger;
        let yes = !same && !stops && (agreed.is_some() || call.asks.confirm || danger);
        if call.who.is_deckhand() && (yes || call.asks.code.is_some()) {
            return Err(nobody_to_ask(act, &invocation.line()));
        }
        let code = known.same.is_none() && self.code_due(cx).await?;
        if stops && !code {
            return Ok(Consented::default());
        }
        if !yes && !code {
            return self.desk.ask(cx, act, invocation.line(), known).await;
        }
        let question = Question {
            who: call.who.name.clone(),
            line: invocation.line(),
            digest,
            facts: act.facts.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            code,
            says: act.says.clone(),
            place: call.place.clone(),
            at: cx.now(),
            reminded: false,
        };
        let changed = match known.other {
            Some((id, old)) => Some(self.desk.replace(cx, &id, old, act).await?),
            None => agreed.filter(|_| !same).map(|agreed| changes(&agreed.facts, &question.facts)),
        };
        let id = self.keep(&question).await?;
        Err(asked(&id, &question, changed).into())
    }
}

impl AskFirst {
    /// Whether policy wants a one-time code for this call, and the last one is not good any more.
    async fn code_due(&self, cx: &Cx) -> Result<bool> {
        let call = cx.call();
        let proven = call.agreed.as_ref().is_some_and(|agreed| agreed.proven);
        // Nobody can give a code to get their first one; for another secret, enrolling asks by itself.
        let Some(good) = call.asks.code.filter(|_| !proven && cx.command() != ENROLL) else { return Ok(false) };
        match codes::standing(&*self.store, cx.who(), good, cx.now()).await? {
            Standing::Proven => Ok(false),
            Standing::Due => Ok(true),
            Standing::NotEnrolled => Err(codes::not_enrolled(cx.who())),
        }
    }

    /// Keeps the question under a short name that can be typed on a phone.
    async fn keep(&self, question: &Question) -> anyhow::Result<String> {
        for _ in 0..100 {
            let mut bytes = [0; 2];
            getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("there are no random numbers: {error}"))?;
            let id = format!("{:04x}", u16::from_be_bytes(bytes));
            let mut batch = Batch::default();
            batch.expect(QUESTIONS.key(&id), 0);
            QUESTIONS.put_in(&mut batch, &id, question)?;
            match self.store.commit(batch).await {
                Ok(_) => return Ok(id),
                Err(CommitError::Conflict { .. }) => {}
                Err(CommitError::Broken(error)) => return Err(error),
            }
        }
        anyhow::bail!("too many questions are open; answer some of them first")
    }
}

/// What comes of an act that needs a yes, where Deckhand does it by itself.
fn nobody_to_ask(act: &Act, line: &str) -> Stop {
    let line = text::to_say(line);
    Stop::refuse(format!(
        "{}\nThis needs a yes, and Deckhand gives none to what it says by itself, so nothing was done. Somebody can say {line}, and is asked.",
        act.says
    ))
}

fn asked(id: &str, question: &Question, changed: Option<String>) -> Reply {
    let mut says = question.says.clone();
    if let Some(changed) = changed {
        says = format!("It is not what you said yes to any more: {changed}. Nothing was done.\n{says}");
    }
    let with = if question.code { ", with a one-time code" } else { "" };
    let text = format!(
        "{says}\nGo on? Nothing is done until you say yes{with}; the question is open for {OPEN_MINUTES} minutes."
    );
    waits_for_yes(id, question, text)
}

fn waits_for_yes(id: &str, question: &Question, text: String) -> Reply {
    let title = if question.code { "A one-time code is needed" } else { "A yes is needed" };
    Reply::card(Tone::Warn, title, text)
        .button(yes(id, question.code))
        .button(Button::new("No", format!("{DECLINE} question:{id}")))
}

/// The button that says yes to the question `id`, with a code or without.
pub fn yes(id: &str, code: bool) -> Button {
    let button = |label| Button::new(label, format!("{CONFIRM} question:{id}")).look(Look::Danger);
    match code {
        true => button("Yes, with a code").form(codes::form("code", "Say yes with a code")),
        false => button("Yes, do it"),
    }
}

/// What is different between what was agreed to and what would be done now.
pub(super) fn changes(agreed: &[(String, String)], now: &[(String, String)]) -> String {
    let was = |name: &str| agreed.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
    let mut parts = Vec::new();
    for (name, value) in now {
        match was(name) {
            Some(before) if before == value => {}
            Some(before) => parts.push(format!("{name} was {} and is {}", text::code(before), text::code(value))),
            None => parts.push(format!("{name} is {}", text::code(value))),
        }
    }
    if parts.is_empty() { "its description has changed".to_owned() } else { parts.join("; ") }
}

fn gone() -> Stop {
    Stop::refuse(format!(
        "This question is not open any more: it was answered, or {OPEN_MINUTES} minutes have gone by. Nothing was done \
         now. Say the command again if it is still wanted."
    ))
}

/// The question `id`, which `who` may answer.
///
/// # Errors
/// A refusal when it is not theirs, is over, or was answered.
pub async fn open(store: &dyn Read, id: &str, who: &Who, now: DateTime<Utc>) -> Result<Versioned<Question>> {
    let found = QUESTIONS.get(store, id).await?.ok_or_else(gone)?;
    if found.value.who != who.name {
        let asked = text::plain(&found.value.who);
        return Err(Stop::refuse(format!("This question was put to {asked}: only they can answer it.")));
    }
    if found.value.ends() <= now { Err(gone()) } else { Ok(found) }
}

/// Takes the question `id` away for `who`, so that it is answered once.
///
/// # Errors
/// As [`open`].
pub async fn take(store: &Arc<dyn Store>, id: &str, who: &Who, now: DateTime<Utc>) -> Result<Question> {
    let Versioned { value: question, version } = open(&**store, id, who, now).await?;
    let mut batch = Batch::default();
    batch.expect(QUESTIONS.key(id), version).delete(QUESTIONS.key(id));
    match store.commit(batch).await {
        Err(CommitError::Conflict { .. }) => Err(gone()),
        Err(CommitError::Broken(error)) => Err(error.context("The answer could not be written").into()),
        Ok(_) => Ok(question),
    }
}

/// Stages a reminder of every question and request that has been open for a while, and the end of those that are over. Times
/// are shown in `zone`.
pub async fn tend(store: &dyn Read, now: DateTime<Utc>, zone: Tz, batch: &mut Batch) -> anyhow::Result<()> {
    approval::tend(store, now, zone, batch).await?;
    codes::forget(store, now, batch).await?;
    for (id, Versioned { value: question, version }) in QUESTIONS.scan(store, "", usize::MAX).await? {
        let key = QUESTIONS.key(&id);
        if question.ends() <= now {
            let text = format!("{}\nNobody answered within {OPEN_MINUTES} minutes. Nothing was done.", question.says);
            let reply = Reply::card(Tone::Plain, "Not answered", text);
            batch.expect(&key, version).delete(&key);
            outbox::stage(batch, &Outgoing::edit(now, question.place, reply))?;
        } else if !question.reminded && question.at + TimeDelta::minutes(REMIND_MINUTES) <= now {
            let Place { platform, channel, .. } = question.place.clone();
            let mut reply = reminder(&id, &question, now);
            Dresser::default().dress(&mut reply, batch, now)?;
            batch.expect(&key, version);
            QUESTIONS.put_in(batch, &id, &Question { reminded: true, ..question })?;
            outbox::stage(batch, &Outgoing::post(now, platform, channel, reply))?;
        }
    }
    Ok(())
}

fn reminder(id: &str, question: &Question, now: DateTime<Utc>) -> Reply {
    let minutes = (question.ends() - now).num_minutes();
    let who = text::plain(&question.who);
    let text = format!("{who}, a question is still waiting for you, for {minutes} more minutes: {}", question.says);
    let mut reply = waits_for_yes(id, question, text);
    reply.calls.push(question.who.clone());
    reply
}
