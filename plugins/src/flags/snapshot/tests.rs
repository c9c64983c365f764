use super::super::model::{DEFAULT_PROJECT, Kind, Life, gradual, segment_name, setting_name};
use super::super::{constraint, model};
use super::*;
use commands::store::Batch;
use unleash_types::client_features::FeatureDependency;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn book() -> Book {
    Book::empty(&names(&["staging", "production"]), &names(&[DEFAULT_PROJECT, "shop"]))
}

fn flag(needs: &[&str]) -> Flag {
    let need = |name: &&str| FeatureDependency { feature: (*name).to_owned(), enabled: Some(true), variants: None };
    Flag {
        kind: Kind::Release,
        project: DEFAULT_PROJECT.to_owned(),
        about: String::new(),
        owner: None,
        service: None,
        created: DateTime::UNIX_EPOCH,
        life: Life::Unsaid,
        tags: Vec::new(),
        impressions: false,
        needs: needs.iter().map(need).collect(),
        archived: None,
        act: 0,
    }
}

fn on(key: &str, percent: u8) -> Setting {
    Setting { state: State::default().at(key, percent).unwrap(), ..Setting::default() }
}

/// Puts what is staged into the book as a commit of this revision, with its mark; true when the book takes it as whole.
fn commit(book: &mut Book, revision: u64, stage: impl FnOnce(&mut Batch)) -> bool {
    let mut batch = Batch::default();
    stage(&mut batch);
    for (key, value) in batch.writes {
        assert!(!book.take(Change { key, value, revision }), "a change is whole with its mark alone");
    }
    book.take(Change { key: MARK.to_owned(), value: Some(Bytes::new()), revision })
}

fn context(user: &str) -> Context {
    Context { user_id: Some(user.to_owned()), ..Context::default() }
}

#[tokio::test]
async fn what_has_not_changed_is_served_as_it_was() {
    let mut book = book();
    let whole = commit(&mut book, 7, |batch| {
        FLAGS.put_in(batch, "banner", &flag(&[])).unwrap();
        SETTINGS.put_in(batch, setting_name("staging", "banner"), &on("banner", 100)).unwrap();
        SETTINGS.put_in(batch, setting_name("gone", "banner"), &on("banner", 100)).unwrap();
    });
    let first = book.serve(&Snapshot::default()).await;
    assert!(whole && first.revision == 7 && first.served("gone", ALL).is_none());
    assert!(first.served("staging", ALL).unwrap().resolve("banner", &context("1")).unwrap().enabled);
    assert!(!first.served("production", ALL).unwrap().resolve("banner", &context("1")).unwrap().enabled);
    assert!(first.served("staging", "shop").unwrap().find("banner").is_none(), "it is of another project");

    commit(&mut book, 9, |batch| {
        SETTINGS.put_in(batch, setting_name("production", "banner"), &on("banner", 100)).unwrap();
    });
    let second = book.serve(&first).await;
    let same = |name| Arc::ptr_eq(first.served(name, ALL).unwrap(), second.served(name, ALL).unwrap());
    assert!(same("staging") && !same("production") && Arc::ptr_eq(&first.flags, &second.flags));
    let (was, is) = (first.served("production", ALL).unwrap(), second.served("production", ALL).unwrap());
    assert!(was.etag != is.etag && was.definitions != is.definitions);
    assert!(
        !was.resolve("banner", &context("1")).unwrap().enabled,
        "who holds the old one sees nothing of the new one"
    );
    let read: ClientFeatures = serde_json::from_slice(&is.definitions).unwrap();
    assert_eq!((read.features[0].name.as_str(), read.features[0].enabled), ("banner", true));
}

#[tokio::test]
async fn a_flag_is_off_with_what_it_needs_and_gone_with_the_archive() {
    let mut book = book();
    // Far apart, so that a change of one is a change of another part.
    let children: Vec<_> = (0..50).map(|number| format!("child-{number}")).collect();
    commit(&mut book, 1, |batch| {
        FLAGS.put_in(batch, "parent", &flag(&[])).unwrap();
        SETTINGS.put_in(batch, setting_name("staging", "parent"), &on("parent", 100)).unwrap();
        for child in &children {
            FLAGS.put_in(batch, child, &flag(&["parent"])).unwrap();
            SETTINGS.put_in(batch, setting_name("staging", child), &on(child, 100)).unwrap();
        }
    });
    let first = book.serve(&Snapshot::default()).await;
    let on_in = |snapshot: &Snapshot| {
        let served = snapshot.served("staging", ALL).unwrap();
        served.resolve_all(&context("1")).filter(|(_, resolved)| resolved.enabled).count()
    };
    assert_eq!((on_in(&first), first.dependants("parent").count()), (51, 50));
    commit(&mut book, 2, |batch| {
        SETTINGS.put_in(batch, setting_name("staging", "parent"), &Setting::default()).unwrap();
    });
    let second = book.serve(&first).await;
    assert_eq!(on_in(&second), 0);
    commit(&mut book, 3, |batch| {
        FLAGS.put_in(batch, "child-1", &Flag { archived: Some(DateTime::UNIX_EPOCH), ..flag(&["parent"]) }).unwrap();
    });
    let third = book.serve(&second).await;
    let served = third.served("staging", ALL).unwrap();
    assert!(served.resolve("child-1", &context("1")).is_none() && served.flags.len() == 50);
    assert!(third.find("CHILD-1").is_some(), "people still find it");
}

#[tokio::test]
async fn segments_bind_and_a_broken_record_takes_nothing_else_with_it() {
    let mut book = book();
    let plan = Segment { name: "beta".to_owned(), constraints: constraint::read("plan = beta").unwrap() };
    let mut setting = on("banner", 100);
    setting.state.strategies[0].segments = Some(vec![4]);
    commit(&mut book, 1, |batch| {
        FLAGS.put_in(batch, "banner", &flag(&[])).unwrap();
        FLAGS.put_in(batch, "other", &flag(&[])).unwrap();
        batch.put(FLAGS.key("broken"), &b"{"[..]);
        SETTINGS.put_in(batch, setting_name("staging", "banner"), &setting).unwrap();
        SEGMENTS.put_in(batch, segment_name(4), &plan).unwrap();
    });
    let snapshot = book.serve(&Snapshot::default()).await;
    let served = snapshot.served("staging", ALL).unwrap();
    let mut beta = context("1");
    beta.properties = Some([("plan".to_owned(), "beta".to_owned())].into());
    let enabled = |context| served.resolve("banner", context).unwrap().enabled;
    assert!(enabled(&beta) && !enabled(&context("1")));
    assert_eq!(served.flags.iter().map(|flag| flag.key.as_str()).collect::<Vec<_>>(), ["banner", "other"]);
    assert!(served.find("banner").unwrap().targeted && !served.find("other").unwrap().targeted);
}

#[tokio::test]
async fn a_share_grows_by_more_of_the_same_people() {
    let mut book = book();
    let mut inside: Vec<String> = Vec::new();
    let mut snapshot = Snapshot::default();
    for (revision, percent) in [(1, 5), (2, 25), (3, 50), (4, 100)] {
        commit(&mut book, revision, |batch| {
            FLAGS.put_in(batch, "banner", &flag(&[])).unwrap();
            SETTINGS.put_in(batch, setting_name("staging", "banner"), &on("banner", percent)).unwrap();
        });
        snapshot = book.serve(&snapshot).await;
        let served = snapshot.served("staging", ALL).unwrap();
        assert_eq!(served.find("banner").unwrap().split, percent < 100);
        let let_in = |user: &String| served.resolve("banner", &context(user)).is_some_and(|found| found.enabled);
        let now: Vec<_> = (0..1000).map(|user| user.to_string()).filter(let_in).collect();
        assert!(inside.iter().all(|user| now.contains(user)), "nobody falls out at {percent} %");
        assert!(now.len().abs_diff(usize::from(percent) * 10) < 50, "{} at {percent} %", now.len());
        inside = now;
    }
    assert_eq!(model::share(&gradual("banner", 5)), Some(5));
}
