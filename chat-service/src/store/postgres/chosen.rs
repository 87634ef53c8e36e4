//! Chosen statuses, on Postgres.

use std::collections::BTreeSet;

use async_trait::async_trait;
use proto::id::UserId;

use super::PostgresStore;
use crate::store::StoreError;
use crate::store::chosen::{ChosenStore, choice};

/// By user: two writers of the same users lock them in one order.
const KEEP: &str = "
INSERT INTO chosen_statuses (tenant, user_id, status, changed_at_ms)
SELECT c.tenant, c.user_id, c.status, $4
FROM unnest($1::text[], $2::text[], $3::text[]) AS c (tenant, user_id, status)
ORDER BY c.tenant, c.user_id
ON CONFLICT (tenant, user_id) DO UPDATE
SET status = excluded.status, changed_at_ms = excluded.changed_at_ms";

const READ: &str = "
SELECT s.tenant, s.user_id, s.status FROM unnest($1::text[], $2::text[]) AS u (tenant, id)
JOIN chosen_statuses s ON s.tenant = u.tenant AND s.user_id = u.id";

#[async_trait]
impl ChosenStore for PostgresStore {
    async fn keep_chosen(
        &self,
        chosen: &[(UserId, String)],
        now_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(KEEP)
            .bind(chosen.iter().map(|(user, _)| user.tenant().as_str()).collect::<Vec<_>>())
            .bind(chosen.iter().map(|(user, _)| user.name_str()).collect::<Vec<_>>())
            .bind(chosen.iter().map(|(_, status)| status.as_str()).collect::<Vec<_>>())
            .bind(now_ms.cast_signed())
            .execute(&self.writers)
            .await?;
        Ok(())
    }

    async fn chosen(&self, users: &[UserId]) -> Result<Vec<(UserId, String)>, StoreError> {
        let users: BTreeSet<&UserId> = users.iter().collect();
        let rows: Vec<(String, String, String)> = sqlx::query_as(READ)
            .bind(users.iter().map(|user| user.tenant().as_str()).collect::<Vec<_>>())
            .bind(users.iter().map(|user| user.name_str()).collect::<Vec<_>>())
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(choice).collect()
    }
}
