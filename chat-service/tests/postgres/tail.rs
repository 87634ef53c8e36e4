//! The tail on Postgres: transactions that commit late or never, contents that are blanked, tables of another cluster.

use std::sync::Arc;
use std::time::Duration;

use chat_service::followers::place;
use chat_service::store::postgres::PostgresStore;
use chat_service::store::tail::Position;
use proto::id::ConversationId;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::task::JoinSet;

use crate::contract::following::{Recorder, Walking};
use crate::contract::tail::settled;
use crate::contract::{entry, group, only};
use crate::{fresh, store_at};

const LEASE: Duration = Duration::from_secs(30);

/// An entry as a writer of any build inserts it: the place in the tail is the column's default.
async fn insert(connection: &mut PgConnection, conversation: u32, seq: u32) {
    let sql = format!(
        "INSERT INTO entries (tenant, conversation_id, seq, id, kind, sender_id, client_id, content, is_important,
            created_at_ms)
         VALUES ('default', '00000000-0000-0000-0000-{conversation:012}', {seq}, gen_random_uuid(), 'text', 'ann',
            gen_random_uuid(), '{{}}', false, 1)"
    );
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_commit_late_or_roll_back_are_seen_once_and_never_passed() {
    const WRITERS: u32 = 12;
    const TRANSACTIONS: u32 = 20;
    let (store, keeper) = fresh().await;
    let from = store.follow("test", "one", LEASE).await.unwrap().unwrap().position;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let url = keeper.url();
        writers.spawn(async move {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            let mut head = 0;
            for number in 0..TRANSACTIONS {
                let mut transaction = connection.begin().await.unwrap();
                insert(&mut transaction, writer, head + 1).await;
                // Some stay open while others come and go.
                let pause = u64::from((number * 7 + writer * 13) % 23);
                tokio::time::sleep(Duration::from_millis(pause)).await;
                if (number + writer) % 4 == 0 {
                    transaction.rollback().await.unwrap();
                } else {
                    transaction.commit().await.unwrap();
                    head += 1;
                }
            }
            head as usize
        });
    }
    let (mut after, mut walked) = (from, Vec::new());
    let mut total = 0;
    while !writers.is_empty() {
        while let Some(written) = writers.try_join_next() {
            total += written.unwrap();
        }
        let page = store.tail(after, 3).await.unwrap();
        after = page.next;
        walked.extend(page.rows);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    walked.extend(settled(&store, after, total - walked.len()).await);
    assert_eq!(
        walked,
        settled(&store, from, total).await,
        "what was read while it grew is all there is"
    );
    let mut last = std::collections::HashMap::new();
    for row in &walked {
        let entry = &row.entry.entry;
        let before = last.insert(entry.conversation(), entry.seq).unwrap_or_default();
        assert_eq!(entry.seq, before + 1);
    }
    keeper.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_was_blanked_stays_at_its_place() {
    let (store, keeper) = fresh().await;
    let from = store.follow("test", "one", LEASE).await.unwrap().unwrap().position;
    let id = ConversationId::generate();
    store.append(&group(id, &["ann"])).await.unwrap();
    let before = settled(&store, from, 1).await;
    let mut connection = PgConnection::connect(&keeper.url()).await.unwrap();
    connection.execute("UPDATE entries SET content = '{}'").await.unwrap();
    let after = settled(&store, from, 1).await;
    assert_eq!((after.len(), after[0].position), (1, before[0].position));
    assert_eq!(after[0].entry.entry.body.content(), "{}");
    keeper.remove().await;
}

/// As after a dump and a restore into another cluster, whose transaction ids are smaller than those that the rows have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_another_cluster_go_on_above_the_places_that_were_given() {
    const AHEAD: i64 = 1_000_000_000;
    let (store, keeper) = fresh().await;
    let id = ConversationId::generate();
    let from = store.follow("test", "one", LEASE).await.unwrap().unwrap().position;
    store.append(&group(id, &["ann"])).await.unwrap();
    settled(&store, from, 1).await;
    let mut connection = PgConnection::connect(&keeper.url()).await.unwrap();
    for sql in [
        format!("UPDATE entries SET xid = xid + {AHEAD}"),
        "UPDATE followers SET position = 10 + (SELECT max(xid) FROM entries)".to_owned(),
    ] {
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    // A process that starts, over a connection of its own.
    let restored = store_at(&keeper.url());
    let followed = restored.follow("test", "one", LEASE).await.unwrap().unwrap();
    assert!(followed.position.0 > AHEAD as u64);
    let mut next = entry(id, 2, "ann");
    next.body.cut(|_| "{}".to_owned());
    restored.append(&crate::contract::only(vec![next])).await.unwrap();
    // One that was running all the time, and one of another build: the place is not theirs to say.
    store.append(&crate::contract::only(vec![entry(id, 3, "ann")])).await.unwrap();
    let rows = settled(&restored, followed.position, 2).await;
    let seqs: Vec<_> = rows.iter().map(|row| row.entry.entry.seq).collect();
    assert_eq!(seqs, [2, 3]);
    assert!(rows.iter().all(|row| row.position > followed.position));
    assert!(restored.horizon().await.unwrap().position >= rows[1].position);
    // It is raised once.
    let again = PostgresStore::new(&chat_service::store::postgres::DatabaseConfig {
        url: platform::secret::Secret::new(keeper.url()),
        ..Default::default()
    });
    again.unwrap().migrate().await.unwrap();
    let offset: i64 = sqlx::query_scalar("SELECT xid_offset FROM store_origin")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!((AHEAD..AHEAD + 11_000_000).contains(&offset), "{offset}");
    let _: Arc<_> = restored;
    assert_ne!(followed.position, Position(0));
    keeper.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_a_process_left_half_built_is_built_anew() {
    let (store, keeper) = fresh().await;
    let mut connection = PgConnection::connect(&keeper.url()).await.unwrap();
    let sql = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'entries_tail'::regclass";
    connection.execute(sql).await.unwrap();
    assert!(!store.is_ready().await.unwrap());
    keeper.store.build_indexes().await.unwrap();
    assert!(store.is_ready().await.unwrap());
    keeper.remove().await;
}

/// The index is built beside the service: until then nobody can follow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_appended_before_the_index_is_built_is_followed() {
    let (store, keeper) = fresh().await;
    let mut connection = PgConnection::connect(&keeper.url()).await.unwrap();
    connection.execute("DROP INDEX IF EXISTS entries_tail").await.unwrap();
    place(&*store, "recorder").await.unwrap();
    let walking = Walking::start(&store, "one", Recorder::default());
    let id = ConversationId::generate();
    store.append(&group(id, &["ann"])).await.unwrap();
    store.append(&only(vec![entry(id, 2, "ann")])).await.unwrap();
    assert!(keeper.store.build_indexes().await.unwrap());
    assert_eq!(walking.has_done(2).await, [1, 2]);
    walking.stop().await;
    drop(connection);
    drop(store);
    keeper.remove().await;
}
