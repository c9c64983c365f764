use super::*;

fn host(name: &str, colour: Option<&str>) -> Host {
    let colour = colour.map(str::to_owned);
    Host { name: name.to_owned(), address: name.to_owned(), variables: Default::default(), colour }
}

fn told(steps: &[Step]) -> Vec<String> {
    steps.iter().map(ToString::to_string).collect()
}

fn rolling(batch: Batch, on_sick: OnSick) -> Strategy {
    Strategy::Rolling { batch, on_sick }
}

#[test]
fn a_rolling_deploy_checks_each_batch_before_the_next() {
    let hosts: Vec<_> = (1..=5).map(|n| host(&format!("web{n}"), None)).collect();
    for (batch, first, count) in [
        (Batch::Count(1), "Ship to web1", 5),
        (Batch::Count(2), "Ship to web1, web2", 3),
        (Batch::Count(9), "Ship to web1, web2, web3, web4 and 1 more", 1),
        (Batch::Percent(50), "Ship to web1, web2", 3),
        (Batch::Percent(1), "Ship to web1", 5),
    ] {
        let steps = rolling(batch, OnSick::Back).steps(&hosts, None, false);
        assert_eq!((&*told(&steps)[0], steps.len()), (first, 2 * count), "{batch:?}");
        assert!(matches!(steps[1], Step::Check(_)), "{batch:?}");
    }
}

#[test]
fn a_rolling_deploy_goes_back_where_it_has_been() {
    let hosts: Vec<_> = (1..=3).map(|n| host(&format!("web{n}"), None)).collect();
    let strategy = rolling(Batch::Count(1), OnSick::Back);
    let steps = strategy.steps(&hosts, None, false);
    let back = strategy.way_back(&steps, 3, &[], &hosts, None);
    assert_eq!(told(&back), ["Ship to web1, web2", "Check web1, web2"]);
    assert!(rolling(Batch::Count(1), OnSick::Leave).way_back(&steps, 3, &[], &hosts, None).is_empty());
}

#[test]
fn an_environment_that_is_one_whole_is_shipped_at_once() {
    let steps = rolling(Batch::Count(1), OnSick::Back).steps(&[], None, false);
    assert_eq!(told(&steps), ["Ship to the environment", "Check the environment"]);
}

#[test]
fn blue_and_green_take_turns_and_the_way_back_is_only_a_switch() {
    let hosts = [host("a", Some("blue")), host("b", Some("green"))];
    let strategy = Strategy::BlueGreen(Switch { argv: vec!["switch".to_owned()], folder: PathBuf::new() });
    let first = strategy.steps(&hosts, None, false);
    assert_eq!(told(&first), ["Ship to a", "Check a", "Give blue 100 %", "Check what all are served"]);
    let next = strategy.steps(&hosts, Some("blue"), false);
    assert_eq!(told(&next), ["Ship to b", "Check b", "Give green 100 %", "Check what all are served"]);
    let back = strategy.steps(&hosts, Some("green"), true);
    assert_eq!(told(&back), ["Check a", "Give blue 100 %", "Check what all are served"]);
    assert!(strategy.way_back(&next, 1, &[], &hosts, Some("blue")).is_empty(), "nobody was served by it yet");
    let back = strategy.way_back(&next, 3, &[], &hosts, Some("blue"));
    assert_eq!(told(&back), ["Give blue 100 %", "Check what all are served"]);
}

#[test]
fn a_canary_is_watched_between_its_shares() {
    let switch = Switch { argv: vec!["switch".to_owned()], folder: PathBuf::new() };
    let strategy = Strategy::Canary { switch, weights: vec![5, 50, 100], hold: Duration::from_secs(120) };
    let steps = strategy.steps(&[], Some("blue"), false);
    let wanted = [
        "Ship to green",
        "Check green",
        "Give green 5 %",
        "Watch green for 2m",
        "Give green 50 %",
        "Watch green for 2m",
        "Give green 100 %",
        "Check what all are served",
    ];
    assert_eq!(told(&steps), wanted);
    let back = strategy.way_back(&steps, 3, &[], &[], Some("blue"));
    assert_eq!(told(&back), ["Give blue 100 %", "Check what all are served"]);
}
