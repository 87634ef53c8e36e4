//! A backup that is put back: a device that was ahead of it learns what the log holds now, and shows nothing that
//! nobody else has. Where nobody said that it was put back, the ids of entries do.

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
    /// Of its entries.
    ids: Vec<String>,
    epoch: String,
    /// The digests of heads that it was told: by places, and by entries, too.
    heads: [u64; 2],
}

impl Device {
    fn cursor(&self, seq: usize) -> Value {
        json!({ self.conversation_id.as_str(): { "seq": seq, "id": self.ids[seq - 1] } })
    }
}

async fn heads(device: &mut Client) -> [u64; 2] {
    device.say(&json!({ "type": "ping" })).await;
    let pong = device.expect("pong").await;
    ["heads", "heads2"].map(|which| pong[which].as_u64().unwrap())
}

/// A connection of a device that compares the entries at its heads.
async fn comparing(address: &str, token: &str) -> Client {
    let mut client = Client::open(address, &format!("/ws?token={token}&heads=2")).await;
    client.expect("welcome").await;
    client
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
    let mut bob = comparing(address, token).await;
    bob.say(&json!({ "type": "sync" })).await;
    let page = bob.expect("sync_page").await;
    assert_eq!(texts(&page), all);
    let done = bob.expect("synced").await;
    let heads = heads(&mut bob).await;
    bob.close().await;
    let entries = page["entries"].as_array().unwrap();
    Device {
        conversation_id: page["conversation_id"].as_str().unwrap().to_owned(),
        ids: entries.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect(),
        epoch: done["epoch"].as_str().unwrap().to_owned(),
        heads,
    }
}

/// The pages of a sync within the epoch that the device knows.
async fn synced(bob: &mut Client, device: &Device, cursors: &Value) -> Vec<Value> {
    bob.say(&json!({ "type": "sync", "epoch": device.epoch, "cursors": cursors })).await;
    let mut pages = Vec::new();
    loop {
        let frame = bob.expect_any(&["sync_page", "synced"]).await;
        if frame["type"] == "synced" {
            assert_eq!(frame["epoch"], device.epoch.as_str());
            return pages;
        }
        pages.push(frame);
    }
}

/// The device comes back to a log that has other entries behind the second, and as many of them as it holds, in the epoch
/// that it knows.
async fn finds_out(address: &str, token: &str, device: &Device, all: &[&str]) {
    let mut bob = comparing(address, token).await;
    let now = heads(&mut bob).await;
    assert_eq!(now[0], device.heads[0], "by their places nothing is missing");
    assert_ne!(now[1], device.heads[1]);
    for seq in [3, 4] {
        let pages = synced(&mut bob, device, &device.cursor(seq)).await;
        assert_eq!((pages.len(), pages[0]["reset"].as_bool()), (1, Some(true)), "{pages:?}");
        assert_eq!(texts(&pages[0]), all);
    }
    // What was there before the backup is the same.
    let pages = synced(&mut bob, device, &device.cursor(2)).await;
    assert_eq!((pages.len(), pages[0]["reset"].as_bool()), (1, Some(false)), "{pages:?}");
    assert_eq!(texts(&pages[0]), all[2..]);
    // A client that says places alone cannot be told.
    let places = json!({ device.conversation_id.as_str(): 4 });
    assert!(synced(&mut bob, device, &places).await.is_empty());
    bob.close().await;
}

/// The device comes back, with a place in a log that holds something else by now.
async fn comes_back(address: &str, token: &str, device: &Device, all: &[&str]) {
    let mut bob = Client::connect(address, token).await;
    let cursors = json!({ device.conversation_id.as_str(): device.ids.len() });
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

    // Nobody says so.
    let mut server = serve("restore", &data).await;
    say(server.address("http"), &ann, &["3", "4"]).await;
    finds_out(server.address("http"), &bob, &device, &["one", "two", "3", "4"]).await;
    assert!(server.terminate(STOP).await.success());

    let noted = run("tidings", &["restored", "--data", at], &[]).await;
    assert!(noted.status.success(), "{}", text(&noted));
    let server = serve("restore", &data).await;
    let address = server.address("http");
    // As many entries as before, and more: by its place alone nothing would be wrong with the device.
    say(address, &ann, &["5"]).await;
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

    // The gateways are up all the time, and so is a device of bob's.
    let mut connected = Client::connect(cluster.gateway_address(1), &bob).await;
    stop(&mut cluster).await;
    sql(format!("DROP DATABASE {database} WITH (FORCE)")).await.unwrap();
    sql(format!("CREATE DATABASE {database} TEMPLATE {backup}")).await.unwrap();
    // Nobody says so.
    start(&mut cluster).await;
    say(&address, &ann, &["3", "4"]).await;
    for seq in [3, 4] {
        let entry = connected.expect_where("entry", |entry| entry["seq"] == seq).await;
        assert_ne!(entry["id"], device.ids[seq - 1].as_str(), "it sees that it has another");
    }
    connected.close().await;
    finds_out(&address, &bob, &device, &["one", "two", "3", "4"]).await;

    stop(&mut cluster).await;
    let settings = [("TIDINGS_CHAT__DATABASE__URL".to_owned(), cluster.names.database_url())];
    let noted = run("chat-service", &["new-epoch"], &settings).await;
    assert!(noted.status.success(), "{}", text(&noted));
    start(&mut cluster).await;
    say(&address, &ann, &["5"]).await;
    comes_back(&address, &bob, &device, &["one", "two", "3", "4", "5"]).await;

    cluster.stop().await;
    sql(format!("DROP DATABASE {backup} WITH (FORCE)")).await.unwrap();
}
