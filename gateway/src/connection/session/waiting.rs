//! A request for which there is no room among those that await their answer: it waits, and its client is not
//! read meanwhile.

use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use proto::frame::client::{ClientFrame, Send, Sync};

use super::Session;
use crate::memory::{Full, Share};

/// The request.
pub(super) struct Waiting {
    frame: ClientFrame,
    room: BoxFuture<'static, Result<Share, Full>>,
}

/// A request that has waited.
pub(super) struct Waited {
    frame: ClientFrame,
    share: Result<Share, Full>,
}

impl Session {
    /// Looks for room for a request. None: it waits.
    pub(super) fn with_room(&mut self, frame: ClientFrame) -> Option<ClientFrame> {
        let uncounted = self.shared.limits.memory.uncounted_bytes;
        let beyond = match &frame {
            ClientFrame::Send(send) => self.in_flight.beyond(send_bytes(send), uncounted),
            ClientFrame::Sync(sync) => sync_bytes(sync).saturating_sub(uncounted),
            _ => 0,
        };
        // Who ends is told so at once.
        if beyond == 0 || self.is_ending() {
            return Some(frame);
        }
        let mut share = self.shared.budgets.requests.empty(Some(&self.identity.user_id));
        if share.grow(beyond).is_ok() {
            self.hold(&frame, share);
            return Some(frame);
        }
        let patience = Duration::from_millis(self.shared.limits.answer_timeout_ms);
        let room = async move {
            share.grow_within(beyond, patience).await?;
            Ok(share)
        };
        self.waiting = Some(Box::new(Waiting { frame, room: room.boxed() }));
        None
    }

    /// Goes on with a request that has waited.
    pub(super) fn go_on_with(&mut self, waited: Waited) {
        self.waiting = None;
        let Waited { frame, share } = waited;
        match (share, frame) {
            (Ok(share), frame) => {
                self.hold(&frame, share);
                self.take(frame);
                self.in_flight.fit();
            }
            (Err(Full), ClientFrame::Send(send)) => {
                self.shared.metrics.refused("request_bytes");
                self.refuse_away(send.r#ref, Some(send.client_id));
            }
            (Err(Full), ClientFrame::Sync(sync)) => {
                self.shared.metrics.refused("request_bytes");
                self.refuse_away(sync.r#ref, None);
            }
            (Err(Full), _) => {}
        }
    }

    fn hold(&mut self, frame: &ClientFrame, share: Share) {
        if let ClientFrame::Sync(_) = frame {
            self.sync_share = Some(Box::new(share));
        } else {
            self.in_flight.hold(share);
        }
    }
}

impl Waiting {
    /// Cancel safe. Not to be polled again when it was ready.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Waited> {
        self.room.as_mut().poll(cx).map(|share| {
            let frame = std::mem::replace(&mut self.frame, ClientFrame::Ping);
            Waited { frame, share }
        })
    }
}

/// What a message takes.
pub(super) fn send_bytes(send: &Send) -> usize {
    /// One that names a user, and what it is kept in.
    const MENTION: usize = 64;
    let extra = send.extra.as_ref().map_or(0, |extra| extra.get().len());
    send.kind.len() + send.content.get().len() + extra + send.mentions.len() * MENTION
}

/// What a sync takes until it is asked.
fn sync_bytes(sync: &Sync) -> usize {
    /// A conversation, and what it is kept in.
    const CURSOR: usize = 96;
    sync.epoch.as_ref().map_or(0, String::len) + sync.cursors.len() * CURSOR
}
