//! Short ways to write what the bus carries, and the answers on it as frames for clients.

use crate::bus::{
    Answer, Frame, Operation, Push, Refused, Sent, answer::Outcome, frame, operation, push,
};
use crate::error_code::{ErrorCode, Limit, Stored};
use crate::frame::server::{self, ErrorFrame, ServerFrame};
use crate::id::{ClientId, ConversationId, EntryId};

impl From<frame::Body> for Frame {
    /// Of nobody, and not traced.
    fn from(body: frame::Body) -> Self {
        Self { body: Some(body), ..Self::default() }
    }
}

impl From<push::Body> for Push {
    /// Not traced.
    fn from(body: push::Body) -> Self {
        Self { traceparent: String::new(), body: Some(body) }
    }
}

impl From<operation::Action> for Operation {
    /// In no conversation, and not refused.
    fn from(action: operation::Action) -> Self {
        Self { action: Some(action), ..Self::default() }
    }
}

impl Refused {
    /// No limit was met.
    pub fn new(code: ErrorCode, message: impl Into<String>, stored: Stored) -> Self {
        Self {
            code: code.as_str().to_owned(),
            message: message.into(),
            maybe_stored: stored == Stored::Unknown,
            retry_after_ms: None,
            limit: String::new(),
            current: None,
        }
    }

    /// The code; a fault of the server's for one that this build does not know.
    pub fn error_code(&self) -> ErrorCode {
        let known = ErrorCode::ALL.into_iter().find(|code| code.as_str() == self.code);
        known.unwrap_or(ErrorCode::Internal)
    }

    /// Whether it may be stored.
    pub fn stored(&self) -> Stored {
        if self.maybe_stored { Stored::Unknown } else { Stored::No }
    }

    /// The limit that was met, if this build knows it.
    pub fn met(&self) -> Option<Limit> {
        Limit::ALL.into_iter().find(|limit| limit.as_str() == self.limit)
    }
}

impl Answer {
    /// What came of the request. An outcome of a later build cannot be told: the client asks again.
    pub fn take_outcome(&mut self) -> Outcome {
        self.outcome.take().unwrap_or_else(|| {
            let text = "the answer cannot be read; send again with the same client id";
            Outcome::Refused(Refused::new(ErrorCode::Unavailable, text, Stored::Unknown))
        })
    }

    /// The frame `sent` or `error` for the client that asked.
    pub fn into_frame(mut self) -> ServerFrame {
        let client_id = ClientId::from_bytes(&self.client_id);
        let outcome = self.take_outcome();
        let r#ref = (!self.r#ref.is_empty()).then_some(self.r#ref);
        match outcome {
            Outcome::Sent(sent) => ServerFrame::Sent(server::Sent {
                r#ref,
                client_id: client_id.unwrap_or(ClientId(uuid::Uuid::nil())),
                conversation_id: sent.conversation(),
                id: sent.entry_id(),
                seq: sent.seq,
                timestamp: sent.timestamp,
                unchanged: sent.unchanged,
                tallied: sent.tallied,
            }),
            Outcome::Refused(refused) => ServerFrame::Error(ErrorFrame {
                r#ref,
                client_id: client_id.ok(),
                code: refused.error_code(),
                stored: refused.stored(),
                retry_after_ms: refused.retry_after_ms,
                limit: refused.met(),
                current: refused.current,
                message: refused.message,
            }),
        }
    }
}

impl Sent {
    /// Where it is; the nil id for what no service writes.
    pub fn conversation(&self) -> ConversationId {
        let id = ConversationId::from_bytes(&self.conversation_id);
        id.unwrap_or(ConversationId(uuid::Uuid::nil()))
    }

    /// The entry; none where nothing was changed.
    pub fn entry_id(&self) -> Option<EntryId> {
        EntryId::from_bytes(&self.id).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_the_frame_that_its_client_waits_for() {
        let id = uuid::Uuid::from_u128(7);
        let answer = |outcome| Answer {
            connection: 1,
            client_id: id.as_bytes().to_vec().into(),
            r#ref: "r".to_owned(),
            outcome,
        };
        let json = |outcome| answer(outcome).into_frame().to_json();
        let sent = Sent {
            conversation_id: id.as_bytes().to_vec().into(),
            id: id.as_bytes().to_vec().into(),
            seq: 3,
            timestamp: 9,
            unchanged: false,
            tallied: false,
        };
        let expected = format!(
            r#"{{"type":"sent","ref":"r","client_id":"{id}","conversation_id":"{id}","id":"{id}","seq":3,"timestamp":9}}"#
        );
        assert_eq!(json(Some(Outcome::Sent(sent))), expected);
        let mut refused = Refused::new(ErrorCode::RateLimited, "no", Stored::No);
        refused.limit = Limit::Reads.as_str().to_owned();
        let expected = format!(
            r#"{{"type":"error","ref":"r","client_id":"{id}","code":"rate_limited","message":"no","stored":"no","limit":"reads"}}"#
        );
        assert_eq!(json(Some(Outcome::Refused(refused))), expected);
    }

    #[test]
    fn what_this_build_does_not_know_is_not_told_as_something_else() {
        let refused =
            Refused { code: "later".to_owned(), limit: "later".to_owned(), ..Refused::default() };
        assert_eq!((refused.error_code(), refused.met()), (ErrorCode::Internal, None));
        let ServerFrame::Error(error) = Answer::default().into_frame() else { panic!("an error") };
        assert_eq!((error.code, error.stored), (ErrorCode::Unavailable, Stored::Unknown));
    }

    #[test]
    fn every_code_and_limit_is_read_as_it_is_written() {
        for code in ErrorCode::ALL {
            assert_eq!(Refused::new(code, "", Stored::No).error_code(), code);
        }
        for limit in Limit::ALL {
            let refused = Refused { limit: limit.as_str().to_owned(), ..Refused::default() };
            assert_eq!(refused.met(), Some(limit));
        }
    }
}
