//! The same connection without a WebSocket: events down, posts up.

use std::time::Duration;

use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use crate::device::Device;
use crate::edge::{Edge, Kind, PATIENCE, expired_token, token, until};
use crate::panics::PANIC;
use crate::slow::PLUGS;

/// An open stream.
struct Stream {
    answer: Response,
    unread: String,
    user: String,
    /// Where to post.
    id: String,
    number: u64,
}

/// What a stream says.
#[derive(Debug, PartialEq)]
enum Told {
    Frame(Value),
    Comment,
    Closed(Value),
    End,
}

impl Stream {
    async fn open(edge: &Edge, user: &str) -> Self {
        let mut stream = Self::ask(edge, user, "").await;
        let welcome = stream.frame().await;
        assert_eq!((&welcome["type"], &welcome["user_id"]), (&json!("welcome"), &json!(user)));
        stream.id = welcome["connection_id"].as_str().unwrap().to_owned();
        stream.number = u64::from_str_radix(stream.id.rsplit_once('.').unwrap().1, 16).unwrap();
        stream
    }

    async fn ask(edge: &Edge, user: &str, query: &str) -> Self {
        let url = format!("http://{}/sse?token={}{query}", edge.address, token(user));
        let answer = reqwest::get(url).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { answer, unread: String::new(), user: user.to_owned(), id: String::new(), number: 0 }
    }

    /// The next event or comment.
    async fn told(&mut self) -> Told {
        loop {
            if let Some((event, rest)) = self.unread.split_once("\n\n") {
                let told = if let Some(data) = event.strip_prefix("data: ") {
                    Told::Frame(serde_json::from_str(data).unwrap())
                } else if let Some(data) = event.strip_prefix("event: close\ndata: ") {
                    Told::Closed(serde_json::from_str(data).unwrap())
                } else {
                    assert_eq!(event, ":");
                    Told::Comment
                };
                self.unread = rest.to_owned();
                return told;
            }
            let piece = tokio::time::timeout(PATIENCE, self.answer.chunk()).await.expect("in time");
            match piece {
                Ok(Some(piece)) => self.unread.push_str(std::str::from_utf8(&piece).unwrap()),
                Ok(None) | Err(_) => return Told::End,
            }
        }
    }

    async fn frame(&mut self) -> Value {
        loop {
            match self.told().await {
                Told::Frame(frame) => return frame,
                Told::Comment => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn closed(&mut self) -> Value {
        loop {
            match self.told().await {
                Told::Closed(told) => return told,
                Told::End => panic!("it ended without a reason"),
                _ => {}
            }
        }
    }

    fn posting(&self, edge: &Edge, body: impl Into<reqwest::Body>) -> RequestBuilder {
        let url = format!("http://{}/sse/{}", edge.address, self.id);
        reqwest::Client::new().post(url).bearer_auth(token(&self.user)).body(body)
    }

    async fn post(&self, edge: &Edge, frames: &Value) {
        let answer = self.posting(edge, frames.to_string()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{:?}", answer.text().await);
    }
}

/// Status and body of a refused request.
async fn refusal(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

#[tokio::test]
async fn frames_come_down_as_events_and_go_up_by_posts_in_order() {
    let edge = Edge::start().await;
    let mut ann = Stream::open(&edge, "ann").await;
    let mut bob = Device::connect(&edge, "bob").await;
    let entry = "{\"type\":\"entry\",\n \"seq\":1}";
    edge.push(&[ann.number, bob.number], Kind::Entry, entry).await;
    assert_eq!(ann.frame().await, json!({"type": "entry", "seq": 1}));
    bob.expect("entry").await;

    ann.post(&edge, &json!({"type": "ping"})).await;
    assert_eq!(ann.frame().await["type"], "pong");
    let send = |text: &str| json!({"type": "send", "client_id": uuid::Uuid::now_v7(), "to": "bob", "content": {"text": text}});
    ann.post(&edge, &json!([send("1"), send("2"), {"type": "nonsense"}, send("3")])).await;
    for text in ["1", "2", "3"] {
        assert_eq!(edge.send().await.1.content, json!({"text": text}).to_string());
    }
    let error = ann.frame().await;
    assert_eq!(error["code"], "unknown_type", "{error}");
    // It is a connection like any other.
    assert_eq!(edge.metric("tidings_gateway_connections"), 2);
    drop(ann);
    until("its end is noticed", || edge.metric("tidings_gateway_connections") == 1).await;
    edge.stop().await;
}

#[tokio::test]
async fn a_post_reaches_the_streams_of_its_own_user_alone() {
    let edge = Edge::start().await;
    let ann = Stream::open(&edge, "ann").await;
    let socket = Device::connect(&edge, "ann").await;
    let post = |id: &str, token: &str| {
        let url = format!("http://{}/sse/{id}", edge.address);
        reqwest::Client::new().post(url).bearer_auth(token).body(r#"{"type":"ping"}"#)
    };
    assert_eq!(post(&ann.id, &token("ann")).send().await.unwrap().status(), 202);
    for (id, by, status) in [
        (ann.id.as_str(), token("bob"), 404),
        (ann.id.as_str(), expired_token("ann"), 401),
        (ann.id.as_str(), String::new(), 401),
        ("gateway-1.0", token("ann"), 404),
        ("gateway-1", token("ann"), 404),
        (format!("gateway-1.{:x}", socket.number).as_str(), token("ann"), 404),
        ("gateway-2.5", token("ann"), 421),
    ] {
        let (refused, body) = refusal(post(id, &by)).await;
        assert_eq!(refused, status, "{id} {body}");
        assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()));
    }
    edge.stop().await;
}

#[tokio::test]
async fn a_stream_needs_its_token_at_once_and_counts_as_a_socket() {
    let edge = Edge::guarded(None, |admission| admission.address_sockets = 1).await;
    let get =
        |query: String| reqwest::Client::new().get(format!("http://{}/sse{query}", edge.address));
    assert_eq!(refusal(get(String::new())).await.0, 401);
    assert_eq!(refusal(get(format!("?token={}", expired_token("ann")))).await.0, 401);
    let mut ann = Stream::open(&edge, "ann").await;
    let (status, body) = refusal(get(format!("?token={}", token("bob")))).await;
    assert_eq!(status, 429);
    assert!(body["message"].as_str().unwrap().contains("address_sockets"), "{body}");
    ann.post(&edge, &json!({"type": "ping"})).await;
    assert_eq!(ann.frame().await["type"], "pong");
    edge.stop().await;
}

#[tokio::test]
async fn the_reason_of_a_close_is_the_last_event() {
    let edge = Edge::with(|limits| limits.drain_window_ms = 0).await;
    let mut ann = Stream::open(&edge, "ann").await;
    edge.push(&[ann.number], Kind::Entry, r#"{"type":"entry"}"#).await;
    edge.replace(&[ann.number]).await;
    assert_eq!(ann.frame().await["type"], "entry");
    let told = ann.closed().await;
    assert_eq!(told, json!({"code": 4000, "reason": "the same device has connected again"}));
    assert_eq!(ann.told().await, Told::End);

    let mut bob = Stream::open(&edge, "bob").await;
    edge.begin_to_stop();
    assert_eq!(bob.closed().await["code"], 1012);
    edge.ended().await;
    edge.stop().await;
}

#[tokio::test]
async fn a_leaving_gateway_asks_streams_to_go_elsewhere_too() {
    let edge =
        Edge::with(|limits| (limits.drain_window_ms, limits.drain_linger_ms) = (1, 50)).await;
    let mut ann = Stream::open(&edge, "ann").await;
    edge.begin_to_stop();
    assert_eq!(ann.frame().await["type"], "redirect");
    assert_eq!(ann.closed().await["code"], 1012);
    edge.ended().await;
    edge.stop().await;
}

#[tokio::test]
async fn comments_keep_a_stream_open_and_silence_ends_it() {
    let edge = Edge::with(|limits| (limits.heartbeat_ms, limits.heartbeat_misses) = (200, 3)).await;
    let mut ann = Stream::open(&edge, "ann").await;
    // Its posts are its signs of life.
    for _ in 0..6 {
        assert_eq!(ann.told().await, Told::Comment);
        ann.post(&edge, &json!({"type": "ping"})).await;
        assert_eq!(ann.frame().await["type"], "pong");
    }
    assert_eq!(ann.closed().await["code"], 1001);
    edge.stop().await;
}

#[tokio::test]
async fn posts_wait_for_room_and_are_refused_whole_when_there_is_none_in_time() {
    let edge = Edge::with(|limits| {
        (limits.posted_frames, limits.frame_bytes, limits.write_timeout_ms) = (4, PLUGS, 60_000);
        limits.place_wait_ms = 200;
    })
    .await;
    let mut ann = Stream::open(&edge, "ann").await;
    let pings = |count: usize| json!(vec![json!({"type": "ping"}); count]).to_string();
    // More at once than may wait: taken whole, as nothing waits before them.
    assert_eq!(ann.posting(&edge, pings(5)).send().await.unwrap().status(), 202);
    for _ in 0..5 {
        assert_eq!(ann.frame().await["type"], "pong");
    }
    // The session waits in a write, and its posts wait for it.
    let plug = json!({"type": "entry", "plug": "x".repeat(12 << 20)}).to_string();
    let before = edge.metric("tidings_gateway_frames_out_total");
    edge.push(&[ann.number], Kind::Entry, plug).await;
    until("the plug is under way", || edge.metric("tidings_gateway_frames_out_total") > before)
        .await;
    ann.post(&edge, &json!([{"type": "ping"}, {"type": "ping"}, {"type": "ping"}])).await;
    let answer = ann.posting(&edge, pings(2)).send().await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "1");
    let body: Value = answer.json().await.unwrap();
    assert_eq!((&body["code"], &body["limit"]), (&json!("rate_limited"), &json!("waiting")));
    ann.post(&edge, &json!({"type": "ping"})).await;

    assert_eq!(ann.frame().await["type"], "entry");
    for _ in 0..4 {
        assert_eq!(ann.frame().await["type"], "pong");
    }
    edge.stop().await;
}

#[tokio::test]
async fn a_post_that_is_too_large_or_no_frames_is_refused() {
    let edge = Edge::with(|limits| limits.frame_bytes = 1_000).await;
    let ann = Stream::open(&edge, "ann").await;
    let (status, _) = refusal(ann.posting(&edge, "x".repeat(3_000))).await;
    assert_eq!(status, 413);
    let (status, body) = refusal(ann.posting(&edge, "[{]")).await;
    assert_eq!((status, &body["code"]), (400, &json!("bad_frame")));
    edge.stop().await;
}

#[tokio::test]
async fn a_panic_in_the_session_of_a_stream_closes_it_with_1011_and_nothing_else() {
    gateway::planted::panic_on(PANIC);
    let edge = Edge::start().await;
    let mut ann = Stream::open(&edge, "ann").await;
    let mut bob = Device::connect(&edge, "bob").await;
    ann.post(&edge, &json!({ "type": "ping", "ref": PANIC })).await;
    assert_eq!(ann.closed().await["code"], 1011);
    until("presence hears that it is gone", || {
        edge.presence.account().disconnected.iter().any(|gone| gone.connection == ann.number)
    })
    .await;
    bob.is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_given_up_and_leaves_nothing_behind() {
    let edge =
        Edge::with(|limits| (limits.write_timeout_ms, limits.frame_bytes) = (300, PLUGS)).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let mut stuck = socket.connect(edge.address).await.unwrap();
    let request = format!("GET /sse?token={} HTTP/1.1\r\nHost: x\r\n\r\n", token("ann"));
    stuck.write_all(request.as_bytes()).await.unwrap();
    until("it is there", || edge.presence.account().connected.len() == 1).await;
    let number = edge.presence.account().connected[0].connection;
    let entry = json!({"type": "entry", "plug": "x".repeat(12 << 20)}).to_string();
    edge.push(&[number], Kind::Entry, entry).await;
    until("it is given up", || {
        edge.metric(r#"tidings_gateway_closes_total{code="4009"}"#) == 1
            && edge.metric("tidings_gateway_connections") == 0
    })
    .await;
    // Its connection goes, too: nothing of it keeps the gateway.
    let began = std::time::Instant::now();
    edge.stop().await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_stream_that_ends_takes_back_that_it_writes() {
    let edge = Edge::start().await;
    let ann = Stream::open(&edge, "ann").await;
    let id = uuid::Uuid::now_v7();
    ann.post(&edge, &json!({ "type": "typing", "conversation_id": id, "on": true })).await;
    let told = |on| ("ann".to_owned(), id.as_bytes().to_vec(), on);
    assert_eq!(crate::sends::typing(&edge).await, told(true));
    drop(ann);
    assert_eq!(crate::sends::typing(&edge).await, told(false));
    edge.stop().await;
}
