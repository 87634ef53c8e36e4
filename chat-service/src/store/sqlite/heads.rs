//! Heads and entries at places, on SQLite.

use std::collections::HashMap;

use async_trait::async_trait;
use proto::heads::HeadsDigest;
use proto::id::{ConversationId, EntryId, TenantId, UserId};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::json::json;
use super::{SqliteStore, dialect};
use crate::store::StoreError;
use crate::store::heads::{Digests, Head, HeadStore, head};
use crate::store::reading::corrupt;

pub(super) const HEADS: &str = "
SELECT m.conversation_id, COALESCE(e.seq, 0) AS head, e.id AS entry_id, m.from_seq
FROM members m
LEFT JOIN entries e ON e.tenant = m.tenant AND e.conversation_id = m.conversation_id
    AND e.seq = (SELECT max(n.seq) FROM entries n
        WHERE n.tenant = m.tenant AND n.conversation_id = m.conversation_id)
WHERE m.tenant = $1 AND m.user_id = $2";

/// `CROSS JOIN` has SQLite go through the list and look each up.
pub(super) const HEADS_OF: &str = "
SELECT m.tenant, m.user_id, m.conversation_id, COALESCE(e.seq, 0) AS head, e.id AS entry_id, m.from_seq
FROM (SELECT value ->> 0 AS tenant, value ->> 1 AS id FROM json_each($1)) g
CROSS JOIN members m ON m.tenant = g.tenant AND m.user_id = g.id
LEFT JOIN entries e ON e.tenant = m.tenant AND e.conversation_id = m.conversation_id
    AND e.seq = (SELECT max(n.seq) FROM entries n
        WHERE n.tenant = m.tenant AND n.conversation_id = m.conversation_id)";

pub(super) const ENTRY_IDS: &str = "
SELECT e.conversation_id, e.id AS entry_id
FROM (SELECT value ->> 0 AS id, value ->> 1 AS seq FROM json_each($2)) g
CROSS JOIN entries e ON e.tenant = $1 AND e.conversation_id = g.id AND e.seq = g.seq";

#[async_trait]
impl HeadStore for SqliteStore {
    async fn heads(&self, user_id: &UserId) -> Result<Vec<Head>, StoreError> {
        let rows = sqlx::query(HEADS)
            .bind(user_id.tenant().as_str())
            .bind(user_id.name_str())
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(head_in).collect()
    }

    async fn head_digests(&self, users: &[UserId]) -> Result<Vec<HeadsDigest>, StoreError> {
        let rows =
            dialect::bind_users(sqlx::query(HEADS_OF), users).fetch_all(&self.readers).await?;
        let mut digests = Digests::default();
        for row in &rows {
            digests.add(row.try_get("tenant")?, row.try_get("user_id")?, head_in(row)?);
        }
        Ok(digests.of(users))
    }

    async fn entry_ids(
        &self,
        tenant: TenantId,
        places: &[(ConversationId, u64)],
    ) -> Result<HashMap<ConversationId, EntryId>, StoreError> {
        let rows = sqlx::query(ENTRY_IDS)
            .bind(tenant.as_str())
            .bind(json(&places))
            .fetch_all(&self.readers)
            .await?;
        let found = |row: &SqliteRow| {
            let id = ConversationId(dialect::uuid(row, "conversation_id")?);
            Ok((id, EntryId(dialect::uuid(row, "entry_id")?)))
        };
        rows.iter().map(found).collect()
    }
}

fn head_in(row: &SqliteRow) -> Result<Head, StoreError> {
    let entry: Option<&str> = row.try_get("entry_id")?;
    let entry = entry.map(Uuid::try_parse).transpose().map_err(|_| corrupt("id"))?;
    let conversation = dialect::uuid(row, "conversation_id")?;
    Ok(head(conversation, row.try_get("head")?, entry, row.try_get("from_seq")?))
}
