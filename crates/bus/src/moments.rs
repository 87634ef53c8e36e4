//! Moments: events that no log holds, told once by the process that knows of them, and perhaps lost. They wait in a queue with a
//! bound, so that nobody waits for the bus; what does not fit is reported and dropped.
//!
//! Must not know which types there are: a service names those that it tells.

mod time;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use proto::id::TenantId;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{Bus, Events, PublishError};

pub use time::rfc3339;

/// What one event is, as the body of a message.
pub const SINGLE: &str = "application/cloudevents+json";
/// What several events are: a JSON array of them.
pub const SEVERAL: &str = "application/cloudevents-batch+json";

/// Moments that wait to be published.
const QUEUE: usize = 4_096;
/// Moments of one message of the bus, at most.
const TOGETHER: usize = 200;

/// Something that happened now.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// One of the closed list of the service that tells it.
    pub r#type: &'static str,
    /// Where it happened.
    pub tenant: TenantId,
    /// What is told of it.
    pub data: Value,
    /// In Unix milliseconds.
    pub at_ms: u64,
}

impl Moment {
    /// By which readers on a broker choose.
    fn key(&self) -> String {
        format!("{}.{}", self.tenant.as_str(), self.r#type)
    }

    /// As a CloudEvent. Its id is new: nobody can tell it again.
    pub fn json(&self) -> Vec<u8> {
        let tenant = self.tenant.as_str();
        json!({
            "specversion": "1.0",
            "id": uuid::Uuid::now_v7(),
            "type": self.r#type,
            "source": format!("/tenants/{tenant}"),
            "time": rfc3339(self.at_ms),
            "datacontenttype": "application/json",
            "tenant": tenant,
            "tidingsclass": "moment",
            "data": self.data,
        })
        .to_string()
        .into_bytes()
    }
}

/// Takes what happens. Clones share one queue; of types that nobody wants nothing is kept.
#[derive(Clone, Default)]
pub struct Moments(Option<Arc<Queue>>);

struct Queue {
    types: Vec<&'static str>,
    waiting: mpsc::Sender<Moment>,
    dropped: Box<dyn Fn() + Send + Sync>,
}

/// The other end of the queue.
#[derive(Default)]
pub struct MomentQueue(Option<mpsc::Receiver<Moment>>);

impl Moments {
    /// Keeps moments of these types. `dropped` is called for each one that does not fit into the queue.
    pub fn new(
        types: Vec<&'static str>,
        dropped: impl Fn() + Send + Sync + 'static,
    ) -> (Self, MomentQueue) {
        if types.is_empty() {
            return (Self::default(), MomentQueue::default());
        }
        let (waiting, queue) = mpsc::channel(QUEUE);
        let this = Queue { types, waiting, dropped: Box::new(dropped) };
        (Self(Some(Arc::new(this))), MomentQueue(Some(queue)))
    }

    /// Whether somebody wants a type.
    pub fn wants(&self, r#type: &str) -> bool {
        self.0.as_ref().is_some_and(|queue| queue.types.contains(&r#type))
    }

    /// The types that somebody wants.
    pub fn types(&self) -> &[&'static str] {
        self.0.as_ref().map_or(&[], |queue| &queue.types)
    }

    /// Tells that something happened; `data` is only made where somebody wants it.
    pub fn tell(&self, r#type: &'static str, tenant: TenantId, data: impl FnOnce() -> Value) {
        let Some(queue) = &self.0 else { return };
        if !queue.types.contains(&r#type) {
            return;
        }
        let moment = Moment { r#type, tenant, data: data(), at_ms: now_ms() };
        if queue.waiting.try_send(moment).is_err() {
            (queue.dropped)();
        }
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Publishes what is told until `stopping` has ended, and then what still waits.
pub async fn publish(queue: MomentQueue, bus: Arc<dyn Bus>, stopping: impl Future<Output = ()>) {
    let Some(mut queue) = queue.0 else { return };
    let mut stopping = pin!(stopping);
    let mut is_over = false;
    loop {
        let mut some = Vec::new();
        tokio::select! {
            count = queue.recv_many(&mut some, TOGETHER) => if count == 0 { return },
            () = &mut stopping, if !is_over => {
                is_over = true;
                // What was told before comes all the same.
                queue.close();
            }
        }
        for (key, moments) in by_key(&some) {
            match bus.publish_events(together(key, &moments)).await {
                // Nobody has bound a queue to it.
                Ok(()) | Err(PublishError::Unroutable) => {}
                Err(error) => {
                    tracing::debug!(%error, moments = moments.len(), "moments are lost");
                }
            }
        }
    }
}

fn by_key(moments: &[Moment]) -> BTreeMap<String, Vec<&Moment>> {
    let mut by_key: BTreeMap<String, Vec<&Moment>> = BTreeMap::new();
    for moment in moments {
        by_key.entry(moment.key()).or_default().push(moment);
    }
    by_key
}

/// Moments of one key as one message.
fn together(key: String, moments: &[&Moment]) -> Events {
    let r#type = moments.first().map_or("", |first| first.r#type);
    let bodies: Vec<_> = moments.iter().map(|moment| moment.json()).collect();
    let (content_type, body) = match &bodies[..] {
        [one] => (SINGLE, Bytes::copy_from_slice(one)),
        all => (SEVERAL, [b"[".as_slice(), &all.join(&b','), b"]"].concat().into()),
    };
    let attributes = vec![
        ("cloudEvents:specversion", "1.0".to_owned()),
        ("cloudEvents:type", r#type.to_owned()),
        ("cloudEvents:tidingsclass", "moment".to_owned()),
    ];
    Events { key, content_type, attributes, body }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::in_process::{InProcessBus, InProcessConfig};

    const TYPING: &str = "chat.typing";

    fn told(moments: &Moments, number: usize) {
        moments.tell(TYPING, TenantId::DEFAULT, || json!({ "number": number }));
    }

    #[test]
    fn nothing_is_made_where_nobody_wants_it() {
        let (moments, _queue) = Moments::new(vec![TYPING], || {});
        moments.tell("ws.connect", TenantId::DEFAULT, || unreachable!("nobody reads it"));
        assert!(moments.wants(TYPING) && !moments.wants("ws.connect"));
        let (none, _queue) = Moments::new(Vec::new(), || {});
        none.tell(TYPING, TenantId::DEFAULT, || unreachable!("nobody reads it"));
    }

    #[test]
    fn the_queue_has_a_bound_and_what_does_not_fit_is_reported() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&dropped);
        let (moments, queue) = Moments::new(vec![TYPING], move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        (0..QUEUE + 2).for_each(|number| told(&moments, number));
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
        let first = queue.0.unwrap().try_recv().unwrap();
        assert_eq!(
            (first.key().as_str(), &first.data["number"]),
            ("default.chat.typing", &json!(0))
        );
    }

    #[test]
    fn a_moment_says_that_it_is_one_and_several_are_an_array() {
        let moment = |at_ms| Moment {
            r#type: TYPING,
            tenant: TenantId::DEFAULT,
            data: json!({ "user": "ann" }),
            at_ms,
        };
        let one = together("default.chat.typing".to_owned(), &[&moment(1)]);
        let event: Value = serde_json::from_slice(&one.body).unwrap();
        assert_eq!(
            (&event["tidingsclass"], &event["data"]["user"], one.content_type),
            (&json!("moment"), &json!("ann"), SINGLE)
        );
        assert!(event.get("sequence").is_none());
        let all = together("default.chat.typing".to_owned(), &[&moment(1), &moment(2)]);
        let events: Vec<Value> = serde_json::from_slice(&all.body).unwrap();
        assert_eq!((events.len(), all.content_type), (2, SEVERAL));
    }

    #[tokio::test]
    async fn what_was_told_before_the_end_is_published() {
        let bus = Arc::new(InProcessBus::new(InProcessConfig::default()));
        let mut events = bus.consume_events(&[TYPING]).await.unwrap();
        let (moments, queue) = Moments::new(vec![TYPING], || {});
        (0..3).for_each(|number| told(&moments, number));
        publish(queue, Arc::clone(&bus) as Arc<dyn Bus>, std::future::ready(())).await;
        let body = events.next().await.unwrap();
        let numbers: Vec<Value> = serde_json::from_slice(&body).unwrap();
        assert_eq!(numbers.len(), 3);
    }
}
