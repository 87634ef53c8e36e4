//! What a gateway holds for its clients is bounded by bytes, before and after a token.

use std::time::{Duration, Instant};

use platform::token::NewToken;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::device::Device;
use crate::edge::{Edge, PATIENCE, Said, token, token_saying, until};
use crate::sends::sent;

/// Sends this and hears everything until the gateway ends the connection or `until` stands in it.
async fn told(edge: &Edge, sent: &[u8], until: &str) -> String {
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    // The gateway may have ended it already.
    let _ = stream.write_all(sent).await;
    let mut heard = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&heard).contains(until) {
            match stream.read_buf(&mut heard).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("an answer in time");
    String::from_utf8(heard).unwrap()
}

fn post(path: &str, token: &str, announced: usize) -> String {
    let bearer =
        if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\n{bearer}content-type: application/json\r\n\
         content-length: {announced}\r\n\r\n"
    )
}

/// Every kind of path that takes a body.
const PATHS: [&str; 7] = [
    "/sse/gateway-1.5",
    "/api/v1/conversations",
    "/api/v1/conversations/018f0000-0000-7000-8000-000000000000/messages",
    "/api/v1/conversations/018f0000-0000-7000-8000-000000000000/members",
    "/api/v1/admin/broadcast",
    "/api/v1/admin/dead-letters/x/replay",
    "/api/v1/nowhere",
];

#[tokio::test]
async fn without_a_token_a_body_is_refused_from_the_head_alone() {
    let edge = Edge::start().await;
    for path in PATHS {
        for sent in [0, (1 << 20) - 1] {
            let began = Instant::now();
            let request = post(path, "", 1 << 20) + &"x".repeat(sent);
            let heard = told(&edge, request.as_bytes(), "}").await;
            let status = if path.ends_with("nowhere") { "404" } else { "401" };
            assert!(heard.starts_with(&format!("HTTP/1.1 {status}")), "{path} {sent}: {heard}");
            assert!(began.elapsed() < Duration::from_secs(5), "{path}: {:?}", began.elapsed());
        }
    }
    edge.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up_in_time_on_every_path() {
    let edge = Edge::with(|limits| limits.request_timeout_ms = 300).await;
    let stream = reqwest::get(format!("http://{}/sse?token={}", edge.address, token("ann"))).await;
    let mut stream = stream.unwrap();
    let welcome = String::from_utf8(stream.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    let welcome: serde_json::Value =
        serde_json::from_str(welcome.trim().strip_prefix("data: ").unwrap()).unwrap();
    let id = welcome["connection_id"].as_str().unwrap();
    for path in [format!("/sse/{id}"), PATHS[1].to_owned(), PATHS[2].to_owned()] {
        let request = post(&path, &token("ann"), 1_000) + "{";
        let heard = told(&edge, request.as_bytes(), "}").await;
        assert!(heard.starts_with("HTTP/1.1 408"), "{path}: {heard}");
        assert!(heard.contains("\"stored\":\"no\""), "{heard}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn bodies_of_all_together_are_bounded_and_a_user_takes_no_more_than_a_part() {
    let edge = Edge::with(|limits| {
        limits.memory.body_bytes = 200_010;
        limits.memory.body_user_bytes = 110_000;
        limits.memory.wait_ms = 100;
    })
    .await;
    // Each holds 100,000 bytes of a body that is not whole.
    let hold = async |user: &str| {
        let mut stream = TcpStream::connect(edge.address).await.unwrap();
        let request = post(PATHS[1], &token(user), 100_001) + &" ".repeat(100_000);
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    };
    let anns = hold("ann").await;
    let refused = r#"tidings_gateway_refused_total{limit="body_bytes"}"#;
    let large = |user: &str| {
        let body = json!({ "kind": "group", "title": "x".repeat(50_000) }).to_string();
        post(PATHS[1], &token(user), body.len() + 1) + &body
    };
    // It comes in after hers, which is being read.
    until("her body is held", || {
        edge.metric(r#"tidings_gateway_memory_bytes{purpose="bodies"}"#) >= 100_000
    })
    .await;
    let heard = told(&edge, large("ann").as_bytes(), "}").await;
    assert!(heard.starts_with("HTTP/1.1 503") && heard.contains("retry-after"), "{heard}");
    let bobs = hold("bob").await;
    until("his body is held", || {
        edge.metric(r#"tidings_gateway_memory_bytes{purpose="bodies"}"#) >= 200_000
    })
    .await;
    let heard = told(&edge, large("eve").as_bytes(), "}").await;
    assert!(heard.starts_with("HTTP/1.1 503"), "nothing is left: {heard}");
    assert_eq!(edge.metric(refused), 2);
    // A small one needs nothing of it.
    let small = post(PATHS[1], &token("eve"), 2) + "{}";
    let heard = told(&edge, small.as_bytes(), "}").await;
    assert!(heard.starts_with("HTTP/1.1 400"), "{heard}");
    drop((anns, bobs));
    until("it is given back", || {
        edge.metric(r#"tidings_gateway_memory_bytes{purpose="bodies"}"#) == 0
    })
    .await;
    edge.stop().await;
}

#[tokio::test]
async fn names_are_cleaned_where_they_come_in() {
    let edge = Edge::start().await;
    for (name, known) in
        [("Eve\u{0}".to_owned(), "Eve".to_owned()), ("x".repeat(3_500), "x".repeat(100))]
    {
        let said = NewToken {
            sub: "eve".to_owned(),
            name: Some(name),
            avatar: Some("y".repeat(2_049)),
            ttl: Duration::from_hours(1),
            ..NewToken::default()
        };
        let path = format!("/ws?token={}", token_saying(&said));
        let mut device = Device::open(&edge, &path, &[]).await;
        device.welcome().await;
        device.send_to("bob", "r").await;
        let frame = edge.frame().await;
        let origin = frame.origin.clone().unwrap();
        assert!(Said::of(frame).is_some());
        assert_eq!((origin.name, origin.avatar), (known, String::new()));
    }
    edge.stop().await;
}

/// A client's text frame of so many bytes, of which some come.
fn begun(announced: usize, come: usize) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 127];
    frame.extend((announced as u64).to_be_bytes());
    // A mask of zeros changes nothing.
    frame.extend([0; 4]);
    frame.extend(std::iter::repeat_n(b' ', come));
    frame
}

fn send(bytes: usize) -> serde_json::Value {
    json!({ "type": "send", "client_id": uuid::Uuid::now_v7(), "to": "eve",
        "content": { "text": "x".repeat(bytes) } })
}

/// Nothing more comes up.
async fn is_quiet(edge: &Edge) {
    let more = tokio::time::timeout(Duration::from_millis(200), edge.send()).await;
    assert!(more.is_err(), "{:?}", more.map(|(connection, _)| connection));
}

#[tokio::test]
async fn a_message_that_does_not_come_is_given_up_in_time_whatever_its_size() {
    let edge = Edge::with(|limits| limits.message_timeout_ms = 300).await;
    for (announced, come) in [(100, 0), (100, 99), (1_000_000, 500_000)] {
        let mut ann = Device::connect(&edge, "ann").await;
        ann.is_served().await;
        ann.socket.get_mut().write_all(&begun(announced, come)).await.unwrap();
        let (code, reason) = ann.closed().await;
        assert_eq!((code, reason.as_str()), (1008, "a message was begun and did not come in time"));
    }
    let memory = r#"tidings_gateway_memory_bytes{purpose="messages"}"#;
    until("their memory is given back", || edge.metric(memory) == 0).await;
    edge.stop().await;
}

#[tokio::test]
async fn a_large_message_waits_for_room_and_small_ones_do_not() {
    let edge = Edge::with(|limits| limits.memory.message_bytes = 200_000).await;
    let mut ann = Device::connect(&edge, "ann").await;
    let mut bob = Device::connect(&edge, "bob").await;
    ann.socket.get_mut().write_all(&begun(180_000, 170_000)).await.unwrap();
    let memory = r#"tidings_gateway_memory_bytes{purpose="messages"}"#;
    until("hers is being read", || edge.metric(memory) >= 170_000).await;
    bob.say(&send(100_000)).await;
    is_quiet(&edge).await;
    let mut carl = Device::connect(&edge, "carl").await;
    carl.say(&send(1_000)).await;
    assert_eq!(edge.send().await.1.content.len(), 1_011, "an ordinary message needs no room");
    drop(ann);
    assert_eq!(edge.send().await.1.content.len(), 100_011);
    edge.stop().await;
}

#[tokio::test]
async fn large_requests_wait_until_those_before_are_answered_and_stay_in_order() {
    let edge = Edge::with(|limits| limits.memory.request_bytes = 100_000).await;
    let mut ann = Device::connect(&edge, "ann").await;
    for bytes in [60_000, 60_001, 10] {
        ann.say(&send(bytes)).await;
    }
    let (connection, first) = edge.send().await;
    assert_eq!(first.content.len(), 60_011);
    is_quiet(&edge).await;
    // Others with ordinary messages are served.
    let mut bob = Device::connect(&edge, "bob").await;
    bob.say(&send(1_000)).await;
    assert_eq!(edge.send().await.1.content.len(), 1_011);
    edge.push_all(vec![sent(connection, &first)]).await;
    ann.expect("sent").await;
    assert_eq!(edge.send().await.1.content.len(), 60_012);
    assert_eq!(edge.send().await.1.content.len(), 21);
    edge.stop().await;
}

#[tokio::test]
async fn a_large_request_for_which_there_is_no_room_in_time_is_told_so_and_not_taken() {
    let edge = Edge::with(|limits| {
        (limits.memory.request_bytes, limits.answer_timeout_ms) = (100_000, 600);
    })
    .await;
    let mut ann = Device::connect(&edge, "ann").await;
    let mut bob = Device::connect(&edge, "bob").await;
    let mut carl = Device::connect(&edge, "carl").await;
    ann.say(&send(90_000)).await;
    edge.send().await;
    // He is next when hers is given up, and then holds the room himself.
    bob.say(&send(90_001)).await;
    is_quiet(&edge).await;
    let large = send(90_002);
    carl.say(&large).await;
    assert_eq!(edge.send().await.1.content.len(), 90_012);
    let error = carl.expect("error").await;
    assert_eq!((&error["code"], &error["client_id"]), (&json!("unavailable"), &large["client_id"]));
    assert_eq!(error["stored"], "no");
    assert!(error["retry_after_ms"].is_u64());
    edge.stop().await;
}
