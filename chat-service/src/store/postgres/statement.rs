//! The statement of an append: its texts and their arguments.

use sqlx::Postgres;
use sqlx::postgres::PgArguments;

use crate::domain::act::Act;
use crate::domain::entry::{DeviceType, Entry, MentionKey, MentionRow};
use crate::domain::said;
use crate::planted;
use crate::store::AppendBatch;
use crate::store::own::id_of;
use crate::store::reading::code;
use crate::store::states::StateRows;

/// The texts of an append: `plain` of a batch that holds nothing but texts of users, as nearly all do, `full`, and
/// `rare` of one that also takes contents or mentions away,
/// has reactions that are rows, or acts that are written down. The plain one is shorter to plan and to bind; both have the same effect on what both can hold.
macro_rules! append_sql {
    (plain, $when_taken:literal) => {
        concat!(
            "
WITH new_entries AS (
    INSERT INTO entries (tenant, conversation_id, seq, id, kind, sender_id, client_id, content,
        reply_to, mentions, is_important, extra, created_at_ms)
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::uuid[],
        $8::text[], $9::bigint[], $10::text[], $11::boolean[], $12::text[], $13::bigint[])
)",
            append_sql!(client_ids, $when_taken)
        )
    };
    (client_ids, $when_taken:literal) => {
        concat!(
            "
INSERT INTO client_ids (tenant, conversation_id, seq, entry_id, sender_id, client_id, created_at_ms, sha256)
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::uuid[], $6::text[], $7::uuid[],
        $13::bigint[], $14::bytea[])",
            $when_taken
        )
    };
    (full, $when_taken:literal) => {
        concat!(append_sql!(projections), append_sql!(client_ids, $when_taken))
    };
    (projections) => {
        "
WITH new_entries AS (
    INSERT INTO entries (tenant, conversation_id, seq, id, kind, sender_id, client_id, content,
        reply_to, mentions, is_important, extra, created_at_ms, sender_type, device_type, target, thread,
        also_in_main, expires_at_ms, flags, forwarded)
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::uuid[],
        $8::text[], $9::bigint[], $10::text[], $11::boolean[], $12::text[], $13::bigint[], $28::smallint[],
        $29::smallint[], $30::bigint[], $31::bigint[], $32::boolean[], $33::bigint[], $48::smallint[],
        $49::text[])
), conversations_set AS (
    INSERT INTO conversations (tenant, id, kind, title, created_at_ms)
    SELECT * FROM unnest($15::text[], $16::uuid[], $17::smallint[], $18::text[], $19::bigint[])
    ON CONFLICT (tenant, id) DO UPDATE SET title = excluded.title
), members_set AS (
    INSERT INTO members (tenant, conversation_id, user_id, role, from_seq, delivered_seq, read_seq)
    SELECT m.t, m.c, m.u, m.r, m.f, m.f - 1, m.f - 1
    FROM unnest($20::text[], $21::uuid[], $22::text[], $23::smallint[], $24::bigint[]) AS m (t, c, u, r, f)
    ON CONFLICT (tenant, conversation_id, user_id) DO UPDATE
    SET role = excluded.role, from_seq = excluded.from_seq,
        delivered_seq = GREATEST(members.delivered_seq, excluded.delivered_seq),
        read_seq = GREATEST(members.read_seq, excluded.read_seq)
), members_removed AS (
    DELETE FROM members USING unnest($25::text[], $26::uuid[], $27::text[]) AS gone (t, c, u)
    WHERE tenant = gone.t AND conversation_id = gone.c AND user_id = gone.u
), pins_set AS (
    INSERT INTO pins (tenant, conversation_id, seq, pinned_seq, by_user)
    SELECT * FROM unnest($34::text[], $35::uuid[], $36::bigint[], $37::bigint[], $38::text[])
    ON CONFLICT (tenant, conversation_id, seq) DO UPDATE
    SET pinned_seq = excluded.pinned_seq, by_user = excluded.by_user
), pins_removed AS (
    DELETE FROM pins USING unnest($39::text[], $40::uuid[], $41::bigint[]) AS gone (t, c, s)
    WHERE tenant = gone.t AND conversation_id = gone.c AND seq = gone.s
), states_set AS (
    INSERT INTO message_state (tenant, conversation_id, seq, as_of, state, gone, tally_due_ms)
    SELECT * FROM unnest($42::text[], $43::uuid[], $44::bigint[], $45::bigint[], $46::text[], $47::smallint[],
        $86::bigint[])
    ON CONFLICT (tenant, conversation_id, seq) DO UPDATE
    SET as_of = excluded.as_of, state = excluded.state, gone = excluded.gone, tally_due_ms = excluded.tally_due_ms
    WHERE message_state.gone = 0 AND message_state.as_of < excluded.as_of
), mentions_new AS (
    INSERT INTO mentions (tenant, user_id, conversation_id, seq, thread, at_ms)
    SELECT * FROM unnest($50::text[], $51::text[], $52::uuid[], $53::bigint[], $54::bigint[], $55::bigint[])
    ON CONFLICT (tenant, user_id, conversation_id, seq) DO NOTHING
), follows_new AS (
    INSERT INTO thread_reads (tenant, user_id, conversation_id, thread, read_seq, followed_ms, by_hand)
    SELECT * FROM unnest($56::text[], $57::text[], $58::uuid[], $59::bigint[], $60::bigint[], $61::bigint[],
        $87::boolean[])
    ON CONFLICT (tenant, user_id, conversation_id, thread) DO UPDATE SET by_hand = false
    WHERE thread_reads.by_hand AND NOT excluded.by_hand
), settings_set AS (
    INSERT INTO own_settings (tenant, user_id, conversation_id, what, thread, value, number, as_of)
    SELECT * FROM unnest($62::text[], $63::text[], $64::uuid[], $65::text[], $66::bigint[], $67::text[], $68::bigint[],
        $69::bigint[])
    ON CONFLICT (tenant, user_id, conversation_id, what, thread) DO UPDATE
    SET value = excluded.value, number = excluded.number, as_of = excluded.as_of
), settings_removed AS (
    DELETE FROM own_settings
    USING unnest($70::text[], $71::text[], $72::uuid[], $73::text[], $74::bigint[]) AS gone (t, u, c, w, h)
    WHERE tenant = gone.t AND user_id = gone.u AND conversation_id = gone.c AND what = gone.w AND thread = gone.h
), drafts_set AS (
    INSERT INTO drafts (tenant, user_id, conversation_id, thread, content, as_of, at_ms)
    SELECT * FROM unnest($75::text[], $76::text[], $77::uuid[], $78::bigint[], $79::text[], $80::bigint[],
        $81::bigint[])
    ON CONFLICT (tenant, user_id, conversation_id, thread) DO UPDATE
    SET content = excluded.content, as_of = excluded.as_of, at_ms = excluded.at_ms
), drafts_removed AS (
    DELETE FROM drafts USING unnest($82::text[], $83::text[], $84::uuid[], $85::bigint[]) AS gone (t, u, c, h)
    WHERE tenant = gone.t AND user_id = gone.u AND conversation_id = gone.c AND thread = gone.h
)"
    };
    // Only this text has to find entries that it does not insert: each by its key, whatever the planner thinks of the table.
    // Reactions take no seq that could collide: where a head is another one a division by zero undoes the statement.
    (rare, $when_taken:literal) => {
        concat!(
            append_sql!(projections),
            ", blanked AS (
    UPDATE entries SET content = '{}', extra = NULL, mentions = NULL, flags = NULL, forwarded = NULL
    WHERE ctid = ANY (ARRAY(
        SELECT e.ctid FROM unnest($88::text[], $89::uuid[], $90::bigint[]) AS b (t, c, s)
        CROSS JOIN LATERAL (
            SELECT x.ctid FROM entries x WHERE x.tenant = b.t AND x.conversation_id = b.c AND x.seq = b.s LIMIT 1
        ) e)) AND tenant = ANY ($88::text[])
), mentions_removed AS (
    DELETE FROM mentions USING unnest($91::text[], $92::text[], $93::uuid[], $94::bigint[]) AS gone (t, u, c, s)
    WHERE tenant = gone.t AND user_id = gone.u AND conversation_id = gone.c AND seq = gone.s
), heads AS (
    SELECT 1 / CAST(NOT EXISTS (
        SELECT 1 FROM unnest($111::text[], $112::uuid[], $113::bigint[]) AS h (t, c, n)
        WHERE h.n <> COALESCE((SELECT max(x.seq) FROM entries x WHERE x.tenant = h.t AND x.conversation_id = h.c), 0)
    ) AS integer) = 1 AS hold
), reactions_set AS (
    INSERT INTO reactions (tenant, conversation_id, seq, user_id, key, client_id, at_ms)
    SELECT r.* FROM unnest($95::text[], $96::uuid[], $97::bigint[], $98::text[], $99::text[], $100::uuid[],
        $101::bigint[]) AS r WHERE (SELECT hold FROM heads)
    ON CONFLICT (tenant, conversation_id, seq, user_id, key) DO NOTHING
), reactions_removed AS (
    DELETE FROM reactions
    USING unnest($102::text[], $103::uuid[], $104::bigint[], $105::text[], $106::text[]) AS gone (t, c, s, u, k)
    WHERE tenant = gone.t AND conversation_id = gone.c AND seq = gone.s AND user_id = gone.u AND key = gone.k
        AND (SELECT hold FROM heads)
), tallies_due AS (
    UPDATE message_state SET tally_due_ms = due.d
    FROM unnest($107::text[], $108::uuid[], $109::bigint[], $110::bigint[]) AS due (t, c, s, d)
    WHERE tenant = due.t AND conversation_id = due.c AND seq = due.s AND (SELECT hold FROM heads)
), acts AS (
    INSERT INTO audit (tenant, at_ms, actor, ip, action, target, reason, details)
    SELECT * FROM unnest($114::text[], $115::bigint[], $116::text[], $117::text[], $118::text[], $119::text[],
        $120::text[], $121::text[])
)",
            append_sql!(client_ids, $when_taken)
        )
    };
}

/// By what a batch holds: see [`query`].
const APPEND: [&str; 3] = if planted::DUPLICATE_CHECK_OFF {
    [
        append_sql!(plain, " ON CONFLICT DO NOTHING"),
        append_sql!(full, " ON CONFLICT DO NOTHING"),
        append_sql!(rare, " ON CONFLICT DO NOTHING"),
    ]
} else {
    [append_sql!(plain, ""), append_sql!(full, ""), append_sql!(rare, "")]
};

type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

/// The shortest statement that appends all of a batch.
pub(super) fn query<'q>(batch: &'q AppendBatch, rows: &'q StateRows<'q>) -> Query<'q> {
    if batch.is_plain() {
        bind_entries(APPEND[0], &batch.entries)
    } else if has_nothing_rare(batch) {
        bind_all(APPEND[1], batch, rows)
    } else {
        let (blanked, unnamed) = (&batch.blanked, &batch.mentions_removed);
        let query = bind_all(APPEND[2], batch, rows)
            .bind(blanked.iter().map(|(key, _)| key.tenant.as_str()).collect::<Vec<_>>())
            .bind(blanked.iter().map(|(key, _)| key.id.0).collect::<Vec<_>>())
            .bind(blanked.iter().map(|(_, seq)| *seq as i64).collect::<Vec<_>>())
            .bind(unnamed.iter().map(|m| m.conversation.tenant.as_str()).collect::<Vec<_>>())
            .bind(unnamed.iter().map(MentionKey::stored_user).collect::<Vec<_>>())
            .bind(unnamed.iter().map(|m| m.conversation.id.0).collect::<Vec<_>>())
            .bind(unnamed.iter().map(|m| m.seq as i64).collect::<Vec<_>>());
        bind_acts(bind_reactions(query, batch), &batch.acts)
    }
}

fn has_nothing_rare(batch: &AppendBatch) -> bool {
    batch.blanked.is_empty()
        && batch.mentions_removed.is_empty()
        && batch.reactions_set.is_empty()
        && batch.reactions_removed.is_empty()
        && batch.tallies_due.is_empty()
        && batch.acts.is_empty()
}

/// Reactions that are rows.
fn bind_reactions<'q>(query: Query<'q>, batch: &'q AppendBatch) -> Query<'q> {
    let (set, removed) = (&batch.reactions_set, &batch.reactions_removed);
    let (due, heads) = (&batch.tallies_due, &batch.heads);
    query
        .bind(set.iter().map(|r| r.of.conversation.tenant.as_str()).collect::<Vec<_>>())
        .bind(set.iter().map(|r| r.of.conversation.id.0).collect::<Vec<_>>())
        .bind(set.iter().map(|r| r.of.seq as i64).collect::<Vec<_>>())
        .bind(set.iter().map(|r| r.of.user.as_str()).collect::<Vec<_>>())
        .bind(set.iter().map(|r| r.of.key.as_str()).collect::<Vec<_>>())
        .bind(set.iter().map(|r| r.client_id.0).collect::<Vec<_>>())
        .bind(set.iter().map(|r| r.at_ms as i64).collect::<Vec<_>>())
        .bind(removed.iter().map(|of| of.conversation.tenant.as_str()).collect::<Vec<_>>())
        .bind(removed.iter().map(|of| of.conversation.id.0).collect::<Vec<_>>())
        .bind(removed.iter().map(|of| of.seq as i64).collect::<Vec<_>>())
        .bind(removed.iter().map(|of| of.user.as_str()).collect::<Vec<_>>())
        .bind(removed.iter().map(|of| of.key.as_str()).collect::<Vec<_>>())
        .bind(due.iter().map(|(key, ..)| key.tenant.as_str()).collect::<Vec<_>>())
        .bind(due.iter().map(|(key, ..)| key.id.0).collect::<Vec<_>>())
        .bind(due.iter().map(|(_, seq, _)| *seq as i64).collect::<Vec<_>>())
        .bind(due.iter().map(|(.., ms)| ms.map(|ms| ms as i64)).collect::<Vec<_>>())
        .bind(heads.iter().map(|(key, _)| key.tenant.as_str()).collect::<Vec<_>>())
        .bind(heads.iter().map(|(key, _)| key.id.0).collect::<Vec<_>>())
        .bind(heads.iter().map(|(_, head)| *head as i64).collect::<Vec<_>>())
}

/// What was done by the role of a token.
fn bind_acts<'q>(query: Query<'q>, acts: &'q [Act]) -> Query<'q> {
    query
        .bind(acts.iter().map(|act| act.actor.tenant().as_str()).collect::<Vec<_>>())
        .bind(acts.iter().map(|act| act.at_ms as i64).collect::<Vec<_>>())
        .bind(acts.iter().map(|act| act.actor.name_str()).collect::<Vec<_>>())
        .bind(acts.iter().map(|act| act.ip.as_str()).collect::<Vec<_>>())
        .bind(acts.iter().map(|act| act.action.as_str()).collect::<Vec<_>>())
        .bind(acts.iter().map(|act| act.target.as_str()).collect::<Vec<_>>())
        .bind(acts.iter().map(|act| act.reason.as_str()).collect::<Vec<_>>())
        .bind(acts.iter().map(|act| act.details.as_str()).collect::<Vec<_>>())
}

/// The first 14 arguments of both texts.
fn bind_entries<'q>(sql: &'static str, e: &'q [Entry]) -> Query<'q> {
    let message = |e: &'q Entry| e.body.message();
    let mentions = |e: &'q Entry| {
        let mentions = message(e).map(|message| &message.mentions);
        let mentions = mentions.filter(|mentions| !mentions.is_empty());
        mentions.map(|mentions| serde_json::to_string(mentions).unwrap_or_default())
    };
    let reply_to = |e: &'q Entry| message(e)?.reply_to.map(|seq| seq as i64);
    sqlx::query(sql)
        .bind(e.iter().map(|e| e.author.id.tenant().as_str()).collect::<Vec<_>>())
        .bind(e.iter().map(|e| e.conversation_id.0).collect::<Vec<_>>())
        .bind(e.iter().map(|e| e.seq as i64).collect::<Vec<_>>())
        .bind(e.iter().map(|e| e.id.0).collect::<Vec<_>>())
        .bind(e.iter().map(|e| e.body.kind()).collect::<Vec<_>>())
        .bind(e.iter().map(|e| e.author.id.name_str()).collect::<Vec<_>>())
        .bind(e.iter().map(|e| e.client_id.0).collect::<Vec<_>>())
        .bind(e.iter().map(|e| e.body.content()).collect::<Vec<_>>())
        .bind(e.iter().map(reply_to).collect::<Vec<_>>())
        .bind(e.iter().map(mentions).collect::<Vec<_>>())
        .bind(e.iter().map(|e| message(e).is_some_and(|it| it.is_important)).collect::<Vec<_>>())
        .bind(e.iter().map(|e| message(e)?.extra.as_deref()).collect::<Vec<_>>())
        .bind(e.iter().map(|e| e.created_at_ms as i64).collect::<Vec<_>>())
        .bind(e.iter().map(|e| said::stored(&e.digest)).collect::<Vec<_>>())
}

/// The arguments of the full text.
fn bind_all<'q>(sql: &'static str, batch: &'q AppendBatch, rows: &'q StateRows<'q>) -> Query<'q> {
    let (entries, conversations) = (&batch.entries, &batch.conversations);
    let (members, removed) = (&batch.members_set, &batch.members_removed);
    let StateRows { messages, pinned: pins, unpinned } = rows;
    let (mentions, follows) = (&batch.mentions, &batch.follows);
    let some = |number: Option<u64>| number.map(|number| number as i64);
    let query = bind_entries(sql, entries)
        .bind(conversations.iter().map(|c| c.key.tenant.as_str()).collect::<Vec<_>>())
        .bind(conversations.iter().map(|c| c.key.id.0).collect::<Vec<_>>())
        .bind(conversations.iter().map(|c| code::kind(c.kind)).collect::<Vec<_>>())
        .bind(conversations.iter().map(|c| c.title.as_str()).collect::<Vec<_>>())
        .bind(conversations.iter().map(|c| c.created_at_ms as i64).collect::<Vec<_>>())
        .bind(members.iter().map(|m| m.user_id.tenant().as_str()).collect::<Vec<_>>())
        .bind(members.iter().map(|m| m.conversation_id.0).collect::<Vec<_>>())
        .bind(members.iter().map(|m| m.user_id.name_str()).collect::<Vec<_>>())
        .bind(members.iter().map(|m| code::role(m.role)).collect::<Vec<_>>())
        .bind(members.iter().map(|m| m.from_seq as i64).collect::<Vec<_>>())
        .bind(removed.iter().map(|(_, user)| user.tenant().as_str()).collect::<Vec<_>>())
        .bind(removed.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
        .bind(removed.iter().map(|(_, user)| user.name_str()).collect::<Vec<_>>())
        .bind(entries.iter().map(|e| e.author.r#type.code()).collect::<Vec<_>>())
        .bind(entries.iter().map(|e| e.device_type.map(DeviceType::code)).collect::<Vec<_>>())
        .bind(entries.iter().map(|e| some(e.target)).collect::<Vec<_>>())
        .bind(entries.iter().map(|e| some(e.thread)).collect::<Vec<_>>())
        .bind(entries.iter().map(|e| e.also_in_main).collect::<Vec<_>>())
        .bind(entries.iter().map(|e| some(e.expires_at_ms)).collect::<Vec<_>>())
        .bind(pins.iter().map(|p| p.by.tenant().as_str()).collect::<Vec<_>>())
        .bind(pins.iter().map(|p| p.conversation_id.0).collect::<Vec<_>>())
        .bind(pins.iter().map(|p| p.seq as i64).collect::<Vec<_>>())
        .bind(pins.iter().map(|p| p.pinned_seq as i64).collect::<Vec<_>>())
        .bind(pins.iter().map(|p| p.by.name_str()).collect::<Vec<_>>())
        .bind(unpinned.iter().map(|(key, _)| key.tenant.as_str()).collect::<Vec<_>>())
        .bind(unpinned.iter().map(|(key, _)| key.id.0).collect::<Vec<_>>())
        .bind(unpinned.iter().map(|(_, seq)| *seq as i64).collect::<Vec<_>>())
        .bind(messages.iter().map(|m| m.key.tenant.as_str()).collect::<Vec<_>>())
        .bind(messages.iter().map(|m| m.key.id.0).collect::<Vec<_>>())
        .bind(messages.iter().map(|m| m.seq as i64).collect::<Vec<_>>())
        .bind(messages.iter().map(|m| m.as_of as i64).collect::<Vec<_>>())
        .bind(messages.iter().map(|m| m.state.as_str()).collect::<Vec<_>>())
        .bind(messages.iter().map(|m| m.gone).collect::<Vec<_>>())
        .bind(entries.iter().map(|e| e.body.flags()).collect::<Vec<_>>())
        .bind(entries.iter().map(|e| e.body.forwarded().map(json)).collect::<Vec<_>>())
        .bind(mentions.iter().map(|m| m.conversation.tenant.as_str()).collect::<Vec<_>>())
        .bind(mentions.iter().map(MentionRow::stored_user).collect::<Vec<_>>())
        .bind(mentions.iter().map(|m| m.conversation.id.0).collect::<Vec<_>>())
        .bind(mentions.iter().map(|m| m.seq as i64).collect::<Vec<_>>())
        .bind(mentions.iter().map(|m| some(m.thread)).collect::<Vec<_>>())
        .bind(mentions.iter().map(|m| m.at_ms as i64).collect::<Vec<_>>())
        .bind(follows.iter().map(|f| f.user_id.tenant().as_str()).collect::<Vec<_>>())
        .bind(follows.iter().map(|f| f.user_id.name_str()).collect::<Vec<_>>())
        .bind(follows.iter().map(|f| f.conversation_id.0).collect::<Vec<_>>())
        .bind(follows.iter().map(|f| f.thread as i64).collect::<Vec<_>>())
        .bind(follows.iter().map(|f| f.read_seq as i64).collect::<Vec<_>>())
        .bind(follows.iter().map(|f| f.at_ms as i64).collect::<Vec<_>>());
    let query = bind_drafts(bind_own(query, batch), batch);
    query
        .bind(messages.iter().map(|m| m.tally_due_ms).collect::<Vec<_>>())
        .bind(follows.iter().map(|f| f.by_hand).collect::<Vec<_>>())
}

fn json<T: serde::Serialize>(value: &T) -> String {
    // Cannot fail: a text and a number.
    serde_json::to_string(value).unwrap_or_default()
}

/// What users set of their own.
fn bind_own<'q>(query: Query<'q>, batch: &'q AppendBatch) -> Query<'q> {
    let (set, removed) = (&batch.settings_set, &batch.settings_removed);
    query
        .bind(set.iter().map(|it| it.user_id.tenant().as_str()).collect::<Vec<_>>())
        .bind(set.iter().map(|it| it.user_id.name_str()).collect::<Vec<_>>())
        .bind(set.iter().map(|it| id_of(it.place.conversation_id)).collect::<Vec<_>>())
        .bind(set.iter().map(|it| it.place.what.as_str()).collect::<Vec<_>>())
        .bind(set.iter().map(|it| it.place.thread as i64).collect::<Vec<_>>())
        .bind(set.iter().map(|it| it.value.json.as_str()).collect::<Vec<_>>())
        .bind(set.iter().map(|it| it.value.number as i64).collect::<Vec<_>>())
        .bind(set.iter().map(|it| it.as_of as i64).collect::<Vec<_>>())
        .bind(removed.iter().map(|(user, _)| user.tenant().as_str()).collect::<Vec<_>>())
        .bind(removed.iter().map(|(user, _)| user.name_str()).collect::<Vec<_>>())
        .bind(removed.iter().map(|(_, at)| id_of(at.conversation_id)).collect::<Vec<_>>())
        .bind(removed.iter().map(|(_, at)| at.what.as_str()).collect::<Vec<_>>())
        .bind(removed.iter().map(|(_, at)| at.thread as i64).collect::<Vec<_>>())
}

/// Drafts.
fn bind_drafts<'q>(query: Query<'q>, batch: &'q AppendBatch) -> Query<'q> {
    let (kept, gone) = (&batch.drafts_set, &batch.drafts_removed);
    query
        .bind(kept.iter().map(|it| it.user_id.tenant().as_str()).collect::<Vec<_>>())
        .bind(kept.iter().map(|it| it.user_id.name_str()).collect::<Vec<_>>())
        .bind(kept.iter().map(|it| it.place.conversation_id.0).collect::<Vec<_>>())
        .bind(kept.iter().map(|it| it.place.thread as i64).collect::<Vec<_>>())
        .bind(kept.iter().map(|it| it.content.as_str()).collect::<Vec<_>>())
        .bind(kept.iter().map(|it| it.as_of as i64).collect::<Vec<_>>())
        .bind(kept.iter().map(|it| it.at_ms as i64).collect::<Vec<_>>())
        .bind(gone.iter().map(|(user, _)| user.tenant().as_str()).collect::<Vec<_>>())
        .bind(gone.iter().map(|(user, _)| user.name_str()).collect::<Vec<_>>())
        .bind(gone.iter().map(|(_, at)| at.conversation_id.0).collect::<Vec<_>>())
        .bind(gone.iter().map(|(_, at)| at.thread as i64).collect::<Vec<_>>())
}
