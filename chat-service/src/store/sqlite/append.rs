//! The append side on SQLite: one transaction. What is rare is read from JSON, one statement a table;
//! entries go through `rows`.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use proto::id::{ClientId, ConversationId, ConversationKey, UserId};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, Sqlite, Transaction};

use super::{SqliteStore, dialect, rows, tail};
use crate::domain::entry::{CursorRow, Membership, Snapshot, StoredOperation, UserRow};
use crate::domain::fold::name_key;
use crate::store::connections::{Line, is_refusal};
use crate::store::reading::{self, code};
use crate::store::{AppendBatch, AppendError, Delivered, LogStore, StoreError};

// `WHERE true` keeps the parser from reading ON CONFLICT as a join constraint.
const CONVERSATIONS: &str = "
INSERT INTO conversations (tenant, id, kind, title, created_at_ms)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each($1) WHERE true
ON CONFLICT (tenant, id) DO UPDATE SET title = excluded.title";

const MEMBERS_SET: &str = "
INSERT INTO members (tenant, conversation_id, user_id, role, from_seq, delivered_seq, read_seq)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, (value ->> 4) - 1, (value ->> 4) - 1
FROM json_each($1) WHERE true
ON CONFLICT (tenant, conversation_id, user_id) DO UPDATE
SET role = excluded.role, from_seq = excluded.from_seq,
    delivered_seq = max(delivered_seq, excluded.delivered_seq), read_seq = max(read_seq, excluded.read_seq)";

pub(super) const MEMBERS_REMOVED: &str = "
DELETE FROM members WHERE (tenant, conversation_id, user_id) IN
    (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1))";

// MATERIALIZED: each value is parsed and each head looked up once, not once for every mention below.
pub(super) const ADVANCE_CURSORS: &str = "
WITH given (t, c, u, d, r) AS MATERIALIZED (
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each($1)
), n (t, c, u, d, r, head) AS MATERIALIZED (
    SELECT t, c, u, d, r,
        COALESCE((SELECT max(e.seq) FROM entries e WHERE e.tenant = t AND e.conversation_id = c), 0)
    FROM given
)
UPDATE members SET
    delivered_seq = max(delivered_seq, min(n.d, n.head), min(n.r, n.head)),
    read_seq = max(read_seq, min(n.r, n.head))
FROM n
WHERE tenant = n.t AND conversation_id = n.c AND user_id = n.u
    AND (delivered_seq < max(min(n.d, n.head), min(n.r, n.head)) OR read_seq < min(n.r, n.head))
RETURNING tenant, conversation_id, user_id, delivered_seq, read_seq";

const UPSERT_USERS: &str = "
INSERT INTO users (tenant, id, name, avatar, name_key, updated_at_ms)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, $2 FROM json_each($1) WHERE true
ON CONFLICT (tenant, id) DO UPDATE
SET name = excluded.name, avatar = excluded.avatar, name_key = excluded.name_key,
    updated_at_ms = excluded.updated_at_ms
WHERE (users.name, users.avatar, users.name_key) IS NOT (excluded.name, excluded.avatar, excluded.name_key)";

/// `CROSS JOIN` has SQLite go through the list and look each id up, in this order; so below.
pub(super) const LOAD: &str = "
SELECT c.tenant, c.id, c.kind, c.title, c.created_at_ms,
    COALESCE((SELECT max(e.seq) FROM entries e
        WHERE e.tenant = c.tenant AND e.conversation_id = c.id), 0) AS head
FROM json_each($1) k
CROSS JOIN conversations c ON c.tenant = k.value ->> 0 AND c.id = k.value ->> 1";

pub(super) const LOAD_MEMBERS: &str = "
SELECT m.tenant, m.conversation_id, m.user_id, m.role, m.from_seq FROM json_each($1) k
CROSS JOIN members m ON m.tenant = k.value ->> 0 AND m.conversation_id = k.value ->> 1";

pub(super) const FIND_CLIENT_IDS: &str = "
SELECT k.key AS place, o.conversation_id, o.seq, o.entry_id, o.created_at_ms, o.sha256, o.sender_id, o.client_id,
    e.kind AS entry_kind, e.content, e.reply_to, e.mentions, e.is_important, e.extra,
    '' AS sender_name, '' AS sender_avatar
FROM json_each($1) k
CROSS JOIN client_ids o
    ON o.tenant = k.value ->> 0 AND o.sender_id = k.value ->> 1 AND o.client_id = k.value ->> 2
LEFT JOIN entries e ON e.tenant = o.tenant AND e.conversation_id = o.conversation_id AND e.seq = o.seq";

pub(super) const MEMBERSHIPS: &str = "
SELECT (SELECT count(*) FROM (SELECT 1 FROM members m
    WHERE m.tenant = u.value ->> 0 AND m.user_id = u.value ->> 1 LIMIT $2) n)
FROM json_each($1) u ORDER BY u.key";

pub(super) const DELIVERED: &str = "
SELECT m.tenant, m.conversation_id, m.user_id, m.delivered_seq FROM json_each($1) k
CROSS JOIN members m ON m.tenant = k.value ->> 0 AND m.conversation_id = k.value ->> 1";

/// What is acknowledged survives a power cut: each commit waits for the disk.
const FULL: &str = "PRAGMA synchronous = FULL";
/// Cursors and names survive the end of the process, and a power cut with the next append: nobody was
/// promised more, and waiting for the disk twice a batch would double the time of every message.
const NORMAL: &str = "PRAGMA synchronous = NORMAL";

impl SqliteStore {
    /// The one writer, in the mode that this write needs: each says it, so none inherits another's.
    async fn synced(&self, mode: &'static str) -> Result<Line<Sqlite>, sqlx::Error> {
        let mut line = self.writer.line().await?;
        sqlx::query(mode).execute(&mut *line).await?;
        Ok(line)
    }

    /// The one writer, for what the next append takes to the disk.
    pub(super) async fn unsynced(&self) -> Result<Line<Sqlite>, sqlx::Error> {
        self.synced(NORMAL).await
    }
}

#[async_trait]
impl LogStore for SqliteStore {
    fn generation(&self) -> u64 {
        // The file is this process's own for as long as it runs.
        0
    }

    async fn load(&self, keys: &[ConversationKey]) -> Result<Vec<Option<Snapshot>>, StoreError> {
        let wanted = pairs(keys);
        // The head before the members: see guarantee 5.
        let rows = sqlx::query(LOAD).bind(&wanted).fetch_all(&self.writer).await?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in &rows {
            let key = key_of(row, "id")?;
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
        let rows = sqlx::query(LOAD_MEMBERS).bind(&wanted).fetch_all(&self.writer).await?;
        for row in &rows {
            let key = key_of(row, "conversation_id")?;
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

    async fn find_client_ids(
        &self,
        keys: &[(UserId, ClientId)],
    ) -> Result<Vec<Option<StoredOperation>>, StoreError> {
        let wanted: Vec<_> = keys
            .iter()
            .map(|(sender, client_id)| (sender.tenant(), sender.name_str(), client_id))
            .collect();
        let rows = sqlx::query(FIND_CLIENT_IDS).bind(json(&wanted)).fetch_all(&self.writer).await?;
        let mut found = vec![None; keys.len()];
        for row in &rows {
            let place = row.try_get::<i64, _>("place")? as usize;
            found[place] = Some(super::operation(row, keys[place].0.tenant())?);
        }
        Ok(found)
    }

    async fn memberships(&self, users: &[UserId], most: u32) -> Result<Vec<u32>, StoreError> {
        let counts: Vec<i64> = sqlx::query_scalar(MEMBERSHIPS)
            .bind(json(&users.iter().map(dialect::pair).collect::<Vec<_>>()))
            .bind(i64::from(most))
            .fetch_all(&self.writer)
            .await?;
        Ok(counts.into_iter().map(|count| count as u32).collect())
    }

    async fn delivered(&self, keys: &[ConversationKey]) -> Result<Vec<Delivered>, StoreError> {
        let rows = sqlx::query(DELIVERED).bind(pairs(keys)).fetch_all(&self.writer).await?;
        rows.iter().map(super::delivered).collect()
    }

    async fn append(&self, batch: &AppendBatch) -> Result<(), AppendError> {
        let mut line = self.synced(FULL).await.map_err(AppendError::NotStored)?;
        // Takes the write lock at once: a reader that turns writer later would fail at once instead.
        let mut transaction =
            line.begin_with("BEGIN IMMEDIATE").await.map_err(AppendError::NotStored)?;
        if let Err(error) = write(&mut transaction, batch).await {
            if is_refusal::<Sqlite>(&error) && transaction.rollback().await.is_ok() {
                line.done();
            }
            return Err(append_error(error));
        }
        transaction.commit().await.map_err(commit_error)?;
        line.done();
        Ok(())
    }

    async fn advance_cursors(&self, cursors: &[CursorRow]) -> Result<Vec<CursorRow>, StoreError> {
        let rows: Vec<_> = cursors
            .iter()
            .map(|c| {
                let user = &c.user_id;
                (user.tenant(), c.conversation_id, user.name_str(), c.delivered_seq, c.read_seq)
            })
            .collect();
        let mut line = self.synced(NORMAL).await?;
        let rows = sqlx::query(ADVANCE_CURSORS).bind(json(&rows)).fetch_all(&mut *line).await?;
        line.done();
        rows.iter()
            .map(|row| {
                Ok(CursorRow {
                    conversation_id: ConversationId(dialect::uuid(row, "conversation_id")?),
                    user_id: reading::user_id(row.try_get("tenant")?, row.try_get("user_id")?)?,
                    delivered_seq: row.try_get::<i64, _>("delivered_seq")? as u64,
                    read_seq: row.try_get::<i64, _>("read_seq")? as u64,
                })
            })
            .collect()
    }

    async fn upsert_users(&self, users: &[UserRow], now_ms: u64) -> Result<(), StoreError> {
        let rows: Vec<_> = users
            .iter()
            .map(|user| {
                let (id, key) = (&user.id, name_key(&user.name));
                (id.tenant(), id.name_str(), &user.name, &user.avatar, key)
            })
            .collect();
        let mut line = self.synced(NORMAL).await?;
        sqlx::query(UPSERT_USERS).bind(json(&rows)).bind(now_ms as i64).execute(&mut *line).await?;
        line.done();
        Ok(())
    }
}

/// A disk that is full takes no mark of a commit. What could not be read or written or synced may be there
/// nevertheless, when the log is read again after a crash.
fn commit_error(error: sqlx::Error) -> AppendError {
    match result_code(&error) {
        // SQLITE_BUSY, SQLITE_FULL.
        Some((_, 5 | 13)) => AppendError::NotStored(error),
        _ => AppendError::Unknown(error),
    }
}

/// The extended and the primary result code: <https://www.sqlite.org/rescode.html>.
fn result_code(error: &sqlx::Error) -> Option<(u32, u32)> {
    let code = error.as_database_error()?.code()?.parse::<u32>().ok()?;
    // The lowest byte is the primary one.
    Some((code, code & 0xff))
}

async fn write(
    transaction: &mut Transaction<'_, Sqlite>,
    batch: &AppendBatch,
) -> Result<(), sqlx::Error> {
    let conversations: Vec<_> = batch
        .conversations
        .iter()
        .map(|c| (c.key.tenant, c.key.id, code::kind(c.kind), &c.title, c.created_at_ms))
        .collect();
    let set: Vec<_> = batch
        .members_set
        .iter()
        .map(|m| {
            let user = &m.user_id;
            (user.tenant(), m.conversation_id, user.name_str(), code::role(m.role), m.from_seq)
        })
        .collect();
    let removed: Vec<_> = batch
        .members_removed
        .iter()
        .map(|(id, user)| (user.tenant(), id, user.name_str()))
        .collect();
    rows::insert(transaction, &batch.entries).await?;
    tail::appended(transaction, &batch.entries).await?;
    insert(transaction, CONVERSATIONS, &conversations).await?;
    insert(transaction, MEMBERS_SET, &set).await?;
    insert(transaction, MEMBERS_REMOVED, &removed).await
}

async fn insert<T: Serialize>(
    transaction: &mut Transaction<'_, Sqlite>,
    sql: &'static str,
    rows: &[T],
) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(sql).bind(json(&rows)).execute(&mut **transaction).await.map(|_| ())
}

fn pairs(keys: &[ConversationKey]) -> String {
    json(&keys.iter().map(|key| (key.tenant, key.id)).collect::<Vec<_>>())
}

/// The conversation of a row whose id stands in `column`.
fn key_of(row: &SqliteRow, column: &str) -> Result<ConversationKey, sqlx::Error> {
    let tenant = reading::tenant(row.try_get("tenant")?)?;
    Ok(ConversationKey::new(tenant, ConversationId(dialect::uuid(row, column)?)))
}

pub(super) fn json<T: Serialize + ?Sized>(rows: &T) -> String {
    // Cannot fail: tuples of texts and numbers.
    serde_json::to_string(rows).unwrap_or_default()
}

/// The transaction was not committed.
fn append_error(error: sqlx::Error) -> AppendError {
    match result_code(&error) {
        // SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE.
        Some((1555 | 2067, _)) => AppendError::Conflict,
        // A value too big, another constraint, a type that does not fit.
        Some((_, 18..=20)) => AppendError::Invalid(error),
        _ => AppendError::NotStored(error),
    }
}
