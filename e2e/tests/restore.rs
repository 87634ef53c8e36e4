//! A backup that is put back: a device that was ahead of it learns what the log holds now, and shows nothing that
//! nobody else has.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use e2e::all_in_one::{self, serve};
use e2e::backends::admin_database_url;
use e2e::client::Client;
use e2e::cluster::Cluster;
use e2e::process::command;
use e2e::token;
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};

const STOP: Duration = Duration::from_secs(20);

/// What a device holds: a conversation without a gap up to a seq, and the epoch that this is of.
struct Device {
    conversation_id: String,
    seq: u64,
    epoch: String,
}

async fn say(address: &str, token: &str, texts: &[&str]) {
    let mut ann = Client::connect(address, token).await;
    for text in texts {
        ann.send_to("bob", text).await;
        ann.answer_to(text).await;
    }
    ann.close().await;
}

fn texts(page: &Value) -> Vec<&str> {
    let entries = page["entries"].as_array().unwrap();
    entries.iter().map(|entry| entry["content"]["text"].as_str().unwrap()).collect()
}

/// A device that knows nothing yet syncs.
async fn first_sync(address: &str, token: &str, all: &[&str]) -> Device {
    let mut bob = Client::connect(address, token).await;
    bob.say(&json!({ "type": "sync" })).await;
    let page = bob.expect("sync_page").await;
    assert_eq!(texts(&page), all);
    let done = bob.expect("synced").await;
    bob.close().await;
    Device {
        conversation_id: page["conversation_id"].as_str().unwrap().to_owned(),
        seq: all.len() as u64,
        epoch: done["epoch"].as_str().unwrap().to_owned(),
    }
}

/// The device comes back, with a place in a log that holds something else by now.
async fn comes_back(address: &str, token: &str, device: &Device, all: &[&str]) {
    let mut bob = Client::connect(address, token).await;
    let cursors = json!({ device.conversation_id.as_str(): device.seq });
    bob.say(&json!({ "type": "sync", "epoch": device.epoch, "cursors": cursors })).await;
    let page = bob.expect("sync_page").await;
    assert_eq!(page["reset"], true, "{page}");
    assert_eq!(texts(&page), all);
    assert_ne!(bob.expect("synced").await["epoch"], device.epoch.as_str());
    bob.close().await;
}

async fn run(name: &str, arguments: &[&str], environment: &[(String, String)]) -> Output {
    command(name, arguments, environment).output().await.unwrap()
}

fn text(output: &Output) -> String {
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(said).unwrap()
}

/// The file of a backup takes the place of that of the messages, as docs/operations.md says.
fn put_back(folder: &Path, backup: &Path) {
    for rest in ["tidings.db-wal", "tidings.db-shm"] {
        let _ = std::fs::remove_file(folder.join(rest));
    }
    std::fs::copy(backup, folder.join("tidings.db")).unwrap();
}

#[tokio::test]
async fn a_device_that_was_ahead_of_a_restored_file_gets_what_the_file_holds() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let backup = folder.path().join("backup.db");
    let [at, to] = [&data, &backup].map(|path| path.to_str().unwrap());
    let mut server = serve("restore", &data).await;
    let address = server.address("http").to_owned();
    let (ann, bob) = (all_in_one::token(&data, "ann").await, all_in_one::token(&data, "bob").await);
    say(&address, &ann, &["one", "two"]).await;

    let made = run("tidings", &["backup", "--data", at, "--to", to], &[]).await;
    assert!(made.status.success(), "{}", text(&made));
    let again = run("tidings", &["backup", "--data", at, "--to", to], &[]).await;
    assert_eq!(again.status.code(), Some(2), "a backup is not overwritten");
    say(&address, &ann, &["three", "four"]).await;
    let device = first_sync(&address, &bob, &["one", "two", "three", "four"]).await;

    let used = run("tidings", &["restored", "--data", at], &[]).await;
    assert_eq!(used.status.code(), Some(2), "{}", text(&used));
    assert!(text(&used).contains("in use by another tidings"), "{}", text(&used));
    assert!(server.terminate(STOP).await.success());
    put_back(&data, &backup);
    let noted = run("tidings", &["restored", "--data", at], &[]).await;
    assert!(noted.status.success(), "{}", text(&noted));

    let server = serve("restore", &data).await;
    let address = server.address("http");
    // As many entries as before, and more: by its place alone nothing would be wrong with the device.
    say(address, &ann, &["3", "4", "5"]).await;
    comes_back(address, &bob, &device, &["one", "two", "3", "4", "5"]).await;
}

#[tokio::test]
async fn a_device_that_was_ahead_of_a_restored_database_gets_what_the_database_holds() {
    let mut cluster = Cluster::start("restore").await;
    let database = cluster.names.prefix.clone();
    let backup = format!("{database}_backup");
    let (ann, bob) = (token::token("ann"), token::token("bob"));
    let address = cluster.gateway_address(0).to_owned();
    say(&address, &ann, &["one", "two"]).await;
    let stop = async |cluster: &mut Cluster| {
        for mut chat in cluster.chats.drain(..) {
            assert!(chat.terminate(STOP).await.success());
        }
    };
    let start = async |cluster: &mut Cluster| {
        for index in 0..2 {
            let chat = cluster.start_chat(index).await;
            cluster.chats.push(chat);
        }
        cluster.ready().await;
    };
    let mut admin = PgConnection::connect(&admin_database_url()).await.unwrap();
    let mut sql = async |sql: String| admin.execute(sqlx::AssertSqlSafe(sql)).await.map(|_| ());

    // A copy that needs no tool beside the server; only nobody may be connected meanwhile.
    stop(&mut cluster).await;
    sql(format!("CREATE DATABASE {backup} TEMPLATE {database}")).await.unwrap();
    start(&mut cluster).await;
    say(&address, &ann, &["three", "four"]).await;
    let device = first_sync(&address, &bob, &["one", "two", "three", "four"]).await;

    stop(&mut cluster).await;
    sql(format!("DROP DATABASE {database} WITH (FORCE)")).await.unwrap();
    sql(format!("CREATE DATABASE {database} TEMPLATE {backup}")).await.unwrap();
    let settings = [("TIDINGS_CHAT__DATABASE__URL".to_owned(), cluster.names.database_url())];
    let noted = run("chat-service", &["new-epoch"], &settings).await;
    assert!(noted.status.success(), "{}", text(&noted));
    start(&mut cluster).await;
    // The gateways were up all the time.
    say(&address, &ann, &["3", "4", "5"]).await;
    comes_back(&address, &bob, &device, &["one", "two", "3", "4", "5"]).await;

    cluster.stop().await;
    sql(format!("DROP DATABASE {backup} WITH (FORCE)")).await.unwrap();
}
