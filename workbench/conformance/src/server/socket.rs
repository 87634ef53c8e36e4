//! One WebSocket of a check, by a codec that is not the server's. Holds every frame to what is true of all frames.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use uuid::Uuid;

use super::options::Url;
use crate::checked::{Checked, NotKept, broken, check};

/// How long an answer may take on a busy machine.
pub(crate) const ANSWER: Duration = Duration::from_secs(20);

/// How a socket is opened.
#[derive(Debug, Default)]
pub(crate) struct Opening<'a> {
    pub(crate) path: &'a str,
    /// In the header `Authorization`.
    pub(crate) token: Option<&'a str>,
    /// Offered subprotocols, separated by commas.
    pub(crate) protocols: Option<&'a str>,
}

impl<'a> Opening<'a> {
    pub(crate) fn path(path: &'a str) -> Self {
        Self { path, ..Self::default() }
    }
}

/// What a socket said.
#[derive(Debug)]
pub(crate) enum Heard {
    Frame(Value),
    /// A ping of the WebSocket.
    Ping,
    /// The close code, 1005 where there was none, 1006 where the connection broke; and the reason.
    Closed(u16, String),
}

/// A socket.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Frames of a batch that are not looked at yet.
    batch: VecDeque<Value>,
    /// How many batches have come.
    pub(crate) batches: usize,
    /// The subprotocol that the server chose.
    pub(crate) protocol: Option<String>,
    /// `welcome`, once it has come.
    pub(crate) welcomed: Value,
    /// Answers every live entry with `delivered`.
    pub(crate) acknowledges: bool,
}

impl Socket {
    pub(crate) async fn open(url: &Url, opening: &Opening<'_>) -> Checked<Self> {
        let address = format!("{url}{}", opening.path);
        let wrong = |error: &dyn std::fmt::Display| NotKept::Broken(format!("{url}: {error}"));
        let mut request = address.into_client_request().map_err(|error| wrong(&error))?;
        let mut put = |name, value: String| match HeaderValue::try_from(value) {
            Ok(value) => {
                request.headers_mut().insert(name, value);
                Ok(())
            }
            Err(error) => Err(wrong(&error)),
        };
        if let Some(token) = opening.token {
            put(header::AUTHORIZATION, format!("Bearer {token}"))?;
        }
        if let Some(protocols) = opening.protocols {
            put(header::SEC_WEBSOCKET_PROTOCOL, protocols.to_owned())?;
        }
        let opened = tokio::time::timeout(ANSWER, tokio_tungstenite::connect_async(request)).await;
        let Ok(opened) = opened else { return broken(format!("{url}: no upgrade in time")) };
        let (stream, answer) = opened.map_err(|error| wrong(&error))?;
        let protocol = answer.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
        let protocol = protocol.and_then(|it| it.to_str().ok()).map(str::to_owned);
        Ok(Self {
            stream,
            batch: VecDeque::new(),
            batches: 0,
            protocol,
            welcomed: Value::Null,
            acknowledges: false,
        })
    }

    fn is_binary(&self) -> bool {
        self.protocol.as_deref() == Some("tidings.v1.msgpack")
    }

    /// The first frame, which has to be `welcome`.
    pub(crate) async fn welcome(&mut self) -> Checked {
        match self.hear().await? {
            Heard::Frame(frame) if frame["type"] == "welcome" => {
                self.welcomed = frame;
                Ok(())
            }
            other => broken(format!("`welcome` is the first frame, and this came: {other:?}")),
        }
    }

    /// A number of `welcome.limits`.
    pub(crate) fn limit(&self, name: &str) -> Checked<usize> {
        let limit = super::scope::number(&self.welcomed["limits"], name)?;
        usize::try_from(limit).map_err(|_| NotKept::Broken(format!("limits.{name} is {limit}")))
    }

    pub(crate) async fn say(&mut self, frame: &Value) -> Checked {
        let message = if self.is_binary() {
            let bytes = rmp_serde::to_vec(frame);
            Message::binary(bytes.map_err(|error| NotKept::Broken(error.to_string()))?)
        } else {
            Message::text(frame.to_string())
        };
        self.say_raw(message).await
    }

    pub(crate) async fn say_raw(&mut self, message: Message) -> Checked {
        match self.stream.send(message).await {
            Ok(()) => Ok(()),
            Err(error) => broken(format!("the connection takes no frame: {error}")),
        }
    }

    /// Everything at once, so that the frames arrive together.
    pub(crate) async fn say_all(&mut self, frames: &[Value]) -> Checked {
        for frame in frames {
            let fed = self.stream.feed(Message::text(frame.to_string())).await;
            fed.or_else(|error| broken(format!("the connection takes no frame: {error}")))?;
        }
        let flushed = self.stream.flush().await;
        flushed.or_else(|error| broken(format!("the connection takes no frame: {error}")))
    }

    /// What comes next, in time.
    pub(crate) async fn hear(&mut self) -> Checked<Heard> {
        match self.hear_within(ANSWER).await? {
            Some(heard) => Ok(heard),
            None => broken(format!("nothing came within {} s", ANSWER.as_secs())),
        }
    }

    /// The same; none when nothing comes within this time.
    pub(crate) async fn hear_within(&mut self, time: Duration) -> Checked<Option<Heard>> {
        let until = tokio::time::Instant::now() + time;
        loop {
            if let Some(frame) = self.batch.pop_front() {
                return Ok(Some(Heard::Frame(frame)));
            }
            let Ok(next) = tokio::time::timeout_at(until, self.stream.next()).await else {
                return Ok(None);
            };
            let frame = match next {
                Some(Ok(Message::Text(text))) => read_json(text.as_bytes())?,
                Some(Ok(Message::Binary(bytes))) => {
                    check!(self.is_binary(), "a binary message on a connection of text");
                    read_msgpack(&bytes)?
                }
                Some(Ok(Message::Ping(_))) => {
                    // Its pong waits in the codec until something is written.
                    let _ = self.stream.flush().await;
                    return Ok(Some(Heard::Ping));
                }
                Some(Ok(Message::Close(Some(close)))) => {
                    let reason = close.reason.to_string();
                    return Ok(Some(Heard::Closed(close.code.into(), reason)));
                }
                Some(Ok(Message::Close(None))) => {
                    return Ok(Some(Heard::Closed(1005, String::new())));
                }
                Some(Err(Error::Protocol(error))) => {
                    return broken(format!("not the WebSocket protocol: {error}"));
                }
                Some(Err(_)) | None => return Ok(Some(Heard::Closed(1006, String::new()))),
                Some(Ok(_)) => continue,
            };
            let frames = self.unpacked(frame)?;
            for frame in &frames {
                is_a_frame(frame)?;
                self.acknowledge(frame).await?;
            }
            self.batch.extend(frames);
        }
    }

    /// The frames of a batch, or the frame.
    fn unpacked(&mut self, frame: Value) -> Checked<Vec<Value>> {
        if frame["type"] != "batch" {
            return Ok(vec![frame]);
        }
        let Some(frames) = frame["frames"].as_array() else {
            return broken(format!("a batch without frames: {frame}"));
        };
        check!(frames.len() > 1, "a single frame comes as itself, and this came: {frame}");
        self.batches += 1;
        Ok(frames.clone())
    }

    async fn acknowledge(&mut self, frame: &Value) -> Checked {
        if self.acknowledges && frame["type"] == "entry" {
            let (id, seq) = (&frame["conversation_id"], &frame["seq"]);
            let delivered = json!({ "type": "delivered", "conversation_id": id, "seq": seq });
            self.say(&delivered).await?;
        }
        Ok(())
    }

    /// Skips to the next frame of a type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Checked<Value> {
        self.expect_where(kind, |_| true).await
    }

    /// Skips to the next frame of a type that is meant.
    pub(crate) async fn expect_where(
        &mut self,
        kind: &str,
        is_meant: impl Fn(&Value) -> bool + Send,
    ) -> Checked<Value> {
        let until = tokio::time::Instant::now() + ANSWER;
        let mut last = Value::Null;
        loop {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            match self.hear_within(left).await? {
                Some(Heard::Frame(frame)) if frame["type"] == kind && is_meant(&frame) => {
                    return Ok(frame);
                }
                Some(Heard::Frame(frame)) => last = frame,
                Some(Heard::Ping) => {}
                Some(Heard::Closed(code, reason)) => {
                    return broken(format!("closed with {code} {reason:?} instead of `{kind}`"));
                }
                None => return broken(format!("no `{kind}` came in time; the last frame: {last}")),
            }
        }
    }

    /// Skips to the answer with this `ref`: `sent` or `error`.
    pub(crate) async fn answer(&mut self, reference: &str) -> Checked<Value> {
        loop {
            match self.hear().await? {
                Heard::Frame(frame)
                    if (frame["type"] == "sent" || frame["type"] == "error")
                        && frame["ref"] == reference =>
                {
                    return Ok(frame);
                }
                Heard::Closed(code, reason) => {
                    return broken(format!(
                        "closed with {code} {reason:?} instead of the answer to {reference:?}"
                    ));
                }
                _ => {}
            }
        }
    }

    /// Skips to the end of the connection.
    pub(crate) async fn expect_close(&mut self, within: Duration) -> Checked<(u16, String)> {
        let until = tokio::time::Instant::now() + within;
        loop {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            match self.hear_within(left).await? {
                Some(Heard::Closed(code, reason)) => return Ok((code, reason)),
                Some(_) => {}
                None => {
                    return broken(format!("not closed within {} s", within.as_secs()));
                }
            }
        }
    }

    /// Is still served: `ping` is answered.
    pub(crate) async fn is_served(&mut self) -> Checked {
        self.say(&json!({ "type": "ping" })).await?;
        self.expect("pong").await.map(drop)
    }

    /// Sends a text to a user or a conversation and gives its answer, which has to be `sent`.
    pub(crate) async fn send(&mut self, to: &To<'_>, text: &str) -> Checked<Value> {
        let frame = to.send(Uuid::now_v7(), text);
        self.say(&frame).await?;
        let answer = self.answer(text).await?;
        check!(answer["type"] == "sent", "`send` was answered by {answer}");
        Ok(answer)
    }
}

/// Where a message goes.
#[derive(Debug)]
pub(crate) enum To<'a> {
    User(&'a str),
    Conversation(&'a str),
}

impl To<'_> {
    /// The frame of a text whose `ref` is the text.
    pub(crate) fn send(&self, client_id: Uuid, text: &str) -> Value {
        let (field, name) = match self {
            Self::User(user) => ("to", user),
            Self::Conversation(id) => ("conversation_id", id),
        };
        json!({ "type": "send", "ref": text, "client_id": client_id, field: name,
            "content": { "text": text } })
    }
}

fn read_json(bytes: &[u8]) -> Checked<Value> {
    serde_json::from_slice(bytes)
        .or_else(|error| broken(format!("a frame that is no JSON: {error}")))
}

fn read_msgpack(bytes: &[u8]) -> Checked<Value> {
    rmp_serde::from_slice(bytes)
        .or_else(|error| broken(format!("a frame that is no MessagePack: {error}")))
}

/// What is true of every frame of a server: an object with a text `type`, and no `null` beside what clients wrote.
pub(crate) fn is_a_frame(frame: &Value) -> Checked {
    let Some(fields) = frame.as_object() else {
        return broken(format!("a frame that is no object: {frame}"));
    };
    check!(frame["type"].is_string(), "a frame without a text `type`: {frame}");
    for (name, value) in fields {
        check!(!value.is_null() || name == "data", "`{name}` is null in {frame}");
    }
    Ok(())
}
