//! A deploy before it is one: what is to be shipped where, and by which program.

use super::records::{LIVE, Live, Release, Target};
use super::settings::{Names, Service};
use commands::act::Act;
use commands::ports::Program;

/// The verb of an act that goes back.
pub(super) const BACK: &str = "deploy.rollback";

/// What is to be shipped where, looked at before anything changes.
pub(super) struct Plan<'a> {
    pub service: &'a Service,
    pub target: Target,
    pub release: Release,
    /// What is live before, and the version of that record.
    pub before: (Option<Live>, u64),
    pub way: Way,
    pub why: String,
}

/// Whether it is something new, or what was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Forward,
    Back,
}

impl Plan<'_> {
    pub fn names(&self) -> Names<'_> {
        names(&self.target, &self.release)
    }

    /// What is asked for, and agreed to.
    pub fn act(&self) -> Act {
        let Target { service, environment } = &self.target;
        let live = self.before.0.as_ref().map_or_else(|| "nothing".to_owned(), |live| live.release.to_string());
        let release = &self.release;
        let (verb, says) = match self.way {
            Way::Forward => ("deploy.ship", format!("Ship `{service}` {release} to")),
            Way::Back => (BACK, format!("Roll `{service}` back to {release} in")),
        };
        Act {
            verb,
            object: format!("{service} {release}"),
            service: Some(service.clone()),
            environment: Some(environment.clone()),
            says: format!("{says} `{environment}`, where {}.", stands(self.before.0.as_ref())),
            facts: vec![
                ("commit", self.release.commit.clone()),
                ("ref", self.release.reference.clone()),
                ("live before", live),
            ],
            undo: None,
            state: Some(LIVE.key(&self.target)),
            why: self.why.clone(),
            danger: false,
        }
    }
}

/// What is live, as a part of a sentence.
pub(super) fn stands(live: Option<&Live>) -> String {
    match live {
        None => "nothing is live".to_owned(),
        Some(Live { release, doubt: None, .. }) => format!("{release} is live"),
        Some(Live { release, doubt: Some(number), .. }) => {
            format!("{release} was live before #{number}, of which nobody knows how it ended")
        }
    }
}

pub(super) fn names<'a>(target: &'a Target, release: &'a Release) -> Names<'a> {
    Names {
        service: &target.service,
        environment: &target.environment,
        commit: &release.commit,
        reference: &release.reference,
    }
}

/// The program that ships the release of these names.
pub(super) fn program(service: &Service, names: &Names<'_>) -> Program {
    let told = [
        ("DECKHAND_SERVICE", names.service),
        ("DECKHAND_ENVIRONMENT", names.environment),
        ("DECKHAND_COMMIT", names.commit),
        ("DECKHAND_REF", names.reference),
        ("DECKHAND_REPOSITORY", &service.repository),
    ];
    let written = service.variables.iter().map(|(name, value)| (name.clone(), names.fill(value)));
    Program {
        argv: service.command.iter().map(|word| names.fill(word)).collect(),
        folder: service.folder.clone(),
        environment: told.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).chain(written).collect(),
        limit: service.limit,
    }
}

/// The name of a deploy's log.
pub(super) fn log_name(target: &Target, number: u64) -> String {
    format!("deploy-{number}-{}-{}.log", target.service, target.environment)
}
