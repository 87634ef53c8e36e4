//! What a client is told when something cannot be done: a code, whether it was stored, when to come again.
//! Decides nothing.

use std::time::Duration;

use proto::error_code::{ErrorCode, Stored};
use proto::frame::FrameError;
use proto::frame::server::{ErrorFrame, ServerFrame};
use proto::id::ClientId;

use super::super::in_flight::Request;
use super::Session;
use crate::connections::outbox::Failed;
use crate::metrics::Door;
use crate::net::frame::Frame;

impl Session {
    pub(super) fn refuse_frame(&mut self, error: FrameError) {
        self.refuse(error.reference, None, error.code, &error.message);
    }

    pub(super) fn refuse(
        &mut self,
        reference: Option<String>,
        client_id: Option<ClientId>,
        code: ErrorCode,
        text: &str,
    ) {
        self.tell_error(ErrorFrame {
            r#ref: reference,
            client_id,
            code,
            message: text.to_owned(),
            stored: Stored::No,
            retry_after_ms: None,
            limit: None,
            current: None,
        });
    }

    /// A backend is unavailable: nothing was taken.
    pub(super) fn refuse_away(&mut self, reference: Option<String>, client_id: Option<ClientId>) {
        let text = "a backend is unavailable; ask again after `retry_after_ms`";
        self.refuse_until(reference, client_id, Stored::No, text);
    }

    /// More is asked for than can be answered in time: nothing was taken.
    pub(super) fn refuse_busy(
        &mut self,
        reference: Option<String>,
        client_id: ClientId,
        wait: Duration,
    ) {
        self.tell_error(ErrorFrame {
            r#ref: reference,
            client_id: Some(client_id),
            code: ErrorCode::Unavailable,
            message: "server overloaded; ask again after `retry_after_ms`".to_owned(),
            stored: Stored::No,
            retry_after_ms: Some(wait.as_millis() as u64),
            limit: None,
            current: None,
        });
    }

    /// Requests that no service answers.
    pub(super) fn fail(&mut self, failed: Failed) {
        match failed {
            Failed::Publish { client_id, stored } => {
                if let Some(request) = self.in_flight.settle(&client_id) {
                    let text = "the message bus is away; send again with the same client id";
                    self.refuse_request(&request, stored, text);
                }
            }
            Failed::Lost { sent_until } => {
                for request in self.in_flight.take_older(sent_until) {
                    let text = "the answer was lost; send again with the same client id";
                    self.refuse_request(&request, Stored::Unknown, text);
                }
            }
        }
    }

    /// A request that was taken and is not answered by a service.
    pub(super) fn refuse_request(&mut self, request: &Request, stored: Stored, text: &str) {
        let client_id = ClientId::from_bytes(&request.client_id).ok();
        self.refuse_until(request.reference.clone(), client_id, stored, text);
    }

    /// A backend did not answer: it may have taken it.
    pub(super) fn refuse_unknown(&mut self, reference: Option<String>, client_id: ClientId) {
        let text = "a backend is unavailable; ask again with the same client id";
        self.refuse_until(reference, Some(client_id), Stored::Unknown, text);
    }

    fn refuse_until(
        &mut self,
        reference: Option<String>,
        client_id: Option<ClientId>,
        stored: Stored,
        text: &str,
    ) {
        self.tell_error(ErrorFrame {
            r#ref: reference,
            client_id,
            code: ErrorCode::Unavailable,
            message: text.to_owned(),
            stored,
            retry_after_ms: Some(self.context.limits.retry_after_ms),
            limit: None,
            current: None,
        });
    }

    pub(super) fn tell_error(&mut self, frame: ErrorFrame) {
        self.context.metrics.error(frame.code, self.door());
        self.replies.push(ServerFrame::Error(frame).to_json());
    }

    /// Counts an answer of a service when it is an error.
    pub(super) fn count_refusal(&self, answer: &Frame) {
        if let Some(code) = answer.about().refused {
            self.context.metrics.error(code, self.door());
        }
    }

    fn door(&self) -> Door {
        if self.connection.inbox.is_some() { Door::Sse } else { Door::Ws }
    }
}
