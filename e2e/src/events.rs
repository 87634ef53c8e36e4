//! A device that no WebSocket reaches: the same frames as events of one answer, and by posts.

use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde_json::Value;

/// How long an event may take on a busy machine.
const EVENT: Duration = Duration::from_secs(20);

/// An event stream of one user at one gateway.
#[derive(Debug)]
pub struct Events {
    answer: Response,
    unread: String,
}

impl Events {
    /// Opens a stream and waits for `welcome`; also the connection's id.
    pub async fn open(address: &str, token: &str) -> (Self, String) {
        let answer = reqwest::get(format!("http://{address}/sse?token={token}")).await;
        let answer = answer.expect("the gateway answers");
        assert_eq!(answer.status(), StatusCode::OK);
        let mut events = Self { answer, unread: String::new() };
        let welcome = events.expect("welcome").await;
        (events, welcome["connection_id"].as_str().expect("an id").to_owned())
    }

    /// Skips to the next frame of a type.
    pub async fn expect(&mut self, kind: &str) -> Value {
        self.expect_where(|frame| frame["type"] == kind).await
    }

    /// Skips to the answer to the operation with this `ref`.
    pub async fn answer_to(&mut self, reference: &str) -> Value {
        let is_answer = |frame: &Value| frame["type"] == "sent" || frame["type"] == "error";
        self.expect_where(|frame| is_answer(frame) && frame["ref"] == reference).await
    }

    async fn expect_where(&mut self, is_meant: impl Fn(&Value) -> bool) -> Value {
        loop {
            while let Some((event, rest)) = self.unread.split_once("\n\n") {
                let frame = event.strip_prefix("data: ").map(serde_json::from_str::<Value>);
                self.unread = rest.to_owned();
                if let Some(frame) = frame {
                    let frame = frame.expect("frames are JSON");
                    if is_meant(&frame) {
                        return frame;
                    }
                }
            }
            let piece = tokio::time::timeout(EVENT, self.answer.chunk()).await.expect("in time");
            let piece = piece.expect("the stream is open").expect("it goes on");
            self.unread.push_str(std::str::from_utf8(&piece).expect("text"));
        }
    }
}

/// Posts frames for a stream; what was answered.
pub async fn post(address: &str, id: &str, token: &str, frames: &Value) -> StatusCode {
    let request = reqwest::Client::new().post(format!("http://{address}/sse/{id}"));
    let answer = request.bearer_auth(token).body(frames.to_string()).send().await;
    answer.expect("the gateway answers").status()
}
