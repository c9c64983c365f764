//! Drill: a process that commits is killed at a random moment, again and again. No acknowledged change may be lost, none
//! torn, and the database must open every time. `DECKHAND_ROUNDS=1000 cargo test -p tests --test kill9` runs longer.

use std::time::Duration;
use tests::drill::{self, Acknowledged, Hammer};

#[tokio::test]
async fn nothing_acknowledged_is_lost_to_a_kill() {
    let scratch = tempfile::tempdir().unwrap();
    let (grown, mut grown_acknowledged) = (scratch.path().join("grown"), Acknowledged::new());
    let (mut rounds_with_changes, rounds) = (0, drill::rounds(50));
    for round in 0..rounds {
        let fresh = scratch.path().join(format!("fresh {round}"));
        let is_fresh = round % 2 == 1;
        let folder = if is_fresh { &fresh } else { &grown };
        let hammer = Hammer::start(env!("CARGO_BIN_EXE_hammer"), folder).unwrap();
        drill::wait_up_to(Duration::from_millis(200));
        let mut acknowledged = hammer.kill().unwrap_or_else(|error| panic!("round {round}: {error:#}"));
        rounds_with_changes += u32::from(!acknowledged.is_empty());
        if !is_fresh {
            grown_acknowledged.extend(acknowledged);
            acknowledged = grown_acknowledged.clone();
        }
        drill::check(folder, &acknowledged).await.unwrap_or_else(|error| panic!("round {round}: {error:#}"));
        if is_fresh {
            std::fs::remove_dir_all(&fresh).unwrap();
        }
    }
    assert!(rounds_with_changes >= rounds / 4, "only {rounds_with_changes} of {rounds} rounds committed anything");
}
