//! The logs, who is a member of which, and who is connected.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

/// What a socket is told to do.
#[derive(Debug, Clone)]
pub enum Order {
    Say(String),
    /// Breaks the connection without a word.
    Cut,
}

#[derive(Debug, Default)]
pub struct Log {
    pub members: Vec<String>,
    /// By place.
    pub entries: BTreeMap<u64, Value>,
    pub last_seq: u64,
    /// Answers by sender and client id.
    pub answers: HashMap<(String, String), Value>,
}

#[derive(Debug, Default)]
pub struct Logs {
    pub by_id: BTreeMap<String, Log>,
    pub direct: HashMap<(String, String), String>,
    pub sockets: HashMap<String, mpsc::Sender<Order>>,
    /// Pushed after the next entry, by fault.
    pub held_back: Vec<(String, String)>,
}

impl Logs {
    /// The direct conversation of two users, made when it is missing.
    pub fn direct(&mut self, one: &str, other: &str) -> String {
        let key = if one < other { (one, other) } else { (other, one) };
        let key = (key.0.to_owned(), key.1.to_owned());
        if let Some(id) = self.direct.get(&key) {
            return id.clone();
        }
        let user = |name: &str| proto::id::UserName::parse(name).expect("a valid user");
        let id = proto::id::ConversationId::direct(
            proto::id::TenantId::DEFAULT,
            &user(one),
            &user(other),
        )
        .to_string();
        let members = vec![key.0.clone(), key.1.clone()];
        self.by_id.insert(id.clone(), Log { members, ..Log::default() });
        self.direct.insert(key, id.clone());
        id
    }

    pub fn create_group(&mut self, creator: &str, members: Vec<String>) -> String {
        let id = Uuid::now_v7().to_string();
        let mut all = vec![creator.to_owned()];
        all.extend(members);
        let mut log = Log { members: all, last_seq: 1, ..Log::default() };
        let created = json!({ "conversation_id": id, "seq": 1, "id": Uuid::now_v7(),
            "kind": "system", "sender": { "id": creator, "type": "user" },
            "content": { "event": "created" }, "timestamp": 1 });
        log.entries.insert(1, created);
        self.by_id.insert(id.clone(), log);
        id
    }

    /// Tells a user's socket, if there is one.
    pub fn say(&self, user: &str, frame: &Value) {
        if let Some(socket) = self.sockets.get(user) {
            // A full or closed socket is as good as none.
            let _ = socket.try_send(Order::Say(frame.to_string()));
        }
    }
}

impl Log {
    /// Appends a message or a reaction; the entry.
    pub fn append(&mut self, id: &str, sender: &str, send: &Value) -> Value {
        self.last_seq += 1;
        let mut entry = json!({
            "conversation_id": id, "seq": self.last_seq, "id": Uuid::now_v7(), "kind": "text",
            "sender": { "id": sender, "type": "user", "name": sender },
            "content": send["content"], "client_id": send["client_id"], "timestamp": 1,
        });
        match send["type"].as_str() {
            Some("react") => {
                let on = json!({ "key": send["key"], "on": send["on"] });
                (entry["kind"], entry["content"]) = ("reaction".into(), on);
                entry["target"] = send["seq"].clone();
            }
            _ if !send["thread"].is_null() => entry["thread"] = send["thread"].clone(),
            _ => {}
        }
        self.entries.insert(self.last_seq, entry.clone());
        entry
    }
}
