//! The text of the questions, as both databases understand it.

use crate::domain::body::MESSAGE_KINDS;
use crate::store::following::{MOST_COUNTED, is_readable};
use crate::store::reading::code::SELF_LOG;
use crate::store::{LOOKED_AT_FOR_UNREAD, Page};

/// Entries that are looked at for the newest message of a conversation. Without a message among them its list entry shows
/// none, and is in its place by when the member came in.
const LOOKED_AT_FOR_LAST: u32 = 200;

/// The condition that an entry counts as a message of its conversation: see [`crate::domain::body`]. What is said in a
/// thread is counted there.
pub(super) fn is_message(entry: &str) -> String {
    let mut kinds = MESSAGE_KINDS.join("', '");
    if crate::planted::REACTION_IS_A_MESSAGE {
        kinds.push_str("', 'reaction");
    }
    format!("{entry}.kind IN ('{kinds}') AND ({entry}.thread IS NULL OR {entry}.also_in_main)")
}

/// What a list or a single conversation shows to a device of the type `device`, without its FROM. The head is read from
/// the log's own key: there is no counter that could disagree with it. Of a large content the beginning is enough for a
/// preview, and what is beside it is left out: nobody's messages make another's list large.
fn view(device: &str) -> String {
    let (is_message, was_message) = (is_message("w"), is_message("e"));
    let (is_mention, counted) = (is_readable("w", device), MOST_COUNTED + 1);
    format!(
        "
SELECT c.id, CAST(c.kind AS bigint) AS kind, c.title, c.created_at_ms AS made_at_ms,
    (SELECT count(*) FROM members x
        WHERE x.tenant = c.tenant AND x.conversation_id = c.id) AS member_count,
    CAST(m.role AS bigint) AS role, m.from_seq, m.delivered_seq, m.read_seq,
    (SELECT count(*) FROM (SELECT 1 FROM (SELECT u.kind, u.sender_id, u.thread, u.also_in_main, u.device_type, u.content
                FROM entries u
                WHERE u.tenant = c.tenant AND u.conversation_id = c.id AND u.seq > m.read_seq
                ORDER BY u.seq DESC LIMIT {LOOKED_AT_FOR_UNREAD}) w
            WHERE w.sender_id <> m.user_id AND {is_message} AND octet_length(w.content) > 2
                AND (w.device_type IS NULL OR w.device_type = {device}) LIMIT {counted}) p) AS unread,
    (SELECT count(*) FROM (SELECT 1 FROM mentions n
            JOIN entries w ON w.tenant = n.tenant AND w.conversation_id = n.conversation_id AND w.seq = n.seq
            WHERE n.tenant = c.tenant AND n.user_id IN (m.user_id, '*') AND n.conversation_id = c.id
                AND n.seq > m.read_seq AND n.thread IS NULL AND w.sender_id <> m.user_id AND {is_mention}
            LIMIT {counted}) p) AS unread_mentions,
    CASE WHEN {was_message} THEN e.seq ELSE (SELECT w.seq FROM (SELECT q.seq, q.kind, q.thread, q.also_in_main
            FROM entries q
            WHERE q.tenant = c.tenant AND q.conversation_id = c.id AND q.seq >= m.from_seq
            ORDER BY q.seq DESC LIMIT {LOOKED_AT_FOR_LAST}) w
        WHERE {is_message} LIMIT 1) END AS last_message_seq,
    e.seq, e.id AS entry_id, e.kind AS entry_kind, e.sender_id, e.client_id, e.reply_to, e.is_important,
    e.created_at_ms, {ENTRY_MORE}, CAST(octet_length(e.content) AS bigint) AS content_bytes,
    CASE WHEN octet_length(e.content) <= 2048 THEN e.content ELSE substr(e.content, 1, 2048) END AS content,
    CASE WHEN octet_length(e.mentions) <= 1024 THEN e.mentions END AS mentions,
    CASE WHEN octet_length(e.extra) <= 1024 THEN e.extra END AS extra,
    COALESCE(s.name, '') AS sender_name, COALESCE(s.avatar, '') AS sender_avatar,
    COALESCE(i.name, '') AS my_name, COALESCE(i.avatar, '') AS my_avatar"
    )
}

const VIEW_FROM: &str = "
JOIN conversations c ON c.tenant = m.tenant AND c.id = m.conversation_id
LEFT JOIN entries e ON e.tenant = c.tenant AND e.conversation_id = c.id
    AND e.seq = (SELECT max(h.seq) FROM entries h WHERE h.tenant = c.tenant AND h.conversation_id = c.id)
LEFT JOIN users s ON s.tenant = e.tenant AND s.id = e.sender_id
LEFT JOIN users i ON i.tenant = m.tenant AND i.id = m.user_id";

/// The places of a user's list: that of a conversation is the time of its newest message as of the moment $3, or of the
/// entry that added the user, and never changes. What changes messages moves nothing.
fn listed(greatest: &str) -> String {
    let is_message = is_message("w");
    format!(
        "
SELECT * FROM (
    SELECT c.id AS listed_id, {greatest}(
        COALESCE((SELECT w.created_at_ms FROM (SELECT q.kind, q.thread, q.also_in_main, q.created_at_ms
                FROM entries q
                WHERE q.tenant = c.tenant AND q.conversation_id = c.id AND q.seq >= m.from_seq
                    AND q.created_at_ms <= $3
                ORDER BY q.seq DESC LIMIT {LOOKED_AT_FOR_LAST}) w
            WHERE {is_message} LIMIT 1), 0),
        COALESCE((SELECT j.created_at_ms FROM entries j
            WHERE j.tenant = c.tenant AND j.conversation_id = c.id AND j.seq = m.from_seq
                AND j.created_at_ms <= $3), 0),
        c.created_at_ms) AS active_at_ms
    FROM members m
    JOIN conversations c ON c.tenant = m.tenant AND c.id = m.conversation_id AND c.kind <> {SELF_LOG}
    WHERE m.tenant = $1 AND m.user_id = $2
        AND ($9 IS NULL OR $9 = EXISTS (SELECT 1 FROM own_settings o
            WHERE o.tenant = m.tenant AND o.user_id = m.user_id AND o.conversation_id = c.id AND o.what = 'archive'))
        AND NOT EXISTS (SELECT 1 FROM own_settings o
            WHERE o.tenant = m.tenant AND o.user_id = m.user_id AND o.conversation_id = c.id AND o.what = 'hidden'
                AND o.number > COALESCE((SELECT w.seq FROM (SELECT q.seq, q.kind, q.thread, q.also_in_main
                        FROM entries q
                        WHERE q.tenant = c.tenant AND q.conversation_id = c.id AND q.seq >= m.from_seq
                        ORDER BY q.seq DESC LIMIT {LOOKED_AT_FOR_LAST}) w
                    WHERE {is_message} LIMIT 1), 0))
) a WHERE (active_at_ms, listed_id) < ($4, $5)"
    )
}

/// What a user may read of the conversation $3.
pub(in crate::store) const MEMBERSHIP: &str = "
SELECT m.from_seq, COALESCE((SELECT max(e.seq) FROM entries e
        WHERE e.tenant = m.tenant AND e.conversation_id = m.conversation_id), 0) AS head
FROM members m WHERE m.tenant = $1 AND m.user_id = $2 AND m.conversation_id = $3";

/// One conversation, $3, of a user, as a device of type $4 shows it.
pub(in crate::store) fn one_view() -> String {
    format!(
        "{} FROM members m {VIEW_FROM} WHERE m.tenant = $1 AND m.user_id = $2 AND m.conversation_id = $3",
        view("$4")
    )
}

/// A page of a user's list, as a device of type $8 shows it; `not_shown` is a condition on the list $6 of conversations,
/// `greatest` the function of the database for the largest of some numbers.
pub(in crate::store) fn listed_views(not_shown: &str, greatest: &str) -> String {
    format!(
        "{}, l.active_at_ms
        FROM ({} AND listed_id {not_shown} ORDER BY active_at_ms DESC, listed_id DESC LIMIT $7) l
        JOIN members m ON m.tenant = $1 AND m.user_id = $2 AND m.conversation_id = l.listed_id {VIEW_FROM}
        ORDER BY l.active_at_ms DESC, l.listed_id DESC",
        view("$8"),
        listed(greatest)
    )
}

/// Columns of an entry that most do not use. The numbers are cast, so that both databases give them with one type.
const ENTRY_MORE: &str =
    "CAST(e.sender_type AS bigint) AS sender_type, CAST(e.device_type AS bigint) AS device_type,
    e.target, e.thread, e.also_in_main, e.expires_at_ms, CAST(e.flags AS bigint) AS flags, e.forwarded";

/// An entry with its sender's present name.
pub(in crate::store) const ENTRY_COLUMNS: &str =
    "e.conversation_id, e.seq, e.id AS entry_id, e.kind AS entry_kind, e.sender_id, e.client_id, e.content,
    e.reply_to, e.mentions, e.is_important, e.extra, e.created_at_ms, CAST(e.sender_type AS bigint) AS sender_type,
    CAST(e.device_type AS bigint) AS device_type, e.target, e.thread, e.also_in_main, e.expires_at_ms,
    CAST(e.flags AS bigint) AS flags, e.forwarded, COALESCE(s.name, '') AS sender_name, COALESCE(s.avatar, '') AS sender_avatar";

/// Entries with their senders' present names; with their state and the head of the log where they are asked for.
fn entry(with_states: bool) -> String {
    let (state, states) = if with_states {
        (
            ", x.state, (SELECT max(h.seq) FROM entries h WHERE h.tenant = $1 AND h.conversation_id = $2) AS head",
            "LEFT JOIN message_state x ON x.tenant = e.tenant AND x.conversation_id = e.conversation_id AND x.seq = e.seq",
        )
    } else {
        ("", "")
    };
    format!(
        "
SELECT {ENTRY_COLUMNS}{state}
FROM entries e {states}
LEFT JOIN users s ON s.tenant = e.tenant AND s.id = e.sender_id
WHERE e.tenant = $1 AND e.conversation_id = $2 AND e.seq >= $3"
    )
}

/// A page of a log: as many entries from where it begins as fit into $6 bytes, at least one. The database weighs
/// them by their lengths, which it knows without reading the texts. Seqs have no gaps, so a page is a range.
pub(in crate::store) fn entries_page(page: Page, with_states: bool) -> String {
    page_of(page, with_states, ["", ""])
}

/// A page of the replies in the thread $7.
pub(in crate::store) fn thread_page(page: Page) -> String {
    page_of(page, false, ["AND e.thread = $7", "AND w.thread = $7"])
}

/// A page of those entries of a log that fulfil a condition, said of `e` and of `w`.
fn page_of(page: Page, with_states: bool, [of_entry, of_weighed]: [&str; 2]) -> String {
    let entry = entry(with_states);
    let (beyond, order, end) = match page {
        Page::Before(_) => ("<", "DESC", ">= (SELECT min(f.seq)"),
        Page::After(_) => (">", "ASC", "<= (SELECT max(f.seq)"),
    };
    format!(
        "{entry} AND e.seq {beyond} $4 {of_entry} AND e.seq {end} FROM (
            SELECT p.seq, p.bytes, sum(p.bytes) OVER (ORDER BY p.seq {order}) AS total FROM (
                SELECT w.seq, {ENTRY_BYTES} + octet_length(w.content) + COALESCE(octet_length(w.extra), 0)
                    + COALESCE(octet_length(w.mentions), 0) AS bytes
                FROM entries w
                WHERE w.tenant = $1 AND w.conversation_id = $2 AND w.seq >= $3 AND w.seq {beyond} $4 {of_weighed}
                ORDER BY w.seq {order} LIMIT $5
            ) p
        ) f WHERE f.total <= $6 OR f.total = f.bytes)
        ORDER BY e.seq {order} LIMIT $5"
    )
}

/// An entry on its way without its texts, at least.
pub(super) const ENTRY_BYTES: usize = 300;

/// Those who are known among many.
pub(in crate::store) fn users(given_users: &str) -> String {
    format!(
        "SELECT u.tenant, u.id, u.name, u.avatar
        FROM {given_users} users u ON u.tenant = g.tenant AND u.id = g.id"
    )
}

/// The pinned messages of a conversation, those that were pinned last first.
pub(in crate::store) const PINS: &str = "
SELECT e.conversation_id, e.seq, e.id AS entry_id, e.kind AS entry_kind, e.sender_id, e.client_id, e.content,
    e.reply_to, e.mentions, e.is_important, e.extra, e.created_at_ms, CAST(e.sender_type AS bigint) AS sender_type,
    CAST(e.device_type AS bigint) AS device_type, e.target, e.thread, e.also_in_main, e.expires_at_ms,
    CAST(e.flags AS bigint) AS flags, e.forwarded, COALESCE(s.name, '') AS sender_name, COALESCE(s.avatar, '') AS sender_avatar,
    p.pinned_seq, p.by_user, o.created_at_ms AS pinned_at_ms, x.state
FROM pins p
LEFT JOIN message_state x ON x.tenant = p.tenant AND x.conversation_id = p.conversation_id AND x.seq = p.seq
JOIN entries e ON e.tenant = p.tenant AND e.conversation_id = p.conversation_id AND e.seq = p.seq
JOIN entries o ON o.tenant = p.tenant AND o.conversation_id = p.conversation_id AND o.seq = p.pinned_seq
LEFT JOIN users s ON s.tenant = e.tenant AND s.id = e.sender_id
WHERE p.tenant = $1 AND p.conversation_id = $2 AND p.seq >= $3 AND p.pinned_seq < $4
ORDER BY p.pinned_seq DESC LIMIT $5";

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
