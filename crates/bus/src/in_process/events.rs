//! Events inside one process: each listener has a queue of its own for the types that it names. What does not fit into it is lost
//! to that listener alone, and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::watch;

use crate::{BusState, EventConsumer, Events, PublishError};

/// Messages that a listener may be behind; each is at most as large as what is published at once.
const BEHIND: usize = 64;

/// Who listens.
#[derive(Debug, Default)]
pub(super) struct EventListeners(Mutex<Vec<Listening>>);

/// One listener, as publishers see it.
#[derive(Debug)]
struct Listening {
    types: Vec<String>,
    queue: mpsc::Sender<Bytes>,
    lost: Arc<AtomicU64>,
}

impl Listening {
    /// A key is a tenant and a type.
    fn is_for(&self, key: &str) -> bool {
        key.split_once('.').is_some_and(|(_, it)| self.types.iter().any(|wanted| wanted == it))
    }

    fn give(&self, body: Bytes) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(body) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl EventListeners {
    /// To all who listen for the type.
    pub(super) fn publish(&self, events: &Events) -> Result<(), PublishError> {
        let mut listening = self.0.lock();
        listening.retain(|it| !it.queue.is_closed());
        let mut is_heard = false;
        for listener in listening.iter().filter(|it| it.is_for(&events.key)) {
            listener.give(events.body.clone());
            is_heard = true;
        }
        if is_heard { Ok(()) } else { Err(PublishError::Unroutable) }
    }

    pub(super) fn listen(
        &self,
        types: &[&str],
        closed: watch::Receiver<BusState>,
    ) -> EventListener {
        let types = types.iter().map(|&it| it.to_owned()).collect();
        let (queue, events) = mpsc::channel(BEHIND);
        let lost = Arc::new(AtomicU64::new(0));
        let mut listening = self.0.lock();
        // Also where nothing is published: nobody else forgets those that have ended.
        listening.retain(|it| !it.queue.is_closed());
        listening.push(Listening { types, queue, lost: Arc::clone(&lost) });
        drop(listening);
        EventListener { events, lost, closed }
    }
}

/// A listener for some types.
#[derive(Debug)]
pub(super) struct EventListener {
    events: mpsc::Receiver<Bytes>,
    lost: Arc<AtomicU64>,
    closed: watch::Receiver<BusState>,
}

#[async_trait]
impl EventConsumer for EventListener {
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            received = self.events.recv() => received,
            _ = self.closed.wait_for(|state| *state != BusState::Up) => None,
        }
    }

    fn take_lost(&mut self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(r#type: &str) -> Events {
        Events {
            key: format!("default.{type}"),
            content_type: crate::moments::SINGLE,
            attributes: Vec::new(),
            body: Bytes::copy_from_slice(r#type.as_bytes()),
        }
    }

    #[tokio::test]
    async fn a_listener_loses_nothing_by_types_that_it_does_not_name_and_knows_what_it_lost() {
        let listeners = EventListeners::default();
        let (_state, closed) = watch::channel(BusState::Up);
        assert_eq!(listeners.publish(&event("chat.typing")), Err(PublishError::Unroutable));
        let mut listener = listeners.listen(&["chat.typing"], closed);
        listeners.publish(&event("chat.typing")).unwrap();
        for _ in 0..2 * BEHIND {
            let unheard = listeners.publish(&event("chat.message.received"));
            assert_eq!(unheard, Err(PublishError::Unroutable));
        }
        assert_eq!(listener.next().await.unwrap(), "chat.typing");
        assert_eq!(listener.take_lost(), 0);
        (0..BEHIND + 3).for_each(|_| listeners.publish(&event("chat.typing")).unwrap());
        assert_eq!((listener.take_lost(), listener.take_lost()), (3, 0));
        drop(listener);
        assert_eq!(listeners.publish(&event("chat.typing")), Err(PublishError::Unroutable));
    }
}
