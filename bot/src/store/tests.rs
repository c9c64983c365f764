//! What is true of the engine on sled beside the contract: its traps are closed, and damage never looks like emptiness.

use super::backup::{Restore, backup, restore};
use super::*;
use bytes::Bytes;
use chrono::{DateTime, TimeZone, Utc};
use commands::clock::Clock;
use commands::ledger::{self, Draft, Phase, Place, Verdict};
use commands::store::{CommitError, Read, Record, Store};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 2, 9, 0, 0).unwrap()
}

fn open(folder: &Path) -> Result<SledStore, OpenError> {
    SledStore::open(folder, Clock::at(now()))
}

/// The error of an opening that must fail.
fn refused(folder: &Path) -> OpenError {
    open(folder).err().expect("it opened")
}

fn draft(object: &str) -> Draft {
    Draft {
        at: now(),
        phase: Phase::Did,
        of: None,
        verb: "deploy.ship".to_owned(),
        object: object.to_owned(),
        service: Some("hello".to_owned()),
        environment: None,
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

async fn put(store: &SledStore, key: &str, value: impl Into<Bytes>) -> u64 {
    let mut batch = Batch::default();
    batch.put(key, value).enter(draft(key));
    store.commit(batch).await.unwrap().revision
}

async fn everything(store: &dyn Read) -> anyhow::Result<Vec<(String, Record)>> {
    store.scan("", None, usize::MAX).await
}

/// A database with some of everything in it, closed again; what it holds is returned.
async fn filled(folder: &Path) -> Vec<(String, Record)> {
    let store = open(folder).unwrap();
    for number in 0..200 {
        put(&store, &format!("key/{number}"), format!("value {number}").repeat(20)).await;
    }
    put(&store, "big", vec![0xfe; MAX_VALUE]).await;
    put(&store, "text", "ünïcode \" \\ \n \u{202e}").await;
    put(&store, "empty", "").await;
    everything(&store).await.unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(item.file_name());
        if item.path().is_dir() { copy(&item.path(), &to) } else { _ = fs::copy(item.path(), to).unwrap() }
    }
}

/// Runs `work` and returns what it logged.
fn logged<T>(work: impl FnOnce() -> T) -> (T, String) {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl Write for Log {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(text)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let done = tracing::subscriber::with_default(subscriber, work);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (done, text)
}

#[tokio::test]
async fn unfinished_snapshots_are_removed_and_logged() {
    let folder = tempfile::tempdir().unwrap();
    let held = filled(folder.path()).await;
    let unfinished = folder.path().join("snap.7FFFFFFFFFFFFFFF.generating");
    fs::write(&unfinished, "half a snapshot").unwrap();

    let twin = tempfile::tempdir().unwrap();
    copy(folder.path(), twin.path());
    let config = sled::Config::new().path(twin.path()).segment_size(records::SEGMENT);
    assert!(config.open().is_err(), "sled alone opens it by now: the trap has gone, and so may its cure");

    let (store, log) = logged(|| open(folder.path()).unwrap());
    assert!(log.contains("WARN") && log.contains("snap.7FFFFFFFFFFFFFFF.generating"), "{log}");
    assert!(!unfinished.exists());
    assert_eq!(everything(&store).await.unwrap(), held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_commit_at_once_and_none_waits_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()).unwrap());
    let commit = |task: usize| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for round in 0..20 {
                put(&store, &format!("{task}/{round}"), "x").await;
            }
        })
    };
    let tasks: Vec<_> = (0..64).map(commit).collect();
    let all = futures::future::try_join_all(tasks);
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("a commit hangs").unwrap();
    assert!(matches!(ledger::verify(&*store).await.unwrap(), Verdict::Sound { entries: 1280, .. }));
}

#[tokio::test]
async fn no_value_becomes_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    for round in 0..3 {
        for number in 0..40 {
            let key = format!("{}{number:02}", "k".repeat(MAX_KEY - 2));
            let mut batch = Batch::default();
            batch.put(key, vec![round; if number % 2 == 0 { MAX_VALUE } else { 16 * 1024 }]);
            store.commit(batch).await.unwrap();
        }
    }
    for number in 0..600 {
        let mut batch = Batch::default();
        batch.put(format!("{number:03}{}", "k".repeat(MAX_KEY - 3)), "x");
        store.commit(batch).await.unwrap();
    }
    let blobs: Vec<_> = fs::read_dir(folder.path().join("blobs")).unwrap().collect();
    assert!(blobs.is_empty(), "sled does not sync these: {blobs:?}");
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let held = filled(folder.path()).await;
    for _ in 0..10 {
        let store = open(folder.path()).unwrap();
        assert_eq!(everything(&store).await.unwrap(), held);
    }
    let store = open(folder.path()).unwrap();
    let last = held.iter().map(|(_, record)| record.version).max().unwrap();
    assert_eq!(put(&store, "next", "x").await, last + 1);
    assert!(matches!(ledger::verify(&store).await.unwrap(), Verdict::Sound { entries: 204, .. }));
}

#[tokio::test]
async fn a_copy_opens() {
    let (folder, twin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let held = filled(folder.path()).await;
    copy(folder.path(), twin.path());
    assert_eq!(everything(&open(twin.path()).unwrap()).await.unwrap(), held);
}

#[tokio::test]
async fn a_second_process_is_told_who_was_first() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).unwrap();
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::InUse { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
    put(&first, "still", "works").await;
    drop(first);
    assert!(open(folder.path()).is_ok());
}

#[tokio::test]
async fn a_closed_store_saves_what_waits_and_takes_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let mut watch = store.watch("");
    let mut batch = Batch::default();
    batch.put("last", "x");
    let (saved, ()) = futures::join!(store.commit(batch.clone()), async { store.close() });
    assert!(saved.is_ok());
    let Err(CommitError::Broken(error)) = store.commit(batch).await else { panic!("it was accepted") };
    assert!(error.to_string().contains("shutting down"), "{error}");
    assert_eq!(watch.next().await.unwrap().key, "last");
    assert_eq!(watch.next().await, None);
    drop(store);
    assert!(open(folder.path()).unwrap().get("last").await.unwrap().is_some());
}

#[tokio::test]
async fn only_entries_go_on_the_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    put(&store, "a", "x").await;
    for key in [&ledger::key(1), "ledger/", "ledger-by/service/5/hello/0000000000000001"] {
        let mut batch = Batch::default();
        batch.delete(key);
        let Err(CommitError::Broken(error)) = store.commit(batch).await else { panic!("{key} was removed") };
        assert!(error.to_string().contains(key), "{error}");
    }
}

#[tokio::test]
async fn an_edited_entry_is_named() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()).await);
    let db = sled::Config::new().path(folder.path()).segment_size(records::SEGMENT).open().unwrap();
    let key = format!("k{}", ledger::key(7));
    let mut raw = db.get(&key).unwrap().unwrap();
    let at = raw.len() - 20;
    raw[at] ^= 1;
    db.insert(&key, raw).unwrap();
    drop(db);
    let verdict = ledger::verify(&open(folder.path()).unwrap()).await.unwrap();
    assert!(matches!(&verdict, Verdict::Bad { seq: 7, why } if why.contains("hash")), "{verdict:?}");
}

#[tokio::test]
async fn damage_never_looks_like_emptiness() {
    let whole = tempfile::tempdir().unwrap();
    let held = filled(whole.path()).await;
    let size = fs::metadata(whole.path().join("db")).unwrap().len();
    let cut = |part: u64| move |db: &mut File| db.set_len(size * part / 100);
    let overwrite = |part: u64, with: u8| {
        move |db: &mut File| {
            db.seek(SeekFrom::Start(size * part / 100))?;
            db.write_all(&vec![with; 4096])
        }
    };
    type Damage = Box<dyn Fn(&mut File) -> std::io::Result<()>>;
    let mut cases: Vec<(String, Damage)> = vec![("emptied".to_owned(), Box::new(cut(0)))];
    for part in [1, 10, 50, 90, 99] {
        cases.push((format!("cut at {part} %"), Box::new(cut(part))));
        cases.push((format!("zeros at {part} %"), Box::new(overwrite(part, 0))));
        cases.push((format!("garbage at {part} %"), Box::new(overwrite(part, 0xa5))));
    }
    cases.push(("garbage at the start".to_owned(), Box::new(overwrite(0, 0x5a))));
    let mut refusals = 0;
    for (what, damage) in cases {
        let folder = tempfile::tempdir().unwrap();
        copy(whole.path(), folder.path());
        damage(&mut File::options().write(true).open(folder.path().join("db")).unwrap()).unwrap();
        match open(folder.path()) {
            Err(OpenError::Damaged { .. }) => refusals += 1,
            Err(error) => panic!("{what}: {error}"),
            // What is damaged where nothing was read yet shows when it is.
            Ok(store) => {
                if let Ok(found) = everything(&store).await {
                    assert!(found == held, "{what}: {} of {} records are left", found.len(), held.len());
                }
            }
        }
    }
    assert!(refusals > 5, "only {refusals} were noticed");
}

#[tokio::test]
async fn missing_files_are_damage_and_a_newer_format_is_told() {
    let whole = tempfile::tempdir().unwrap();
    filled(whole.path()).await;
    let changed = |change: &dyn Fn(&Path)| {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("store");
        copy(whole.path(), &data);
        change(&data);
        let error = refused(&data);
        // A second start says the same: the first has not put something in its place.
        assert_eq!(error.to_string(), refused(&data).to_string());
        (error, data)
    };
    let (error, data) = changed(&|data| fs::remove_file(data.join("db")).unwrap());
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    let expected = format!(
        "The data in {0} can not be opened: its file `db` is missing or empty. Deckhand does not start with empty data in \
         its place. Backups, once there are any, are in {1}/backups: move {0} away, and run `deckhand restore FILE` with the \
         newest.",
        data.display(),
        data.parent().unwrap().display()
    );
    assert_eq!(error.to_string(), expected);
    let (error, _) = changed(&|data| fs::remove_file(data.join("format")).unwrap());
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    let (error, _) = changed(&|data| fs::write(data.join("format"), "what?").unwrap());
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    let (error, _) = changed(&|data| fs::write(data.join("format"), "format 2\nrevision 1\n").unwrap());
    assert!(matches!(error, OpenError::Newer { found: 2, .. }), "{error}");
    let (error, _) = changed(&|data| fs::write(data.join("format"), "format 1\nrevision 9999\n").unwrap());
    assert!(error.to_string().contains("it had come to revision 9999, but ends at 203"), "{error}");
}

#[tokio::test]
async fn a_backup_carries_everything_with_its_versions() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to, file) = (folder.path().join("from"), folder.path().join("to"), folder.path().join("file"));
    filled(&from).await;
    let store = open(&from).unwrap();
    let mut gone = Batch::default();
    gone.delete("key/7").put("late", "x");
    store.commit(gone).await.unwrap();
    let made = backup(&store, now(), &file).await.unwrap();
    let held = everything(&store).await.unwrap();
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&fs::metadata(&file).unwrap()) & 0o777, 0o600);

    let copy = open(&to).unwrap();
    assert_eq!(restore(&file, &copy).await.unwrap(), made);
    assert_eq!(everything(&copy).await.unwrap(), held);
    drop(copy);
    let copy = open(&to).unwrap();
    assert_eq!(ledger::verify(&copy).await.unwrap(), ledger::verify(&store).await.unwrap());
    assert_eq!(put(&copy, "next", "x").await, put(&store, "next", "x").await);
    assert_eq!(ledger::verify(&copy).await.unwrap(), ledger::verify(&store).await.unwrap());

    let error = restore(&file, &copy).await.unwrap_err();
    assert!(format!("{error:#}").contains("there is data already"), "{error:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_store_in_use_is_one_moment_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (from, file) = (folder.path().join("from"), folder.path().join("file"));
    filled(&from).await;
    let store = Arc::new(open(&from).unwrap());
    let writer = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            // The first key lies before all others and the last behind them: a scan alone would see them apart.
            for round in 0_u64.. {
                let mut batch = Batch::default();
                batch.put("a first", format!("{round}")).put("z last", format!("{round}")).enter(draft("x"));
                batch.put(format!("mid/{}", round % 50), "x").delete(format!("mid/{}", (round + 25) % 50));
                store.commit(batch).await.unwrap();
            }
        }
    });
    while store.get("a first").await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for round in 0..3 {
        let made = backup(&*store, now(), &file).await.unwrap();
        let copy = open(&folder.path().join(format!("to {round}"))).unwrap();
        restore(&file, &copy).await.unwrap();
        let text = |record: Option<Record>| record.map(|record| String::from_utf8(record.value.into()).unwrap());
        let (first, last) = (text(copy.get("a first").await.unwrap()), text(copy.get("z last").await.unwrap()));
        assert_eq!(first, last);
        let written = first.map_or(0, |round| round.parse::<usize>().unwrap() + 1);
        assert_eq!(copy.scan("mid/", None, 99).await.unwrap().len(), written.min(25));
        assert!(everything(&copy).await.unwrap().iter().all(|(_, record)| record.version <= made.revision));
    }
    assert!(!writer.is_finished());
    writer.abort();
}

#[tokio::test]
async fn a_backup_that_is_not_whole_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    filled(&folder.path().join("from")).await;
    backup(&open(&folder.path().join("from")).unwrap(), now(), &file).await.unwrap();
    let good = fs::read_to_string(&file).unwrap();
    let cut = good.rfind("{\"lines\"").unwrap();
    let cases = [
        (String::new(), "the file is empty"),
        ("hello\n".to_owned(), "no backup of Deckhand's"),
        (good[..cut].to_owned(), "it was cut off"),
        (good[..good.len() / 2].to_owned(), "it was cut off"),
        (good.replacen("value 1", "value 2", 1), "SHA-256"),
        (good.replacen("\"version\":1", "\"version\":2", 1), "newer Deckhand"),
        (good.replacen("{\"k\":\"empty\"", "{\"k\":\"ghost\"}\n{\"k\":\"empty\"", 1), "records where"),
    ];
    let store = open(&folder.path().join("to")).unwrap();
    for (text, why) in cases {
        fs::write(&file, text).unwrap();
        let error = format!("{:#}", restore(&file, &store).await.unwrap_err());
        assert!(error.contains(why), "{error} (instead of: {why})");
        assert!(everything(&store).await.unwrap().is_empty());
        let elsewhere = folder.path().join("elsewhere");
        assert!(SledStore::restore(&file, &elsewhere, Clock::at(now())).await.is_err());
        assert!(!elsewhere.exists(), "a bad file made a database");
    }
    fs::write(&file, &good).unwrap();
    restore(&file, &store).await.unwrap();
    let elsewhere = folder.path().join("elsewhere");
    SledStore::restore(&file, &elsewhere, Clock::at(now())).await.unwrap();
    assert_eq!(everything(&open(&elsewhere).unwrap()).await.unwrap(), everything(&store).await.unwrap());
}

#[tokio::test]
async fn a_restore_that_did_not_end_is_not_taken_for_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let record = Record { value: Bytes::from("x"), version: 3 };
    store.load(vec![("a".to_owned(), Some(record))]).await.unwrap();
    drop(store);
    let error = refused(folder.path());
    assert!(error.to_string().contains("a restore into it did not come to its end"), "{error}");
}
