//! What a server holds for its clients is bounded by bytes, whichever way it is filled: unfinished messages,
//! bodies, readers that do not read what is pushed, asked for or synced, requests that are not answered. The
//! bounds are small here, so that a way without one shows at once. Meanwhile others are served.

use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use e2e::all_in_one;
use e2e::client::Client;
use e2e::machine;
use e2e::metrics;
use e2e::narrow;
use e2e::process::Process;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const MIB: usize = 1 << 20;
/// What a way may add to the memory of the idle process, in MiB: its own bound of 8 or 16, and what the allocator
/// keeps for a while. Without a bound it adds more.
const MOST_MIB: u64 = 64;
/// The same where the chat part holds as much again, and more: pages that are read ahead, requests as SQL.
const BOTH_MOST_MIB: u64 = 192;
/// How long filling may take; a client without room is still writing then.
const FILLING: Duration = Duration::from_secs(3);
/// An answer to somebody who does nothing wrong.
const ANSWER: Duration = Duration::from_secs(15);

/// One for all requests: making it takes its time.
static HTTP: LazyLock<reqwest::Client> = LazyLock::new(reqwest::Client::new);

/// The server and two who talk to each other.
struct Server {
    process: Process,
    address: String,
    ann: Client,
    bob: Client,
    said: u32,
    /// Before anybody filled anything, in KiB.
    idle_kib: u64,
    /// Ways that took more than they may.
    unbounded: Vec<String>,
}

impl Server {
    async fn start(folder: &Path) -> Self {
        let small = [
            ("TIDINGS__LIMITS__MEMORY__BODY_BYTES", "8388608"),
            ("TIDINGS__LIMITS__MEMORY__MESSAGE_BYTES", "8388608"),
            ("TIDINGS__LIMITS__MEMORY__REQUEST_BYTES", "8388608"),
            ("TIDINGS__LIMITS__MEMORY__UPLINK_BYTES", "8388608"),
            ("TIDINGS__LIMITS__MEMORY__ANSWER_BYTES", "8388608"),
            ("TIDINGS__LIMITS__MEMORY__OUTBOX_BYTES", "16777216"),
            ("TIDINGS__LIMITS__MEMORY__WAIT_MS", "200"),
            // Nobody is closed for the time that a write takes, however slow this machine is.
            ("TIDINGS__LIMITS__WRITE_TIMEOUT_MS", "60000"),
        ];
        let process = all_in_one::serve_with("memory", folder, "127.0.0.1:0", &small).await;
        let address = process.address("http").to_owned();
        let ann = Client::connect(&address, &token(&address, "ann").await).await;
        let bob = Client::connect(&address, &token(&address, "bob").await).await;
        let mut server =
            Self { process, address, ann, bob, said: 0, idle_kib: 0, unbounded: Vec::new() };
        server.talk().await;
        server.idle_kib = server.process.memory_kib();
        server
    }

    /// Ann writes to Bob, who gets it, and asks for all that she has.
    async fn talk(&mut self) {
        self.said += 1;
        let text = format!("{} times", self.said);
        let began = Instant::now();
        self.ann.send_to("bob", &text).await;
        self.ann.answer_to(&text).await;
        self.bob.expect_where("entry", |entry| entry["content"]["text"] == text.as_str()).await;
        // The answers to many syncs share the way to the chat part.
        self.ann.say(&json!({ "type": "sync", "cursors": {} })).await;
        self.ann.expect("synced").await;
        assert!(began.elapsed() < ANSWER, "{text}: {:?}", began.elapsed());
    }

    /// Fills a way in, and looks at the memory of the process meanwhile: no more than so much is added.
    async fn holds<T>(&mut self, way: &str, most_mib: u64, filling: impl Future<Output = T>) -> T {
        let (process, idle_kib, began) = (&self.process, self.idle_kib, Instant::now());
        let mut most_kib = 0;
        let mut look = tokio::time::interval(Duration::from_millis(5));
        let mut filling = std::pin::pin!(filling);
        let filled = loop {
            tokio::select! {
                filled = &mut filling => break filled,
                _ = look.tick() => most_kib = most_kib.max(process.memory_kib()),
            }
        };
        for _ in 0..5 {
            self.talk().await;
            most_kib = most_kib.max(self.process.memory_kib());
        }
        let added = most_kib.saturating_sub(idle_kib) >> 10;
        eprintln!("{way}: {added} MiB added to {} MiB, {:?}", idle_kib >> 10, began.elapsed());
        if added >= most_mib {
            self.unbounded.push(format!("{way}: {added} MiB"));
        }
        filled
    }

    async fn metric(&self, name: &str) -> f64 {
        metrics::value(&self.process, name).await.unwrap_or_default()
    }

    /// Sockets of users whose names begin like this, five of each.
    async fn sockets(&self, name: &str, count: usize) -> Vec<TcpStream> {
        let users = join_all((0..count.div_ceil(5)).map(|it| self.token(format!("{name}-{it}"))));
        let users = users.await;
        join_all((0..count).map(|number| narrow::open(&self.address, &users[number / 5]))).await
    }

    async fn token(&self, user: String) -> String {
        token(&self.address, &user).await
    }

    /// A request over REST by its user, answered with JSON.
    async fn post(&self, token: &str, path: &str, body: &Value) -> Value {
        let url = format!("http://{}{path}", self.address);
        let request = HTTP.post(url).bearer_auth(token).json(body);
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.expect("JSON")
    }
}

async fn token(address: &str, user: &str) -> String {
    let request =
        HTTP.post(format!("http://{address}/api/v1/dev/token")).json(&json!({ "user": user }));
    let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    answer["token"].as_str().expect("a token").to_owned()
}

/// A text that takes so many bytes as JSON.
fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// Messages that are begun and not finished.
async fn unfinished_messages(server: &mut Server) {
    let mut sockets = server.sockets("unfinished", 200).await;
    let begun = narrow::frame(MIB, text(900_000).as_bytes());
    server
        .holds("unfinished messages", MOST_MIB, narrow::fill(&mut sockets, &begun, FILLING))
        .await;
    drop(sockets);
}

/// Bodies that are begun and not finished, with a token.
async fn unfinished_bodies(server: &mut Server) {
    let users = join_all((0..40).map(|it| server.token(format!("body-{it}")))).await;
    let mut posts: Vec<_> = (0..200).map(|_| narrow::connect(&server.address)).collect();
    let filling = async {
        let posts = posts.iter_mut().zip(users.iter().cycle()).map(async |(post, token)| {
            let request = format!(
                "POST /api/v1/conversations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
                 content-type: application/json\r\ncontent-length: 1000000\r\n\r\n{}",
                text(900_000)
            );
            // It may be refused before.
            let _ = post.write_all(request.as_bytes()).await;
        });
        let _ = tokio::time::timeout(FILLING, join_all(posts)).await;
    };
    server.holds("bodies", MOST_MIB, filling).await;
    drop(posts);
}

/// Readers who do not read what is pushed to them: call signals, of which nothing is stored.
async fn unread_pushes(server: &mut Server) {
    let readers = server.sockets("slow", 60).await;
    let signals = (0..12 * 110).map(|number| {
        json!({
            "type": "signal", "to": format!("slow-{}", number % 12), "kind": "offer",
            "call_id": uuid::Uuid::new_v4(), "data": { "number": number, "sdp": text(60_000) },
        })
    });
    let caller = Client::connect(&server.address, &server.token("caller".to_owned()).await).await;
    let calling = async move {
        let mut caller = caller;
        for signal in signals {
            caller.say(&signal).await;
        }
        // In order: all of them are taken or refused then.
        caller.say(&json!({ "type": "ping" })).await;
        caller.expect("pong").await;
        caller
    };
    let caller = server.holds("outboxes", MOST_MIB, calling).await;
    let relieved = server.metric("tidings_gateway_relieved_total").await;
    drop((readers, caller));
    assert!(relieved > 0.0, "those are closed for which most waits");
}

/// A conversation of the longest texts: the path of its messages, and tokens of its members.
async fn long_texts(server: &Server) -> (String, Vec<String>) {
    let writer = server.token("writer".to_owned()).await;
    let members: Vec<String> = (0..16).map(|it| format!("member-{it}")).collect();
    let group = json!({ "kind": "group", "title": "long", "members": members });
    let group = server.post(&writer, "/api/v1/conversations", &group).await;
    let path = format!("/api/v1/conversations/{}/messages", group["id"].as_str().expect("an id"));
    for _ in 0..40 {
        // 30 KB of JSON: 8,000 characters of four bytes.
        let message = json!({ "content": { "text": "😀".repeat(8_000) } });
        server.post(&writer, &path, &message).await;
    }
    let tokens = members.into_iter().map(|member| server.token(member));
    let tokens = join_all(tokens).await;
    (path, tokens)
}

/// A page of those, asked for by many who do not read it.
async fn unread_pages(server: &mut Server, path: &str, tokens: &[String]) {
    let mut asking: Vec<_> = (0..250).map(|_| narrow::connect(&server.address)).collect();
    let filling = async {
        for (ask, token) in asking.iter_mut().zip(tokens.iter().cycle()) {
            let request = format!(
                "GET {path}?limit=200 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"
            );
            ask.write_all(request.as_bytes()).await.expect("it is open");
        }
        narrow::answered(&asking, FILLING).await;
    };
    server.holds("pages over REST", MOST_MIB, filling).await;
    drop(asking);
}

/// The same by sync.
async fn unread_syncs(server: &mut Server, tokens: &[String]) {
    let mut syncing =
        join_all((0..80).map(|it| narrow::open(&server.address, &tokens[it / 5]))).await;
    let sync = br#"{"type":"sync","cursors":{}}"#;
    let filling = async {
        narrow::fill(&mut syncing, &narrow::frame(sync.len(), sync), FILLING).await;
        narrow::answered(&syncing, FILLING).await;
    };
    server.holds("syncs", BOTH_MOST_MIB, filling).await;
    drop(syncing);
}

/// Requests that are not answered: nothing can be stored while somebody else writes to the database.
async fn unanswered_requests(server: &mut Server, folder: &Path) {
    let mut senders = server.sockets("sender", 100).await;
    let database = format!("sqlite://{}/tidings.db", folder.display());
    let mut database = sqlx::SqliteConnection::connect(&database).await.expect("the database");
    let sends: Vec<u8> = (0..40)
        .flat_map(|_| {
            let send = json!({
                "type": "send", "client_id": uuid::Uuid::now_v7(), "to": "carol",
                "content": { "text": "😀".repeat(8_000) },
            });
            let send = send.to_string();
            narrow::frame(send.len(), send.as_bytes())
        })
        .collect();
    let filling = async {
        database.execute("BEGIN IMMEDIATE").await.expect("nobody else writes");
        narrow::fill(&mut senders, &sends, FILLING).await;
        // What is taken is stored now, and nothing more comes.
        drop(senders);
        database.execute("ROLLBACK").await.expect("it was begun");
    };
    server.holds("requests", BOTH_MOST_MIB, filling).await;
}

#[tokio::test]
async fn no_way_in_or_out_takes_more_memory_than_is_set_aside_for_it() {
    machine::alone();
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(folder.path()).await;
    unfinished_messages(&mut server).await;
    unfinished_bodies(&mut server).await;
    unread_pushes(&mut server).await;
    let (path, tokens) = long_texts(&server).await;
    unread_pages(&mut server, &path, &tokens).await;
    unread_syncs(&mut server, &tokens).await;
    unanswered_requests(&mut server, folder.path()).await;
    assert!(server.unbounded.is_empty(), "{:?}", server.unbounded);
    server.process.terminate(Duration::from_secs(30)).await;
}
