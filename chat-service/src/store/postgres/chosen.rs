//! Chosen statuses, on Postgres.

use async_trait::async_trait;
use proto::id::{DEFAULT_TENANT, UserId};

use super::PostgresStore;
use crate::store::StoreError;
use crate::store::chosen::{ChosenStore, choice};

/// By user id: two writers of the same users lock them in one order.
const KEEP: &str = "
INSERT INTO chosen_statuses (tenant, user_id, status, changed_at_ms)
SELECT $1, c.user_id, c.status, $4 FROM unnest($2::text[], $3::text[]) AS c (user_id, status)
ORDER BY c.user_id
ON CONFLICT (tenant, user_id) DO UPDATE
SET status = excluded.status, changed_at_ms = excluded.changed_at_ms";

const READ: &str =
    "SELECT user_id, status FROM chosen_statuses WHERE tenant = $1 AND user_id = ANY($2)";

#[async_trait]
impl ChosenStore for PostgresStore {
    async fn keep_chosen(
        &self,
        chosen: &[(UserId, String)],
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let (users, statuses): (Vec<&str>, Vec<&str>) =
            chosen.iter().map(|(user_id, status)| (user_id.as_str(), status.as_str())).unzip();
        sqlx::query(KEEP)
            .bind(DEFAULT_TENANT)
            .bind(users)
            .bind(statuses)
            .bind(now_ms.cast_signed())
            .execute(&self.writers)
            .await?;
        Ok(())
    }

    async fn chosen(&self, users: &[UserId]) -> Result<Vec<(UserId, String)>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(READ)
            .bind(DEFAULT_TENANT)
            .bind(users.iter().map(UserId::as_str).collect::<Vec<_>>())
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(choice).collect()
    }
}
