//! A user who has every way in open at once: a socket with JSON, one with MessagePack, an event stream with posts, and REST.
//! What may be said over one of them may be said over all.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::Client;
use crate::events::{self, Events};
use crate::tenants::{Side, token_of};

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A WebSocket with frames in JSON.
    Json,
    /// A WebSocket with frames in MessagePack.
    MessagePack,
    /// Posts beside an event stream.
    Events,
    /// A request.
    Rest,
}

/// All of them.
pub const WAYS: [Way; 4] = [Way::Json, Way::MessagePack, Way::Events, Way::Rest];

/// What a request over REST says that a frame says elsewhere.
#[derive(Debug)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Below `/api/v1`.
    pub path: String,
    /// Null for none.
    pub body: Value,
}

/// A user of a tenant with every way in.
#[derive(Debug)]
pub struct Person<'a> {
    side: &'a Side<'a>,
    token: String,
    json: Client,
    packed: Client,
    events: Events,
    stream_id: String,
}

impl<'a> Person<'a> {
    /// Opens every way, each at another gateway where there are several.
    pub async fn of(side: &'a Side<'a>, user: &str, claims: &Value) -> Self {
        let token = token_of(side.tenant, user, claims);
        let address = |n| side.install.address(n);
        let json = Client::connect(address(0), &format!("{token}&device=json")).await;
        let packed = Client::connect_binary(address(1), &format!("{token}&device=packed")).await;
        let (events, stream_id) = Events::open(address(0), &format!("{token}&device=events")).await;
        Self { side, token, json, packed, events, stream_id }
    }

    /// Says something that has no answer, over a way that has frames.
    pub async fn tell(&mut self, way: Way, frame: &Value) {
        match way {
            Way::Json => self.json.say(frame).await,
            Way::MessagePack => self.packed.say(frame).await,
            Way::Events => self.post(frame).await,
            Way::Rest => panic!("REST has no frames"),
        }
    }

    async fn post(&self, frame: &Value) {
        let (address, frames) = (self.side.install.address(0), json!([frame]));
        let status = events::post(address, &self.stream_id, &self.token, &frames).await;
        assert!(status.is_success(), "{status}");
    }

    /// Says an operation over a way: the seq it got, or the code of the error.
    pub async fn say(&mut self, way: Way, frame: &Value, request: &Request) -> Result<u64, String> {
        let (reference, client_id) = (Uuid::now_v7().simple().to_string(), Uuid::now_v7());
        let mut frame = frame.clone();
        frame["ref"] = json!(reference);
        frame["client_id"] = json!(client_id);
        let answer = match way {
            Way::Json => {
                self.json.say(&frame).await;
                self.json.answer_to(&reference).await
            }
            Way::MessagePack => {
                self.packed.say(&frame).await;
                self.packed.answer_to(&reference).await
            }
            Way::Events => {
                self.post(&frame).await;
                self.events.answer_to(&reference).await
            }
            Way::Rest => {
                let Request { method, path, body } = request;
                let (status, answer) = self.side.ask(&self.token, method.clone(), path, body).await;
                assert_eq!(status >= 400, answer["code"].is_string(), "{status} {answer}");
                answer
            }
        };
        match answer["code"].as_str() {
            Some(code) => Err(code.to_owned()),
            // Of a request that copies there are several.
            None => {
                let seq = answer["seq"].as_u64().or(answer["copies"][0]["stored"]["seq"].as_u64());
                Ok(seq.unwrap_or_else(|| panic!("{answer}")))
            }
        }
    }

    /// Says a message over a way. `message` has the fields of a `send` but the conversation.
    pub async fn send(&mut self, way: Way, at: &str, message: &Value) -> Result<u64, String> {
        let mut frame = message.clone();
        frame["type"] = json!("send");
        frame["conversation_id"] = json!(at);
        let request = Request {
            method: Method::POST,
            path: format!("/conversations/{at}/messages"),
            body: message.clone(),
        };
        self.say(way, &frame, &request).await
    }

    /// Asks for something below `/api/v1`; a body that is null is none. The status and the JSON of the answer.
    pub async fn ask(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        self.side.ask(&self.token, method, path, body).await
    }

    /// Asks for something below `/api/v1` that this user may see.
    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.side.ask(&self.token, Method::GET, path, &Value::Null).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Makes a group with others.
    pub async fn group(&self, members: &[&str]) -> String {
        let new = json!({ "kind": "group", "title": "Crew", "members": members });
        let (status, made) = self.side.ask(&self.token, Method::POST, "/conversations", &new).await;
        assert_eq!(status, 201, "{made}");
        made["id"].as_str().unwrap_or_default().to_owned()
    }

    /// The next frame of a type on the socket with JSON.
    pub async fn expect(&mut self, kind: &str, is_meant: impl Fn(&Value) -> bool) -> Value {
        self.json.expect_where(kind, is_meant).await
    }
}
