//! Whether what an operation names is there.

use std::ops::RangeInclusive;

use proto::error_code::ErrorCode;
use proto::id::UserId;

use super::Closed;
use crate::domain::conversation::Refusal;
use crate::domain::operation::Message;

/// All of them can be added to a conversation.
pub(super) fn may_join(closed: &Closed, users: &[UserId]) -> Result<(), Refusal> {
    match users.iter().find_map(|user| closed.get(user)) {
        Some(refusal) => Err(refusal.clone()),
        None => Ok(()),
    }
}

/// What a message names has to exist, among the entries that its sender may see.
pub(super) fn check_named(
    message: &Message,
    visible: RangeInclusive<u64>,
    is_member: impl Fn(&UserId) -> bool,
) -> Result<(), Refusal> {
    if message.reply_to.is_some_and(|seq| !visible.contains(&seq)) {
        let text = "`reply_to` names no entry of this conversation that you may see";
        return Err(Refusal::new(ErrorCode::NotFound, text));
    }
    match message.mentions.iter().find(|user| !is_member(user)) {
        Some(user) => {
            let text = format!(
                "`mentions` names {}, who is not a member of this conversation",
                user.name_str()
            );
            Err(Refusal::new(ErrorCode::Invalid, text))
        }
        None => Ok(()),
    }
}
