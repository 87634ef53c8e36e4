//! The text of the questions, as both databases understand it.

use crate::store::Page;

/// What a list or a single conversation shows, without its FROM. The head is read from the log's own key: there is
/// no counter that could disagree with it. Of a large content the beginning is enough for a preview, and what is
/// beside it is left out: nobody's messages make another's list large.
const VIEW: &str = "
SELECT c.id, CAST(c.kind AS bigint) AS kind, c.title, c.created_at_ms AS made_at_ms,
    (SELECT count(*) FROM members x
        WHERE x.tenant = c.tenant AND x.conversation_id = c.id) AS member_count,
    CAST(m.role AS bigint) AS role, m.from_seq, m.delivered_seq, m.read_seq,
    (SELECT count(*) FROM (SELECT 1 FROM entries u
        WHERE u.tenant = c.tenant AND u.conversation_id = c.id AND u.seq > m.read_seq
            AND u.sender_id <> m.user_id AND u.kind <> 'system' LIMIT 1000) n) AS unread,
    e.seq, e.id AS entry_id, e.kind AS entry_kind, e.sender_id, e.client_id, e.reply_to, e.is_important,
    e.created_at_ms, CAST(octet_length(e.content) AS bigint) AS content_bytes,
    CASE WHEN octet_length(e.content) <= 2048 THEN e.content ELSE substr(e.content, 1, 2048) END AS content,
    CASE WHEN octet_length(e.mentions) <= 1024 THEN e.mentions END AS mentions,
    CASE WHEN octet_length(e.extra) <= 1024 THEN e.extra END AS extra,
    COALESCE(s.name, '') AS sender_name, COALESCE(s.avatar, '') AS sender_avatar,
    COALESCE(i.name, '') AS my_name, COALESCE(i.avatar, '') AS my_avatar";

const VIEW_FROM: &str = "
JOIN conversations c ON c.tenant = m.tenant AND c.id = m.conversation_id
LEFT JOIN entries e ON e.tenant = c.tenant AND e.conversation_id = c.id
    AND e.seq = (SELECT max(h.seq) FROM entries h WHERE h.tenant = c.tenant AND h.conversation_id = c.id)
LEFT JOIN users s ON s.tenant = e.tenant AND s.id = e.sender_id
LEFT JOIN users i ON i.tenant = m.tenant AND i.id = m.user_id";

/// The places of a user's list: its activity is that of the newest entry as of the moment $3, and never changes.
const LISTED: &str = "
SELECT * FROM (
    SELECT c.id AS listed_id, COALESCE(CASE WHEN e.created_at_ms <= $3 THEN e.created_at_ms ELSE (
            SELECT p.created_at_ms FROM entries p
            WHERE p.tenant = c.tenant AND p.conversation_id = c.id AND p.seq < e.seq AND p.created_at_ms <= $3
            ORDER BY p.seq DESC LIMIT 1
        ) END, c.created_at_ms) AS active_at_ms
    FROM members m
    JOIN conversations c ON c.tenant = m.tenant AND c.id = m.conversation_id
    LEFT JOIN entries e ON e.tenant = c.tenant AND e.conversation_id = c.id
        AND e.seq = (SELECT max(h.seq) FROM entries h WHERE h.tenant = c.tenant AND h.conversation_id = c.id)
    WHERE m.tenant = $1 AND m.user_id = $2
) a WHERE (active_at_ms, listed_id) < ($4, $5)";

/// One conversation, $3, of a user.
pub(in crate::store) fn one_view() -> String {
    format!(
        "{VIEW} FROM members m {VIEW_FROM} WHERE m.tenant = $1 AND m.user_id = $2 AND m.conversation_id = $3"
    )
}

/// A page of a user's list; `not_shown` is a condition on the list $6 of conversations.
pub(in crate::store) fn listed_views(not_shown: &str) -> String {
    format!(
        "{VIEW}, l.active_at_ms
        FROM ({LISTED} AND listed_id {not_shown} ORDER BY active_at_ms DESC, listed_id DESC LIMIT $7) l
        JOIN members m ON m.tenant = $1 AND m.user_id = $2 AND m.conversation_id = l.listed_id {VIEW_FROM}
        ORDER BY l.active_at_ms DESC, l.listed_id DESC"
    )
}

/// An entry with its sender's present name.
const ENTRY: &str = "
SELECT e.conversation_id, e.seq, e.id AS entry_id, e.kind AS entry_kind, e.sender_id, e.client_id, e.content,
    e.reply_to, e.mentions, e.is_important, e.extra, e.created_at_ms,
    COALESCE(s.name, '') AS sender_name, COALESCE(s.avatar, '') AS sender_avatar
FROM entries e
LEFT JOIN users s ON s.tenant = e.tenant AND s.id = e.sender_id
WHERE e.tenant = $1 AND e.conversation_id = $2 AND e.seq >= $3";

/// A page of a log: as many entries from where it begins as fit into $6 bytes, at least one. The database weighs
/// them by their lengths, which it knows without reading the texts. Seqs have no gaps, so a page is a range.
pub(in crate::store) fn entries_page(page: Page) -> String {
    let (beyond, order, end) = match page {
        Page::Before(_) => ("<", "DESC", ">= (SELECT min(f.seq)"),
        Page::After(_) => (">", "ASC", "<= (SELECT max(f.seq)"),
    };
    format!(
        "{ENTRY} AND e.seq {beyond} $4 AND e.seq {end} FROM (
            SELECT p.seq, p.bytes, sum(p.bytes) OVER (ORDER BY p.seq {order}) AS total FROM (
                SELECT w.seq, {ENTRY_BYTES} + octet_length(w.content) + COALESCE(octet_length(w.extra), 0)
                    + COALESCE(octet_length(w.mentions), 0) AS bytes
                FROM entries w
                WHERE w.tenant = $1 AND w.conversation_id = $2 AND w.seq >= $3 AND w.seq {beyond} $4
                ORDER BY w.seq {order} LIMIT $5
            ) p
        ) f WHERE f.total <= $6 OR f.total = f.bytes)
        ORDER BY e.seq {order} LIMIT $5"
    )
}

/// An entry on its way without its texts, at least.
const ENTRY_BYTES: usize = 300;

/// Of every conversation of a user: one index look-up each.
pub(in crate::store) const HEADS: &str = "
SELECT m.conversation_id, m.from_seq,
    COALESCE((SELECT max(e.seq) FROM entries e
        WHERE e.tenant = m.tenant AND e.conversation_id = m.conversation_id), 0) AS head
FROM members m WHERE m.tenant = $1 AND m.user_id = $2";

/// The same of many users; `given_users` makes a table `g` of them and joins it.
pub(in crate::store) fn heads_of(given_users: &str) -> String {
    format!(
        "SELECT m.tenant, m.user_id, m.conversation_id,
            COALESCE((SELECT max(e.seq) FROM entries e
                WHERE e.tenant = m.tenant AND e.conversation_id = m.conversation_id), 0) AS head
        FROM {given_users} members m ON m.tenant = g.tenant AND m.user_id = g.id"
    )
}

/// Those who are known among many.
pub(in crate::store) fn users(given_users: &str) -> String {
    format!(
        "SELECT u.tenant, u.id, u.name, u.avatar
        FROM {given_users} users u ON u.tenant = g.tenant AND u.id = g.id"
    )
}

pub(in crate::store) const MEMBERS: &str = "
SELECT m.user_id, CAST(m.role AS bigint) AS role, m.from_seq, m.delivered_seq, m.read_seq,
    COALESCE(u.name, '') AS name, COALESCE(u.avatar, '') AS avatar
FROM members m LEFT JOIN users u ON u.tenant = m.tenant AND u.id = m.user_id
WHERE m.tenant = $1 AND m.conversation_id = $2 AND m.user_id > $3
ORDER BY m.user_id LIMIT $4";

/// Each half ends at its index, however many begin with a letter.
pub(in crate::store) const SEARCH_USERS: &str = "
SELECT id, name, avatar FROM (
    SELECT id, name, avatar FROM (
        SELECT id, name, avatar FROM users WHERE tenant = $1 AND lower(id) >= $2 AND lower(id) < $3
        ORDER BY lower(id) LIMIT $4
    ) i
    UNION
    SELECT id, name, avatar FROM (
        SELECT id, name, avatar FROM users WHERE tenant = $1 AND name_key >= $2 AND name_key < $3
        ORDER BY name_key LIMIT $4
    ) n
) f ORDER BY id LIMIT $4";

/// Names whose key is not known yet: rows of before there were tenants, all of the default one.
pub(in crate::store) const WITHOUT_KEY: &str =
    "SELECT id, name FROM users WHERE tenant = $1 AND name_key IS NULL LIMIT 500";
