//! A presence service in this process, and gateways that talk to it as real ones do.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bus::in_process::{InProcessBus, InProcessConfig};
use bus::{Bus, Lane, PushConsumer};
use platform::grpc::GrpcChannel;
use platform::grpc::in_memory;
use platform::metrics::Metrics;
use platform::readiness::Readiness;
use platform::shutdown::{Shutdown, Tasks};
use platform::trace::Tracer;
use presence_service::config::PresenceSettings;
use presence_service::store::memory::MemoryStore;
use presence_service::store::{LeaseConfig, PresenceStore};
use presence_service::{Adapters, EventsConfig, build};
use proto::bus::frame::Body;
use proto::bus::{Frame, FrameBatch, Origin, Push, SetStatus, push};
use proto::common::GatewayRef;
use proto::hash::connection_digest;
use proto::id::{GatewayId, UserId};
use proto::presence::presence_client::PresenceClient;
use proto::presence::{
    Connected, Disconnected, HeartbeatRequest, LocateReply, LocateRequest, OwnStatusRequest,
    ReportReply, ReportRequest, StatusRequest, UserStatus,
};
use serde_json::Value;
use tonic::Status;

use super::chat::{Acquaintances, ChatState};

pub struct House {
    pub bus: Arc<InProcessBus>,
    pub client: PresenceClient<GrpcChannel>,
    pub metrics: Metrics,
    pub chat: Arc<ChatState>,
    shutdown: Shutdown,
    chat_stop: Shutdown,
    tasks: Tasks,
}

/// Short times, so that their end can be waited for.
pub const LEASE: Duration = Duration::from_millis(600);
/// Contacts of one step.
pub const CONTACTS: u32 = 100;
pub const GRACE: Duration = Duration::from_millis(300);

impl House {
    pub fn start(acquaintances: &[(&'static str, &[&'static str])]) -> Self {
        let leases = LeaseConfig {
            lease_ms: LEASE.as_millis() as u64,
            account_ms: 100,
            ..LeaseConfig::default()
        };
        Self::over(Arc::new(MemoryStore::with(leases, 1_000)), acquaintances)
    }

    /// With another grace time, and leases that outlast it.
    pub fn with_grace(acquaintances: &[(&'static str, &[&'static str])], grace: Duration) -> Self {
        let store = Arc::new(MemoryStore::with(LeaseConfig::default(), 1_000));
        Self::assemble(store, acquaintances, grace)
    }

    pub fn over(
        store: Arc<dyn PresenceStore>,
        acquaintances: &[(&'static str, &[&'static str])],
    ) -> Self {
        Self::assemble(store, acquaintances, GRACE)
    }

    fn assemble(
        store: Arc<dyn PresenceStore>,
        acquaintances: &[(&'static str, &[&'static str])],
        grace: Duration,
    ) -> Self {
        let (tasks, shutdown, chat_stop) = (Tasks::new(), Shutdown::new(), Shutdown::new());
        let known: HashMap<_, _> =
            acquaintances.iter().map(|(user, others)| (*user, others.to_vec())).collect();
        let chat_state = Arc::new(ChatState::default());
        let chat = Acquaintances { known: Arc::new(known), state: Arc::clone(&chat_state) }
            .serve(&tasks, &chat_stop);
        let bus = Arc::new(InProcessBus::new(InProcessConfig::default()));
        let (channel, incoming) = in_memory();
        let metrics = Metrics::new();
        let settings = PresenceSettings {
            sweep_ms: 20,
            sweep_after_ms: LEASE.as_millis() as u64,
            offline_grace_ms: grace.as_millis() as u64,
            contacts_timeout_ms: 500,
            contacts: CONTACTS,
            ..PresenceSettings::default()
        };
        let adapters = Adapters {
            bus: bus.clone(),
            store,
            chat,
            metrics: metrics.clone(),
            readiness: Readiness::new(),
            tracer: Tracer::disabled(),
            events: EventsConfig { types: vec!["user.presence".to_owned()] },
        };
        let service = build(settings, adapters);
        let stop = shutdown.clone();
        tasks.spawn("service", service.run(incoming, stop));
        let (client, chat) = (PresenceClient::new(channel), chat_state);
        Self { bus, client, metrics, chat, shutdown, chat_stop, tasks }
    }

    pub async fn gateway(&self, id: &str) -> Gateway {
        let id = GatewayId::parse(id).unwrap();
        let pushes = self.bus.consume_pushes(&id, 16).await.unwrap();
        Gateway {
            named: pushes.gateway(),
            bus: self.bus.clone(),
            client: self.client.clone(),
            pushes,
            open: HashMap::new(),
        }
    }

    pub async fn locate(&self, users: &[&str]) -> LocateReply {
        let user_ids = users.iter().map(ToString::to_string).collect();
        self.client.clone().locate(LocateRequest { user_ids }).await.unwrap().into_inner()
    }

    pub async fn status(&self, user: &str) -> UserStatus {
        let user_ids = vec![user.to_owned()];
        let reply = self.client.clone().status(StatusRequest { user_ids }).await.unwrap();
        reply.into_inner().statuses.remove(0)
    }

    /// What a user's own devices are told that they chose.
    pub async fn own_status(&self, user: &str) -> Result<String, Status> {
        let request = OwnStatusRequest { user_id: user.to_owned() };
        Ok(self.client.clone().own_status(request).await?.into_inner().status)
    }

    /// The value of a counter, as it is scraped.
    pub fn counted(&self, name: &str) -> u64 {
        let text = self.metrics.encode();
        let line = text.lines().find(|line| line.starts_with(name) && !line.starts_with('#'));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
    }

    pub fn stop_chat(&self) {
        self.chat_stop.force();
    }

    pub fn begin_stop(&self) {
        self.shutdown.begin();
    }

    pub async fn stop(self) {
        let Self { client, shutdown, chat_stop, tasks, bus, .. } = self;
        drop(client);
        shutdown.begin();
        chat_stop.begin();
        tasks.join(Duration::from_secs(10)).await.unwrap();
        bus.close().await;
    }
}

pub struct Gateway {
    pub named: GatewayRef,
    bus: Arc<InProcessBus>,
    client: PresenceClient<GrpcChannel>,
    pushes: Box<dyn PushConsumer>,
    /// What it believes it has reported.
    pub open: HashMap<u64, String>,
}

pub fn connected(user: &str, device: &str, connection: u64) -> Connected {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Connected {
        connection,
        user_id: user.to_owned(),
        device_id: device.to_owned(),
        device_type: 1,
        connected_at_ms: now.as_millis() as u64,
        ..Connected::default()
    }
}

impl Gateway {
    pub async fn report(
        &mut self,
        connected: Vec<Connected>,
        closed: Vec<(&str, u64)>,
        snapshot: bool,
    ) -> Result<ReportReply, Status> {
        let disconnected = closed
            .iter()
            .map(|(user, connection)| Disconnected {
                connection: *connection,
                user_id: (*user).to_owned(),
            })
            .collect();
        for one in &connected {
            self.open.insert(one.connection, one.user_id.clone());
        }
        for (_, connection) in closed {
            self.open.remove(&connection);
        }
        let gateway = Some(self.named.clone());
        self.client
            .report(ReportRequest { gateway, connected, disconnected, snapshot })
            .await
            .map(tonic::Response::into_inner)
    }

    pub async fn open(&mut self, user: &str, device: &str, connection: u64) {
        self.report(vec![connected(user, device, connection)], vec![], false).await.unwrap();
    }

    pub async fn close(&mut self, user: &str, connection: u64) {
        self.report(vec![], vec![(user, connection)], false).await.unwrap();
    }

    /// Whether it is asked for everything.
    pub async fn heartbeat(&mut self) -> Result<bool, Status> {
        let digest = self
            .open
            .iter()
            .fold(0, |sum, (connection, user)| sum ^ connection_digest(user, *connection));
        let connections = self.open.len() as u32;
        let gateway = Some(self.named.clone());
        let request =
            HeartbeatRequest { gateway, connections, digest, ..HeartbeatRequest::default() };
        Ok(self.client.heartbeat(request).await?.into_inner().resync)
    }

    /// The last heartbeat.
    pub async fn sign_off(&mut self) -> Result<(), Status> {
        let gateway = Some(self.named.clone());
        let request = HeartbeatRequest { gateway, leaving: true, ..HeartbeatRequest::default() };
        self.client.heartbeat(request).await.map(|_| ())
    }

    pub async fn set_status(&self, user: &str, connection: u64, status: &str) {
        let origin = Origin { connection, user_id: user.to_owned(), ..Origin::default() };
        let body = Body::SetStatus(SetStatus { status: status.to_owned() });
        let frame = Frame { origin: Some(origin), body: Some(body), ..Frame::default() };
        let user = UserId::parse_qualified(user).unwrap();
        let partition = proto::partition::of_user(&user, self.bus.partitions());
        let batch =
            FrameBatch { gateway: Some(self.named.clone()), frames: vec![frame], oldest_ms: 0 };
        self.bus.publish_frames(Lane::Presence, partition, batch).await.unwrap();
    }

    /// The next pushes, heartbeating meanwhile as a living gateway does.
    pub async fn pushes(&mut self) -> Vec<Push> {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(15);
        loop {
            assert!(tokio::time::Instant::now() < deadline, "nothing is pushed");
            let beat = tokio::time::sleep(LEASE / 6);
            tokio::select! {
                batch = self.pushes.next() => return batch.expect("the queue is there").pushes,
                () = beat => { self.heartbeat().await.unwrap(); }
            }
        }
    }

    /// Everything that is pushed until nothing has come for so long.
    pub async fn told_until_quiet(&mut self, quiet: Duration) -> Vec<(Vec<u64>, Value)> {
        let mut told = Vec::new();
        let mut last = tokio::time::Instant::now();
        while last.elapsed() < quiet {
            tokio::select! {
                batch = self.pushes.next() => {
                    told.extend(batch.expect("the queue is there").pushes.into_iter().filter_map(frame));
                    last = tokio::time::Instant::now();
                }
                () = tokio::time::sleep(LEASE / 6) => { self.heartbeat().await.unwrap(); }
            }
        }
        told
    }

    /// The next pushes as (connections, frame).
    pub async fn told(&mut self) -> Vec<(Vec<u64>, Value)> {
        loop {
            let told: Vec<_> = self.pushes().await.into_iter().filter_map(frame).collect();
            if !told.is_empty() {
                return told;
            }
        }
    }

    /// The next frame, which must be the only one.
    pub async fn told_one(&mut self) -> (Vec<u64>, Value) {
        let mut told = self.told().await;
        assert_eq!(told.len(), 1, "{told:?}");
        told.remove(0)
    }
}

/// What sockets are told by a push; nothing by one that is for the gateway itself.
fn frame(push: Push) -> Option<(Vec<u64>, Value)> {
    let (connections, frame) = match push.body.unwrap() {
        push::Body::Frame(push) => (push.connections, push.frame),
        push::Body::Answer(answer) => (vec![answer.connection], answer.into_frame().to_json()),
        push::Body::OwnStatus(_) => return None,
        other => panic!("{other:?}"),
    };
    Some((connections, serde_json::from_slice(&frame).unwrap()))
}
