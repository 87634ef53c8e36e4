//! Chosen statuses, on SQLite.

use async_trait::async_trait;
use proto::id::{DEFAULT_TENANT, UserId};

use super::{SqliteStore, dialect};
use crate::store::StoreError;
use crate::store::chosen::{ChosenStore, choice};

/// One statement: it needs no transaction. `WHERE true` tells the parser that `ON CONFLICT` is no join.
const KEEP: &str = "
INSERT INTO chosen_statuses (tenant, user_id, status, changed_at_ms)
SELECT $1, value ->> 0, value ->> 1, $3 FROM json_each($2) WHERE true
ON CONFLICT (tenant, user_id) DO UPDATE
SET status = excluded.status, changed_at_ms = excluded.changed_at_ms";

pub(super) const READ: &str = "
SELECT user_id, status FROM chosen_statuses
WHERE tenant = $1 AND user_id IN (SELECT value FROM json_each($2))";

#[async_trait]
impl ChosenStore for SqliteStore {
    async fn keep_chosen(
        &self,
        chosen: &[(UserId, String)],
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let pairs: Vec<[&str; 2]> =
            chosen.iter().map(|(user_id, status)| [user_id.as_str(), status.as_str()]).collect();
        sqlx::query(KEEP)
            .bind(DEFAULT_TENANT)
            .bind(serde_json::json!(pairs).to_string())
            .bind(now_ms.cast_signed())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn chosen(&self, users: &[UserId]) -> Result<Vec<(UserId, String)>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(READ)
            .bind(DEFAULT_TENANT)
            .bind(dialect::texts(users.iter().map(UserId::as_str)))
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(choice).collect()
    }
}
