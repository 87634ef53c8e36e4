//! A gateway with its default bounds, filled through every way in and out at the same time: its memory stays below the
//! bound that docs/operations.md gives, 512 MiB and 16 KiB for each socket, and it goes on serving.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::client::Client;
use e2e::cluster::Cluster;
use e2e::process::Process;
use e2e::token::token;
use e2e::{metrics, narrow};
use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const MIB: usize = 1 << 20;
/// The bound of the process, in KiB: without its sockets, and what each of them may add.
const MOST_KIB: u64 = 512 << 10;
const SOCKET_KIB: u64 = 16;
/// How long one way may take to be filled on a busy machine. What it holds then lies in the gateway.
const FILLING: Duration = Duration::from_secs(40);
/// How many users do not read what is pushed to them.
const CALLEES: usize = 40;
/// Of each bound as much has been held at some time: else the test would have filled nothing.
const FILLED: f64 = 0.8;

/// The longest text: 32 KB of JSON.
fn long_text() -> String {
    "😀".repeat(8_000)
}

fn users(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| token(&format!("{name}-{number}"))).collect()
}

/// Five sockets of each user, which is what a user may have.
async fn sockets(address: &str, users: &[String]) -> Vec<TcpStream> {
    let each = users.iter().flat_map(|user| std::iter::repeat_n(user, 5));
    join_all(each.map(|user| narrow::open(address, user))).await
}

/// Signals to users who do not read: 110 of 60 KB each, of which nothing is stored. A socket holds 4 MiB of them, so it
/// takes more than 32 users to fill the 128 MiB of all.
async fn fill_outboxes(address: &str) {
    let mut caller = Client::connect(address, &token("caller")).await;
    for number in 0..CALLEES * 110 {
        let signal = json!({
            "type": "signal", "to": format!("slow-{}", number % CALLEES), "kind": "offer",
            "call_id": uuid::Uuid::new_v4(), "data": { "number": number, "sdp": "x".repeat(60_000) },
        });
        caller.say(&signal).await;
    }
    // In order: all of them are taken or refused then.
    caller.say(&json!({ "type": "ping" })).await;
    caller.expect("pong").await;
}

/// A conversation of long texts: the path of its messages.
async fn conversation(address: &str, members: usize) -> String {
    let http = reqwest::Client::new();
    let members: Vec<String> = (0..members).map(|number| format!("reader-{number}")).collect();
    let group = json!({ "kind": "group", "title": "long", "members": members });
    let url = format!("http://{address}/api/v1/conversations");
    let made = http.post(url).bearer_auth(token("writer")).json(&group).send().await;
    let made: Value = made.expect("an answer").json().await.expect("JSON");
    let path = format!("/api/v1/conversations/{}/messages", made["id"].as_str().expect("an id"));
    for _ in 0..40 {
        let url = format!("http://{address}{path}");
        let message = json!({ "content": { "text": long_text() } });
        let sent = http.post(url).bearer_auth(token("writer")).json(&message).send().await;
        assert!(sent.expect("an answer").status().is_success());
    }
    path
}

/// Pages that are asked for and not read.
async fn fill_answers(address: &str, path: &str, readers: &[String]) -> Vec<TcpStream> {
    let mut asking: Vec<TcpStream> = Vec::new();
    for reader in readers.iter().flat_map(|reader| std::iter::repeat_n(reader, 4)) {
        let mut connection = narrow::connect(address);
        let request = format!(
            "GET {path}?limit=200 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {reader}\r\n\r\n"
        );
        connection.write_all(request.as_bytes()).await.expect("it is open");
        asking.push(connection);
    }
    narrow::answered(&asking, FILLING).await;
    asking
}

/// Bodies that are begun and not finished.
async fn fill_bodies(connections: &mut [TcpStream], users: &[String]) {
    let posts = connections.iter_mut().zip(users.iter().cycle()).map(async |(post, user)| {
        let request = format!(
            "POST /api/v1/conversations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {user}\r\n\
             content-type: application/json\r\ncontent-length: 1000000\r\n\r\n{}",
            "x".repeat(900_000)
        );
        // It may be refused before.
        let _ = post.write_all(request.as_bytes()).await;
    });
    let _ = tokio::time::timeout(FILLING, join_all(posts)).await;
}

/// Messages of the longest texts, each with an id of its own.
fn sends() -> Vec<u8> {
    let send = |_| {
        let send = json!({
            "type": "send", "client_id": uuid::Uuid::now_v7(), "to": "carol",
            "content": { "text": long_text() },
        });
        let send = send.to_string();
        narrow::frame(send.len(), send.as_bytes())
    };
    (0..40).flat_map(send).collect()
}

/// The largest share of each bound, and the most memory in KiB, that were seen.
#[derive(Default)]
struct Seen {
    shares: BTreeMap<String, f64>,
    most_kib: u64,
}

impl Seen {
    async fn look(&mut self, gateway: &Process) {
        self.most_kib = self.most_kib.max(gateway.memory_kib());
        let limits = metrics::by_label(gateway, "tidings_gateway_memory_limit_bytes").await;
        let mut held = metrics::by_label(gateway, "tidings_gateway_memory_bytes").await;
        held.extend(
            metrics::value(gateway, "tidings_gateway_outbox_bytes")
                .await
                .map(|bytes| ("outbox".to_owned(), bytes)),
        );
        for (purpose, bytes) in held {
            let most = limits.get(&purpose).copied().unwrap_or((128 * MIB) as f64);
            let share = self.shares.entry(purpose).or_default();
            *share = share.max(bytes / most);
        }
    }

    async fn during<T>(&mut self, gateway: &Process, filling: impl Future<Output = T>) -> T {
        let mut filling = std::pin::pin!(filling);
        let mut looks = tokio::time::interval(Duration::from_millis(50));
        loop {
            tokio::select! {
                filled = &mut filling => return filled,
                _ = looks.tick() => self.look(gateway).await,
            }
        }
    }

    /// The same of what is never done, since nothing is read any more: until so much of these bounds is held.
    async fn until_full(
        &mut self,
        gateway: &Process,
        purposes: &[&str],
        filling: impl Future<Output = ()>,
    ) {
        let mut filling = std::pin::pin!(filling);
        let mut looks = tokio::time::interval(Duration::from_millis(50));
        while purposes.iter().any(|purpose| self.share(purpose) < FILLED) {
            tokio::select! {
                () = &mut filling => break,
                _ = looks.tick() => self.look(gateway).await,
            }
        }
        self.look(gateway).await;
    }

    fn share(&self, purpose: &str) -> f64 {
        self.shares.get(purpose).copied().unwrap_or_default()
    }
}

#[tokio::test]
#[ignore = "slow: make test-slow"]
async fn a_gateway_filled_by_every_way_at_once_stays_below_its_bound() {
    let settings = [
        // What was filled first is still held when the last is.
        ("TIDINGS_GATEWAY__LIMITS__WRITE_TIMEOUT_MS", "120000"),
        ("TIDINGS_GATEWAY__LIMITS__MESSAGE_TIMEOUT_MS", "120000"),
        ("TIDINGS_GATEWAY__LIMITS__ANSWER_TIMEOUT_MS", "120000"),
    ];
    e2e::machine::alone();
    let cluster = Cluster::start_with("memory-at-once", &settings).await;
    let (address, gateway) = (cluster.gateway_address(0).to_owned(), &cluster.gateways[0]);
    let (bodies, readers) = (users("body", 60), users("reader", 30));
    let slow = sockets(&address, &users("slow", CALLEES)).await;
    let mut begun = sockets(&address, &users("begun", 60)).await;
    let mut senders = sockets(&address, &users("sender", 60)).await;
    let path = conversation(&address, readers.len()).await;
    let mut seen = Seen::default();

    seen.during(gateway, fill_outboxes(&address)).await;
    let asking = seen.during(gateway, fill_answers(&address, &path, &readers)).await;
    // Nothing is stored from here on, while everything else goes on.
    let mut database =
        sqlx::PgConnection::connect(&cluster.names.database_url()).await.expect("the database");
    let lock = "BEGIN; LOCK TABLE entries IN SHARE ROW EXCLUSIVE MODE";
    database.execute(sqlx::raw_sql(lock)).await.expect("nobody else has it");
    let (message, sends) = (narrow::frame(MIB, "x".repeat(900_000).as_bytes()), sends());
    let sending = narrow::fill(&mut senders, &sends, FILLING);
    seen.until_full(gateway, &["requests"], sending).await;
    // Late, since a connection on which no request begins is closed after some seconds.
    let mut posts: Vec<_> = (0..240).map(|_| narrow::connect(&address)).collect();
    let beginning = async {
        tokio::join!(fill_bodies(&mut posts, &bodies), narrow::fill(&mut begun, &message, FILLING),);
    };
    seen.until_full(gateway, &["bodies", "messages"], beginning).await;
    // Who comes now is served.
    let mut ann = Client::connect(&address, &token("ann")).await;
    ann.say(&json!({ "type": "ping" })).await;
    ann.expect("pong").await;
    seen.look(gateway).await;

    let held = slow.len() + begun.len() + senders.len() + posts.len() + asking.len();
    let bound_kib = MOST_KIB + SOCKET_KIB * held as u64;
    eprintln!("{} of {} MiB, shares {:?}", seen.most_kib >> 10, bound_kib >> 10, seen.shares);
    assert!(seen.most_kib <= bound_kib, "{} of {bound_kib} KiB", seen.most_kib);
    for purpose in ["answers", "bodies", "messages", "outbox", "requests"] {
        assert!(seen.share(purpose) >= FILLED, "{purpose} was not filled: {:?}", seen.shares);
    }
    drop((slow, begun, senders, posts, asking));
    database.execute("ROLLBACK").await.expect("it was begun");
    ann.send_to("bob", "still here").await;
    let answer = ann.answer_to("still here").await;
    assert_eq!(answer["type"], "sent", "{answer}");
    cluster.stop().await;
}
