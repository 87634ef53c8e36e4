//! What users chose to be shown as, kept for the presence service.
//!
//! # Guarantees (held by the contract suite)
//! 1. What was kept last is read, also after a restart.
//! 2. Users who never chose are not in the answer.

use async_trait::async_trait;
use proto::id::UserId;

use super::fault::StoreError;

#[async_trait]
pub trait ChosenStore: Send + Sync + 'static {
    /// Keeps choices, each user named once. They are stored when this returns.
    async fn keep_chosen(&self, chosen: &[(UserId, String)], now_ms: u64)
    -> Result<(), StoreError>;

    /// The choices of those among these users who ever chose; in no order.
    async fn chosen(&self, users: &[UserId]) -> Result<Vec<(UserId, String)>, StoreError>;
}

/// A stored row as a choice.
pub(super) fn choice(
    (tenant, name, status): (String, String, String),
) -> Result<(UserId, String), StoreError> {
    Ok((super::reading::user_id(&tenant, &name)?, status))
}
