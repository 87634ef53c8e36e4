//! The requests of one connection that await their answer: bounded, each with a deadline.

use std::time::Instant;

use bytes::Bytes;

use crate::unanswered::Awaiting;

/// One request under way.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) client_id: Bytes,
    pub(super) reference: Option<String>,
    /// Its place among those of all connections, and when it was sent.
    pub(super) awaiting: Awaiting,
}

/// A handful at most: a list is faster than a map, and empty it holds no memory.
#[derive(Debug, Default)]
pub(super) struct InFlight(Vec<Request>);

impl InFlight {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The same client id again is the same request: it is answered once.
    pub(super) fn add(&mut self, request: Request) {
        self.settle(&request.client_id);
        self.0.push(request);
    }

    /// Takes the request out that an answer settles.
    pub(super) fn settle(&mut self, client_id: &[u8]) -> Option<Request> {
        let place = self.0.iter().position(|request| request.client_id == client_id)?;
        let request = self.0.remove(place);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        Some(request)
    }

    /// When the oldest was sent.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.0.first().map(|request| request.awaiting.since())
    }

    /// Takes out those sent before a moment.
    pub(super) fn take_older(&mut self, before: Instant) -> Vec<Request> {
        let count = self.0.iter().take_while(|request| request.awaiting.since() <= before).count();
        self.0.drain(..count).collect()
    }
}
