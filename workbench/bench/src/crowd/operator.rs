//! What an operator does over REST while a crowd listens: notices and broadcasts to everybody, and the question who has a
//! notice.

use std::convert::Infallible;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;
use wire_client::rest::{Rest, RestError};
use wire_client::values::Rate;

/// Who operates.
const NAME: &str = "fleet.operator";
/// With this role.
const ROLES: [&str; 1] = ["admin"];

/// An operator at one gateway.
#[derive(Debug)]
pub struct Operator(Rest);

/// What the server says of a notice.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Notice {
    /// Its place in the log of notices, once it is stored.
    pub seq: Option<u64>,
    /// Users that it was for when it was taken.
    pub targets: Option<u64>,
    /// Users of whom the server has heard something.
    #[serde(default)]
    pub counts: Counts,
}

/// Users, each counted once.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct Counts {
    /// A device has it.
    pub delivered: u64,
    /// They have read it.
    pub read: u64,
}

impl Operator {
    /// Operates over this REST.
    pub fn new(rest: Rest) -> Self {
        Self(rest)
    }

    /// Sends a notice to everybody of the tenant.
    pub async fn notice(&self, id: Uuid, text: &str, priority: &str) -> Result<(), RestError> {
        let audience = json!({ "all": true });
        let body = json!({ "id": id, "body": text, "priority": priority, "audience": audience });
        let post = |http: &reqwest::Client, url: &str| http.post(url).json(&body);
        let rest = self.0.patient();
        rest.ask_as(NAME, &ROLES, "send a notice", "/admin/notices", post).await.map(|_| ())
    }

    /// What is known of a notice.
    pub async fn show(&self, id: Uuid) -> Result<Notice, RestError> {
        let (what, path) = ("show a notice", format!("/admin/notices/{id}"));
        let get = |http: &reqwest::Client, url: &str| http.get(url);
        let answer = self.0.patient().ask_as(NAME, &ROLES, what, &path, get).await?;
        serde_json::from_slice(&answer).map_err(|_| RestError::strange(what))
    }

    /// A user says that they have read a notice.
    pub async fn read(&self, user: &str, id: Uuid) -> Result<(), RestError> {
        let path = format!("/notices/{id}/read");
        let post = |http: &reqwest::Client, url: &str| http.post(url);
        self.0.patient().ask(user, "read a notice", &path, post).await.map(|_| ())
    }

    /// Broadcasts to everybody at a rate, until it is dropped or one is refused.
    pub async fn broadcast(&self, rate: Rate) -> Result<Infallible, RestError> {
        let mut interval = tokio::time::interval(Duration::from_secs_f64(1.0 / rate.per_second()));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            self.0.broadcast(0).await?;
        }
    }
}
