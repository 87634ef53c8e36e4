//! Who knows whom: users who share a conversation. For what is allowed among those who know each other only.
//!
//! # Guarantees (held by the contract suite)
//! 1. `acquainted` names those of the list, and only those, who are members of a conversation with the user
//!    now, whatever its size.
//! 2. `search_acquainted` finds among them alone, and as `search_users` does.

use async_trait::async_trait;
use proto::id::{TenantId, UserId, UserName};

use super::fault::StoreError;
use crate::domain::entry::UserRow;

#[async_trait]
pub trait AcquaintanceStore: Send + Sync + 'static {
    /// Those of a list who share a conversation with a user.
    async fn acquainted(
        &self,
        user_id: &UserId,
        among: &[UserName],
    ) -> Result<Vec<UserName>, StoreError>;

    /// Users by the beginning of id or name who share a conversation with a user.
    async fn search_acquainted(
        &self,
        user_id: &UserId,
        prefix: &str,
        limit: u32,
    ) -> Result<Vec<UserRow>, StoreError>;
}

pub(super) const SEARCH: &str = "
SELECT u.id, u.name, u.avatar FROM users u
WHERE u.tenant = $1
    AND (lower(u.id) >= $2 AND lower(u.id) < $3 OR u.name_key >= $2 AND u.name_key < $3)
    AND EXISTS (
        SELECT 1 FROM members a
        JOIN members b ON b.tenant = a.tenant AND b.conversation_id = a.conversation_id AND b.user_id = u.id
        WHERE a.tenant = $1 AND a.user_id = $5
    )
ORDER BY u.id LIMIT $4";

/// Makes users of a tenant's rows of id, name and avatar.
pub(super) fn users(
    tenant: TenantId,
    rows: Vec<(String, String, String)>,
) -> Result<Vec<UserRow>, StoreError> {
    rows.into_iter()
        .map(|(id, name, avatar)| {
            Ok(UserRow { id: super::reading::user_name(&id)?.of(tenant), name, avatar })
        })
        .collect()
}
