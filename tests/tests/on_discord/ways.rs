//! The HTTP endpoint in process: what it takes, and what it refuses, without a socket.

use super::{House, id, words};
use anyhow::Result;
use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use bot::platforms::discord::endpoint::{self, Endpoint};
use bot::platforms::discord::health::Health;
use bytes::Bytes;
use commands::ports::Wire;
use http::{Request, Response};
use std::sync::Arc;
use std::time::Duration;
use tests::discord::people::{self, Way, signature};
use tower::ServiceExt;

const ADDRESS: &str = "https://bot.example/interactions";

/// A router as something that requests can be sent to.
struct Served(axum::Router);

#[async_trait]
impl Wire for Served {
    async fn send(&self, request: Request<Bytes>, _: Duration, limit: usize) -> Result<Response<Bytes>> {
        let (head, body) = self.0.clone().oneshot(request.map(Body::from)).await?.into_parts();
        Ok(Response::from_parts(head, to_bytes(body, limit).await?))
    }
}

/// The endpoint of this bot.
pub fn endpoint(house: &House) -> Arc<dyn Wire> {
    let clock = house.stage.clock.clone();
    let health = Health::new(clock.clone(), false);
    let key: Vec<u8> = people::public_key().as_bytes().chunks(2).map(byte).collect();
    let endpoint = Endpoint::new(key.try_into().unwrap(), clock, health, house.stage.ear()).unwrap();
    Arc::new(Served(endpoint::router(endpoint)))
}

fn byte(digits: &[u8]) -> u8 {
    u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
}

#[tokio::test(start_paused = true)]
async fn only_what_discord_has_signed_just_now_does_anything() {
    let house = House::new().await;
    let endpoint = endpoint(&house);
    let body = house.unheard("ana", "/deploy ship hello staging v1");
    let (asked, body) = (id(&body), body.to_string());
    let now = house.stage.clock.now().timestamp();
    let send = async |signature: String, at: i64, body: &str| {
        let request = Request::post(ADDRESS)
            .header("x-signature-ed25519", signature)
            .header("x-signature-timestamp", at.to_string());
        let request = request.body(Bytes::from(body.to_owned())).unwrap();
        endpoint.send(request, Duration::from_secs(3), 1024).await.unwrap().status().as_u16()
    };
    let signed = |at: i64| signature(&at.to_string(), &body);
    let truncated = &body[..body.len() - 1];
    let long = "x".repeat(10 * 1024 * 1024);
    for (what, signature, at, body, status) in [
        ("forged", "0".repeat(128), now, body.as_str(), 401),
        ("of another body", signed(now), now, truncated, 401),
        ("of another time", signed(now), now - 1, &body, 401),
        ("old", signed(now - 301), now - 301, &body, 401),
        ("cut off", signed(now)[..126].to_owned(), now, &body, 401),
        ("10 MB", signature(&now.to_string(), &long), now, &long, 413),
    ] {
        assert_eq!(send(signature, at, body).await, status, "{what}");
    }
    house.pass(5).await;
    assert_eq!((house.discord().read().len(), house.acts().await), (0, 0));
    // The interaction is said again, and heard: a replay of the very request is not.
    house.at(|state| state.interactions.get_mut(&asked).unwrap().at = tokio::time::Instant::now());
    assert_eq!(send(signed(now), now, &body).await, 202);
    assert_eq!(send(signed(now), now, &body).await, 401);
    let told = house.told(asked).await;
    assert!(words(told.last()).contains("is live"));
    assert_eq!(house.acts().await, 1);
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn two_replicas_behind_a_load_balancer_do_a_thing_once() {
    let house = House::new().await;
    let asked = house.unheard("ana", "/deploy ship hello staging v1");
    // The same interaction, delivered to two of them.
    for _ in 0..2 {
        house.discord().come_by(Way::Endpoint(endpoint(&house), ADDRESS.to_owned()));
        house.discord().deliver(asked.clone());
    }
    house.told(id(&asked)).await;
    assert_eq!(house.acts().await, 1);
    house.finish().await;
}
