//! Questions: a yes is asked for inside the act, bound to exactly what would be done, and outlives a restart.

use super::buttons::Dresser;
use crate::outbox::{self, Outgoing};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use commands::act::Act;
use commands::cx::{Consent, Cx, Who};
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
}

#[async_trait]
impl Consent for AskFirst {
    async fn ask(&self, cx: &Cx, act: &Act) -> Result<()> {
        let Some(invocation) = cx.invocation() else { return Ok(()) };
        let call = cx.call();
        let digest = act.digest();
        let needed = call.confirm || invocation.command.effect == Effect::Danger;
        if !needed || call.agreed.as_ref().is_some_and(|agreed| agreed.digest == digest) {
            return Ok(());
        }
        let question = Question {
            who: call.who.name.clone(),
            line: invocation.line(),
            digest,
            facts: act.facts.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            says: act.says.clone(),
            place: call.place.clone(),
            at: cx.now(),
            reminded: false,
        };
        let changed = call.agreed.as_ref().map(|agreed| changes(&agreed.facts, &question.facts));
        let id = self.keep(&question).await?;
        Err(asked(&id, &question, changed).into())
    }
}

impl AskFirst {
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

fn asked(id: &str, question: &Question, changed: Option<String>) -> Reply {
    let mut says = question.says.clone();
    if let Some(changed) = changed {
        says = format!("It is not what you said yes to any more: {changed}. Nothing was done.\n{says}");
    }
    let text =
        format!("{says}\nGo on? Nothing is done until you say yes; the question is open for {OPEN_MINUTES} minutes.");
    waits_for_yes(id, text)
}

fn waits_for_yes(id: &str, text: String) -> Reply {
    Reply::card(Tone::Warn, "A yes is needed", text)
        .button(Button::new("Yes, do it", format!("confirm question:{id}")).look(Look::Danger))
        .button(Button::new("No", format!("decline question:{id}")))
}

/// What is different between what was agreed to and what would be done now.
fn changes(agreed: &[(String, String)], now: &[(String, String)]) -> String {
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

/// Takes the question `id` away for `who`, so that it is answered once.
///
/// # Errors
/// A refusal when it is not theirs, is over, or was answered.
pub async fn take(store: &Arc<dyn Store>, id: &str, who: &Who, now: DateTime<Utc>) -> Result<Question> {
    let gone = || {
        Stop::refuse(format!(
            "This question is not open any more: it was answered, or {OPEN_MINUTES} minutes have gone by. Nothing was done \
             now. Say the command again if it is still wanted."
        ))
    };
    let Versioned { value: question, version } = QUESTIONS.get(&**store, id).await?.ok_or_else(gone)?;
    if question.who != who.name {
        let asked = text::plain(&question.who);
        return Err(Stop::refuse(format!("This question was put to {asked}: only they can answer it.")));
    }
    let mut batch = Batch::default();
    batch.expect(QUESTIONS.key(id), version).delete(QUESTIONS.key(id));
    match store.commit(batch).await {
        Err(CommitError::Conflict { .. }) => Err(gone()),
        Err(CommitError::Broken(error)) => Err(error.context("The answer could not be written").into()),
        Ok(_) if question.ends() <= now => Err(gone()),
        Ok(_) => Ok(question),
    }
}

/// Stages a reminder of every question that has been open for a while, and the end of those that are over.
pub async fn tend(store: &dyn Read, now: DateTime<Utc>, batch: &mut Batch) -> anyhow::Result<()> {
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
    let mut reply = waits_for_yes(id, text);
    reply.calls.push(question.who.clone());
    reply
}
