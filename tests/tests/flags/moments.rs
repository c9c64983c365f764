//! Two changes of a flag at the very same moment.

use commands::reply::Outcome;
use commands::store::Store;
use std::sync::Arc;
use std::time::Duration;
use tests::alone::{self, say};
use tests::memory::{Fault, MemoryStore};
use tests::stage::world::World;

const CONFIG: &str = r#"
environments = ["staging", "production"]
[people.ana]
roles = ["deployer"]
[people.ben]
roles = ["deployer"]
[[policy]]
allow = "*"
to = ["deployer"]
[flags]
"#;

#[tokio::test(start_paused = true)]
async fn whoever_turns_a_flag_off_wins_over_whoever_turns_it_up() {
    let clock = alone::clock();
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let kept: Arc<dyn Store> = store.clone();
    let bot = alone::bot(CONFIG, plugins::ALL, &clock, kept, &Arc::new(World::new()));
    for line in ["/flag create cart", "/flag on cart staging percent:10"] {
        assert_eq!(say(&bot, "ana", line).await.outcome, Outcome::Done, "{line}");
    }
    // Its *doing* is written at once; before its end is, somebody else turns the flag up.
    store.fail_next([Fault::None, Fault::Slow(Duration::from_secs(1))]);
    let up = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        say(&bot, "ben", "/flag on cart staging percent:50").await
    };
    let (off, up) = tokio::join!(say(&bot, "ana", "/flag off cart staging because:500s"), up);
    assert_eq!(store.faults_left(), 0);
    assert_eq!(up.outcome, Outcome::Done, "{up:?}");
    assert_eq!(off.outcome, Outcome::Done, "{off:?}");
    assert!(off.fields.iter().any(|field| field.name == "Before" && field.value == "on for 50 %"), "{off:?}");
    let shown = say(&bot, "ben", "/flag off cart staging").await.text;
    assert!(shown.starts_with("`cart` in `staging` is off already"), "{shown}");
}
