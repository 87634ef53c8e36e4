//! A lane over a store, with a gateway where the sockets of some users are: what is answered, and what is pushed
//! to whom.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bus::in_process::{InProcessBus, InProcessConfig};
use bus::{Bus, FrameAcker, FrameDelivery, Original, PushConsumer};
use chat_service::config::LaneConfig;
use chat_service::directory::{Device, Directory, DirectoryError, Located};
use chat_service::followers::Commits;
use chat_service::lane::aside::Aside;
use chat_service::lane::journal::Journal;
use chat_service::lane::owed::Owed;
use chat_service::lane::quotas::Quotas;
use chat_service::lane::suspects::Suspects;
use chat_service::lane::{self, LaneParts, Received};
use chat_service::metrics::ChatMetrics;
use chat_service::store_health::StoreHealth;
use futures_util::FutureExt;
use platform::metrics::Metrics;
use platform::readiness::{Cause, Readiness};
use platform::shutdown::Tasks;
use platform::trace::Tracer;
use proto::bus::frame::Body;
use proto::bus::{DeviceType, Frame, FrameBatch, GatewayRef, Origin};
use proto::id::{GatewayId, UserId};
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::Store;

/// Users with one socket each; their numbers are those of their sockets.
const USERS: [&str; 7] = ["ann", "bob", "cleo", "dan", "acme/ann", "acme/bob", "acme/zoe"];

/// A running lane.
pub struct Rig {
    pub store: Store,
    inbox: mpsc::Sender<Received>,
    pushes: Box<dyn PushConsumer>,
    acked: Arc<Acked>,
    tags: AtomicU64,
}

/// What a batch came to, in order: the user whose socket it is, and the frame.
pub type Told = Vec<(String, Value)>;

impl Rig {
    pub async fn over(store: Store) -> Self {
        Self::with(store, LaneConfig::default()).await
    }

    pub async fn with(store: Store, config: LaneConfig) -> Self {
        let bus: Arc<dyn Bus> = Arc::new(InProcessBus::new(InProcessConfig::default()));
        let id = GatewayId::parse("gateway").unwrap();
        let pushes = bus.consume_pushes(&id, 64).await.unwrap();
        let metrics = ChatMetrics::new(&Metrics::new());
        let parts = LaneParts {
            bus,
            store: Arc::clone(&store),
            directory: Arc::new(Everywhere(pushes.gateway())),
            aside: Arc::new(Aside::new(Arc::clone(&store), metrics.clone(), 10)),
            suspects: Arc::new(Suspects::new(Arc::clone(&store), 2, false)),
            metrics,
            tracer: Tracer::disabled(),
            owed: Arc::new(Owed::new(10)),
            journal: Arc::new(Journal::new(0)),
            health: Arc::new(StoreHealth::new(Readiness::new().dependency(Cause::Database))),
            quotas: Arc::new(Quotas::new(&config)),
            commits: Commits::default(),
            config: Arc::new(config),
        };
        let (inbox, receiver) = mpsc::channel(8);
        lane::start(parts, receiver, &Tasks::new(), CancellationToken::new());
        let acked = Arc::new(Acked(Semaphore::new(0)));
        Self { store, inbox, pushes, acked, tags: AtomicU64::new(1) }
    }

    /// One batch of the frames of users, and all that is told because of it.
    pub async fn batch(&mut self, frames: Vec<(&str, Body)>, redelivered: bool) -> Told {
        // `dan` is an operator, and `dan!` the same without the role.
        let origin = |user: &str| {
            let name = user.trim_end_matches('!');
            let connection = USERS.iter().position(|user| *user == name).unwrap() as u64;
            let user_id = name.to_owned();
            Origin { connection, user_id, admin: user == "dan", ..Origin::default() }
        };
        let frames = frames.into_iter().map(|(user, body)| Frame {
            origin: Some(origin(user)),
            body: Some(body),
            ..Frame::default()
        });
        let (gateway, frames) = (Some(self.pushes.gateway()), frames.collect());
        let batch = FrameBatch { gateway, frames, oldest_ms: 0 };
        let original = Original::Batch(Arc::new(batch.clone()));
        let tag = self.tags.fetch_add(1, Ordering::Relaxed);
        let delivery = FrameDelivery { batch, original, redelivered, tag };
        let acker = Arc::clone(&self.acked) as Arc<dyn FrameAcker>;
        let received = Received { delivery, partition: 0, acker, has_joined: false };
        self.inbox.send(received).await.map_err(|_| "the lane has ended").unwrap();
        self.acked.0.acquire().await.unwrap().forget();
        let mut told = Told::new();
        // Everything is published before the batch is acknowledged.
        while let Some(batch) = self.pushes.next().now_or_never() {
            for push in batch.unwrap().pushes {
                let frame: Value = serde_json::from_slice(&push.frame).unwrap();
                for connection in push.connections {
                    told.push((USERS[connection as usize].to_owned(), frame.clone()));
                }
                if push.channel.is_some() {
                    told.push(("channel".to_owned(), frame));
                }
            }
        }
        told
    }

    /// One frame alone.
    pub async fn ask(&mut self, user: &str, body: Body) -> Told {
        self.batch(vec![(user, body)], false).await
    }
}

/// The answers, each as `(type or error code, seq or 0)`.
pub fn answers(told: &[(String, Value)]) -> Vec<(String, u64)> {
    let answers = told.iter().filter(|(_, frame)| frame["type"] != "entry");
    answers
        .map(|(_, frame)| {
            let what = if frame["type"] == "error" { &frame["code"] } else { &frame["type"] };
            (what.as_str().unwrap().to_owned(), frame["seq"].as_u64().unwrap_or(0))
        })
        .collect()
}

/// Who was pushed an entry.
pub fn pushed(told: &[(String, Value)]) -> Vec<&str> {
    let entries = told.iter().filter(|(_, frame)| frame["type"] == "entry");
    entries.map(|(user, _)| user.as_str()).collect()
}

struct Acked(Semaphore);

#[async_trait]
impl FrameAcker for Acked {
    async fn ack_through(&self, _: u64) {
        self.0.add_permits(1);
    }
}

/// Every user is at one gateway.
struct Everywhere(GatewayRef);

#[async_trait]
impl Directory for Everywhere {
    async fn locate(&self, users: &[UserId], _: &str) -> Result<Located, DirectoryError> {
        let device = |user: &UserId| {
            let connection = USERS.iter().position(|name| *name == user.as_str())? as u64;
            Some(Device { gateway: 0, connection, device_type: DeviceType::Web })
        };
        let devices: HashMap<_, _> =
            users.iter().filter_map(|user| Some((user.clone(), vec![device(user)?]))).collect();
        Ok(Located { gateways: vec![self.0.clone()], devices })
    }

    async fn gateways(&self, _: &str) -> Result<Vec<GatewayRef>, DirectoryError> {
        Ok(vec![self.0.clone()])
    }
}
