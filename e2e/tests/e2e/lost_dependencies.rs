//! RabbitMQ, Postgres and Redis absent at the start, and lost while running. They are reached through a
//! fault proxy: the shared backends themselves are never touched.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use e2e::backends::{admin_database_url, amqp_url, redis_url};
use e2e::client::Client;
use e2e::cluster::Cluster;
use e2e::eventually::eventually;
use e2e::process::Process;
use e2e::token::token;
use fault_proxy::{Fault, Proxy};
use serde_json::{Value, json};
use uuid::Uuid;

/// Coming back, on a busy machine.
const BACK: Duration = Duration::from_mins(1);

/// The three links of a test, by what they lead to.
struct Links([(&'static str, Proxy); 3]);

impl Links {
    fn start() -> Self {
        let octet = || rand::random_range(2..=250);
        let host = Ipv4Addr::new(127, octet(), octet(), octet());
        let backends = [
            ("rabbitmq", amqp_url(), 5672),
            ("postgres", admin_database_url(), 5432),
            ("redis", redis_url(), 6379),
        ];
        Self(backends.map(|(name, url, port)| {
            let listen = SocketAddr::from((host, port));
            (name, Proxy::start(listen, upstream(&url, port)).unwrap())
        }))
    }

    fn to(&self, name: &str) -> &Proxy {
        let link = self.0.iter().find(|(it, _)| *it == name);
        &link.expect("a link of that name").1
    }

    /// Refuses new connections, and has reset all that were open.
    async fn refuse(&self, name: &str) {
        self.to(name).set(Fault::Refuse);
        eventually("nothing is open any more", BACK, async || match self.to(name).seen().open {
            0 => Ok(()),
            open => Err(open),
        })
        .await;
    }

    fn pass(&self, name: &str) {
        self.to(name).set(Fault::Pass);
    }

    /// Where each dependency is to be looked for.
    fn addresses(&self) -> [SocketAddr; 3] {
        self.0.each_ref().map(|(_, link)| link.address())
    }

    /// A cluster that reaches its backends through the links.
    async fn launch(&self, label: &str) -> Cluster {
        let [amqp, postgres, redis] = self.addresses();
        let admin = through(&admin_database_url(), postgres);
        let database = format!("{}/{{database}}", admin.rsplit_once('/').unwrap().0);
        let (amqp, redis) = (through(&amqp_url(), amqp), through(&redis_url(), redis));
        let settings = [
            ("TIDINGS_CHAT__AMQP__URL", amqp.as_str()),
            ("TIDINGS_GATEWAY__AMQP__URL", &amqp),
            ("TIDINGS_PRESENCE__AMQP__URL", &amqp),
            ("TIDINGS_CHAT__DATABASE__URL", &database),
            ("TIDINGS_PRESENCE__REDIS__URL", &redis),
        ];
        Cluster::launch(label, &settings).await
    }
}

/// The `host:port` of a URL, as it stands there.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let place = rest.split('/').next().unwrap();
    place.rsplit_once('@').map_or(place, |(_, host)| host)
}

fn upstream(url: &str, port: u16) -> SocketAddr {
    let host = host(url);
    host.parse().unwrap_or_else(|_| format!("{host}:{port}").parse().unwrap())
}

/// The same URL at another address.
fn through(url: &str, address: SocketAddr) -> String {
    url.replacen(host(url), &address.to_string(), 1)
}

async fn readiness(management: &str) -> String {
    let answer = reqwest::get(format!("http://{management}/health/ready")).await.unwrap();
    let status = answer.status();
    format!("{status} {}", answer.text().await.unwrap())
}

/// Asks until an operation is answered with `sent`, with the same client id every time.
async fn send_until_stored(client: &mut Client, text: &str) -> Value {
    let client_id = Uuid::now_v7();
    let frame = json!({ "type": "send", "ref": text, "client_id": client_id, "to": "bob", "content": { "text": text } });
    loop {
        client.say(&frame).await;
        let answer = client.answer_to(text).await;
        if answer["type"] == "sent" {
            return answer;
        }
        assert_eq!(answer["code"], "unavailable", "{answer}");
        let wait = answer["retry_after_ms"].as_u64().unwrap();
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
}

/// Sends once while something is away; the refusal says what to do.
async fn refused(client: &mut Client, text: &str) -> Uuid {
    let client_id = client.send_to("bob", text).await;
    let error = client.answer_to(text).await;
    assert_eq!(error["code"], "unavailable", "{error}");
    assert!(error["retry_after_ms"].as_u64().unwrap() > 0, "{error}");
    assert!(["no", "unknown"].contains(&error["stored"].as_str().unwrap()), "{error}");
    client_id
}

/// What a part is called among the causes for not being ready.
fn cause(name: &str) -> &'static str {
    match name {
        "rabbitmq" => "\"bus\"",
        "postgres" => "\"database\"",
        _ => "\"presence_store\"",
    }
}

/// Not ready, for this reason, with the place where it was looked for and no password.
async fn says_it_lacks(process: &Process, name: &str, address: &str) {
    eventually(name, BACK, async || {
        let ready = readiness(process.address("management")).await;
        let log = process.log_tail();
        let is_said = ready.contains(cause(name)) && log.contains(address);
        if ready.starts_with("503") && is_said { Ok(()) } else { Err(format!("{ready}\n{log}")) }
    })
    .await;
    assert!(!process.log_tail().contains("guest:guest"), "secrets never reach logs");
}

#[tokio::test]
async fn each_binary_says_what_is_absent_at_the_start_and_begins_when_it_is_there() {
    let links = Links::start();
    for name in ["rabbitmq", "postgres", "redis"] {
        links.refuse(name).await;
    }
    let cluster = links.launch("absent").await;
    let [amqp, postgres, redis] = links.addresses().map(|it| it.to_string());
    let chat = &cluster.chats[0];
    says_it_lacks(chat, "postgres", &postgres).await;
    says_it_lacks(&cluster.gateways[0], "rabbitmq", &amqp).await;
    says_it_lacks(&cluster.presence, "redis", &redis).await;
    // One after the other: each start goes on to what is absent next.
    links.pass("postgres");
    says_it_lacks(chat, "rabbitmq", &amqp).await;
    links.pass("redis");
    links.pass("rabbitmq");
    cluster.ready().await;
    let mut ann = Client::connect(cluster.gateway_address(0), &token("ann")).await;
    let mut bob = Client::connect(cluster.gateway_address(1), &token("bob")).await;
    send_until_stored(&mut ann, "all there").await;
    assert_eq!(bob.expect("entry").await["content"]["text"], "all there");
    cluster.stop().await;
}

/// Ann and Bob go on chatting on their open sockets after a dependency of the log was away.
async fn a_lost_part_comes_back(name: &str, label: &str) {
    let links = Links::start();
    let cluster = links.launch(label).await;
    cluster.ready().await;
    let mut ann = Client::connect(cluster.gateway_address(0), &token("ann")).await;
    let mut bob = Client::connect(cluster.gateway_address(1), &token("bob")).await;
    send_until_stored(&mut ann, "before").await;
    assert_eq!(bob.expect("entry").await["seq"], 1);

    links.refuse(name).await;
    let refused = refused(&mut ann, "meanwhile").await;
    links.pass(name);

    // The same operation again, on the same socket: stored once, whatever the first one came to.
    let frame = json!({ "type": "send", "ref": "meanwhile", "client_id": refused, "to": "bob", "content": { "text": "meanwhile" } });
    let sent = loop {
        ann.say(&frame).await;
        let answer = ann.answer_to("meanwhile").await;
        if answer["type"] == "sent" {
            break answer;
        }
    };
    assert_eq!(sent["seq"], 2);
    assert_eq!(send_until_stored(&mut ann, "after").await["seq"], 3);
    // Live, or by the sync that the heads in a `pong` call for.
    bob.say(
        &json!({ "type": "sync", "cursors": { sent["conversation_id"].as_str().unwrap(): 1 } }),
    )
    .await;
    let page = bob.expect("sync_page").await;
    let texts: Vec<_> =
        page["entries"].as_array().unwrap().iter().map(|entry| &entry["content"]["text"]).collect();
    assert_eq!(texts, ["meanwhile", "after"]);
    cluster.stop().await;
}

#[tokio::test]
async fn a_lost_rabbitmq_is_told_to_senders_and_work_goes_on_when_it_is_back() {
    a_lost_part_comes_back("rabbitmq", "lost-rabbitmq").await;
}

#[tokio::test]
async fn a_lost_postgres_is_told_to_senders_and_work_goes_on_when_it_is_back() {
    a_lost_part_comes_back("postgres", "lost-postgres").await;
}

/// Within seconds a gateway is ready or not, and says why; so it can be taken out of a load balancer before
/// every new socket is closed with 1013.
async fn gateway_lacks(cluster: &Cluster, cause: Option<&str>) {
    eventually("the gateway says what it lacks", Duration::from_secs(20), async || {
        let ready = readiness(cluster.gateways[0].address("management")).await;
        let is_so = match cause {
            Some(cause) => ready.starts_with("503") && ready.contains(cause),
            None => ready.starts_with("200"),
        };
        is_so.then_some(()).ok_or(ready)
    })
    .await;
}

#[tokio::test]
async fn a_gateway_is_ready_only_while_presence_and_a_chat_service_are_there() {
    let links = Links::start();
    let mut cluster = links.launch("lost-services").await;
    cluster.ready().await;
    // A presence service without its store takes no connections either.
    links.refuse("redis").await;
    gateway_lacks(&cluster, Some("\"presence_service\"")).await;
    links.pass("redis");
    gateway_lacks(&cluster, None).await;
    for chat in &mut cluster.chats {
        chat.kill().await;
    }
    gateway_lacks(&cluster, Some("\"chat_service\"")).await;
    cluster.presence.kill().await;
    gateway_lacks(&cluster, Some("\"presence_service\"")).await;
}

#[tokio::test]
async fn without_redis_messages_are_stored_and_answered_and_are_live_again_when_it_is_back() {
    let links = Links::start();
    let cluster = links.launch("lost-redis").await;
    cluster.ready().await;
    let mut ann = Client::connect(cluster.gateway_address(0), &token("ann")).await;
    let mut bob = Client::connect(cluster.gateway_address(1), &token("bob")).await;
    send_until_stored(&mut ann, "before").await;
    assert_eq!(bob.expect("entry").await["seq"], 1);

    links.refuse("redis").await;
    assert_eq!(send_until_stored(&mut ann, "meanwhile").await["seq"], 2);
    links.pass("redis");

    // Nobody knew where Bob is; he is told how far his conversations have come as soon as somebody does.
    // Or Redis was back within the patience of the look-up, and he gets the entry itself.
    bob.expect_any(&["pong", "entry"]).await;
    bob.say(&json!({ "type": "sync" })).await;
    let page = bob.expect("sync_page").await;
    assert_eq!(page["head"], 2);
    let mut is_live = async || {
        for _ in 0..30 {
            send_until_stored(&mut ann, "after").await;
            if tokio::time::timeout(Duration::from_secs(2), bob.expect("entry")).await.is_ok() {
                return true;
            }
        }
        false
    };
    assert!(is_live().await, "entries are pushed again");
    cluster.stop().await;
}
