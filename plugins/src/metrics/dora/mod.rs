//! DORA's five measures of a service in an environment, each with its definition and its count beside it.

mod bands;
mod book;
mod import;
mod kept;
mod middle;
mod rows;
mod rules;
mod show;
mod tally;

use super::Metrics;
use book::Book;
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use commands::cx::{Cx, Ports};
use commands::offer::{self, Came, Change};
use commands::reply::Reply;
use commands::stop::{Result, Stop};
use kept::Head;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tally::{Figures, Link, Tally};
use tokio::sync::Mutex;
use tokio::time::sleep;

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

/// How often what the books come to is kept.
const KEPT: Duration = Duration::from_secs(60);

/// When something ended, and its id: what is ordered by this is ordered by time.
type Key = (DateTime<Utc>, String);

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
        let shelf = self.shelf(target).await;
        let today = ports.clock.now().with_timezone(&ports.vocabulary.zone).date_naive();
        let is_read = shelf.try_lock().is_ok_and(|shelf| shelf.is_some());
        if !is_read {
            // Nobody has to wait for a long book where nothing has happened since it was kept.
            let kept = self.kept_tally(ports, target, span, &troubles).await;
            let kept =
                kept.inspect_err(|error| tracing::warn!("what was kept of deployments can not be read: {error:#}"));
            if let Ok(Some((mut tally, links))) = kept {
                return Ok(tally.over(span, today, &links));
            }
        }
        let mut shelf = shelf.lock().await;
        Ok(self.up_to_date(ports, target, &mut shelf).await?.book.over(span, today, &troubles))
    }

    /// The shelf of a target's book.
    async fn shelf(&self, target: &Target) -> Shelf {
        self.books.0.lock().await.entry(target.clone()).or_default().clone()
    }

    /// The book on this shelf, with all that is known.
    async fn up_to_date<'a>(
        &self,
        ports: &Ports,
        target: &Target,
        shelf: &'a mut Option<Kept>,
    ) -> anyhow::Result<&'a mut Kept> {
        let now = ports.clock.now();
        let imported = import::version(&*ports.store).await?;
        let there = shelf.take().filter(|kept| kept.imported == imported && kept.book.is_in_order());
        let whole = match there {
            Some(mut kept) => kept.write_on(ports, target, now).await?.then_some(kept),
            None => None,
        };
        let kept = match whole {
            Some(kept) => kept,
            None => Kept { book: self.read_anew(ports, target, now).await?, until: now, anew: now, imported },
        };
        Ok(shelf.insert(kept))
    }

    /// What a book came to on these days when it was kept, as long as it still says all there is to say of it.
    async fn kept_tally(
        &self,
        ports: &Ports,
        target: &Target,
        span: &RangeInclusive<NaiveDate>,
        troubles: &[Trouble],
    ) -> anyhow::Result<Option<(Tally, Vec<Link>)>> {
        let (store, zone, now) = (&*ports.store, ports.vocabulary.zone, ports.clock.now());
        let imported = import::version(store).await?;
        let head = kept::head(store, target).await?;
        let Some(found) = head.filter(|it| it.value.fits(zone, self.settings.rules.lead_from, imported)) else {
            return Ok(None);
        };
        let head = &found.value;
        let Some(links) = head.links(troubles) else { return Ok(None) };
        let newest = head.until - OVERLAP;
        let since = head.open_since(now - LATE).map_or(newest, |open| open.min(newest));
        let lately = since..now + TimeDelta::seconds(1);
        let told = ports.offered.deployments(ports, &target.service, &target.environment, lately).await?;
        if !told.iter().all(|it| head.knows(it)) {
            return Ok(None);
        }
        Ok(kept::tally(store, target, &found, zone, span).await?.map(|tally| (tally, links)))
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

    /// Reads the books that are asked for first, before anybody does: those of the last environment. Then keeps what all books
    /// come to, again and again.
    pub(super) async fn keep_books(&self, cx: &Cx) {
        let vocabulary = &cx.ports().vocabulary;
        let first = vocabulary.environments.last().into_iter().flat_map(|environment| {
            let target = |service: &String| Target { service: service.clone(), environment: environment.clone() };
            vocabulary.services.iter().map(target)
        });
        let mut targets: Vec<_> = first.collect();
        loop {
            for target in &targets {
                let Some(kept) = cx.stopping().run_until_cancelled(self.keep_book(cx, target)).await else { return };
                if let Err(error) = kept {
                    tracing::warn!(service = target.service, "what was deployed can not be read or kept: {error:#}");
                }
            }
            if cx.stopping().run_until_cancelled(sleep(KEPT)).await.is_none() {
                return;
            }
            targets = self.books.0.lock().await.keys().cloned().collect();
        }
    }

    async fn keep_book(&self, cx: &Cx, target: &Target) -> anyhow::Result<()> {
        let ports = cx.ports();
        let shelf = self.shelf(target).await;
        let mut shelf = shelf.lock().await;
        let Kept { book, until, imported, .. } = self.up_to_date(ports, target, &mut shelf).await?;
        if book.tally.days.is_empty() {
            return Ok(());
        }
        let since = ending(ports, LONGEST);
        let troubles = troubles(ports, target, *since.start()).await?;
        let head = Head::of(book, self.settings.rules.lead_from, *imported, *until, &troubles);
        kept::keep(cx, target, book, &head).await
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
