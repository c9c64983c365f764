//! The least that a server in this workspace can be: what `scripts/bench` measures `deckhand` against.

use axum::Router;
use axum::routing::get;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listen = std::env::var("DECKHAND_LISTEN")?;
    let router = Router::new().route("/", get(async || "hello"));
    Ok(axum::serve(tokio::net::TcpListener::bind(listen).await?, router).await?)
}
