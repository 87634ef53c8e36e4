//! The way out of a session: what waits for the socket, pages of a sync, and the last answers.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use proto::chat::SyncEvent;
use proto::chat::sync_event::Event;
use proto::frame::keys::Whose;
use proto::id::ConversationId;

use super::super::sync;
use super::leaving::Leaving;
use super::{Session, Step};
use crate::clock::unix_ms;
use crate::connections::Connection;
use crate::connections::outbox::Taken;
use crate::net::close::Close;
use crate::net::frame::{About, Class, Frame, Stretches};
use crate::net::line::earlier;
use crate::net::transport::Transport;

/// Room for so many frames is kept for the next ones.
const SPARE: usize = 8;

impl Session {
    /// Writes everything that waits, in one go, or holds it back for a batch.
    pub(super) async fn write(&mut self, socket: &mut Transport) -> Step {
        if let Some(serving) = &mut self.serving {
            let (waiting, is_urgent) = self.connection.outbox.waiting();
            let is_ending = matches!(self.leaving, Some(Leaving::Ending));
            if !serving.may_write(waiting, is_urgent || is_ending) {
                return Step::On;
            }
        }
        self.write_waiting(socket).await
    }

    pub(super) async fn write_waiting(&mut self, socket: &mut Transport) -> Step {
        let empty = std::mem::take(&mut self.spare);
        let outbox = &self.connection.outbox;
        let Taken { mut frames, failed, close, is_nudged } =
            if self.syncing.is_some() { outbox.take_but_entries() } else { outbox.take_for(empty) };
        if self.serving.is_some() || !socket.takes_runs() {
            frames = frames.iter().flat_map(Frame::parts).cloned().collect();
        }
        for failed in failed {
            self.fail(failed);
        }
        let now = std::time::Instant::now();
        let mut spans = Vec::new();
        let (mut stretches, mut oldest_ms) = (Stretches::default(), 0);
        frames.retain(|frame| {
            let about = frame.about();
            if let (Some(entries), Some(unacknowledged)) = (about.entries, &mut self.unacknowledged)
                && !unacknowledged.takes(entries, about.sent_ms, now, &self.context.patience)
            {
                return false;
            }
            if !about.answers.is_empty()
                && let Some(request) = self.in_flight.settle(&about.answers)
            {
                let took = request.awaiting.since().elapsed();
                self.context.metrics.answered(took);
                request.awaiting.answered();
                self.count_refusal(frame);
            }
            if let Some(entries) = about.entries {
                oldest_ms = earlier(oldest_ms, about.sent_ms);
                stretches.add(entries);
            }
            if !about.traceparent.is_empty() {
                spans.push(self.context.tracer.child("gateway.write", &about.traceparent));
            }
            true
        });
        frames.extend(self.replies.drain(..).map(|json| Frame::answer(&json)));
        match self.deliver(socket, &mut frames).await {
            // A reader that is as fast as its conversations would leave nobody else a turn.
            Step::On => tokio::task::consume_budget().await,
            ended @ Step::End(_) => return ended,
        }
        if frames.capacity() <= SPARE {
            self.spare = frames;
        }
        if !stretches.is_empty() {
            let Connection { number, user_hash, .. } = *self.connection;
            let now_ms = unix_ms();
            self.context.journal.written(number, user_hash, stretches.iter(), now_ms);
            self.context.metrics.entries_written(oldest_ms, now_ms);
        }
        if let Some(close) = close {
            return Step::End(Some(close));
        }
        if is_nudged { self.stop() } else { Step::On }
    }

    pub(super) async fn flush_replies(&mut self, socket: &mut Transport) -> Step {
        if self.replies.is_empty() {
            return Step::On;
        }
        let replies = std::mem::take(&mut self.replies);
        let mut frames = replies.iter().map(|json| Frame::answer(json)).collect();
        self.deliver(socket, &mut frames).await
    }

    pub(super) async fn deliver(
        &mut self,
        socket: &mut Transport,
        frames: &mut VecDeque<Frame>,
    ) -> Step {
        if frames.is_empty() {
            return Step::On;
        }
        let patience = Duration::from_millis(self.context.limits.register_timeout_ms);
        if !self.context.freeze.is_fit() && !self.context.freeze.until_fit(patience).await {
            return Step::End(Some(Close::Restarting));
        }
        let count: usize = frames.iter().map(|frame| frame.parts().len()).sum();
        self.context.metrics.frames_out.inc_by(count as u64);
        let bytes: usize = frames.iter().map(Frame::len).sum();
        self.context.metrics.bytes_out.inc_by(bytes as u64);
        if let Some(serving) = &self.serving {
            let largest = self.context.limits.frame_bytes;
            *frames = serving.batched(std::mem::take(frames), socket.encoding(), largest);
        }
        // Nearly always there is room at once, and no clock needs to be asked.
        match socket.write_now(frames) {
            Some(Ok(())) => return Step::On,
            Some(Err(_)) => return Step::End(None),
            None => {}
        }
        let outbox = &self.connection.outbox;
        outbox.begin_writing(frames.iter().map(Frame::len).sum());
        let patience = Duration::from_millis(self.context.limits.write_timeout_ms);
        tokio::select! {
            biased;
            step = Self::in_time(patience, socket.write(frames)) => step,
            () = outbox.is_cut() => Step::End(Some(Close::Crowded)),
        }
    }

    pub(super) async fn in_time(
        patience: Duration,
        write: impl Future<Output = io::Result<()>>,
    ) -> Step {
        match tokio::time::timeout(patience, write).await {
            Ok(Ok(())) => Step::On,
            Ok(Err(_)) => Step::End(None),
            Err(_elapsed) => Step::End(Some(Close::TooSlow)),
        }
    }

    /// Writes a step of the answer to a sync: one frame, or several where one would be too large.
    pub(super) async fn deliver_page(&mut self, socket: &mut Transport, event: SyncEvent) -> Step {
        let largest = self.context.limits.frame_bytes;
        if let (Some(Event::Page(page)), Some(unacknowledged)) =
            (&event.event, &mut self.unacknowledged)
            && page.reset
            && let Ok(id) = ConversationId::from_bytes(&page.conversation_id)
        {
            // The log begins anew: its entries may have lower seqs than those that were written.
            unacknowledged.forget(id);
        }
        let connection = Arc::clone(&self.connection);
        let (user, device) = (connection.user_id.name_str(), connection.device_id.as_str());
        let whose = Whose::Device { user, device };
        for json in sync::frames(event, largest, whose) {
            let page = Frame::within(largest, &json, About::class(Class::Answer));
            let mut frames = VecDeque::from([page]);
            drop(json);
            self.context.down.relief.look();
            if let Step::End(ended) = self.deliver(socket, &mut frames).await {
                return Step::End(ended);
            }
        }
        Step::On
    }
}
