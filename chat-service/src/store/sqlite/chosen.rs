//! Chosen statuses, on SQLite.

use std::collections::BTreeSet;

use async_trait::async_trait;
use proto::id::UserId;

use super::json::json;
use super::{SqliteStore, dialect};
use crate::store::StoreError;
use crate::store::chosen::{ChosenStore, choice};

/// One statement: it needs no transaction. `WHERE true` tells the parser that `ON CONFLICT` is no join.
const KEEP: &str = "
INSERT INTO chosen_statuses (tenant, user_id, status, changed_at_ms)
SELECT value ->> 0, value ->> 1, value ->> 2, $2 FROM json_each($1) WHERE true
ON CONFLICT (tenant, user_id) DO UPDATE
SET status = excluded.status, changed_at_ms = excluded.changed_at_ms";

/// `CROSS JOIN` has SQLite go through the list and look each user up.
pub(super) const READ: &str = "
SELECT s.tenant, s.user_id, s.status FROM json_each($1) u
CROSS JOIN chosen_statuses s ON s.tenant = u.value ->> 0 AND s.user_id = u.value ->> 1";

#[async_trait]
impl ChosenStore for SqliteStore {
    async fn keep_chosen(
        &self,
        chosen: &[(UserId, String)],
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let rows: Vec<_> =
            chosen.iter().map(|(user, status)| (user.tenant(), user.name_str(), status)).collect();
        sqlx::query(KEEP)
            .bind(json(&rows))
            .bind(now_ms.cast_signed())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn chosen(&self, users: &[UserId]) -> Result<Vec<(UserId, String)>, StoreError> {
        let users: BTreeSet<&UserId> = users.iter().collect();
        let rows: Vec<(String, String, String)> = sqlx::query_as(READ)
            .bind(json(&users.into_iter().map(dialect::pair).collect::<Vec<_>>()))
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(choice).collect()
    }
}
