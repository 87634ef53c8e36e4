//! Leaving in order, when the gateway stops or has more than its share of connections: each is asked to go elsewhere at
//! a moment of its own, so that not all arrive there at once. Those that stay are closed after a while. Until then
//! they are served as always.

use std::time::Duration;

use proto::error_code::Stored;
use proto::frame::server::{Redirect, ServerFrame};
use tokio::time::Instant;

use super::{Event, Order, Session, Step};
use crate::net::close::Close;
use crate::net::transport::Transport;

/// How far a connection is with leaving.
#[derive(Debug, Clone, Copy)]
pub(super) enum Leaving {
    /// The moment at which it is asked to go.
    AskAt(Instant),
    /// It was asked. The moment at which it is closed.
    CloseAt(Instant),
    /// It gets its last answers.
    Ending,
}

impl Leaving {
    /// When something is to be done.
    pub(super) fn due(self) -> Option<Instant> {
        match self {
            Self::AskAt(at) | Self::CloseAt(at) => Some(at),
            Self::Ending => None,
        }
    }
}

impl Session {
    /// The gateway stops.
    pub(super) fn leave(&mut self) -> Step {
        let window_ms = self.context.limits.drain_window_ms;
        if window_ms == 0 {
            return Step::End(Some(Close::Restarting));
        }
        let moment = Duration::from_millis(random_below(window_ms));
        self.leaving = Some(Leaving::AskAt(Instant::now() + moment));
        Step::On
    }

    /// Another gateway has more room. The mover has chosen the moment, so no random delay is added.
    pub(super) fn move_away(&mut self) -> Step {
        self.leaving = Some(Leaving::AskAt(Instant::now()));
        Step::On
    }

    /// Does what is due of leaving.
    pub(super) fn leave_on(&mut self) -> Step {
        let now = Instant::now();
        match self.leaving {
            Some(Leaving::AskAt(at)) if at <= now => {
                // The moments are spread already; this keeps those of one moment apart.
                let after_ms = random_below(self.context.limits.retry_after_ms);
                let server = self.context.balance.elsewhere(now);
                let redirect = ServerFrame::Redirect(Redirect { after_ms, server });
                self.replies.push(redirect.to_json());
                let linger = Duration::from_millis(self.context.limits.drain_linger_ms);
                self.leaving = Some(Leaving::CloseAt(now + linger));
                Step::On
            }
            Some(Leaving::CloseAt(at)) if at <= now => Step::End(Some(Close::Restarting)),
            _ => Step::On,
        }
    }

    /// True when no request is taken any more: there would be nobody to answer it.
    pub(super) fn is_ending(&self) -> bool {
        matches!(self.leaving, Some(Leaving::Ending))
    }

    /// The last step: requests under way get their answers. None when the client has gone by itself.
    pub(super) async fn drain(&mut self, socket: &mut Transport) -> Option<Close> {
        self.leaving = Some(Leaving::Ending);
        let deadline =
            Instant::now() + Duration::from_millis(self.context.limits.answer_timeout_ms);
        let mut alarm = std::pin::pin!(tokio::time::sleep_until(deadline));
        let mut order = Order::default();
        while self.in_flight.len() > 0 && !self.context.shutdown.is_forced() {
            let step = match self.event(socket, &mut order, alarm.as_mut()).await {
                Event::Changed => self.write(socket).await,
                Event::Synced(progress) => Box::pin(self.go_on_syncing(socket, progress)).await,
                Event::Waited(waited) => {
                    self.go_on_with(waited);
                    self.flush_replies(socket).await
                }
                Event::Heard(Some(Ok(message))) => self.hear(socket, message).await,
                Event::Heard(_) => Step::End(None),
                Event::Due => break,
            };
            match step {
                // It is the end already.
                Step::On | Step::End(Some(Close::Restarting)) => {}
                Step::End(ended) => return ended,
            }
        }
        for request in self.in_flight.take_older(std::time::Instant::now()) {
            let text = "no answer before the end; send again with the same client id";
            self.refuse_request(&request, Stored::Unknown, text);
        }
        // What was pushed in the last moment.
        let _ = self.write(socket).await;
        Some(Close::Restarting)
    }
}

/// A random number below `bound`, or 0.
fn random_below(bound: u64) -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0 % bound.max(1)
}
