//! Events inside one process: listeners share one ring, which forgets its oldest.

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;

use crate::{BusState, EventConsumer, Events, PublishError};

/// Messages that the slowest listener may be behind; each is at most as large as what is published at once.
const RING: usize = 64;

/// What is published, with its key.
#[derive(Debug)]
pub(super) struct EventRing(broadcast::Sender<(String, Bytes)>);

impl Default for EventRing {
    fn default() -> Self {
        Self(broadcast::Sender::new(RING))
    }
}

impl EventRing {
    /// To all who listen.
    pub(super) fn publish(&self, events: Events) -> Result<(), PublishError> {
        match self.0.send((events.key, events.body)) {
            Ok(_) => Ok(()),
            Err(_) => Err(PublishError::Unroutable),
        }
    }

    pub(super) fn listen(
        &self,
        types: &[&str],
        closed: watch::Receiver<BusState>,
    ) -> EventListener {
        let types = types.iter().map(|&it| it.to_owned()).collect();
        EventListener { types, events: self.0.subscribe(), closed }
    }
}

/// A listener for some types.
#[derive(Debug)]
pub(super) struct EventListener {
    types: Vec<String>,
    events: broadcast::Receiver<(String, Bytes)>,
    closed: watch::Receiver<BusState>,
}

/// A key is a tenant and a type.
fn is_for(types: &[String], key: &str) -> bool {
    key.split_once('.').is_some_and(|(_, it)| types.iter().any(|wanted| wanted == it))
}

#[async_trait]
impl EventConsumer for EventListener {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            tokio::select! {
                received = self.events.recv() => match received {
                    Ok((key, body)) if is_for(&self.types, &key) => return Some(body),
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                },
                _ = self.closed.wait_for(|state| *state != BusState::Up) => return None,
            }
        }
    }
}
