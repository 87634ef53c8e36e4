//! Moments for webhooks: what the processes of an install tell reaches each process that runs webhooks, and there the webhook
//! that this process delivers for. Once, in no order, and not again after a failure: a moment may be lost.

use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use bytes::Bytes;
use platform::shutdown::Shutdown;
use proto::id::{ConversationId, TenantId};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::broadcast::{self, error::RecvError};

use super::WebhookParts;
use crate::events::EventType;

/// Moments that a webhook may be behind before it loses some.
const BEHIND: usize = 1_024;
/// Pause before the bus is listened to anew.
const AGAIN: Duration = Duration::from_secs(1);

/// What happened, for the webhooks of a tenant.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) r#type: EventType,
    pub(super) tenant: TenantId,
    /// Its event's id.
    pub(super) id: String,
    pub(super) conversation_id: Option<ConversationId>,
    /// The user that it is about.
    pub(super) user: Option<String>,
    /// The event.
    pub(super) body: Bytes,
}

/// Hands moments to all webhooks of this process.
#[derive(Debug, Clone)]
pub(super) struct MomentFeed(broadcast::Sender<Arc<Heard>>);

impl Default for MomentFeed {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl MomentFeed {
    pub(super) fn subscribe(&self) -> Hearing {
        Hearing(self.0.subscribe())
    }
}

/// The end of one webhook.
pub(super) struct Hearing(broadcast::Receiver<Arc<Heard>>);

impl Hearing {
    /// The next moment. Cancel safe.
    pub(super) async fn next(&mut self) -> Arc<Heard> {
        loop {
            match self.0.recv().await {
                Ok(heard) => return heard,
                Err(RecvError::Lagged(lost)) => {
                    tracing::debug!(lost, "moments are lost for a webhook that is behind");
                }
                // The feed outlives the webhooks that it is for.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

/// Listens to the bus until stopping has begun, where moments are told at all.
pub(super) async fn feed(bus: Arc<dyn Bus>, webhooks: WebhookParts, shutdown: Shutdown) {
    let types = webhooks.moments.types();
    if types.is_empty() {
        return;
    }
    loop {
        tokio::select! {
            () = listen(&*bus, types, &webhooks.feed) => {}
            () = shutdown.begun() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = shutdown.begun() => return,
        }
    }
}

/// Until the bus is gone.
async fn listen(bus: &dyn Bus, types: &[&str], feed: &MomentFeed) {
    let mut events = match bus.consume_events(types).await {
        Ok(events) => events,
        Err(error) => return tracing::debug!(%error, "moments are not heard for now"),
    };
    while let Some(body) = events.next().await {
        for heard in heard_in(&body) {
            // Nobody is there where this process runs no webhook.
            let _ = feed.0.send(Arc::new(heard));
        }
    }
}

#[derive(Deserialize)]
struct Told<'a> {
    id: String,
    #[serde(borrow)]
    r#type: &'a str,
    tenant: TenantId,
    #[serde(default)]
    data: About,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct About {
    conversation_id: Option<ConversationId>,
    user: Option<String>,
}

/// The moments of one message. What cannot be read is of another version, and left out.
fn heard_in(body: &[u8]) -> Vec<Heard> {
    let all: Vec<&RawValue> = match body.first() {
        Some(b'[') => serde_json::from_slice(body).unwrap_or_default(),
        _ => serde_json::from_slice(body).map(|one| vec![one]).unwrap_or_default(),
    };
    all.into_iter().filter_map(heard).collect()
}

fn heard(event: &RawValue) -> Option<Heard> {
    let Told { id, r#type, tenant, data } = serde_json::from_str(event.get()).ok()?;
    let r#type = EventType::MOMENTS.into_iter().find(|it| it.as_str() == r#type)?;
    let About { conversation_id, user } = data;
    let body = Bytes::copy_from_slice(event.get().as_bytes());
    Some(Heard { r#type, tenant, id, conversation_id, user, body })
}

#[cfg(test)]
mod tests {
    use bus::in_process::{InProcessBus, InProcessConfig};
    use bus::moments::{Moments, publish};
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn what_one_process_tells_is_heard_with_whom_it_is_about() {
        let bus: Arc<dyn Bus> = Arc::new(InProcessBus::new(InProcessConfig::default()));
        let types = vec![EventType::Typing.as_str(), EventType::Connect.as_str()];
        let (moments, queue) = Moments::new(types.clone(), || {});
        let feed = MomentFeed::default();
        let mut hearing = feed.subscribe();
        let id = ConversationId::generate();
        let listening = listen(&*bus, &types, &feed);
        let telling = async {
            for user in ["ann", "bob"] {
                moments.tell(
                    EventType::Typing.as_str(),
                    TenantId::DEFAULT,
                    || json!({ "conversation_id": id, "user": user, "on": true }),
                );
            }
            moments.tell(
                EventType::Connect.as_str(),
                TenantId::DEFAULT,
                || json!({"user": "cleo"}),
            );
            publish(queue, Arc::clone(&bus), std::future::ready(())).await;
            let mut heard = Vec::new();
            for _ in 0..3 {
                let one = hearing.next().await;
                heard.push((one.r#type, one.conversation_id, one.user.clone().unwrap()));
            }
            heard.sort_by(|one, other| one.2.cmp(&other.2));
            heard
        };
        let heard = tokio::select! {
            biased;
            () = listening => panic!("the bus is there"),
            heard = telling => heard,
        };
        let expected = [
            (EventType::Typing, Some(id), "ann".to_owned()),
            (EventType::Typing, Some(id), "bob".to_owned()),
            (EventType::Connect, None, "cleo".to_owned()),
        ];
        assert_eq!(heard, expected);
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        for body in ["", "{}", "[", "[1]", r#"{"id":"1","type":"chat.later","tenant":"default"}"#] {
            assert!(heard_in(body.as_bytes()).is_empty(), "{body}");
        }
    }
}
