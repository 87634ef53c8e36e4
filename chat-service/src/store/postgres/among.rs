//! Members among some users, on Postgres.

use async_trait::async_trait;
use proto::id::{ConversationKey, UserName};

use super::PostgresStore;
use crate::store::StoreError;
use crate::store::among::{Among, AmongStore, HEAD, member};

const AMONG: &str = "
SELECT user_id, from_seq FROM members
WHERE tenant = $1 AND conversation_id = $2 AND user_id = ANY($3)";

#[async_trait]
impl AmongStore for PostgresStore {
    async fn members_among(
        &self,
        key: ConversationKey,
        users: &[UserName],
    ) -> Result<Among, StoreError> {
        let head: i64 = sqlx::query_scalar(HEAD)
            .bind(key.tenant.as_str())
            .bind(key.id.0)
            .fetch_one(&self.readers)
            .await?;
        let rows: Vec<(String, i64)> = sqlx::query_as(AMONG)
            .bind(key.tenant.as_str())
            .bind(key.id.0)
            .bind(users.iter().map(UserName::as_str).collect::<Vec<_>>())
            .fetch_all(&self.readers)
            .await?;
        let members = rows.into_iter().map(member).collect::<Result<_, _>>()?;
        Ok(Among { head: head.max(0).unsigned_abs(), members })
    }
}
