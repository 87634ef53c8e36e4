//! An idle session: others may use its line, and what they wrote over it is accounted for when the session runs again.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::time::Sleep;

use super::Session;
use super::event::{Event, Order};
use crate::net::frame::Stretches;
use crate::net::line::{Used, WritePermission};
use crate::net::transport::Transport;

/// What others may write while a session rests, and what they have written.
#[derive(Debug)]
pub(super) struct IdleWrites {
    /// For what others may use the line.
    pub(super) lent: WritePermission,
    /// Entries that were written meanwhile.
    pub(super) entries: Stretches,
    /// The client is read.
    pub(super) reads: bool,
}

impl IdleWrites {
    pub(super) fn take_back(&mut self, used: Used, socket: &mut Transport) {
        if !used.rest.is_empty() {
            socket.go_on_with(used.rest, used.held);
        }
        used.entries.iter().for_each(|entries| self.entries.add(entries));
    }

    pub(super) fn permission(&self, socket: &Transport) -> WritePermission {
        if socket.is_at_rest() { self.lent } else { WritePermission::No }
    }
}

impl Session {
    /// Rests until something happens. Not cancel safe: what others wrote is told once.
    pub(super) async fn event(
        &mut self,
        socket: &mut Transport,
        order: &mut Order,
        mut alarm: Pin<&mut Sleep>,
    ) -> Event {
        let (lent, reads) = (self.lends(), self.reads());
        let mut idle = IdleWrites { lent, entries: Stretches::default(), reads };
        let outbox = &self.connection.outbox;
        let mut syncing = self.syncing.as_deref_mut();
        let mut waiting = self.waiting.as_deref_mut();
        let event = poll_fn(|cx| {
            if let Some(waiting) = waiting.as_deref_mut()
                && let Poll::Ready(waited) = waiting.poll(cx)
            {
                return Poll::Ready(Event::Waited(waited));
            }
            let syncing = syncing.as_deref_mut();
            order.poll(cx, socket, outbox, alarm.as_mut(), &mut idle, syncing)
        })
        .await;
        self.follow(&idle.entries);
        event
    }

    /// For what others may write while it rests.
    fn lends(&self) -> WritePermission {
        if self.syncing.is_some() || self.waiting.is_some() {
            // What is pushed waits behind the pages; and who waits for room wakes without its line.
            return WritePermission::No;
        }
        match &self.unacknowledged {
            None => WritePermission::Untold,
            // The first that waits sets the alarm.
            Some(none) if none.is_empty() => WritePermission::ButEntries,
            Some(_) => WritePermission::Told,
        }
    }

    /// Waits for the acknowledgement of what others have written.
    fn follow(&mut self, entries: &Stretches) {
        if let (Some(unacknowledged), false) = (&mut self.unacknowledged, entries.is_empty()) {
            let now = std::time::Instant::now();
            for entries in entries.iter() {
                unacknowledged.pushed(entries, now, &self.context.patience);
            }
        }
    }
}
