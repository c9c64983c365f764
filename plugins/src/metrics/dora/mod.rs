//! DORA's five measures of a service in an environment, each with its definition and its count beside it.

mod bands;
mod book;
mod import;
mod rows;
mod rules;
mod show;

use super::Metrics;
use book::{Book, Figures};
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use commands::cx::{Cx, Ports};
use commands::offer::{self, Came, Change};
use commands::reply::Reply;
use commands::stop::{Result, Stop};
use serde::Deserialize;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

pub use bands::YEARS;
pub use import::{IMPORT, VERBS, cut_off, import, take_back};
pub use rules::Rules;
#[cfg(test)]
pub use rules::{Fails, LeadFrom};
pub use show::line;

/// How far back is looked where nobody says.
const USUAL: Duration = Duration::from_secs(90 * 86_400);

/// The longest span, in days: a book goes no farther back.
const LONGEST: u64 = 400;

/// For so long it is asked at each call what has become known of a deployment.
const LATE: TimeDelta = TimeDelta::days(2);

/// How often it is asked of all there are: after an upgrade, much becomes known of old ones.
const ANEW: TimeDelta = TimeDelta::minutes(5);

/// By how much is asked again what was asked before: what ended at that very moment was perhaps not written yet.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// A deployment, whoever tells of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// What names it: `#412`, or whatever it is called where it was imported from.
    id: String,
    began: DateTime<Utc>,
    ended: DateTime<Utc>,
    came: Came,
    back_over: Option<String>,
    changes: Option<Vec<Change>>,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Trouble {
    since: DateTime<Utc>,
    /// Since when nobody suffers from it.
    resolved: Option<DateTime<Utc>>,
    /// What brought it about, where somebody has said.
    cause: Option<String>,
}

impl From<offer::Deployment> for Deployment {
    fn from(it: offer::Deployment) -> Deployment {
        let offer::Deployment { act, began, ended, came, back_over, changes, .. } = it;
        Deployment { id: of_act(act), began, ended, came, back_over: back_over.map(of_act), changes }
    }
}

/// The id of what the ledger has.
fn of_act(act: u64) -> String {
    format!("#{act}")
}

/// A service in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The service.
    pub service: String,
    /// The environment.
    pub environment: String,
}

/// The running books, by target: each is written on from where it was when it was last asked for.
#[derive(Default)]
pub struct Books(Mutex<HashMap<Target, Shelf>>);

/// A book, and its turn: who asks for one waits for no other.
type Shelf = Arc<Mutex<Option<Kept>>>;

struct Kept {
    book: Book,
    /// Until when deployments were asked for.
    until: DateTime<Utc>,
    /// When it was asked last what had become known of old ones.
    anew: DateTime<Utc>,
    /// The version of what has been imported.
    imported: u64,
}

impl Kept {
    /// Writes on what has become known since; returns whether the book is as good as one that is made anew.
    async fn write_on(&mut self, ports: &Ports, target: &Target, now: DateTime<Utc>) -> anyhow::Result<bool> {
        let anew = now - self.anew >= ANEW;
        let open = self.book.open_since(if anew { earliest(now) } else { now - LATE });
        if anew {
            self.anew = now;
        }
        let newest = self.until - OVERLAP;
        let since = open.map_or(newest, |open| open.min(newest));
        // The end of a span is not in it.
        let until = now + TimeDelta::seconds(1);
        let told = ports.offered.deployments(ports, &target.service, &target.environment, since..until).await?;
        told.into_iter().for_each(|deployment| self.book.add(deployment.into()));
        self.until = now;
        Ok(self.book.is_in_order())
    }
}

#[derive(Deserialize)]
struct DoraArgs {
    service: String,
    env: Option<String>,
    last: Option<Duration>,
    year: Option<String>,
}

impl Metrics {
    pub(super) async fn dora(&self, cx: &Cx) -> Result<Reply> {
        let DoraArgs { service, env, last, year } = cx.args()?;
        let vocabulary = &cx.ports().vocabulary;
        let Some(environment) = env.or_else(|| vocabulary.environments.last().cloned()) else {
            return Err(Stop::refuse(
                "There is no environment. The operator writes `environments = [\"production\"]`.",
            ));
        };
        let last = last.unwrap_or(USUAL);
        let days = last.as_secs() / 86_400;
        if !(1..=LONGEST).contains(&days) || last.as_secs() % 86_400 != 0 {
            return Err(Stop::refuse(format!("These are no whole days. Write `last` from `1d` to `{LONGEST}d`.")));
        }
        let target = Target { service, environment };
        let figures = self.figures(cx.ports(), &target, &ending(cx.ports(), days)).await?;
        Ok(show::reply(&target, &figures, self.settings.rules, vocabulary.zone, year.as_deref()))
    }

    /// What these days come to, of a service in an environment.
    ///
    /// # Errors
    /// When somebody who is asked can not find it out.
    pub async fn figures(
        &self,
        ports: &Ports,
        target: &Target,
        span: &RangeInclusive<NaiveDate>,
    ) -> anyhow::Result<Figures> {
        let troubles = troubles(ports, target, *span.start()).await?;
        let shelf = self.books.0.lock().await.entry(target.clone()).or_default().clone();
        let mut shelf = shelf.lock().await;
        let now = ports.clock.now();
        let imported = import::version(&*ports.store).await?;
        let is_whole = match shelf.as_mut().filter(|kept| kept.imported == imported && kept.book.is_in_order()) {
            Some(kept) => kept.write_on(ports, target, now).await?,
            None => false,
        };
        if !is_whole {
            let book = self.read_anew(ports, target, now).await?;
            *shelf = Some(Kept { book, until: now, anew: now, imported });
        }
        let today = now.with_timezone(&ports.vocabulary.zone).date_naive();
        Ok(shelf.as_mut().map(|kept| kept.book.over(span, today, &troubles)).unwrap_or_default())
    }

    /// The book of all there is.
    async fn read_anew(&self, ports: &Ports, target: &Target, now: DateTime<Utc>) -> anyhow::Result<Book> {
        let mut book = Book::new(ports.vocabulary.zone, self.settings.rules.lead_from);
        let mut all = import::deployments(&*ports.store, target).await?;
        let span = earliest(now)..now;
        let told = ports.offered.deployments(ports, &target.service, &target.environment, span).await?;
        all.extend(told.into_iter().map(Deployment::from));
        all.sort_by(|one, other| (one.ended, &one.id).cmp(&(other.ended, &other.id)));
        for (number, deployment) in all.into_iter().enumerate() {
            book.add(deployment);
            if number % import::PAGE == 0 {
                // Others are answered meanwhile.
                tokio::task::yield_now().await;
            }
        }
        Ok(book)
    }

    /// Reads the books that are asked for first, before anybody does: those of the last environment.
    pub(super) async fn read_books(&self, cx: &Cx) {
        let vocabulary = &cx.ports().vocabulary;
        let Some(environment) = vocabulary.environments.last() else { return };
        let today = ending(cx.ports(), 1);
        for service in &vocabulary.services {
            let target = Target { service: service.clone(), environment: environment.clone() };
            let read = self.figures(cx.ports(), &target, &today);
            let Some(read) = cx.stopping().run_until_cancelled(read).await else { return };
            if let Err(error) = read {
                tracing::warn!(service, "its deployments could not be read: {error:#}");
            }
        }
    }
}

/// The farthest that a book goes back.
fn earliest(now: DateTime<Utc>) -> DateTime<Utc> {
    now - TimeDelta::days(LONGEST as i64 + 1)
}

/// So many days up to today, on the team's clocks.
pub fn ending(ports: &Ports, days: u64) -> RangeInclusive<NaiveDate> {
    let today = ports.clock.now().with_timezone(&ports.vocabulary.zone).date_naive();
    today.checked_sub_days(Days::new(days.saturating_sub(1))).unwrap_or(today)..=today
}

/// What went wrong there and was not over when these days began.
async fn troubles(ports: &Ports, target: &Target, since: NaiveDate) -> anyhow::Result<Vec<Trouble>> {
    // No zone is farther from UTC than a day.
    let since = since.and_time(chrono::NaiveTime::MIN).and_utc() - TimeDelta::days(1);
    let incidents = ports.offered.incidents(ports, since).await?;
    let here = incidents.into_iter().filter(|it| it.concerns(Some(&target.service), Some(&target.environment)));
    let trouble = |it: offer::incident::Incident| Trouble {
        since: it.since(),
        resolved: it.clocks.mitigated.or(it.clocks.resolved),
        cause: it.cause.map(of_act),
    };
    let mut troubles: Vec<_> = here.map(trouble).collect();
    troubles.extend(import::troubles(&*ports.store, target, since).await?);
    Ok(troubles)
}

#[cfg(test)]
mod tests;
