//! The append side on SQLite: one transaction. What is rare is read from JSON, one statement a table;
//! entries go through `rows`.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use proto::id::{ClientId, ConversationId, ConversationKey, UserId};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, Sqlite, Transaction};

use super::json::json;
use super::{SqliteStore, dialect, following, reactions, rows, tail};
use crate::domain::drafts::DraftPlace;
use crate::domain::entry::{
    CursorRow, Membership, Snapshot, StoredOperation, TargetKey, Targets, UserRow,
};
use crate::domain::fold::name_key;
use crate::domain::own::Place;
use crate::domain::steps;
use crate::domain::tally::{Tally, TallyKey};
use crate::store::connections::{Line, is_refusal};
use crate::store::own::id_of;
use crate::store::reading::{self, code};
use crate::store::states::StateRows;
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

const PINS_SET: &str = "
INSERT INTO pins (tenant, conversation_id, seq, pinned_seq, by_user)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each($1) WHERE true
ON CONFLICT (tenant, conversation_id, seq) DO UPDATE SET pinned_seq = excluded.pinned_seq, by_user = excluded.by_user";

pub(super) const PINS_REMOVED: &str = "
DELETE FROM pins WHERE (tenant, conversation_id, seq) IN
    (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1))";

const SETTINGS_SET: &str = "
INSERT INTO own_settings (tenant, user_id, conversation_id, what, thread, value, number, as_of)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
FROM json_each($1) WHERE true
ON CONFLICT (tenant, user_id, conversation_id, what, thread) DO UPDATE
SET value = excluded.value, number = excluded.number, as_of = excluded.as_of";

pub(super) const SETTINGS_REMOVED: &str = "
DELETE FROM own_settings WHERE (tenant, user_id, conversation_id, what, thread) IN
    (SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each($1))";

const DRAFTS_SET: &str = "
INSERT INTO drafts (tenant, user_id, conversation_id, thread, content, as_of, at_ms)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
FROM json_each($1) WHERE true
ON CONFLICT (tenant, user_id, conversation_id, thread) DO UPDATE
SET content = excluded.content, as_of = excluded.as_of, at_ms = excluded.at_ms";

pub(super) const DRAFTS_REMOVED: &str = "
DELETE FROM drafts WHERE (tenant, user_id, conversation_id, thread) IN
    (SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each($1))";

const STATES_SET: &str = "
INSERT INTO message_state (tenant, conversation_id, seq, as_of, state, gone, tally_due_ms)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
FROM json_each($1) WHERE true
ON CONFLICT (tenant, conversation_id, seq) DO UPDATE
SET as_of = excluded.as_of, state = excluded.state, gone = excluded.gone, tally_due_ms = excluded.tally_due_ms
WHERE message_state.gone = 0 AND message_state.as_of < excluded.as_of";

pub(super) const BLANKED: &str = "
UPDATE entries SET content = '{}', extra = NULL, mentions = NULL, flags = NULL, forwarded = NULL WHERE (tenant, conversation_id, seq) IN
    (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1))";

const ACTS: &str = "
INSERT INTO audit (tenant, at_ms, actor, ip, action, target, reason, details)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
FROM json_each($1)";

/// Each target with its state, its edits where they are wanted, and what is pinned in its conversation, also where there is
/// no target.
pub(super) const LOAD_TARGETS: &str = "
SELECT k.key AS place, e.kind, e.sender_id, e.created_at_ms, e.thread, e.also_in_main, e.mentions, e.flags,
    e.device_type, e.expires_at_ms,
    COALESCE(octet_length(e.content), 0) AS content_bytes, p.pinned_seq, s.state, s.tally_due_ms,
    CASE WHEN k.value ->> 3 THEN (SELECT json_group_array(x.seq) FROM entries x
        WHERE x.tenant = k.value ->> 0 AND x.conversation_id = k.value ->> 1 AND x.target = k.value ->> 2
            AND x.kind = 'edit') END AS edits,
    (SELECT count(*) FROM pins x WHERE x.tenant = k.value ->> 0 AND x.conversation_id = k.value ->> 1) AS pins
FROM json_each($1) k
LEFT JOIN entries e ON e.tenant = k.value ->> 0 AND e.conversation_id = k.value ->> 1 AND e.seq = k.value ->> 2
LEFT JOIN message_state s
    ON s.tenant = k.value ->> 0 AND s.conversation_id = k.value ->> 1 AND s.seq = k.value ->> 2
LEFT JOIN pins p ON p.tenant = k.value ->> 0 AND p.conversation_id = k.value ->> 1 AND p.seq = k.value ->> 2";

// MATERIALIZED: each value is parsed and each head looked up once, not once for every mention below. Steps are texts of 22
// characters, of which 704 are kept: see `domain/steps.rs`.
pub(super) const ADVANCE_CURSORS: &str = "
WITH given (t, c, u, d, r, s) AS MATERIALIZED (
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each($1)
), n (t, c, u, d, r, s, head) AS MATERIALIZED (
    SELECT t, c, u, d, r, s,
        COALESCE((SELECT max(e.seq) FROM entries e WHERE e.tenant = t AND e.conversation_id = c), 0)
    FROM given
)
UPDATE members SET
    delivered_seq = max(delivered_seq, min(n.d, n.head), min(n.r, n.head)),
    read_seq = max(read_seq, min(n.r, n.head)),
    steps = CASE
        WHEN NOT n.s THEN steps
        WHEN min(n.r, n.head) > read_seq AND min(n.d, n.head) > min(n.r, n.head) AND min(n.d, n.head) > delivered_seq
            THEN substr(COALESCE(steps, '') || 'd' || printf('%010x', min(n.d, n.head)) || $2
                || 'r' || printf('%010x', min(n.r, n.head)) || $2, -704)
        WHEN substr(steps, -22, 1) = CASE WHEN min(n.r, n.head) > read_seq THEN 'r' ELSE 'd' END
                AND substr(steps, -11) >= $3
            THEN substr(steps, 1, length(steps) - 21) || printf('%010x',
                CASE WHEN min(n.r, n.head) > read_seq THEN min(n.r, n.head) ELSE min(n.d, n.head) END)
                || substr(steps, -11)
        ELSE substr(COALESCE(steps, '') || CASE WHEN min(n.r, n.head) > read_seq
            THEN 'r' || printf('%010x', min(n.r, n.head)) ELSE 'd' || printf('%010x', min(n.d, n.head)) END || $2, -704)
    END
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
    e.kind AS entry_kind, e.content, e.reply_to, e.mentions, e.is_important, e.extra, e.sender_type, e.device_type,
    e.target, e.thread, e.also_in_main, e.expires_at_ms, e.flags, e.forwarded, '' AS sender_name, '' AS sender_avatar
FROM json_each($1) k
CROSS JOIN client_ids o
    ON o.tenant = k.value ->> 0 AND o.sender_id = k.value ->> 1 AND o.client_id = k.value ->> 2
LEFT JOIN entries e ON e.tenant = o.tenant AND e.conversation_id = o.conversation_id AND e.seq = o.seq";

pub(super) const MEMBERSHIPS: &str = "
SELECT (SELECT count(*) FROM (SELECT 1 FROM members m
    WHERE m.tenant = u.value ->> 0 AND m.user_id = u.value ->> 1 AND m.conversation_id <> u.value ->> 2 LIMIT $2) n)
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

    async fn load_targets(&self, keys: &[TargetKey]) -> Result<Targets, StoreError> {
        let wanted: Vec<_> = keys
            .iter()
            .map(|key| (key.conversation.tenant, key.conversation.id, key.seq, key.with_edits))
            .collect();
        let rows = sqlx::query(LOAD_TARGETS).bind(json(&wanted)).fetch_all(&self.writer).await?;
        super::targets(&rows, keys)
    }

    async fn load_tallies(&self, keys: &[TallyKey]) -> Result<Vec<Tally>, StoreError> {
        super::reactions::load(&self.writer, keys).await
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
        let wanted: Vec<_> = users
            .iter()
            .map(|user| (user.tenant(), user.name_str(), ConversationId::own(user)))
            .collect();
        let counts: Vec<i64> = sqlx::query_scalar(MEMBERSHIPS)
            .bind(json(&wanted))
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
        let is_current = reactions::heads_hold(&mut transaction, &batch.heads).await;
        if matches!(is_current, Ok(false)) {
            transaction.rollback().await.map_err(AppendError::NotStored)?;
            line.done();
            return Err(AppendError::Conflict);
        }
        let written = match is_current {
            Ok(_) => write(&mut transaction, batch).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            if is_refusal::<Sqlite>(&error) && transaction.rollback().await.is_ok() {
                line.done();
            }
            return Err(append_error(error));
        }
        transaction.commit().await.map_err(commit_error)?;
        line.done();
        Ok(())
    }

    async fn advance_cursors_at(
        &self,
        cursors: &[CursorRow],
        is_timed: &[bool],
        now_ms: u64,
    ) -> Result<Vec<CursorRow>, StoreError> {
        let rows: Vec<_> = cursors
            .iter()
            .zip(is_timed)
            .map(|(c, timed)| {
                let (user, d, r) = (&c.user_id, c.delivered_seq, c.read_seq);
                (user.tenant(), c.conversation_id, user.name_str(), d, r, timed)
            })
            .collect();
        let mut line = self.synced(NORMAL).await?;
        let rows = sqlx::query(ADVANCE_CURSORS)
            .bind(json(&rows))
            .bind(steps::moment(now_ms))
            .bind(steps::moment(now_ms.saturating_sub(steps::MERGED_MS)))
            .fetch_all(&mut *line)
            .await?;
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
    insert(transaction, MEMBERS_REMOVED, &removed).await?;
    write_states(transaction, &StateRows::of(&batch.states)).await?;
    let blanked: Vec<_> =
        batch.blanked.iter().map(|(key, seq)| (key.tenant, key.id, seq)).collect();
    insert(transaction, BLANKED, &blanked).await?;
    let acts: Vec<_> = batch
        .acts
        .iter()
        .map(|act| {
            let (actor, at_ms) = (&act.actor, act.at_ms);
            let said = (&act.ip, &act.action, &act.target, &act.reason, &act.details);
            let (ip, action, target, reason, details) = said;
            (actor.tenant(), at_ms, actor.name_str(), ip, action, target, reason, details)
        })
        .collect();
    insert(transaction, ACTS, &acts).await?;
    own(transaction, batch).await?;
    reactions::write(transaction, batch).await?;
    following::insert(transaction, batch).await
}

async fn write_states(
    transaction: &mut Transaction<'_, Sqlite>,
    rows: &StateRows<'_>,
) -> Result<(), sqlx::Error> {
    let pins: Vec<_> = rows
        .pinned
        .iter()
        .map(|p| (p.by.tenant(), p.conversation_id, p.seq, p.pinned_seq, p.by.name_str()))
        .collect();
    let unpinned: Vec<_> =
        rows.unpinned.iter().map(|(key, seq)| (key.tenant, key.id, seq)).collect();
    let messages: Vec<_> = rows
        .messages
        .iter()
        .map(|m| (m.key.tenant, m.key.id, m.seq, m.as_of, &m.state, m.gone, m.tally_due_ms))
        .collect();
    insert(transaction, PINS_SET, &pins).await?;
    insert(transaction, PINS_REMOVED, &unpinned).await?;
    insert(transaction, STATES_SET, &messages).await
}

/// What users set of their own.
async fn own(
    transaction: &mut Transaction<'_, Sqlite>,
    batch: &AppendBatch,
) -> Result<(), sqlx::Error> {
    let at = |user: &UserId, place: &Place| {
        let id = id_of(place.conversation_id);
        (user.tenant(), user.name(), id, place.what.as_str(), place.thread)
    };
    let set: Vec<_> = batch
        .settings_set
        .iter()
        .map(|it| {
            let (tenant, name, id, what, thread) = at(&it.user_id, &it.place);
            (tenant, name, id, what, thread, &it.value.json, it.value.number, it.as_of)
        })
        .collect();
    let removed: Vec<_> =
        batch.settings_removed.iter().map(|(user, place)| at(user, place)).collect();
    insert(transaction, SETTINGS_SET, &set).await?;
    insert(transaction, SETTINGS_REMOVED, &removed).await?;
    let at = |user: &UserId, place: &DraftPlace| {
        (user.tenant(), user.name(), place.conversation_id, place.thread)
    };
    let kept: Vec<_> = batch
        .drafts_set
        .iter()
        .map(|it| {
            let (tenant, name, id, thread) = at(&it.user_id, &it.place);
            (tenant, name, id, thread, &it.content, it.as_of, it.at_ms)
        })
        .collect();
    let gone: Vec<_> = batch.drafts_removed.iter().map(|(user, place)| at(user, place)).collect();
    insert(transaction, DRAFTS_SET, &kept).await?;
    insert(transaction, DRAFTS_REMOVED, &gone).await
}

pub(super) async fn insert<T: Serialize>(
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
