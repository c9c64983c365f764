//! Two people say the same at the same moment: one of them has done it, and the other is told so.

use commands::reply::Outcome;
use commands::store::Store;
use std::sync::Arc;
use std::time::Duration;
use tests::alone::{self, say};
use tests::memory::{Fault, MemoryStore};
use tests::stage::world::World;

const CONFIG: &str = r#"
environments = ["production"]
[people.ana]
roles = ["deployer"]
[people.ben]
roles = ["deployer"]
[[policy]]
allow = "*"
to = ["deployer"]
[incidents]
"#;

#[tokio::test(start_paused = true)]
async fn of_two_at_once_one_has_done_it() {
    for ([of_ana, of_ben], happened) in [
        (["incident lead", "incident lead"], 2),
        (["incident sev 1", "incident sev 2"], 2),
        (["incident mitigate", "incident mitigate"], 2),
        (["incident resolve", "incident resolve"], 2),
        (["incident open no logins", "incident open No logins"], 1),
    ] {
        let (clock, store) = (alone::clock(), Arc::new(MemoryStore::new(alone::clock())));
        let shared: Arc<dyn Store> = store.clone();
        let bot = alone::bot(CONFIG, plugins::ALL, &clock, shared, &Arc::new(World::new()));
        say(&bot, "ana", "incident open pages are slow").await;
        // The first of them has looked, and has not written yet.
        store.fail_next([Fault::Slow(Duration::from_secs(1))]);
        let (ana, ben) = tokio::join!(say(&bot, "ana", of_ana), say(&bot, "ben", of_ben));
        assert_eq!(store.faults_left(), 0);
        let mut outcomes = [ana.outcome, ben.outcome].map(|outcome| outcome == Outcome::Done);
        outcomes.sort_unstable();
        assert_eq!(outcomes, [false, true], "{of_ana}: {}; {of_ben}: {}", ana.text, ben.text);
        let timeline = say(&bot, "ana", "incident timeline 1").await.table.map_or(0, |table| table.rows.len());
        assert_eq!(timeline, happened, "{of_ana}");
    }
}
