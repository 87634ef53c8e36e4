//! Reactions that are rows, as they are loaded and written on SQLite.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};

use super::append::insert;
use super::json::json;
use crate::domain::tally::{Tally, TallyKey};
use crate::store::connections::Connections;
use crate::store::reactions::read;
use crate::store::{AppendBatch, StoreError};
use proto::id::ConversationKey;

/// The keys of users who react.
pub(super) const OWN: &str = "
SELECT k.value ->> 0 AS place, r.user_id, r.key FROM json_each($1) k
CROSS JOIN reactions r ON r.tenant = k.value ->> 1 AND r.conversation_id = k.value ->> 2 AND r.seq = k.value ->> 3
    AND r.user_id = k.value ->> 4";

/// How many reacted with each key.
pub(super) const COUNTS: &str = "
SELECT k.value ->> 0 AS place, r.key, count(*) AS n FROM json_each($1) k
CROSS JOIN reactions r ON r.tenant = k.value ->> 1 AND r.conversation_id = k.value ->> 2 AND r.seq = k.value ->> 3
GROUP BY k.value ->> 0, r.key";

/// How many users reacted.
pub(super) const REACTORS: &str = "
SELECT k.value ->> 0 AS place, (SELECT count(DISTINCT r.user_id) FROM reactions r
    WHERE r.tenant = k.value ->> 1 AND r.conversation_id = k.value ->> 2 AND r.seq = k.value ->> 3) AS n
FROM json_each($1) k";

const SET: &str = "
INSERT INTO reactions (tenant, conversation_id, seq, user_id, key, client_id, at_ms)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
FROM json_each($1) WHERE true
ON CONFLICT (tenant, conversation_id, seq, user_id, key) DO NOTHING";

pub(super) const REMOVED: &str = "
DELETE FROM reactions WHERE (tenant, conversation_id, seq, user_id, key) IN
    (SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each($1))";

/// MATERIALIZED: each value is parsed once.
pub(super) const DUE: &str = "
WITH due (t, c, s, d) AS MATERIALIZED (
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each($1)
)
UPDATE message_state SET tally_due_ms = due.d FROM due
WHERE tenant = due.t AND conversation_id = due.c AND seq = due.s";

/// Of the heads that have to be, those that are others.
pub(super) const MOVED_HEADS: &str = "
SELECT count(*) FROM json_each($1) h
WHERE h.value ->> 2 <> COALESCE((SELECT max(e.seq) FROM entries e
    WHERE e.tenant = h.value ->> 0 AND e.conversation_id = h.value ->> 1), 0)";

pub(super) async fn load(
    writer: &Connections<Sqlite>,
    keys: &[TallyKey],
) -> Result<Vec<Tally>, StoreError> {
    let places = || keys.iter().enumerate();
    let own: Vec<_> = places()
        .flat_map(|(place, key)| {
            let of = key.conversation;
            key.users.iter().map(move |user| (place, of.tenant, of.id, key.seq, user))
        })
        .collect();
    let counted: Vec<_> = places()
        .filter(|(_, key)| key.with_counts)
        .map(|(place, key)| (place, key.conversation.tenant, key.conversation.id, key.seq))
        .collect();
    let counted = json(&counted);
    let mut tallies = read::empty(keys);
    for row in sqlx::query(OWN).bind(json(&own)).fetch_all(writer).await? {
        let (place, user) = (place(&row)?, row.try_get("user_id")?);
        read::own(&mut tallies, place, user, row.try_get("key")?)?;
    }
    if keys.iter().any(|key| key.with_counts) {
        for row in sqlx::query(COUNTS).bind(&counted).fetch_all(writer).await? {
            let key: String = row.try_get("key")?;
            read::count(&mut tallies, place(&row)?, key, row.try_get("n")?);
        }
        for row in sqlx::query(REACTORS).bind(&counted).fetch_all(writer).await? {
            read::reactors(&mut tallies, place(&row)?, row.try_get("n")?);
        }
    }
    Ok(tallies)
}

fn place(row: &SqliteRow) -> Result<usize, sqlx::Error> {
    Ok(row.try_get::<i64, _>("place")? as usize)
}

/// Whether conversations have the heads that a batch was planned with.
pub(super) async fn heads_hold(
    transaction: &mut Transaction<'_, Sqlite>,
    heads: &[(ConversationKey, u64)],
) -> Result<bool, sqlx::Error> {
    if heads.is_empty() {
        return Ok(true);
    }
    let heads: Vec<_> = heads.iter().map(|(key, head)| (key.tenant, key.id, head)).collect();
    let query = sqlx::query_scalar::<_, i64>(MOVED_HEADS).bind(json(&heads));
    Ok(query.fetch_one(&mut **transaction).await? == 0)
}

/// Writes the reactions of a batch, and when they are to be counted.
pub(super) async fn write(
    transaction: &mut Transaction<'_, Sqlite>,
    batch: &AppendBatch,
) -> Result<(), sqlx::Error> {
    let set: Vec<_> = batch
        .reactions_set
        .iter()
        .map(|row| {
            let of = &row.of;
            let key = of.conversation;
            (key.tenant, key.id, of.seq, &of.user, &of.key, row.client_id, row.at_ms)
        })
        .collect();
    let removed: Vec<_> = batch
        .reactions_removed
        .iter()
        .map(|of| (of.conversation.tenant, of.conversation.id, of.seq, &of.user, &of.key))
        .collect();
    let due: Vec<_> =
        batch.tallies_due.iter().map(|(key, seq, ms)| (key.tenant, key.id, seq, ms)).collect();
    insert(transaction, SET, &set).await?;
    insert(transaction, REMOVED, &removed).await?;
    insert(transaction, DUE, &due).await
}
