//! How far followers are behind, as the server says it to operators.

use std::cell::RefCell;
use std::convert::Infallible;
use std::time::Duration;

use bench::crowd::error::BenchError;
use serde::Deserialize;
use wire_client::latency::Latency;
use wire_client::rest::{Rest, RestError};

use super::OPERATOR;

/// How often it is asked.
const EVERY: Duration = Duration::from_millis(250);

/// The lag of some followers, at the moments when it was asked.
#[derive(Debug, Default)]
pub(super) struct Lags {
    /// Ends of the names of the followers that count.
    names: RefCell<Vec<String>>,
    heard: RefCell<Latency>,
}

#[derive(Deserialize)]
struct List {
    followers: Vec<Follower>,
}

#[derive(Deserialize)]
struct Follower {
    name: String,
    lag_ms: u64,
}

impl Lags {
    /// Followers whose name ends so count from now on.
    pub(super) fn count(&self, name: impl Into<String>) {
        self.names.borrow_mut().push(name.into());
    }

    /// Asks until it is dropped or refused.
    pub(super) async fn watch(&self, rest: &Rest) -> Result<Infallible, BenchError> {
        let (user, roles) = OPERATOR;
        let what = "list followers";
        let mut interval = tokio::time::interval(EVERY);
        loop {
            interval.tick().await;
            let get = |http: &reqwest::Client, url: &str| http.get(url);
            let rest = rest.patient();
            let answer = rest.ask_as(user, &roles, what, "/admin/followers", get).await?;
            let list: List =
                serde_json::from_slice(&answer).map_err(|_| RestError::strange(what))?;
            let names = self.names.borrow();
            let counts = |it: &&Follower| names.iter().any(|name| it.name.ends_with(name.as_str()));
            let most = list.followers.iter().filter(counts).map(|it| it.lag_ms).max();
            if let Some(most) = most {
                self.heard.borrow_mut().record(most * 1_000);
            }
        }
    }

    /// Of the one of them that was behind most, each time.
    pub(super) fn of_all(&self) -> Latency {
        self.heard.borrow().clone()
    }
}
