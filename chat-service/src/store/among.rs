//! Which of many users are members of a conversation: what gateways ask about large ones.
//!
//! # Guarantees (held by the contract suite)
//! 1. The head is read before the members: they are those after it, or later ones.
//! 2. Everything that was committed before the call is in the answer.

use async_trait::async_trait;
use proto::id::{ConversationKey, UserName};

use super::fault::StoreError;

/// The members among some users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Among {
    /// Highest seq; 0 for a conversation that does not exist.
    pub head: u64,
    /// Those who are members, with the first entry that each may see. In no order.
    pub members: Vec<(UserName, u64)>,
}

#[async_trait]
pub trait AmongStore: Send + Sync + 'static {
    /// Which of `users` are members.
    async fn members_among(
        &self,
        key: ConversationKey,
        users: &[UserName],
    ) -> Result<Among, StoreError>;
}

pub(super) const HEAD: &str =
    "SELECT COALESCE(max(seq), 0) FROM entries WHERE tenant = $1 AND conversation_id = $2";

/// A stored row as a member.
pub(super) fn member((name, from_seq): (String, i64)) -> Result<(UserName, u64), StoreError> {
    Ok((super::reading::user_name(&name)?, from_seq.max(0).unsigned_abs()))
}
