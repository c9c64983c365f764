//! What becomes of a request: somebody approves, rejects or withdraws it, or asks which there are.

use super::card::{approve, card, clock, names, needs};
use super::{APPROVE, REQUEST, REQUESTS, Request, close, commit, gone, missing, open, post};
use crate::gate::buttons::Dresser;
use crate::gate::refusal;
use crate::gate::{Bot, codes};
use crate::outbox::{self, Outgoing};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use commands::act::Act;
use commands::complete::Choice;
use commands::cx::{Cx, Who};
use commands::parse::Invocation;
use commands::policy::Needed;
use commands::reply::{Reply, Tone};
use commands::stop::{Result, Stop};
use commands::store::{Batch, CommitError, Read};
use commands::table::Versioned;
use commands::text;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How often an approval is tried anew when others came at the same moment.
const TRIES: usize = 8;

/// How many requests have a button of their own under the list.
const BUTTONS: usize = 4;

/// What became of an approval.
pub(in crate::gate) enum Approved {
    /// It is noted, and more are needed, or it is being carried out already.
    Noted(Box<Reply>),
    /// There are enough now.
    Enough(Arc<Carried>),
}

/// A request that is carried out at this moment.
pub(in crate::gate) struct Carried {
    /// Its name.
    pub id: String,
    /// What it was when it had its last approval.
    pub request: Request,
    all: Carrying,
}

/// The requests that are carried out at this moment, by name.
#[derive(Clone, Default)]
pub(in crate::gate) struct Carrying(Arc<Mutex<HashSet<String>>>);

impl Carrying {
    fn names(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        self.all.names().remove(&self.id);
    }
}

impl Carried {
    /// A refusal of what was approved, told to everybody: whoever approved it last is not the one who asked.
    pub fn refused(&self, reply: Reply, zone: Tz) -> Reply {
        if !reply.only_you {
            return reply;
        }
        let who = text::plain(&self.request.who);
        let until = clock(self.request.until, self.request.at, zone);
        let text = format!(
            "Approved, but not done: {}\nThe approval stands: {who} can say it again until {until}.",
            reply.text
        );
        Reply { text, only_you: false, calls: vec![self.request.who.clone()], ..reply }
    }
}

impl Bot {
    /// Notes that `who` approves a request. An approval that is not allowed is told as that, and leaves it open.
    pub(in crate::gate) async fn approve(&self, said: &Invocation, who: &Who) -> Result<Approved> {
        let id = said.args.get(REQUEST).map(ToString::to_string).unwrap_or_default();
        let code = said.args.get("code").map(ToString::to_string);
        let people = &self.policy.people;
        let mut proven = false;
        for _ in 0..TRIES {
            let found = self.request(&id, who).await?;
            let needs = self.needs(&id, &found, who).await?;
            let counts = |name: &&String| needs.iter().any(|needed| needed.counts(name, people));
            let before: Vec<_> = found.value.given.iter().filter(counts).cloned().collect();
            let enough = missing(&needs, &before, people).is_empty();
            if before.contains(&who.name) || (enough && self.carrying.names().contains(&id)) {
                return self.approved_before(id, found, &needs);
            }
            if !proven {
                self.prove(&id, &needs, who, code.as_deref()).await?;
                proven = true;
            }
            let given = before.into_iter().chain([who.name.clone()]).collect();
            let needed = needs.iter().map(ToString::to_string).collect();
            let request = Request { given, needs: needed, ..found.value.clone() };
            let missing = missing(&needs, &request.given, people);
            let mut batch = Batch::default();
            batch.expect(REQUESTS.key(&id), found.version);
            REQUESTS.put_in(&mut batch, &id, &request)?;
            self.show_request(&mut batch, &id, &request, missing.is_empty())?;
            match self.world.store.commit(batch).await {
                Ok(_) if missing.is_empty() => return Ok(self.carry(id, request)),
                Ok(_) => {
                    tracing::info!(request = id, who = who.name, "approved; more approvals are needed");
                    let (asker, more) = (text::plain(&request.who), more(&missing));
                    let text = format!(
                        "You approved `{id}`, which {asker} asks for. Nothing is done yet: it still needs {more}."
                    );
                    return Ok(Approved::Noted(Box::new(Reply::say(text))));
                }
                Err(CommitError::Conflict { .. }) => {}
                Err(CommitError::Broken(error)) => {
                    return Err(error.context("The approval could not be written").into());
                }
            }
        }
        Err(Stop::refuse(
            "Too many answers to this request came at the same moment, so yours was not taken. Try again.",
        ))
    }

    /// The request of this name, which somebody known may look at.
    async fn request(&self, id: &str, who: &Who) -> Result<Versioned<Request>> {
        if who.is_stranger() {
            return Err(Stop::refuse(refusal::stranger(who)));
        }
        let (store, now) = (&*self.world.store, self.world.ports.clock.now());
        REQUESTS.get(store, id).await?.filter(|found| found.value.until > now).ok_or_else(|| gone(id))
    }

    /// The approvals that a request needs, now, of which `who` may give at least one.
    async fn needs(&self, id: &str, found: &Versioned<Request>, who: &Who) -> Result<Vec<Needed>> {
        let request = &found.value;
        let asker = text::plain(&request.who);
        let permitted = self.permit(&self.parse(&request.line)?, &self.people.named(&request.who), &request.place);
        let Ok(decision) = permitted else {
            let text = format!("{}\nIt is void: {asker} may not do it any more. Nothing was done.", request.says);
            let now = self.world.ports.clock.now();
            let mut batch = Batch::default();
            close(&mut batch, now, id, found, Reply::card(Tone::Plain, format!("Approval {id}: void"), text))?;
            let told = format!(
                "{asker}, your `{id}` is void: policy does not allow it to you any more. Nothing was done. `/why` shows each rule."
            );
            post(&mut batch, now, &request.place, Reply { calls: vec![request.who.clone()], ..Reply::say(told) })?;
            commit(&self.world.store, batch).await?;
            return Err(Stop::refuse(format!(
                "`{id}` is void: policy does not allow it to {asker} any more. Nothing was done, and {asker} is told."
            )));
        };
        let needs = decision.asks.approvals;
        if needs.is_empty() {
            return Err(Stop::refuse(format!(
                "Policy wants no approval for this any more. Nothing was done; {asker} can say it again."
            )));
        }
        let by = needs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", and ");
        if request.who == who.name {
            return Err(Stop::refuse(format!(
                "You asked for `{id}` yourself, so somebody else has to approve it. It needs {by}."
            )));
        }
        if !needs.iter().any(|needed| needed.counts(&who.name, &self.policy.people)) {
            return Err(Stop::refuse(format!(
                "{} may neither approve nor reject `{id}`. It needs {by}. Nothing was done.",
                text::plain(&who.name)
            )));
        }
        Ok(needs)
    }

    /// Asks for a one-time code where a rule of those that `who` approves for wants one, as it does of whoever asks.
    async fn prove(&self, id: &str, needs: &[Needed], who: &Who, code: Option<&str>) -> Result<()> {
        let own = needs.iter().filter(|needed| needed.counts(&who.name, &self.policy.people));
        let Some(good) = own.filter_map(|needed| needed.code).min() else { return Ok(()) };
        let (store, now) = (&self.world.store, self.world.ports.clock.now());
        let proved = match code {
            Some(code) => codes::prove(store, &who.name, code, now).await,
            None => match codes::standing(&**store, &who.name, good, now).await? {
                codes::Standing::Proven => Ok(()),
                codes::Standing::NotEnrolled => return Err(codes::not_enrolled(&who.name)),
                codes::Standing::Due => Err(Stop::refuse(format!(
                    "A one-time code is missing, so nothing was done. Press the button and fill it in, or say {}.",
                    text::code(&format!("/{APPROVE} request:{id} code:…"))
                ))),
            },
        };
        proved.map_err(|stop| match stop {
            Stop::Refused(reply) => reply.button(approve(id, true)).into(),
            other => other,
        })
    }

    /// Stages how the request stands now, in its own message; and calls its asker when it is about to be carried out.
    fn show_request(&self, batch: &mut Batch, id: &str, request: &Request, enough: bool) -> anyhow::Result<()> {
        let ports = &self.world.ports;
        let (now, zone) = (ports.clock.now(), ports.vocabulary.zone);
        let mut reply = card(id, request, zone);
        if enough {
            let (who, by) = (text::plain(&request.who), names(&request.given));
            let until = clock(request.until, request.at, zone);
            let text = format!(
                "{}\nApproved by {by}, and tried at once. Should something be in the way, {who} can say it again until {until}.",
                request.says
            );
            reply = Reply::card(Tone::Good, format!("Approval {id}: given"), text);
            let told = format!("{who}, your `{id}` is approved by {by}, and is tried now: {}", request.says);
            post(batch, now, &request.place, Reply { calls: vec![request.who.clone()], ..Reply::say(told) })?;
        }
        Dresser::default().dress(&mut reply, batch, now)?;
        outbox::stage(batch, &Outgoing::edit(now, request.place.clone(), reply))
    }

    /// What whoever approved it before, or comes late, is told; what has its approvals and was stopped goes on.
    fn approved_before(&self, id: String, found: Versioned<Request>, needs: &[Needed]) -> Result<Approved> {
        let missing = missing(needs, &found.value.given, &self.policy.people);
        if !missing.is_empty() {
            let more = more(&missing);
            return Err(Stop::refuse(format!(
                "You have approved `{id}` already. Nothing is done yet: it still needs {more}."
            )));
        }
        if self.carrying.names().contains(&id) {
            let by = names(&found.value.given);
            return Err(Stop::refuse(format!("{by} approved `{id}` already, and it is being done.")));
        }
        Ok(self.carry(id, found.value))
    }

    fn carry(&self, id: String, request: Request) -> Approved {
        self.carrying.names().insert(id.clone());
        Approved::Enough(Arc::new(Carried { id, request, all: self.carrying.clone() }))
    }

    /// Rejects a request, or withdraws one's own.
    ///
    /// # Errors
    /// A refusal when it is not open, or `cx`'s caller has no right to it.
    pub async fn reject(&self, cx: &Cx, id: &str, because: &str) -> Result<Reply> {
        let who = &cx.call().who;
        let found = self.request(id, who).await?;
        let request = &found.value;
        let own = request.who == who.name;
        if !own {
            self.needs(id, &found, who).await?;
        }
        let (name, asker) = (text::plain(&who.name), text::plain(&request.who));
        let because = text::plain(&self.world.redactor.redact(because));
        let (done, tone) = if own { ("withdrawn", Tone::Plain) } else { ("rejected", Tone::Warn) };
        let text = format!("{}\n{name} has {done} it: {because}. Nothing was done.", request.says);
        let last = Reply::card(tone, format!("Approval {id}: {done}"), text);
        let mut batch = Batch::default();
        close(&mut batch, cx.now(), id, &found, last)?;
        if !own {
            let told = format!("{asker}, {name} has rejected `{id}`: {because}. Nothing was done: {}", request.says);
            let told = Reply { calls: vec![request.who.clone()], ..Reply::say(told) };
            post(&mut batch, cx.now(), &request.place, told)?;
        }
        let act = Act {
            verb: if own { "approval.withdraw" } else { "approval.reject" },
            object: format!("{id}: /{}", request.line),
            says: format!("Reject `{id}`."),
            facts: vec![("request", id.to_owned()), ("asked by", request.who.clone())],
            why: because,
            ..Act::default()
        };
        cx.act(act, async |permit| {
            permit.stage(batch);
            Ok(())
        })
        .await?;
        Ok(Reply::say(match own {
            true => format!("You have withdrawn `{id}`. Nothing was done."),
            false => format!("You have rejected `{id}`, and {asker} is told why. Nothing was done."),
        }))
    }
}

fn more(missing: &[(usize, &Needed)]) -> String {
    let part = |(left, needed): &(usize, &Needed)| {
        format!("{} by {}", text::plural(*left, "approval"), text::list(&needed.by.approvers))
    };
    missing.iter().map(part).collect::<Vec<_>>().join(", and ")
}

/// The open requests that this person has something to say to.
pub async fn choices(store: &dyn Read, who: &str, now: DateTime<Utc>) -> Vec<Choice> {
    // What can not be read now is not offered; whoever types it is told.
    let open = open(store, now).await.unwrap_or_default();
    let theirs = open.iter().filter(|(_, found)| {
        let Request { who: asker, approvers, .. } = &found.value;
        asker == who || approvers.iter().any(|name| name == who)
    });
    theirs
        .map(|(id, Versioned { value, .. })| Choice::new(id, format!("{}: {}", text::plain(&value.who), value.says)))
        .collect()
}

/// What is open, and for whom.
///
/// # Errors
/// When it can not be read.
pub async fn list(cx: &Cx) -> Result<Reply> {
    let zone = cx.ports().vocabulary.zone;
    let open = open(cx.store(), cx.now()).await?;
    if open.is_empty() {
        return Ok(Reply::say("No approval is asked for at the moment."));
    }
    let row = |(id, found): &(String, Versioned<Request>)| {
        let request = &found.value;
        let given = if request.given.is_empty() { "nobody yet".to_owned() } else { names(&request.given) };
        [
            id.clone(),
            text::plain(&request.who),
            request.says.lines().next().unwrap_or_default().to_owned(),
            needs(request),
            given,
            clock(request.until, cx.now(), zone),
        ]
    };
    let rows = open.iter().map(row).collect();
    let head = ["Request", "Asked by", "What", "Needs", "Approved by", "Until"];
    let mut reply = Reply::card(Tone::Plain, "Open approvals", "`/approve` and `/reject` take the name of one.");
    reply = reply.table(head, rows);
    let mine = open.iter().filter(|(_, found)| {
        let Request { approvers, given, .. } = &found.value;
        approvers.iter().any(|name| name == cx.who()) && !given.iter().any(|name| name == cx.who())
    });
    for (id, found) in mine.take(BUTTONS) {
        let mut button = approve(id, found.value.code);
        button.label = format!("Approve {id}");
        reply = reply.button(button);
    }
    Ok(reply)
}
