//! The stand-in on loopback sockets, for clients that take no other.

use super::Discord;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The longest body of a request, in bytes: a message with all its files, and more.
const LONGEST: usize = 32 * 1024 * 1024;

/// A Discord that listens, until it is dropped.
pub struct Served {
    /// Where REST is; `api()` is its address.
    pub rest: SocketAddr,
    /// Where the gateway is.
    pub gateway: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl Served {
    /// What takes the place of `https://discord.com/api/v10`.
    pub fn api(&self) -> String {
        format!("http://{}/api/v10", self.rest)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Discord {
    /// Listens on loopback: REST on one port, the gateway on another, whose address `GET /gateway/bot` tells.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn serve(&self) -> Served {
        let bind = async || TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let (rest, gateway) = (bind().await, bind().await);
        let address = |listener: &TcpListener| listener.local_addr().expect("a listener has an address");
        let (rest_address, gateway_address) = (address(&rest), address(&gateway));
        self.state().gateway_url = format!("ws://{gateway_address}");
        let router = self.router();
        // Small answers are not to wait until the ones before them have been acknowledged.
        let rest = rest.tap_io(|stream| _ = stream.set_nodelay(true));
        let serving = tokio::spawn(async move { axum::serve(rest, router).await.expect("loopback serves") });
        let discord = self.clone();
        let welcoming = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = gateway.accept().await {
                _ = stream.set_nodelay(true);
                connections.spawn(discord.clone().connection(stream));
                while connections.try_join_next().is_some() {}
            }
        });
        Served { rest: rest_address, gateway: gateway_address, tasks: [serving, welcoming] }
    }

    /// Its REST API.
    pub fn router(&self) -> Router {
        let discord = self.clone();
        Router::new().fallback(move |request| handle(discord.clone(), request))
    }
}

async fn handle(discord: Discord, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, LONGEST).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    match discord.answer(http::Request::from_parts(parts, bytes)).await {
        Some(answer) => answer.map(Body::from),
        // A body that breaks ends the connection, which a real client sees as such.
        None => Response::new(Body::from_stream(futures::stream::once(async { Err::<bytes::Bytes, _>("cut") }))),
    }
}
