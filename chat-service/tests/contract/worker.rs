//! A partition worker over a store, with a gateway where the sockets of some users are: what is answered, and what is pushed
//! to whom.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bus::in_process::{InProcessBus, InProcessConfig};
use bus::{Bus, FrameAcker, FrameDelivery, Original, PushConsumer};
use chat_service::config::{MessagesConfig, WorkerConfig};
use chat_service::delivery::locate::{Device, Directory, DirectoryError, Located};
use chat_service::metrics::ChatMetrics;
use chat_service::partitions::{Received, WorkerAdapters, WorkerParts, start_worker};
use futures_util::FutureExt;
use platform::metrics::Metrics;
use platform::readiness::{Cause, Readiness};
use platform::shutdown::Tasks;
use platform::trace::Tracer;
use proto::bus::frame::Body;
use proto::bus::{Frame, FrameBatch, Operation, Origin, operation::Action, push};
use proto::common::{DeviceType, GatewayRef};
use proto::id::{ClientId, ConversationId, GatewayId, UserId};
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::Store;

/// Users with one socket each; their numbers are those of their sockets.
const USERS: [&str; 7] = ["ann", "bob", "cleo", "dan", "acme/ann", "acme/bob", "acme/zoe"];

/// A running worker.
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
        Self::with(store, WorkerConfig::default()).await
    }

    pub async fn with(store: Store, config: WorkerConfig) -> Self {
        let bus: Arc<dyn Bus> = Arc::new(InProcessBus::new(InProcessConfig::default()));
        let id = GatewayId::parse("gateway").unwrap();
        let pushes = bus.consume_pushes(&id, 64).await.unwrap();
        let adapters = WorkerAdapters {
            bus,
            store: Arc::clone(&store),
            directory: Arc::new(Everywhere(pushes.gateway())),
            metrics: ChatMetrics::new(&Metrics::new()),
            tracer: Tracer::disabled(),
            database: Readiness::new().dependency(Cause::Database),
            after_unclean_end: false,
            messages: MessagesConfig::default(),
        };
        let (inbox, receiver) = mpsc::channel(8);
        let parts = WorkerParts::new(config, adapters);
        start_worker(parts, receiver, &Tasks::new(), CancellationToken::new());
        let acked = Arc::new(Acked(Semaphore::new(0)));
        Self { store, inbox, pushes, acked, tags: AtomicU64::new(1) }
    }

    /// One batch of the frames of users, and all that is told because of it.
    pub async fn batch(&mut self, frames: Vec<(&str, Frame)>, redelivered: bool) -> Told {
        self.batch_since(frames, redelivered, 0).await
    }

    /// The same of a batch that came to its gateway then, in Unix milliseconds.
    pub async fn batch_since(
        &mut self,
        frames: Vec<(&str, Frame)>,
        redelivered: bool,
        oldest_ms: u64,
    ) -> Told {
        // `dan` is an operator, and `dan!` the same without the role; `ann (bot)` is a bot, `ann (moderator)` a moderator.
        let origin = |user: &str| {
            let name = user
                .trim_end_matches('!')
                .trim_end_matches(" (bot)")
                .trim_end_matches(" (moderator)");
            let connection = USERS.iter().position(|user| *user == name).unwrap() as u64;
            let user_id = name.to_owned();
            let bot = user.ends_with(" (bot)");
            let (admin, moderator) = (user == "dan", user.ends_with(" (moderator)"));
            let ip = if admin || moderator { "192.0.2.7".to_owned() } else { String::new() };
            Origin { connection, user_id, admin, bot, moderator, ip, ..Origin::default() }
        };
        let frames =
            frames.into_iter().map(|(user, frame)| Frame { origin: Some(origin(user)), ..frame });
        let (gateway, frames) = (Some(self.pushes.gateway()), frames.collect());
        let batch = FrameBatch { gateway, frames, oldest_ms };
        let original = Original::Batch(Arc::new(batch.clone()));
        let tag = self.tags.fetch_add(1, Ordering::Relaxed);
        let delivery = FrameDelivery { batch, original, redelivered, tag };
        let acker = Arc::clone(&self.acked) as Arc<dyn FrameAcker>;
        let received = Received { delivery, partition: 0, acker, has_joined: false };
        self.inbox.send(received).await.map_err(|_| "the worker has ended").unwrap();
        self.acked.0.acquire().await.unwrap().forget();
        let mut told = Told::new();
        // Everything is published before the batch is acknowledged.
        while let Some(batch) = self.pushes.next().now_or_never() {
            for push in batch.unwrap().pushes {
                let (connections, frame, is_of_large) = match push.body.unwrap() {
                    push::Body::Answer(answer) => {
                        (vec![answer.connection], answer.into_frame().to_json(), false)
                    }
                    push::Body::Entry(push) => {
                        (push.connections, push.frame, push.channel.is_some())
                    }
                    push::Body::Frame(push) => (push.connections, push.frame, false),
                    other => panic!("{other:?}"),
                };
                let frame: Value = serde_json::from_slice(&frame).unwrap();
                for connection in connections {
                    told.push((USERS[connection as usize].to_owned(), frame.clone()));
                }
                if is_of_large {
                    told.push(("channel".to_owned(), frame));
                }
            }
        }
        told
    }

    /// One frame alone.
    pub async fn ask(&mut self, user: &str, frame: impl Into<Frame>) -> Told {
        self.batch(vec![(user, frame.into())], false).await
    }
}

/// An operation in a conversation; in none where it names a user instead.
pub fn operation(at: Option<ConversationId>, client_id: ClientId, action: Action) -> Frame {
    let conversation_id = at.map(ConversationId::to_bytes).unwrap_or_default();
    let body = Body::Operation(Operation { conversation_id, ..Operation::from(action) });
    Frame { client_id: client_id.to_bytes(), ..Frame::from(body) }
}

/// The operation of a frame, to be changed.
pub fn operation_of(frame: &mut Frame) -> &mut Operation {
    match &mut frame.body {
        Some(Body::Operation(operation)) => operation,
        other => panic!("{other:?}"),
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
            // The device of `cleo` is a phone.
            let is_phone = user.name_str() == "cleo";
            let device_type = if is_phone { DeviceType::Ios } else { DeviceType::Web };
            Some(Device { gateway: 0, connection, device_type })
        };
        let devices: HashMap<_, _> =
            users.iter().filter_map(|user| Some((user.clone(), vec![device(user)?]))).collect();
        Ok(Located { gateways: vec![self.0.clone()], devices })
    }

    async fn gateways(&self, _: &str) -> Result<Vec<GatewayRef>, DirectoryError> {
        Ok(vec![self.0.clone()])
    }
}
