//! What operations on messages have in common: which message is meant, and for whom the change of it is.

use proto::error_code::ErrorCode;
use proto::id::ConversationKey;

use super::plan::{Draft, Planner};
use crate::domain::conversation::Refusal;
use crate::domain::entry::{Body, Class, Target};

impl Planner<'_> {
    /// A message of which a reader from `from_seq` on may know, also one whose content is gone.
    pub(super) fn message(
        &self,
        key: ConversationKey,
        seq: u64,
        from_seq: u64,
    ) -> Result<Target, Refusal> {
        let target = self.target(key, seq).filter(|target| {
            let is_over = target.expires_at_ms.is_some_and(|at| at <= self.now_ms);
            target.class() == Class::Message && !is_over && seq >= from_seq
        });
        target.ok_or_else(|| {
            Refusal::new(ErrorCode::NotFound, "there is no message at `seq` that you may see")
        })
    }
}

impl Target {
    /// The target, unless there is nothing left of it to be changed.
    pub(super) fn with_content(self) -> Result<Self, Refusal> {
        if self.is_blank || self.state.gone.is_some() {
            return Err(Refusal::new(ErrorCode::NotFound, "the content of this message is gone"));
        }
        Ok(self)
    }

    /// The entry that changes it: for those who may see the message, and for as long as they may.
    pub(super) fn changed_by(&self, seq: u64, body: Body) -> Draft {
        Draft {
            target: Some(seq),
            device_type: self.device_type,
            expires_at_ms: self.expires_at_ms,
            ..Draft::of(body)
        }
    }
}
