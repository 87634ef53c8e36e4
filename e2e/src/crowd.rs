//! Many users of one group, each with a socket that is read all the time, and what they heard.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{Client, Heard};
use crate::eventually::eventually;
use crate::token::token;

/// Longer than presence holds any notice back.
const QUIET: Duration = Duration::from_secs(3);

/// What one socket heard.
#[derive(Debug, Default, Clone)]
pub struct Notes {
    /// The texts of entries, live or fetched when it was told that there are more.
    pub texts: BTreeSet<String>,
    /// Whom it was told about, with which status, in order.
    pub presence: Vec<(String, String)>,
    /// How it ended.
    pub closed: Option<(u16, String)>,
}

impl Notes {
    fn entry(&mut self, entry: &Value) {
        if let Some(text) = entry["content"]["text"].as_str() {
            self.texts.insert(text.to_owned());
        }
    }
}

/// Users who know each other.
#[derive(Debug)]
pub struct Crowd {
    names: Vec<String>,
    conversation_id: String,
    notes: Vec<Arc<Mutex<Notes>>>,
    readers: JoinSet<()>,
}

impl Crowd {
    /// Makes a group of users named `{label}-0` and so on; nobody is connected yet.
    pub async fn gather(label: &str, size: usize, gateway: &str) -> Self {
        let names: Vec<String> = (0..size).map(|number| format!("{label}-{number}")).collect();
        let made: Value = reqwest::Client::new()
            .post(format!("http://{gateway}/api/v1/conversations"))
            .bearer_auth(token(&names[0]))
            .json(&json!({ "kind": "group", "title": label, "members": &names[1..] }))
            .send()
            .await
            .expect("the gateway answers")
            .json()
            .await
            .expect("a conversation");
        let conversation_id = made["id"].as_str().expect("an id").to_owned();
        Self {
            notes: names.iter().map(|_| Arc::default()).collect(),
            names,
            conversation_id,
            readers: JoinSet::new(),
        }
    }

    /// Connects these users at once, each as one device that is the same every time.
    pub async fn connect(&mut self, who: impl Iterator<Item = usize>, gateway: &str) {
        let opening: Vec<_> = who
            .map(|number| {
                let path = format!("/ws?token={}&device=phone", token(&self.names[number]));
                async move {
                    let mut client = Client::open(gateway, &path).await;
                    client.expect("welcome").await;
                    (number, client)
                }
            })
            .collect();
        for (number, client) in futures_util::future::join_all(opening).await {
            let notes = Arc::clone(&self.notes[number]);
            notes.lock().expect("nobody panics holding it").closed = None;
            self.readers.spawn(read(client, notes));
        }
    }

    /// Writes a text to the group over REST and waits until all of these users have it.
    pub async fn hear(
        &self,
        text: &str,
        who: impl Iterator<Item = usize>,
        gateway: &str,
        deadline: Duration,
    ) {
        let path = format!("/api/v1/conversations/{}/messages", self.conversation_id);
        let sent = reqwest::Client::new()
            .post(format!("http://{gateway}{path}"))
            .bearer_auth(token(&self.names[0]))
            .json(&json!({ "content": { "text": text } }))
            .send()
            .await
            .expect("the gateway answers");
        assert!(sent.status().is_success(), "{}", sent.status());
        self.have(text, who, deadline).await;
    }

    /// Waits until all of these users have a text.
    pub async fn have(&self, text: &str, who: impl Iterator<Item = usize>, deadline: Duration) {
        let who: Vec<usize> = who.collect();
        eventually("everybody hears it", deadline, || async {
            let deaf: Vec<&String> = who
                .iter()
                .filter(|number| !self.notes(**number).texts.contains(text))
                .map(|number| &self.names[*number])
                .collect();
            if deaf.is_empty() { Ok(()) } else { Err(deaf) }
        })
        .await;
    }

    /// Those of whom presence knows no connection.
    pub async fn unknown(&self, gateway: &str) -> Result<Vec<String>, String> {
        let url = format!("http://{gateway}/api/v1/presence?ids={}", self.names.join(","));
        let answer = reqwest::Client::new()
            .get(url)
            .bearer_auth(token(&self.names[0]))
            .send()
            .await
            .map_err(|error| error.to_string())?;
        let answer: Value = answer.json().await.map_err(|error| error.to_string())?;
        let statuses = answer["statuses"].as_array().ok_or_else(|| answer.to_string())?;
        Ok(statuses
            .iter()
            .filter(|status| status["status"] != "online")
            .map(|status| status["user_id"].as_str().unwrap_or_default().to_owned())
            .collect())
    }

    /// What a user has heard so far.
    pub fn notes(&self, number: usize) -> Notes {
        self.notes[number].lock().expect("nobody panics holding it").clone()
    }

    /// Everything that anybody was told about anybody's presence.
    pub fn told(&self) -> Vec<(String, String)> {
        (0..self.names.len()).flat_map(|number| self.notes(number).presence).collect()
    }

    /// Waits until nothing more is told for a while, and forgets it.
    pub async fn forget_told(&self) {
        let mut before = usize::MAX;
        eventually("the notices have ended", Duration::from_mins(1), || {
            let now = self.told().len();
            let is_quiet = std::mem::replace(&mut before, now) == now;
            async move {
                tokio::time::sleep(QUIET).await;
                if is_quiet { Ok(()) } else { Err(now) }
            }
        })
        .await;
        for notes in &self.notes {
            notes.lock().expect("nobody panics holding it").presence.clear();
        }
    }

    /// Those whose sockets have ended.
    pub fn closed(&self) -> Vec<(usize, (u16, String))> {
        (0..self.names.len())
            .filter_map(|number| Some((number, self.notes(number).closed?)))
            .collect()
    }
}

async fn read(mut client: Client, notes: Arc<Mutex<Notes>>) {
    loop {
        let heard = client.listen().await;
        if let Heard::Frame(frame) = &heard
            && frame["type"] == "pong"
        {
            // It was told how far its conversations are: it asks for what it may lack.
            client.say(&json!({ "type": "sync", "cursors": {} })).await;
        }
        let mut notes = notes.lock().expect("nobody panics holding it");
        match heard {
            Heard::Frame(frame) if frame["type"] == "entry" => notes.entry(&frame),
            Heard::Frame(frame) if frame["type"] == "sync_page" => {
                frame["entries"].as_array().into_iter().flatten().for_each(|one| notes.entry(one));
            }
            Heard::Frame(frame) if frame["type"] == "presence" => {
                let text = |key: &str| frame[key].as_str().unwrap_or_default().to_owned();
                notes.presence.push((text("user_id"), text("status")));
            }
            Heard::Frame(_) => {}
            Heard::Closed(code, reason) => {
                notes.closed = Some((code, reason));
                return;
            }
        }
    }
}
