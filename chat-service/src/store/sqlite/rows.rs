//! The rows of a batch as SQLite takes them fastest: bound columns, many rows a statement.
//!
//! Several statements for a large batch, unlike on Postgres: SQLite has no arrays to bind, reading rows
//! from JSON costs more than half of the writer's time, and a statement costs no round trip here. They are
//! in one transaction, and of four sizes only, so that each is prepared once and kept.

use std::sync::LazyLock;

use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite, Transaction};

use super::dialect;
use crate::domain::entry::{DeviceType, Entry};
use crate::domain::said;

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// Rows of one statement, the largest first.
const SIZES: [usize; 4] = [64, 16, 4, 1];

/// One statement for each size.
struct Insert([String; SIZES.len()]);

impl Insert {
    fn new(into: &str, columns: usize) -> Self {
        let row = format!("({})", vec!["?"; columns].join(", "));
        Self(SIZES.map(|rows| format!("{into} VALUES {}", vec![row.as_str(); rows].join(", "))))
    }

    async fn run(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        mut entries: &[Entry],
        bind: for<'q> fn(Query<'q>, &'q Entry) -> Query<'q>,
    ) -> Result<(), sqlx::Error> {
        for (sql, size) in self.0.iter().zip(SIZES) {
            while entries.len() >= size {
                let (rows, rest) = entries.split_at(size);
                let query = sqlx::query(AssertSqlSafe(sql.as_str()));
                rows.iter().fold(query, bind).execute(&mut **transaction).await?;
                entries = rest;
            }
        }
        Ok(())
    }
}

static ENTRIES: LazyLock<Insert> = LazyLock::new(|| {
    let into = "INSERT INTO entries (tenant, conversation_id, seq, id, kind, sender_id, client_id, content, reply_to,
        mentions, is_important, extra, created_at_ms)";
    Insert::new(into, 13)
});

/// Of a batch with more than texts of users.
static ALL_OF_ENTRIES: LazyLock<Insert> = LazyLock::new(|| {
    let into = "INSERT INTO entries (tenant, conversation_id, seq, id, kind, sender_id, client_id, content, reply_to,
        mentions, is_important, extra, created_at_ms, sender_type, device_type, target, thread, also_in_main,
        expires_at_ms, flags, forwarded)";
    Insert::new(into, 21)
});

static CLIENT_IDS: LazyLock<Insert> = LazyLock::new(|| {
    let into = "INSERT INTO client_ids (tenant, sender_id, client_id, conversation_id, seq, entry_id, digest,
        sha256, created_at_ms)";
    Insert::new(into, 9)
});

/// Inserts entries with their client ids.
pub(super) async fn insert(
    transaction: &mut Transaction<'_, Sqlite>,
    entries: &[Entry],
) -> Result<(), sqlx::Error> {
    if entries.iter().all(Entry::is_plain) {
        ENTRIES.run(transaction, entries, bind_plain).await?;
    } else {
        ALL_OF_ENTRIES.run(transaction, entries, bind_all).await?;
    }
    CLIENT_IDS.run(transaction, entries, bind_client_id).await
}

fn bind_plain<'q>(query: Query<'q>, e: &'q Entry) -> Query<'q> {
    let message = e.body.message();
    let mentions = message.map(|message| &message.mentions).filter(|it| !it.is_empty());
    query
        .bind(e.author.id.tenant().as_str())
        .bind(dialect::id(e.conversation_id.0))
        .bind(e.seq as i64)
        .bind(dialect::id(e.id.0))
        .bind(e.body.kind())
        .bind(e.author.id.name_str())
        .bind(dialect::id(e.client_id.0))
        .bind(e.body.content())
        .bind(message.and_then(|message| message.reply_to).map(|seq| seq as i64))
        .bind(mentions.map(super::json::json))
        .bind(message.is_some_and(|message| message.is_important))
        .bind(message.and_then(|message| message.extra.as_deref()))
        .bind(e.created_at_ms as i64)
}

fn bind_all<'q>(query: Query<'q>, e: &'q Entry) -> Query<'q> {
    bind_plain(query, e)
        .bind(e.author.r#type.code())
        .bind(e.device_type.map(DeviceType::code))
        .bind(e.target.map(|seq| seq as i64))
        .bind(e.thread.map(|seq| seq as i64))
        .bind(e.also_in_main)
        .bind(e.expires_at_ms.map(|at| at as i64))
        .bind(e.body.flags())
        .bind(e.body.forwarded().map(super::json::json))
}

fn bind_client_id<'q>(query: Query<'q>, e: &'q Entry) -> Query<'q> {
    query
        .bind(e.author.id.tenant().as_str())
        .bind(e.author.id.name_str())
        .bind(dialect::id(e.client_id.0))
        .bind(dialect::id(e.conversation_id.0))
        .bind(e.seq as i64)
        .bind(dialect::id(e.id.0))
        // Of builds of before, for which the column has no default.
        .bind(0_i64)
        .bind(said::stored(&e.digest).to_vec())
        .bind(e.created_at_ms as i64)
}
