//! One address watched over its own connection: whether its server says that it serves.
//!
//! The server tells a stop before it stops, and a connection that breaks tells a crash, so that callers
//! turn to another instance at once instead of at their deadline.

use std::time::Duration;

use futures_util::stream::{Stream, unfold};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::backoff::Backoff;

/// First and longest time between attempts to reach an address.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// What is known of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Health {
    /// It takes calls.
    Serving,
    /// It does not, and why.
    Away(String),
}

struct Watch {
    client: HealthClient<Channel>,
    answers: Option<Streaming<HealthCheckResponse>>,
    backoff: Backoff,
    /// What was said last.
    said: Option<Health>,
}

/// Says whether the address serves: first when it is known, then at each change. Never ends.
pub(super) fn watch(endpoint: &Endpoint) -> impl Stream<Item = Health> + Send + 'static {
    let watch = Watch {
        client: HealthClient::new(endpoint.connect_lazy()),
        answers: None,
        backoff: Backoff::new(RETRY.0, RETRY.1),
        said: None,
    };
    unfold(watch, |mut watch| async move {
        loop {
            let health = watch.next().await;
            if watch.said.as_ref() != Some(&health) {
                watch.said = Some(health.clone());
                return Some((health, watch));
            }
        }
    })
}

impl Watch {
    async fn next(&mut self) -> Health {
        if matches!(self.said, Some(Health::Away(_))) {
            tokio::time::sleep(self.backoff.next_delay()).await;
        }
        let mut answers = match self.answers.take() {
            Some(answers) => answers,
            None => match self.client.watch(HealthCheckRequest::default()).await {
                Ok(answer) => answer.into_inner(),
                // It has no health service, but there it is.
                Err(status) if status.code() == Code::Unimplemented => {
                    return match self.said {
                        Some(Health::Serving) => std::future::pending().await,
                        _ => Health::Serving,
                    };
                }
                Err(status) => return Health::Away(causes(&status)),
            },
        };
        match answers.message().await {
            Ok(Some(answer)) if answer.status() == ServingStatus::Serving => {
                self.answers = Some(answers);
                self.backoff.reset();
                Health::Serving
            }
            // Not kept when it is not serving: the stream would hold up the end of that server.
            Ok(_) => Health::Away("it says that it does not serve".to_owned()),
            Err(status) => Health::Away(causes(&status)),
        }
    }
}

/// An error and all that it came from.
fn causes(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::{Incoming, serve};
    use super::*;
    use crate::shutdown::{Shutdown, Tasks};
    use futures_util::StreamExt;
    use tokio::net::TcpListener;
    use tonic::service::Routes;

    #[tokio::test]
    async fn a_server_is_watched_past_the_deadline_of_calls_and_until_it_stops() {
        let (tasks, shutdown) = (Tasks::new(), Shutdown::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = shutdown.clone();
        tasks.spawn("server", async move {
            serve(Routes::default(), Incoming::Tcp(listener), stop).await.unwrap();
        });
        let call = Duration::from_millis(400);
        let endpoint = Endpoint::from_shared(url).unwrap().timeout(call);
        let mut said = Box::pin(watch(&endpoint));
        assert_eq!(said.next().await, Some(Health::Serving));
        assert!(tokio::time::timeout(call * 5, said.next()).await.is_err(), "nothing changes");
        shutdown.begin();
        assert!(matches!(said.next().await, Some(Health::Away(_))));
        assert_eq!(tasks.join(Duration::from_secs(10)).await, Ok(()), "the watch holds up nobody");
    }

    #[tokio::test]
    async fn nobody_there_is_said_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let mut said = Box::pin(watch(&Endpoint::from_shared(url).unwrap()));
        assert!(matches!(said.next().await, Some(Health::Away(_))));
        let more = tokio::time::timeout(Duration::from_millis(500), said.next()).await;
        assert!(more.is_err(), "{more:?}");
    }
}
