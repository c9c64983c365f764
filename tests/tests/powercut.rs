//! Drills on disks of our own: the power is cut while a process commits, and the disk runs full. They need root and loop
//! devices, and say so where there are none.

use bot::store::SledStore;
use chrono::Utc;
use commands::clock::Clock;
use commands::ledger::{self, Verdict};
use commands::store::{Batch, CommitError, Read, Store};
use std::fs::{self, File};
use std::io::Write;
use std::time::Duration;
use tests::contract::draft;
use tests::drill::{self, Acknowledged, DiskFile, Hammer};

/// Whether the drill can be run; where it can not, it says why.
fn can_run(scratch: &tempfile::TempDir) -> bool {
    let why = drill::why_no_disks(scratch.path());
    if let Some(why) = &why {
        // Straight to the terminal: the test harness keeps to itself what a test that passes prints.
        let line =
            format!("SKIPPED: this drill mounts a disk from a file, which takes root and a loop device: {why}\n");
        std::io::stderr().write_all(line.as_bytes()).expect("no terminal to say it on");
    }
    why.is_none()
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_to_a_power_cut() {
    let scratch = tempfile::tempdir().unwrap();
    if !can_run(&scratch) {
        return;
    }
    let disk = DiskFile::create(&scratch.path().join("disk"), 256).unwrap();
    let mounted = disk.mount(&scratch.path().join("before")).unwrap();
    let (mut grown_acknowledged, mut changes) = (Acknowledged::new(), 0);
    for round in 0..drill::rounds(5) {
        let is_fresh = round % 2 == 1;
        let name = if is_fresh { format!("fresh {round}") } else { "grown".to_owned() };
        let hammer = Hammer::start(env!("CARGO_BIN_EXE_hammer"), &mounted.path().join(&name)).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        drill::wait_up_to(Duration::from_millis(800));
        hammer.freeze().unwrap();
        let left = disk.cut_power(&scratch.path().join("left")).unwrap();
        let mut acknowledged = hammer.kill().unwrap();
        changes += acknowledged.values().sum::<u64>();
        if !is_fresh {
            grown_acknowledged.extend(acknowledged);
            acknowledged = grown_acknowledged.clone();
        }
        let after = left.mount(&scratch.path().join("after")).unwrap();
        let checked = drill::check(&after.path().join(&name), &acknowledged).await;
        checked.unwrap_or_else(|error| panic!("round {round}: {error:#}"));
        if is_fresh {
            fs::remove_dir_all(mounted.path().join(&name)).unwrap();
        }
    }
    assert!(changes > 0, "nothing was ever acknowledged: this has tested nothing");
}

#[tokio::test]
async fn a_full_disk_refuses_whole_batches_and_recovers() {
    let scratch = tempfile::tempdir().unwrap();
    if !can_run(&scratch) {
        return;
    }
    let disk = DiskFile::create(&scratch.path().join("disk"), 64).unwrap();
    let mounted = disk.mount(&scratch.path().join("small")).unwrap();
    let folder = mounted.path().join("store");
    let store = SledStore::open(&folder, Clock::at(Utc::now())).unwrap();
    let commit = async |number: u64| {
        let mut batch = Batch::default();
        batch.put(format!("key/{number:06}"), vec![b'x'; 20_000]).put("last", number.to_string()).enter(draft("hello"));
        store.commit(batch).await
    };
    commit(1).await.unwrap();
    let ballast = mounted.path().join("ballast");
    let mut filler = File::create(&ballast).unwrap();
    while filler.write_all(&[0; 65536]).is_ok() {}
    drop(filler);

    let mut done = 1;
    let error = loop {
        match commit(done + 1).await {
            Ok(_) => done += 1,
            Err(CommitError::Broken(error)) => break error.to_string(),
            Err(error) => panic!("{error:?}"),
        }
        assert!(done < 10_000, "the disk never ran full");
    };
    assert!(error.starts_with("The disk is full. Nothing of this was saved. Make room"), "{error}");
    let state = async |store: &SledStore| {
        let keys = store.scan("key/", None, usize::MAX).await.unwrap().len() as u64;
        let last = store.get("last").await.unwrap().unwrap().value;
        let Verdict::Sound { entries, .. } = ledger::verify(store).await.unwrap() else { panic!("a bad ledger") };
        (keys, String::from_utf8(last.into()).unwrap(), entries)
    };
    assert_eq!(state(&store).await, (done, done.to_string(), done));

    fs::remove_file(&ballast).unwrap();
    done += 1;
    commit(done).await.unwrap();
    assert_eq!(state(&store).await, (done, done.to_string(), done));
    drop(store);
    let store = SledStore::open(&folder, Clock::at(Utc::now())).unwrap();
    assert_eq!(state(&store).await, (done, done.to_string(), done));
}
