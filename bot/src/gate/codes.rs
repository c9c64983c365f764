//! One-time codes (TOTP, RFC 6238): who has a secret, whether a code is right, and how often it may be wrong.
//!
//! A secret is on Deckhand's side in the store and nowhere else, and on the person's side in an app of theirs. A code is
//! good once, for its 30 seconds and those around them.

use super::Bot;
use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use commands::act::Act;
use commands::cx::{Call, Cx, Who};
use commands::ledger::Place;
use commands::reply::{Form, Input};
use commands::stop::{Result, Stop};
use commands::store::{Batch, CommitError, Read, Store};
use commands::table::{Table, Versioned};
use commands::text;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use totp_rs::{Algorithm, Secret, TOTP};

/// The command that sets up somebody's codes.
pub const ENROLL: &str = "enroll";

/// Who has a secret, by name.
pub const ENROLLED: Table<Enrolled> = Table::new("codes/enrolled/");

/// Secrets whose first code has not been seen yet.
const OFFERED: Table<Offered> = Table::new("codes/offered/");

/// How many digits a code has, and for how many seconds it stands on a screen: what every app takes for granted.
const DIGITS: usize = 6;
const STEP: u64 = 30;

/// How many steps before and after the present one are right, too: the two clocks differ, and people type slowly.
const SKEW: u64 = 1;

/// How far from the present one a code is recognised as one of a clock that is wrong, in steps.
const FAR: u64 = 20;

/// How many wrong codes within how many minutes lead to a pause, of as many minutes.
const MOST_WRONG: usize = 5;
const WRONG_MINUTES: i64 = 15;

/// How long a new secret waits for its first code, in minutes.
const OFFER_MINUTES: i64 = 15;

/// Bytes of a secret: as many as SHA-1 gives (RFC 4226, 4).
const SECRET_BYTES: usize = 20;

/// How often a code is tried anew when another came at the same moment.
const TRIES: usize = 8;

/// A person's secret, and what has become of their codes.
#[derive(Clone, Serialize, Deserialize)]
pub struct Enrolled {
    /// In base32, as apps take it.
    secret: String,
    /// The step of the last code that was right: it and those before it are used up.
    used: u64,
    /// When the last code was right.
    proven: Option<DateTime<Utc>>,
    /// When codes were wrong of late.
    wrong: Vec<DateTime<Utc>>,
    /// Until when none is taken.
    locked: Option<DateTime<Utc>>,
}

#[derive(Serialize, Deserialize)]
struct Offered {
    secret: String,
    until: DateTime<Utc>,
}

/// A new secret, to be shown once.
pub struct Offer {
    /// In base32, for typing.
    pub secret: String,
    /// The same as an `otpauth://` address, for scanning.
    pub url: String,
}

/// Whether somebody has to give a code now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The last one is still good.
    Proven,
    /// A code is due.
    Due,
    /// They have no secret.
    NotEnrolled,
}

/// What a code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Right,
    /// Right, and given before.
    Used,
    /// Wrong; so many more are let pass. A clock that is off by so many minutes would show it.
    Wrong {
        left: usize,
        off: Option<i64>,
    },
    /// None is taken for so many minutes.
    Locked(i64),
}

impl Enrolled {
    /// Somebody with this secret, in base32, who has given no code of it.
    pub fn new(secret: String) -> Enrolled {
        Enrolled { secret, used: 0, proven: None, wrong: Vec::new(), locked: None }
    }

    /// Tries `code`, six digits, and notes what comes of it.
    fn judge(&mut self, code: &str, now: DateTime<Utc>) -> anyhow::Result<Verdict> {
        if let Some(until) = self.locked.filter(|until| *until > now) {
            return Ok(Verdict::Locked(minutes(until - now)));
        }
        let found = found(&totp(&self.secret, "")?, code, step(now));
        match found {
            Some(of) if of.abs_diff(step(now)) <= SKEW && of <= self.used => Ok(Verdict::Used),
            Some(of) if of.abs_diff(step(now)) <= SKEW => {
                *self = Enrolled { used: of, proven: Some(now), wrong: Vec::new(), locked: None, ..self.clone() };
                Ok(Verdict::Right)
            }
            far => {
                let off = far.map(|of| (of as i64 - step(now) as i64) * STEP as i64 / 60);
                self.wrong.retain(|at| *at + TimeDelta::minutes(WRONG_MINUTES) > now);
                self.wrong.push(now);
                let left = MOST_WRONG.saturating_sub(self.wrong.len());
                if left == 0 {
                    self.wrong.clear();
                    self.locked = Some(now + TimeDelta::minutes(WRONG_MINUTES));
                }
                Ok(Verdict::Wrong { left, off })
            }
        }
    }
}

/// The step that `code` is of: one near `now`, else one that is not too far.
fn found(totp: &TOTP, code: &str, now: u64) -> Option<u64> {
    let steps = (0..=FAR).flat_map(|by| [now.checked_add(by), now.checked_sub(by)]).flatten();
    steps.into_iter().find(|step| totp.generate(step * STEP) == code)
}

fn step(at: DateTime<Utc>) -> u64 {
    u64::try_from(at.timestamp()).unwrap_or_default() / STEP
}

/// Whole minutes, the begun one too.
fn minutes(span: TimeDelta) -> i64 {
    (span.num_seconds() + 59) / 60
}

fn totp(secret: &str, account: &str) -> anyhow::Result<TOTP> {
    let bytes = Secret::Encoded(secret.to_owned()).to_bytes().map_err(|error| anyhow::anyhow!("{error:?}"));
    let bytes = bytes.context("this is no secret in base32")?;
    // In the address a colon stands between the issuer and the account.
    let account = account.replace(':', " ");
    let made = TOTP::new(Algorithm::SHA1, DIGITS, 1, STEP, bytes, Some("Deckhand".to_owned()), account);
    made.map_err(|error| anyhow::anyhow!("{error}"))
}

/// The code that an app with this secret, in base32, shows at `at`.
///
/// # Errors
/// When it is no secret.
pub fn code_at(secret: &str, at: DateTime<Utc>) -> anyhow::Result<String> {
    Ok(totp(secret, "")?.generate(step(at) * STEP))
}

/// The six digits of what somebody typed, in groups or not, full-width or not.
fn digits(typed: &str) -> Result<String> {
    let mut digits = String::new();
    for letter in typed.chars().filter(|letter| !letter.is_whitespace() && *letter != '-') {
        match letter {
            '0'..='9' => digits.push(letter),
            '０'..='９' => digits.extend(char::from_u32(letter as u32 - '０' as u32 + '0' as u32)),
            other => {
                let other = text::code(&other.to_string());
                return Err(Stop::refuse(format!(
                    "A one-time code is {DIGITS} digits, and there is {other} in this one. Nothing was done; type the digits that your app shows."
                )));
            }
        }
    }
    match digits.len() {
        DIGITS => Ok(digits),
        many => Err(Stop::refuse(format!(
            "A one-time code has {DIGITS} digits, and this one has {many}. Nothing was done; type the digits that your app shows."
        ))),
    }
}

/// Whether `who` has to give a code, where one is good for so long.
///
/// # Errors
/// When the store can not be read.
pub async fn standing(store: &dyn Read, who: &str, good: Duration, now: DateTime<Utc>) -> anyhow::Result<Standing> {
    let Some(found) = ENROLLED.get(store, who).await? else { return Ok(Standing::NotEnrolled) };
    let proven = found.value.proven.is_some_and(|at| at <= now && now < at + good);
    Ok(if proven { Standing::Proven } else { Standing::Due })
}

/// What somebody is told who has no codes, and needs one.
pub fn not_enrolled(who: &str) -> Stop {
    let line = text::code(&format!("deckhand enroll {who}"));
    Stop::refuse(format!(
        "This needs a one-time code, and you have not set any up, so nothing was done. Say `/{ENROLL}`; where policy does not let you, the operator runs {line} on the server."
    ))
}

/// Takes a code of `who`, once.
///
/// # Errors
/// A refusal when it is no code, wrong or used, when there were too many wrong ones, or when they have no secret.
pub async fn prove(store: &Arc<dyn Store>, who: &str, typed: &str, now: DateTime<Utc>) -> Result<()> {
    let code = digits(typed)?;
    for _ in 0..TRIES {
        let mut found = ENROLLED.get(&**store, who).await?.ok_or_else(|| not_enrolled(who))?;
        let verdict = found.value.judge(&code, now)?;
        if matches!(verdict, Verdict::Used | Verdict::Locked(_)) {
            return told(who, verdict);
        }
        // Each code is judged by what stands after the one before it, however many come at the same moment.
        let mut batch = Batch::default();
        batch.expect(ENROLLED.key(who), found.version);
        ENROLLED.put_in(&mut batch, who, &found.value)?;
        match store.commit(batch).await {
            Ok(_) => return told(who, verdict),
            Err(CommitError::Conflict { .. }) => {}
            Err(CommitError::Broken(error)) => return Err(error.context("The code could not be noted as used").into()),
        }
    }
    Err(Stop::refuse("Too many codes came at the same moment, so this one was not taken. Try the next one."))
}

fn told(who: &str, verdict: Verdict) -> Result<()> {
    let what = match verdict {
        Verdict::Right => return Ok(()),
        Verdict::Used => {
            "This code was used already, so nothing was done. Wait until your app shows the next one.".to_owned()
        }
        Verdict::Wrong { left: 0, .. } => {
            tracing::warn!(who, "too many wrong one-time codes: none is taken for {WRONG_MINUTES} minutes");
            format!(
                "This code is wrong, and it was the {MOST_WRONG}th: none is taken from you for {WRONG_MINUTES} minutes. Nothing was done."
            )
        }
        Verdict::Wrong { left, off } => {
            let clock = match off {
                Some(minutes) => {
                    let way = if minutes < 0 { "behind" } else { "ahead" };
                    let by = text::plural(usize::try_from(minutes.abs()).unwrap_or_default(), "minute");
                    format!(" It is one of a clock that is {by} {way} ours: let your device set its clock by itself.")
                }
                None => String::new(),
            };
            format!("This code is wrong, so nothing was done.{clock} You can try {left} more.")
        }
        Verdict::Locked(minutes) => format!(
            "There were {MOST_WRONG} wrong codes, so none is taken from you for {} more. Nothing was done. If it was not you who tried, tell your team.",
            text::plural(usize::try_from(minutes).unwrap_or_default(), "minute")
        ),
    };
    Err(Stop::refuse(what))
}

/// A form that asks for a code, as the argument of this name.
pub fn form(name: &str, title: &str) -> Form {
    let label = "One-time code".to_owned();
    let hint = "the six digits that your app shows".to_owned();
    let input = Input { name: name.to_owned(), label, hint, secret: true, most: 20, ..Input::default() };
    Form { title: title.to_owned(), inputs: vec![input] }
}

/// Whether `who` has a secret.
///
/// # Errors
/// When the store can not be read.
pub async fn enrolled(store: &dyn Read, who: &str) -> anyhow::Result<bool> {
    Ok(ENROLLED.get(store, who).await?.is_some())
}

/// Makes a new secret for `who`. It counts once its first code has been seen; until then an old one stays.
///
/// # Errors
/// When it can not be kept, or there are no random numbers.
pub async fn offer(store: &Arc<dyn Store>, who: &str, now: DateTime<Utc>) -> anyhow::Result<Offer> {
    let mut bytes = vec![0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("there are no random numbers: {error}"))?;
    let secret = Secret::Raw(bytes).to_encoded().to_string();
    let url = totp(&secret, who)?.get_url();
    let mut batch = Batch::default();
    let until = now + TimeDelta::minutes(OFFER_MINUTES);
    OFFERED.put_in(&mut batch, who, &Offered { secret: secret.clone(), until })?;
    store.commit(batch).await?;
    Ok(Offer { secret, url })
}

async fn offer_to(store: &dyn Read, who: &str, now: DateTime<Utc>) -> anyhow::Result<Option<Versioned<Offered>>> {
    Ok(OFFERED.get(store, who).await?.filter(|offered| offered.value.until > now))
}

/// Whether a new secret waits for its first code from `who`.
///
/// # Errors
/// When the store can not be read.
pub async fn offered(store: &dyn Read, who: &str, now: DateTime<Utc>) -> anyhow::Result<bool> {
    Ok(offer_to(store, who, now).await?.is_some())
}

/// Makes the secret that was offered to `who` theirs, now that they give its first code. `why` says how they came by it.
///
/// # Errors
/// A refusal when none is on offer, or the code is not one of its.
pub async fn accept(cx: &Cx, who: &str, typed: &str, why: &str) -> Result<()> {
    let code = digits(typed)?;
    let Some(offered) = offer_to(cx.store(), who, cx.now()).await? else {
        return Err(Stop::refuse(format!(
            "No new secret waits for its first code: {OFFER_MINUTES} minutes have gone by, or none was made. Begin again with `/{ENROLL}`."
        )));
    };
    let mut enrolled = Enrolled::new(offered.value.secret);
    if enrolled.judge(&code, cx.now())? != Verdict::Right {
        return Err(Stop::refuse(
            "This is no code of the new secret, so nothing was changed. Look whether your app has taken it whole and its clock is right, and give the next code.",
        ));
    }
    let before = ENROLLED.get(cx.store(), who).await?.map_or(0, |found| found.version);
    let act = Act {
        verb: ENROLL,
        object: who.to_owned(),
        says: format!("Take one-time codes of a new secret from {}.", text::plain(who)),
        facts: vec![("person", who.to_owned())],
        why: why.to_owned(),
        ..Act::default()
    };
    cx.act(act, async |permit| {
        permit.expect(ENROLLED.key(who), before);
        permit.expect(OFFERED.key(who), offered.version);
        ENROLLED.put(permit, who, &enrolled)?;
        permit.delete(OFFERED.key(who));
        Ok(())
    })
    .await
}

impl Bot {
    /// Sets up codes for somebody, as the operator wants it on the server: a new secret without `code`, which is its first
    /// one.
    ///
    /// # Errors
    /// A refusal when there is no such person, or as [`accept`].
    pub async fn enroll(&self, person: &str, code: Option<&str>) -> Result<Option<Offer>> {
        // Somebody with roles of a platform's has its name and their id there: `discord:4711`.
        if !self.people.named(person).known && !person.contains(':') {
            let person = text::code(person);
            return Err(Stop::refuse(format!(
                "There is no person {person} in the config. Write one of its people, or for somebody with a role of a chat's `discord:4711`."
            )));
        }
        let Some(code) = code else {
            return Ok(Some(offer(&self.world.store, person, self.world.ports.clock.now()).await?));
        };
        let call = Call::unasked(Who::deckhand(), Place::default());
        // Nobody looks at its progress: it has none.
        let (progress, _) = tokio::sync::mpsc::unbounded_channel();
        let cx = Cx::new(self.world.clone(), call, None, progress, self.stopping().clone());
        accept(&cx, person, code, "by the operator, on the server").await.map(|()| None)
    }
}

/// Removes, with the batch, the secrets that nobody has given a code of.
pub async fn forget(store: &dyn Read, now: DateTime<Utc>, batch: &mut Batch) -> anyhow::Result<()> {
    for (who, offered) in OFFERED.scan(store, "", usize::MAX).await? {
        if offered.value.until <= now {
            batch.expect(OFFERED.key(&who), offered.version).delete(OFFERED.key(&who));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
