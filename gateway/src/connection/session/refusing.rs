//! What a client is told when something cannot be done: a code, whether it was stored, when to come again.
//! Decides nothing.

use std::time::Duration;

use proto::error_code::{ErrorCode, Stored};
use proto::frame::FrameError;
use proto::frame::server::{ErrorFrame, ServerFrame};
use proto::id::ClientId;

use super::super::in_flight::Request;
use super::Session;
use crate::frame::Frame;
use crate::metrics::Door;
use crate::outbox::Failed;

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
        });
    }

    /// A part of the system is away: nothing was taken.
    pub(super) fn refuse_away(&mut self, reference: Option<String>, client_id: Option<ClientId>) {
        let text = "a part of the system is away; ask again a little later";
        self.refuse_until(reference, client_id, Stored::No, text);
    }

    /// More is asked for than can be answered in time: nothing was taken.
    pub(super) fn refuse_busy(
        &mut self,
        reference: Option<String>,
        client_id: ClientId,
        wait: Duration,
    ) {
        self.shared.metrics.refused("unanswered");
        self.tell_error(ErrorFrame {
            r#ref: reference,
            client_id: Some(client_id),
            code: ErrorCode::Unavailable,
            message: "more is asked for than can be done; ask again a little later".to_owned(),
            stored: Stored::No,
            retry_after_ms: Some(wait.as_millis() as u64),
            limit: None,
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
            retry_after_ms: Some(self.shared.limits.retry_after_ms),
            limit: None,
        });
    }

    pub(super) fn tell_error(&mut self, frame: ErrorFrame) {
        self.shared.metrics.error(frame.code, self.door());
        self.replies.push(ServerFrame::Error(frame).to_json());
    }

    /// Counts an answer of a service when it is an error.
    pub(super) fn count_refusal(&self, answer: &Frame) {
        if let Some(code) = refused(answer.json()) {
            self.shared.metrics.error(code, self.door());
        }
    }

    fn door(&self) -> Door {
        if self.connection.inbox.is_some() { Door::Sse } else { Door::Ws }
    }
}

/// The code of an answer that is an error. Nearly all are none, and are read no further than their type.
fn refused(json: &[u8]) -> Option<ErrorCode> {
    if !json.starts_with(br#"{"type":"error""#) {
        return None;
    }
    serde_json::from_slice::<ErrorFrame>(json).ok().map(|error| error.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_an_error_is_known_by_how_it_is_written() {
        let error = ErrorFrame {
            r#ref: Some("r".to_owned()),
            client_id: None,
            code: ErrorCode::NotMember,
            message: "no".to_owned(),
            stored: Stored::No,
            retry_after_ms: None,
            limit: None,
        };
        let json = ServerFrame::Error(error).to_json();
        assert_eq!(refused(&json), Some(ErrorCode::NotMember));
        assert_eq!(refused(br#"{"type":"sent","seq":1}"#), None);
    }
}
