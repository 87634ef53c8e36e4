//! One event stream of a check, and the posts to it.

use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::Value;

use super::scope::{Answer, text};
use super::socket::{ANSWER, is_a_frame};
use crate::checked::{Checked, NotKept, broken, check};

/// An event stream.
#[derive(Debug)]
pub(crate) struct Events {
    http: Client,
    base: String,
    token: String,
    stream: Response,
    unread: String,
    /// Of `welcome`.
    pub(crate) connection_id: String,
}

/// What a stream said.
#[derive(Debug)]
pub(crate) enum Event {
    Frame(Value),
    /// The event `close`.
    Closed(Value),
}

impl Events {
    pub(crate) async fn open(http: &Client, base: &str, token: &str, query: &str) -> Checked<Self> {
        let request = http.get(format!("{base}/sse?{query}")).bearer_auth(token);
        let stream = request.timeout(Duration::from_hours(1)).send().await;
        let stream = stream.or_else(|error| broken(format!("GET /sse: {error}")))?;
        check!(stream.status() == 200, "GET /sse: {}", stream.status());
        let kind = stream.headers().get("content-type").and_then(|kind| kind.to_str().ok());
        check!(
            kind.is_some_and(|kind| kind.starts_with("text/event-stream")),
            "the stream's content type is {kind:?}"
        );
        let mut events = Self {
            http: http.clone(),
            base: base.to_owned(),
            token: token.to_owned(),
            stream,
            unread: String::new(),
            connection_id: String::new(),
        };
        match events.hear().await? {
            Event::Frame(frame) if frame["type"] == "welcome" => {
                events.connection_id = text(&frame, "connection_id")?;
                Ok(events)
            }
            other => broken(format!("`welcome` is the first event, and this came: {other:?}")),
        }
    }

    pub(crate) async fn hear(&mut self) -> Checked<Event> {
        loop {
            while let Some((event, rest)) = self.unread.split_once("\n\n") {
                let (mut name, mut data) = ("", None);
                for line in event.lines() {
                    match line.split_once(": ") {
                        Some(("event", it)) => name = it,
                        Some(("data", it)) => data = Some(it),
                        _ => {}
                    }
                }
                let Some(data) = data else {
                    self.unread = rest.to_owned();
                    continue;
                };
                let read = serde_json::from_str(data)
                    .or_else(|error| broken(format!("an event that is no JSON: {error}")));
                let is_close = name == "close";
                check!(
                    is_close || name.is_empty(),
                    "frames have no event name, and this has {name:?}"
                );
                self.unread = rest.to_owned();
                let read: Value = read?;
                if is_close {
                    return Ok(Event::Closed(read));
                }
                is_a_frame(&read)?;
                return Ok(Event::Frame(read));
            }
            let piece = match tokio::time::timeout(ANSWER, self.stream.chunk()).await {
                Ok(Ok(Some(piece))) => piece,
                Ok(Ok(None)) => return broken("the stream ended without the event `close`"),
                Ok(Err(error)) => return broken(format!("the stream broke: {error}")),
                Err(_) => return broken("nothing came over the stream in time"),
            };
            self.unread.push_str(&String::from_utf8_lossy(&piece).replace("\r\n", "\n"));
        }
    }

    /// Skips to the next frame of a type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Checked<Value> {
        loop {
            match self.hear().await? {
                Event::Frame(frame) if frame["type"] == kind => return Ok(frame),
                Event::Frame(_) => {}
                Event::Closed(close) => {
                    return broken(format!("closed with {close} instead of `{kind}`"));
                }
            }
        }
    }

    /// Posts one frame or an array of them.
    pub(crate) async fn post(&self, frames: &Value) -> Checked<Answer> {
        self.post_as(&self.token, frames).await
    }

    /// The same with another token.
    pub(crate) async fn post_as(&self, token: &str, frames: &Value) -> Checked<Answer> {
        let failed = |error: reqwest::Error| NotKept::Broken(format!("POST /sse: {error}"));
        let url = format!("{}/sse/{}", self.base, self.connection_id);
        let request = self.http.post(url).bearer_auth(token).body(frames.to_string());
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.map_err(failed)?;
        Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }
}
