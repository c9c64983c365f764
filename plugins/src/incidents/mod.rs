//! Incidents: who leads, how bad it is, what happened when, and what changed before; told where people are, and kept.

mod alarms;
mod change;
mod guard;
mod keep;
mod lately;
mod look;
mod notice;
mod offers;
mod open;
mod quote;
pub mod records;
mod remind;
mod roles;
mod said;
mod settings;
mod show;
mod timeline;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::act::{Act, Permit};
use commands::args::Args;
use commands::complete::Choice;
use commands::cx::{Cx, Ports};
use commands::ledger::Place;
use commands::message::{Follows, Message};
use commands::offer::Offers;
use commands::offer::incident::Stage;
use commands::parse::{Invocation, LONGEST_LINE};
use commands::plugin::{Guarded, Job, Plugin};
use commands::reply::{Button, Reply};
use commands::spec::{ArgSpec, PluginSpec};
use commands::stop::{Result, Stop};
use commands::text;
use config::Schedule;
use lately::Lately;
use records::{Entry, INCIDENTS, Kind, Standing, TIMELINE, entry_name, name};
use settings::Settings;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// How often it is looked what is due.
const PACE: Duration = Duration::from_secs(2);

/// Of how many incidents it is asked which is meant.
const MOST_ASKED: usize = 5;

/// What can be said about incidents.
pub static SPEC: PluginSpec = PluginSpec {
    name: "incidents",
    about: "Keeps an incident in one place: who leads, how bad it is, what happened when, and what changed before.",
    commands: said::COMMANDS,
    start: |setup| Arc::new(Incidents { settings: Settings::read(setup) }),
};

/// The plugin at work.
struct Incidents {
    settings: Settings,
}

#[async_trait]
impl Plugin for Incidents {
    async fn run(&self, cx: &Cx) -> Result<Reply> {
        match cx.command() {
            "incident open" => self.open(cx).await,
            "incident list" => look::list(cx).await,
            "incident show" => look::show(cx).await,
            "incident sev" => self.severity(cx).await,
            "incident lead" => self.lead(cx).await,
            "incident handoff" => self.hand_off(cx).await,
            "incident role" => self.role(cx).await,
            "incident affect" => self.affect(cx).await,
            "incident note" => self.note(cx).await,
            "incident update" => self.update(cx).await,
            "incident status" => self.phase(cx).await,
            "incident mitigate" => self.mitigate(cx).await,
            "incident resolve" => self.resolve(cx).await,
            "incident reopen" => self.reopen(cx).await,
            "incident clock" => self.clock(cx).await,
            "incident timeline" => self.timeline(cx).await,
            "incident keep" => self.keep(cx).await,
            "incident amend" => timeline::amend(cx).await,
            "incident quote" => self.quote(cx).await,
            "incident todo" => self.todo(cx).await,
            "incident allow" => self.allow(cx).await,
            "incident snooze" => self.snooze(cx).await,
            other => Err(anyhow::anyhow!("the incidents plugin does not know `{other}`").into()),
        }
    }

    async fn complete(&self, arg: &ArgSpec, _given: &Args, ports: &Ports) -> Vec<Choice> {
        match arg.name {
            "number" => look::numbers(&*ports.store).await.unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    async fn guard(&self, cx: &Cx) -> anyhow::Result<Guarded> {
        self.guards(cx).await
    }

    async fn marked(&self, cx: &Cx, message: &Message) -> anyhow::Result<Option<String>> {
        quote::marked(cx, message).await
    }

    async fn listens(&self, cx: &Cx) -> anyhow::Result<Vec<Place>> {
        quote::listens(cx).await
    }

    async fn follows(&self, cx: &Cx) -> anyhow::Result<Follows> {
        quote::follows(cx).await
    }

    async fn revised(&self, cx: &Cx, message: &str, says: Option<&str>, at: DateTime<Utc>) -> Result<()> {
        quote::revised(cx, message, says, at).await
    }

    fn offers(&self) -> Option<&dyn Offers> {
        Some(self)
    }

    fn jobs(&self) -> Vec<Job> {
        let every_minute = Schedule::parse("* * * * *", chrono_tz::UTC);
        every_minute.into_iter().map(|schedule| Job { name: "notice", schedule }).collect()
    }

    async fn watch(&self, cx: &Cx) {
        while !cx.stopping().is_cancelled() {
            if let Err(stop) = self.take_in(cx).await {
                tracing::warn!("alerts can not be taken into incidents: {stop}");
            }
            if let Err(stop) = self.remind(cx).await {
                tracing::warn!("nobody can be reminded of incidents: {stop}");
            }
            cx.stopping().run_until_cancelled(sleep(PACE)).await;
        }
    }

    async fn work(&self, cx: &Cx, _job: &str, _due: DateTime<Utc>) -> Result<()> {
        self.notice(cx).await
    }
}

/// A change of an incident, as it stands on the ledger and in the timeline, and as it is told.
struct Change {
    /// The act's verb.
    verb: &'static str,
    /// What is the case now, in a sentence without its full stop: safe to show.
    what: String,
    /// The same without its times, for the ledger, where it says more than the verb.
    note: String,
    /// Why.
    why: String,
    /// The line that undoes it.
    undo: Option<String>,
    /// When it happened.
    at: DateTime<Utc>,
    /// What kind of entry it is in the timeline, where it stands there.
    kind: Option<Kind>,
    /// Whether it is told in the channel of all incidents.
    loud: bool,
    /// Who is called.
    calls: Vec<String>,
}

impl Change {
    /// A change that happens now, and is told where the incident is talked about.
    fn now(cx: &Cx, verb: &'static str, what: String) -> Change {
        let (note, why, kind) = (what.clone(), String::new(), Some(Kind::Change));
        Change { verb, what, note, why, undo: None, at: cx.now(), kind, loud: false, calls: Vec::new() }
    }

    /// The same, told in the channel of all incidents as well.
    fn loud(self) -> Change {
        Change { loud: true, ..self }
    }

    /// The same, with this on the ledger.
    fn noted(self, note: impl Into<String>) -> Change {
        Change { note: note.into(), ..self }
    }

    /// The same, for this reason.
    fn because(self, why: Option<String>) -> Change {
        Change { why: why.unwrap_or_default(), ..self }
    }

    /// The same, with this way back.
    fn undo(self, line: String) -> Change {
        Change { undo: Some(line), ..self }
    }

    /// What happened, and why, as it stands in the timeline.
    fn entry(&self, cx: &Cx) -> Option<Entry> {
        let kind = self.kind?;
        let text = match self.why.is_empty() {
            true => self.what.clone(),
            false => format!("{}, because: {}", self.what, self.why),
        };
        Some(Entry { at: self.at, kind, text, ..Entry::by(cx) })
    }
}

impl Incidents {
    /// Writes a changed incident in one act, notes the change in its timeline, and tells it once wherever people look.
    async fn change(&self, cx: &Cx, it: Standing, change: Change) -> Result<Reply> {
        let told = Reply { calls: change.calls.clone(), ..show::changed(cx, &it, &change) };
        let here = same_channel(it.home(), &cx.call().place);
        let act = act(&it, &change, cx);
        let entry = change.entry(cx);
        let card = self.card_anew(cx, &it, &change).await?;
        cx.act(act, async |permit| {
            it.put(permit)?;
            entry.iter().try_for_each(|entry| enter(permit, it.number, entry))?;
            permit.note(change.note.clone());
            self.tell(cx, permit, &it, &told, change.loud)?;
            card.iter().try_for_each(|(place, card)| permit.redraw(place, card.clone()))
        })
        .await?;
        Ok(if here { told } else { Reply { calls: Vec::new(), ..told } })
    }

    /// The card of an incident as it is to be drawn after a change, and where it stands. Where there is no thread under it,
    /// the change itself is told beside it, and it stays as it is.
    async fn card_anew(&self, cx: &Cx, it: &Standing, change: &Change) -> Result<Option<(Place, Reply)>> {
        let Some(posted) = it.posted.as_ref().filter(|posted| change.loud && posted.thread.is_some()) else {
            return Ok(None);
        };
        let mut card = show::card(cx, it, "");
        if it.incident.stage == Stage::Open {
            card = Lately::read(cx, &it.incident.offered(it.number), &self.settings).await?.onto(card);
        }
        Ok(Some((posted.message.clone(), card)))
    }

    /// Tells where the incident is talked about, and, where it is `loud`, in the channel of all incidents; but not where it
    /// was said, for the answer stands there. People are called in one of these alone.
    fn tell(&self, cx: &Cx, permit: &Permit, it: &Standing, told: &Reply, loud: bool) -> Result<()> {
        let home = it.home();
        let mut said = vec![&cx.call().place];
        if !same_channel(home, &cx.call().place) {
            permit.say(home, told.clone())?;
            said.push(home);
        }
        for place in self.settings.tell.iter().filter(|_| loud) {
            if !said.iter().any(|other| same_channel(other, place)) {
                permit.say(place, Reply { calls: Vec::new(), ..told.clone() })?;
                said.push(place);
            }
        }
        Ok(())
    }
}

/// An act on an incident.
fn act(it: &Standing, change: &Change, cx: &Cx) -> Act {
    // What was said is agreed to, and not what is made of it: that tells times, which a minute later are others.
    let said = cx.invocation().map_or_else(|| change.note.clone(), Invocation::line);
    Act {
        facts: vec![("said", said)],
        verb: change.verb,
        object: format!("#{}", it.number),
        service: it.incident.services.first().cloned(),
        environment: it.incident.environments.first().cloned(),
        says: format!("{} in incident #{}.", change.what, it.number),
        undo: change.undo.clone(),
        state: Some(INCIDENTS.key(name(it.number))),
        why: change.why.clone(),
        ..Act::default()
    }
}

/// Puts something into the timeline with the end of the act.
fn enter(permit: &Permit, incident: u64, entry: &Entry) -> anyhow::Result<()> {
    TIMELINE.put(permit, entry_name(incident, entry.at, permit.act()), entry)
}

fn same_channel(one: &Place, other: &Place) -> bool {
    one.platform == other.platform && one.channel == other.channel
}

/// The incident that is meant: the one of this number, else the one whose thread this is, else the one that is open here,
/// else the only one that is open.
async fn meant(cx: &Cx, number: Option<u64>) -> Result<Standing> {
    if let Some(number) = number {
        return Standing::read(cx.store(), number).await?.ok_or_else(|| {
            Stop::refuse(format!(
                "There is no incident #{number}, so nothing was done. `/incident list all:yes` shows all there are."
            ))
        });
    }
    let here = &cx.call().place;
    let mut open = Standing::open(cx.store()).await?;
    let own = |it: &Standing| it.is_home(here);
    // Where there are no threads, an incident is at home in the channel, and others may be, too.
    if let Some(own) = open.iter().position(|it| own(it) && !same_channel(it.home(), &it.incident.place)) {
        return Ok(open.swap_remove(own));
    }
    if let Some(over) = Standing::of_thread(cx.store(), here).await? {
        return Ok(over);
    }
    let nearby = |it: &Standing| own(it) || same_channel(&it.incident.place, here);
    if open.iter().any(nearby) {
        open.retain(nearby);
    }
    if open.len() > 1 {
        return Err(which(cx, &open));
    }
    match open.pop() {
        Some(it) => Ok(it),
        None => Err(none_open(cx).await?),
    }
}

/// Asks which of these is meant: the same line again, for each.
fn which(cx: &Cx, open: &[Standing]) -> Stop {
    let each = |it: &Standing| format!("#{} is {}", it.number, text::cut(&text::plain(&it.incident.title), 60));
    let all: Vec<_> = open.iter().take(MOST_ASKED).map(each).collect();
    let mut reply = Reply::refuse(format!(
        "{} incidents are open, and it was not said which is meant, so nothing was done. {}. Say it again with `number:{}`, or another.",
        open.len(),
        all.join("; "),
        open[0].number
    ));
    reply.buttons.extend(open.iter().take(MOST_ASKED).filter_map(|it| again(cx, it)));
    reply.into()
}

/// The same line again, of this incident.
fn again(cx: &Cx, it: &Standing) -> Option<Button> {
    let line = format!("{} number:{}", cx.invocation()?.line(), it.number);
    (line.chars().count() <= LONGEST_LINE).then(|| Button::new(format!("#{}", it.number), line))
}

async fn none_open(cx: &Cx) -> Result<Stop> {
    let last = Standing::newest(cx.store(), 1).await?.pop();
    let meant = last.as_ref().map_or_else(String::new, |it| {
        let title = text::cut(&text::plain(&it.incident.title), 60);
        format!(" The last one was #{0}, {title}: say `number:{0}` if that is meant.", it.number)
    });
    let mut reply =
        Reply::refuse(format!("No incident is open, so nothing was done.{meant} `/incident open` opens one."));
    reply.buttons.extend(last.and_then(|it| again(cx, &it)));
    Ok(reply.into())
}

/// Refuses a moment that somebody has said, and that is still to come, or before there were computers.
fn check_moment(cx: &Cx, at: DateTime<Utc>) -> Result<()> {
    let wrong = match () {
        () if at > cx.now() => "is still to come",
        () if at < DateTime::UNIX_EPOCH => "is before 1970",
        () => return Ok(()),
    };
    Err(Stop::refuse(format!(
        "{} {wrong}, so nothing was noted. Write when it was: `14:02`, `yesterday 14:02`, `10m ago`.",
        show::moment(cx, at)
    )))
}
