//! Reminders: who leads, how bad it is, the next update, and what is still open. Each is told once, whatever restarts: it
//! goes out in the batch that notes that it has.

use super::records::{Asked, Incident, Role, Standing};
use super::settings::Remind;
use super::{Incidents, show};
use chrono::{DateTime, TimeDelta, Utc};
use commands::act::Act;
use commands::cx::Cx;
use commands::offer::incident::Stage;
use commands::reply::{Button, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;

/// What people are reminded of at once.
#[derive(Default)]
struct Reminder {
    about: Vec<&'static str>,
    says: Vec<String>,
    calls: Vec<String>,
    buttons: Vec<Button>,
}

impl Incidents {
    /// Reminds of whatever is due, of one incident after the other.
    pub(super) async fn remind(&self, cx: &Cx) -> Result<()> {
        for it in Standing::open(cx.store()).await? {
            match self.remind_of(cx, it).await {
                // Somebody has changed it at this moment: the next minute sees how it stands then.
                Ok(()) | Err(Stop::Refused(_)) => {}
                Err(stop) => return Err(stop),
            }
        }
        Ok(())
    }

    async fn remind_of(&self, cx: &Cx, mut it: Standing) -> Result<()> {
        let reminder = self.due(cx, &mut it);
        if reminder.says.is_empty() {
            return Ok(());
        }
        let Reminder { about, says, mut calls, buttons } = reminder;
        calls.sort();
        calls.dedup();
        let mut told = Reply::card(Tone::Warn, show::headline(&it), says.join(" "));
        told.buttons = buttons;
        told.calls = calls;
        let act = Act {
            verb: "incidents.remind",
            object: format!("#{}", it.number),
            service: it.incident.services.first().cloned(),
            environment: it.incident.environments.first().cloned(),
            ..Act::default()
        };
        cx.act(act, async |permit| {
            it.put(permit)?;
            permit.note(about.join(", "));
            permit.say(it.home(), told)
        })
        .await
    }

    /// What is due now; the record then says so.
    fn due(&self, cx: &Cx, it: &mut Standing) -> Reminder {
        let (now, number) = (cx.now(), it.number);
        let mut reminder = Reminder::default();
        let on_call = self.settings.on_call(&it.incident.services, now);
        let open = it.incident.stage == Stage::Open;
        let leads = it.incident.commander().map(str::to_owned);
        let pace = &self.settings.remind;
        if let Some(last) = pace.ask(&mut it.incident.reminders.lead, open && leads.is_none(), pace.lead, now) {
            reminder.about.push("lead");
            reminder.says.push(format!("Nobody leads. Whoever does, says `/incident lead number:{number}`.{last}"));
            reminder.calls.extend(on_call.clone());
        }
        let unknown = it.incident.severity.is_none();
        if let Some(last) = pace.ask(&mut it.incident.reminders.severity, unknown, pace.severity, now) {
            reminder.about.push("severity");
            reminder.says.push(format!("Nobody has said how bad it is: `/incident sev 2 number:{number}`.{last}"));
        }
        if !reminder.says.is_empty() {
            reminder.buttons = show::next(it);
        }
        if let (Some(due), Some(next)) = (it.incident.reminders.update, pace.update_after(&it.incident, now))
            && due <= now
        {
            it.incident.reminders.update = Some(next);
            let last = it.incident.update.as_ref().map_or(it.incident.clocks.declared, |update| update.at);
            reminder.about.push("update");
            reminder.says.push(format!("An update is due; the last word was {}.", text::ago(last, now)));
            let speaks = it.incident.roles.iter().find(|(role, _)| *role == Role::Liaison).map(|(_, who)| who.clone());
            reminder.calls.extend(speaks.or(leads.clone()).map_or_else(|| on_call.clone(), |who| vec![who]));
            reminder.buttons.push(show::update(number));
            reminder.buttons.push(Button::new("In 30 minutes", format!("incident snooze for:30m number:{number}")));
            reminder.buttons.push(Button::new("No more of these", format!("incident snooze stop:yes number:{number}")));
        }
        if it.incident.reminders.open.is_some_and(|due| due <= now) {
            it.incident.reminders.open = self.settings.daily.as_ref().and_then(|daily| daily.next(now));
            reminder.about.push("still open");
            reminder.says.push(format!("This is still not over. {}", show::stands(cx, it)));
            reminder.calls.extend(leads.map_or(on_call, |who| vec![who]));
        }
        let mut labels = std::collections::BTreeSet::new();
        reminder.buttons.retain(|button| labels.insert(button.label.clone()));
        reminder
    }
}

impl Remind {
    /// Whether a question is to be asked now, and what is said of the last time.
    fn ask(&self, asked: &mut Asked, open: bool, pause: TimeDelta, now: DateTime<Utc>) -> Option<&'static str> {
        // A machine whose clock was set back asks sooner rather than hours later.
        let waits = now < asked.next && asked.next <= now + pause;
        if !open || asked.times >= self.times || waits {
            return None;
        }
        asked.times += 1;
        // It keeps its pace, unless it comes late.
        let on_time = asked.next + pause;
        asked.next = if on_time > now && on_time <= now + pause { on_time } else { now + pause };
        Some(if asked.times == self.times { " This is not asked again." } else { "" })
    }

    /// When the next update of an incident is due, were the last one told `at`; nothing where nobody is reminded.
    pub(super) fn update_after(&self, incident: &Incident, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let pace = self.updates.get(usize::from(incident.severity?).checked_sub(1)?)?;
        let reminded = incident.stage != Stage::Resolved && !incident.reminders.stopped;
        reminded.then(|| at + *pace)
    }

    /// When it is asked first who leads, and how bad it is, were it opened now.
    pub(super) fn first_questions(&self, now: DateTime<Utc>) -> (Asked, Asked) {
        let first = |pause| Asked { times: 0, next: now + pause };
        (first(self.lead), first(self.severity))
    }
}
