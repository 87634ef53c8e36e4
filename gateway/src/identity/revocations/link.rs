//! Keeps the copy as the list is: all of it at the start, what is new every few seconds. What is revoked
//! meanwhile is pushed, too; this finds what a push did not reach.

use std::sync::Arc;
use std::time::Duration;

use platform::backoff::Backoff;
use platform::grpc::GrpcChannel;
use platform::readiness::Latch;
use platform::shutdown::Shutdown;
use proto::chat::ListRevocationsRequest;
use proto::chat::revocations_client::RevocationsClient;
use tokio::time::Instant;

use super::Revocations;

/// How long a call may take.
const CALL: Duration = Duration::from_secs(5);
/// How often what has ended is forgotten.
const FORGET: Duration = Duration::from_mins(1);

/// Reads the list.
pub(crate) struct Link {
    pub(crate) client: RevocationsClient<GrpcChannel>,
    pub(crate) revocations: Arc<Revocations>,
    /// Held until all was heard once.
    pub(crate) heard: Option<Latch>,
    /// Between two questions.
    pub(crate) every: Duration,
    pub(crate) shutdown: Shutdown,
}

impl Link {
    /// Asks until the end.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        let mut version = 0;
        let mut forgot_at = Instant::now();
        loop {
            let mut wait = self.every;
            if self.read(&mut version).await {
                if let Some(latch) = self.heard.take() {
                    self.revocations.has_all();
                    drop(latch);
                }
                backoff.reset();
            } else {
                wait = wait.min(backoff.next_delay());
            }
            if forgot_at.elapsed() >= FORGET {
                forgot_at = Instant::now();
                self.revocations.forget_ended();
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.shutdown.forced() => return,
            }
        }
    }

    /// Everything after a version, which moves on. False when not all was answered.
    async fn read(&mut self, version: &mut u64) -> bool {
        loop {
            let request = ListRevocationsRequest { after: *version };
            let answer = tokio::select! {
                answer = tokio::time::timeout(CALL, self.client.list(request)) => answer,
                () = self.shutdown.forced() => return false,
            };
            let Ok(Ok(answer)) = answer else { return false };
            let list = answer.into_inner();
            self.revocations.take(&list.revocations);
            if list.version < *version {
                // Another list: of a database that was restored. What is known stays.
                *version = 0;
                continue;
            }
            *version = list.version;
            if !list.more {
                return true;
            }
        }
    }
}
