//! The requests of one connection that await their answer: bounded, each with a deadline, and weighed.

use std::time::Instant;

use bytes::Bytes;

use crate::memory::Share;
use crate::up::load_limit::Awaiting;

/// One request under way.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) client_id: Bytes,
    pub(super) reference: Option<String>,
    /// What it takes until then.
    pub(super) bytes: usize,
    /// Its place among those of all connections, and when it was sent.
    pub(super) awaiting: Awaiting,
}

/// A handful at most: a list is faster than a map, and empty it holds no memory.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    requests: Vec<Request>,
    /// Of all of them together.
    bytes: usize,
    /// What they take beyond what every connection may; nearly always none.
    share: Option<Box<Share>>,
}

impl InFlight {
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// What a request of so many bytes takes beyond what this connection has and may always have.
    pub(super) fn beyond(&self, bytes: usize, uncounted_bytes: usize) -> usize {
        let had = self.share.as_ref().map_or(0, |share| share.bytes());
        (self.bytes + bytes).saturating_sub(uncounted_bytes + had)
    }

    /// Takes over memory for a request.
    pub(super) fn hold(&mut self, share: Share) {
        match &mut self.share {
            Some(held) => held.absorb(share),
            none => *none = Some(Box::new(share)),
        }
    }

    /// A request has ended.
    fn gave_back(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.fit();
    }

    /// Gives back what no request takes.
    pub(super) fn fit(&mut self) {
        if let Some(share) = &mut self.share {
            share.shrink_to(self.bytes);
            if self.requests.is_empty() {
                self.share = None;
            }
        }
    }

    /// The same client id again is the same request: it is answered once.
    pub(super) fn add(&mut self, request: Request) {
        self.settle(&request.client_id);
        self.bytes += request.bytes;
        self.requests.push(request);
    }

    /// Takes the request out that an answer settles.
    pub(super) fn settle(&mut self, client_id: &[u8]) -> Option<Request> {
        let place = self.requests.iter().position(|request| request.client_id == client_id)?;
        let request = self.requests.remove(place);
        if self.requests.is_empty() {
            self.requests = Vec::new();
        }
        self.gave_back(request.bytes);
        Some(request)
    }

    /// When the oldest was sent.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.requests.first().map(|request| request.awaiting.since())
    }

    /// Takes out those sent before a moment.
    pub(super) fn take_older(&mut self, before: Instant) -> Vec<Request> {
        let is_older = |request: &&Request| request.awaiting.since() <= before;
        let count = self.requests.iter().take_while(is_older).count();
        let older: Vec<Request> = self.requests.drain(..count).collect();
        self.gave_back(older.iter().map(|request| request.bytes).sum());
        older
    }
}
