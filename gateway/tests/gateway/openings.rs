//! What is agreed on when a socket is opened, and what is told where that fails.

use tokio_tungstenite::tungstenite::Error;

use crate::device::Device;
use crate::edge::{Edge, token};

async fn open(edge: &Edge, path: &str, protocols: &str) -> (Device, Option<String>) {
    let headers = [("sec-websocket-protocol", protocols)];
    let (device, answer) = Device::try_open(edge, path, &headers).await.unwrap();
    let agreed = answer.headers().get("sec-websocket-protocol");
    (device, agreed.map(|name| name.to_str().unwrap().to_owned()))
}

#[tokio::test]
async fn a_token_alone_among_the_subprotocols_opens_a_socket_also_of_a_browser() {
    let edge = Edge::start().await;
    let offer = format!("bearer.{}", token("ann"));
    let (mut ann, agreed) = open(&edge, "/ws", &offer).await;
    assert_eq!(agreed.as_deref(), Some(offer.as_str()), "a browser goes on only with an offer");
    assert_eq!(ann.welcome().await["user_id"], "ann");
    ann.is_served().await;
    let (mut bad, agreed) = open(&edge, "/ws", "bearer.nonsense").await;
    assert_eq!(agreed.as_deref(), Some("bearer.nonsense"));
    assert_eq!(bad.closed().await.0, 4001);
    edge.stop().await;
}

#[tokio::test]
async fn a_foreign_subprotocol_is_told_with_4003_which_ones_there_are() {
    let edge = Edge::start().await;
    let path = format!("/ws?token={}", token("ann"));
    let (mut device, agreed) = open(&edge, &path, "graphql-ws, tidings.v9").await;
    assert_eq!(agreed.as_deref(), Some("graphql-ws"));
    let (code, reason) = device.closed().await;
    assert_eq!(code, 4003);
    assert!(reason.starts_with("subprotocol: ") && reason.contains("tidings.v1"), "{reason}");
    assert_eq!(edge.metric(r#"tidings_gateway_closes_total{code="4003"}"#), 1);
    // Beside one of ours it is passed over.
    let (mut device, agreed) = open(&edge, &path, "graphql-ws, tidings.v1").await;
    assert_eq!(agreed.as_deref(), Some("tidings.v1"));
    device.welcome().await;
    edge.stop().await;
}

#[tokio::test]
async fn a_device_name_that_cannot_be_used_is_refused_and_uses_no_place_up() {
    let edge = Edge::start().await;
    for name in ["my%20phone", "a%00b", &"x".repeat(100)] {
        let path = format!("/ws?token={}&device={name}", token("ann"));
        let refused = Device::try_open(&edge, &path, &[]).await;
        let Err(Error::Http(response)) = refused.map(|_| ()) else { panic!("refused: {name}") };
        assert_eq!(response.status(), 400);
        let body = String::from_utf8(response.body().clone().unwrap_or_default()).unwrap();
        assert!(body.contains("device: "), "{body}");
        let url = format!("http://{}/sse?token={}&device={name}", edge.address, token("ann"));
        assert_eq!(reqwest::get(url).await.unwrap().status(), 400);
    }
    assert!(edge.presence.account().connected.is_empty());
    let path = format!("/ws?token={}&device=", token("ann"));
    Device::open(&edge, &path, &[]).await.welcome().await;
    edge.stop().await;
}

#[tokio::test]
async fn the_answer_to_an_offer_of_compression_names_the_window_that_was_asked_for() {
    let edge = Edge::with(|limits| limits.compression = true).await;
    let path = format!("/ws?token={}", token("ann"));
    for (offer, is_named) in [
        ("permessage-deflate; client_max_window_bits; server_max_window_bits=15", true),
        ("permessage-deflate; client_max_window_bits", false),
    ] {
        let url = format!("http://{}{path}", edge.address);
        let answer = reqwest::Client::new()
            .get(url)
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-extensions", offer)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 101);
        let agreed = answer.headers()["sec-websocket-extensions"].to_str().unwrap();
        assert!(agreed.starts_with("permessage-deflate"), "{agreed}");
        assert_eq!(agreed.contains("server_max_window_bits=15"), is_named, "{agreed}");
        assert!(!agreed.contains("client_max_window_bits"), "{agreed}");
    }
    edge.stop().await;
}
