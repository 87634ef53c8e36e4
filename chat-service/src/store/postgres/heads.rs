//! Heads and entries at places, on Postgres: each by its key, whatever the planner believes of the tables.

use std::collections::HashMap;

use async_trait::async_trait;
use proto::heads::HeadsDigest;
use proto::id::{ConversationId, EntryId, TenantId, UserId};
use uuid::Uuid;

use super::{PostgresStore, dialect};
use crate::store::StoreError;
use crate::store::heads::{Digests, Head, HeadStore, head};

const HEADS: &str = "
SELECT m.conversation_id, COALESCE(e.seq, 0), e.id, m.from_seq
FROM members m LEFT JOIN LATERAL (
    SELECT n.seq, n.id FROM entries n
    WHERE n.tenant = m.tenant AND n.conversation_id = m.conversation_id ORDER BY n.seq DESC LIMIT 1
) e ON true
WHERE m.tenant = $1 AND m.user_id = $2";

const HEADS_OF: &str = "
SELECT m.tenant, m.user_id, m.conversation_id, COALESCE(e.seq, 0), e.id
FROM unnest($1::text[], $2::text[]) AS g (tenant, id)
JOIN members m ON m.tenant = g.tenant AND m.user_id = g.id
LEFT JOIN LATERAL (
    SELECT n.seq, n.id FROM entries n
    WHERE n.tenant = m.tenant AND n.conversation_id = m.conversation_id ORDER BY n.seq DESC LIMIT 1
) e ON true";

const ENTRY_IDS: &str = "
SELECT g.id, e.id
FROM unnest($2::uuid[], $3::bigint[]) AS g (id, seq) CROSS JOIN LATERAL (
    SELECT n.id FROM entries n WHERE n.tenant = $1 AND n.conversation_id = g.id AND n.seq = g.seq LIMIT 1
) e";

type HeadOf = (String, String, Uuid, i64, Option<Uuid>);

#[async_trait]
impl HeadStore for PostgresStore {
    async fn heads(&self, user_id: &UserId) -> Result<Vec<Head>, StoreError> {
        let rows: Vec<(Uuid, i64, Option<Uuid>, i64)> = sqlx::query_as(HEADS)
            .bind(user_id.tenant().as_str())
            .bind(user_id.name_str())
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.into_iter().map(|(id, seq, entry, from)| head(id, seq, entry, from)).collect())
    }

    async fn head_digests(&self, users: &[UserId]) -> Result<Vec<HeadsDigest>, StoreError> {
        let rows: Vec<HeadOf> = dialect::bind_users(sqlx::query(HEADS_OF), users)
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(sqlx::FromRow::from_row)
            .collect::<Result<_, _>>()?;
        let mut digests = Digests::default();
        for (tenant, name, id, seq, entry) in rows {
            digests.add(tenant, name, head(id, seq, entry, 0));
        }
        Ok(digests.of(users))
    }

    async fn entry_ids(
        &self,
        tenant: TenantId,
        places: &[(ConversationId, u64)],
    ) -> Result<HashMap<ConversationId, EntryId>, StoreError> {
        let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(ENTRY_IDS)
            .bind(tenant.as_str())
            .bind(places.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
            .bind(places.iter().map(|(_, seq)| *seq as i64).collect::<Vec<_>>())
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.into_iter().map(|(id, entry)| (ConversationId(id), EntryId(entry))).collect())
    }
}
