//! HTTP through reqwest, and connections that are only tried.

use anyhow::{Context, Result};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use commands::ports::{Dial, Wire};
use std::time::Duration;
use tokio::net::TcpStream;

/// How many connections to one host are kept open for later. A burst leaves as many behind as it had under way, each with
/// buffers of 25 KiB, for a minute and a half.
const IDLE: usize = 8;

/// The real network.
pub struct Internet(reqwest::Client);

impl Internet {
    /// A client that follows no redirects: where a request goes is what the config says.
    ///
    /// # Errors
    /// When no TLS can be set up.
    pub fn new() -> Result<Internet> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("deckhand/", env!("CARGO_PKG_VERSION")))
            .pool_max_idle_per_host(IDLE)
            .build();
        Ok(Internet(client.context("HTTP can not be set up")?))
    }
}

#[async_trait]
impl Wire for Internet {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        timeout: Duration,
        limit: usize,
    ) -> Result<http::Response<Bytes>> {
        let request = reqwest::Request::try_from(request)?;
        let talk = async {
            let mut answer = self.0.execute(request).await.map_err(cause)?;
            let mut body = BytesMut::new();
            while let Some(chunk) = answer.chunk().await.map_err(cause)? {
                let room = limit - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if body.len() == limit {
                    break;
                }
            }
            let mut response = http::Response::new(body.freeze());
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            Ok(response)
        };
        let late = || format!("no answer within {}", config::duration::show(timeout));
        tokio::time::timeout(timeout, talk).await.with_context(late)?
    }
}

#[async_trait]
impl Dial for Internet {
    async fn dial(&self, address: &str, timeout: Duration) -> Result<()> {
        let late = || format!("no answer within {}", config::duration::show(timeout));
        // A name that stands for nothing says so in many words; a refusal in few.
        tokio::time::timeout(timeout, TcpStream::connect(address)).await.with_context(late)??;
        Ok(())
    }
}

/// What lies under reqwest's own words, which name the address once more.
fn cause(error: reqwest::Error) -> anyhow::Error {
    let error = anyhow::Error::from(error.without_url());
    match error.root_cause().downcast_ref::<std::io::Error>() {
        // Its kind says whether anything can have been sent.
        Some(io) => std::io::Error::new(io.kind(), io.to_string()).into(),
        None => anyhow::anyhow!("{}", error.root_cause()),
    }
}
