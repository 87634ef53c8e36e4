//! The three services in this process, as the all-in-one binary wires them, on a presence with gates and a
//! database whose commits the test can hold back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bus::Bus;
use bus::in_process::{InProcessBus, InProcessConfig};
use chat_service::config::{MessagesConfig, QueryConfig, RevocationConfig, Role, WorkerConfig};
use chat_service::followers::webhooks::WebhookSettings;
use chat_service::followers::{EventConfig, FollowerConfig};
use chat_service::store::sqlite::SqliteStore;
use futures_util::{FutureExt, SinkExt, StreamExt};
use gateway::config::LimitsConfig;
use gateway::{AdmissionConfig, NetworkConfig, Settings};
use platform::grpc::{GrpcChannel, Incoming, in_memory};
use platform::metrics::Metrics;
use platform::readiness::Readiness;
use platform::secret::Secret;
use platform::shutdown::{Shutdown, Tasks};
use platform::token::{AuthConfig, NewToken, Signer, Verifier};
use platform::trace::Tracer;
use presence_service::config::PresenceSettings;
use proto::id::GatewayId;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Executor, SqliteConnection};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::gates::GatedPresence;

/// How long a condition may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than any gate is closed.
const LONG_MS: u64 = 120_000;
const SECRET: &str = "a secret of the tests of 32 bytes or more";

/// The services, running.
pub struct House {
    address: SocketAddr,
    pub presence: Arc<GatedPresence>,
    ground: Ground,
    to_presence: GrpcChannel,
    /// Each in a runtime of its own, so that it can be cut off as by a crash.
    chats: Vec<(Runtime, Shutdown)>,
    /// The gateway and presence.
    stops: [(Tasks, Shutdown); 2],
    folder: tempfile::TempDir,
}

struct Ground {
    bus: Arc<InProcessBus>,
    store: SqliteStore,
}

impl House {
    /// Starts everything; the gates are about `user`.
    pub async fn about(user: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("tidings.db")).await.unwrap();
        let config = InProcessConfig { partitions: 1, ..InProcessConfig::default() };
        let ground = Ground { bus: Arc::new(InProcessBus::new(config)), store };
        let presence = Arc::new(GatedPresence::of(user));
        let (to_chat, chat_calls) = in_memory();
        let (to_presence, presence_calls) = in_memory();
        let stops = [(Tasks::new(), Shutdown::new()), (Tasks::new(), Shutdown::new())];

        let service = presence_service::build(
            PresenceSettings::default(),
            presence_service::Adapters {
                bus: Arc::<InProcessBus>::clone(&ground.bus),
                store: Arc::<GatedPresence>::clone(&presence),
                chat: to_chat.clone(),
                metrics: Metrics::new(),
                readiness: Readiness::new(),
                tracer: Tracer::disabled(),
                events: presence_service::EventsConfig::default(),
            },
        );
        stops[1].0.spawn("presence", service.run(presence_calls, stops[1].1.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let readiness = Readiness::new();
        let gateway =
            gateway(&ground, to_chat, to_presence.clone(), &readiness, listener, &stops[0].1);
        stops[0].0.spawn("gateway", gateway.run());
        let mut house =
            Self { address, presence, ground, to_presence, chats: Vec::new(), stops, folder };
        house.start_chat(chat_calls);
        tokio::time::timeout(PATIENCE, readiness.until_ready()).await.expect("ready");
        house
    }

    /// Another chat service beside those that run: it waits to become the active consumer.
    pub fn start_another_chat(&mut self) {
        let (_, calls) = in_memory();
        self.start_chat(calls);
    }

    fn start_chat(&mut self, calls: Incoming) {
        let lanes = WorkerConfig {
            lanes: 1,
            append_deadline_ms: LONG_MS,
            locate_timeout_ms: LONG_MS,
            stale_ms: LONG_MS,
            ..WorkerConfig::default()
        };
        let service = chat_service::build(
            lanes,
            QueryConfig::default(),
            RevocationConfig::default(),
            chat_service::Adapters {
                bus: Arc::<InProcessBus>::clone(&self.ground.bus),
                store: Arc::new(self.ground.store.clone()),
                presence: self.to_presence.clone(),
                metrics: Metrics::new(),
                readiness: Readiness::new(),
                tracer: Tracer::disabled(),
                after_unclean_end: false,
                roles: Role::ALL.to_vec(),
                followers: FollowerConfig::default(),
                events: EventConfig::default(),
                sinks: Vec::new(),
                webhooks: WebhookSettings::default(),
                messages: MessagesConfig::default(),
                push: chat_service::push::PreparedPush::default(),
                notices: chat_service::notices::NoticeConfig::default(),
            },
        );
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let tasks = Tasks::new();
        let entered = runtime.enter();
        let stop = Shutdown::new();
        tasks.spawn("chat", service.run(calls, stop.clone()));
        drop(entered);
        self.chats.push((runtime, stop));
    }

    /// Ends the first chat service without letting it finish, as a crash does.
    pub fn cut_off_first_chat(&mut self) {
        self.chats.remove(0).0.shutdown_background();
    }

    /// Asks the first chat service to yield what it has: it finishes the batch in hand and leaves.
    pub fn ask_first_chat_to_yield(&self) {
        self.chats[0].1.begin();
    }

    /// Holds back every commit until it is let go.
    pub async fn hold_commits(&self) -> Held {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join("tidings.db"));
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        connection.execute("BEGIN IMMEDIATE").await.unwrap();
        Held(connection)
    }

    /// Opens a socket and hears nothing yet.
    pub async fn open(&self, user: &str) -> Device {
        let auth = auth();
        let token =
            NewToken { sub: user.to_owned(), ttl: Duration::from_hours(1), ..NewToken::default() };
        let token = Signer::from_config(&auth).unwrap().sign(&token, SystemTime::now()).unwrap().0;
        let url = format!("ws://{}/ws?token={token}", self.address);
        Device(tokio_tungstenite::connect_async(url).await.unwrap().0)
    }

    /// Opens a socket and waits for `welcome`.
    pub async fn connect(&self, user: &str) -> Device {
        let mut device = self.open(user).await;
        device.expect("welcome").await;
        device
    }

    pub async fn stop(self) {
        // The gateway first: it signs its connections off at presence.
        for (tasks, stop) in &self.stops {
            stop.begin();
            assert_eq!(tasks.join(PATIENCE).await, Ok(()));
            assert_eq!(tasks.panics(), 0);
        }
        for (chat, _) in self.chats {
            chat.shutdown_background();
        }
        self.ground.bus.close().await;
        self.ground.store.close().await;
    }
}

fn auth() -> AuthConfig {
    AuthConfig { hs256_secret: Secret::new(SECRET), ..AuthConfig::default() }
}

fn gateway(
    ground: &Ground,
    chat: GrpcChannel,
    presence: GrpcChannel,
    readiness: &Readiness,
    listener: TcpListener,
    stop: &Shutdown,
) -> gateway::Gateway {
    let settings = Settings {
        gateway_id: GatewayId::parse("gateway").unwrap(),
        allowed_origins: Vec::new(),
        tenants: gateway::tenants::TenantList::default(),
        dev_tokens_for_all: false,
        leeway_secs: 0,
        limits: LimitsConfig {
            drain_window_ms: 0,
            register_timeout_ms: LONG_MS,
            answer_timeout_ms: LONG_MS,
            ..LimitsConfig::default()
        },
        admission: AdmissionConfig::default(),
        allow: gateway::AllowConfig::default(),
        login: gateway::Login::new(&gateway::LoginConfig::default()).unwrap(),
        events: gateway::EventsConfig::default(),
        network: NetworkConfig::default(),
        rebalance: gateway::RebalanceConfig::default(),
        servers: gateway::Servers::default(),
        files: None,
    };
    let adapters = gateway::Adapters {
        bus: Arc::<InProcessBus>::clone(&ground.bus),
        chat,
        presence,
        verifier: Arc::new(Verifier::from_config(&auth()).unwrap()),
        dev_signers: gateway::tenants::DevSigners::default(),
        metrics: Metrics::new(),
        readiness: readiness.clone(),
        tracer: Tracer::disabled(),
    };
    gateway::build(settings, adapters, listener, stop.clone())
}

/// Commits wait while it is held.
pub struct Held(SqliteConnection);

impl Held {
    pub async fn let_go(mut self) {
        self.0.execute("ROLLBACK").await.unwrap();
        self.0.close().await.unwrap();
    }
}

/// One device on the public protocol.
pub struct Device(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Device {
    pub async fn say(&mut self, frame: &Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// Sends the one message of a test.
    pub async fn write_to(&mut self, user: &str, client_id: uuid::Uuid) {
        self.say(&json!({ "type": "send", "client_id": client_id, "to": user, "content": { "text": "hello" } }))
            .await;
    }

    /// Skips to the next frame of a type.
    pub async fn expect(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.hear().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    async fn hear(&mut self) -> Value {
        loop {
            let next =
                tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a frame in time");
            if let Message::Text(text) = next.expect("the socket is open").unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// True while there is nothing to read.
    pub fn is_silent(&mut self) -> bool {
        self.0.next().now_or_never().is_none()
    }

    /// Syncs from nothing: the seqs of all entries in its pages.
    pub async fn sync(&mut self) -> Vec<u64> {
        self.say(&json!({ "type": "sync", "cursors": {} })).await;
        let mut seqs = Vec::new();
        loop {
            let frame = self.hear().await;
            match frame["type"].as_str() {
                Some("sync_page") => {
                    let entries = frame["entries"].as_array().unwrap();
                    seqs.extend(entries.iter().map(|entry| entry["seq"].as_u64().unwrap()));
                }
                Some("synced") => return seqs,
                _ => {}
            }
        }
    }
}
