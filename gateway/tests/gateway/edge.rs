//! A gateway under test: wired as the all-in-one binary wires it, with a bus that can be switched off and
//! services that the test plays.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bus::{Bus, FrameConsumer, Lane};
use gateway::config::LimitsConfig;
use gateway::tenants::{DevSigners, TenantConfig, TenantList};
use gateway::{Adapters, AdmissionConfig, NetworkConfig, Settings};
use platform::admin::{Admin, AdminHandle};
use platform::grpc::in_memory;
use platform::metrics::Metrics;
use platform::readiness::Readiness;
use platform::secret::Secret;
use platform::shutdown::{Shutdown, Tasks};
use platform::token::{AuthConfig, NewToken, Signer, Verifier};
use platform::trace::Tracer;
use proto::bus::{
    self as frames, EntryPush, Frame, FrameClass, FramePush, Push, PushBatch, Replaced,
    frame::Body, operation::Action, push,
};
use proto::chat::audit_server::AuditServer;
use proto::chat::chat_server::ChatServer;
use proto::chat::revocations_server::RevocationsServer;
use proto::chat::{Revocation, RevocationList};
use proto::id::GatewayId;
use proto::presence::presence_server::PresenceServer;
use tonic::service::Routes;

use crate::acts::Acts;
use crate::services::{FakeChat, FakePresence};
use crate::switched_bus::SwitchedBus;

/// How long a condition may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(15);
const SECRET: &str = "a secret of the tests of 32 bytes or more";

/// A running gateway and everything around it.
pub struct Edge {
    pub address: SocketAddr,
    pub management: SocketAddr,
    pub bus: Arc<SwitchedBus>,
    pub chat: Arc<FakeChat>,
    pub acts: Arc<Acts>,
    pub presence: Arc<FakePresence>,
    metrics: Metrics,
    frames: tokio::sync::Mutex<Uplinked>,
    stopping: Shutdown,
    services: Shutdown,
    tasks: Tasks,
    _admin: AdminHandle,
}

/// What frames that are pushed are.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Entry,
    Receipt,
    Ephemeral,
    Signal,
}

/// A `send` that came up.
#[derive(Debug, Clone)]
pub struct Said {
    pub r#ref: String,
    pub client_id: bytes::Bytes,
    pub conversation_id: bytes::Bytes,
    send: frames::Send,
}

impl Said {
    pub fn of(frame: Frame) -> Option<Self> {
        let Some(Body::Operation(operation)) = frame.body else { return None };
        let Some(Action::Send(send)) = operation.action else { return None };
        let conversation_id = operation.conversation_id;
        Some(Self { r#ref: frame.r#ref, client_id: frame.client_id, conversation_id, send })
    }
}

impl std::ops::Deref for Said {
    type Target = frames::Send;

    fn deref(&self) -> &frames::Send {
        &self.send
    }
}

/// The frames that came up one lane.
struct Uplinked {
    consumer: Box<dyn FrameConsumer>,
    waiting: VecDeque<Frame>,
}

impl Edge {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts with limits of its own. Sockets are closed at once when it stops, unless they say else.
    pub async fn with(change: impl FnOnce(&mut LimitsConfig)) -> Self {
        let mut limits = LimitsConfig { drain_window_ms: 0, ..LimitsConfig::default() };
        change(&mut limits);
        Self::over(limits, Self::open_to_all(), None).await
    }

    /// Starts with other thoughts of what fits which network.
    pub async fn start_with_network(change: impl FnOnce(&mut NetworkConfig)) -> Self {
        let mut network = NetworkConfig::default();
        change(&mut network);
        let limits = LimitsConfig { drain_window_ms: 0, ..LimitsConfig::default() };
        Self::all(limits, Self::open_to_all(), network, None).await
    }

    /// No limits of addresses: all tests share one.
    pub fn open_to_all() -> AdmissionConfig {
        AdmissionConfig {
            exempt_networks: vec!["127.0.0.0/8".parse().unwrap()],
            ..AdmissionConfig::default()
        }
    }

    /// Starts with a gate of its own, in a process that may open so many files.
    pub async fn guarded(files: Option<u64>, change: impl FnOnce(&mut AdmissionConfig)) -> Self {
        let limits = LimitsConfig { drain_window_ms: 0, ..LimitsConfig::default() };
        let mut admission = AdmissionConfig::default();
        change(&mut admission);
        Self::over(limits, admission, files).await
    }

    /// Starts with these limits.
    pub async fn over(
        limits: LimitsConfig,
        admission: AdmissionConfig,
        files: Option<u64>,
    ) -> Self {
        Self::all(limits, admission, NetworkConfig::default(), files).await
    }

    async fn all(
        limits: LimitsConfig,
        admission: AdmissionConfig,
        network: NetworkConfig,
        files: Option<u64>,
    ) -> Self {
        Self::set_up(|settings| {
            settings.limits = limits;
            settings.admission = admission;
            settings.network = network;
            settings.files = files;
        })
        .await
    }

    /// Starts with other settings.
    pub async fn set_up(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Self::usual();
        change(&mut settings);
        Self::with_settings(settings, &[]).await
    }

    fn usual() -> Settings {
        let limits = LimitsConfig { drain_window_ms: 0, ..LimitsConfig::default() };
        Settings {
            gateway_id: GatewayId::parse("gateway-1").unwrap(),
            allowed_origins: Vec::new(),
            tenants: TenantList::default(),
            dev_tokens_for_all: false,
            leeway_secs: 0,
            limits,
            admission: Self::open_to_all(),
            allow: gateway::AllowConfig::default(),
            login: gateway::Login::new(&gateway::LoginConfig::default()).unwrap(),
            events: gateway::EventsConfig::default(),
            network: NetworkConfig::default(),
            rebalance: gateway::RebalanceConfig::default(),
            servers: gateway::Servers::default(),
            files: None,
        }
    }

    /// Starts with tenants besides `default`.
    pub async fn with_tenants(tenants: &[TenantConfig]) -> Self {
        let mut settings = Self::usual();
        settings.tenants = TenantList::new(tenants).unwrap();
        Self::with_settings(settings, &TenantConfig::keys(tenants)).await
    }

    async fn with_settings(settings: Settings, tenants: &[(String, AuthConfig)]) -> Self {
        let (tasks, stopping, services) = (Tasks::new(), Shutdown::new(), Shutdown::new());
        let (chat, presence) = (Arc::new(FakeChat::new()), Arc::new(FakePresence::new()));
        let acts = Arc::new(Acts::default());
        let (to_chat, chat_calls) = in_memory();
        let (to_presence, presence_calls) = in_memory();
        let routes = Routes::new(ChatServer::from_arc(Arc::clone(&chat)))
            .add_service(RevocationsServer::from_arc(Arc::clone(&chat)))
            .add_service(AuditServer::from_arc(Arc::clone(&acts)));
        let serving = platform::grpc::serve(routes, chat_calls, services.clone());
        tasks.spawn("chat", async move { serving.await.unwrap() });
        let routes = Routes::new(PresenceServer::from_arc(Arc::clone(&presence)));
        let serving = platform::grpc::serve(routes, presence_calls, services.clone());
        tasks.spawn("presence", async move { serving.await.unwrap() });

        let bus = Arc::new(SwitchedBus::new());
        let consumer = bus.consume_frames(Lane::Chat, 0, 64).await.unwrap();
        let (metrics, readiness) = (Metrics::new(), Readiness::new());
        let auth = AuthConfig { hs256_secret: Secret::new(SECRET), ..AuthConfig::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let adapters = Adapters {
            bus: Arc::<SwitchedBus>::clone(&bus),
            chat: to_chat,
            presence: to_presence,
            verifier: Arc::new(Verifier::prepare(&auth, tenants).unwrap()),
            dev_signers: DevSigners::of_default(Arc::new(Signer::hs256(
                &Secret::new(SECRET),
                None,
                None,
            ))),
            metrics: metrics.clone(),
            readiness: readiness.clone(),
            tracer: Tracer::disabled(),
        };
        let admin = Admin {
            readiness: readiness.clone(),
            metrics: metrics.clone(),
            service: "gateway",
            instance: "gateway-1".to_owned(),
        };
        let management = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = platform::admin::start(management, admin).unwrap();
        let gateway = gateway::build(settings, adapters, listener, stopping.clone());
        tasks.spawn("gateway", gateway.run());
        tokio::time::timeout(PATIENCE, readiness.until_ready()).await.unwrap();
        Self {
            address,
            management: admin.address(),
            bus,
            chat,
            acts,
            presence,
            metrics,
            frames: tokio::sync::Mutex::new(Uplinked { consumer, waiting: VecDeque::new() }),
            stopping,
            services,
            tasks,
            _admin: admin,
        }
    }

    /// The next frame of the chat lane, apart from reports of names.
    pub async fn frame(&self) -> Frame {
        let mut frames = self.frames.lock().await;
        loop {
            while let Some(frame) = frames.waiting.pop_front() {
                if !matches!(frame.body, Some(Body::Profile(_))) {
                    return frame;
                }
            }
            let next = frames.consumer.next();
            let delivery =
                tokio::time::timeout(PATIENCE, next).await.expect("a frame in time").unwrap();
            frames.consumer.acker().ack_through(delivery.tag).await;
            frames.waiting.extend(delivery.batch.frames);
        }
    }

    /// The next `send` and the connection that it came from.
    pub async fn send(&self) -> (u64, Said) {
        loop {
            let frame = self.frame().await;
            let connection = frame.origin.as_ref().unwrap().connection;
            if let Some(said) = Said::of(frame) {
                return (connection, said);
            }
        }
    }

    /// Hands a frame to connections, as a service does.
    pub async fn push(&self, connections: &[u64], kind: Kind, frame: impl Into<bytes::Bytes>) {
        let (connections, frame) = (connections.to_vec(), frame.into());
        let class = match kind {
            Kind::Entry => {
                let push = EntryPush { connections, frame, ..EntryPush::default() };
                return self.push_entries(vec![push]).await;
            }
            Kind::Receipt => FrameClass::Receipt,
            Kind::Ephemeral => FrameClass::Ephemeral,
            Kind::Signal => FrameClass::Signal,
        };
        let push = FramePush { connections, frame, class: class as i32 };
        self.push_all(vec![push::Body::Frame(push).into()]).await;
    }

    /// The devices of these connections have connected again elsewhere.
    pub async fn replace(&self, connections: &[u64]) {
        let replaced = Replaced { connections: connections.to_vec() };
        self.push_all(vec![push::Body::Replaced(replaced).into()]).await;
    }

    /// Hands entries over, which have all that a service says of them.
    pub async fn push_entries(&self, entries: Vec<EntryPush>) {
        let pushes = entries.into_iter().map(|entry| push::Body::Entry(entry).into());
        self.push_all(pushes.collect()).await;
    }

    /// Hands whole pushes over.
    pub async fn push_all(&self, pushes: Vec<Push>) {
        let gateway = self.presence.account().gateway.expect("a connection was reported");
        self.bus.publish_pushes(&gateway, PushBatch { pushes }).await.unwrap();
    }

    /// Tells the gateway what was revoked, as the chat service does.
    pub async fn tell_revoked(&self, revocation: &Revocation) {
        let revocations = vec![revocation.clone()];
        let list = RevocationList { revocations, version: 0, more: false };
        self.push_all(vec![push::Body::Revoked(list).into()]).await;
    }

    /// A counter or gauge by its name in the exposition, labels included; 0 before it was counted.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.encode();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// What the management port says about readiness.
    pub async fn readiness(&self) -> String {
        let url = format!("http://{}/health/ready", self.management);
        reqwest::get(url).await.unwrap().text().await.unwrap()
    }

    /// The management port's word on readiness.
    pub async fn is_ready(&self) -> bool {
        let url = format!("http://{}/health/ready", self.management);
        reqwest::get(url).await.unwrap().status().is_success()
    }

    /// SIGTERM.
    pub fn begin_to_stop(&self) {
        self.stopping.begin();
    }

    /// Waits for the end after [`Edge::begin_to_stop`].
    pub async fn ended(&self) {
        until("the gateway has ended", || !self.tasks.is_running("gateway")).await;
    }

    /// Stops everything and finds no task left.
    pub async fn stop(self) {
        self.begin_to_stop();
        self.ended().await;
        self.services.force();
        assert_eq!(self.tasks.join(PATIENCE).await, Ok(()));
        assert_eq!(self.tasks.panics(), 0);
    }
}

/// A token that lasts an hour.
pub fn token(user: &str) -> String {
    token_for(user, SECRET, SystemTime::now(), Duration::from_hours(1))
}

/// A token of an operator.
pub fn admin_token() -> String {
    token_with_roles("operator", &["admin"])
}

/// A token with roles.
pub fn token_with_roles(sub: &str, roles: &[&str]) -> String {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    let token = NewToken {
        sub: sub.to_owned(),
        roles,
        ttl: Duration::from_hours(1),
        ..NewToken::default()
    };
    Signer::hs256(&Secret::new(SECRET), None, None).sign(&token, SystemTime::now()).unwrap().0
}

/// A token by any key, from any moment.
pub fn token_for(user: &str, secret: &str, from: SystemTime, ttl: Duration) -> String {
    let token = NewToken { sub: user.to_owned(), ttl, ..NewToken::default() };
    Signer::hs256(&Secret::new(secret), None, None).sign(&token, from).unwrap().0
}

/// A token with a name of its own.
pub fn named_token(user: &str, jti: &str, roles: &[&str]) -> String {
    let token = NewToken {
        sub: user.to_owned(),
        jti: Some(jti.to_owned()),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ttl: Duration::from_hours(1),
        ..NewToken::default()
    };
    Signer::hs256(&Secret::new(SECRET), None, None).sign(&token, SystemTime::now()).unwrap().0
}

/// A token that says all this.
pub fn token_saying(token: &NewToken) -> String {
    Signer::hs256(&Secret::new(SECRET), None, None).sign(token, SystemTime::now()).unwrap().0
}

/// A token that ends in a few seconds.
pub fn short_token(user: &str, ttl: Duration) -> String {
    token_for(user, SECRET, SystemTime::now(), ttl)
}

/// A token that has ended.
pub fn expired_token(user: &str) -> String {
    let then = SystemTime::now() - Duration::from_hours(2);
    token_for(user, SECRET, then, Duration::from_hours(1))
}

/// Waits for a condition.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}
