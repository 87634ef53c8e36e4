//! Mentions and followed threads as they are written, and cursors of threads, on SQLite.

use sqlx::sqlite::SqliteRow;
use sqlx::{Sqlite, Transaction};

use super::SqliteStore;
use super::append::insert as insert_rows;
use super::json::json;
use crate::domain::entry::ThreadCursorRow;
use crate::store::AppendBatch;

const MENTIONS_NEW: &str = "
INSERT INTO mentions (tenant, user_id, conversation_id, seq, thread, at_ms)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each($1) WHERE true
ON CONFLICT (tenant, user_id, conversation_id, seq) DO NOTHING";

pub(super) const MENTIONS_REMOVED: &str = "
DELETE FROM mentions WHERE (tenant, user_id, conversation_id, seq) IN
    (SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each($1))";

const FOLLOWS_NEW: &str = "
INSERT INTO thread_reads (tenant, user_id, conversation_id, thread, read_seq, followed_ms, by_hand)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
FROM json_each($1) WHERE true
ON CONFLICT (tenant, user_id, conversation_id, thread) DO UPDATE SET by_hand = 0
WHERE thread_reads.by_hand AND NOT excluded.by_hand";

// MATERIALIZED: see the cursors of conversations.
pub(super) const ADVANCE_THREADS: &str = "
WITH given (t, u, c, f, r) AS MATERIALIZED (
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each($1)
), n (t, u, c, f, r) AS MATERIALIZED (
    SELECT t, u, c, f, min(r,
        COALESCE((SELECT max(e.seq) FROM entries e WHERE e.tenant = t AND e.conversation_id = c), 0))
    FROM given
)
UPDATE thread_reads SET read_seq = n.r
FROM n
WHERE tenant = n.t AND user_id = n.u AND conversation_id = n.c AND thread = n.f AND read_seq < n.r
RETURNING tenant, user_id, conversation_id, thread, read_seq";

/// Writes whom a batch mentions and who follows which threads.
pub(super) async fn insert(
    transaction: &mut Transaction<'_, Sqlite>,
    batch: &AppendBatch,
) -> Result<(), sqlx::Error> {
    let mentions: Vec<_> = batch
        .mentions
        .iter()
        .map(|m| {
            let (key, user) = (m.conversation, m.stored_user());
            (key.tenant, user, key.id, m.seq, m.thread, m.at_ms)
        })
        .collect();
    let removed: Vec<_> = batch
        .mentions_removed
        .iter()
        .map(|m| (m.conversation.tenant, m.stored_user(), m.conversation.id, m.seq))
        .collect();
    let follows: Vec<_> = batch
        .follows
        .iter()
        .map(|f| {
            let user = &f.user_id;
            let (tenant, name, id) = (user.tenant(), user.name_str(), f.conversation_id);
            (tenant, name, id, f.thread, f.read_seq, f.at_ms, f.by_hand)
        })
        .collect();
    insert_rows(transaction, MENTIONS_REMOVED, &removed).await?;
    insert_rows(transaction, MENTIONS_NEW, &mentions).await?;
    insert_rows(transaction, FOLLOWS_NEW, &follows).await
}

impl SqliteStore {
    pub(super) async fn advance_followed(
        &self,
        rows: &[ThreadCursorRow],
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                let user = &row.user_id;
                (user.tenant(), user.name_str(), row.conversation_id, row.thread, row.read_seq)
            })
            .collect();
        let mut line = self.unsynced().await?;
        let moved = sqlx::query(ADVANCE_THREADS).bind(json(&rows)).fetch_all(&mut *line).await?;
        line.done();
        Ok(moved)
    }
}
