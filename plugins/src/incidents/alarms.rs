//! Alerts open incidents, or join those that are open: each firing once, by its fingerprint.

use super::open::{Begins, last_opened};
use super::records::{Joined, Standing};
use super::{Change, Incidents};
use commands::cx::Cx;
use commands::offer::Alert;
use commands::stop::Result;
use commands::text;

/// How many incidents are looked at for alerts that still fire after them.
const RECENT: usize = 50;

impl Incidents {
    /// Takes in what fires and has not been taken in, and notes what is over.
    pub(super) async fn take_in(&self, cx: &Cx) -> Result<()> {
        if self.settings.alerts.is_empty() || self.settings.tell.is_empty() {
            return Ok(());
        }
        let firing = cx.ports().offered.alerts(cx.ports(), None, None).await?;
        for alert in firing.iter().filter(|alert| alert.silenced.is_none()) {
            let Some(severity) = self.settings.alerts.get(&alert.severity) else { continue };
            let last = last_opened(cx).await?;
            let recent = Standing::newest(cx.store(), RECENT).await?;
            let is_known = |it: &Standing| it.incident.alerts.iter().any(|joined| joined.is(alert));
            if recent.iter().any(is_known) {
                continue;
            }
            let open = Standing::open(cx.store()).await?;
            let related = |it: &Standing| {
                let touches =
                    it.incident.offered(it.number).concerns(alert.service.as_deref(), alert.environment.as_deref());
                touches || it.incident.alerts.iter().any(|joined| joined.name == alert.name)
            };
            match open.into_iter().find(related) {
                Some(it) => self.join(cx, it, alert).await?,
                None => self.alarm(cx, alert, *severity, last).await?,
            }
        }
        for it in Standing::open(cx.store()).await? {
            let over = |joined: &Joined| joined.firing && !firing.iter().any(|alert| joined.is(alert));
            if it.incident.alerts.iter().any(over) {
                self.calm(cx, it, over).await?;
            }
        }
        Ok(())
    }

    /// Opens an incident for an alert that belongs to none.
    async fn alarm(&self, cx: &Cx, alert: &Alert, severity: u8, last: u64) -> Result<()> {
        let Some(place) = self.settings.tell.first() else { return Ok(()) };
        let begins = Begins {
            title: words(alert),
            service: alert.service.clone(),
            environment: alert.environment.clone(),
            severity: Some(severity),
            started: None,
            detected: alert.since.min(cx.now()),
            place: place.clone(),
            alerts: vec![Joined::of(alert)],
        };
        let why = format!("the alert {} fires", text::plain(&alert.name));
        self.begin(cx, self.begun(cx, begins), why, last).await.map(drop)
    }

    async fn join(&self, cx: &Cx, mut it: Standing, alert: &Alert) -> Result<()> {
        let before = it.incident.alerts.len();
        it.incident.alerts.retain(|joined| joined.fingerprint != alert.fingerprint);
        let again = if it.incident.alerts.len() < before { " again" } else { "" };
        it.incident.alerts.push(Joined::of(alert));
        let what = format!("The alert {} fires{again}", text::plain(&words(alert)));
        let noted = text::plain(&alert.name);
        let change = Change { at: alert.since.min(cx.now()), ..Change::now(cx, "incidents.join", what).noted(noted) };
        self.change(cx, it, change).await.map(drop)
    }

    /// Notes which alerts of an incident fire no more.
    async fn calm(&self, cx: &Cx, mut it: Standing, over: impl Fn(&Joined) -> bool) -> Result<()> {
        let mut names = Vec::new();
        for joined in it.incident.alerts.iter_mut().filter(|joined| over(joined)) {
            joined.firing = false;
            names.push(text::plain(&joined.name));
        }
        let left = it.incident.alerts.iter().filter(|joined| joined.firing).count();
        let left = if left == 0 {
            "none of it fires any more".to_owned()
        } else {
            format!("{} still", text::plural(left, "alert"))
        };
        let what = format!("{} fires no more; {left}", names.join(", "));
        let change = Change::now(cx, "incidents.calm", what).noted(names.join(", "));
        self.change(cx, it, change).await.map(drop)
    }
}

/// An alert in a few words, as it was sent.
fn words(alert: &Alert) -> String {
    let says = if alert.says.is_empty() { String::new() } else { format!(": {}", alert.says) };
    text::cut(&text::plain(&format!("{}{says}", alert.name)), 200)
}

impl Joined {
    fn of(alert: &Alert) -> Joined {
        Joined { fingerprint: alert.fingerprint.clone(), name: alert.name.clone(), act: alert.act, firing: true }
    }

    /// Whether this is that firing of the alert, and not an earlier one.
    fn is(&self, alert: &Alert) -> bool {
        self.fingerprint == alert.fingerprint && self.act >= alert.act
    }
}
