//! What questions cost on Postgres, by its own counts of the rows that were read: bounded, whatever is in the logs.

use std::sync::Arc;

use chat_service::store::postgres::{DatabaseConfig, PostgresStore};
use chat_service::store::{ChatStore, Listed};
use platform::secret::Secret;
use proto::id::{ConversationId, UserId};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::contract::crowded;
use crate::{Keeper, fresh};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_in_20_000_conversations_misses_none_and_no_answer_grows() {
    let (store, keeper) = fresh().await;
    let mut connection = PgConnection::connect(&keeper.url()).await.unwrap();
    for sql in crowded::rows("('00000000-0000-4000-8000-' || lpad(to_hex({}), 12, '0'))::uuid") {
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    connection.execute("ANALYZE").await.unwrap();
    connection.close().await.unwrap();
    crowded::a_user_in_20_000_conversations_misses_none_and_no_answer_grows(store).await;
    keeper.remove().await;
}

/// Under this name the connections of the questions are known.
const NAME: &str = "asking";

/// Rows of `entries` that a question reads, in a table or in an index.
async fn rows_read(keeper: &Keeper, question: impl AsyncFn(Arc<dyn ChatStore>)) -> i64 {
    let mut connection = PgConnection::connect(&keeper.url()).await.unwrap();
    let before = rows_counted(&mut connection).await;
    let config = DatabaseConfig {
        url: Secret::new(format!("{}?application_name={NAME}", keeper.url())),
        ..DatabaseConfig::default()
    };
    let store = PostgresStore::new(&config).unwrap();
    question(Arc::new(store.clone())).await;
    store.close().await;
    // A process of the database says what it counted before it ends.
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()";
    while sqlx::query_scalar::<_, i64>(sql).bind(NAME).fetch_one(&mut connection).await.unwrap() > 0
    {
        tokio::task::yield_now().await;
    }
    let read = rows_counted(&mut connection).await - before;
    connection.close().await.unwrap();
    read
}

async fn rows_counted(connection: &mut PgConnection) -> i64 {
    let sql = "SELECT (SELECT COALESCE(sum(idx_tup_read), 0)::bigint FROM pg_stat_user_indexes WHERE relname = 'entries')
        + (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'entries')";
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

fn id_of(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// A conversation of one user, who has read nothing of it. The newer half of its entries are no messages, so that the
/// newest message is far behind.
async fn write_log(connection: &mut PgConnection, user: &str, number: u32, entries: u32) {
    let id = id_of(number);
    for sql in [
        format!("INSERT INTO conversations (tenant, id, kind, title, created_at_ms) VALUES ('default', '{id}', 2, '', 1)"),
        format!(
            "INSERT INTO members (tenant, conversation_id, user_id, role, from_seq, delivered_seq, read_seq)
             VALUES ('default', '{id}', '{user}', 1, 1, 0, 0)"
        ),
        format!(
            "INSERT INTO entries (tenant, conversation_id, seq, id, kind, sender_id, client_id, content, is_important,
                created_at_ms)
             SELECT 'default', '{id}', i, gen_random_uuid(), CASE WHEN i * 2 > {entries} THEN 'system' ELSE 'text' END,
                'bob', gen_random_uuid(), '{{\"text\":\"x\"}}', false, i
             FROM generate_series(1, {entries}) AS i"
        ),
    ] {
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_counts_and_lists_read_no_more_of_a_long_log_than_of_a_short_one() {
    // Both are longer than what is looked at; the second by far.
    const LOGS: [(&str, u32, u32); 2] = [("short", 1, 5_000), ("long", 2, 50_000)];
    // 1,000 for what is unread and twice 200 for the newest message, each perhaps in an index and in the table.
    const MOST: i64 = 2_500;
    let (_, keeper) = fresh().await;
    let mut connection = PgConnection::connect(&keeper.url()).await.unwrap();
    for (user, number, entries) in LOGS {
        write_log(&mut connection, user, number, entries).await;
    }
    connection.execute("VACUUM ANALYZE").await.unwrap();
    connection.close().await.unwrap();
    for (user, number, _) in LOGS {
        let user = UserId::parse_qualified(user).unwrap();
        let id = ConversationId(uuid::Uuid::parse_str(&id_of(number)).unwrap());
        let one = rows_read(&keeper, async |store| {
            let view = store.conversation(&user, None, id).await.unwrap().unwrap();
            assert_eq!((view.unread, view.last_message_seq), (0, None), "beyond what is looked at");
        });
        let one = one.await;
        let list = rows_read(&keeper, async |store| {
            assert_eq!(
                store.conversations_of(&user, Listed::default(), None, 10).await.unwrap().len(),
                1
            );
        });
        let list = list.await;
        assert!((1..=MOST).contains(&one) && (1..=MOST).contains(&list), "{user}: {one}, {list}");
    }
    keeper.remove().await;
}
