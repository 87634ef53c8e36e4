//! The way out of a session: what waits for the socket, pages of a sync, and the last answers.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures_util::SinkExt;
use tokio::time::Instant;

use super::super::close::Close;
use super::super::sync;
use super::{Session, Step, text};
use crate::outbox::Taken;

impl Session {
    /// Writes everything that waits, in one go.
    pub(super) async fn write(&mut self, socket: &mut WebSocket) -> Step {
        let Taken { frames, failed, close } = self.connection.outbox.take();
        for failed in failed {
            if let Some(request) = self.in_flight.settle(&failed.client_id) {
                self.refuse_request(
                    &request,
                    failed.stored,
                    "the message bus is away; send again with the same client id",
                );
            }
        }
        let mut spans = Vec::new();
        let mut messages = Vec::with_capacity(frames.len());
        for queued in frames {
            if !queued.answers.is_empty()
                && let Some(request) = self.in_flight.settle(&queued.answers)
            {
                self.shared.metrics.answer_seconds.observe(request.sent_at.elapsed().as_secs_f64());
            }
            if !queued.traceparent.is_empty() {
                spans.push(self.shared.tracer.child("gateway.write", &queued.traceparent));
            }
            messages.push(text(queued.frame));
        }
        messages.extend(self.replies.drain(..).map(text));
        match self.deliver(socket, messages).await {
            Step::On => close.map_or(Step::On, |close| Step::End(Some(close))),
            ended @ Step::End(_) => ended,
        }
    }

    pub(super) async fn flush_replies(&mut self, socket: &mut WebSocket) -> Step {
        if self.replies.is_empty() {
            return Step::On;
        }
        let messages = std::mem::take(&mut self.replies).into_iter().map(text).collect();
        self.deliver(socket, messages).await
    }

    pub(super) async fn deliver(&self, socket: &mut WebSocket, messages: Vec<Message>) -> Step {
        if messages.is_empty() {
            return Step::On;
        }
        self.shared.metrics.frames_out.inc_by(messages.len() as u64);
        let write = async {
            for message in messages {
                socket.feed(message).await?;
            }
            socket.flush().await
        };
        match tokio::time::timeout(
            Duration::from_millis(self.shared.limits.write_timeout_ms),
            write,
        )
        .await
        {
            Ok(Ok(())) => Step::On,
            Ok(Err(_)) => Step::End(None),
            Err(_elapsed) => Step::End(Some(Close::TooSlow)),
        }
    }

    /// Fetches what the device lacks and writes it page by page, so that memory holds one page.
    pub(super) async fn sync(
        &mut self,
        socket: &mut WebSocket,
        request: proto::chat::SyncRequest,
        reference: Option<String>,
    ) -> Step {
        let mut pages = match self.shared.chat.clone().sync(request).await {
            Ok(pages) => pages.into_inner(),
            Err(_) => {
                self.refuse_away(reference, None);
                return self.flush_replies(socket).await;
            }
        };
        loop {
            match pages.message().await {
                Ok(Some(event)) => {
                    let Some(frame) = sync::frame(event) else { continue };
                    if let Step::End(ended) = self.deliver(socket, vec![text(frame)]).await {
                        return Step::End(ended);
                    }
                }
                Ok(None) => return Step::On,
                Err(_) => {
                    self.refuse_away(reference, None);
                    return self.flush_replies(socket).await;
                }
            }
        }
    }

    /// Leaving: requests under way get their answers, nothing new is taken.
    pub(super) async fn drain(&mut self, socket: &mut WebSocket) -> Close {
        let deadline = Instant::now() + Duration::from_millis(self.shared.limits.answer_timeout_ms);
        while self.in_flight.len() > 0 {
            let step = tokio::select! {
                () = self.connection.outbox.changed() => self.write(socket).await,
                () = tokio::time::sleep_until(deadline) => Step::End(None),
                () = self.shared.shutdown.forced() => Step::End(None),
            };
            if let Step::End(_) = step {
                break;
            }
        }
        // What was pushed in the last moment.
        let _ = self.write(socket).await;
        Close::Restarting
    }
}
