//! What every engine of the store must do: one suite, to be run on each of them.

use anyhow::Context;
use bytes::Bytes;
use chrono::{TimeZone, Utc};
use commands::clock::Clock;
use commands::ledger::{self, Draft, GENESIS, Phase, Place, Query, Verdict};
use commands::store::{Batch, Change, CommitError, MAX_VALUE, Store};
use futures::future::{join_all, try_join_all};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many commits are under way at once where many are.
const MANY: usize = 64;

/// Runs the whole suite, each part on an empty store of its own. It sleeps for seconds: run it under tokio's paused
/// clock where the engine allows that.
///
/// # Panics
/// When the engine breaks the contract.
pub async fn all<S: Store>(make: impl AsyncFn(Clock) -> S) {
    let clock = || Clock::at(Utc.with_ymd_and_hms(2026, 3, 2, 9, 0, 0).single().unwrap_or_default());
    let fails = "the store failed";
    conditions(&make(clock()).await).await.expect(fails);
    atomicity(&make(clock()).await).await.expect(fails);
    versions(&make(clock()).await).await.expect(fails);
    order(&make(clock()).await).await.expect(fails);
    limits(&make(clock()).await).await.expect(fails);
    big_values(&make(clock()).await).await.expect(fails);
    one_winner(&make(clock()).await).await.expect(fails);
    watches(&make(clock()).await).await.expect(fails);
    chain(&make(clock()).await).await.expect(fails);
    acts(&make(clock()).await).await.expect(fails);
    let clock = clock();
    leases(&make(clock.clone()).await, &clock).await.expect(fails);
}

/// An entry to put on the ledger: ana ships a service.
pub fn draft(service: &str) -> Draft {
    Draft {
        at: Utc.with_ymd_and_hms(2026, 3, 2, 9, 0, 0).single().unwrap_or_default(),
        phase: Phase::Did,
        of: None,
        verb: "deploy.ship".to_owned(),
        object: format!("{service} v2"),
        service: Some(service.to_owned()),
        environment: Some("staging".to_owned()),
        who: "ana".to_owned(),
        place: Place::default(),
        why: String::new(),
        note: String::new(),
        undo: None,
        state: None,
        digest: String::new(),
        facts: serde_json::Map::new(),
    }
}

async fn put(store: &impl Store, key: &str, value: &str) -> anyhow::Result<u64> {
    let mut batch = Batch::default();
    batch.put(key, value.to_owned());
    Ok(store.commit(batch).await?.revision)
}

async fn text(store: &impl Store, key: &str) -> anyhow::Result<Option<String>> {
    let found = store.get(key).await?;
    Ok(found.map(|record| String::from_utf8_lossy(&record.value).into_owned()))
}

fn keys<T>(found: Vec<(String, T)>) -> Vec<String> {
    found.into_iter().map(|(key, _)| key).collect()
}

async fn conditions(store: &impl Store) -> anyhow::Result<()> {
    // What lies at the key, which version is expected, and whether the batch goes through.
    let revision = put(store, "there", "old").await?;
    let cases = [
        ("there", revision, true),
        ("there", revision, false),
        ("there", 0, false),
        ("new", 0, true),
        ("gone", 7, false),
    ];
    for (key, expected, goes) in cases {
        let before = text(store, key).await?;
        let has = store.get(key).await?.map_or(0, |record| record.version);
        let mut batch = Batch::default();
        batch.expect(key, expected).put(key, "new");
        match store.commit(batch).await {
            Ok(_) => {
                assert!(goes, "{key} was written, though it is not at {expected}");
                assert_eq!(text(store, key).await?.as_deref(), Some("new"));
            }
            Err(CommitError::Conflict { key: at, found }) => {
                assert!(!goes, "{key} was not written, though it is at {expected}");
                assert_eq!((at.as_str(), found), (key, has));
                assert_eq!(text(store, key).await?, before);
            }
            Err(CommitError::Broken(error)) => return Err(error),
        }
    }
    // A key may be expected without being written, and a deleted key is not there.
    let mut batch = Batch::default();
    batch.expect("nothing here", 0).delete("there");
    store.commit(batch).await?;
    let mut batch = Batch::default();
    batch.expect("there", 0).put("there", "again");
    store.commit(batch).await?;
    assert_eq!(text(store, "there").await?.as_deref(), Some("again"));
    Ok(())
}

async fn atomicity(store: &impl Store) -> anyhow::Result<()> {
    let revision = put(store, "lock", "ana").await?;
    let mut batch = Batch::default();
    batch.put("a", "1").put("b", "1").delete("lock").enter(draft("hello")).expect("lock", revision + 1);
    let refused = store.commit(batch).await;
    assert!(matches!(refused, Err(CommitError::Conflict { .. })), "{refused:?}");
    assert_eq!(keys(store.scan("", None, 9).await?), ["lock"], "a refused batch left something");

    let mut batch = Batch::default();
    batch.put("a", "1").put("a", "2").put("b", "1").delete("b").delete("lock").delete("never there").put("c", "1");
    store.commit(batch).await?;
    assert_eq!(text(store, "a").await?.as_deref(), Some("2"), "the last write to a key counts");
    assert_eq!(keys(store.scan("", None, 9).await?), ["a", "c"]);
    Ok(())
}

async fn versions(store: &impl Store) -> anyhow::Result<()> {
    let mut last = 0;
    for round in 0..20 {
        let mut batch = Batch::default();
        batch.put("x", format!("{round}")).put("y", format!("{round}"));
        let revision = store.commit(batch).await?.revision;
        assert!(revision > last, "revision {revision} after {last}");
        for key in ["x", "y"] {
            assert_eq!(store.get(key).await?.map(|record| record.version), Some(revision));
        }
        last = revision;
    }
    let mut batch = Batch::default();
    batch.delete("x");
    store.commit(batch).await?;
    assert_eq!(
        store.get("y").await?.map(|record| record.version),
        Some(last),
        "only what is written gets a new version"
    );
    let again = put(store, "x", "0").await?;
    assert!(again > last + 1, "a key that comes back must not have a version that it had");
    Ok(())
}

async fn order(store: &impl Store) -> anyhow::Result<()> {
    let hostile = [
        "a",
        "a/",
        "a/b",
        "a/b/c",
        "a0",
        "aa",
        "A",
        "a\u{0}",
        "a\u{0}b",
        "a\u{7f}",
        "a\u{80}",
        "a\u{d7ff}",
        "a\u{e000}",
        "a\u{ffff}",
        "a\u{10000}",
        "a\u{10ffff}",
        "a\u{10ffff}\u{10ffff}",
        "b",
        "\u{10ffff}",
        "\u{0}",
        " ",
        "한국어",
        "e\u{301}",
        "é",
        "a/\u{202e}b",
    ];
    let long = ["k".repeat(1024), format!("{}a", "k".repeat(1023)), "k".repeat(1023)];
    let many = (0..300).map(|number| format!("a/{number}"));
    let all: BTreeSet<String> = hostile.iter().map(|&key| key.to_owned()).chain(long).chain(many).collect();
    for key in &all {
        put(store, key, key).await?;
    }
    let prefixes = ["", "a", "a/", "a/1", "a\u{10ffff}", "\u{10ffff}", "z", "k", "a\u{0}", "한"];
    let marks = [None, Some(""), Some("a/"), Some("a/150"), Some("a\u{10ffff}"), Some("zz"), Some("A")];
    for (prefix, mark, limit) in prefixes
        .iter()
        .flat_map(|prefix| marks.iter().map(move |mark| (*prefix, *mark)))
        .flat_map(|(prefix, mark)| [0, 1, 7, 1000, usize::MAX].map(|limit| (prefix, mark, limit)))
    {
        let fits = |key: &&String| key.starts_with(prefix);
        let after = |key: &&String| mark.is_none_or(|mark| key.as_str() > mark);
        let before = |key: &&String| mark.is_none_or(|mark| key.as_str() < mark);
        let about = format!("prefix {prefix:?}, mark {mark:?}, limit {limit}");
        let expected: Vec<_> = all.iter().filter(fits).filter(after).take(limit).cloned().collect();
        let found = store.scan(prefix, mark, limit).await?;
        assert!(found.iter().all(|(key, record)| record.value == key.as_bytes()), "wrong values: {about}");
        assert_eq!(keys(found), expected, "forwards: {about}");
        let expected: Vec<_> = all.iter().rev().filter(fits).filter(before).take(limit).cloned().collect();
        assert_eq!(keys(store.scan_back(prefix, mark, limit).await?), expected, "backwards: {about}");
    }
    Ok(())
}

async fn limits(store: &impl Store) -> anyhow::Result<()> {
    let long_name = Draft { who: "ana".repeat(400), ..draft("hello") };
    let long_why = Draft { why: "x".repeat(MAX_VALUE), ..draft("hello") };
    type Add<'a> = &'a dyn Fn(&mut Batch);
    let cases: [(&str, Add); 6] = [
        ("an empty key", &|batch| _ = batch.put("", "x")),
        ("an empty key to remove", &|batch| _ = batch.delete("")),
        ("a key that is too long", &|batch| _ = batch.put("k".repeat(1025), "x")),
        ("a value that is too long", &|batch| _ = batch.put("k", vec![0; MAX_VALUE + 1])),
        ("an entry with a name that is too long", &|batch| _ = batch.enter(long_name.clone())),
        ("an entry that is too long", &|batch| _ = batch.enter(long_why.clone())),
    ];
    for (what, add) in cases {
        let mut batch = Batch::default();
        batch.put("good", "x").enter(draft("hello"));
        add(&mut batch);
        let refused = store.commit(batch).await;
        assert!(matches!(refused, Err(CommitError::Broken(_))), "{what}: {refused:?}");
        assert!(store.scan("", None, 1).await?.is_empty(), "{what} left something");
    }
    // The chain has not moved either.
    let mut batch = Batch::default();
    batch.put("k".repeat(1024), vec![0xff; MAX_VALUE]).put("empty", "").enter(draft("hello"));
    let commit = store.commit(batch).await?;
    assert_eq!((commit.entries[0].seq, commit.entries[0].prev.as_str()), (1, GENESIS));
    assert_eq!(store.get("empty").await?.map(|record| record.value), Some(Bytes::new()), "an empty value is a value");
    Ok(())
}

async fn big_values(store: &impl Store) -> anyhow::Result<()> {
    let value = |round: usize, size: usize| Bytes::from_iter((0..size).map(|at| (at * 31 + round) as u8));
    let sizes = [0, 1, 16 * 1024, 16 * 1024 + 1, MAX_VALUE, 40_000, MAX_VALUE - 1, 3];
    for round in 0..sizes.len() {
        let mut batch = Batch::default();
        for at in 0..sizes.len() {
            batch.put(format!("big/{at}"), value(round, sizes[(at + round) % sizes.len()]));
        }
        store.commit(batch).await?;
        let found = store.scan("big/", None, 100).await?;
        assert_eq!(found.len(), sizes.len());
        for (at, (key, record)) in found.into_iter().enumerate() {
            assert!(record.value == value(round, sizes[(at + round) % sizes.len()]), "{key} in round {round}");
        }
    }
    // Replacing and removing leaves nothing behind that a scan would show.
    let mut batch = Batch::default();
    (0..sizes.len()).for_each(|at| _ = batch.delete(format!("big/{at}")));
    store.commit(batch).await?;
    assert!(store.scan("", None, 1).await?.is_empty());
    Ok(())
}

async fn one_winner(store: &impl Store) -> anyhow::Result<()> {
    put(store, "counter", "0").await?;
    let add = async || -> anyhow::Result<u32> {
        let mut tries = 0;
        loop {
            tries += 1;
            let record = store.get("counter").await?.context("the counter has gone")?;
            let count: u32 = std::str::from_utf8(&record.value)?.parse()?;
            let mut batch = Batch::default();
            batch.expect("counter", record.version).put("counter", (count + 1).to_string());
            match store.commit(batch).await {
                Ok(_) => return Ok(tries),
                Err(CommitError::Conflict { .. }) => {}
                Err(CommitError::Broken(error)) => return Err(error),
            }
        }
    };
    let tries: u32 = try_join_all((0..MANY).map(|_| add())).await?.into_iter().sum();
    assert_eq!(text(store, "counter").await?, Some(MANY.to_string()), "an update was lost");
    assert!(tries > MANY as u32, "nothing happened at once: this has tested nothing");
    Ok(())
}

async fn watches(store: &impl Store) -> anyhow::Result<()> {
    put(store, "w/0", "before").await?;
    let (mut all, mut some) = (store.watch(""), store.watch("w/1"));
    let write = async |task: usize| -> anyhow::Result<Vec<Change>> {
        let mut written = Vec::new();
        for round in 0..5 {
            let (key, value) = (format!("w/{task}"), Bytes::from(format!("{round}")));
            let mut batch = Batch::default();
            batch.put(&key, value.clone()).put("shared", format!("{task} {round}"));
            let revision = store.commit(batch).await?.revision;
            written.push(Change { key, value: Some(value), revision });
        }
        let mut batch = Batch::default();
        let key = format!("w/{task}");
        batch.delete(&key).delete("never there");
        let revision = store.commit(batch).await?.revision;
        written.push(Change { key, value: None, revision });
        Ok(written)
    };
    let written = try_join_all((0..MANY).map(write)).await?;
    let end = put(store, "w/1 end", "").await?;
    let mut seen: Vec<Change> = Vec::new();
    while seen.last().is_none_or(|change| change.revision < end) {
        seen.push(all.next().await.context("the watch ended")?);
    }
    assert!(seen.is_sorted_by_key(|change| change.revision), "changes came out of order");
    for changes in &written {
        let key = &changes[0].key;
        let of_key: Vec<_> = seen.iter().filter(|change| change.key == *key).cloned().collect();
        assert_eq!(of_key, *changes, "changes of {key}");
    }
    let shared = seen.iter().filter(|change| change.key == "shared");
    let now = store.get("shared").await?.context("the shared key has gone")?;
    assert_eq!(shared.clone().count(), MANY * 5);
    assert_eq!(shared.last().map(|last| (last.revision, last.value.clone())), Some((now.version, Some(now.value))));
    assert!(!seen.iter().any(|change| change.key == "never there"), "removing nothing is no change");
    for expected in seen.iter().filter(|change| change.key.starts_with("w/1")) {
        assert_eq!(some.next().await.as_ref(), Some(expected));
    }
    Ok(())
}

async fn chain(store: &impl Store) -> anyhow::Result<()> {
    assert_eq!(ledger::verify(store).await?, Verdict::Sound { entries: 0, head: GENESIS.to_owned() });
    let act = async |task: usize| {
        let mut batch = Batch::default();
        batch.put(format!("act/{task}"), "x").enter(draft("hello")).enter(draft(&format!("service {}", task % 3)));
        // A third of them fails: a place in the chain that was not taken must not be missing.
        if task.is_multiple_of(3) {
            batch.expect(format!("act/{task}"), 1);
        }
        store.commit(batch).await
    };
    let done: Vec<_> = join_all((0..MANY).map(act)).await.into_iter().filter_map(Result::ok).collect();
    assert_eq!(done.len(), MANY - MANY.div_ceil(3));
    let mut entries: Vec<_> = done.iter().flat_map(|commit| &commit.entries).collect();
    assert!(
        done.iter().all(|commit| commit.entries[0].seq + 1 == commit.entries[1].seq),
        "a batch's entries are apart"
    );
    entries.sort_by_key(|entry| entry.seq);
    assert!(entries.iter().map(|entry| entry.seq).eq(1..=entries.len() as u64), "a number is missing or came twice");
    let head = entries.last().context("no entries")?.hash.clone();
    assert_eq!(ledger::verify(store).await?, Verdict::Sound { entries: entries.len() as u64, head });
    let by_number: BTreeMap<u64, _> = entries.iter().map(|entry| (entry.seq, *entry)).collect();
    let query = Query { service: Some("service 1".to_owned()), ..Query::default() };
    let found = query.run(store, 1000).await?;
    assert_eq!(found.len(), done.len() / 2);
    assert!(found.iter().all(|entry| by_number.get(&entry.seq) == Some(&entry)), "an entry is not as it was returned");
    Ok(())
}

async fn acts(store: &impl Store) -> anyhow::Result<()> {
    let mut begun = Batch::default();
    begun.enter(Draft { phase: Phase::Doing, ..draft("hello") }).enter(Draft { phase: Phase::Doing, ..draft("shop") });
    let begun = store.commit(begun).await?.entries;
    assert_eq!(ledger::open(store).await?, begun);
    let mut ended = Batch::default();
    ended.enter(Draft { phase: Phase::Did, of: Some(begun[0].seq), ..draft("hello") });
    store.commit(ended).await?;
    assert_eq!(ledger::open(store).await?, begun[1..], "only what has no end is open");
    Ok(())
}

async fn leases(store: &impl Store, clock: &Clock) -> anyhow::Result<()> {
    let ttl = Duration::from_secs(4);
    let first = store.lease("jobs", "ana", ttl).await?.context("a free lease was refused")?;
    assert!(first.token > 0 && first.until > clock.now() && first.until <= clock.now() + ttl);
    assert_eq!(store.lease("jobs", "ben", ttl).await?, None, "two hold it");
    let other = store.lease("outbox", "ben", ttl).await?.context("a lease depends on another")?;
    assert_eq!(other.holder, "ben");

    tokio::time::sleep(ttl / 2).await;
    let renewed = store.lease("jobs", "ana", ttl).await?.context("its holder could not renew it")?;
    assert_eq!(renewed.token, first.token);
    assert!(renewed.until > first.until);
    tokio::time::sleep(ttl * 3 / 4).await;
    assert_eq!(store.lease("jobs", "ben", ttl).await?, None, "a renewed lease ended early");

    tokio::time::sleep(ttl / 2).await;
    let second = store.lease("jobs", "ben", ttl).await?.context("a lease outlasted its time")?;
    assert!(second.token > first.token, "the token did not grow");
    store.release(&renewed).await?;
    assert_eq!(store.lease("jobs", "ana", ttl).await?, None, "an outdated holder gave away another's lease");
    store.release(&second).await?;
    let third = store.lease("jobs", "ben", ttl).await?.context("a lease that was given back is not free")?;
    assert!(third.token > second.token, "the token did not grow");

    tokio::time::sleep(ttl * 2).await;
    let asked = ["ana", "ben", "chloe", "dan", "eve"].map(|who| store.lease("jobs", who, ttl));
    let won = try_join_all(asked).await?.into_iter().flatten().count();
    assert_eq!(won, 1, "one lease, {won} holders");
    Ok(())
}
