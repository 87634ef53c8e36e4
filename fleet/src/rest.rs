//! What the fleet asks over REST: groups at the start, logs and statuses at the end.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::id::UserName;
use reqwest::StatusCode;
use serde::Deserialize;
use uuid::Uuid;

use crate::author::author;
use crate::client::telling;
use crate::event::Event;
use crate::hear;
use crate::history::{Mark, Observation, Via};
use crate::plan::{NAMED, Plan};
use crate::record::Recorder;
use crate::scan::{Elements, Fields, Malformed};
use crate::token::Signer;

/// One request takes no longer.
const REQUEST: Duration = Duration::from_secs(15);
/// Waited when the server is busy and does not say how long.
const RETRY_AFTER: Duration = Duration::from_millis(300);
/// Entries asked for in one page; the server may give fewer.
const PAGE_ENTRIES: u32 = 200;

/// REST did not do it.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// No connection, or it broke.
    #[error("{what}: {why}")]
    Http {
        /// What was asked for.
        what: String,
        /// The library's error with its causes.
        why: String,
    },
    /// The server said no.
    #[error("{what}: {status}: {body}")]
    Refused {
        /// What was asked for.
        what: String,
        /// The status.
        status: StatusCode,
        /// What it said, the beginning.
        body: String,
    },
    /// The answer is not what the description says.
    #[error("{what}: the answer is not understood")]
    Strange {
        /// What was asked for.
        what: String,
    },
}

/// One gateway's REST.
#[derive(Debug, Clone)]
pub struct Rest {
    http: reqwest::Client,
    base: String,
    signer: Arc<Signer>,
    patience: Duration,
    /// Nothing is tried again after this.
    deadline: Instant,
}

#[derive(Deserialize)]
struct Created {
    id: Uuid,
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

#[derive(Deserialize, Default)]
struct Busy {
    #[serde(default)]
    retry_after_ms: Option<u64>,
}

impl Rest {
    /// REST beside the WebSocket of `authority`; what fails for now is tried again for `patience`.
    pub fn new(
        authority: &str,
        signer: Arc<Signer>,
        patience: Duration,
    ) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder().timeout(REQUEST).no_proxy().build()?;
        let base = format!("http://{authority}/api/v1");
        Ok(Self { http, base, signer, patience, deadline: Instant::now() + patience })
    }

    /// The same with its patience anew.
    fn patient(&self) -> Self {
        Self { deadline: Instant::now() + self.patience, ..self.clone() }
    }

    /// Asks until it is answered, refused for good, or too late.
    async fn ask(
        &self,
        user: &str,
        what: &str,
        request: impl Fn() -> reqwest::RequestBuilder,
    ) -> Result<Vec<u8>, RestError> {
        let strange = || RestError::Strange { what: what.to_owned() };
        loop {
            let token = self.signer.sign(user).map_err(|_| strange())?;
            let answer = request().bearer_auth(token).send().await;
            let is_late = Instant::now() > self.deadline;
            let wait = match answer {
                Ok(answer) if answer.status().is_success() => {
                    let body = answer.bytes().await;
                    return body.map(Into::into).map_err(|error| http_error(what, &error));
                }
                Ok(answer) => {
                    let status = answer.status();
                    let body = answer.text().await.unwrap_or_default();
                    if is_late || !is_retryable(status) {
                        let body = body.chars().take(300).collect();
                        return Err(RestError::Refused { what: what.to_owned(), status, body });
                    }
                    let busy: Busy = serde_json::from_str(&body).unwrap_or_default();
                    busy.retry_after_ms.map_or(RETRY_AFTER, Duration::from_millis)
                }
                Err(error) if is_late => return Err(http_error(what, &error)),
                Err(_) => RETRY_AFTER,
            };
            tokio::time::sleep(wait.min(Duration::from_secs(5))).await;
        }
    }

    /// Makes the group of a conversation: its first member creates it with the others. Its id.
    pub async fn create_group(&self, plan: &Plan, conversation: u32) -> Result<Uuid, RestError> {
        let members = &plan.conversations[conversation as usize].members;
        let what = format!("make group {conversation}");
        let strange = || RestError::Strange { what: what.clone() };
        let (creator, others) = members.split_first().ok_or_else(strange)?;
        let absent: Vec<UserName> = plan.absent_members().collect();
        let others = others.iter().map(|member| plan.users[*member as usize].as_str());
        let names: Vec<&str> = absent.iter().map(UserName::as_str).chain(others).collect();
        let (named, added) = names.split_at(names.len().min(NAMED));
        // The same for each attempt, so that an answer lost on its way makes no second group.
        let client_id = Uuid::now_v7();
        let body = serde_json::json!({
            "client_id": client_id,
            "kind": "group",
            "title": format!("{} group {conversation}", plan.run.name()),
            "members": named,
        });
        let url = format!("{}/conversations", self.base);
        let creator = plan.users[*creator as usize].as_str();
        let answer = self.ask(creator, &what, || self.http.post(&url).json(&body)).await?;
        let made = serde_json::from_slice::<Created>(&answer).map_err(|_| strange())?;
        let url = format!("{}/conversations/{}/members", self.base, made.id);
        for members in added.chunks(NAMED) {
            let body = serde_json::json!({ "client_id": Uuid::now_v7(), "members": members });
            // A group of 100,000 takes a hundred requests, more than one patience on a busy machine.
            self.patient().ask(creator, &what, || self.http.post(&url).json(&body)).await?;
        }
        Ok(made.id)
    }

    /// Says to everybody when that was due.
    pub async fn broadcast(&self, due_us: u64) -> Result<(), RestError> {
        let what = "broadcast".to_owned();
        let strange = |_| RestError::Strange { what: what.clone() };
        let token = self.signer.sign_as("fleet.operator", &["admin"]).map_err(strange)?;
        let url = format!("{}/admin/broadcast", self.base);
        let body = serde_json::json!({ "content": { "due_us": due_us } });
        let answer = self.http.post(&url).bearer_auth(token).json(&body).send().await;
        let answer = answer.map_err(|error| http_error(&what, &error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        Err(RestError::Refused { what, status, body: answer.text().await.unwrap_or_default() })
    }

    /// How users are, asked as the first of them.
    pub async fn statuses(&self, users: &[UserName]) -> Result<Vec<(String, String)>, RestError> {
        let names: Vec<&str> = users.iter().map(UserName::as_str).collect();
        let what = "presence".to_owned();
        let asking = names.first().copied().unwrap_or_default();
        let url = format!("{}/presence?ids={}", self.base, names.join(","));
        let answer = self.ask(asking, &what, || self.http.get(&url)).await?;
        let statuses: Statuses =
            serde_json::from_slice(&answer).map_err(|_| RestError::Strange { what })?;
        Ok(statuses.statuses.into_iter().map(|each| (each.user_id, each.status)).collect())
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
        let strange = |_: Malformed| RestError::Strange { what: what.clone() };
        let planned = &plan.conversations[conversation as usize];
        let reader = planned.members.first().ok_or_else(|| strange(Malformed))?;
        let reader = plan.users[*reader as usize].as_str();
        let mut log: Vec<Observation> = Vec::new();
        loop {
            let after_seq = log.last().map_or(0, |entry| entry.seq);
            let url = format!(
                "{}/conversations/{}/messages?after_seq={after_seq}&limit={PAGE_ENTRIES}",
                self.base, planned.id
            );
            let json = self.ask(reader, &what, || self.http.get(&url)).await?;
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

/// The machine's clock.
fn now(plan: &Plan) -> u64 {
    plan.run.nanos(plan.run.micros(Instant::now()))
}

fn http_error(what: &str, error: &reqwest::Error) -> RestError {
    // Its own words say only that the request failed; the causes say why.
    let mut why = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        why = format!("{why}: {error}");
        cause = error.source();
    }
    RestError::Http { what: what.to_owned(), why }
}

fn is_retryable(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY
    )
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
