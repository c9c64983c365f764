//! Another config stands on the ledger once, wherever a kill comes while it is written down.

use std::time::Duration;
use tests::memory::Fault;
use tests::stage::elsewhere::Elsewhere;
use tests::stage::transcript::Line;
use tokio::time::timeout;

const CONFIG: &str = r#"
environments = ["production"]
[people.ana]
roles = ["deployer"]
[[policy]]
allow = "*"
to = ["deployer"]
[incidents]
guarded = 2
[services.hello]
about = "says hello"
"#;

const CHANGES: [&str; 2] = ["`guarded = 2` becomes `guarded = 3`", "`says hello` becomes `greets`"];

#[tokio::test(start_paused = true)]
async fn another_config_is_told_once_wherever_a_kill_comes() {
    for fault in [Fault::LostBefore, Fault::LostAfter] {
        let mut stage = Elsewhere::new(CONFIG, &["ops".to_owned()]).await.unwrap();
        for change in CHANGES {
            stage.store.fail_next([fault.clone()]);
            let direction = format!("{change} in the config, and Deckhand is started again");
            // It never hears of its commit: that is as if it were killed there.
            timeout(Duration::from_secs(60), stage.play(Line::Direction(direction))).await.unwrap_err();
            for _ in 0..2 {
                stage.begin().await.unwrap();
                stage.kill();
            }
        }
        stage.begin().await.unwrap();
        let ledger = stage.finish().await.unwrap();
        let told: Vec<_> = ledger.lines().filter_map(|line| line.split_once("config.change ")).map(|it| it.1).collect();
        assert_eq!(told, ["incidents.guarded 2 → 3", "hello: about says hello → greets"], "{fault:?}: {ledger}");
    }
}
