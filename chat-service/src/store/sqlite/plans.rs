//! How SQLite finds the rows of the statements: each by an index that picks the few that are meant, whatever else the
//! tables hold. A plan that goes by the tenant alone reads all rows of it.

use sqlx::{AssertSqlSafe, Row as _};

use super::{SqliteStore, acquainted, among, append, chosen, contacts};
use crate::store::{Page, acquainted as acquaintance, finding, reading, revoked};

/// The statements on tables that grow.
fn statements() -> Vec<(&'static str, String)> {
    let texts = [
        ("load", append::LOAD),
        ("members of loaded conversations", append::LOAD_MEMBERS),
        ("client ids", append::FIND_CLIENT_IDS),
        ("memberships", append::MEMBERSHIPS),
        ("delivered", append::DELIVERED),
        ("cursors", append::ADVANCE_CURSORS),
        ("removed members", append::MEMBERS_REMOVED),
        ("heads", reading::HEADS),
        ("members", reading::MEMBERS),
        ("search", reading::SEARCH_USERS),
        ("search among acquaintances", acquaintance::SEARCH),
        ("acquaintances", acquainted::ACQUAINTED),
        ("members among", among::AMONG),
        ("contacts", contacts::CONTACTS),
        ("statuses", chosen::READ),
        ("an entry by its client id", finding::FIND_ENTRY),
        ("an entry by its id", finding::FIND_ENTRY_ABOUT),
    ];
    let mut all: Vec<_> = texts.map(|(what, sql)| (what, sql.to_owned())).into();
    let given = super::dialect::GIVEN_USERS;
    all.extend([
        ("heads of many", reading::heads_of(given)),
        ("users of many", reading::users(given)),
        ("tokens of many", revoked::token_counts(given)),
        ("ended devices of many", revoked::ended_devices(given)),
        ("what is revoked since", revoked::AFTER.to_owned()),
        ("revocations that have ended", revoked::FORGET_ENDED[0].to_owned()),
        ("tokens that have ended", revoked::FORGET_ENDED[1].to_owned()),
        ("a list", reading::listed_views(super::dialect::NOT_IN_SIXTH_LIST)),
        ("one conversation", reading::one_view()),
        ("a page", reading::entries_page(Page::Before(1))),
        ("a page on", reading::entries_page(Page::After(1))),
    ]);
    all
}

/// What statements make themselves, by the names they have there: it is read whole.
const MADE: [&str; 8] = ["given", "n", "mine", "l", "f", "i", "p", "a"];

/// Whether a step reads all rows of a tenant, or of a table.
fn reads_all(step: &str) -> bool {
    let scanned = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
    let is_made =
        |it: &str| MADE.contains(&it) || it.starts_with('(') || step.contains("VIRTUAL TABLE");
    step.contains("(tenant=?)") || scanned.is_some_and(|it| !is_made(it))
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
