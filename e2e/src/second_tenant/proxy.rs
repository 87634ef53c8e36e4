//! The proxy that says each request of a test again for the second tenant, once the test's own is answered.

use std::net::{Ipv4Addr, TcpListener};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use reqwest::Method;
use serde_json::Value;

use super::{mark, paired, path_there, token_there};

/// Largest body of a request or an answer.
const BODY: usize = 64 * 1024 * 1024;

/// Starts it on a thread of its own, for as long as the process lives.
pub(super) fn start(port: u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free");
    listener.set_nonblocking(true).expect("a socket can be told not to block");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            // Its own requests go where they are meant to.
            let client = reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .expect("a client");
            let routes = Router::new().fallback(forward).with_state(client);
            axum::serve(listener, routes).await.expect("it serves");
        });
    });
}

async fn forward(State(client): State<reqwest::Client>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY).await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let url = parts.uri.to_string();
    let asked = client.request(parts.method.clone(), &url).headers(kept(&parts.headers));
    let Ok(answer) = asked.body(body.clone()).send().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let (status, headers) = (answer.status(), kept(answer.headers()));
    let is_change = ![Method::GET, Method::HEAD].contains(&parts.method);
    if !is_change || !parts.uri.path().starts_with("/api/") {
        let pieces = futures_util::stream::unfold(answer, |mut answer| async move {
            let piece = answer.chunk().await.transpose()?;
            Some((piece, answer))
        });
        return (status, headers, Body::from_stream(pieces)).into_response();
    }
    let answer = answer.bytes().await.unwrap_or_default();
    if let Some(second) = again(&client, &parts, &url, &body).await
        && let (Ok(one), Ok(other)) = (serde_json::from_slice(&answer), second)
    {
        paired::answered(&one, &other);
    }
    (status, headers, answer).into_response()
}

/// The same request for the user of the same name there; none of a request without a token.
async fn again(
    client: &reqwest::Client,
    parts: &Parts,
    url: &str,
    body: &Bytes,
) -> Option<serde_json::Result<Value>> {
    let mut headers = kept(&parts.headers);
    let mut url = url.to_owned();
    let given = parts.headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
    match given.and_then(|it| it.strip_prefix("Bearer ")) {
        Some(token) => {
            let there = format!("Bearer {}", token_there(token)?);
            headers.insert(header::AUTHORIZATION, there.parse().ok()?);
        }
        None => url = path_there(&url)?,
    }
    let body = match serde_json::from_slice::<Value>(body) {
        Ok(mut body) => {
            mark(&mut body);
            Bytes::from(paired::there(&body.to_string()))
        }
        Err(_) => body.clone(),
    };
    let asked = client.request(parts.method.clone(), paired::there(&url)).headers(headers);
    let answer = asked.body(body).send().await.ok()?;
    Some(serde_json::from_slice(&answer.bytes().await.ok()?))
}

/// What does not belong to one connection alone.
fn kept(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    let proxied = HeaderName::from_static("proxy-connection");
    let of_connection =
        [header::HOST, header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH];
    for name in of_connection.into_iter().chain([proxied]) {
        kept.remove(name);
    }
    kept
}
