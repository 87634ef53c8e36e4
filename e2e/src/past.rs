//! Data that a version before has written, and what its users saw of it then: a story that is told to any install, and
//! what everybody sees of it, as one JSON value that another version is compared with.
//!
//! Must use nothing of the protocol that the oldest of these versions does not have.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::client::Client;
use crate::token::token_with;

/// Everybody in the story, with their names; `op` is an operator.
const PEOPLE: [(&str, &str); 6] = [
    ("ann", "Ann Åström"),
    ("bob", "Bob"),
    ("cleo", "Cléo 🎉"),
    ("dan", "Dan"),
    ("erin", "Érin"),
    ("op", "Operator"),
];

/// What the database is made to refuse while the story is told, so that there is a dead letter.
pub const POISON: &str = "poison";

/// Entries of one page.
const PAGE: u64 = 4;

/// An install that is asked and told as by its users.
#[derive(Debug)]
pub struct Past<'a> {
    /// `host:port` of a gateway.
    pub address: &'a str,
    http: reqwest::Client,
}

/// Something that was asked for under a client id, and the answer to it.
#[derive(Debug)]
struct Said {
    user: &'static str,
    /// Of a request; empty for a frame.
    method: &'static str,
    path: String,
    body: Value,
}

impl<'a> Past<'a> {
    /// At a gateway.
    pub fn at(address: &'a str) -> Self {
        Self { address, http: reqwest::Client::new() }
    }

    /// A token of somebody in the story.
    pub fn token(user: &str) -> String {
        let name = PEOPLE.iter().find(|(id, _)| *id == user).map_or(user, |(_, name)| *name);
        let roles = if user == "op" { json!(["admin"]) } else { json!([]) };
        token_with(user, 3600, &json!({ "name": name, "roles": roles }))
    }

    /// A device of somebody, which acknowledges nothing by itself.
    pub async fn device(&self, user: &str) -> Client {
        let mut client = Client::connect(self.address, &Self::token(user)).await;
        client.stop_acknowledging();
        client
    }

    /// The status and the JSON of an answer.
    pub async fn ask(&self, user: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let method: Method = method.parse().expect("a method");
        let url = format!("http://{}/api/v1{path}", self.address);
        let mut request = self.http.request(method, url).bearer_auth(Self::token(user));
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.bytes().await.expect("an answer");
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Says it, or says it again, and answers what the answer says of what is stored.
    async fn answer(&self, said: &Said) -> Value {
        let answer = if said.method.is_empty() {
            let mut device = self.device(said.user).await;
            device.say(&said.body).await;
            let answer = device.answer_to(said.body["ref"].as_str().unwrap_or_default()).await;
            device.close().await;
            answer
        } else {
            let (status, answer) = self.ask(said.user, said.method, &said.path, &said.body).await;
            assert!(status < 300, "{said:?}: {status} {answer}");
            answer
        };
        // A conversation is shown as it is now: what does not change is its id.
        let kept = ["type", "code", "id", "seq", "client_id", "conversation_id", "timestamp"];
        let mut stored = Map::new();
        for key in kept.into_iter().filter(|key| *key != "type" || said.method.is_empty()) {
            if let Some(value) = answer.get(key) {
                stored.insert(key.to_owned(), value.clone());
            }
        }
        stored.into()
    }

    /// Tells the story. What was said under client ids, each with its answer.
    pub async fn tell(&self) -> Value {
        let mut told = Told { past: self, said: Vec::new() };
        told.direct_conversations().await;
        told.group().await;
        told.letter().await;
        told.said.into()
    }

    /// Says again what the story said; the differences to the answers that there were.
    pub async fn say_again(&self, said: &Value) -> Vec<String> {
        let mut differences = Vec::new();
        for said in said.as_array().expect("a list") {
            let again = Said {
                user: PEOPLE
                    .iter()
                    .find_map(|(id, _)| (said["user"] == *id).then_some(*id))
                    .expect("somebody in the story"),
                method: match said["method"].as_str() {
                    Some("POST") => "POST",
                    Some("PATCH") => "PATCH",
                    _ => "",
                },
                path: said["path"].as_str().unwrap_or_default().to_owned(),
                body: said["body"].clone(),
            };
            let place = format!("{} {}", again.user, again.body);
            compare(&said["answer"], &self.answer(&again).await, &place, &mut differences);
        }
        differences
    }

    /// What everybody sees.
    pub async fn seen(&self) -> Value {
        let mut conversations: Vec<String> = Vec::new();
        for (user, _) in PEOPLE {
            let (_, list) = self.ask(user, "GET", "/conversations?limit=100", &Value::Null).await;
            let ids = list["conversations"].as_array().into_iter().flatten();
            conversations.extend(ids.filter_map(|one| one["id"].as_str().map(str::to_owned)));
        }
        conversations.sort();
        conversations.dedup();
        let mut seen = Map::new();
        for (user, _) in PEOPLE {
            let mut answers = BTreeMap::new();
            let mut paths =
                vec!["/conversations?limit=100".to_owned(), "/users?prefix=a".to_owned()];
            for id in &conversations {
                let page = format!("/conversations/{id}/messages?limit={PAGE}");
                paths.push(format!("/conversations/{id}"));
                paths.push(format!("/conversations/{id}/members"));
                paths.extend([page.clone(), format!("{page}&before_seq=7")]);
                paths.push(format!("{page}&after_seq=5"));
            }
            if user == "op" {
                paths.push("/admin/dead-letters".to_owned());
            }
            for path in paths {
                let (status, body) = self.ask(user, "GET", &path, &Value::Null).await;
                // Words of errors may change.
                let body = if status == 200 { body } else { body["code"].clone() };
                answers.insert(path, json!({ "status": status, "body": body }));
            }
            seen.insert(
                user.to_owned(),
                json!({ "rest": answers, "socket": self.synced(user).await }),
            );
        }
        seen.into()
    }

    /// What a new device gets, what one gets that has the first three entries of each log, and the digest of heads.
    async fn synced(&self, user: &str) -> Value {
        let mut device = self.device(user).await;
        let mut sync = async |cursors: Value| {
            device.say(&json!({ "type": "sync", "cursors": cursors })).await;
            let mut frames: Vec<Value> = Vec::new();
            loop {
                let frame = device.expect_any(&["sync_page", "synced"]).await;
                let is_last = frame["type"] == "synced";
                frames.push(frame);
                if is_last {
                    break;
                }
            }
            // Conversations come in no order.
            frames.sort_by_key(|frame| frame["conversation_id"].to_string());
            frames
        };
        let new = sync(json!({})).await;
        let ids = new.iter().filter_map(|page| page["conversation_id"].as_str());
        let cursors: Value = ids.map(|id| (id.to_owned(), json!(3))).collect::<Map<_, _>>().into();
        let back = sync(cursors).await;
        device.say(&json!({ "type": "ping" })).await;
        let heads = device.expect("pong").await["heads"].clone();
        device.close().await;
        json!({ "new": new, "back": back, "heads": heads })
    }
}

struct Told<'a> {
    past: &'a Past<'a>,
    said: Vec<Value>,
}

impl Told<'_> {
    async fn say(&mut self, said: Said) -> Value {
        let answer = self.past.answer(&said).await;
        let Said { user, method, path, body } = said;
        self.said.push(
            json!({ "user": user, "method": method, "path": path, "body": body, "answer": answer }),
        );
        answer
    }

    async fn frame(&mut self, user: &'static str, mut frame: Value) -> Value {
        let id = Uuid::now_v7().to_string();
        frame["type"] = json!("send");
        (frame["client_id"], frame["ref"]) = (json!(id), json!(&id[24..]));
        self.say(Said { user, method: "", path: String::new(), body: frame }).await
    }

    async fn request(
        &mut self,
        user: &'static str,
        method: &'static str,
        path: String,
        mut body: Value,
    ) -> Value {
        body["client_id"] = json!(Uuid::now_v7());
        self.say(Said { user, method, path, body }).await
    }

    async fn cursors(&self, user: &str, conversation_id: &Value, delivered: u64, read: u64) {
        let mut device = self.past.device(user).await;
        for (kind, seq) in [("delivered", delivered), ("read", read)] {
            device
                .say(&json!({ "type": kind, "conversation_id": conversation_id, "seq": seq }))
                .await;
        }
        // The last word of a partition is stored with what comes after it.
        let path =
            format!("/conversations/{}/members", conversation_id.as_str().unwrap_or_default());
        crate::eventually::eventually("cursors", std::time::Duration::from_secs(30), async || {
            let (_, members) = self.past.ask(user, "GET", &path, &Value::Null).await;
            let mut all = members["members"].as_array().into_iter().flatten();
            let own = all.find(|member| member["user_id"] == user || member["id"] == user);
            match own {
                Some(own) if own["read_seq"] == read && own["delivered_seq"] == delivered => Ok(()),
                _ => Err(members.clone()),
            }
        })
        .await;
        device.close().await;
    }

    async fn direct_conversations(&mut self) {
        let hello = json!({ "to": "bob", "content": { "text": "hello Bob — ünïcode 🎉 \\ \"quoted\" \n" } });
        let first = self.frame("ann", hello).await;
        let id = first["conversation_id"].clone();
        self.frame("bob", json!({ "to": "ann", "content": { "text": "hi" }, "reply_to": 1 })).await;
        let rich = json!({ "conversation_id": id, "content": { "text": "look, @bob", "color": [1, 2.5, null] },
            "mentions": ["bob"], "is_important": true, "extra": { "from": "a phone", "n": [1e3] } });
        self.frame("ann", rich).await;
        for n in 4..=8 {
            self.frame(
                "ann",
                json!({ "conversation_id": id, "content": { "text": format!("number {n}") } }),
            )
            .await;
        }
        self.cursors("bob", &id, 6, 5).await;
        let to_ann = json!({ "to": "ann", "content": { "text": "Cléo here" } });
        self.frame("cleo", to_ann).await;
        // A text that lists show cut.
        self.frame("erin", json!({ "to": "cleo", "content": { "text": "long ".repeat(60) } }))
            .await;
    }

    async fn group(&mut self) {
        let made = json!({ "kind": "group", "title": "Crew", "members": ["bob", "cleo", "dan"] });
        let made = self.request("ann", "POST", "/conversations".to_owned(), made).await;
        let id = made["id"].clone();
        let path = format!("/conversations/{}", id.as_str().expect("an id"));
        self.request(
            "dan",
            "POST",
            format!("{path}/messages"),
            json!({ "content": { "text": "first!" } }),
        )
        .await;
        self.frame("bob", json!({ "conversation_id": id, "content": { "text": "second" } })).await;
        self.request("ann", "PATCH", format!("{path}/members/bob"), json!({ "role": "admin" }))
            .await;
        self.request("bob", "PATCH", path.clone(), json!({ "title": "Crew, renamed" })).await;
        let (status, removed) =
            self.past.ask("ann", "DELETE", &format!("{path}/members/dan"), &Value::Null).await;
        assert_eq!(status, 200, "{removed}");
        self.frame(
            "cleo",
            json!({ "conversation_id": id, "content": { "text": "dan does not read this" } }),
        )
        .await;
        self.request("bob", "POST", format!("{path}/members"), json!({ "members": ["erin"] }))
            .await;
        self.request(
            "ann",
            "POST",
            format!("{path}/members"),
            json!({ "members": ["op"], "role": "admin" }),
        )
        .await;
        let (status, left) =
            self.past.ask("cleo", "DELETE", &format!("{path}/members/cleo"), &Value::Null).await;
        assert_eq!(status, 200, "{left}");
        let words = json!({ "conversation_id": id, "kind": "system", "content": { "text": "maintenance at six" } });
        self.frame("op", words).await;
        self.frame("erin", json!({ "conversation_id": id, "content": { "text": "welcome, me" } }))
            .await;
        self.cursors("ann", &id, 12, 12).await;
        self.cursors("erin", &id, 10, 9).await;
    }

    /// A frame that is put aside, since the database refuses it.
    async fn letter(&mut self) {
        let mut device = self.past.device("cleo").await;
        let id = device.send_to("bob", POISON).await;
        let refused = device.answer_to(POISON).await;
        assert_eq!((&refused["code"], &refused["client_id"]), (&json!("internal"), &json!(id)));
        device.close().await;
    }
}

/// Where `now` lacks something of `before`, or says something else: an answer may have got further fields.
pub fn differences(before: &Value, now: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    compare(before, now, "", &mut differences);
    differences
}

fn compare(before: &Value, now: &Value, place: &str, differences: &mut Vec<String>) {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            for (key, value) in before {
                let now = now.get(key).unwrap_or(&Value::Null);
                compare(value, now, &format!("{place}.{key}"), differences);
            }
        }
        (Value::Array(before), Value::Array(now)) if before.len() == now.len() => {
            for (at, (before, now)) in before.iter().zip(now).enumerate() {
                compare(before, now, &format!("{place}[{at}]"), differences);
            }
        }
        _ if before == now => {}
        _ => differences.push(format!("{place}: {before} is {now} now")),
    }
}
