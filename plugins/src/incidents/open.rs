//! Opening an incident: it is written down, its owners are called, and what changed lately is shown.

use super::lately::Lately;
use super::records::{Incident, Joined, LAST, Reminders, Standing, card_of};
use super::settings::Room;
use super::{Change, Incidents, act, check_moment, enter, notice, same_channel, show};
use chrono::{DateTime, TimeDelta, Utc};
use commands::act::Act;
use commands::cx::Cx;
use commands::ledger::Place;
use commands::offer::incident::{Clocks, Stage};
use commands::reply::Reply;
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;

/// How old an incident is at least when it is told that it is still open.
const DAILY_HOURS: i64 = 4;

#[derive(Deserialize)]
struct OpenArgs {
    title: String,
    service: Option<String>,
    env: Option<String>,
    sev: Option<u8>,
    since: Option<DateTime<Utc>>,
    another: Option<String>,
}

/// What an incident begins with.
pub(super) struct Begins {
    /// What is wrong.
    pub title: String,
    /// What it affects.
    pub service: Option<String>,
    /// Where.
    pub environment: Option<String>,
    /// How bad it is.
    pub severity: Option<u8>,
    /// Since when people suffer from it.
    pub started: Option<DateTime<Utc>>,
    /// When it was noticed.
    pub detected: DateTime<Utc>,
    /// Where it is talked about.
    pub place: Place,
    /// The alerts that belong to it.
    pub alerts: Vec<Joined>,
}

impl Incidents {
    pub(super) async fn open(&self, cx: &Cx) -> Result<Reply> {
        let said: OpenArgs = cx.args()?;
        if let Some(since) = said.since {
            check_moment(cx, since)?;
        }
        // Whoever opens one at the same moment changes this: of two who report the same, one is told of the other's.
        let last = last_opened(cx).await?;
        if said.another.is_none() {
            none_like_it(cx, &said).await?;
        }
        let begins = Begins {
            title: said.title,
            service: said.service,
            environment: said.env,
            severity: said.sev,
            started: said.since,
            detected: cx.now(),
            place: Place { message: String::new(), ..cx.call().place.clone() },
            alerts: Vec::new(),
        };
        self.begin(cx, self.begun(cx, begins), String::new(), last).await
    }

    /// An incident that begins now.
    pub(super) fn begun(&self, cx: &Cx, begins: Begins) -> Incident {
        let now = cx.now();
        let (lead, severity) = self.settings.remind.first_questions(now);
        let daily = self.settings.daily.as_ref();
        let mut incident = Incident {
            title: begins.title,
            severity: begins.severity,
            stage: Stage::Open,
            phase: None,
            services: begins.service.into_iter().collect(),
            environments: begins.environment.into_iter().collect(),
            clocks: Clocks {
                started: begins.started,
                detected: begins.detected,
                declared: now,
                mitigated: None,
                resolved: None,
            },
            cause: None,
            place: begins.place,
            update: None,
            roles: Vec::new(),
            former: Vec::new(),
            todos: Vec::new(),
            allowed: Vec::new(),
            alerts: begins.alerts,
            reminders: Reminders {
                lead,
                severity,
                update: None,
                stopped: false,
                open: daily.and_then(|daily| daily.next(now + TimeDelta::hours(DAILY_HOURS))),
            },
        };
        incident.reminders.update = self.settings.remind.update_after(&incident, now);
        incident
    }

    /// Writes down a new incident in one act, tells it, and calls those who are on call for what it affects. `last` is the
    /// version of the record of the last one, as it was when it was looked whether there is one like it.
    pub(super) async fn begin(&self, cx: &Cx, incident: Incident, why: String, last: u64) -> Result<Reply> {
        let title = text::plain(&incident.title);
        let change = Change::now(cx, "incidents.open", format!("Opened: {title}")).because(Some(why));
        let on_call = self.settings.on_call(&incident.services, cx.now());
        let called: Vec<_> = on_call.into_iter().filter(|person| person != cx.who()).collect();
        let lately = Lately::read(cx, &incident.offered(0), &self.settings).await?;
        let waiting = self.waiting(cx, &incident.offered(0)).await?;
        let mut it = Standing { number: 0, incident, version: 0, posted: None };
        let begun = Act {
            object: title.clone(),
            says: format!("Open an incident: {title}."),
            state: None,
            facts: vec![("title", it.incident.title.clone())],
            ..act(&it, &change, cx)
        };
        cx.act(begun, async |permit| {
            it.number = permit.act();
            permit.expect(LAST.key(""), last);
            LAST.put(permit, "", &it.number)?;
            it.put(permit)?;
            change.entry(cx).iter().try_for_each(|entry| enter(permit, it.number, entry))?;
            notice::take(permit, it.number, &waiting)?;
            let card = lately.onto(show::card(cx, &it, &show::called(&called)));
            for place in self.settings.tell.iter().filter(|place| !same_channel(place, &it.incident.place)) {
                permit.say(place, card.clone())?;
            }
            let card = Reply { calls: called.clone(), ..card };
            let (place, name) = (&it.incident.place, card_of(it.number));
            match self.settings.room {
                Room::Thread => permit.open_thread(place, &name, &show::headline(&it), card),
                Room::Channel => {
                    permit.open_channel(place, &name, &format!("inc-{} {title}", it.number), &show::headline(&it), card)
                }
                Room::None => permit.say(place, card),
            }
        })
        .await?;
        Ok(Reply::say(format!("{} is open, and its card follows here.", show::label(&it.incident, it.number))))
    }
}

/// The version of the record of the incident that was opened last.
pub(super) async fn last_opened(cx: &Cx) -> Result<u64> {
    Ok(LAST.get(cx.store(), "").await?.map_or(0, |last| last.version))
}

/// Refuses a second incident of the same thing.
async fn none_like_it(cx: &Cx, said: &OpenArgs) -> Result<()> {
    let (service, environment) = (said.service.as_deref(), said.env.as_deref());
    let open = Standing::open(cx.store()).await?;
    let like = open.iter().find(|it| {
        let same = service.is_some() || environment.is_some();
        same && it.incident.offered(it.number).concerns(service, environment)
            || it.incident.title.trim().eq_ignore_ascii_case(said.title.trim())
    });
    let Some(it) = like else { return Ok(()) };
    Err(Stop::refuse(format!(
        "Incident #{} is open for this already: {}. Nothing was opened. Say `/incident note number:{0} text:\"…\"` to add to it, or say it again with `another:yes`.",
        it.number,
        text::cut(&text::plain(&it.incident.title), 100)
    )))
}
