//! How SQLite finds the rows of the statements: each by an index that picks the few that are meant, whatever else the
//! tables hold. A plan that goes by the tenant alone reads all rows of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::{
    SqliteStore, acquainted, among, append, chosen, contacts, following as advanced, heads, own,
    reactions as rows_of_reactions,
};
use crate::store::{
    MessagePage, Page, acquainted as acquaintance, finding, following, reactions, reading, revoked,
    verify,
};

/// The statements on tables that grow.
fn statements() -> Vec<(&'static str, String)> {
    let fixed = fixed().into_iter().map(|(what, sql)| (what, sql.to_owned()));
    fixed.chain(composed()).collect()
}

fn fixed() -> [(&'static str, &'static str); 26] {
    [
        ("load", append::LOAD),
        ("members of loaded conversations", append::LOAD_MEMBERS),
        ("client ids", append::FIND_CLIENT_IDS),
        ("memberships", append::MEMBERSHIPS),
        ("delivered", append::DELIVERED),
        ("cursors", append::ADVANCE_CURSORS),
        ("removed members", append::MEMBERS_REMOVED),
        ("heads", heads::HEADS),
        ("heads of many", heads::HEADS_OF),
        ("entries at places", heads::ENTRY_IDS),
        ("members", reading::MEMBERS),
        ("search", reading::SEARCH_USERS),
        ("search among acquaintances", acquaintance::SEARCH),
        ("acquaintances", acquainted::ACQUAINTED),
        ("members among", among::AMONG),
        ("contacts", contacts::CONTACTS),
        ("statuses", chosen::READ),
        ("settings before they are set", own::FACTS),
        ("a walk of settings", own::WALK),
        ("settings of conversations", own::OF),
        ("settings that are no more", append::SETTINGS_REMOVED),
        ("drafts before others take their places", own::DRAFT_FACTS),
        ("a walk of drafts", own::DRAFTS),
        ("drafts that are taken back", append::DRAFTS_REMOVED),
        ("an entry by its client id", finding::FIND_ENTRY),
        ("an entry by its id", finding::FIND_ENTRY_ABOUT),
    ]
}

/// Those whose text is put together.
fn composed() -> Vec<(&'static str, String)> {
    let given = super::dialect::GIVEN_USERS;
    vec![
        ("users of many", reading::users(given)),
        ("tokens of many", revoked::token_counts(given)),
        ("ended devices of many", revoked::ended_devices(given)),
        ("what is revoked since", revoked::AFTER.to_owned()),
        ("revocations that have ended", revoked::FORGET_ENDED[0].to_owned()),
        ("tokens that have ended", revoked::FORGET_ENDED[1].to_owned()),
        (
            "a list",
            reading::listed_views(super::dialect::NOT_IN_SIXTH_LIST, super::dialect::GREATEST),
        ),
        ("what a member may read", reading::MEMBERSHIP.to_owned()),
        ("one conversation", reading::one_view()),
        ("a page", reading::entries_page(Page::Before(1), false)),
        ("messages before", reading::messages_page(MessagePage::Before(1))),
        ("messages after", reading::messages_page(MessagePage::After(1))),
        ("one message", reading::messages_page(MessagePage::Only(1))),
        ("what became of messages", reading::CHANGED.to_owned()),
        ("edits", reading::edits()),
        ("changes of messages", verify::CHANGE_ENTRIES.to_owned()),
        ("changes of some messages", verify::changes_of()),
        ("states of messages", verify::STATES_AFTER.to_owned()),
        ("pinned messages", reading::PINS.to_owned()),
        ("targets", append::LOAD_TARGETS.to_owned()),
        ("blanked entries", append::BLANKED.to_owned()),
        ("unpinned messages", append::PINS_REMOVED.to_owned()),
        ("a page on", reading::entries_page(Page::After(1), true)),
        ("members with their steps", following::STEPPED_MEMBERS.to_owned()),
        ("a page of a thread", reading::thread_page(Page::Before(1))),
        ("mentions", following::mentions()),
        ("mentions that are no more", advanced::MENTIONS_REMOVED.to_owned()),
        ("reactions", reactions::REACTIONS.to_owned()),
        ("reactions of some users", rows_of_reactions::OWN.to_owned()),
        ("reactions by their keys", rows_of_reactions::COUNTS.to_owned()),
        ("how many reacted", rows_of_reactions::REACTORS.to_owned()),
        ("reactions that are taken back", rows_of_reactions::REMOVED.to_owned()),
        ("when reactions are counted", rows_of_reactions::DUE.to_owned()),
        ("heads that have to be", rows_of_reactions::MOVED_HEADS.to_owned()),
        ("reactions that are to be counted", reactions::CLAIM.to_owned()),
        ("reactions to what is gone", reactions::FORGET.to_owned()),
        ("counted reactions", reactions::COUNTED.to_owned()),
        ("threads", following::threads()),
        ("cursors of threads", advanced::ADVANCE_THREADS.to_owned()),
    ]
}

/// What statements make themselves, by the names they have there: it is read whole.
const MADE: [&str; 17] = [
    "given", "n", "mine", "l", "f", "i", "p", "a", "w", "b", "h", "m", "ma", "mb", "s", "c", "due",
];

/// Whether a step reads all rows of a tenant, or of a table.
fn reads_all(step: &str) -> bool {
    let scanned = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
    let is_made =
        |it: &str| MADE.contains(&it) || it.starts_with('(') || step.contains("VIRTUAL TABLE");
    // No table: a row that the statement makes.
    let is_constant = step == "SCAN CONSTANT ROW";
    !is_constant && (step.contains("(tenant=?)") || scanned.is_some_and(|it| !is_made(it)))
}

#[tokio::test]
async fn no_statement_reads_all_rows_of_a_tenant() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("plans.db")).await.unwrap();
    let mut wrong = Vec::new();
    for (what, sql) in statements() {
        let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let steps = sqlx::query(sql).fetch_all(&store.readers).await.unwrap();
        let steps = steps.iter().map(|row| row.get::<String, _>("detail"));
        wrong.extend(steps.filter(|step| reads_all(step)).map(|step| format!("{what}: {step}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    store.close().await;
}

/// What SQLite does for a statement, in steps of its virtual machine, to some hundred.
async fn steps(path: &Path, sql: String, user: &str, id: &str) -> u64 {
    const EACH: i32 = 100;
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let count = Arc::new(AtomicU64::new(0));
    let is_list = sql.contains("$8");
    // The first time it is prepared, which is not meant.
    for _ in 0..2 {
        count.store(0, Ordering::Relaxed);
        let counted = Arc::clone(&count);
        connection.lock_handle().await.unwrap().set_progress_handler(EACH, move || {
            counted.fetch_add(EACH.unsigned_abs().into(), Ordering::Relaxed);
            true
        });
        let query = sqlx::query(AssertSqlSafe(sql.as_str())).bind("default").bind(user);
        let query = if is_list {
            let (end, last) = (i64::MAX, uuid::Uuid::max().to_string());
            let query = query.bind(end).bind(end).bind(last).bind("[]").bind(10_i64);
            query.bind(None::<i64>).bind(None::<bool>)
        } else {
            query.bind(id).bind(None::<i64>)
        };
        assert_eq!(query.fetch_all(&mut connection).await.unwrap().len(), 1);
    }
    connection.close().await.unwrap();
    count.load(Ordering::Relaxed)
}

#[tokio::test]
async fn unread_counts_and_lists_look_at_no_more_of_a_long_log_than_of_a_short_one() {
    // Both are longer than what is looked at; the second by far. The newer half of each is no messages.
    const LOGS: [(&str, u32); 2] = [("short", 5_000), ("long", 50_000)];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("steps.db");
    let store = SqliteStore::open(&path).await.unwrap();
    for (user, entries) in LOGS {
        let id = uuid::Uuid::from_u128(entries.into());
        for sql in [
            format!("INSERT INTO conversations (tenant, id, kind, title, created_at_ms) VALUES ('default', '{id}', 2, '', 1)"),
            format!(
                "INSERT INTO members (tenant, conversation_id, user_id, role, from_seq, delivered_seq, read_seq)
                 VALUES ('default', '{id}', '{user}', 1, 1, 0, 0)"
            ),
            format!(
                "INSERT INTO entries (tenant, conversation_id, seq, id, kind, sender_id, client_id, content, is_important,
                    created_at_ms)
                 WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {entries})
                 SELECT 'default', '{id}', i, '{id}', CASE WHEN i * 2 > {entries} THEN 'system' ELSE 'text' END, 'bob',
                    '{id}', '{{}}', 0, i FROM n"
            ),
        ] {
            sqlx::query(AssertSqlSafe(sql)).execute(&store.writer).await.unwrap();
        }
    }
    store.close().await;
    let list = reading::listed_views(super::dialect::NOT_IN_SIXTH_LIST, super::dialect::GREATEST);
    for sql in [list, reading::one_view()] {
        let mut of_each = Vec::new();
        for (user, entries) in LOGS {
            let id = uuid::Uuid::from_u128(entries.into()).to_string();
            of_each.push(steps(&path, sql.clone(), user, &id).await);
        }
        assert!(of_each[0] > 1_000, "they are counted: {of_each:?}");
        assert!(of_each[1] <= of_each[0] + of_each[0] / 10, "{of_each:?}: {sql}");
    }
}
