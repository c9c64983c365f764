//! Drill: what a team did before it had Deckhand is taken in from files by the built program, and told; twice is once.

use super::say;
use tests::program::{Home, Ran, write};

const CONFIG: &str = r#"
environments = ["production"]
data = "{data}"

[people.ana]
roles = ["deployer"]

[[policy]]
allow = "*"
to = ["deployer"]

[console]
listen = "{listen}"

[metrics]

[services.hello]
"#;

/// Ten deployments, one a day up to yesterday at noon; the last one went back from the one before.
fn deployments() -> String {
    let noon = |days: i64| (chrono::Utc::now().date_naive() - chrono::TimeDelta::days(days)).format("%Y-%m-%d 12:00");
    let row = |number: i64| {
        let over = if number == 10 { "9" } else { "" };
        format!("hello,production,{number},{},live,{over}\n", noon(11 - number))
    };
    format!("service,environment,id,ended,outcome,back_over\n{}", (1..=10).map(row).collect::<String>())
}

/// For each of nine of them a commit, two hours before it went live.
fn commits() -> String {
    let early = |days: i64| (chrono::Utc::now().date_naive() - chrono::TimeDelta::days(days)).format("%Y-%m-%d 10:00");
    let row = |number: i64| format!("hello,production,{number},c{number},{}\n", early(11 - number));
    format!("service,environment,deployment,commit,committed\n{}", (1..=9).map(row).collect::<String>())
}

/// The fields of what is told.
fn dora(home: &Home) -> Vec<String> {
    let reply = say(home, "metrics dora hello last:30d");
    let fields = reply["fields"].as_array().unwrap_or_else(|| panic!("no figures: {reply}"));
    fields.iter().map(|field| field["value"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_was_before_is_taken_in_once() {
    let home = Home::with(CONFIG);
    let deckhand = home.start();
    let import = |name: &str, text: &str| {
        let file = home.path(name);
        write(&file, text);
        home.run(&["import", "dora", &file.display().to_string()])
    };
    assert!(dora(&home)[0].starts_with("no data"), "nothing is known yet");

    let torn = import("torn.csv", &deployments().replace(",live,", ",alive,"));
    assert!(format!("{torn:?}").contains("Line 2: `alive` is no outcome."), "{torn:?}");
    assert!(dora(&home)[0].starts_with("no data"), "nothing of it was taken in");

    for _ in 0..2 {
        let told = import("deployments.csv", &deployments());
        assert!(format!("{told:?}").contains("10 rows of deployments taken in"), "{told:?}");
        let told = import("commits.csv", &commits());
        assert!(format!("{told:?}").contains("9 rows of commits taken in"), "{told:?}");
        let [frequency, lead, recovery, fails, rework] = &dora(&home)[..] else { panic!("there are five measures") };
        assert!(frequency.contains("n = 10 deployments, on 10 of 30 days"), "{frequency}");
        assert!(lead.starts_with("2 h in the middle; n = 9 changes. Step 5 of 6"), "{lead}");
        assert!(recovery.starts_with("1 d in the middle; n = 1 failed. Fewer than 5: no step."), "{recovery}");
        assert!(fails.starts_with("10 %; 1 of n = 10"), "{fails}");
        assert!(rework.starts_with("10 %; 1 of n = 10"), "{rework}");
    }
    taken_back(&home, &import);
    let other = home.run(&["import", "doro", "/dev/null"]);
    assert!(format!("{other:?}").contains("`doro` can not be imported. Write `dora`."), "{other:?}");
    let verbs = home.ledger().into_iter().map(|entry| entry["verb"].as_str().unwrap_or_default().to_owned());
    assert!(verbs.into_iter().all(|verb| verb.starts_with("metrics.")), "each import is an act");
    deckhand.stop();
    home.assert_sound();
}

/// What was wrong is taken back, the newest first; what was there before is there again.
fn taken_back(home: &Home, import: &dyn Fn(&str, &str) -> Ran) {
    let told = import("nobody.csv", &commits().replace("production,9,", "production,99,"));
    assert!(format!("{told:?}").contains("Import the file of deployments first."), "{told:?}");
    let before = dora(home)[1].clone();
    import("wrong.csv", &commits().replace("10:00", "00:00"));
    assert!(dora(home)[1].starts_with("12 h in the middle; n = 9 changes."), "{:?}", dora(home)[1]);
    let acts: Vec<u64> = home.ledger().iter().filter_map(|entry| entry["of"].as_u64()).collect();
    let [.., older, newest] = acts.as_slice() else { panic!("there are imports: {acts:?}") };
    let refused = say(home, &format!("metrics unimport {older}"));
    assert!(refused["text"].as_str().unwrap_or_default().contains("is not what was imported last"), "{refused}");
    let back = say(home, &format!("metrics unimport {newest}"));
    assert_eq!(back["outcome"], "done", "{back}");
    assert_eq!(dora(home)[1], before);
}
