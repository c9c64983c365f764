//! The process that the drills kill: it commits until it dies, and prints what was acknowledged.

use std::path::PathBuf;
use tests::drill;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    drill::hammer(&folder.ok_or_else(|| anyhow::anyhow!("name the folder of the database"))?).await
}
