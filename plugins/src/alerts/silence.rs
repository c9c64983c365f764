//! `/alert silence` and `/alert unsilence`: an alert that wakes nobody for a while, at Alertmanager where that sends it.

use super::Alerts;
use super::records::{Firing, SILENCES, Silence, Source};
use super::show;
use chrono::{DateTime, TimeDelta, Utc};
use commands::act::{Act, Permit};
use commands::cx::Cx;
use commands::ledger::Entry;
use commands::moment;
use commands::reply::{Button, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::store::Read;
use commands::table::Versioned;
use commands::text;
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The verbs of the acts.
pub(super) const SILENCE: &str = "alerts.silence";
pub(super) const UNSILENCE: &str = "alerts.unsilence";

/// For how long an alert may be silenced: for longer, its rule is to be mended.
const LONG: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(30 * 86_400);

#[derive(Deserialize)]
struct SilenceArgs {
    alert: String,
    r#for: Duration,
    because: String,
}

#[derive(Deserialize)]
struct UnsilenceArgs {
    alert: String,
}

impl Alerts {
    pub(super) async fn silence(&self, cx: &Cx) -> Result<Reply> {
        let SilenceArgs { alert, r#for: long, because } = cx.args()?;
        if !LONG.contains(&long) {
            return Err(Stop::refuse(
                "An alert is silenced for a minute at the least and 30 days at the most, so nothing was done. Say for example `for:2h`.",
            ));
        }
        let found = self.named(cx, &alert).await?.value;
        let _one = self.silencing.lock().await;
        let before = SILENCES.get(cx.store(), &found.fingerprint).await?;
        let version = before.as_ref().map_or(0, |silence| silence.version);
        let before = before.map(|silence| silence.value).filter(|silence| silence.until > cx.now());
        // The end of this silence is not what was before, where one stood already.
        let undo = before.is_none().then(|| show::unsilence(&found.fingerprint));
        let before = before.and_then(|silence| silence.id);
        let until = cx.now() + TimeDelta::from_std(long).unwrap_or(TimeDelta::MAX);
        let at = moment::show(until, cx.now(), cx.ports().vocabulary.zone);
        let act = Act {
            verb: SILENCE,
            object: found.title(),
            says: format!("Silence {} until {at}.", found.title()),
            facts: vec![("alert", found.fingerprint.clone()), ("until", until.to_rfc3339())],
            undo,
            state: Some(SILENCES.key(&found.fingerprint)),
            why: because.clone(),
            service: found.service.clone(),
            environment: found.environment.clone(),
            ..Act::default()
        };
        let there = cx
            .act(act, async |permit| {
                let id = self.silence_there(cx, permit, &found, (until, &because), before.as_deref()).await?;
                permit.expect(SILENCES.key(&found.fingerprint), version);
                let there = id.is_some();
                let (service, environment) = (found.service.clone(), found.environment.clone());
                let who = cx.who().to_owned();
                let silence = Silence { name: found.name.clone(), service, environment, until, who, because, id };
                SILENCES.put(permit, &found.fingerprint, &silence)?;
                Ok(there)
            })
            .await?;
        let says = match there {
            true => "It wakes nobody until then; it is listed all the same.",
            false => {
                "Deckhand tells it to nobody until then, and lists it all the same. Whatever else tells of it is not silenced."
            }
        };
        Ok(Reply::card(Tone::Good, format!("{} is silenced until {at}", found.title()), says)
            .button(Button::new("End the silence", show::unsilence(&found.fingerprint))))
    }

    /// Silences it at Alertmanager, where that has sent it; else it is Deckhand alone that is silent.
    async fn silence_there(
        &self,
        cx: &Cx,
        permit: &Permit,
        alert: &Firing,
        (until, because): (DateTime<Utc>, &str),
        instead_of: Option<&str>,
    ) -> Result<Option<String>> {
        let Some(alertmanager) = self.settings.alertmanager.as_ref().filter(|_| alert.from == Source::Alertmanager)
        else {
            return Ok(None);
        };
        let made = alertmanager.silence(cx.ports(), permit, alert, (until, because), instead_of).await;
        made.map(Some).map_err(|error| unheard(&error, "silenced"))
    }

    pub(super) async fn unsilence(&self, cx: &Cx) -> Result<Reply> {
        let UnsilenceArgs { alert } = cx.args()?;
        let _one = self.silencing.lock().await;
        let found = silenced_as(cx.store(), &alert, cx.now()).await?;
        let (fingerprint, Versioned { value: silence, version }) = found;
        if silence.id.is_some() && self.settings.alertmanager.is_none() {
            return Err(Stop::refuse(format!(
                "{} is silenced at Alertmanager, which the config does not name any more, so nothing was done. End it there, or write `[alerts.alertmanager]` again.",
                text::plain(&silence.name)
            )));
        }
        let title = text::plain(&silence.name);
        let act = Act {
            verb: UNSILENCE,
            object: title.clone(),
            says: format!("End the silence of {title}."),
            facts: vec![("alert", fingerprint.clone())],
            state: Some(SILENCES.key(&fingerprint)),
            service: silence.service.clone(),
            environment: silence.environment.clone(),
            ..Act::default()
        };
        cx.act(act, async |permit| {
            if let (Some(alertmanager), Some(id)) = (&self.settings.alertmanager, &silence.id) {
                let ended = alertmanager.unsilence(cx.ports(), permit, id).await;
                ended.map_err(|error| unheard(&error, "changed"))?;
            }
            permit.expect(SILENCES.key(&fingerprint), version);
            permit.delete(SILENCES.key(&fingerprint));
            Ok(())
        })
        .await?;
        self.taker.is_loud(&fingerprint);
        Ok(Reply::card(Tone::Good, format!("{title} is not silenced any more"), "It is told again when it fires."))
    }

    /// Settles a silence that Deckhand was stopped in the middle of: Alertmanager says whether it has made it.
    pub(super) async fn find_silence(&self, cx: &Cx, doing: Entry) -> Result<Reply> {
        let fact =
            |name: &str| doing.draft.facts.get(name).and_then(|fact| fact.as_str()).unwrap_or_default().to_owned();
        let (fingerprint, until) = (fact("alert"), DateTime::parse_from_rfc3339(&fact("until")).ok());
        let made = match &self.settings.alertmanager {
            Some(alertmanager) => alertmanager.made_by(cx.ports(), &doing).await,
            None => Ok(None),
        };
        let (title, who, because) = (doing.draft.object.clone(), doing.draft.who.clone(), doing.draft.why.clone());
        let (service, environment) = (doing.draft.service.clone(), doing.draft.environment.clone());
        let (tone, says) = match (&made, until) {
            (Ok(Some((_, true))), Some(_)) => {
                (Tone::Good, format!("Deckhand was stopped, and Alertmanager has silenced {title} all the same."))
            }
            (Ok(_), _) => (
                Tone::Bad,
                format!("Deckhand was stopped before {title} was silenced. Say it again if it is still wanted."),
            ),
            (Err(_), _) => (
                Tone::Warn,
                format!("Deckhand was stopped, and Alertmanager does not say whether {title} is silenced. Look there."),
            ),
        };
        let told = says.clone();
        cx.resume(doing, async move |permit| {
            if let (Ok(Some((id, true))), Some(until)) = (made, until) {
                let name = title.split(" (").next().unwrap_or_default().to_owned();
                let until = until.to_utc();
                let silence = Silence { name, service, environment, until, who, because, id: Some(id) };
                return Ok(SILENCES.put(permit, &fingerprint, &silence)?);
            }
            permit.failed(told);
            Ok(())
        })
        .await?;
        Ok(Reply::card(tone, "A silence", says))
    }

    /// The same for the end of one.
    pub(super) async fn find_unsilenced(&self, cx: &Cx, doing: Entry) -> Result<Reply> {
        let fingerprint = doing.draft.facts.get("alert").and_then(|fact| fact.as_str()).unwrap_or_default().to_owned();
        let id = SILENCES.get(cx.store(), &fingerprint).await?.and_then(|silence| silence.value.id);
        let silent = match (&self.settings.alertmanager, &id) {
            (Some(alertmanager), Some(id)) => alertmanager.is_silent(cx.ports(), id).await.unwrap_or(true),
            _ => true,
        };
        let title = doing.draft.object.clone();
        let (tone, says) = match silent {
            false => (Tone::Good, format!("Deckhand was stopped, and {title} is not silenced any more.")),
            true => (
                Tone::Bad,
                format!(
                    "Deckhand was stopped before the silence of {title} was ended. Say it again if it is still wanted."
                ),
            ),
        };
        let told = says.clone();
        cx.resume(doing, async move |permit| {
            if silent {
                permit.failed(told);
            } else {
                permit.delete(SILENCES.key(&fingerprint));
            }
            Ok(())
        })
        .await?;
        Ok(Reply::card(tone, "A silence", says))
    }
}

/// The silence that a word means, whether its alert fires or not: by the alert's name, or by the beginning of its fingerprint.
pub(super) async fn silenced_as(
    store: &dyn Read,
    word: &str,
    now: DateTime<Utc>,
) -> Result<(String, Versioned<Silence>)> {
    let mut all = SILENCES.scan(store, "", usize::MAX).await?;
    all.retain(|(print, it)| {
        let is = it.value.name.eq_ignore_ascii_case(word) || word.len() >= 4 && print.starts_with(word);
        is && it.value.until > now
    });
    match &all[..] {
        [only] => Ok(only.clone()),
        [] => Err(Stop::refuse(format!(
            "No alert {} is silenced from here, so nothing was done. `/alert list` shows those that are.",
            text::code(word)
        ))),
        [_, ..] => {
            let prints: Vec<_> = all.iter().map(|(print, _)| print.get(..6).unwrap_or(print)).collect();
            Err(Stop::refuse(format!(
                "{} silenced alerts are called {}, so nothing was done. Say which by its fingerprint: {}.",
                all.len(),
                text::code(word),
                text::list(&prints)
            )))
        }
    }
}

/// Alertmanager has not done it, as far as is known.
fn unheard(error: &anyhow::Error, done: &str) -> Stop {
    Stop::refuse(format!(
        "Alertmanager has not done it: {}. Nothing was {done}, as far as is known. Look at Alertmanager, or say it again.",
        text::plain(&format!("{error:#}"))
    ))
}
