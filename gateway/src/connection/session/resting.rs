//! A session at rest: its line is lent, and what others wrote over it is made up for when it wakes.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::time::Sleep;

use super::Session;
use super::event::{Event, Order};
use crate::frame::Stretches;
use crate::line::{Lent, Used};
use crate::transport::Transport;

/// What others may write while a session rests, and what they have written.
#[derive(Debug)]
pub(super) struct Absence {
    /// For what the line is lent.
    pub(super) lent: Lent,
    /// Entries that were written meanwhile.
    pub(super) entries: Stretches,
    /// The client is read.
    pub(super) reads: bool,
}

impl Absence {
    pub(super) fn is_over(&mut self, used: Used, socket: &mut Transport) {
        if !used.rest.is_empty() {
            socket.go_on_with(used.rest, used.held);
        }
        used.entries.iter().for_each(|entries| self.entries.add(entries));
    }

    pub(super) fn begins(&self, socket: &Transport) -> Lent {
        if socket.is_at_rest() { self.lent } else { Lent::No }
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
        let mut absence = Absence { lent, entries: Stretches::default(), reads };
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
            order.poll(cx, socket, outbox, alarm.as_mut(), &mut absence, syncing)
        })
        .await;
        self.follow(&absence.entries);
        event
    }

    /// For what others may write while it rests.
    fn lends(&self) -> Lent {
        if self.syncing.is_some() || self.waiting.is_some() {
            // What is pushed waits behind the pages; and who waits for room wakes without its line.
            return Lent::No;
        }
        match &self.unacknowledged {
            None => Lent::Untold,
            // The first that waits sets the alarm.
            Some(none) if none.is_empty() => Lent::ButEntries,
            Some(_) => Lent::Told,
        }
    }

    /// Waits for the acknowledgement of what others have written.
    fn follow(&mut self, entries: &Stretches) {
        if let (Some(unacknowledged), false) = (&mut self.unacknowledged, entries.is_empty()) {
            let now = std::time::Instant::now();
            for entries in entries.iter() {
                unacknowledged.pushed(entries, now, &self.shared.patience);
            }
        }
    }
}
