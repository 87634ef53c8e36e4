//! Data that a629499 wrote, as its users saw it (`e2e::past`, `src/bin/fixture.rs`): this version opens it, loses nothing
//! and shows it as it was, answers what comes again with what is stored, and goes on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e::all_in_one::serve_with;
use e2e::backends::Names;
use e2e::cluster::Cluster;
use e2e::past::{Past, differences};
use e2e::process::command;
use e2e::token::SECRET;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

const STOP: Duration = Duration::from_secs(20);

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/a6294994f").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(fixture(name)).unwrap()
}

fn told(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap()
}

async fn make_file(path: &Path) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(text("sqlite.sql"))).execute(&mut database).await.unwrap();
    database.close().await.unwrap();
}

async fn make_database() -> Names {
    let names = Names::create().await;
    let mut database = PgConnection::connect(&names.database_url()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(text("postgres.sql"))).execute(&mut database).await.unwrap();
    database.close().await.unwrap();
    names
}

/// What is seen otherwise than by the version that wrote it, and shall be: what operators wrote is a notice and says so,
/// lists cut texts, and who left and came back takes the log anew.
fn is_meant(difference: &str) -> bool {
    let is_cut = difference.contains(".last_entry.content.");
    difference.ends_with(r#".kind: "system" is "notice" now"#)
        || difference.ends_with(r#".sender.type: "system" is "operator" now"#)
        || difference.ends_with(".reset: false is true now")
        || is_cut
}

async fn is_seen_as_it_was(past: &Past<'_>, told: &Value) {
    let mut found = differences(&told["seen"], &past.seen().await);
    found.retain(|difference| !is_meant(difference));
    assert!(found.is_empty(), "{found:#?}");
}

/// A frame in the form of the version that put it aside can be worked on by nobody here: it stays.
async fn keeps_the_letter(past: &Past<'_>) {
    let letters = async || past.ask("op", "GET", "/admin/dead-letters", &Value::Null).await.1;
    let before = letters().await;
    let id = before["letters"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/admin/dead-letters/{id}/replay");
    let (status, refused) = past.ask("op", "POST", &path, &Value::Null).await;
    assert_eq!((status, &refused["code"]), (400, &json!("invalid")), "{refused}");
    assert_eq!(letters().await, before);
}

/// Everything that there is to be said about data of before.
async fn is_whole_and_goes_on(address: &str, told: &Value) {
    let past = Past::at(address);
    is_seen_as_it_was(&past, told).await;
    let said = told["said"].as_array().unwrap();
    assert!(said.len() >= 20, "{}", said.len());
    let otherwise = past.say_again(&told["said"]).await;
    assert!(otherwise.is_empty(), "{otherwise:#?}");
    is_seen_as_it_was(&past, told).await;
    keeps_the_letter(&past).await;

    // Bob's device comes back with the last entry that it had, and gets what was written meanwhile, and no more.
    let list = &told["seen"]["bob"]["rest"]["/conversations?limit=100"]["body"]["conversations"];
    let with_ann = list.as_array().unwrap().iter().find(|one| one["kind"] == "direct").unwrap();
    let (id, last) = (with_ann["id"].as_str().unwrap(), &with_ann["last_entry"]);
    let new = json!({ "content": { "text": "after the update" } });
    let (status, stored) =
        past.ask("ann", "POST", &format!("/conversations/{id}/messages"), &new).await;
    assert_eq!((status, stored["seq"].as_u64()), (201, last["seq"].as_u64().map(|seq| seq + 1)));
    let epoch = told["seen"]["bob"]["socket"]["new"].as_array().unwrap().last().unwrap();
    let mut device = past.device("bob").await;
    let cursors = json!({ id: { "seq": last["seq"], "id": last["id"] } });
    device.say(&json!({ "type": "sync", "epoch": epoch["epoch"], "cursors": cursors })).await;
    let page = device.expect_where("sync_page", |page| page["conversation_id"] == id).await;
    assert_eq!((page["reset"].as_bool(), &page["entries"][0]["id"]), (Some(false), &stored["id"]));
    assert_eq!(page["entries"].as_array().unwrap().len(), 1);
    device.close().await;
}

#[tokio::test]
async fn a_data_folder_of_before_is_opened_shown_as_it_was_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    make_file(&folder.path().join("tidings.db")).await;
    let told = told("sqlite.json");
    let settings = [("TIDINGS__AUTH__HS256_SECRET", SECRET)];
    let mut server = serve_with("upgraded", folder.path(), "127.0.0.1:0", &settings).await;
    is_seen_as_it_was(&Past::at(server.address("http")), &told).await;
    assert!(server.terminate(STOP).await.success());
    // The second start finds its own tables.
    let server = serve_with("upgraded", folder.path(), "127.0.0.1:0", &settings).await;
    is_whole_and_goes_on(server.address("http"), &told).await;
}

#[tokio::test]
async fn a_database_of_before_is_migrated_shown_as_it_was_and_goes_on() {
    let names = make_database().await;
    let settings = [("TIDINGS_CHAT__DATABASE__URL".to_owned(), names.database_url())];
    let migrated = command("chat-service", &["migrate"], &settings).output().await.unwrap();
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    let cluster = Cluster::launch_on(names, "upgraded", &[], None).await;
    cluster.ready().await;
    is_whole_and_goes_on(cluster.gateway_address(0), &told("postgres.json")).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_cluster_brings_a_database_of_before_up_to_date_at_its_start() {
    // Both chat services find it as it was, at once.
    let cluster = Cluster::launch_on(make_database().await, "upgraded-at-start", &[], None).await;
    cluster.ready().await;
    is_seen_as_it_was(&Past::at(cluster.gateway_address(1)), &told("postgres.json")).await;
    cluster.stop().await;
}
