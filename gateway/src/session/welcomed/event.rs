//! What a session waits for: its client, its outbox, its alarm. Decides only whose turn it is.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::Sleep;
use websocket::{Message, ReadError};

use super::resting::IdleWrites;
use super::syncing::{Progress, Syncing};
use super::waiting_request::WaitedRequest;
use crate::connections::outbox::Outbox;
use crate::net::line::WritePermission;
use crate::net::transport::Transport;

/// What has happened.
pub(super) enum Event {
    /// The client said something, or is gone.
    Heard(Option<Result<Message, ReadError>>),
    /// There is something to write.
    Changed,
    /// The sync under way goes on.
    Synced(Progress),
    /// There is room for the request that waited, or there was none in time.
    Waited(WaitedRequest),
    /// Something is due.
    Due,
}

/// Reading and writing take turns, so that neither a talkative client nor a busy conversation keeps the
/// other waiting; and the pages of a sync take turns with both.
#[derive(Debug, Default)]
pub(super) struct Order {
    heard_last: bool,
    synced_last: bool,
}

impl Order {
    /// The next event. Cancel safe: nothing is taken that is not answered. While nothing happens, the
    /// line to the socket may be used by others.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Transport,
        outbox: &Outbox,
        alarm: Pin<&mut Sleep>,
        idle: &mut IdleWrites,
        mut syncing: Option<&mut Syncing>,
    ) -> Poll<Event> {
        idle.take_back(outbox.take_back(), socket);
        // Before both: neither can hold up what is due.
        if alarm.poll(cx).is_ready() {
            return Poll::Ready(Event::Due);
        }
        let is_page_first = !std::mem::take(&mut self.synced_last);
        if is_page_first && let Poll::Ready(progress) = poll_sync(cx, syncing.as_deref_mut()) {
            self.synced_last = true;
            return Poll::Ready(Event::Synced(progress));
        }
        // Others may not write yet: the client may have sent something.
        if self.heard_last && outbox.poll_changed(cx, WritePermission::No).is_ready() {
            self.heard_last = false;
            return Poll::Ready(Event::Changed);
        }
        if !idle.reads {
            // It is not asked what it says, only whether it is there.
            socket.pause();
            if socket.poll_gone(cx).is_ready() {
                return Poll::Ready(Event::Heard(None));
            }
        } else if let Poll::Ready(heard) = socket.poll_recv(cx) {
            self.heard_last = true;
            return Poll::Ready(Event::Heard(heard));
        }
        if outbox.poll_changed(cx, idle.permission(socket)).is_ready() {
            return Poll::Ready(Event::Changed);
        }
        if is_page_first {
            return Poll::Pending;
        }
        poll_sync(cx, syncing).map(|progress| {
            self.synced_last = true;
            Event::Synced(progress)
        })
    }
}

fn poll_sync(cx: &mut Context<'_>, syncing: Option<&mut Syncing>) -> Poll<Progress> {
    syncing.map_or(Poll::Pending, |syncing| syncing.poll(cx))
}
