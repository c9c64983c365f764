//! Approvals: what policy lets nobody do alone waits, as a record, until enough others have agreed to exactly that.
//!
//! A request is the line that its asker said, and the digest of the act that came of it. Once enough have approved, the
//! line is said again for its asker, everything is looked at again, and the request is spent in the batch in which the act
//! begins: an approval is good for one act, and outlives whatever stops that act before it begins.

mod answer;
mod card;

pub(super) use answer::{Approved, Carried, Carrying};
pub use answer::{choices, list};
pub use card::card;

use super::consent::changes;
use crate::outbox::{self, Outgoing};
use card::{clock, names};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use commands::act::Act;
use commands::cx::{Consented, Cx};
use commands::ledger::Place;
use commands::policy::{Needed, Roles};
use commands::redact::Redactor;
use commands::reply::{Reply, Tone};
use commands::stop::{Result, Stop};
use commands::store::{Batch, CommitError, Read, Store};
use commands::table::{Table, Versioned};
use commands::text;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The command that approves a request. When that makes enough, the gate turns it into the line that waited for it.
pub const APPROVE: &str = "approve";

/// The command that rejects a request, or withdraws one's own.
pub const REJECT: &str = "reject";

/// What the argument that names a request is called.
pub const REQUEST: &str = "request";

/// The requests that are open.
const REQUESTS: Table<Request> = Table::new("approvals/");

/// How many requests of one person may be open: each rings other people's phones.
const MOST: usize = 8;

/// How many names are tried for a new request.
const NAMES: u32 = 20;

/// A request for approval that is open. Before it was made, its asker said yes and gave a code, where policy wanted that.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Who asks.
    pub who: String,
    /// The line that is waiting.
    pub line: String,
    /// What is approved.
    pub digest: String,
    /// The facts of the act, to show them, and to tell what changed.
    pub facts: Vec<(String, String)>,
    /// What would be done.
    pub says: String,
    /// Why, in the asker's words.
    pub why: String,
    /// What is needed: "2 approvals by `release`".
    pub needs: Vec<String>,
    /// Who could give it.
    pub approvers: Vec<String>,
    /// Whether an approval may need a one-time code.
    pub code: bool,
    /// The message that shows it.
    pub place: Place,
    /// When it was made, and when it ends by itself.
    pub at: DateTime<Utc>,
    /// The end.
    pub until: DateTime<Utc>,
    /// Who has approved it.
    pub given: Vec<String>,
    /// Whether those whom it waits for were reminded.
    pub reminded: bool,
}

/// What is known, when an act is about to begin, of requests for it.
#[derive(Default)]
pub(super) struct Known {
    /// The request for this very act.
    pub same: Option<(String, Versioned<Request>)>,
    /// One for the same line of the same person that is for another act: things have changed.
    pub other: Option<(String, Versioned<Request>)>,
    /// How many requests of the caller are open in all.
    count: usize,
}

impl Known {
    /// Finds the requests of the caller that concern an act with this digest.
    pub async fn of(store: &dyn Read, cx: &Cx, line: &str, digest: &str) -> Result<Known> {
        let mut known = Known::default();
        if cx.call().asks.approvals.is_empty() {
            return Ok(known);
        }
        for (id, request) in open(store, cx.now()).await? {
            let Request { who, line: other, digest: agreed, .. } = &request.value;
            known.count += usize::from(who == cx.who());
            match who == cx.who() {
                true if agreed == digest => known.same = Some((id, request)),
                true if other == line => known.other = Some((id, request)),
                _ => {}
            }
        }
        // A request that is carried out, and is there no more, was carried out by another call: it is not asked for anew.
        let there = |id: &&String| [&known.same, &known.other].into_iter().flatten().any(|(other, _)| other == *id);
        match cx.call().request.as_ref().filter(|id| !there(id)) {
            Some(id) => Err(gone(id)),
            None => Ok(known),
        }
    }
}

/// What it takes to ask for approvals.
pub struct Desk {
    /// Where requests are kept.
    pub store: Arc<dyn Store>,
    /// The people of the config, and their roles.
    pub people: Roles,
    /// What takes secrets out of texts.
    pub redactor: Redactor,
}

impl Desk {
    /// Lets the act begin if it has its approvals; else makes sure that they are asked for, and stops the call.
    pub(super) async fn ask(&self, cx: &Cx, act: &Act, line: String, known: Known) -> Result<Consented> {
        let needs = &cx.call().asks.approvals;
        if needs.is_empty() {
            return Ok(Consented::default());
        }
        let Some((id, found)) = known.same else {
            self.check(cx, needs, known.count - usize::from(known.other.is_some()))?;
            let changed = match known.other {
                None => None,
                Some((id, old)) => Some(self.replace(cx, &id, old, act).await?),
            };
            return Err(self.begin(cx, act, line, changed).await?.into());
        };
        let counts = |name: &String| needs.iter().any(|needed| needed.counts(name, &self.people));
        let (given, lost): (Vec<_>, Vec<_>) = found.value.given.iter().cloned().partition(counts);
        if missing(needs, &given, &self.people).is_empty() {
            let mut spends = Batch::default();
            spends.expect(REQUESTS.key(&id), found.version).delete(REQUESTS.key(&id));
            return Ok(Consented { approved_by: given, spends });
        }
        Err(self.again(cx, &id, found, given, &lost).await?.into())
    }

    /// Whether there is any sense in asking.
    fn check(&self, cx: &Cx, needs: &[Needed], open: usize) -> Result<()> {
        if open >= MOST {
            return Err(Stop::refuse(format!(
                "{open} requests of yours wait for approval already, so this one was not made. Withdraw some with `/{REJECT}`; `/approvals` shows them."
            )));
        }
        if cx.call().who.is_deckhand() {
            return Err(Stop::refuse(
                "This needs the approval of others, and Deckhand asks nobody for what it says by itself. Nothing was done. Somebody can say it.",
            ));
        }
        if !cx.call().who.known {
            return Err(Stop::refuse(
                "This needs the approval of others, and only a person of the config can ask for it: you are known by a role of this chat alone. Nothing was done. The operator adds you under `people`.",
            ));
        }
        if cx.invocation().is_some_and(|said| said.command.args.iter().any(|arg| arg.secret)) {
            return Err(Stop::refuse(format!(
                "Policy wants the approval of others for `/{}`, but what is secret in it is kept nowhere, so nobody can approve it. Nothing was done. The operator can do it on the server.",
                cx.command()
            )));
        }
        for needed in needs {
            let others = needed.approvers(cx.who(), &self.people).len();
            if others < needed.by.quorum {
                return Err(Stop::refuse(format!(
                    "This needs {needed}, other than you, and there are {others}. Nothing was done. Ask somebody who can approve it to say it, or the operator to name more."
                )));
            }
        }
        Ok(())
    }

    /// Makes a request under a short name that can be typed on a phone, and calls those who can approve it.
    async fn begin(&self, cx: &Cx, act: &Act, line: String, changed: Option<String>) -> Result<Reply> {
        let (call, now, zone) = (cx.call(), cx.now(), cx.ports().vocabulary.zone);
        let needs = &call.asks.approvals;
        let within = needs.iter().map(|needed| needed.by.within).min().unwrap_or_default();
        let clean = |text: &str| self.redactor.redact(text).into_owned();
        let mut approvers: Vec<String> = Vec::new();
        for name in needs.iter().flat_map(|needed| needed.approvers(cx.who(), &self.people)) {
            if !approvers.iter().any(|other| other == name) {
                approvers.push(name.to_owned());
            }
        }
        let request = Request {
            who: cx.who().to_owned(),
            line,
            digest: act.digest(),
            facts: act.facts.iter().map(|(name, value)| ((*name).to_owned(), clean(value))).collect(),
            says: clean(&act.says),
            why: clean(&act.why),
            needs: needs.iter().map(ToString::to_string).collect(),
            approvers,
            code: needs.iter().any(|needed| needed.code.is_some()),
            place: call.place.clone(),
            at: now,
            until: now + within,
            given: Vec::new(),
            reminded: false,
        };
        for attempt in 0..NAMES {
            let id = name(&request, attempt);
            let mut batch = Batch::default();
            batch.expect(REQUESTS.key(&id), 0);
            REQUESTS.put_in(&mut batch, &id, &request)?;
            let mut reply = card(&id, &request, zone);
            // Of its own, because the card may take another message's place, and a message that changes rings nobody.
            let text = format!("{} asks for your approval of `{id}`: {}", text::plain(&request.who), request.says);
            let asker = call.request.iter().map(|_| request.who.clone());
            let calls = asker.chain(request.approvers.iter().cloned()).collect();
            post(&mut batch, now, &request.place, Reply { calls, ..Reply::say(text) })?;
            if let Some(changed) = &changed {
                reply.text =
                    format!("It is not what was asked for before: {changed}. Nothing was done.\n{}", reply.text);
            }
            match self.store.commit(batch).await {
                Ok(_) => return Ok(reply),
                Err(CommitError::Conflict { .. }) => {}
                Err(CommitError::Broken(error)) => {
                    return Err(error.context("The request could not be written").into());
                }
            }
        }
        Err(Stop::refuse("Too many requests for approval are open, so nothing was done. `/approvals` shows them."))
    }

    /// Shows a request once more, where its asker has come back to it, or an approval has lost its right.
    async fn again(
        &self,
        cx: &Cx,
        id: &str,
        found: Versioned<Request>,
        given: Vec<String>,
        lost: &[String],
    ) -> Result<Reply> {
        let (now, zone) = (cx.now(), cx.ports().vocabulary.zone);
        let mut batch = Batch::default();
        let old = Reply::card(Tone::Plain, format!("Approval {id}"), "This request is shown anew further down.");
        outbox::stage(&mut batch, &Outgoing::edit(now, found.value.place.clone(), old))?;
        let needs = cx.call().asks.approvals.iter().map(ToString::to_string).collect();
        let request = Request { given, needs, place: cx.call().place.clone(), ..found.value };
        batch.expect(REQUESTS.key(id), found.version);
        REQUESTS.put_in(&mut batch, id, &request)?;
        commit(&self.store, batch).await?;
        let mut reply = card(id, &request, zone);
        if !lost.is_empty() {
            reply.text = format!("The approval of {} counts no more. {}", names(lost), reply.text);
        }
        Ok(reply)
    }

    /// Ends a request for what is not what would be done any more, and says what has changed.
    pub(super) async fn replace(&self, cx: &Cx, id: &str, old: Versioned<Request>, act: &Act) -> Result<String> {
        let clean = |value: &String| self.redactor.redact(value).into_owned();
        let facts: Vec<_> = act.facts.iter().map(|(name, value)| ((*name).to_owned(), clean(value))).collect();
        let changed = changes(&old.value.facts, &facts);
        let text = format!("{}\nIt is void, because things have changed: {changed}. Nothing was done.", old.value.says);
        let mut batch = Batch::default();
        close(&mut batch, cx.now(), id, &old, Reply::card(Tone::Plain, format!("Approval {id}: void"), text))?;
        commit(&self.store, batch).await?;
        Ok(changed)
    }
}

/// A name of two syllables, made of what is asked for and by whom. It can be said on the phone.
fn name(request: &Request, attempt: u32) -> String {
    const CONSONANTS: &[u8] = b"bdfgklmnprtvz";
    const VOWELS: &[u8] = b"aeou";
    let hash = Sha256::digest(format!("{} {} {attempt}", request.who, request.digest));
    let letters = hash.iter().zip([CONSONANTS, VOWELS].into_iter().cycle());
    letters.take(4).map(|(byte, of)| char::from(of[usize::from(*byte) % of.len()])).collect()
}

/// The requests that are open at `now`, by their names.
///
/// # Errors
/// When they can not be read.
pub async fn open(store: &dyn Read, now: DateTime<Utc>) -> anyhow::Result<Vec<(String, Versioned<Request>)>> {
    let mut all = REQUESTS.scan(store, "", usize::MAX).await?;
    all.retain(|(_, request)| request.value.until > now);
    Ok(all)
}

/// What is still missing: how many, and of which approval.
fn missing<'a>(needs: &'a [Needed], given: &[String], people: &Roles) -> Vec<(usize, &'a Needed)> {
    let left = |needed: &Needed| {
        needed.by.quorum.saturating_sub(given.iter().filter(|name| needed.counts(name, people)).count())
    };
    needs.iter().map(|needed| (left(needed), needed)).filter(|(left, _)| *left > 0).collect()
}

fn gone(id: &str) -> Stop {
    let id = text::code(id);
    Stop::refuse(format!(
        "No request {id} is open: it was carried out, rejected or withdrawn, its time is over, or it never was. Nothing was done now. `/approvals` shows what is open, `/audit` what was done."
    ))
}

/// Stages the end of a request, and its last word in its own message.
fn close(
    batch: &mut Batch,
    now: DateTime<Utc>,
    id: &str,
    found: &Versioned<Request>,
    last: Reply,
) -> anyhow::Result<()> {
    batch.expect(REQUESTS.key(id), found.version).delete(REQUESTS.key(id));
    outbox::stage(batch, &Outgoing::edit(now, found.value.place.clone(), last))
}

/// Stages a message in the channel of `place`.
fn post(batch: &mut Batch, now: DateTime<Utc>, place: &Place, mut reply: Reply) -> anyhow::Result<()> {
    super::buttons::Dresser::default().dress(&mut reply, batch, now)?;
    outbox::stage(batch, &Outgoing::post(now, &*place.platform, &*place.channel, reply))
}

async fn commit(store: &Arc<dyn Store>, batch: Batch) -> Result<()> {
    match store.commit(batch).await {
        Ok(_) => Ok(()),
        Err(CommitError::Conflict { .. }) => {
            Err(Stop::refuse("The request changed at this moment, so nothing was done. Look at it, and say it again."))
        }
        Err(CommitError::Broken(error)) => Err(error.context("The request could not be written").into()),
    }
}

/// Stages the end of requests whose time is over, and a reminder of those half of whose time is.
pub(super) async fn tend(store: &dyn Read, now: DateTime<Utc>, zone: Tz, batch: &mut Batch) -> anyhow::Result<()> {
    for (id, found) in REQUESTS.scan(store, "", usize::MAX).await? {
        let request = &found.value;
        let who = text::plain(&request.who);
        if request.until <= now {
            let until = clock(request.until, now, zone);
            let text = format!("{}\nIt was not approved until {until}. Nothing was done.", request.says);
            let told = format!("{who}, `{id}` was not approved in time: {} Nothing was done.", request.says);
            let told = Reply { calls: vec![request.who.clone()], ..Reply::say(told) };
            post(batch, now, &request.place, told)?;
            close(batch, now, &id, &found, Reply::card(Tone::Plain, format!("Approval {id}: time is over"), text))?;
        } else if !request.reminded && request.at + (request.until - request.at) / 2 <= now {
            let minutes = ((request.until - now) + TimeDelta::seconds(59)).num_minutes();
            let left = text::plural(usize::try_from(minutes).unwrap_or_default(), "minute");
            let mut reply = card(&id, request, zone);
            reply.text = format!("{who} still waits for your approval, for {left} more.\n{}", reply.text);
            let waits = |name: &&String| !request.given.contains(name);
            reply.calls = request.approvers.iter().filter(waits).cloned().collect();
            batch.expect(REQUESTS.key(&id), found.version);
            REQUESTS.put_in(batch, &id, &Request { reminded: true, ..request.clone() })?;
            post(batch, now, &request.place, reply)?;
        }
    }
    Ok(())
}
