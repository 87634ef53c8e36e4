//! What a run asks of REST: groups before it, broadcasts and pins beside it, logs and statuses after it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::id::UserName;
use serde::Deserialize;
use uuid::Uuid;
use verdict::event::Event;
use verdict::history::{Mark, Observation, Via};
use wire_client::hear;
use wire_client::rest::NewGroup;
pub use wire_client::rest::RestError;
use wire_client::scan::{Elements, Fields, Malformed};
use wire_client::token::Signer;

use crate::author::author;
use crate::client::telling;
use crate::plan::Plan;
use crate::record::Recorder;

/// Entries asked for in one page; the server may give fewer.
const PAGE_ENTRIES: u32 = 200;

/// One gateway's REST, for the users and conversations of a plan.
#[derive(Debug, Clone)]
pub struct Rest(wire_client::rest::Rest);

/// An entry of a log, as far as pins are compared.
#[derive(Debug, Clone, Deserialize)]
pub struct LogEntry {
    /// Its place.
    pub seq: u64,
    /// Its kind.
    pub kind: String,
    /// The entry that it changes.
    pub target: Option<u64>,
    /// The client's id of it.
    pub client_id: Option<Uuid>,
    /// What it says.
    pub content: PinContent,
}

/// The content of a pin; of other kinds it means nothing.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct PinContent {
    /// The target is pinned from then on.
    #[serde(default)]
    pub on: bool,
}

/// The answer to a pin.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct PinAnswer {
    /// Its place.
    pub seq: u64,
    /// It was so already, and nothing is stored.
    #[serde(default)]
    pub unchanged: bool,
}

#[derive(Deserialize)]
struct LogPage {
    entries: Vec<LogEntry>,
    more: bool,
}

#[derive(Deserialize)]
struct Pins {
    pins: Vec<PinOfList>,
}

#[derive(Deserialize)]
struct PinOfList {
    entry: Place,
    pinned_seq: u64,
}

#[derive(Deserialize)]
struct Place {
    seq: u64,
}

#[derive(Deserialize)]
struct Statuses {
    statuses: Vec<Status>,
}

#[derive(Deserialize)]
struct Status {
    user_id: String,
    status: String,
}

impl Rest {
    /// REST beside the WebSocket of `authority`; what fails for now is tried again for `patience`.
    pub fn new(
        authority: &str,
        signer: Arc<Signer>,
        patience: Duration,
    ) -> Result<Self, reqwest::Error> {
        wire_client::rest::Rest::new(authority, signer, patience).map(Self)
    }

    /// The same with its patience anew.
    #[must_use]
    pub fn patient(&self) -> Self {
        Self(self.0.patient())
    }

    /// Makes the group of a conversation: its first member creates it with the others. Its id.
    pub async fn create_group(&self, plan: &Plan, conversation: u32) -> Result<Uuid, RestError> {
        let members = &plan.conversations[conversation as usize].members;
        let what = format!("make group {conversation}");
        let (creator, others) = members.split_first().ok_or_else(|| RestError::strange(&what))?;
        let absent: Vec<UserName> = plan.absent_members().collect();
        let others = others.iter().map(|member| plan.users[*member as usize].as_str());
        let group = NewGroup {
            what: &what,
            title: format!("{} group {conversation}", plan.run.name()),
            creator: &plan.users[*creator as usize],
            members: absent.iter().map(UserName::as_str).chain(others).collect(),
        };
        self.0.create_group(&group).await
    }

    /// Says to everybody when that was due.
    pub async fn broadcast(&self, due_us: u64) -> Result<(), RestError> {
        self.0.broadcast(due_us).await
    }

    /// How users are, asked as the first of them.
    pub async fn statuses(&self, users: &[UserName]) -> Result<Vec<(String, String)>, RestError> {
        let names: Vec<&str> = users.iter().map(UserName::as_str).collect();
        let asking = names.first().copied().unwrap_or_default();
        let path = format!("/presence?ids={}", names.join(","));
        let statuses: Statuses = self.0.get(asking, "presence", &path).await?;
        Ok(statuses.statuses.into_iter().map(|each| (each.user_id, each.status)).collect())
    }

    /// Pins a message as the first member of its conversation, or unpins it, under one client id until it is answered.
    pub async fn pin(
        &self,
        plan: &Plan,
        conversation: u32,
        seq: u64,
        on: bool,
        client_id: Uuid,
    ) -> Result<PinAnswer, RestError> {
        let what = format!("pin {seq} of conversation {conversation}");
        let (user, id) = member(plan, conversation);
        let path = format!("/conversations/{id}/pins/{seq}?client_id={client_id}");
        let method = if on { reqwest::Method::PUT } else { reqwest::Method::DELETE };
        let request = |http: &reqwest::Client, url: &str| http.request(method.clone(), url);
        let answer = self.0.ask(user, &what, &path, request).await?;
        serde_json::from_slice(&answer).map_err(|_| RestError::strange(&what))
    }

    /// The pinned messages of a conversation, the last one first, each with the entry that pinned it.
    pub async fn pins(&self, plan: &Plan, conversation: u32) -> Result<Vec<(u64, u64)>, RestError> {
        let what = format!("pins of conversation {conversation}");
        let (user, id) = member(plan, conversation);
        let pins: Pins = self.0.get(user, &what, &format!("/conversations/{id}/pins")).await?;
        Ok(pins.pins.into_iter().map(|pin| (pin.entry.seq, pin.pinned_seq)).collect())
    }

    /// All entries of a conversation's log.
    pub async fn whole_log(
        &self,
        plan: &Plan,
        conversation: u32,
    ) -> Result<Vec<LogEntry>, RestError> {
        let what = format!("log of conversation {conversation}");
        let (user, id) = member(plan, conversation);
        let mut log: Vec<LogEntry> = Vec::new();
        loop {
            let after = log.last().map_or(0, |entry| entry.seq);
            let page: LogPage = self.0.get(user, &what, &messages(id, after)).await?;
            let is_over = !page.more || page.entries.is_empty();
            log.extend(page.entries);
            if is_over {
                return Ok(log);
            }
        }
    }

    /// Reads the whole log of a conversation as its first member.
    pub async fn history(
        &self,
        plan: &Plan,
        payload: usize,
        conversation: u32,
        recorder: Option<&Recorder>,
    ) -> Result<Vec<Observation>, RestError> {
        let what = format!("history of conversation {conversation}");
        let strange = |_: Malformed| RestError::strange(&what);
        let (reader, id) = member(plan, conversation);
        let mut log: Vec<Observation> = Vec::new();
        loop {
            let after_seq = log.last().map_or(0, |entry| entry.seq);
            let path = messages(id, after_seq.into());
            let json = self.0.ask(reader, &what, &path, |http, url| http.get(url)).await?;
            let page = Page::read(&json, plan, payload, conversation, recorder).map_err(strange)?;
            let is_stuck = page.entries.last().is_none_or(|last| last.seq <= after_seq);
            log.extend(page.entries);
            if !page.has_more {
                if let Some(recorder) = recorder {
                    recorder.take(now(plan), Event::LogEnd { conv: conversation });
                }
                return Ok(log);
            }
            if is_stuck {
                return Err(strange(Malformed));
            }
        }
    }
}

/// The path of a page of a log.
fn messages(id: Uuid, after_seq: u64) -> String {
    format!("/conversations/{id}/messages?after_seq={after_seq}&limit={PAGE_ENTRIES}")
}

/// The first member of a conversation, and its id.
fn member(plan: &Plan, conversation: u32) -> (&str, Uuid) {
    let planned = &plan.conversations[conversation as usize];
    let member = planned.members.first().copied().unwrap_or_default();
    (plan.users[member as usize].as_str(), planned.id)
}

/// The machine's clock.
fn now(plan: &Plan) -> u64 {
    plan.run.nanos(plan.run.micros(Instant::now()))
}

struct Page {
    entries: Vec<Observation>,
    has_more: bool,
}

impl Page {
    fn read(
        json: &[u8],
        plan: &Plan,
        payload: usize,
        conversation: u32,
        recorder: Option<&Recorder>,
    ) -> Result<Self, Malformed> {
        let mut page = Self { entries: Vec::new(), has_more: false };
        let mut fields = Fields::of(json)?;
        while let Some((key, value)) = fields.next()? {
            match key {
                b"more" => page.has_more = value == b"true",
                b"entries" => {
                    let mut entries = Elements::of(value)?;
                    while let Some(entry) = entries.next()? {
                        page.entries.push(observe(entry, plan, payload, conversation, recorder)?);
                    }
                }
                _ => {}
            }
        }
        Ok(page)
    }
}

fn observe(
    json: &[u8],
    plan: &Plan,
    payload: usize,
    conversation: u32,
    recorder: Option<&Recorder>,
) -> Result<Observation, Malformed> {
    let entry = hear::entry(json)?;
    let author = author(plan, payload, conversation, &entry);
    let seq = u32::try_from(entry.seq).map_err(|_| Malformed)?;
    if let Some(recorder) = recorder {
        let entry = telling::seen(conversation, seq, &author, &entry);
        recorder.take(now(plan), Event::Log { entry });
    }
    Ok(Observation {
        mark: Mark::of(entry.id),
        seq,
        sender: author.sender,
        number: author.number,
        connection: 0,
        via: Via::History,
        is_altered: author.is_altered,
    })
}
