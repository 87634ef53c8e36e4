//! The life of a connection: opened, welcomed, synced, lost. And the bytes that go out.

use std::io;
use std::task::Waker;
use std::time::Duration;

use proto::frame::{self, msgpack};
use proto::id::{ConversationId, EntryId};
use tokio::net::tcp::OwnedWriteHalf;
use wire_client::hear::Welcome;
use wire_client::ws::codec;

use super::answers::SYNC_REF;
use super::{Client, HangUp, Link};
use crate::options::{Encoding, Scenario};
use crate::shared::Shared;

/// An empty output buffer above this many bytes is given back.
const KEPT_BYTES: usize = 4 * 1024;
/// What is under way when the server asks to go elsewhere is waited for so long.
const LEAVING: Duration = Duration::from_secs(10);
/// Until the server says how often it pings.
const FIRST_HEARTBEAT: Duration = Duration::from_secs(30);

impl Client {
    /// The socket is open; `dialed_us` is when it began to open.
    pub fn opened(&mut self, writer: OwnedWriteHalf, gateway: u32, dialed_us: u64, now_us: u64) {
        self.writer = Some(writer);
        self.gateway = gateway;
        self.link = Link::Opening(now_us);
        self.connection = self.connection.saturating_add(1);
        (self.dialed_us, self.heard_us) = (dialed_us, now_us);
        self.heartbeat_us = FIRST_HEARTBEAT.as_micros() as u64;
        (self.hang_up, self.leaving, self.server) = (None, None, None);
        self.out.clear();
    }

    pub(super) fn welcome(&mut self, shared: &Shared, welcome: &Welcome, now_us: u64) {
        shared.counters.connected.add(1);
        self.record_open(shared, now_us);
        if std::mem::replace(&mut self.was_welcomed, true) {
            shared.counters.reconnects.add(1);
        } else {
            let connect_us = now_us.saturating_sub(self.dialed_us);
            shared.measures.borrow_mut().connect.record(connect_us);
        }
        self.heartbeat_us = welcome.heartbeat_ms.max(1).saturating_mul(1_000);
        self.begin_pings(now_us);
        self.outbox.allow(welcome.limits.in_flight);
        if shared.options().scenario == Scenario::Idle {
            self.link = Link::Live;
            self.become_ready(shared);
        } else {
            self.sync(shared, now_us);
        }
    }

    /// Asks for all that is missing, and sends nothing until it is there.
    pub(super) fn sync(&mut self, shared: &Shared, now_us: u64) {
        self.link = Link::Syncing(now_us);
        self.sync_again_us = None;
        self.write_sync(shared, now_us);
    }

    /// Asks for all that is missing.
    pub(super) fn write_sync(&mut self, shared: &Shared, now_us: u64) {
        self.record_sync(shared, now_us);
        let cursors: std::collections::HashMap<_, _> = self
            .held
            .iter()
            .filter(|held| held.cursor.highest() > 0)
            .map(|held| {
                let id = shared.plan().conversations[held.conversation as usize].id;
                let seq = u64::from(held.cursor.contiguous());
                let id_there = held.cursor.last().map(EntryId);
                (ConversationId(id), frame::client::Held { seq, id: id_there })
            })
            .collect();
        let frame = frame::client::Sync {
            r#ref: Some(SYNC_REF.to_owned()),
            epoch: self.epoch.clone(),
            cursors,
            states: false,
            max_behind: None,
            only: None,
        };
        // Cannot fail: the frame has string keys only.
        let body = serde_json::to_string(&frame).unwrap_or_default();
        let text = format!(r#"{{"type":"sync",{}"#, body.get(1..).unwrap_or("}"));
        self.say(shared, text.as_bytes());
    }

    /// Says a frame, in the form that was agreed on.
    pub(super) fn say(&mut self, shared: &Shared, json: &[u8]) {
        match shared.options().wire.encoding {
            Encoding::Json => codec::write_text(&mut self.out, json, self.mask),
            Encoding::Msgpack => {
                // Cannot fail: the fleet's own frames are JSON.
                let packed = msgpack::from_json(json).unwrap_or_default();
                codec::write_binary(&mut self.out, &packed, self.mask);
            }
        }
    }

    pub(super) fn synced(&mut self, shared: &Shared, epoch: String, now_us: u64) {
        self.epoch = Some(epoch);
        self.record_sync_end(shared, true, now_us);
        if matches!(self.link, Link::Syncing(_)) {
            self.link = Link::Live;
        }
        self.become_ready(shared);
        self.refill(shared, now_us);
        self.write_sends(shared, now_us);
    }

    /// The server could not sync; asked again later.
    pub(super) fn sync_failed(&mut self, shared: &Shared, wait: Duration, now_us: u64) {
        self.record_sync_end(shared, false, now_us);
        self.sync_again_us = Some(now_us + (wait + shared.jitter(wait)).as_micros() as u64);
    }

    fn become_ready(&mut self, shared: &Shared) {
        if !std::mem::replace(&mut self.is_known_ready, true) {
            shared.counters.ready.add(1);
        }
    }

    /// The socket is gone: unanswered sends are written again on the next one.
    pub fn lost(&mut self, shared: &Shared, end: &HangUp, now_us: u64) {
        if !matches!(self.link, Link::Down | Link::Opening(_)) {
            shared.counters.connected.subtract(1);
            self.record_close(shared, end, now_us);
            // The next gateway may not know: said again there.
            for held in &mut self.held {
                held.told = 0;
            }
        }
        self.link = Link::Down;
        self.writer = None;
        self.waker = None;
        self.out = Vec::new();
        for number in self.outbox.written() {
            if let Some(send) = self.sends.get_mut(number as usize) {
                send.is_doubtful = true;
            }
        }
        self.outbox.write_all_again();
        self.reactions.forget();
    }

    /// Asked to go elsewhere.
    pub(super) fn redirected(&mut self, after_ms: u64, server: Option<String>, now_us: u64) {
        if self.leaving.is_none() {
            (self.leaving, self.server) = (Some((after_ms, now_us)), server);
        }
        self.leave_when_answered(now_us);
    }

    /// Goes once nothing is under way, or when that takes too long.
    pub(super) fn leave_when_answered(&mut self, now_us: u64) {
        let Some((after_ms, asked_us)) = self.leaving else { return };
        let is_late = now_us > asked_us + LEAVING.as_micros() as u64;
        if is_late || self.outbox.written().next().is_none() {
            codec::write_close(&mut self.out, 1000, self.mask);
            self.flush();
            self.hang_up(HangUp::Redirected(after_ms));
        }
    }

    /// Where it was asked to go, once.
    pub fn take_server(&mut self) -> Option<String> {
        self.server.take()
    }

    /// Whether its connection was welcomed and is not lost.
    pub fn is_welcomed(&self) -> bool {
        !matches!(self.link, Link::Down | Link::Opening(_))
    }

    /// Wants the connection to end.
    pub fn hang_up(&mut self, why: HangUp) {
        self.hang_up.get_or_insert(why);
        self.wake();
    }

    /// Ends the connection politely, since the run is over.
    pub fn say_goodbye(&mut self) {
        codec::write_close(&mut self.out, 1000, self.mask);
        self.flush();
        self.hang_up(HangUp::Done);
    }

    /// Why the connection is to end, if it is.
    pub fn wants_to_end(&self) -> Option<&HangUp> {
        self.hang_up.as_ref()
    }

    /// Hears a frame that is no message.
    pub fn hear_control(&mut self, message: &codec::Message<'_>) {
        match message {
            codec::Message::Ping(payload) => codec::write_pong(&mut self.out, payload, self.mask),
            codec::Message::Close(code) => {
                let echo = if *code == 1005 { 1000 } else { *code };
                codec::write_close(&mut self.out, echo, self.mask);
                self.hang_up(HangUp::Closed(*code));
            }
            codec::Message::Pong | codec::Message::Whole(_) | codec::Message::Deflated(_) => {}
        }
    }

    /// Something came.
    pub fn heard(&mut self, now_us: u64) {
        self.heard_us = now_us;
    }

    /// Remembers whom to wake when bytes could not be written or the connection is to end.
    pub fn remember_waker(&mut self, waker: &Waker) {
        if self.waker.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    /// The socket's writing half, while there is something to write.
    pub fn blocked_writer(&self) -> Option<&OwnedWriteHalf> {
        self.writer.as_ref().filter(|_| !self.out.is_empty())
    }

    /// Writes what there is to write, in one call when the socket takes it.
    pub fn flush(&mut self) {
        let mut written = 0;
        while written < self.out.len() {
            let Some(writer) = &self.writer else { return };
            match writer.try_write(&self.out[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // The connection's task waits for room.
                    self.wake();
                    break;
                }
                Err(error) => {
                    self.out.clear();
                    self.hang_up(HangUp::Broken(format!("write: {}", error.kind())));
                    return;
                }
            }
        }
        self.out.drain(..written);
        if self.out.is_empty() && self.out.capacity() > KEPT_BYTES {
            self.out = Vec::new();
        }
    }
}
