//! Drill: a real Prometheus scrapes what the built program counts of itself, and the program charts it.

use super::say;
use super::servers::Prometheus;
use chrono::{TimeDelta, Utc};
use tests::program::{Home, until};
use tests::team::filled;

const CONFIG: &str = r#"
environments = ["production"]
data = "{data}"

[people.ana]
roles = ["deployer"]
[people.eve]

[[policy]]
allow = "*"
to = ["deployer"]

[console]
listen = "{listen}"

[lock]

[metrics.sources.prometheus]
kind = "prometheus"
url = "{prometheus}"

[metrics.measures.said]
source = "prometheus"
query = 'sum(deckhand_commands_total{command=~"lock.*",outcome="done"})'

[metrics.measures.denied]
source = "prometheus"
query = "sum(deckhand_denials_total)"

[metrics.measures.commits]
source = "prometheus"
query = "histogram_quantile(0.9, sum by (le) (rate(deckhand_store_commit_seconds_bucket[10s])))"
unit = "s"

[metrics.measures.waiting]
source = "prometheus"
query = "sum(deckhand_waiting)"

[metrics.measures.takes]
source = "prometheus"
query = "histogram_quantile(0.9, sum by (le) (deckhand_command_seconds_bucket))"
unit = "s"
"#;

/// Waits until a measure stands as it should.
fn stands(home: &Home, measure: &str, fits: impl Fn(&str) -> bool) {
    until(&format!("{measure} is scraped"), || {
        let title =
            say(home, &format!("metrics show {measure}"))["card"]["title"].as_str().unwrap_or_default().to_owned();
        fits(title.strip_prefix(&format!("{measure}: "))?).then_some(())
    });
}

#[test]
fn what_the_bot_counts_of_itself_is_scraped() {
    let mut home = Home::with(&filled(CONFIG, &[("prometheus", "http://127.0.0.1:9")]));
    let before = (Utc::now() - TimeDelta::minutes(1)).timestamp();
    let prometheus = Prometheus::start(&format!("# TYPE a gauge\na 1 {before}\n# EOF\n"), home.listen());
    home.write_config(&filled(CONFIG, &[("prometheus", &prometheus.url())]));
    let deckhand = home.start();
    for line in ["lock take env:production because:\"the database moves\"", "lock release env:production"] {
        assert_eq!(say(&home, line)["outcome"], "done", "{line}");
    }
    let denied = home.run(&["say", "--json", "--as", "eve", "lock list"]);
    assert!(format!("{denied:?}").contains("refused"), "{denied:?}");
    stands(&home, "said", |figure| figure == "2");
    stands(&home, "denied", |figure| figure == "1");
    stands(&home, "waiting", |figure| figure == "0");
    stands(&home, "takes", |figure| figure.ends_with('s'));
    // It goes on being asked about, so that there are commits enough for a rate.
    stands(&home, "commits", |figure| {
        say(&home, "lock take env:production because:\"the database moves\"");
        say(&home, "lock release env:production");
        figure.ends_with('s')
    });
    deckhand.stop();
    home.assert_sound();
}
