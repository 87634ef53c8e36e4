//! One gateway's REST, asked until it answers: what fails for now is tried again for a while.

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::id::UserName;
use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::token::Signer;

/// One request takes no longer.
const REQUEST: Duration = Duration::from_secs(15);
/// Waited when the server is busy and does not say how long.
const RETRY_AFTER: Duration = Duration::from_millis(300);
/// Waited at most, whatever the server says.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Members that one request may name, beside the one who asks.
pub const NAMED: usize = 999;

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

impl RestError {
    /// Of an answer that is not understood.
    pub fn strange(what: &str) -> Self {
        Self::Strange { what: what.to_owned() }
    }
}

/// A group to be made.
#[derive(Debug)]
pub struct NewGroup<'a> {
    /// What it is called in errors.
    pub what: &'a str,
    /// Its title.
    pub title: String,
    /// Who makes it and is its first member.
    pub creator: &'a UserName,
    /// The others.
    pub members: Vec<&'a str>,
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
    #[must_use]
    pub fn patient(&self) -> Self {
        Self { deadline: Instant::now() + self.patience, ..self.clone() }
    }

    /// Asks until it is answered, refused for good, or too late. The path follows `/api/v1`.
    pub async fn ask(
        &self,
        user: &str,
        what: &str,
        path: &str,
        request: impl Fn(&reqwest::Client, &str) -> RequestBuilder,
    ) -> Result<Vec<u8>, RestError> {
        self.ask_as(user, &[], what, path, request).await
    }

    /// The same as a user with roles.
    pub async fn ask_as(
        &self,
        user: &str,
        roles: &[&str],
        what: &str,
        path: &str,
        request: impl Fn(&reqwest::Client, &str) -> RequestBuilder,
    ) -> Result<Vec<u8>, RestError> {
        let url = format!("{}{path}", self.base);
        loop {
            let token = self.signer.sign_as(user, roles).map_err(|_| RestError::strange(what))?;
            let answer = request(&self.http, &url).bearer_auth(token).send().await;
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
            tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
        }
    }

    /// Asks for something and reads the answer.
    pub async fn get<T: DeserializeOwned>(
        &self,
        user: &str,
        what: &str,
        path: &str,
    ) -> Result<T, RestError> {
        let answer = self.ask(user, what, path, |http, url| http.get(url)).await?;
        serde_json::from_slice(&answer).map_err(|_| RestError::strange(what))
    }

    /// Makes a group, by as many requests as its members need; its id.
    pub async fn create_group(&self, group: &NewGroup<'_>) -> Result<Uuid, RestError> {
        let (creator, what) = (group.creator.as_str(), group.what);
        let (named, added) = group.members.split_at(group.members.len().min(NAMED));
        // The same for each attempt, so that an answer lost on its way makes no second group.
        let body = serde_json::json!({
            "client_id": Uuid::now_v7(),
            "kind": "group",
            "title": group.title,
            "members": named,
        });
        let post = |http: &reqwest::Client, url: &str| http.post(url).json(&body);
        let answer = self.ask(creator, what, "/conversations", post).await?;
        let made: Created =
            serde_json::from_slice(&answer).map_err(|_| RestError::strange(what))?;
        let path = format!("/conversations/{}/members", made.id);
        for members in added.chunks(NAMED) {
            let body = serde_json::json!({ "client_id": Uuid::now_v7(), "members": members });
            let post = |http: &reqwest::Client, url: &str| http.post(url).json(&body);
            // A group of 100,000 takes a hundred requests, more than one patience on a busy machine.
            self.patient().ask(creator, what, &path, post).await?;
        }
        Ok(made.id)
    }

    /// Says to everybody when that was due.
    pub async fn broadcast(&self, due_us: u64) -> Result<(), RestError> {
        let what = "broadcast";
        let token = self.signer.sign_as("fleet.operator", &["admin"]);
        let token = token.map_err(|_| RestError::strange(what))?;
        let url = format!("{}/admin/broadcast", self.base);
        let body = serde_json::json!({ "content": { "due_us": due_us } });
        let answer = self.http.post(&url).bearer_auth(token).json(&body).send().await;
        let answer = answer.map_err(|error| http_error(what, &error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let body = answer.text().await.unwrap_or_default();
        Err(RestError::Refused { what: what.to_owned(), status, body })
    }
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
