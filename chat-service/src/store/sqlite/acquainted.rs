//! Who knows whom, on SQLite.

use async_trait::async_trait;
use proto::id::{DEFAULT_TENANT, UserId};

use super::SqliteStore;
use crate::domain::entry::UserRow;
use crate::domain::fold::prefix_range;
use crate::store::StoreError;
use crate::store::acquainted::{AcquaintanceStore, SEARCH, user_id, users};

pub(super) const ACQUAINTED: &str = "
SELECT u.value FROM json_each($3) AS u WHERE EXISTS (
    SELECT 1 FROM members a
    JOIN members b ON b.tenant = a.tenant AND b.conversation_id = a.conversation_id AND b.user_id = u.value
    WHERE a.tenant = $1 AND a.user_id = $2
)";

#[async_trait]
impl AcquaintanceStore for SqliteStore {
    async fn acquainted(&self, user: &UserId, among: &[UserId]) -> Result<Vec<UserId>, StoreError> {
        let among = among.iter().map(UserId::as_str).collect::<Vec<_>>();
        // Ids have no character that JSON would escape.
        let among = format!(
            "[{}]",
            among.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(",")
        );
        let ids: Vec<String> = sqlx::query_scalar(ACQUAINTED)
            .bind(DEFAULT_TENANT)
            .bind(user.as_str())
            .bind(among)
            .fetch_all(&self.readers)
            .await?;
        ids.iter().map(|id| user_id(id)).collect()
    }

    async fn search_acquainted(
        &self,
        user: &UserId,
        prefix: &str,
        limit: u32,
    ) -> Result<Vec<UserRow>, StoreError> {
        let (from, to) = prefix_range(prefix);
        let rows: Vec<(String, String, String)> = sqlx::query_as(SEARCH)
            .bind(DEFAULT_TENANT)
            .bind(from)
            .bind(to)
            .bind(i64::from(limit))
            .bind(user.as_str())
            .fetch_all(&self.readers)
            .await?;
        users(rows)
    }
}
