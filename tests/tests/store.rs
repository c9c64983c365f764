//! The store's contract, on every engine that needs no server.

use commands::clock::Clock;
use std::cell::Cell;
use tests::contract;
use tests::memory::MemoryStore;

#[tokio::test(start_paused = true)]
async fn sled_keeps_the_contract() {
    let (folder, number) = (tempfile::tempdir().unwrap(), Cell::new(0));
    contract::all(async |clock: Clock| {
        number.set(number.get() + 1);
        bot::store::SledStore::open(&folder.path().join(number.get().to_string()), clock).unwrap()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn memory_keeps_the_contract() {
    contract::all(async |clock| MemoryStore::new(clock)).await;
}
