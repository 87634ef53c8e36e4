//! The port by which states are compared with the log that they were folded from.

use async_trait::async_trait;
use proto::id::ConversationKey;

use super::fault::StoreError;
use crate::domain::entry::{Entry, State};

/// Reads logs and states, and writes states that are not what the log says.
#[async_trait]
pub trait VerifyStore: Send + Sync + 'static {
    /// Conversations of every tenant in order, those after one; at most so many.
    async fn conversations_after(
        &self,
        after: Option<ConversationKey>,
        limit: u32,
    ) -> Result<Vec<ConversationKey>, StoreError>;

    /// The entries of a part of a log that change messages, from after `after` to `through`, and the head of the log.
    async fn change_entries(
        &self,
        key: ConversationKey,
        after: u64,
        through: u64,
    ) -> Result<(Vec<Entry>, u64), StoreError>;

    /// Entries that change one message each, those of a range of messages: by message, then in order.
    async fn changes_of(
        &self,
        key: ConversationKey,
        changes: Changes,
    ) -> Result<Vec<(u64, Entry)>, StoreError>;

    /// The states of messages from after a seq on, in order; at most so many.
    async fn states_after(
        &self,
        key: ConversationKey,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, State)>, StoreError>;

    /// Puts a state in the place of one that is not what the log says. One that goes further by now stays, and what is gone
    /// stays gone.
    async fn mend(&self, key: ConversationKey, seq: u64, state: &State) -> Result<(), StoreError>;
}

/// Which changes of messages.
#[derive(Debug, Clone, Copy)]
pub struct Changes {
    /// Of the messages from this one
    pub first: u64,
    /// to this one,
    pub last: u64,
    /// up to this entry,
    pub through: u64,
    /// behind this message and this change of it,
    pub after: (u64, u64),
    /// at most so many.
    pub limit: u32,
}

/// Replies in a thread change the message that begins it.
pub(super) fn changes_of() -> String {
    let entry = super::reading::ENTRY_COLUMNS;
    format!(
        "
SELECT c.changed, {entry}
FROM (
    SELECT x.seq, x.target AS changed FROM entries x
    WHERE x.tenant = $1 AND x.conversation_id = $2 AND x.target >= $3 AND x.target <= $4 AND x.seq <= $5
    UNION ALL
    SELECT y.seq, y.thread AS changed FROM entries y
    WHERE y.tenant = $1 AND y.conversation_id = $2 AND y.thread >= $3 AND y.thread <= $4 AND y.seq <= $5
) c
JOIN entries e ON e.tenant = $1 AND e.conversation_id = $2 AND e.seq = c.seq
LEFT JOIN users s ON s.tenant = e.tenant AND s.id = e.sender_id
WHERE (c.changed, c.seq) > ($6, $7)
ORDER BY c.changed, c.seq LIMIT $8"
    )
}

pub(super) const CHANGE_ENTRIES: &str = "
SELECT h.head, e.conversation_id, e.seq, e.id AS entry_id, e.kind AS entry_kind, e.sender_id, e.client_id, e.content,
    e.reply_to, e.mentions, e.is_important, e.extra, e.created_at_ms, CAST(e.sender_type AS bigint) AS sender_type,
    CAST(e.device_type AS bigint) AS device_type, e.target, e.thread, e.also_in_main, e.expires_at_ms,
    CAST(e.flags AS bigint) AS flags, e.forwarded,
    '' AS sender_name, '' AS sender_avatar
FROM (SELECT max(x.seq) AS head FROM entries x WHERE x.tenant = $1 AND x.conversation_id = $2) h
LEFT JOIN entries e ON e.tenant = $1 AND e.conversation_id = $2 AND e.seq > $3 AND e.seq <= $4
    AND (e.target IS NOT NULL OR e.thread IS NOT NULL OR e.kind = 'delete')
ORDER BY e.seq";

pub(super) const STATES_AFTER: &str = "
SELECT s.seq, s.state FROM message_state s
WHERE s.tenant = $1 AND s.conversation_id = $2 AND s.seq > $3 ORDER BY s.seq LIMIT $4";

pub(super) const MEND: &str = "
INSERT INTO message_state (tenant, conversation_id, seq, as_of, state, gone) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, conversation_id, seq) DO UPDATE
SET as_of = excluded.as_of, state = excluded.state, gone = excluded.gone
WHERE message_state.gone = 0 AND message_state.as_of <= excluded.as_of";

pub(super) const CONVERSATIONS_AFTER: &str = "
SELECT c.tenant, c.id FROM conversations c /* of every tenant */
WHERE (c.tenant, c.id) > ($1, $2) ORDER BY c.tenant, c.id LIMIT $3";

/// Implements [`VerifyStore`] for a store whose questions are [`super::reading::query_store`]'s.
macro_rules! verify_store {
    ($store:ty, $writer:ident) => {
        #[async_trait::async_trait]
        impl crate::store::verify::VerifyStore for $store {
            async fn conversations_after(
                &self,
                after: Option<ConversationKey>,
                limit: u32,
            ) -> Result<Vec<ConversationKey>, StoreError> {
                let tenant = after.map_or("", |key| key.tenant.as_str());
                let id = after.map_or(uuid::Uuid::nil(), |key| key.id.0);
                let rows = sqlx::query(crate::store::verify::CONVERSATIONS_AFTER)
                    .bind(tenant)
                    .bind(dialect::id(id))
                    .bind(i64::from(limit))
                    .fetch_all(&self.readers)
                    .await?;
                rows.iter()
                    .map(|row| {
                        let tenant = reading::tenant(row.try_get("tenant")?)?;
                        let id = ConversationId(dialect::uuid(row, "id")?);
                        Ok(ConversationKey::new(tenant, id))
                    })
                    .collect()
            }

            async fn change_entries(
                &self,
                key: ConversationKey,
                after: u64,
                through: u64,
            ) -> Result<(Vec<Entry>, u64), StoreError> {
                let rows = sqlx::query(crate::store::verify::CHANGE_ENTRIES)
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(after.min(reading::EVER) as i64)
                    .bind(through.min(reading::EVER) as i64)
                    .fetch_all(&self.readers)
                    .await?;
                let (mut entries, mut head) = (Vec::with_capacity(rows.len()), 0);
                for row in &rows {
                    head = some_number(row, "head")?.unwrap_or_default();
                    if some_number(row, "seq")?.is_some() {
                        entries.push(entry(row, key)?.entry);
                    }
                }
                Ok((entries, head))
            }

            async fn changes_of(
                &self,
                key: ConversationKey,
                changes: crate::store::verify::Changes,
            ) -> Result<Vec<(u64, Entry)>, StoreError> {
                let crate::store::verify::Changes { first, last, through, after, limit } = changes;
                let number_of = |seq: u64| seq.min(reading::EVER) as i64;
                let sql = sqlx::AssertSqlSafe(crate::store::verify::changes_of());
                let rows = sqlx::query(sql)
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(number_of(first))
                    .bind(number_of(last))
                    .bind(number_of(through))
                    .bind(number_of(after.0))
                    .bind(number_of(after.1))
                    .bind(i64::from(limit))
                    .fetch_all(&self.readers)
                    .await?;
                rows.iter()
                    .map(|row| Ok((number(row, "changed")?, entry(row, key)?.entry)))
                    .collect()
            }

            async fn states_after(
                &self,
                key: ConversationKey,
                after: u64,
                limit: u32,
            ) -> Result<Vec<(u64, State)>, StoreError> {
                let rows = sqlx::query(crate::store::verify::STATES_AFTER)
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(after.min(reading::EVER) as i64)
                    .bind(i64::from(limit))
                    .fetch_all(&self.readers)
                    .await?;
                rows.iter()
                    .map(|row| Ok((number(row, "seq")?, state(row)?.unwrap_or_default())))
                    .collect()
            }

            async fn mend(
                &self,
                key: ConversationKey,
                seq: u64,
                state: &State,
            ) -> Result<(), StoreError> {
                sqlx::query(crate::store::verify::MEND)
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(seq as i64)
                    .bind(state.as_of as i64)
                    .bind(state.to_json())
                    .bind(i16::from(state.gone.is_some()))
                    .execute(&self.$writer)
                    .await?;
                Ok(())
            }
        }
    };
}

pub(super) use verify_store;
