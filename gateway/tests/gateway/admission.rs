//! Who is let in: limits of the gateway, of its files, of addresses; proxies; slow clients.

use futures_util::future::join_all;
use gateway::config::LimitsConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::device::Device;
use crate::edge::{Edge, PATIENCE, token, until};

/// Tries to connect; the socket, or the status, the seconds of `Retry-After` and the text of the refusal.
async fn knock(
    edge: &Edge,
    user: &str,
    forwarded: Option<&str>,
) -> Result<Device, (u16, u64, String)> {
    let path = format!("/ws?token={}", token(user));
    let headers: Vec<_> = forwarded.map(|from| ("x-forwarded-for", from)).into_iter().collect();
    match Device::try_open(edge, &path, &headers).await {
        Ok((mut device, _)) => {
            device.welcome().await;
            Ok(device)
        }
        Err(Error::Http(answer)) => {
            let after = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            let text = String::from_utf8(answer.body().clone().unwrap_or_default()).unwrap();
            Err((answer.status().as_u16(), after, text))
        }
        Err(other) => panic!("{other}"),
    }
}

/// Everything that comes until the end, which comes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let reading = stream.read_to_end(&mut bytes);
    // A reset is an end, too.
    let _ = tokio::time::timeout(PATIENCE, reading).await.expect("the connection ends");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn an_address_has_so_many_sockets_and_room_again_when_one_closes() {
    let edge = Edge::guarded(None, |admission| admission.address_sockets = 2).await;
    let first = knock(&edge, "ann", None).await.unwrap();
    let mut second = knock(&edge, "bob", None).await.unwrap();
    let (status, after, text) = knock(&edge, "cid", None).await.err().unwrap();
    assert_eq!((status, after), (429, 5));
    assert!(text.contains("rate_limited") && text.contains("address_sockets"), "{text}");
    assert_eq!(edge.metric(r#"tidings_gateway_refused_total{limit="address_sockets"}"#), 1);
    second.is_served().await;
    drop(first);
    until("it is gone", || edge.metric("tidings_gateway_connections") == 1).await;
    // The seat goes with the task, a moment after the count.
    let mut third = knock(&edge, "cid", None).await;
    while third.is_err() {
        tokio::task::yield_now().await;
        third = knock(&edge, "cid", None).await;
    }
    edge.stop().await;
}

#[tokio::test]
async fn an_address_opens_so_many_sockets_in_a_time_and_is_told_when_to_come_again() {
    let edge = Edge::guarded(None, |admission| {
        (admission.address_arrivals, admission.address_window_secs) = (3, 3_600);
    })
    .await;
    for _ in 0..3 {
        drop(knock(&edge, "ann", None).await.unwrap());
    }
    let (status, after, text) = knock(&edge, "ann", None).await.err().unwrap();
    assert_eq!(status, 429);
    assert!((1_100..=1_200).contains(&after), "{after}");
    assert!(text.contains("address_arrivals"), "{text}");
    edge.stop().await;
}

#[tokio::test]
async fn a_gateway_never_has_more_sockets_than_it_may_however_many_knock_at_once() {
    let limits = LimitsConfig { connections: 5, drain_window_ms: 0, ..LimitsConfig::default() };
    let edge = Edge::over(limits, Edge::open_to_all(), None).await;
    let users: Vec<String> = (0..30).map(|number| format!("user-{number}")).collect();
    let knocks = join_all(users.iter().map(|user| knock(&edge, user, None))).await;
    let refused: Vec<_> = knocks.iter().filter_map(|knock| knock.as_ref().err()).collect();
    assert_eq!(refused.len(), 25);
    for (status, after, text) in refused {
        assert_eq!((*status, *after), (503, 5));
        assert!(text.contains("gateway_connections"), "{text}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn without_files_for_more_clients_they_are_answered_and_it_goes_on_afterwards() {
    let edge = Edge::guarded(Some(16), |admission| admission.address_requests = 0).await;
    let mut open = Vec::new();
    for _ in 0..12 {
        open.push(TcpStream::connect(edge.address).await.unwrap());
    }
    for _ in 0..20 {
        let mut refused = TcpStream::connect(edge.address).await.unwrap();
        refused.write_all(b"GET /api/v1/meta HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let answer = rest(&mut refused).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("retry-after: 5") && answer.contains("gateway_files"), "{answer}");
    }
    assert_eq!(edge.metric(r#"tidings_gateway_refused_total{limit="gateway_files"}"#), 20);
    drop(open);
    let url = format!("http://{}/api/v1/meta", edge.address);
    let waiting = async { while !reqwest::get(&url).await.unwrap().status().is_success() {} };
    tokio::time::timeout(PATIENCE, waiting).await.expect("there is room again");
    edge.stop().await;
}

#[tokio::test]
async fn only_listed_proxies_say_whose_request_it_is() {
    let edge = Edge::guarded(None, |admission| {
        admission.address_sockets = 1;
        admission.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let _ann = knock(&edge, "ann", Some("198.51.100.1")).await.unwrap();
    let _bob = knock(&edge, "bob", Some("198.51.100.2")).await.unwrap();
    let made_up = knock(&edge, "cid", Some("1.2.3.4, 198.51.100.1")).await;
    assert_eq!(made_up.err().unwrap().0, 429);
    edge.stop().await;

    let edge = Edge::guarded(None, |admission| admission.address_sockets = 1).await;
    let _ann = knock(&edge, "ann", Some("198.51.100.1")).await.unwrap();
    let not_believed = knock(&edge, "bob", Some("198.51.100.2")).await;
    assert_eq!(not_believed.err().unwrap().0, 429);
    edge.stop().await;
}

#[tokio::test]
async fn a_listed_load_balancer_says_in_the_proxy_protocol_whose_connection_it_is() {
    let edge = Edge::guarded(None, |admission| {
        admission.address_sockets = 1;
        admission.proxy_protocol_from = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let path = format!("/ws?token={}", token("ann"));
    let knock = async |header: Vec<u8>| {
        let mut stream = TcpStream::connect(edge.address).await.unwrap();
        stream.write_all(&header).await.unwrap();
        Device::upgrade(&edge, stream, &path, &[]).await
    };
    let version_1 = |client: &str| format!("PROXY TCP4 {client} 127.0.0.1 1 80\r\n").into_bytes();
    let mut one = knock(version_1("198.51.100.1")).await.unwrap().0;
    one.welcome().await;
    let mut version_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    version_2.extend([198, 51, 100, 2, 127, 0, 0, 1, 0, 1, 0, 80]);
    let mut two = knock(version_2.clone()).await.unwrap().0;
    two.welcome().await;
    assert!(matches!(knock(version_1("198.51.100.1")).await, Err(Error::Http(_))));
    assert!(matches!(knock(version_2).await, Err(Error::Http(_))));
    let mut without = TcpStream::connect(edge.address).await.unwrap();
    without.write_all(b"GET /api/v1/meta HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_eq!(rest(&mut without).await, "");
    assert_eq!(edge.metric(r#"tidings_gateway_refused_total{limit="proxy_protocol"}"#), 1);
    edge.stop().await;
}

#[tokio::test]
async fn from_others_the_proxy_protocol_is_no_http() {
    let edge = Edge::guarded(None, |_| {}).await;
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    stream.write_all(b"PROXY TCP4 198.51.100.1 127.0.0.1 1 80\r\n\r\n").await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 400 "));
    edge.stop().await;
}

#[tokio::test]
async fn slow_handshakes_end_and_hold_no_more_than_their_share() {
    let edge = Edge::guarded(None, |admission| {
        (admission.head_timeout_ms, admission.address_requests) = (300, 3);
    })
    .await;
    let mut slow = Vec::new();
    for part in ["", "GET /ws HTTP/1.1\r\nhost", "PRI * HTTP/2.0\r\n\r\nSM"] {
        let mut stream = TcpStream::connect(edge.address).await.unwrap();
        stream.write_all(part.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let mut fourth = TcpStream::connect(edge.address).await.unwrap();
    let answer = rest(&mut fourth).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    for mut stream in slow {
        rest(&mut stream).await;
    }
    knock(&edge, "ann", None).await.unwrap().is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn a_slow_body_ends_with_an_answer() {
    let limits =
        LimitsConfig { request_timeout_ms: 300, drain_window_ms: 0, ..LimitsConfig::default() };
    let edge = Edge::over(limits, Edge::open_to_all(), None).await;
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    let head = format!(
        "POST /api/v1/conversations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{",
        token("ann")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains(r#""stored":"no""#), "{answer}");
    edge.stop().await;
}

#[tokio::test]
async fn a_stranger_is_read_no_further_than_a_token_needs() {
    let edge = Edge::start().await;
    let mut stranger = Device::open(&edge, "/ws", &[]).await;
    // The socket may close while the rest is on its way.
    let large = Message::text("x".repeat(200 << 10));
    let _ = futures_util::SinkExt::send(&mut stranger.socket, large).await;
    let (code, _) = stranger.closed().await;
    assert!(code == 1009 || code == 1006, "{code}");
    until("it was refused for its size", || {
        edge.metric(r#"tidings_gateway_closes_total{code="1009"}"#) == 1
    })
    .await;
    // After `auth`, larger frames of a client are read as usual.
    let mut known = Device::open(&edge, "/ws", &[]).await;
    known.say(&serde_json::json!({ "type": "auth", "token": token("ann") })).await;
    known.welcome().await;
    let text = "x".repeat(200 << 10);
    known.say(&serde_json::json!({ "type": "ping", "padding": text })).await;
    known.expect("pong").await;
    edge.stop().await;
}
