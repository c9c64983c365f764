//! Each reminder is told once, wherever a kill comes: before or after any commit.

use std::time::Duration;
use tests::memory::Fault;
use tests::stage::elsewhere::Elsewhere;
use tests::stage::transcript::Line;
use tokio::time::sleep;

const CONFIG: &str = r#"
environments = ["production"]
[people.ana]
roles = ["deployer"]
[[policy]]
allow = "*"
to = ["deployer"]
[incidents]
remind = { lead = "20s", severity = "30s" }
"#;

/// How often each of the two questions is asked at the most.
const TIMES: usize = 5;

/// How often each question stands in the channel after three minutes, where the commit of this place has this fault, and
/// Deckhand is killed and started again soon after.
async fn asked(fault: Fault, place: usize) -> [usize; 2] {
    let mut stage = Elsewhere::new(CONFIG, &["ops".to_owned()]).await.unwrap();
    let said = Line::Said {
        who: "ana".to_owned(),
        channel: "ops".to_owned(),
        what: "/incident open pages are slow".to_owned(),
    };
    stage.play(said).await.unwrap();
    stage.store.fail_next(vec![Fault::None; place].into_iter().chain([fault]));
    let mut killed = false;
    for _ in 0..18 {
        sleep(Duration::from_secs(10)).await;
        if !killed && stage.store.faults_left() == 0 {
            stage.kill();
            stage.begin().await.unwrap();
            killed = true;
        }
    }
    assert!(killed, "the commit {place} was never made");
    let messages: Vec<_> = stage.discord.state().messages.values().map(|it| it.body.to_string()).collect();
    stage.finish().await.unwrap();
    ["Nobody leads.", "Nobody has said how bad it is:"]
        .map(|question| messages.iter().filter(|message| message.contains(question)).count())
}

#[tokio::test(start_paused = true)]
async fn each_reminder_is_told_once_wherever_a_kill_comes() {
    for place in (0..20).map(|number| number * 2) {
        for fault in [Fault::LostBefore, Fault::LostAfter] {
            let told = asked(fault.clone(), place).await;
            assert_eq!(told, [TIMES, TIMES], "{fault:?} at the commit {place}");
        }
    }
}
