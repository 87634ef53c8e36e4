//! What the public port answers to everybody: pages by their own paths, health, JSON for every refusal, and
//! who may read answers from another host's page.

use std::time::Duration;

use gateway::{Login, LoginConfig};
use reqwest::{Client, Method, header};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

use crate::device::Device;
use crate::edge::{Edge, token, until};
use crate::switched_bus::Mode;

/// Writes this and reads until the end.
async fn raw(edge: &Edge, request: &str) -> String {
    let mut tcp = tokio::net::TcpStream::connect(edge.address).await.unwrap();
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = tcp.read_to_end(&mut answer);
    tokio::time::timeout(crate::edge::PATIENCE, reading).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

/// The status and the body, which has to be that of an error.
fn refusal(answer: &str) -> (u16, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/json"), "{answer}");
    assert!(head.contains("cache-control: no-store"), "{answer}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert!(!body["message"].as_str().unwrap().is_empty(), "{answer}");
    assert!(body["code"].is_string(), "{answer}");
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
}

#[tokio::test]
async fn paths_that_do_not_exist_are_404_and_pages_are_at_their_own() {
    let edge = Edge::start().await;
    let http = Client::new();
    let base = format!("http://{}", edge.address);
    for path in ["/metrics", "/anything", "/health/live", "/assets/none.js", "/a.b", "/..%2fx"] {
        let get = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let (status, body) = refusal(&raw(&edge, &get).await);
        assert_eq!((status, &body["code"]), (404, &Value::from("not_found")), "{path}");
    }
    let answer =
        raw(&edge, "CONNECT host:22 HTTP/1.1\r\nhost: host:22\r\nconnection: close\r\n\r\n");
    assert_eq!(refusal(&answer.await).0, 404);
    let page = http.get(&base).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["referrer-policy"], "no-referrer");
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    assert_eq!(page.headers()["cache-control"], "no-cache");
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    let tag = page.headers()["etag"].clone();
    let again = http.get(&base).header(header::IF_NONE_MATCH, tag).send().await.unwrap();
    assert_eq!(again.status(), 304);
    let posted = http.post(&base).send().await.unwrap();
    assert_eq!(
        (posted.status().as_u16(), &posted.headers()["allow"]),
        (405, &"GET, HEAD".parse().unwrap())
    );
    edge.stop().await;
}

#[tokio::test]
async fn health_says_who_it_is_and_503_when_it_is_not_ready() {
    let edge = Edge::start().await;
    let _ann = Device::connect(&edge, "ann").await;
    let url = format!("http://{}/health", edge.address);
    let answer = reqwest::get(&url).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["cache-control"]),
        (200, &"no-store".parse().unwrap())
    );
    let body: Value = answer.json().await.unwrap();
    let expected = serde_json::json!({"status": "ready", "node_id": "gateway-1", "connections": 1});
    assert_eq!(body, expected);
    edge.bus.switch(Mode::Away);
    let seen_away = async {
        while edge.is_ready().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), seen_away).await.expect("the bus is missed");
    let answer = reqwest::get(&url).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "what is away for all takes no gateway out");
    assert_eq!(answer.json::<Value>().await.unwrap()["status"], "degraded");
    edge.bus.switch(Mode::Works);
    edge.stop().await;
}

#[tokio::test]
async fn a_full_gateway_asks_balancers_for_no_more_clients() {
    let edge = Edge::with(|limits| limits.connections = 1).await;
    let url = format!("http://{}/health", edge.address);
    let mut ann = Device::connect(&edge, "ann").await;
    let answer = reqwest::get(&url).await.unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    assert_eq!(answer.json::<Value>().await.unwrap()["status"], "not_ready");
    assert_eq!(edge.metric("tidings_not_ready{cause=\"full\"}"), 1);
    assert!(edge.is_ready().await, "it works for those that it has");
    ann.say_raw(Message::Close(None)).await;
    ann.closed().await;
    until("there is room", || edge.metric("tidings_serving") == 1).await;
    assert_eq!(reqwest::get(&url).await.unwrap().status().as_u16(), 200);
    edge.stop().await;
}

#[tokio::test]
async fn every_refusal_has_a_body_of_json_from_each_layer() {
    let edge = Edge::start().await;
    let ids = "x".repeat(20 << 10);
    for (what, request, expected) in [
        ("a head that is too large", format!("GET /api/v1/presence?ids={ids} HTTP/1.1\r\n"), 431),
        ("no HTTP at all", "hello\r\n\r\n".to_owned(), 400),
        ("no upgrade", "GET /ws HTTP/1.1\r\n".to_owned(), 426),
        ("no such id", "GET /ws/x HTTP/1.1\r\nupgrade: websocket\r\n".to_owned(), 426),
        ("another method", "PUT /ws HTTP/1.1\r\n".to_owned(), 405),
        ("a query that is none", "GET /sse?batch=x HTTP/1.1\r\n".to_owned(), 400),
        ("no token", "GET /sse HTTP/1.1\r\n".to_owned(), 401),
        ("no body", "POST /sse/gateway-1.1 HTTP/1.1\r\n".to_owned(), 401),
        ("another gateway", "POST /sse/elsewhere.1 HTTP/1.1\r\n".to_owned(), 421),
    ] {
        let answer = raw(&edge, &format!("{request}host: x\r\nconnection: close\r\n\r\n")).await;
        assert_eq!(refusal(&answer).0, expected, "{what}: {answer}");
    }
    let counted = r#"tidings_gateway_errors_total{code="unauthenticated",via="sse"}"#;
    until("it is counted", || edge.metric(counted) == 2).await;
    edge.stop().await;
}

#[tokio::test]
async fn a_refusal_that_leaves_a_body_unread_says_that_the_connection_ends() {
    let edge = Edge::start().await;
    let http = Client::new();
    for (bytes, connection) in [(100, None), (100_000, Some("close"))] {
        let post = http.post(format!("http://{}/api/v1/messages", edge.address));
        let answer = post.body("x".repeat(bytes)).send().await.unwrap();
        assert_eq!(answer.status(), 401, "no token: the head alone is enough");
        let said = answer.headers().get("connection").map(|value| value.to_str().unwrap());
        assert_eq!(said, connection, "{bytes} bytes");
    }
    edge.stop().await;
}

#[tokio::test]
async fn pages_of_listed_origins_may_ask_and_read_and_no_others() {
    let listed = vec!["https://app.example".to_owned()];
    let edge = Edge::set_up(|settings| settings.allowed_origins = listed).await;
    let http = Client::new();
    let me = format!("http://{}/api/v1/me", edge.address);
    let preflight = |url: &str, origin: &str| {
        http.request(Method::OPTIONS, url)
            .header("origin", origin)
            .header("access-control-request-method", "PATCH")
            .header("access-control-request-headers", "authorization,content-type")
    };
    for url in [me.clone(), format!("http://{}/sse", edge.address)] {
        let answer = preflight(&url, "https://app.example").send().await.unwrap();
        assert_eq!(answer.status(), 204, "{url}");
        let headers = answer.headers();
        assert_eq!(headers["access-control-allow-origin"], "https://app.example");
        assert!(headers["access-control-allow-methods"].to_str().unwrap().contains("PATCH"));
        let allowed = headers["access-control-allow-headers"].to_str().unwrap();
        assert!(allowed.contains("authorization") && allowed.contains("content-type"));
        assert!(headers.contains_key("access-control-max-age"));
        assert_eq!(headers["vary"], "origin");
        let refused = preflight(&url, "https://evil.example").send().await.unwrap();
        assert_eq!(refused.status(), 403);
        assert!(!refused.headers().contains_key("access-control-allow-origin"));
    }
    let asked = http.get(&me).bearer_auth(token("ann"));
    let asked = asked.header("origin", "https://app.example").send().await.unwrap();
    assert_eq!(
        (asked.status().as_u16(), &asked.headers()["vary"]),
        (200, &"origin".parse().unwrap())
    );
    assert_eq!(asked.headers()["access-control-allow-origin"], "https://app.example");
    assert_eq!(asked.headers()["cache-control"], "no-store");
    let refused = http.get(&me).header("origin", "https://app.example").send().await.unwrap();
    assert_eq!(
        refused.headers()["access-control-allow-origin"],
        "https://app.example",
        "401 is readable"
    );
    let other = http.get(&me).bearer_auth(token("ann")).header("origin", "https://evil.example");
    let other = other.send().await.unwrap();
    assert!(!other.headers().contains_key("access-control-allow-origin"));
    edge.stop().await;
}

#[tokio::test]
async fn the_page_learns_where_users_sign_in_and_may_ask_that_issuer() {
    let login = LoginConfig {
        oidc_issuer: Some("https://id.example/realm".to_owned()),
        oidc_client_id: Some("page".to_owned()),
        redirect_url: Some("https://app.example/login".to_owned()),
        ..LoginConfig::default()
    };
    let edge = Edge::set_up(|settings| settings.login = Login::new(&login).unwrap()).await;
    let url = format!("http://{}/api/v1/meta", edge.address);
    let meta: Value = reqwest::get(&url).await.unwrap().json().await.unwrap();
    let oidc = serde_json::json!({"issuer": "https://id.example/realm", "client_id": "page",
        "scope": "openid profile offline_access", "token": "access"});
    let expected = serde_json::json!({"oidc": oidc, "redirect_url": "https://app.example/login"});
    assert_eq!(meta["login"], expected);
    let page = reqwest::get(format!("http://{}/", edge.address)).await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("connect-src 'self' ws: wss: https://id.example;"), "{policy}");
    edge.stop().await;
}

#[tokio::test]
async fn development_tokens_are_for_programs_of_this_machine_and_not_for_what_a_proxy_brings() {
    let edge = Edge::start().await;
    let http = Client::new();
    let base = format!("http://{}/api/v1", edge.address);
    let port = edge.address.port();
    let ask = |headers: &[(&str, String)]| {
        let (mut meta, mut token) =
            (http.get(format!("{base}/meta")), http.post(format!("{base}/dev/token")));
        for (name, value) in headers {
            meta = meta.header(*name, value);
            token = token.header(*name, value);
        }
        let token = token.json(&serde_json::json!({"user": "alice"}));
        async move {
            let meta: Value = meta.send().await.unwrap().json().await.unwrap();
            (token.send().await.unwrap().status().as_u16(), meta["dev_tokens"].as_bool().unwrap())
        }
    };
    assert_eq!(ask(&[]).await, (200, true));
    assert_eq!(ask(&[("host", format!("localhost:{port}"))]).await, (200, true));
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
        ("via", "1.1 proxy"),
        ("x-real-ip", "127.0.0.1"),
        ("host", "evil.example"),
    ] {
        assert_eq!(ask(&[(name, value.to_owned())]).await, (403, false), "{name}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn a_proxy_that_is_not_listed_has_the_limits_of_one_stranger() {
    let edge = Edge::start().await;
    let url = format!("http://{}/sse?token=", edge.address);
    let mut open = Vec::new();
    for number in 0..11 {
        let url = format!("{url}{}", token(&format!("user-{number}")));
        let asked = Client::new().get(url).header("x-forwarded-for", "203.0.113.7");
        open.push(asked.send().await.unwrap());
    }
    let statuses: Vec<u16> = open.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(statuses, [[200; 10].as_slice(), &[429]].concat(), "address_sockets is 10");
    let direct = Client::new().get(format!("{url}{}", token("here"))).send().await.unwrap();
    assert_eq!(direct.status(), 200, "this machine itself is exempt");
    drop(open);
    edge.stop().await;
}
