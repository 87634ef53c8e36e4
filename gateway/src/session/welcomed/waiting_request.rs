//! A request for which there is no room among those that await their answer: it waits, and its client is not
//! read meanwhile.

use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use proto::frame::client::Sync;

use super::Session;
use super::said::{Named, Said};
use crate::memory::{Full, Share};

/// The request.
pub(super) struct WaitingRequest {
    said: Said,
    room: BoxFuture<'static, Result<Share, Full>>,
}

/// A request that has waited.
pub(super) struct WaitedRequest {
    said: Said,
    share: Result<Share, Full>,
}

impl Session {
    /// Looks for room for a request. None: it waits.
    pub(super) fn with_room(&mut self, said: Said) -> Option<Said> {
        let uncounted = self.context.limits.memory.uncounted_bytes;
        let beyond = match &said {
            Said::Operation(asked) => self.in_flight.beyond(asked.bytes(), uncounted),
            Said::Sync(sync) => sync_bytes(sync).saturating_sub(uncounted),
            // Nobody waits for them.
            Said::Auth(_)
            | Said::Ping
            | Said::Delivered(_)
            | Said::Read(_)
            | Said::Typing(_)
            | Said::Status(_)
            | Said::Signal(_)
            | Said::Show(_)
            | Said::Broadcast(_) => 0,
        };
        // A connection that ends refuses requests at once.
        if beyond == 0 || self.is_ending() {
            return Some(said);
        }
        let mut share = self.context.request_memory.empty(Some(&self.identity.user_id));
        if share.grow(beyond).is_ok() {
            self.hold(&said, share);
            return Some(said);
        }
        let patience = Duration::from_millis(self.context.limits.answer_timeout_ms);
        let room = async move {
            share.grow_within(beyond, patience).await?;
            Ok(share)
        };
        self.waiting = Some(Box::new(WaitingRequest { said, room: room.boxed() }));
        None
    }

    /// Goes on with a request that has waited.
    pub(super) fn go_on_with(&mut self, waited: WaitedRequest) {
        self.waiting = None;
        let WaitedRequest { said, share } = waited;
        match share {
            Ok(share) => {
                self.hold(&said, share);
                self.take(said);
                self.in_flight.fit();
            }
            Err(Full) => {
                self.context.metrics.refused("request_bytes");
                let Named { reference, client_id } = said.named();
                self.refuse_away(reference, client_id);
            }
        }
    }

    fn hold(&mut self, said: &Said, share: Share) {
        if let Said::Sync(_) = said {
            self.sync_share = Some(Box::new(share));
        } else {
            self.in_flight.hold(share);
        }
    }
}

impl WaitingRequest {
    /// Cancel safe. Not to be polled again when it was ready.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<WaitedRequest> {
        self.room.as_mut().poll(cx).map(|share| {
            let said = std::mem::replace(&mut self.said, Said::Ping);
            WaitedRequest { said, share }
        })
    }
}

/// The bytes that a sync takes until the chat service is asked.
fn sync_bytes(sync: &Sync) -> usize {
    /// A conversation, and what it is kept in.
    const CURSOR: usize = 96;
    sync.epoch.as_ref().map_or(0, String::len) + sync.cursors.len() * CURSOR
}
