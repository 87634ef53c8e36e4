//! What became of operations, as answers to their senders and as entries for everybody else.

use std::sync::Arc;

use proto::error_code::{ErrorCode, Stored};
use proto::id::ConversationId;

use crate::clock::now_ms;
use crate::config::WorkerConfig;
use crate::delivery::{self, Asker, EntryPlace, Outgoing};
use crate::domain::conversation::Refusal;
use crate::domain::entry::{Entry, StoredOperation};
use crate::metrics::{ChatMetrics, OutcomeKind};
use crate::operations::plan::Audience;

/// What the sender of a frame is told that the server cannot work on.
const BROKEN: &str =
    "the server failed on this request and keeps it among the dead letters for its operators";

/// What became of one operation.
#[expect(
    clippy::large_enum_variant,
    reason = "most are stored: a box would be an allocation a message"
)]
pub(super) enum Settled {
    Stored(Entry, Audience),
    Repeated {
        stored: Box<StoredOperation>,
        audience: Audience,
        /// This very frame may have been stored before, without a push.
        is_replay: bool,
    },
    /// The head of the log that says so.
    Unchanged(ConversationId, u64),
    /// The reaction is told later; the last change of its message.
    Tallied(ConversationId, u64),
    Refused(Refusal),
    Unavailable(Stored),
    /// Of a later build, which may have stored it before.
    Unknown,
    /// With what went wrong.
    Poisoned(String),
}

/// Makes the answers, and counts them.
pub(super) struct Answers {
    metrics: ChatMetrics,
    config: Arc<WorkerConfig>,
}

impl Answers {
    pub(super) fn new(metrics: ChatMetrics, config: Arc<WorkerConfig>) -> Self {
        Self { metrics, config }
    }

    /// Adds what is told of an operation.
    pub(super) fn tell(&self, asker: &Asker, settled: Settled, outgoing: &mut Vec<Outgoing>) {
        let large = self.config.large_members;
        match settled {
            Settled::Stored(entry, audience) => {
                outgoing.push(delivery::sent(asker, EntryPlace::of(&entry)));
                outgoing.push(delivery::entry(asker, entry, audience, large));
            }
            Settled::Repeated { stored, audience, .. } => {
                outgoing.push(delivery::sent(asker, EntryPlace::stored(&stored)));
                let entry = stored.entry.filter(|_| !audience.members.is_empty());
                outgoing.extend(entry.map(|entry| delivery::entry(asker, *entry, audience, large)));
            }
            Settled::Unchanged(conversation_id, seq) => {
                let place = EntryPlace::without_entry(conversation_id, seq, now_ms());
                outgoing.push(delivery::sent(asker, place));
            }
            Settled::Tallied(conversation_id, seq) => {
                let place = EntryPlace::without_entry(conversation_id, seq, now_ms());
                outgoing.push(delivery::sent(asker, EntryPlace { is_tallied: true, ..place }));
            }
            Settled::Refused(refusal) => {
                self.count(OutcomeKind::Refused, refusal.code);
                outgoing.push(delivery::refused(asker, refusal));
            }
            Settled::Unavailable(stored) => {
                let text = "the message store is away; send again with the same client id";
                outgoing.push(self.unavailable(asker, text, stored));
            }
            Settled::Unknown => {
                let text = "this server does not know yet what is asked for; send again with the same client id";
                outgoing.push(self.unavailable(asker, text, Stored::Unknown));
            }
            Settled::Poisoned(_) => {
                self.count(OutcomeKind::Poisoned, ErrorCode::Internal);
                let code = ErrorCode::Internal;
                outgoing.push(delivery::error(asker, code, BROKEN, Stored::No, None));
            }
        }
    }

    /// Of a frame that is put among the dead letters without another try.
    pub(super) fn given_up(&self, asker: &Asker, stored: Stored) -> Outgoing {
        self.metrics.error(ErrorCode::Internal);
        delivery::error(asker, ErrorCode::Internal, BROKEN, stored, None)
    }

    fn unavailable(&self, asker: &Asker, text: &str, stored: Stored) -> Outgoing {
        self.count(OutcomeKind::Unavailable, ErrorCode::Unavailable);
        let retry = Some(self.config.retry_after_ms);
        delivery::error(asker, ErrorCode::Unavailable, text, stored, retry)
    }

    fn count(&self, outcome: OutcomeKind, code: ErrorCode) {
        self.metrics.operation(outcome);
        self.metrics.error(code);
    }
}
