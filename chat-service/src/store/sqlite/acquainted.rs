//! Who knows whom, on SQLite.

use async_trait::async_trait;
use proto::id::{UserId, UserName};

use super::{SqliteStore, dialect};
use crate::domain::entry::UserRow;
use crate::domain::fold::prefix_range;
use crate::store::StoreError;
use crate::store::acquainted::{AcquaintanceStore, SEARCH, users};
use crate::store::reading::user_name;

pub(super) const ACQUAINTED: &str = "
SELECT u.value FROM json_each($3) AS u WHERE EXISTS (
    SELECT 1 FROM members a
    JOIN members b ON b.tenant = a.tenant AND b.conversation_id = a.conversation_id AND b.user_id = u.value
    WHERE a.tenant = $1 AND a.user_id = $2
)";

#[async_trait]
impl AcquaintanceStore for SqliteStore {
    async fn acquainted(
        &self,
        user: &UserId,
        among: &[UserName],
    ) -> Result<Vec<UserName>, StoreError> {
        let names: Vec<String> = sqlx::query_scalar(ACQUAINTED)
            .bind(user.tenant().as_str())
            .bind(user.name_str())
            .bind(dialect::texts(among.iter().map(UserName::as_str)))
            .fetch_all(&self.readers)
            .await?;
        names.iter().map(|name| Ok(user_name(name)?)).collect()
    }

    async fn search_acquainted(
        &self,
        user: &UserId,
        prefix: &str,
        limit: u32,
    ) -> Result<Vec<UserRow>, StoreError> {
        let (from, to) = prefix_range(prefix);
        let rows: Vec<(String, String, String)> = sqlx::query_as(SEARCH)
            .bind(user.tenant().as_str())
            .bind(from)
            .bind(to)
            .bind(i64::from(limit))
            .bind(user.name_str())
            .fetch_all(&self.readers)
            .await?;
        users(user.tenant(), rows)
    }
}
