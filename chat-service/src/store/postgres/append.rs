//! The append side on Postgres: one statement for a whole batch.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use proto::id::{ClientId, ConversationId, ConversationKey, UserId};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{PostgresStore, statement};
use crate::domain::entry::{
    CursorRow, Membership, Snapshot, StoredOperation, TargetKey, Targets, UserRow,
};
use crate::domain::fold::name_key;
use crate::domain::steps;
use crate::domain::tally::{Tally, TallyKey};
use crate::store::reading::{self, code};
use crate::store::states::StateRows;
use crate::store::{AppendBatch, AppendError, Delivered, LogStore, StoreError};

/// Each target with its state, its edits where they are wanted, and what is pinned in its conversation, also where there is
/// no target.
const LOAD_TARGETS: &str = "
SELECT k.place - 1 AS place, e.kind, e.sender_id, e.created_at_ms, e.thread, e.also_in_main, e.mentions,
    CAST(e.flags AS bigint) AS flags,
    CAST(e.device_type AS bigint) AS device_type, e.expires_at_ms,
    CAST(COALESCE(octet_length(e.content), 0) AS bigint) AS content_bytes, p.pinned_seq, s.state,
    s.tally_due_ms,
    CASE WHEN k.edits THEN (SELECT CAST(json_agg(x.seq) AS text) FROM entries x
        WHERE x.tenant = k.tenant AND x.conversation_id = k.id AND x.target = k.seq AND x.kind = 'edit') END AS edits,
    (SELECT count(*) FROM pins x WHERE x.tenant = k.tenant AND x.conversation_id = k.id) AS pins
FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::boolean[]) WITH ORDINALITY AS k (tenant, id, seq, edits, place)
LEFT JOIN message_state s ON s.tenant = k.tenant AND s.conversation_id = k.id AND s.seq = k.seq
LEFT JOIN entries e ON e.tenant = k.tenant AND e.conversation_id = k.id AND e.seq = k.seq
LEFT JOIN pins p ON p.tenant = k.tenant AND p.conversation_id = k.id AND p.seq = k.seq";

/// Steps are texts of 22 characters, of which 704 are kept: see [`steps`].
const ADVANCE_CURSORS: &str = "
UPDATE members SET delivered_seq = n.d, read_seq = n.r,
    steps = CASE
        WHEN n.step = '' THEN steps
        WHEN length(n.step) = 22 AND left(right(steps, 22), 1) = left(n.step, 1) AND right(steps, 11) >= $8
            THEN left(steps, -22) || left(n.step, 11) || right(steps, 11)
        ELSE right(COALESCE(steps, '') || n.step, 704)
    END
FROM (
    SELECT p.t, p.c, p.u, p.d, p.r, CASE WHEN NOT p.s THEN '' ELSE
            CASE WHEN p.d > p.was_d AND (p.r <= p.was_r OR p.d > p.r)
                THEN 'd' || lpad(to_hex(p.d), 10, '0') || $7 ELSE '' END
            || CASE WHEN p.r > p.was_r THEN 'r' || lpad(to_hex(p.r), 10, '0') || $7 ELSE '' END
        END AS step
    FROM (
        SELECT m.tenant AS t, m.conversation_id AS c, m.user_id AS u, a.s,
            m.delivered_seq AS was_d, m.read_seq AS was_r,
            GREATEST(m.delivered_seq, LEAST(a.d, h.head), LEAST(a.r, h.head)) AS d,
            GREATEST(m.read_seq, LEAST(a.r, h.head)) AS r
        FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::boolean[])
            AS a (t, c, u, d, r, s)
        JOIN members m ON m.tenant = a.t AND m.conversation_id = a.c AND m.user_id = a.u
        CROSS JOIN LATERAL (
            SELECT COALESCE(max(e.seq), 0) AS head FROM entries e WHERE e.tenant = a.t AND e.conversation_id = a.c
        ) h
        ORDER BY m.tenant, m.conversation_id, m.user_id
    ) p
) n
WHERE tenant = n.t AND conversation_id = n.c AND user_id = n.u AND (delivered_seq < n.d OR read_seq < n.r)
RETURNING tenant, conversation_id, user_id, delivered_seq, read_seq";

const UPSERT_USERS: &str = "
INSERT INTO users (tenant, id, name, avatar, name_key, updated_at_ms)
SELECT u.tenant, u.id, u.name, u.avatar, u.name_key, $6
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) AS u (tenant, id, name, avatar, name_key)
ON CONFLICT (tenant, id) DO UPDATE
SET name = excluded.name, avatar = excluded.avatar, name_key = excluded.name_key,
    updated_at_ms = excluded.updated_at_ms
WHERE (users.name, users.avatar, users.name_key)
    IS DISTINCT FROM (excluded.name, excluded.avatar, excluded.name_key)";

const LOAD: &str = "
SELECT c.tenant, c.id, CAST(c.kind AS bigint) AS kind, c.title, c.created_at_ms,
    COALESCE((SELECT max(e.seq) FROM entries e
        WHERE e.tenant = c.tenant AND e.conversation_id = c.id), 0) AS head
FROM unnest($1::text[], $2::uuid[]) AS k (tenant, id)
JOIN conversations c ON c.tenant = k.tenant AND c.id = k.id";

const LOAD_MEMBERS: &str = "
SELECT m.tenant, m.conversation_id, m.user_id, CAST(m.role AS bigint) AS role, m.from_seq
FROM unnest($1::text[], $2::uuid[]) AS k (tenant, id)
JOIN members m ON m.tenant = k.tenant AND m.conversation_id = k.id";

const FIND_CLIENT_IDS: &str = "
SELECT k.place, o.conversation_id, o.seq, o.entry_id, o.created_at_ms, o.sha256, o.sender_id, o.client_id,
    e.kind AS entry_kind, e.content, e.reply_to, e.mentions, e.is_important, e.extra,
    CAST(e.sender_type AS bigint) AS sender_type, CAST(e.device_type AS bigint) AS device_type, e.target, e.thread,
    e.also_in_main, e.expires_at_ms, CAST(e.flags AS bigint) AS flags, e.forwarded, '' AS sender_name, '' AS sender_avatar
FROM unnest($1::text[], $2::text[], $3::uuid[]) WITH ORDINALITY AS k (tenant, sender, client, place)
JOIN client_ids o ON o.tenant = k.tenant AND o.sender_id = k.sender AND o.client_id = k.client
LEFT JOIN entries e ON e.tenant = o.tenant AND e.conversation_id = o.conversation_id AND e.seq = o.seq";

const MEMBERSHIPS: &str = "
SELECT (SELECT count(*) FROM (SELECT 1 FROM members m
    WHERE m.tenant = u.tenant AND m.user_id = u.id AND m.conversation_id <> u.own LIMIT $4) n)
FROM unnest($1::text[], $2::text[], $3::uuid[]) WITH ORDINALITY AS u (tenant, id, own, place) ORDER BY u.place";

const DELIVERED: &str = "
SELECT m.tenant, m.conversation_id, m.user_id, m.delivered_seq
FROM unnest($1::text[], $2::uuid[]) AS k (tenant, id)
JOIN members m ON m.tenant = k.tenant AND m.conversation_id = k.id";

fn tenants(keys: &[ConversationKey]) -> Vec<&'static str> {
    keys.iter().map(|key| key.tenant.as_str()).collect()
}

fn ids(keys: &[ConversationKey]) -> Vec<Uuid> {
    keys.iter().map(|key| key.id.0).collect()
}

/// The conversation of a row whose id stands in `column`.
fn key_of(row: &PgRow, column: &str) -> Result<ConversationKey, sqlx::Error> {
    let tenant = reading::tenant(row.try_get("tenant")?)?;
    Ok(ConversationKey::new(tenant, ConversationId(row.try_get(column)?)))
}

#[async_trait]
impl LogStore for PostgresStore {
    fn generation(&self) -> u64 {
        self.identity.generation()
    }

    async fn load(&self, keys: &[ConversationKey]) -> Result<Vec<Option<Snapshot>>, StoreError> {
        // The head before the members: see guarantee 5.
        let rows =
            sqlx::query(LOAD).bind(tenants(keys)).bind(ids(keys)).fetch_all(&self.writers).await?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in rows {
            let key = key_of(&row, "id")?;
            let snapshot = Snapshot {
                key,
                kind: code::kind_of(row.try_get("kind")?),
                title: row.try_get("title")?,
                head: row.try_get::<i64, _>("head")? as u64,
                created_at_ms: row.try_get::<i64, _>("created_at_ms")? as u64,
                members: Arc::default(),
            };
            found.insert(key, snapshot);
        }
        let rows = sqlx::query(LOAD_MEMBERS)
            .bind(tenants(keys))
            .bind(ids(keys))
            .fetch_all(&self.writers)
            .await?;
        for row in rows {
            let key = key_of(&row, "conversation_id")?;
            let user_id = reading::user_name(row.try_get("user_id")?)?.of(key.tenant);
            if let Some(snapshot) = found.get_mut(&key) {
                let membership = Membership {
                    role: code::role_of(row.try_get("role")?),
                    from_seq: row.try_get::<i64, _>("from_seq")? as u64,
                };
                Arc::make_mut(&mut snapshot.members).insert(user_id, membership);
            }
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    async fn load_targets(&self, keys: &[TargetKey]) -> Result<Targets, StoreError> {
        let conversations: Vec<_> = keys.iter().map(|key| key.conversation).collect();
        let rows = sqlx::query(LOAD_TARGETS)
            .bind(tenants(&conversations))
            .bind(ids(&conversations))
            .bind(keys.iter().map(|key| key.seq as i64).collect::<Vec<_>>())
            .bind(keys.iter().map(|key| key.with_edits).collect::<Vec<_>>())
            .fetch_all(&self.writers)
            .await?;
        super::targets(&rows, keys)
    }

    async fn load_tallies(&self, keys: &[TallyKey]) -> Result<Vec<Tally>, StoreError> {
        super::reactions::load(&self.writers, keys).await
    }

    async fn find_client_ids(
        &self,
        keys: &[(UserId, ClientId)],
    ) -> Result<Vec<Option<StoredOperation>>, StoreError> {
        let rows = sqlx::query(FIND_CLIENT_IDS)
            .bind(keys.iter().map(|(sender, _)| sender.tenant().as_str()).collect::<Vec<_>>())
            .bind(keys.iter().map(|(sender, _)| sender.name_str()).collect::<Vec<_>>())
            .bind(keys.iter().map(|(_, client_id)| client_id.0).collect::<Vec<_>>())
            .fetch_all(&self.writers)
            .await?;
        let mut found = vec![None; keys.len()];
        for row in rows {
            let place = row.try_get::<i64, _>("place")? as usize - 1;
            found[place] = Some(super::operation(&row, keys[place].0.tenant())?);
        }
        Ok(found)
    }

    async fn memberships(&self, users: &[UserId], most: u32) -> Result<Vec<u32>, StoreError> {
        let counts: Vec<i64> = sqlx::query_scalar(MEMBERSHIPS)
            .bind(users.iter().map(|user| user.tenant().as_str()).collect::<Vec<_>>())
            .bind(users.iter().map(UserId::name_str).collect::<Vec<_>>())
            .bind(users.iter().map(|user| ConversationId::own(user).0).collect::<Vec<_>>())
            .bind(i64::from(most))
            .fetch_all(&self.writers)
            .await?;
        Ok(counts.into_iter().map(|count| count as u32).collect())
    }

    async fn delivered(&self, keys: &[ConversationKey]) -> Result<Vec<Delivered>, StoreError> {
        let rows = sqlx::query(DELIVERED)
            .bind(tenants(keys))
            .bind(ids(keys))
            .fetch_all(&self.writers)
            .await?;
        rows.iter().map(super::delivered).collect()
    }

    async fn append(&self, batch: &AppendBatch) -> Result<(), AppendError> {
        // Without a connection nothing was sent.
        let mut line = self.writers.line().await.map_err(AppendError::NotStored)?;
        // Opening the connection may have shown another database than the batch was planned for.
        if batch.generation != self.identity.generation() {
            line.done();
            return Err(AppendError::Conflict);
        }
        let rows = StateRows::of(&batch.states);
        let result = statement::query(batch, &rows).execute(&mut *line).await;
        line.ended(result).map(|_| ()).map_err(append_error)
    }

    async fn advance_cursors_at(
        &self,
        cursors: &[CursorRow],
        is_timed: &[bool],
        now_ms: u64,
    ) -> Result<Vec<CursorRow>, StoreError> {
        let rows = sqlx::query(ADVANCE_CURSORS)
            .bind(cursors.iter().map(|c| c.user_id.tenant().as_str()).collect::<Vec<_>>())
            .bind(cursors.iter().map(|c| c.conversation_id.0).collect::<Vec<_>>())
            .bind(cursors.iter().map(|c| c.user_id.name_str()).collect::<Vec<_>>())
            .bind(cursors.iter().map(|c| c.delivered_seq as i64).collect::<Vec<_>>())
            .bind(cursors.iter().map(|c| c.read_seq as i64).collect::<Vec<_>>())
            .bind(is_timed)
            .bind(steps::moment(now_ms))
            .bind(steps::moment(now_ms.saturating_sub(steps::MERGED_MS)))
            .fetch_all(&self.writers)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(CursorRow {
                    conversation_id: ConversationId(row.try_get("conversation_id")?),
                    user_id: reading::user_id(row.try_get("tenant")?, row.try_get("user_id")?)?,
                    delivered_seq: row.try_get::<i64, _>("delivered_seq")? as u64,
                    read_seq: row.try_get::<i64, _>("read_seq")? as u64,
                })
            })
            .collect()
    }

    async fn upsert_users(&self, users: &[UserRow], now_ms: u64) -> Result<(), StoreError> {
        sqlx::query(UPSERT_USERS)
            .bind(users.iter().map(|user| user.id.tenant().as_str()).collect::<Vec<_>>())
            .bind(users.iter().map(|user| user.id.name_str()).collect::<Vec<_>>())
            .bind(users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>())
            .bind(users.iter().map(|user| user.avatar.as_str()).collect::<Vec<_>>())
            .bind(users.iter().map(|user| name_key(&user.name)).collect::<Vec<_>>())
            .bind(now_ms as i64)
            .execute(&self.writers)
            .await?;
        Ok(())
    }
}

/// By SQLSTATE, never by text: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn append_error(error: sqlx::Error) -> AppendError {
    let sqlx::Error::Database(database) = &error else {
        // The connection broke while the statement was under way.
        return AppendError::Unknown(error);
    };
    match database.code().as_deref() {
        // A key is taken, or a head is another one: see `statement`.
        Some("23505" | "22012") => AppendError::Conflict,
        // Two rows of one statement for one place: a fault of the planner, and the same batch fails again.
        Some(code) if code.starts_with("21") => AppendError::Invalid(error),
        // Serialization, deadlock, lock timeout, statement timeout, resources, read-only replica: the
        // statement was rolled back, another try may work.
        Some("40001" | "40P01" | "55P03" | "57014" | "25006") => AppendError::NotStored(error),
        Some(code) if code.starts_with("53") => AppendError::NotStored(error),
        // The server is going away: the message says nothing about the commit.
        Some(code)
            if code.starts_with("57") || code.starts_with("08") || code.starts_with("58") =>
        {
            AppendError::Unknown(error)
        }
        // A value that does not fit, a constraint, a limit of the server (such as the size of an index
        // row), an exception of a trigger: the same batch fails again.
        Some(code) if ["22", "23", "54", "P0"].iter().any(|class| code.starts_with(class)) => {
            AppendError::Invalid(error)
        }
        // The statement failed before it could commit.
        _ => AppendError::NotStored(error),
    }
}
