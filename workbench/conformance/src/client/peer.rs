//! One WebSocket of the client that is judged. Holds each of its frames to what is true of all frames.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use uuid::Uuid;

use crate::checked::{Checked, broken, check};

/// How long a request may take to be whole.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// What the client said.
#[derive(Debug)]
pub(crate) enum Heard {
    Frame(Value),
    /// The close code; 1005 where there was none, 1006 where the connection broke.
    Closed(u16),
}

/// A connection of the client.
#[derive(Debug)]
pub(crate) struct Peer {
    stream: WebSocketStream<TcpStream>,
    patience: Duration,
    /// Of its request.
    pub(crate) query: String,
    has_token: bool,
    /// Types that came while another was waited for, `ping` aside.
    pub(crate) passed: Vec<Value>,
}

impl Peer {
    /// Takes the upgrade; none where the request is none.
    pub(crate) async fn accept(stream: TcpStream, patience: Duration) -> Checked<Option<Self>> {
        let (mut path, mut query, mut has_token) = (String::new(), String::new(), false);
        #[expect(clippy::result_large_err, reason = "the type is that of the library")]
        let look = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            request.uri().path().clone_into(&mut path);
            request.uri().query().unwrap_or_default().clone_into(&mut query);
            has_token = request.headers().contains_key(header::AUTHORIZATION);
            let offered = request.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
            let offered = offered.and_then(|offered| offered.to_str().ok()).unwrap_or_default();
            has_token |= offered.contains("bearer.");
            if offered.split(',').any(|offered| offered.trim() == "tidings.v1") {
                let protocol = HeaderValue::from_static("tidings.v1");
                response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
            }
            Ok(response)
        };
        let accepted = tokio_tungstenite::accept_hdr_async(stream, look);
        let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, accepted).await else {
            return Ok(None);
        };
        check!(path == "/ws", "the client opened {path} instead of /ws");
        has_token |= query.split('&').any(|parameter| parameter.starts_with("token="));
        Ok(Some(Self { stream, patience, query, has_token, passed: Vec::new() }))
    }

    /// Has shown its token: in its request, or by its first frame.
    pub(crate) async fn authenticated(&mut self) -> Checked {
        if self.has_token {
            return Ok(());
        }
        match self.hear().await? {
            Heard::Frame(frame) if frame["type"] == "auth" => {
                check!(frame["token"].is_string(), "an `auth` without a token: {frame}");
                Ok(())
            }
            other => broken(format!("without a token the first frame is `auth`, not {other:?}")),
        }
    }

    /// A parameter of its request.
    pub(crate) fn asked_for(&self, parameter: &str) -> bool {
        self.query.split('&').any(|it| it == parameter)
    }

    pub(crate) async fn say(&mut self, frame: &Value) -> Checked {
        let said = self.stream.send(Message::text(frame.to_string())).await;
        said.or_else(|error| broken(format!("the client has left: {error}")))
    }

    /// Ends the connection with a code.
    pub(crate) async fn close(mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code: code.into(), reason: reason.to_owned().into() };
        // It may have left by itself, and it need not answer.
        let _ = self.stream.close(Some(frame)).await;
        let _ = tokio::time::timeout(HANDSHAKE, async {
            while let Some(Ok(_)) = self.stream.next().await {}
        })
        .await;
    }

    /// Ends the connection without a word.
    pub(crate) fn cut(self) {
        drop(self.stream);
    }

    /// What comes next, in time.
    pub(crate) async fn hear(&mut self) -> Checked<Heard> {
        match self.hear_within(self.patience).await? {
            Some(heard) => Ok(heard),
            None => broken(format!("the client said nothing within {} s", self.patience.as_secs())),
        }
    }

    /// The same; none when nothing comes within this time.
    pub(crate) async fn hear_within(&mut self, time: Duration) -> Checked<Option<Heard>> {
        let until = Instant::now() + time;
        loop {
            let Ok(next) = tokio::time::timeout_at(until, self.stream.next()).await else {
                return Ok(None);
            };
            match next {
                Some(Ok(Message::Text(text))) => {
                    let frame = serde_json::from_str(&text).or_else(|error| {
                        broken(format!("a frame that is no JSON: {error}: {text}"))
                    })?;
                    is_a_frame(&frame)?;
                    return Ok(Some(Heard::Frame(frame)));
                }
                Some(Ok(Message::Binary(_))) => {
                    return broken("a binary message, which is not agreed on");
                }
                Some(Ok(Message::Close(close))) => {
                    let code = close.map_or(1005, |close| close.code.into());
                    return Ok(Some(Heard::Closed(code)));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(Some(Heard::Closed(1006))),
            }
        }
    }

    /// Skips to the next frame of a type, and answers what else it asks for.
    pub(crate) async fn expect(&mut self, kind: &str) -> Checked<Value> {
        let until = Instant::now() + self.patience;
        loop {
            match self.hear_within(until.saturating_duration_since(Instant::now())).await? {
                Some(Heard::Frame(frame)) if frame["type"] == kind => return Ok(frame),
                Some(Heard::Frame(frame)) => {
                    if frame["type"] == "ping" {
                        self.say(&json!({ "type": "pong" })).await?;
                    } else {
                        self.passed.push(frame);
                    }
                }
                Some(Heard::Closed(code)) => {
                    return broken(format!("the client closed with {code} instead of `{kind}`"));
                }
                None => return broken(format!("the client said no `{kind}` in time")),
            }
        }
    }

    /// Its next `sync`, answered by these pages.
    pub(crate) async fn sync(&mut self, pages: &[Value], epoch: &str) -> Checked<Value> {
        let sync = self.expect("sync").await?;
        check!(sync["cursors"].is_object() || sync.get("cursors").is_none(), "{sync}");
        for page in pages {
            self.say(page).await?;
        }
        self.say(&json!({ "type": "synced", "epoch": epoch, "conversations": 1 })).await?;
        Ok(sync)
    }

    /// Answers a `ping` or a `sync` as a server in order does, with nothing new.
    pub(crate) async fn answer_by_itself(&mut self, frame: &Value, epoch: &str) -> Checked {
        match frame["type"].as_str() {
            Some("ping") => self.say(&json!({ "type": "pong" })).await,
            Some("sync") => {
                self.say(&json!({ "type": "synced", "epoch": epoch, "conversations": 1 })).await
            }
            _ => Ok(()),
        }
    }

    /// Skips to the end of the connection.
    pub(crate) async fn expect_close(&mut self) -> Checked<u16> {
        let until = Instant::now() + self.patience;
        loop {
            match self.hear_within(until.saturating_duration_since(Instant::now())).await? {
                Some(Heard::Closed(code)) => return Ok(code),
                Some(Heard::Frame(frame)) => self.passed.push(frame),
                None => return broken("the client did not close the connection in time"),
            }
        }
    }
}

/// What is true of every frame of a client.
fn is_a_frame(frame: &Value) -> Checked {
    let Some(kind) = frame["type"].as_str() else {
        return broken(format!("a frame without a text `type`: {frame}"));
    };
    if let Some(reference) = frame["ref"].as_str() {
        check!(reference.len() <= 64, "a `ref` above 64 bytes: {frame}");
    }
    if kind == "send" {
        let has = |field: &str| frame[field].is_string();
        check!(has("to") != has("conversation_id"), "one of `to` and `conversation_id`: {frame}");
    }
    if kind == "send" || kind == "pin" {
        let id = frame["client_id"].as_str().and_then(|id| Uuid::parse_str(id).ok());
        check!(id.is_some(), "a `client_id` that is no UUID: {frame}");
    }
    Ok(())
}
