//! Alerts open an incident, join it, and are told of once, whatever restarts.

use async_trait::async_trait;
use bot::gate::Bot;
use bot::jobs;
use chrono::TimeDelta;
use commands::clock::Clock;
use commands::cx::{Cx, Ports};
use commands::offer::{Alert, Offers};
use commands::plugin::Plugin;
use commands::reply::Reply;
use commands::spec::PluginSpec;
use commands::stop::Result;
use commands::store::Store;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::alone::{self, say};
use tests::memory::MemoryStore;
use tests::stage::world::World;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

const CONFIG: &str = r#"
environments = ["staging", "production"]
[people.ana]
roles = ["deployer"]
[[policy]]
allow = "*"
to = ["deployer"]
[services.hello]
owners = ["ana"]
[services.shop]
[incidents]
channel = "ops"
alerts = { critical = 1 }
[sirens]
"#;

/// What fires.
static FIRING: Mutex<Vec<Alert>> = Mutex::new(Vec::new());

/// A plugin that offers what fires.
struct Sirens;

static SIRENS: PluginSpec = PluginSpec {
    name: "sirens",
    about: "",
    commands: &[],
    start: |setup| {
        setup.section().into_iter().for_each(config::Section::finish);
        Arc::new(Sirens)
    },
};

static PLUGINS: &[&PluginSpec] = &[&plugins::incidents::SPEC, &SIRENS];

#[async_trait]
impl Plugin for Sirens {
    async fn run(&self, _cx: &Cx) -> Result<Reply> {
        Ok(Reply::default())
    }

    fn offers(&self) -> Option<&dyn Offers> {
        Some(self)
    }
}

#[async_trait]
impl Offers for Sirens {
    async fn alerts(&self, _: &Ports, _: Option<&str>, _: Option<&str>) -> anyhow::Result<Vec<Alert>> {
        Ok(FIRING.lock().unwrap().clone())
    }
}

struct Watched {
    bot: Arc<Bot>,
    dead: CancellationToken,
}

impl Watched {
    /// A life of Deckhand that watches.
    fn begin(clock: &Clock, store: &Arc<dyn Store>) -> Watched {
        let bot = alone::bot(CONFIG, PLUGINS, clock, store.clone(), &Arc::new(World::new()));
        let dead = CancellationToken::new();
        tokio::spawn(jobs::watch(bot.clone(), "test".to_owned(), dead.clone()));
        Watched { bot, dead }
    }

    /// What the timeline of an incident says, after what fires has been looked at.
    async fn timeline(&self, number: u64) -> Vec<String> {
        sleep(Duration::from_secs(30)).await;
        let reply = say(&self.bot, "ana", &format!("incident timeline {number}")).await;
        reply.table.unwrap().rows.into_iter().map(|row| row[3].clone()).collect()
    }

    /// How many incidents there are.
    async fn count(&self) -> usize {
        let reply = say(&self.bot, "ana", "incident list all:yes").await;
        reply.table.map_or(0, |table| table.rows.len())
    }
}

#[tokio::test(start_paused = true)]
async fn alerts_open_an_incident_and_join_it_once() {
    let clock = alone::clock();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
    let alert = |name: &str, severity: &str, service: &str, act: u64| Alert {
        fingerprint: format!("f-{name}"),
        name: name.to_owned(),
        severity: severity.to_owned(),
        service: Some(service.to_owned()),
        environment: Some("production".to_owned()),
        since: clock.now() - TimeDelta::minutes(1),
        says: "`@everyone` 5 % fail".to_owned(),
        labels: BTreeMap::new(),
        silenced: None,
        act,
    };
    let fires = |alerts: &[Alert]| *FIRING.lock().unwrap() = alerts.to_vec();
    let (errors, slow) = (alert("Errors", "critical", "hello", 1), alert("Slow", "critical", "hello", 1));
    let silenced = Alert { silenced: Some(clock.now() + TimeDelta::hours(1)), ..alert("Shop", "critical", "shop", 1) };
    fires(&[errors.clone(), alert("Disk", "warning", "hello", 1), silenced.clone()]);
    let watched = Watched::begin(&clock, &store);
    let opened = "Opened: Errors: '@everyone' 5 % fail, because: the alert Errors fires";
    assert_eq!(watched.timeline(1).await, [opened]);
    assert_eq!(watched.count().await, 1);

    // Another life sees the same alerts, and one more.
    watched.dead.cancel();
    fires(&[errors.clone(), slow.clone(), silenced.clone()]);
    let watched = Watched::begin(&clock, &store);
    let joined = "The alert Slow: '@everyone' 5 % fail fires";
    assert_eq!(watched.timeline(1).await.len(), 2);
    assert!(watched.timeline(1).await.contains(&joined.to_owned()));

    fires(std::slice::from_ref(&slow));
    let calm = "Errors fires no more; 1 alert still";
    assert_eq!(watched.timeline(1).await.last().unwrap(), calm);
    fires(&[Alert { act: 9, ..errors.clone() }, slow.clone()]);
    assert!(watched.timeline(1).await.iter().any(|line| line.ends_with("fires again")));
    assert_eq!(watched.count().await, 1);

    // What goes on firing after the end opens nothing; what fires anew does.
    let resolved = say(&watched.bot, "ana", "incident resolve").await;
    assert!(resolved.text.starts_with("Over after"), "{resolved:?}");
    sleep(Duration::from_secs(30)).await;
    assert_eq!(watched.count().await, 1);
    fires(&[Alert { act: 30, ..slow }]);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(watched.count().await, 2);
    watched.dead.cancel();
}
