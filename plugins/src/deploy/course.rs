//! A deploy of several steps: one loop that takes them, saves how far it is, and turns back when one does not work.

mod canary;

use super::driver::{Begun, End, Found, Handle, Run, Unsaid, Work};
use super::plan::Plan;
use super::records::{DEPLOYS, Deploy, Fared, LIVE, Progress, Release, Target, name};
use super::settings::{Health, Host};
use super::ship::{Outcome, make_live, unknown};
use super::strategy::{OnSick, Place, Step, Strategy};
use super::{Deployer, artifact, doubt, health, logs, over, show};
use crate::program::{self, Board, Cancel, Shown};
use commands::act::Permit;
use commands::cx::Cx;
use commands::ports::{Exit, Program};
use commands::reply::Reply;
use commands::stop::{Result, Stop};
use futures::future::join_all;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What stopping in the middle means for a deploy that has steps.
const LEFT: &str = "this deploy is at a step that the next start goes on from";

/// Why a step did not work out.
enum Trouble {
    /// Something is not well: a sentence without a full stop.
    Sick(String),
    /// Nobody knows how it stands: a sentence without a full stop.
    Unknown(String),
    /// Somebody took over the lock.
    Lost,
    /// Deckhand has to stop.
    Left,
}

/// What came of a step, or of all.
type Taken = Result<std::result::Result<(), Trouble>>;

/// A deploy on its way.
struct Course<'a> {
    deployer: &'a Deployer,
    cx: &'a Cx,
    permit: &'a Permit,
    plan: &'a Plan<'a>,
    /// What the steps bring: the plan's release, or on the way back what was live before.
    release: Release,
    cancel: CancellationToken,
    deploy: Deploy,
    began: Instant,
    /// How long each step took that has been taken.
    took: Vec<Duration>,
    /// Whether all is left as it came, for people to look at.
    left: bool,
    /// What a cancelled step left in the world: a sentence.
    left_behind: Option<String>,
    /// Why a canary could not be measured.
    unmeasured: Option<String>,
    /// The last lines of what was said until it went wrong.
    said: String,
}

impl Deployer {
    /// Takes the steps of `deploy` from where it is. The one that an earlier start was at (`resumed`) is found again, and
    /// not begun once more.
    pub(super) async fn course(
        &self,
        cx: &Cx,
        permit: &Permit,
        plan: &Plan<'_>,
        cancel: &Cancel,
        deploy: Deploy,
        mut resumed: bool,
    ) -> Result<Outcome> {
        let (release, took) = (plan.release.clone(), vec![Duration::ZERO; deploy.at]);
        let (token, began) = (cancel.token.clone(), Instant::now());
        let mut course = Course {
            deployer: self,
            cx,
            permit,
            plan,
            release,
            cancel: token,
            deploy,
            began,
            took,
            left: false,
            left_behind: None,
            unmeasured: None,
            said: String::new(),
        };
        if course.deploy.back.is_none() {
            match course.walk(std::mem::take(&mut resumed)).await? {
                Ok(()) => return course.good(),
                Err(Trouble::Left) => return Ok(Outcome::Left(LEFT.to_owned())),
                Err(Trouble::Unknown(why)) => {
                    let why = if cancel.token.is_cancelled() {
                        cancel.why(plan.service.driver.worker(), Some(why))
                    } else {
                        why
                    };
                    return course.unknown(why);
                }
                Err(Trouble::Lost) => {
                    let why = "Somebody took over the lock meanwhile, and it was left as it is. Look at once";
                    course.said = self.tail(cx, plan, permit.act(), why).await;
                    return course.bad(why.to_owned(), Fared::Doubt);
                }
                Err(Trouble::Sick(why)) => {
                    let left = course.left_behind.take();
                    let why =
                        if cancel.token.is_cancelled() { cancel.why(plan.service.driver.worker(), left) } else { why };
                    cancel.too_late(format!("{} did not work, and it goes back", plan.release));
                    course.turn_back(why).await;
                }
            }
        }
        cancel.too_late("It goes back".to_owned());
        // What leads back is not cancelled by what ended the way there.
        course.cancel = CancellationToken::new();
        course.release = plan.before.0.as_ref().map_or_else(|| plan.release.clone(), |live| live.release.clone());
        let (after, fared) = match course.walk(resumed).await? {
            Ok(()) => course.after_way_back(),
            Err(Trouble::Left) => return Ok(Outcome::Left(LEFT.to_owned())),
            Err(Trouble::Unknown(met)) => {
                let why = course.deploy.back.clone().unwrap_or_default();
                return course.unknown(format!("{why}. The way back: {met}"));
            }
            Err(Trouble::Lost) => {
                ("Somebody took over the lock, so the way back was not finished. Look at once".into(), Fared::Left)
            }
            Err(Trouble::Sick(met)) => (format!("The way back did not work: {met}. Look at once"), Fared::Left),
        };
        let why = course.deploy.back.clone().unwrap_or_default();
        course.bad(format!("{why}. {after}"), fared)
    }
}

impl Course<'_> {
    /// Takes the steps that are left.
    async fn walk(&mut self, mut resumed: bool) -> Taken {
        while let Some(step) = self.deploy.steps.get(self.deploy.at).cloned() {
            let began = Instant::now();
            match self.take(&step, std::mem::take(&mut resumed)).await? {
                Ok(()) => {}
                // It was ended because Deckhand stops: the next start finds out how it stands.
                Err(Trouble::Sick(_) | Trouble::Unknown(_)) if self.cx.stopping().is_cancelled() => {
                    return Ok(Err(Trouble::Left));
                }
                Err(trouble) => return Ok(Err(trouble)),
            }
            self.took.push(began.elapsed());
            self.deploy.at += 1;
            if let (Step::Check(place), None, None) = (step, &self.deploy.back, self.plan.service.strategy.switch()) {
                self.deploy.on.extend(place.hosts);
            }
        }
        Ok(Ok(()))
    }

    async fn take(&mut self, step: &Step, resumed: bool) -> Taken {
        if self.cx.stopping().is_cancelled() {
            return Ok(Err(Trouble::Left));
        }
        if self.cancel.is_cancelled() {
            return Ok(Err(Trouble::Sick("It was cancelled".to_owned())));
        }
        // What an earlier start has begun is waited for all the same.
        if !resumed && self.lost().await? {
            return Ok(Err(Trouble::Lost));
        }
        match step {
            Step::Ship(place) => self.ship(place, resumed).await,
            Step::Check(place) => Ok(self.check(place).await),
            Step::CheckAll => Ok(self.check_all().await),
            Step::Weigh(colour, weight) => self.weigh(colour, *weight, resumed).await,
            Step::Hold(place, time) => Ok(self.hold(place, *time).await),
        }
    }

    /// Whether somebody has taken over the lock that all this rests on.
    async fn lost(&self) -> Result<bool> {
        match self.permit.step().await {
            Err(Stop::Refused(_)) => Ok(true),
            other => other.map(|()| false),
        }
    }

    /// Saves which step is being taken, and what finds it again.
    async fn note(&mut self, handle: Handle) -> Result<()> {
        self.deploy.state = Progress::Running(handle);
        DEPLOYS.put(self.permit, name(&self.plan.target, self.deploy.number), &self.deploy)?;
        self.permit.save().await
    }

    async fn ship(&mut self, place: &Place, resumed: bool) -> Taken {
        let (plan, release, cancel) = (self.plan, self.release.clone(), self.cancel.clone());
        let mut work = plan.work(self.permit.act(), &release, self.deployer.settings.grace);
        work.hosts.retain(|host| place.hosts.contains(&host.name));
        work.colour = place.colour.as_deref();
        work.back = self.deploy.back.is_some();
        let driver = &plan.service.driver;
        // One that can not tell colours apart does not see what serves nobody yet.
        let sees = |check: &Health| place.colour.is_none() || check.tells_places();
        let tells = plan.tells() && plan.service.health.as_ref().is_some_and(sees);
        if resumed {
            work.limit = self.deploy.left(work.limit, self.cx.now());
        }
        let run = Run { ports: self.cx.ports(), permit: self.permit, work, cancel, board: Board::default() };
        let end = if resumed {
            let noted = self.deploy.handle();
            let found = tokio::select! {
                found = driver.find(&run, noted) => found,
                () = self.cx.stopping().cancelled() => return Ok(Err(Trouble::Left)),
            };
            match found {
                Found::Running(end) => end,
                Found::Over(end) => Box::pin(std::future::ready(end)),
                Found::Never => {
                    let why = "Deckhand was stopped at this step, and there is no sign that it was ever begun";
                    return Ok(Err(Trouble::Sick(why.to_owned())));
                }
            }
        } else {
            // Noted before it is begun: after a kill in between, it is looked for, and not begun again.
            self.deploy.taken_at = Some(self.cx.now());
            self.note(Handle::new(())).await?;
            let Begun { handle, end } = match driver.begin(&run).await {
                Ok(begun) => begun,
                Err(error) => return Ok(Err(Trouble::Sick(format!("{place} could not be shipped to: {error}")))),
            };
            if let Err(stop) = self.note(handle).await {
                // Work that nobody would find again after a crash does not go on.
                run.cancel.cancel();
                end.await;
                return Err(stop);
            }
            end
        };
        let ended = self.deployer.follow(self.cx, &run, end, &|_, shown| self.draw(None, shown)).await;
        Ok(match ended {
            None => Err(Trouble::Left),
            Some(End::Good) => self.take_artifact(&run.work).await,
            // What is over, the check tells that comes next.
            Some(End::Unknown { settle: None, .. }) if tells => self.take_artifact(&run.work).await,
            Some(End::Unknown { says, settle }) => Err(Trouble::Unknown(unknown(says, settle))),
            Some(End::Failed(why)) => Err(Trouble::Sick(why)),
            Some(End::Cancelled { left_behind }) => {
                self.left_behind = left_behind;
                Err(Trouble::Sick("It was cancelled".to_owned()))
            }
        })
    }

    /// Writes down which artifact was shipped. What leads back is taken as it is.
    async fn take_artifact(&mut self, work: &Work<'_>) -> std::result::Result<(), Trouble> {
        if self.deploy.back.is_some() {
            return Ok(());
        }
        let (driver, handle) = (&*self.plan.service.driver, self.deploy.handle());
        let mut release = self.deploy.release.clone();
        let taken = artifact::take(self.cx.ports(), driver, work, handle, self.plan.way, &mut release).await;
        // The next targets get the very same.
        self.release.artifact.clone_from(&release.artifact);
        self.deploy.release = release;
        taken.map_err(|unsaid| match unsaid {
            Unsaid::Never(why) => Trouble::Sick(why),
            Unsaid::Unheard(says) => Trouble::Unknown(unknown(says, Some(Unsaid::SETTLE.to_owned()))),
        })
    }

    /// Asks whether what was shipped to a place is well, where the health check can tell places apart; with colours, one
    /// that can not sees only what serves everybody.
    async fn check(&self, place: &Place) -> std::result::Result<(), Trouble> {
        match &self.plan.service.health {
            Some(check) if check.tells_places() => self.ask(check, place).await,
            Some(check) if place.colour.is_none() => self.ask(check, &Place::default()).await,
            _ => Ok(()),
        }
    }

    /// Asks whether what serves everybody is well.
    async fn check_all(&self) -> std::result::Result<(), Trouble> {
        let service = self.plan.service;
        let health = service.health.as_ref().filter(|check| !check.tells_places());
        match service.balancer.as_ref().or(health) {
            Some(check) => self.ask(check, &Place::default()).await,
            None => Ok(()),
        }
    }

    async fn ask(&self, check: &Health, place: &Place) -> std::result::Result<(), Trouble> {
        self.cx.progress(self.draw(None, &Shown::default()));
        let mut work = self.plan.work(self.permit.act(), &self.release, Duration::ZERO);
        work.hosts.retain(|host| place.hosts.contains(&host.name));
        work.colour = place.colour.as_deref();
        let asked = work.places().into_iter().map(|host| {
            let names = work.names(host);
            async move {
                let tell = |attempt, met: &str| {
                    let says = format!("The health check{} {met} (try {attempt} of {}).", of(host), check.tries);
                    self.cx.progress(self.draw(Some(says), &Shown::default()));
                };
                let met = health::check(self.cx.ports(), check, &names, &self.cancel, tell).await;
                met.err().map(|met| format!("Its health check{} {met}", of(host)))
            }
        });
        let met = tokio::select! {
            biased;
            met = join_all(asked) => met,
            () = self.cx.stopping().cancelled() => return Err(Trouble::Left),
        };
        let sick: Vec<_> = met.into_iter().flatten().collect();
        if sick.is_empty() { Ok(()) } else { Err(Trouble::Sick(sick.join(". "))) }
    }

    /// Gives a colour its share. A switch that an earlier start was at is waited for, and said again: it says how things
    /// are to be.
    async fn weigh(&mut self, colour: &str, weight: u8, resumed: bool) -> Taken {
        let Some(switch) = self.plan.service.strategy.switch() else { return Ok(Ok(())) };
        let release = self.release.clone();
        let mut work = self.plan.work(self.permit.act(), &release, self.deployer.settings.grace);
        let log = logs::part(&work.log, logs::SWITCH);
        let (processes, percent) = (&self.cx.ports().processes, weight.to_string());
        if !resumed {
            self.deploy.taken_at = Some(self.cx.now());
            self.note(Handle::new(())).await?;
        }
        let until = Instant::now() + self.deploy.left(work.limit, self.cx.now());
        while let Some(group) = processes.writing_to(&log).filter(|group| resumed && processes.alive(group)) {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
                () = self.cancel.cancelled() => processes.end(self.permit, &group, work.grace).await,
                () = tokio::time::sleep_until(until) => processes.end(self.permit, &group, work.grace).await,
                () = self.cx.stopping().cancelled() => return Ok(Err(Trouble::Left)),
            }
        }
        if resumed && self.lost().await? {
            return Ok(Err(Trouble::Lost));
        }
        self.cx.progress(self.draw(None, &Shown::default()));
        work.hosts.clear();
        work.colour = Some(colour);
        let mut names = work.names(None);
        names.weight = Some(&percent);
        let mut environment = work.told(None);
        environment.insert("DECKHAND_WEIGHT".to_owned(), percent.clone());
        let argv = switch.argv.iter().map(|word| names.fill(word)).collect();
        let program = Program { argv, folder: switch.folder.clone(), environment, limit: work.limit };
        // Nobody knows who serves when it is ended in the middle: the way back says it anew.
        let running = match processes.spawn(self.permit, program, &log, work.grace, self.cancel.clone()).await {
            Ok(running) => running,
            Err(error) => return Ok(Err(Trouble::Sick(format!("The switch could not be started: {error:#}")))),
        };
        Ok(match program::ended(running, drop).await {
            Exit::Status(0) => Ok(()),
            Exit::Cancelled => Err(Trouble::Sick("It was cancelled".to_owned())),
            exit => Err(Trouble::Sick(format!("{}{colour} ({weight} %) failed: {exit}", logs::SWITCHING))),
        })
    }

    fn draw(&self, says: Option<String>, shown: &Shown) -> Reply {
        show::on_course(self.plan, &self.deploy, &self.took, self.began.elapsed(), says, shown)
    }

    /// Turns round: what is left to do is what leads back. Nothing is put back by itself over what can not go back.
    async fn turn_back(&mut self, why: String) {
        self.said = self.deployer.tail(self.cx, self.plan, self.permit.act(), &why).await;
        let Plan { service, target, before, .. } = self.plan;
        let (hosts, serving) =
            (service.hosts(&target.environment), before.0.as_ref().and_then(|live| live.colour.as_deref()));
        let Deploy { steps, at, on, .. } = &self.deploy;
        let back = service.strategy.way_back(steps, *at, on, hosts, serving);
        let ships = matches!(back.first(), Some(Step::Ship(_)));
        let over = if ships { over::in_the_way_back(self.cx, self.plan).await } else { None };
        self.left = over.is_some() || matches!(service.strategy, Strategy::Rolling { on_sick: OnSick::Leave, .. });
        let over = over.map(|over| format!("It was not put back by itself. {over} "));
        let came = self.left.then(|| self.where_it_came(hosts));
        let parts = [Some(format!("{why}. ")), over, came].into_iter().flatten().collect::<String>();
        self.deploy.back = Some(parts.trim_end_matches(['.', ' ']).to_owned());
        self.deploy.steps = if before.0.is_some() && !self.left { back } else { Vec::new() };
        if !self.deploy.steps.is_empty() {
            self.deploy.on.clear();
        }
        self.deploy.at = 0;
        self.took.clear();
    }

    /// Which targets were shipped to, the last ones maybe only begun, and which were not touched.
    fn where_it_came(&self, hosts: &[Host]) -> String {
        let Deploy { steps, at, on, .. } = &self.deploy;
        let begun = |name: &String| {
            let to = |step: &Step| matches!(step, Step::Ship(place) if place.hosts.contains(name));
            on.contains(name) || steps.iter().take(at + 1).any(to)
        };
        let (begun, rest): (Vec<_>, Vec<_>) = hosts.iter().map(|host| host.name.clone()).partition(begun);
        let rest = if rest.is_empty() { String::new() } else { format!("; not touched: {}", rest.join(", ")) };
        format!("Shipped to, and left so: {}{rest}", begun.join(", "))
    }

    /// What is live once the way back has been gone, and what people had of it.
    fn after_way_back(&self) -> (String, Fared) {
        let Target { service, environment } = &self.plan.target;
        let rest = match self.deploy.on.len() {
            0 => String::new(),
            _ => format!(". `/deploy retry {service} {environment}` ships to the others"),
        };
        let Some(before) = &self.plan.before.0 else {
            let fared = if rest.is_empty() { Fared::Nobody } else { Fared::Left };
            return (format!("Nothing was live before it{rest}"), fared);
        };
        let release = &before.release;
        match self.deploy.steps.first() {
            None if self.left => (format!("Look at once{rest}"), Fared::Left),
            None => (format!("{release} is still live: nobody was served by anything else"), Fared::Nobody),
            Some(Step::Ship(place)) => (format!("{release} was put back on {place}, and is well"), Fared::Back),
            Some(_) => (format!("All are served by {release} again"), Fared::Back),
        }
    }

    fn good(mut self) -> Result<Outcome> {
        let Plan { service, target, before, .. } = self.plan;
        let release = self.deploy.release.clone();
        let at = self.cx.now();
        self.deploy.state = Progress::Good { at };
        let serving = before.0.as_ref().and_then(|live| live.colour.as_deref());
        let colours = service.strategy.colours(service.hosts(&target.environment), serving);
        make_live(self.permit, target, &release, before, at, colours.map(|[colour, _]| colour))?;
        let took = (at - self.deploy.began).to_std().unwrap_or_default();
        self.permit.note(format!("live after {}, {}", program::seconds(took), service.strategy.name()));
        self.tell_unmeasured()?;
        self.end(Outcome::Good)
    }

    /// Stops where it is: whatever is shipped now would come between what may still go on.
    fn unknown(mut self, why: String) -> Result<Outcome> {
        let Plan { service, target, before, .. } = self.plan;
        let hosts = service.hosts(&target.environment);
        let came =
            if self.deploy.back.is_none() && !hosts.is_empty() { self.where_it_came(hosts) } else { String::new() };
        let says = [why, came].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(". ");
        doubt::hold(self.permit, target, &mut self.deploy, before.0.as_ref(), says, false, self.cx.now())?;
        self.end(Outcome::Unknown)
    }

    fn bad(mut self, why: String, fared: Fared) -> Result<Outcome> {
        if let (Fared::Left | Fared::Doubt, Some(before)) = (fared, &self.plan.before.0) {
            LIVE.put(self.permit, &self.plan.target, &before.in_doubt(self.permit.act()))?;
        }
        self.deploy.fared = Some(fared);
        self.deploy.state = Progress::Bad { at: self.cx.now(), why: why.clone() };
        self.permit.failed(&why);
        let said = std::mem::take(&mut self.said);
        self.end(Outcome::Bad { why, said })
    }

    fn end(self, outcome: Outcome) -> Result<Outcome> {
        DEPLOYS.put(self.permit, name(&self.plan.target, self.deploy.number), &self.deploy)?;
        Ok(outcome)
    }
}

fn of(host: Option<&Host>) -> String {
    host.map(|host| format!(" on `{}`", host.name)).unwrap_or_default()
}
