//! Members among some users, on SQLite.

use async_trait::async_trait;
use proto::id::{ConversationKey, UserName};

use super::{SqliteStore, dialect};
use crate::store::StoreError;
use crate::store::among::{Among, AmongStore, HEAD, member};

pub(super) const AMONG: &str = "
SELECT user_id, from_seq FROM members
WHERE tenant = $1 AND conversation_id = $2 AND user_id IN (SELECT value FROM json_each($3))";

#[async_trait]
impl AmongStore for SqliteStore {
    async fn members_among(
        &self,
        key: ConversationKey,
        users: &[UserName],
    ) -> Result<Among, StoreError> {
        let head: i64 = sqlx::query_scalar(HEAD)
            .bind(key.tenant.as_str())
            .bind(dialect::id(key.id.0))
            .fetch_one(&self.readers)
            .await?;
        let rows: Vec<(String, i64)> = sqlx::query_as(AMONG)
            .bind(key.tenant.as_str())
            .bind(dialect::id(key.id.0))
            .bind(dialect::texts(users.iter().map(UserName::as_str)))
            .fetch_all(&self.readers)
            .await?;
        let members = rows.into_iter().map(member).collect::<Result<_, _>>()?;
        Ok(Among { head: head.max(0).unsigned_abs(), members })
    }
}
