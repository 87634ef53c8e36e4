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
use tokio::sync::watch;

use super::WebhookParts;
use crate::events::EventType;
use crate::followers::metrics::FollowerMetrics;

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

/// Hands moments to all webhooks of this process that want some.
#[derive(Debug, Clone)]
pub(super) struct MomentFeed {
    moments: broadcast::Sender<Arc<Heard>>,
    /// How many webhooks hear them. The bus is listened to while there is one.
    hearing: Arc<watch::Sender<usize>>,
}

impl Default for MomentFeed {
    fn default() -> Self {
        let (hearing, _) = watch::channel(0);
        Self { moments: broadcast::Sender::new(BEHIND), hearing: Arc::new(hearing) }
    }
}

impl MomentFeed {
    /// Begins to hear.
    pub(super) fn subscribe(&self, metrics: FollowerMetrics) -> Hearing {
        self.hearing.send_modify(|number| *number += 1);
        Hearing { moments: self.moments.subscribe(), number: Arc::clone(&self.hearing), metrics }
    }
}

/// The end of one webhook.
pub(super) struct Hearing {
    moments: broadcast::Receiver<Arc<Heard>>,
    number: Arc<watch::Sender<usize>>,
    metrics: FollowerMetrics,
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.number.send_modify(|number| *number -= 1);
    }
}

impl Hearing {
    /// The next moment. Cancel safe.
    pub(super) async fn next(&mut self) -> Arc<Heard> {
        loop {
            match self.moments.recv().await {
                Ok(heard) => return heard,
                Err(RecvError::Lagged(lost)) => self.metrics.moments_lost(lost),
                // The feed outlives the webhooks that it is for.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

/// Listens to the bus until stopping has begun, while moments are told at all and a webhook of this process wants some.
pub(super) async fn feed(
    bus: Arc<dyn Bus>,
    webhooks: WebhookParts,
    metrics: FollowerMetrics,
    shutdown: Shutdown,
) {
    let types = webhooks.moments.types();
    if types.is_empty() {
        return;
    }
    let feed = &webhooks.feed;
    let listening = async {
        let mut number = feed.hearing.subscribe();
        loop {
            wait_until(&mut number, |number| number > 0).await;
            let hearing = async {
                loop {
                    listen(&*bus, types, feed, &metrics).await;
                    tokio::time::sleep(AGAIN).await;
                }
            };
            tokio::select! {
                () = hearing => {}
                () = wait_until(&mut number, |number| number == 0) => {}
            }
        }
    };
    tokio::select! {
        () = listening => {}
        () = shutdown.begun() => {}
    }
}

/// The feed holds the sender, so that the wait ends by the number alone.
async fn wait_until(number: &mut watch::Receiver<usize>, is_so: impl Fn(usize) -> bool) {
    let _ = number.wait_for(|number| is_so(*number)).await;
}

/// Until the bus is gone.
async fn listen(bus: &dyn Bus, types: &[&str], feed: &MomentFeed, metrics: &FollowerMetrics) {
    let mut events = match bus.consume_events(types).await {
        Ok(events) => events,
        Err(error) => return tracing::debug!(%error, "moments are not heard for now"),
    };
    while let Some(body) = events.next().await {
        metrics.moments_lost(events.take_lost());
        for heard in heard_in(&body) {
            // Nobody is there once the last webhook that wants moments has ended.
            let _ = feed.moments.send(Arc::new(heard));
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
    use bus::moments::{Moment, Moments, SINGLE, publish};
    use bus::{Events, PublishError};
    use platform::metrics::Metrics;
    use platform::shutdown::Tasks;
    use serde_json::json;

    use super::*;
    use crate::followers::webhooks::WebhookSettings;

    #[tokio::test]
    async fn what_one_process_tells_is_heard_with_whom_it_is_about() {
        let bus: Arc<dyn Bus> = Arc::new(InProcessBus::new(InProcessConfig::default()));
        let types = vec![EventType::Typing.as_str(), EventType::Connect.as_str()];
        let (moments, queue) = Moments::new(types.clone(), || {});
        let feed = MomentFeed::default();
        let metrics = FollowerMetrics::new(&Metrics::new());
        let mut hearing = feed.subscribe(metrics.clone());
        let id = ConversationId::generate();
        let listening = listen(&*bus, &types, &feed, &metrics);
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

    #[tokio::test]
    async fn the_bus_is_listened_to_while_a_webhook_hears_and_what_it_lost_is_counted() {
        let bus: Arc<dyn Bus> = Arc::new(InProcessBus::new(InProcessConfig::default()));
        let registry = Metrics::new();
        let metrics = FollowerMetrics::new(&registry);
        let (moments, _queue) = Moments::new(vec![EventType::Typing.as_str()], || {});
        let webhooks = WebhookParts::new(WebhookSettings::default(), moments).unwrap();
        let (feeding, shutdown) = (webhooks.feed.clone(), Shutdown::new());
        let tasks = Tasks::new();
        let task = feed(Arc::clone(&bus), webhooks, metrics.clone(), shutdown.clone());
        tasks.spawn("moments for webhooks", task);
        let body = || Moment {
            r#type: EventType::Typing.as_str(),
            tenant: TenantId::DEFAULT,
            data: json!({}),
            at_ms: 1,
        };
        let typed = || {
            bus.publish_events(Events {
                key: "default.chat.typing".to_owned(),
                content_type: SINGLE,
                attributes: Vec::new(),
                body: body().json().into(),
            })
        };
        assert_eq!(typed().await, Err(PublishError::Unroutable), "nobody hears");
        let mut hearing = feeding.subscribe(metrics);
        while typed().await.is_err() {
            tokio::task::yield_now().await;
        }
        assert_eq!(hearing.next().await.r#type, EventType::Typing);
        for _ in 0..BEHIND + 2 {
            let heard = heard_in(&body().json());
            for one in heard {
                drop(feeding.moments.send(Arc::new(one)));
            }
        }
        hearing.next().await;
        let counted = registry.encode();
        assert!(counted.contains("tidings_chat_webhook_moments_lost_total 2"), "{counted}");
        drop(hearing);
        while typed().await.is_ok() {
            tokio::task::yield_now().await;
        }
        shutdown.begin();
        tasks.join(Duration::from_secs(5)).await.unwrap();
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        for body in ["", "{}", "[", "[1]", r#"{"id":"1","type":"chat.later","tenant":"default"}"#] {
            assert!(heard_in(body.as_bytes()).is_empty(), "{body}");
        }
    }
}
