//! The text of the questions for messages with what changes have made of them. A page is one statement: its entries, their
//! states and the head that they hold for are of one moment.

use super::sql::{ENTRY_BYTES, is_message};
use crate::domain::body::MESSAGE_KINDS;
use crate::store::MessagePage;

/// Entries that are looked at for a page, on each side: it may be short, and is never slow.
pub(in crate::store) const LOOKED_AT_FOR_MESSAGES: u32 = 2_000;

/// Columns of an entry and of its sender, as rows are read.
const COLUMNS: &str = "e.conversation_id, e.seq, e.id AS entry_id, e.kind AS entry_kind, e.sender_id, e.client_id, e.content,
    e.reply_to, e.mentions, e.is_important, e.extra, e.created_at_ms, CAST(e.sender_type AS bigint) AS sender_type,
    CAST(e.device_type AS bigint) AS device_type, e.target, e.thread, e.also_in_main, e.expires_at_ms,
    CAST(e.flags AS bigint) AS flags, e.forwarded,
    COALESCE(u.name, '') AS sender_name, COALESCE(u.avatar, '') AS sender_avatar";

/// One side of a page: the messages among the entries that are looked at, and how far it was looked where they are fewer
/// than were asked for.
struct Side {
    found: String,
    looked: String,
}

impl Side {
    fn new(place: &str, order: &str, most: &str, message: &str) -> Self {
        let entries = |columns: &str| {
            format!(
                "SELECT {columns} FROM entries w
        WHERE w.tenant = $1 AND w.conversation_id = $2 AND w.seq >= $3 AND w.seq {place}
        ORDER BY w.seq {order} LIMIT {LOOKED_AT_FOR_MESSAGES}"
            )
        };
        let weighed = format!(
            "w.seq, w.kind, w.thread, w.also_in_main, {ENTRY_BYTES} + octet_length(w.content)
            + COALESCE(octet_length(w.extra), 0) + COALESCE(octet_length(w.mentions), 0) AS bytes"
        );
        let found = format!(
            "SELECT w.seq, w.bytes FROM ({}) w WHERE {message} ORDER BY w.seq {order} LIMIT {most}",
            entries(&weighed)
        );
        let end = if order == "DESC" { "min" } else { "max" };
        Self { found, looked: format!("SELECT {end}(w.seq) FROM ({}) w", entries("w.seq")) }
    }

    /// A side that is not asked for.
    fn none() -> Self {
        let nothing = "SELECT CAST(NULL AS bigint)";
        Self {
            found: format!("{nothing} AS seq, 0 AS bytes WHERE false"),
            looked: nothing.to_owned(),
        }
    }
}

/// A page around the place $4: at most $5 messages before it and $7 from it on, as many of the nearest as fit into $6 bytes.
/// There is one row at least, with the head and how far was looked.
pub(in crate::store) fn messages_page(page: MessagePage) -> String {
    let of_a_page = is_message("w");
    let any = format!("w.kind IN ('{}')", MESSAGE_KINDS.join("', '"));
    let before = || Side::new("< $4", "DESC", "$5", &of_a_page);
    let after = |place: &str, message: &str| Side::new(place, "ASC", "$7", message);
    let (before, after) = match page {
        MessagePage::Before(_) => (before(), Side::none()),
        MessagePage::After(_) => (Side::none(), after("> $4", &of_a_page)),
        MessagePage::Around(_) => (before(), after(">= $4", &of_a_page)),
        MessagePage::Only(_) => (Side::none(), after("= $4", &any)),
    };
    format!(
        "
WITH b AS ({}), a AS ({}), m AS (
    SELECT seq, bytes FROM b UNION ALL SELECT seq, bytes FROM a
), s AS (
    SELECT x.seq, x.state FROM message_state x
    WHERE x.tenant = $1 AND x.conversation_id = $2
        AND x.seq >= (SELECT min(seq) FROM m) AND x.seq <= (SELECT max(seq) FROM m)
), f AS (
    SELECT m.seq, s.state, m.bytes + COALESCE(octet_length(s.state), 0) AS bytes
    FROM m LEFT JOIN s ON s.seq = m.seq
), p AS (
    SELECT f.seq, f.state, f.bytes, sum(f.bytes) OVER (ORDER BY abs(f.seq - $4), f.seq) AS total FROM f
)
SELECT h.head, (SELECT min(seq) FROM b) AS first_found, (SELECT max(seq) FROM a) AS last_found,
    CASE WHEN (SELECT count(*) FROM b) < $5 THEN ({}) END AS looked_from,
    CASE WHEN (SELECT count(*) FROM a) < $7 THEN ({}) END AS looked_to, p.state, {COLUMNS}
FROM (SELECT max(x.seq) AS head FROM entries x WHERE x.tenant = $1 AND x.conversation_id = $2) h
LEFT JOIN p ON p.total <= $6 OR p.total = p.bytes
LEFT JOIN entries e ON e.tenant = $1 AND e.conversation_id = $2 AND e.seq = p.seq
LEFT JOIN users u ON u.tenant = $1 AND u.id = e.sender_id
ORDER BY p.seq",
        before.found, after.found, before.looked, after.looked
    )
}

/// What became of the messages from $3 to $4 after the entry $5, at most $6 of them, with the head that this holds for. There
/// is one row at least.
pub(in crate::store) const CHANGED: &str = "
SELECT h.head, c.seq, c.state, e.sender_id, CAST(e.device_type AS bigint) AS device_type, e.expires_at_ms
FROM (SELECT max(x.seq) AS head FROM entries x WHERE x.tenant = $1 AND x.conversation_id = $2) h
LEFT JOIN (
    SELECT s.seq, s.state FROM message_state s
    WHERE s.tenant = $1 AND s.conversation_id = $2 AND s.seq >= $3 AND s.seq <= $4 AND s.as_of > $5
    ORDER BY s.seq LIMIT $6
) c ON true
LEFT JOIN entries e ON e.tenant = $1 AND e.conversation_id = $2 AND e.seq = c.seq
ORDER BY c.seq";

/// The edits of the message $3, in order, at most $4.
pub(in crate::store) fn edits() -> String {
    format!(
        "
SELECT {COLUMNS}
FROM entries e LEFT JOIN users u ON u.tenant = e.tenant AND u.id = e.sender_id
WHERE e.tenant = $1 AND e.conversation_id = $2 AND e.target = $3 AND e.kind = 'edit'
ORDER BY e.seq LIMIT $4"
    )
}
