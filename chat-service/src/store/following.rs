//! What concerns a user in particular: messages that mention them, and the threads that they follow, each with a cursor of
//! its own.
//!
//! # Guarantees (held by the contract suite)
//! 1. A user is mentioned and follows threads in conversations only whose member they are, from where they joined on.
//! 2. `mentions_of` and `threads_of` give each message and each thread once in a walk, while nothing is appended.
//! 3. A thread is followed, and not, as its user said by hand (`follow_thread`), whatever they had to do with it; else by its
//!    author, by those who wrote in it and by those who are mentioned there.
//! 4. `advance_threads` moves the cursors of threads that have one, never back and never past the head, and none of a
//!    conversation.

use async_trait::async_trait;
use proto::id::{ConversationId, ConversationKey, UserId, UserName};

use super::fault::StoreError;
use super::query::{LOOKED_AT_FOR_UNREAD, Page, Room};
use crate::domain::body::MESSAGE_KINDS;
use crate::domain::entry::{DeviceType, StoredEntry, ThreadCursorRow};

/// Threads that are looked at for a list: those that a user began to follow last.
const LOOKED_AT_THREADS: u32 = 1_000;
/// Unread messages are counted to this.
pub const MOST_COUNTED: u32 = 100;

/// A place in a list that begins with what happened last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Unix milliseconds.
    pub at_ms: u64,
    pub conversation_id: ConversationId,
    /// Of the message, or of the first one of the thread.
    pub seq: u64,
}

/// Which part of a list a device of a user asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub user_id: &'a UserId,
    pub device_type: Option<DeviceType>,
    /// Only what is unread.
    pub only_unread: bool,
    /// Behind this place; `None` from the beginning.
    pub behind: Option<Place>,
    pub limit: u32,
}

/// A message that mentions a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MentionView {
    pub place: Place,
    /// Its content as lists show it.
    pub stored: StoredEntry,
    /// The first entry of its conversation that the user may see.
    pub from_seq: u64,
    pub is_unread: bool,
}

/// A thread that a user follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadView {
    /// By its newest reply.
    pub place: Place,
    pub read_seq: u64,
    /// Replies by others after `read_seq`, counted to [`MOST_COUNTED`] + 1.
    pub unread: u32,
    pub last_seq: u64,
    /// The first entry of its conversation that the user may see.
    pub from_seq: u64,
}

/// How far a member has come, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SteppedMember {
    pub user_id: UserId,
    /// First entry that the member may see.
    pub from_seq: u64,
    pub delivered_seq: u64,
    pub read_seq: u64,
    /// As they are stored.
    pub steps: String,
}

#[async_trait]
pub trait FollowingStore: Send + Sync + 'static {
    /// Messages that mention a user, the newest first.
    async fn mentions_of(&self, asked: Asked<'_>) -> Result<Vec<MentionView>, StoreError>;

    /// Threads with replies that a user follows, the one with the newest reply first.
    async fn threads_of(&self, asked: Asked<'_>) -> Result<Vec<ThreadView>, StoreError>;

    /// Members of a conversation after a user's name, in byte order, with the steps of their cursors: see
    /// [`steps`](crate::domain::steps).
    async fn stepped_members(
        &self,
        key: ConversationKey,
        after: Option<&UserName>,
        limit: u32,
    ) -> Result<Vec<SteppedMember>, StoreError>;

    /// A page of the replies in a thread by ascending seq, nothing before `from_seq`.
    async fn thread_entries(
        &self,
        key: ConversationKey,
        thread: u64,
        page: Page,
        from_seq: u64,
        room: Room,
    ) -> Result<Vec<StoredEntry>, StoreError>;

    /// Moves cursors of threads forward; the rows that changed, as they are now.
    async fn advance_threads(
        &self,
        rows: &[ThreadCursorRow],
    ) -> Result<Vec<ThreadCursorRow>, StoreError>;
}

pub(super) const STEPPED_MEMBERS: &str = "
SELECT user_id, from_seq, delivered_seq, read_seq, COALESCE(steps, '') AS steps FROM members
WHERE tenant = $1 AND conversation_id = $2 AND user_id > $3
ORDER BY user_id LIMIT $4";

/// The condition that an entry is a message that a device of the type `device` may read.
pub(super) fn is_readable(entry: &str, device: &str) -> String {
    let kinds = MESSAGE_KINDS.join("', '");
    format!(
        "{entry}.kind IN ('{kinds}') AND octet_length({entry}.content) > 2
            AND ({entry}.device_type IS NULL OR {entry}.device_type = {device})"
    )
}

/// Where a member has read to what a mention `n` is in: the conversation, or a thread of it.
const READ_TO: &str = "CASE WHEN n.thread IS NULL THEN m.read_seq ELSE COALESCE((SELECT r.read_seq FROM thread_reads r
        WHERE r.tenant = m.tenant AND r.user_id = m.user_id AND r.conversation_id = n.conversation_id
            AND r.thread = n.thread), m.read_seq) END";

/// Mentions of the user $2 by name, or of all members: `CROSS JOIN` has SQLite keep the order of the tables.
fn mentioned(by_name: bool) -> String {
    let (first, second, whom) = if by_name {
        ("mentions n", "members m", "n.user_id = $2")
    } else {
        ("members m", "mentions n", "n.user_id = '*'")
    };
    let is_readable = is_readable("w", "$3");
    format!(
        "
SELECT * FROM (
    SELECT n.conversation_id, n.seq, n.at_ms, m.from_seq, {READ_TO} AS read_to
    FROM {first} CROSS JOIN {second} CROSS JOIN entries w
    WHERE n.tenant = $1 AND {whom} AND m.tenant = $1 AND m.user_id = $2
        AND n.conversation_id = m.conversation_id AND n.seq >= m.from_seq
        AND (n.at_ms, n.conversation_id, n.seq) < ($5, $6, $7)
        AND w.tenant = $1 AND w.conversation_id = n.conversation_id AND w.seq = n.seq AND w.sender_id <> $2
        AND {is_readable}
) f WHERE $4 = 0 OR seq > read_to
ORDER BY at_ms DESC, conversation_id DESC, seq DESC LIMIT $8"
    )
}

/// Messages that mention the user $2, as a device of type $3 shows them, with $4 only the unread ones; behind the place
/// $5, $6, $7.
pub(super) fn mentions() -> String {
    let (by_name, all, entry) = (mentioned(true), mentioned(false), super::reading::ENTRY_COLUMNS);
    format!(
        "
SELECT {entry}, z.state, p.at_ms AS mentioned_ms, p.from_seq, p.read_to
FROM (SELECT * FROM ({by_name}) i UNION ALL SELECT * FROM ({all}) a) p
CROSS JOIN entries e
LEFT JOIN users s ON s.tenant = e.tenant AND s.id = e.sender_id
LEFT JOIN message_state z ON z.tenant = e.tenant AND z.conversation_id = e.conversation_id AND z.seq = e.seq
WHERE e.tenant = $1 AND e.conversation_id = p.conversation_id AND e.seq = p.seq
ORDER BY p.at_ms DESC, p.conversation_id DESC, p.seq DESC LIMIT $8"
    )
}

/// The condition that a thread `f` with a cursor is followed: as its user said by hand, else unless only that gave it the cursor.
const IS_FOLLOWED: &str = "COALESCE((SELECT o.value FROM own_settings o
            WHERE o.tenant = f.tenant AND o.user_id = f.user_id AND o.conversation_id = f.conversation_id
                AND o.what = 'follow_thread' AND o.thread = f.thread),
            CASE WHEN f.by_hand THEN 'false' ELSE 'true' END) = 'true'";

/// Threads that the user $2 follows, as a device of type $3 counts what is unread in them.
pub(super) fn threads() -> String {
    let (is_reply, is_unread) = (is_readable("x", "$3"), is_readable("w", "$3"));
    let counted = MOST_COUNTED + 1;
    let last = |column: &str| {
        format!(
            "(SELECT x.{column} FROM entries x
                WHERE x.tenant = l.tenant AND x.conversation_id = l.conversation_id AND x.thread = l.thread
                    AND x.seq >= m.from_seq AND {is_reply}
                ORDER BY x.seq DESC LIMIT 1)"
        )
    };
    let (last_seq, last_ms) = (last("seq"), last("created_at_ms"));
    format!(
        "
SELECT * FROM (
    SELECT l.conversation_id, l.thread, l.read_seq, m.from_seq, {last_seq} AS last_seq, {last_ms} AS last_ms,
        (SELECT count(*) FROM (SELECT 1 FROM (SELECT u.kind, u.sender_id, u.device_type, u.content FROM entries u
                WHERE u.tenant = l.tenant AND u.conversation_id = l.conversation_id AND u.thread = l.thread
                    AND u.seq > l.read_seq AND u.seq >= m.from_seq
                ORDER BY u.seq LIMIT {LOOKED_AT_FOR_UNREAD}) w
            WHERE w.sender_id <> l.user_id AND {is_unread} LIMIT {counted}) p) AS unread
    FROM (SELECT * FROM thread_reads f WHERE f.tenant = $1 AND f.user_id = $2 AND {IS_FOLLOWED}
        ORDER BY f.followed_ms DESC LIMIT {LOOKED_AT_THREADS}) l
    CROSS JOIN members m
    WHERE m.tenant = l.tenant AND m.user_id = l.user_id AND m.conversation_id = l.conversation_id
) a
WHERE last_seq IS NOT NULL AND ($4 = 0 OR unread > 0) AND (last_ms, conversation_id, thread) < ($5, $6, $7)
ORDER BY last_ms DESC, conversation_id DESC, thread DESC LIMIT $8"
    )
}

/// Implements [`FollowingStore`] for a store with a field `readers` (a pool) and a function `advance_followed`.
macro_rules! following_store {
    ($store:ty, $row:ty) => {
        #[async_trait::async_trait]
        impl crate::store::following::FollowingStore for $store {
            async fn mentions_of(
                &self,
                asked: crate::store::following::Asked<'_>,
            ) -> Result<Vec<crate::store::following::MentionView>, StoreError> {
                let tenant = asked.user_id.tenant();
                let rows = self.followed(crate::store::following::mentions(), asked).await?;
                let view = |row: &$row| {
                    let id = ConversationId(dialect::uuid(row, "conversation_id")?);
                    let mut stored = entry(row, ConversationKey::new(tenant, id))?;
                    if let Some(state) = state(row)? {
                        stored.entry.show_edited(&state);
                    }
                    stored.entry.body.cut(|content| crate::domain::preview::preview(content, true));
                    let seq = stored.entry.seq;
                    let place = crate::store::following::Place {
                        at_ms: number(row, "mentioned_ms")?,
                        conversation_id: id,
                        seq,
                    };
                    let is_unread = seq > number(row, "read_to")?;
                    let from_seq = number(row, "from_seq")?;
                    Ok(crate::store::following::MentionView { place, stored, from_seq, is_unread })
                };
                rows.iter().map(view).collect()
            }

            async fn threads_of(
                &self,
                asked: crate::store::following::Asked<'_>,
            ) -> Result<Vec<crate::store::following::ThreadView>, StoreError> {
                let rows = self.followed(crate::store::following::threads(), asked).await?;
                let view = |row: &$row| {
                    let place = crate::store::following::Place {
                        at_ms: number(row, "last_ms")?,
                        conversation_id: ConversationId(dialect::uuid(row, "conversation_id")?),
                        seq: number(row, "thread")?,
                    };
                    Ok(crate::store::following::ThreadView {
                        place,
                        read_seq: number(row, "read_seq")?,
                        unread: number(row, "unread")? as u32,
                        last_seq: number(row, "last_seq")?,
                        from_seq: number(row, "from_seq")?,
                    })
                };
                rows.iter().map(view).collect()
            }

            async fn stepped_members(
                &self,
                key: ConversationKey,
                after: Option<&UserName>,
                limit: u32,
            ) -> Result<Vec<crate::store::following::SteppedMember>, StoreError> {
                let rows = sqlx::query(crate::store::following::STEPPED_MEMBERS)
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(after.map_or("", UserName::as_str))
                    .bind(i64::from(limit))
                    .fetch_all(&self.readers)
                    .await?;
                let member = |row: &$row| {
                    Ok(crate::store::following::SteppedMember {
                        user_id: reading::user_name(row.try_get("user_id")?)?.of(key.tenant),
                        from_seq: number(row, "from_seq")?,
                        delivered_seq: number(row, "delivered_seq")?,
                        read_seq: number(row, "read_seq")?,
                        steps: row.try_get("steps")?,
                    })
                };
                rows.iter().map(member).collect()
            }

            async fn thread_entries(
                &self,
                key: ConversationKey,
                thread: u64,
                page: Page,
                from_seq: u64,
                room: Room,
            ) -> Result<Vec<StoredEntry>, StoreError> {
                let (Page::Before(seq) | Page::After(seq)) = page;
                let rows = sqlx::query(sqlx::AssertSqlSafe(reading::thread_page(page)))
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(from_seq.min(reading::EVER) as i64)
                    .bind(seq.min(reading::EVER) as i64)
                    .bind(i64::from(room.entries))
                    .bind(room.bytes as i64)
                    .bind(thread.min(reading::EVER) as i64)
                    .fetch_all(&self.readers)
                    .await?;
                let entries: Result<Vec<_>, _> = rows.iter().map(|row| entry(row, key)).collect();
                let mut entries = entries?;
                if let Page::Before(_) = page {
                    entries.reverse();
                }
                Ok(entries)
            }

            async fn advance_threads(
                &self,
                rows: &[crate::domain::entry::ThreadCursorRow],
            ) -> Result<Vec<crate::domain::entry::ThreadCursorRow>, StoreError> {
                let moved = self.advance_followed(rows).await?;
                let row = |row: &$row| {
                    Ok(crate::domain::entry::ThreadCursorRow {
                        conversation_id: ConversationId(dialect::uuid(row, "conversation_id")?),
                        thread: number(row, "thread")?,
                        user_id: reading::user_id(row.try_get("tenant")?, row.try_get("user_id")?)?,
                        read_seq: number(row, "read_seq")?,
                    })
                };
                moved.iter().map(row).collect()
            }
        }

        impl $store {
            /// The rows of a list.
            async fn followed(
                &self,
                sql: String,
                asked: crate::store::following::Asked<'_>,
            ) -> Result<Vec<$row>, StoreError> {
                let behind = asked.behind.unwrap_or(crate::store::following::Place {
                    at_ms: reading::EVER,
                    conversation_id: ConversationId(uuid::Uuid::max()),
                    seq: reading::EVER,
                });
                let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                    .bind(asked.user_id.tenant().as_str())
                    .bind(asked.user_id.name_str())
                    .bind(asked.device_type.map(DeviceType::code))
                    .bind(i64::from(asked.only_unread))
                    .bind(behind.at_ms.min(reading::EVER) as i64)
                    .bind(dialect::id(behind.conversation_id.0))
                    .bind(behind.seq.min(reading::EVER) as i64)
                    .bind(i64::from(asked.limit))
                    .fetch_all(&self.readers)
                    .await?;
                Ok(rows)
            }
        }
    };
}

pub(super) use following_store;
