//! One address watched over its own connection: whether its server says that it serves.
//!
//! The server tells a stop before it stops, and a connection that breaks tells a crash, so that callers
//! turn to another instance at once instead of at their deadline.

use std::time::Duration;

use futures_util::stream::{Stream, unfold};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::backoff::Backoff;

/// First and longest time between attempts to reach an address.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

struct Watch {
    client: HealthClient<Channel>,
    answers: Option<Streaming<HealthCheckResponse>>,
    backoff: Backoff,
    /// What was said last.
    serving: Option<bool>,
}

/// Says whether the address serves: first when it is known, then at each change. Never ends.
pub(super) fn watch(endpoint: &Endpoint) -> impl Stream<Item = bool> + Send + 'static {
    let watch = Watch {
        client: HealthClient::new(endpoint.connect_lazy()),
        answers: None,
        backoff: Backoff::new(RETRY.0, RETRY.1),
        serving: None,
    };
    unfold(watch, |mut watch| async move {
        loop {
            let serving = watch.next().await;
            if watch.serving.replace(serving) != Some(serving) {
                return Some((serving, watch));
            }
        }
    })
}

impl Watch {
    async fn next(&mut self) -> bool {
        if self.serving == Some(false) {
            tokio::time::sleep(self.backoff.next_delay()).await;
        }
        let mut answers = match self.answers.take() {
            Some(answers) => answers,
            None => match self.client.watch(HealthCheckRequest::default()).await {
                Ok(answer) => answer.into_inner(),
                // It has no health service, but there it is.
                Err(status) if status.code() == Code::Unimplemented => {
                    return match self.serving {
                        Some(true) => std::future::pending().await,
                        _ => true,
                    };
                }
                Err(_) => return false,
            },
        };
        match answers.message().await {
            Ok(Some(answer)) if answer.status() == ServingStatus::Serving => {
                self.answers = Some(answers);
                self.backoff.reset();
                true
            }
            // Not kept when it is not serving: the stream would hold up the end of that server.
            _ => false,
        }
    }
}
