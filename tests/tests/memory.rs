//! The store in memory keeps the contract of every store.

use tests::contract;
use tests::memory::MemoryStore;

#[tokio::test(start_paused = true)]
async fn keeps_the_contract() {
    contract::all(async |clock| MemoryStore::new(clock)).await;
}
