//! Poison: a frame that the database refuses, one that ends every process that works on it, and a body that
//! is no batch. Each is put aside with its reason, its neighbours are stored, and an operator can list,
//! show, replay and drop it.

use std::path::Path;
use std::time::Duration;

use e2e::all_in_one;
use e2e::backends::amqp_url;
use e2e::client::Client;
use e2e::cluster::Cluster;
use e2e::eventually::eventually;
use e2e::process::{Process, command};
use e2e::token::{token, token_with};
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Connection as AmqpConnection, ConnectionProperties};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};

/// Coming back, on a busy machine.
const BACK: Duration = Duration::from_mins(1);

/// The command `tidings dead` against a server.
struct Operator {
    url: String,
    token: String,
}

impl Operator {
    fn of(cluster: &Cluster) -> Self {
        let url = format!("http://{}", cluster.gateway_address(0));
        Self { url, token: token_with("op", 3600, &json!({ "roles": ["admin"] })) }
    }

    async fn dead(&self, arguments: &[&str]) -> (bool, String) {
        let rest = ["--url", &self.url, "--token", &self.token];
        let arguments = [&["dead"], &rest[..], arguments].concat();
        let output = command("tidings", &arguments, &[]).output().await.unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), text)
    }

    /// The ids of the letters, once there are so many.
    async fn letters(&self, count: usize) -> Vec<String> {
        eventually("the letters are listed", BACK, async || {
            let (is_ok, text) = self.dead(&["list"]).await;
            let ids: Vec<String> = text
                .lines()
                .filter(|line| !line.starts_with("no dead letters"))
                .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
                .collect();
            if is_ok && ids.len() == count { Ok(ids) } else { Err(text) }
        })
        .await
    }
}

async fn database(cluster: &Cluster) -> PgConnection {
    PgConnection::connect(&cluster.names.database_url()).await.unwrap()
}

/// Makes Postgres do something before it stores an entry that contains `word`.
async fn poison(database: &mut PgConnection, word: &str, what: &str) {
    let function = format!(
        "CREATE OR REPLACE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $body$
         BEGIN IF NEW.content LIKE '%{word}%' THEN {what}; END IF; RETURN NEW; END $body$"
    );
    database.execute(sqlx::AssertSqlSafe(function)).await.unwrap();
    let trigger =
        "CREATE TRIGGER poison BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION poison()";
    database.execute(trigger).await.unwrap();
}

async fn heal(database: &mut PgConnection) {
    database.execute("DROP TRIGGER poison ON entries").await.unwrap();
}

fn text(frame: &Value) -> &str {
    frame["content"]["text"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn what_the_database_refuses_is_put_aside_alone_and_replayed_when_it_is_healed() {
    let cluster = Cluster::start("dead-refused").await;
    let operator = Operator::of(&cluster);
    assert_eq!(operator.dead(&["list"]).await, (true, "no dead letters\n".to_owned()));
    let mut database = database(&cluster).await;
    poison(&mut database, "poison", "RAISE EXCEPTION 'not this one'").await;
    let mut ann = Client::connect(cluster.gateway_address(0), &token("ann")).await;
    let mut bob = Client::connect(cluster.gateway_address(1), &token("bob")).await;

    // All at once, so that they share batches.
    let said = ["one", "two", "poison", "three", "four"];
    let mut client_ids = Vec::new();
    for said in said {
        client_ids.push(ann.send_to("bob", said).await.to_string());
    }
    for (place, said) in said.iter().enumerate() {
        let answer = ann.answer_to(said).await;
        if *said == "poison" {
            assert_eq!(
                (&answer["code"], &answer["stored"]),
                (&json!("internal"), &json!("no")),
                "{answer}"
            );
        } else {
            assert_eq!(answer["client_id"], client_ids[place].as_str());
        }
    }
    for (seq, said) in [(1, "one"), (2, "two"), (3, "three"), (4, "four")] {
        let entry = bob.expect("entry").await;
        assert_eq!((entry["seq"].as_u64(), text(&entry)), (Some(seq), said));
    }

    // Sent again it is refused again, and is the same letter.
    let again = json!({ "type": "send", "ref": "again", "client_id": client_ids[2], "to": "bob", "content": { "text": "poison" } });
    ann.say(&again).await;
    assert_eq!(ann.answer_to("again").await["code"], "internal");
    let id = operator.letters(1).await.remove(0);
    let (_, shown) = operator.dead(&["show", &id]).await;
    for expected in ["not this one", "2 times", "ann", &client_ids[2]] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    assert!(!shown.contains("\"poison\""), "no content unless asked: {shown}");
    let (_, shown) = operator.dead(&["show", &id, "--content"]).await;
    assert!(shown.contains("poison"), "{shown}");

    // Replayed too early it comes back; replayed after the cause is gone it is stored and delivered.
    assert!(operator.dead(&["replay", &id]).await.0);
    eventually("it is back", BACK, async || {
        let (_, shown) = operator.dead(&["show", &id]).await;
        if shown.contains("not this one") && !shown.contains("2 times") {
            Ok(())
        } else {
            Err(shown)
        }
    })
    .await;
    heal(&mut database).await;
    let (is_ok, said) = operator.dead(&["replay", &id]).await;
    assert!(is_ok, "{said}");
    let entry = bob.expect("entry").await;
    assert_eq!((entry["seq"].as_u64(), text(&entry)), (Some(5), "poison"));
    operator.letters(0).await;
    let (is_ok, said) = operator.dead(&["show", &id]).await;
    assert!(!is_ok && said.contains("no dead letter with this id"), "{said}");

    // The sender's own repeat is answered with what the replay stored.
    let mut repeat = again;
    repeat["ref"] = json!("repeat");
    ann.say(&repeat).await;
    assert_eq!(ann.answer_to("repeat").await["seq"], 5);

    let operator = Operator { token: token("eve"), ..operator };
    let (is_ok, said) = operator.dead(&["list"]).await;
    assert!(!is_ok && said.contains("role `admin`"), "{said}");
    cluster.stop().await;
}

#[tokio::test]
async fn what_is_no_batch_is_put_aside_and_can_only_be_dropped() {
    let cluster = Cluster::start("dead-body").await;
    let operator = Operator::of(&cluster);
    let connection =
        AmqpConnection::connect(&amqp_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let queue = format!("{}.chat.3", cluster.names.prefix);
    let options = BasicPublishOptions::default();
    channel
        .basic_publish(
            "".into(),
            queue.as_str().into(),
            options,
            b"\x0a\xff\xff",
            BasicProperties::default(),
        )
        .await
        .unwrap();
    let id = operator.letters(1).await.remove(0);
    let (_, shown) = operator.dead(&["show", &id, "--content"]).await;
    assert!(shown.contains("body, 3 bytes") && shown.contains("\\n\\xff\\xff"), "{shown}");
    let (is_ok, said) = operator.dead(&["replay", &id]).await;
    assert!(!is_ok && said.contains("shown and dropped"), "{said}");
    assert_eq!(operator.dead(&["drop", &id]).await, (true, "it is gone\n".to_owned()));
    operator.letters(0).await;
    connection.close(200, "bye".into()).await.unwrap();
    cluster.stop().await;
}

/// Backends that stand still inside the trigger.
const SLEEPING: &str = "SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event = 'PgSleep'";

#[tokio::test]
async fn what_ends_every_process_that_works_on_it_is_put_aside_and_its_neighbours_are_stored() {
    let mut cluster = Cluster::start("dead-deadly").await;
    let operator = Operator::of(&cluster);
    let mut database = database(&cluster).await;
    // It holds up the process that works on it until the test has killed them.
    poison(&mut database, "deadly", "PERFORM pg_sleep(600)").await;
    let mut ann = Client::connect(cluster.gateway_address(0), &token("ann")).await;
    let mut bob = Client::connect(cluster.gateway_address(1), &token("bob")).await;
    for said in ["before", "deadly", "after"] {
        ann.send_to("bob", said).await;
    }

    let mut kills = 0;
    let is_listed = async || !operator.dead(&["list"]).await.1.starts_with("no dead");
    while !is_listed().await {
        let sleeping: Vec<i32> =
            sqlx::query_scalar(SLEEPING).fetch_all(&mut database).await.unwrap();
        if sleeping.is_empty() {
            continue;
        }
        kills += 1;
        assert!(kills <= 6, "it is not put aside");
        for index in 0..2 {
            cluster.chats[index].kill().await;
        }
        for pid in sleeping {
            sqlx::query("SELECT pg_terminate_backend($1)")
                .bind(pid)
                .execute(&mut database)
                .await
                .unwrap();
        }
        for index in 0..2 {
            cluster.chats[index] = cluster.start_chat(index).await;
        }
        cluster.ready().await;
    }
    // Whole, whole with a mark, then twice alone.
    assert!(kills >= 3, "{kills}");
    let id = operator.letters(1).await.remove(0);
    let (_, shown) = operator.dead(&["show", &id]).await;
    assert!(shown.contains("ended the process"), "{shown}");

    // Live or, where the push was lost with a process, by sync.
    let texts = async {
        loop {
            bob.say(&json!({ "type": "sync" })).await;
            let page = bob.expect("sync_page").await;
            let entries = page["entries"].as_array().unwrap();
            if let [.., _, _] = entries.as_slice() {
                break entries.iter().map(|entry| text(entry).to_owned()).collect::<Vec<_>>();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let texts = tokio::time::timeout(BACK, texts).await.expect("the neighbours are in the log");
    assert_eq!(texts, ["before", "after"]);
    heal(&mut database).await;
    assert!(operator.dead(&["replay", &id]).await.0);
    let entry = bob.expect_where("entry", |entry| text(entry) == "deadly").await;
    assert_eq!(entry["seq"], 3);
    cluster.stop().await;
}

/// True when somebody has held the file for writing for two seconds: nothing but the poison does.
async fn is_held(file: &Path) -> bool {
    let options = SqliteConnectOptions::new().filename(file).busy_timeout(Duration::from_secs(2));
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let is_held = connection.execute("BEGIN IMMEDIATE").await.is_err();
    connection.close().await.unwrap();
    is_held
}

#[tokio::test]
async fn what_ends_the_all_in_one_is_put_aside_although_its_bus_forgets() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = all_in_one::serve("dead-alone", folder.path()).await;
    let user = all_in_one::token(folder.path(), "ann").await;
    let file = folder.path().join("tidings.db");
    let options = SqliteConnectOptions::new().filename(&file);
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    database
        .execute(
            "CREATE TRIGGER poison BEFORE INSERT ON entries WHEN NEW.content LIKE '%deadly%' BEGIN
                 SELECT count(*) FROM (WITH RECURSIVE c(x) AS (
                     SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1000000000000) SELECT x FROM c);
             END",
        )
        .await
        .unwrap();
    database.close().await.unwrap();
    let data = folder.path().to_str().unwrap();
    let deadly = uuid::Uuid::now_v7();
    // A client sends what was not answered again, after each crash.
    let say = async |server: &Process| {
        let mut ann = Client::connect(server.address("http"), &user).await;
        ann.say(&json!({ "type": "send", "ref": "deadly", "client_id": deadly, "to": "bob", "content": { "text": "deadly" } })).await;
        ann
    };
    let dead = async |server: &Process, what: &[&str]| {
        let url = format!("http://{}", server.address("http"));
        let arguments = [&["dead", "--data", data, "--url", &url], what].concat();
        let output = command("tidings", &arguments, &[]).output().await.unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let mut ann = say(&server).await;
    let mut kills = 0;
    while dead(&server, &["list"]).await.starts_with("no dead letters") {
        if !is_held(&file).await {
            continue;
        }
        kills += 1;
        assert!(kills <= 6, "it is not put aside");
        server.kill().await;
        server = all_in_one::serve("dead-alone", folder.path()).await;
        ann = say(&server).await;
    }
    assert!(kills >= 3, "{kills}");
    let answer = ann.answer_to("deadly").await;
    assert_eq!(
        (&answer["code"], &answer["stored"]),
        (&json!("internal"), &json!("no")),
        "{answer}"
    );
    ann.send_to("bob", "harmless").await;
    assert_eq!(ann.answer_to("harmless").await["seq"], 1);
    let list = dead(&server, &["list"]).await;
    assert!(list.contains("ended the process") && list.contains("ann"), "{list}");
}
