//! Events by webhook, by pull and on the broker, of the all-in-one and of the cluster: complete and in order while chat
//! services end and the receiver is away in between.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use e2e::all_in_one::{serve_with, token as own_token, token_of_operator};
use e2e::backends::amqp_url;
use e2e::client::Client;
use e2e::cluster::Cluster;
use e2e::eventually::eventually;
use e2e::token::{token, token_with};
use lapin::options::{BasicGetOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const SOON: Duration = Duration::from_mins(1);

pub(crate) async fn ask(
    address: &str,
    method: Method,
    path: &str,
    token: &str,
    body: Option<&Value>,
) -> (u16, Value) {
    let url = format!("http://{address}/api/v1/{path}");
    let mut asked = reqwest::Client::new().request(method, url).bearer_auth(token);
    if let Some(body) = body {
        asked = asked.json(body);
    }
    let answer = asked.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

/// A receiver that can be away.
pub(crate) struct Receiver {
    pub(crate) url: String,
    is_away: Arc<Mutex<bool>>,
    /// Of whose events it takes none, by a text in them.
    refused: Arc<Mutex<Option<String>>>,
    pub(crate) events: Arc<Mutex<Vec<Value>>>,
    _tasks: JoinSet<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (is_away, events) = (Arc::new(Mutex::new(false)), Arc::<Mutex<Vec<Value>>>::default());
        let refused = Arc::<Mutex<Option<String>>>::default();
        let (away, taken, never) =
            (Arc::clone(&is_away), Arc::clone(&events), Arc::clone(&refused));
        let mut tasks = JoinSet::new();
        // Ends with the receiver, and its connections with it.
        tasks.spawn(async move {
            let mut serving = JoinSet::new();
            while let Ok((mut socket, _)) = listener.accept().await {
                let (away, taken, never) =
                    (Arc::clone(&away), Arc::clone(&taken), Arc::clone(&never));
                serving.spawn(async move {
                    while serve(&mut socket, (&away, &never), &taken).await.is_some() {}
                });
            }
        });
        Self { url, is_away, refused, events, _tasks: tasks }
    }

    fn taken(&self) -> BTreeMap<String, Vec<u64>> {
        in_order(&self.events.lock().unwrap())
    }
}

async fn serve(
    socket: &mut TcpStream,
    (is_away, refused): (&Mutex<bool>, &Mutex<Option<String>>),
    events: &Mutex<Vec<Value>>,
) -> Option<()> {
    let mut read = Vec::new();
    let (end, length) = loop {
        if socket.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
        let Some(end) = read.windows(4).position(|it| it == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        assert!(head.contains("webhook-signature: v1,"), "{head}");
        break (end + 4, length?.parse::<usize>().ok()?);
    };
    while read.len() < end + length {
        if socket.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
    let event: Value = serde_json::from_slice(&read[end..end + length]).ok()?;
    let is_refused =
        refused.lock().unwrap().as_ref().is_some_and(|text| event.to_string().contains(text));
    let answer = if *is_away.lock().unwrap() {
        "HTTP/1.1 503 Away\r\ncontent-length: 0\r\n\r\n"
    } else if is_refused {
        "HTTP/1.1 422 Not this\r\ncontent-length: 0\r\n\r\n"
    } else {
        events.lock().unwrap().push(event);
        "HTTP/1.1 204 Taken\r\n\r\n"
    };
    socket.write_all(answer.as_bytes()).await.ok()
}

/// The sequences of events, each once, in the order of their first coming, by conversation.
fn in_order(events: &[Value]) -> BTreeMap<String, Vec<u64>> {
    let mut seqs: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for event in events {
        let Some(sequence) = event["sequence"].as_str() else { continue };
        let conversation = event["partitionkey"].as_str().unwrap().to_owned();
        let of = seqs.entry(conversation).or_default();
        let seq = sequence.parse().unwrap();
        if !of.contains(&seq) {
            of.push(seq);
        }
    }
    seqs
}

/// Waits until a conversation has all of its events, from 1 to the last, and finds them in order.
async fn complete(what: &str, last: u64, seqs: impl Fn() -> Option<Vec<u64>>) {
    eventually(what, SOON, async || {
        let seqs = seqs().unwrap_or_default();
        if seqs.len() as u64 == last { Ok(()) } else { Err(format!("{seqs:?}")) }
    })
    .await;
    assert_eq!(seqs().unwrap(), (1..=last).collect::<Vec<_>>(), "{what}");
}

/// An install, and the tokens of a user and an operator there.
struct Place<'a> {
    address: &'a str,
    ann: String,
    operator: String,
}

impl Place<'_> {
    async fn webhook(&self, url: &str) -> String {
        let new = json!({ "url": url, "types": ["*"] });
        let (status, made) =
            ask(self.address, Method::POST, "admin/webhooks", &self.operator, Some(&new)).await;
        assert_eq!(status, 201, "{made}");
        assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
        let id = made["webhook"]["id"].as_str().unwrap().to_owned();
        let (status, shown) = self.get(&format!("admin/webhooks/{id}")).await;
        assert_eq!((status, &shown["state"]), (200, &json!("enabled")));
        assert!(!shown.to_string().contains("whsec_"), "the secret is shown once");
        id
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        ask(self.address, Method::GET, path, &self.operator, None).await
    }

    /// So many messages of Ann to Bob; the conversation.
    async fn talk(&self, count: u64) -> String {
        let mut ann = Client::connect(self.address, &self.ann).await;
        let mut conversation = String::new();
        for number in 0..count {
            ann.send_to("bob", &format!("message {number}")).await;
            let sent = ann.expect("sent").await;
            sent["conversation_id"].as_str().unwrap().clone_into(&mut conversation);
        }
        conversation
    }

    /// All events after a place, and the next one.
    async fn pulled(&self, after: &str) -> (Vec<Value>, String) {
        let path = format!("events?after={after}&limit=7&wait_ms=1000");
        let (status, page) = self.get(&path).await;
        assert_eq!(status, 200, "{page}");
        let events = page["events"].as_array().unwrap().clone();
        (events, page["next"].as_str().unwrap().to_owned())
    }

    /// Of a conversation between two places, and of a time.
    async fn replays(&self, id: &str, conversation: &str, receiver: &Receiver) {
        let path = format!("admin/webhooks/{id}/replay");
        let replay = async |body: Value| {
            ask(self.address, Method::POST, &path, &self.operator, Some(&body)).await
        };
        let count = || receiver.events.lock().unwrap().len();
        let before = count();
        let range = json!({ "conversation_id": conversation, "from_seq": 3, "to_seq": 6 });
        let (status, replayed) = replay(range).await;
        assert_eq!((status, &replayed["events"]), (202, &json!(4)), "{replayed}");
        let came = async |wanted: usize| {
            let all = || async { if count() == wanted { Ok(()) } else { Err(count()) } };
            eventually("what is replayed comes", SOON, all).await;
        };
        came(before + 4).await;
        let all = json!({ "from_time": 1, "to_time": 9_999_999_999_999_u64 });
        for body in [
            all.clone(),
            json!({ "conversation_id": conversation, "from_time": 1,
            "to_time": 9_999_999_999_999_u64 }),
        ] {
            let before = count();
            let (status, replayed) = replay(body).await;
            assert_eq!((status, &replayed["events"]), (202, &json!(20)), "{replayed}");
            came(before + 20).await;
        }
        let (_, replayed) = replay(json!({ "from_time": 1, "to_time": 2 })).await;
        assert_eq!(replayed["events"], 0, "{replayed}");
        for wrong in [
            json!({ "from_seq": 1 }),
            json!({ "from_seq": 0, "conversation_id": conversation }),
            json!({ "from_seq": 5, "to_seq": 4, "conversation_id": conversation }),
            json!({ "from_time": 5, "only": "dead" }),
        ] {
            assert_eq!(replay(wrong.clone()).await.0, 400, "{wrong}");
        }
        for path in [format!("webhook%2Fdefault%2F{id}"), "nobody".to_owned()] {
            let is_there = path != "nobody";
            let (status, aside) = self.get(&format!("admin/followers/{path}/aside")).await;
            assert_eq!(status, if is_there { 200 } else { 404 }, "{aside}");
            assert!(!is_there || aside["entries"] == json!([]), "{aside}");
        }
    }

    /// What a webhook does not take is an event, and a state that its sender can see.
    async fn is_told_what_fails(
        &self,
        receiver: &Receiver,
        mut read: impl AsyncFnMut(&mut Vec<Value>),
    ) {
        *receiver.refused.lock().unwrap() = Some("not this one".to_owned());
        let mut ann = Client::connect(self.address, &self.ann).await;
        ann.send_to("cleo", "not this one").await;
        let sent = ann.expect("sent").await;
        let (id, seq) = (sent["conversation_id"].as_str().unwrap(), sent["seq"].as_u64().unwrap());
        let deadline = tokio::time::Instant::now() + SOON;
        let failed = loop {
            let mut events = Vec::new();
            read(&mut events).await;
            let of_it = |event: &Value| event["type"] == "chat.delivery.failed";
            if let Some(failed) = events.into_iter().find(of_it) {
                break failed;
            }
            assert!(tokio::time::Instant::now() < deadline, "nobody is told");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let data = &failed["data"];
        assert_eq!((&data["way"], &data["state"]), (&json!("webhook"), &json!("blocked")));
        assert_eq!((&data["conversation_id"], &data["seq"]), (&json!(id), &json!(seq)), "{failed}");
        assert_eq!(failed["tidingsclass"], "moment");
        let path = format!("conversations/{id}/messages/{seq}/delivery");
        let (status, delivery) = ask(self.address, Method::GET, &path, &self.ann, None).await;
        let wanted =
            json!({ "state": "failed", "failed": [{ "way": "webhook", "state": "blocked" }] });
        assert_eq!((status, delivery), (200, wanted));
        *receiver.refused.lock().unwrap() = None;
        let is_fine = async || {
            let (_, delivery) = ask(self.address, Method::GET, &path, &self.ann, None).await;
            if delivery["state"] == "ok" { Ok(()) } else { Err(delivery) }
        };
        eventually("it is taken", SOON, is_fine).await;
    }

    async fn refuses(&self) {
        for (url, why) in [
            ("http://example.org/", "https"),
            ("https://10.0.0.1/", "public"),
            ("https://169.254.169.254/latest", "public"),
            ("https://localhost@example.org/", "user"),
            ("nonsense", "URL"),
        ] {
            let new = json!({ "url": url, "types": ["*"] });
            let (status, refused) =
                ask(self.address, Method::POST, "admin/webhooks", &self.operator, Some(&new)).await;
            let says = refused["message"].as_str().unwrap();
            assert!(status == 400 && says.contains(why), "{url}: {refused}");
        }
        let new = json!({ "url": "https://example.org/", "types": ["chat.mesage.*"] });
        let (status, _) =
            ask(self.address, Method::POST, "admin/webhooks", &self.operator, Some(&new)).await;
        assert_eq!(status, 400);
        for path in ["admin/webhooks", "events", "admin/followers"] {
            let (status, _) = ask(self.address, Method::GET, path, &self.ann, None).await;
            assert_eq!(status, 403, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_all_in_one_tells_everything_in_order_over_a_restart_and_an_absence() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("TIDINGS__WEBHOOKS__INSECURE_HOSTS", "[\"127.0.0.1\"]"),
        ("TIDINGS__WEBHOOKS__RETRY_SECS", "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"),
    ];
    let mut server = serve_with("events", folder.path(), "127.0.0.1:0", &settings).await;
    let receiver = Receiver::start().await;
    let (ann, operator) =
        (own_token(folder.path(), "ann").await, token_of_operator(folder.path()).await);
    let address = server.address("http").to_owned();
    let place = Place { address: &address, ann: ann.clone(), operator: operator.clone() };
    place.refuses().await;
    let id = place.webhook(&receiver.url).await;
    let (none, mut next) = place.pulled("").await;
    assert!(none.is_empty());
    let (status, tested) =
        ask(&address, Method::POST, &format!("admin/webhooks/{id}/test"), &operator, None).await;
    assert_eq!((status, &tested["is_taken"]), (200, &json!(true)), "{tested}");
    let conversation = place.talk(10).await;
    let of = || receiver.taken().get(&conversation).cloned();
    complete("webhook", 10, of).await;
    *receiver.is_away.lock().unwrap() = true;
    place.talk(5).await;
    server.terminate(Duration::from_secs(20)).await;
    let server = serve_with("events", folder.path(), "127.0.0.1:0", &settings).await;
    let address = server.address("http").to_owned();
    let place = Place { address: &address, ann, operator };
    place.talk(5).await;
    *receiver.is_away.lock().unwrap() = false;
    complete("webhook after an absence", 20, of).await;
    // The cursor moves after the receiver has answered.
    let path = format!("admin/explain?message={conversation}:20");
    eventually("the webhook has passed the message", SOON, async || {
        let (_, explained) = place.get(&path).await;
        if explained["followers"][0]["state"] == "passed" { Ok(()) } else { Err(explained) }
    })
    .await;
    let mut events = Vec::new();
    while events.len() < 20 {
        let (page, after) = place.pulled(&next).await;
        events.extend(page);
        next = after;
    }
    assert_eq!(in_order(&events)[&conversation], (1..=20).collect::<Vec<_>>());
    assert_eq!(events[0]["data"]["entry"]["content"]["text"], "message 0");
    place.replays(&id, &conversation, &receiver).await;
    let (status, _) =
        ask(&address, Method::DELETE, &format!("admin/webhooks/{id}"), &place.operator, None).await;
    assert_eq!(status, 204);
    let (_, list) = place.get("admin/webhooks").await;
    assert_eq!(list["webhooks"], json!([]));
}

/// A queue of an integrator.
async fn queue(prefix: &str) -> (Connection, Channel, String) {
    let options = ConnectionProperties::default();
    let connection = Connection::connect(&amqp_url(), options).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let name = format!("{prefix}.reader");
    let options = QueueDeclareOptions {
        exclusive: true,
        auto_delete: true,
        ..QueueDeclareOptions::default()
    };
    channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await.unwrap();
    let (exchange, key) = (format!("{prefix}.events"), "default.chat.#");
    let options = QueueBindOptions::default();
    let bound = channel.queue_bind(
        name.as_str().into(),
        exchange.into(),
        key.into(),
        options,
        FieldTable::default(),
    );
    bound.await.unwrap();
    (connection, channel, name)
}

/// Everything that waits in a queue, batches taken apart.
async fn read(channel: &Channel, queue: &str, events: &mut Vec<Value>) {
    let options = BasicGetOptions { no_ack: true };
    while let Some(got) = channel.basic_get(queue.into(), options).await.unwrap() {
        match serde_json::from_slice(&got.delivery.data).unwrap() {
            Value::Array(several) => events.extend(several),
            one => events.push(one),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cluster_tells_everything_in_order_while_chat_services_end() {
    let settings = [
        ("TIDINGS_CHAT__EVENTS__TYPES", "[\"*\", \"chat.delivery.failed\"]"),
        ("TIDINGS_CHAT__WEBHOOKS__INSECURE_HOSTS", "[\"127.0.0.1\"]"),
        ("TIDINGS_CHAT__WEBHOOKS__RETRY_SECS", "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"),
        ("TIDINGS_CHAT__FOLLOWERS__LEASE_MS", "2000"),
    ];
    let mut cluster = Cluster::start_with("events", &settings).await;
    let receiver = Receiver::start().await;
    let (_connection, channel, queue) = queue(&cluster.names.prefix).await;
    let operator = token_with("root", 600, &json!({ "roles": ["admin"] }));
    let address = cluster.gateway_address(0).to_owned();
    let place = Place { address: &address, ann: token("ann"), operator };
    place.refuses().await;
    place.webhook(&receiver.url).await;
    let conversation = place.talk(10).await;
    let of = || receiver.taken().get(&conversation).cloned();
    complete("webhook", 10, of).await;
    // Each replica is killed in turn, so the one that has the followers is killed, too.
    for index in 0..2 {
        cluster.chats[index].kill().await;
        let chat = cluster.start_chat(index).await;
        cluster.chats[index] = chat;
        cluster.ready().await;
        place.talk(10).await;
    }
    complete("webhook over deaths", 30, of).await;
    let mut events = Vec::new();
    let mut told = Vec::new();
    while told.len() < 30 {
        read(&channel, &queue, &mut events).await;
        told = in_order(&events).remove(&conversation).unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(told, (1..=30).collect::<Vec<_>>(), "on the broker");
    place
        .is_told_what_fails(&receiver, async |events: &mut Vec<Value>| {
            read(&channel, &queue, events).await;
        })
        .await;
    let (status, followers) = place.get("admin/followers").await;
    assert_eq!(status, 200);
    let names: Vec<_> =
        followers["followers"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names[0], "events");
    assert!(names[1].as_str().unwrap().starts_with("webhook/default/"), "{names:?}");
    cluster.stop().await;
}
