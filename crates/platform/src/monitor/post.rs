//! Posts alerts to an HTTP address, one after the other: each attempt has a time limit, and there are few of them. The
//! answer is read up to its status. Nobody waits for this task. The address is read anew before each attempt and is in
//! no log.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::Client;
use serde::Serialize;
use tokio::sync::mpsc;

use super::shown::{Outcome, Shown};
use crate::address::Address;
use crate::backoff::Backoff;
use crate::config::one_line;
use crate::shutdown::Shutdown;

/// Between attempts, at first and at most.
pub(super) const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// Whether an alert begins or ends.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Raised,
    Cleared,
}

/// What is posted.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Notice {
    pub(super) alert: &'static str,
    pub(super) state: State,
    pub(super) value: f64,
    pub(super) threshold: f64,
    pub(super) unit: &'static str,
    pub(super) service: &'static str,
    pub(super) instance: String,
    pub(super) process_id: u32,
    pub(super) version: &'static str,
    /// In Unix milliseconds. The same in each attempt: with alert and instance it names this change.
    pub(super) at_ms: u64,
    pub(super) says: &'static str,
    pub(super) runbook: String,
}

/// The task that posts.
pub(super) struct Poster {
    pub(super) address: Address,
    pub(super) client: Client,
    pub(super) attempts: u32,
    /// Between them, at first and at most.
    pub(super) pauses: (Duration, Duration),
    pub(super) shown: Shown,
    pub(super) shutdown: Shutdown,
}

/// Why an attempt failed.
struct Failure {
    what: String,
    /// Another attempt would end like this one.
    is_final: bool,
}

impl Poster {
    /// Until the monitor has ended and nothing waits, or everything is forced.
    pub(super) async fn run(self, mut waiting: mpsc::Receiver<Notice>) {
        let forced = self.shutdown.clone();
        let posting = async {
            while let Some(notice) = waiting.recv().await {
                self.deliver(&notice).await;
            }
        };
        tokio::select! {
            () = posting => {}
            () = forced.forced() => {}
        }
    }

    async fn deliver(&self, notice: &Notice) {
        let mut backoff = Backoff::new(self.pauses.0, self.pauses.1);
        for left in (0..self.attempts).rev() {
            let Err(failure) = self.post(notice).await else {
                return self.shown.post(Outcome::Delivered);
            };
            self.shown.failed();
            if left == 0 || failure.is_final {
                self.shown.post(Outcome::GivenUp);
                let (alert, error) = (notice.alert, failure.what);
                tracing::warn!(
                    alert,
                    error,
                    "an alert could not be posted: it is in the log alone"
                );
                return;
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    async fn post(&self, notice: &Notice) -> Result<(), Failure> {
        let address = self.address.clone();
        let present = tokio::task::spawn_blocking(move || address.present());
        let present = present.await.unwrap_or_else(|_| self.address.last_good());
        let sent = self.client.post(present.expose()).json(notice).send().await;
        // Its text would hold the address.
        let answer = sent.map_err(reqwest::Error::without_url);
        let status = match answer {
            Ok(answer) => answer.status(),
            Err(error) => {
                return Err(Failure { what: one_line(&error), is_final: error.is_builder() });
            }
        };
        if status.is_success() {
            return Ok(());
        }
        // Too Many Requests, Request Timeout: later it may be taken.
        let is_final = !(status.is_server_error() || matches!(status.as_u16(), 408 | 429));
        Err(Failure { what: format!("answered with {status}"), is_final })
    }
}

pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, crate::number::whole_ms)
}
