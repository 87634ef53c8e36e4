//! A bus of each kind, with processes on it that can die, and what the tests say and hear.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bus::in_process::{InProcessBus, InProcessConfig};
use bus::rabbitmq::{QueueType, RabbitBus, RabbitConfig};
use bus::topology::Topology;
use bus::{Bus, BusState, FrameConsumer, FrameDelivery, Lane, PublishError, PushConsumer};
use fault_proxy::{Fault, Proxy, Way};
use proto::bus::{
    Frame, FrameBatch, Operation, PushBatch, Replaced, Send, frame::Body, operation::Action, push,
};
use proto::common::GatewayRef;
use proto::id::GatewayId;

use crate::vhost::Vhost;

/// For what must happen, on a machine that is busy with other things.
pub const LONG: Duration = Duration::from_secs(20);
/// For what must happen soon: the promise of the port about a dead gateway or consumer.
pub const SOON: Duration = Duration::from_secs(1);
/// Nothing reaches the broker, and what it says still comes.
pub const SWALLOWS: Fault = Fault::OneWay { way: Way::Down };
/// How long a test watches that something does not happen.
pub const QUIET: Duration = Duration::from_millis(200);

/// The adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    InProcess,
    Classic,
    Quorum,
}

/// The bounds of the queues.
#[derive(Debug, Clone)]
pub struct Bounds {
    pub partition_batches: u32,
    pub gateway_batches: u32,
    pub gateway_broadcasts: u32,
    pub publish_window: usize,
    pub publish_timeout_ms: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        let config = RabbitConfig::default();
        Self {
            partition_batches: config.partition_batches,
            gateway_batches: config.gateway_batches,
            gateway_broadcasts: config.gateway_broadcasts,
            publish_window: config.publish_window,
            publish_timeout_ms: 10_000,
        }
    }
}

/// One install: a bus that any number of processes use.
pub struct Rig {
    kind: Kind,
    pub bounds: Bounds,
    within: Option<Arc<InProcessBus>>,
    vhost: Option<Arc<Vhost>>,
    prefix: String,
}

/// How many partitions a rig has in each lane.
pub const PARTITIONS: u16 = 2;

static RIGS: AtomicU32 = AtomicU32::new(0);

impl Rig {
    pub fn new(kind: Kind) -> Self {
        Self::with(kind, Bounds::default())
    }

    pub fn with(kind: Kind, bounds: Bounds) -> Self {
        let within = (kind == Kind::InProcess).then(|| {
            Arc::new(InProcessBus::new(InProcessConfig {
                partitions: PARTITIONS,
                partition_batches: bounds.partition_batches as usize,
                gateway_batches: bounds.gateway_batches as usize,
                gateway_broadcasts: bounds.gateway_broadcasts as usize,
                ..InProcessConfig::default()
            }))
        });
        let vhost = (kind != Kind::InProcess).then(Vhost::shared);
        let prefix = format!("rig{}", RIGS.fetch_add(1, Ordering::Relaxed));
        Self { kind, bounds, within, vhost, prefix }
    }

    /// The virtual host of a rig on a broker.
    pub fn vhost(&self) -> &Vhost {
        self.vhost.as_ref().expect("a rig on a broker")
    }

    /// The names on the broker.
    pub fn names(&self) -> Topology {
        Topology::new(&self.prefix)
    }

    /// The configuration of a process that reaches the broker by way of `host`.
    pub fn config(&self, host: &str) -> RabbitConfig {
        RabbitConfig {
            url: self.vhost().url(host),
            prefix: self.prefix.clone(),
            partitions: PARTITIONS,
            queue_type: match self.kind {
                Kind::Quorum => QueueType::Quorum,
                Kind::Classic | Kind::InProcess => QueueType::Classic,
            },
            partition_batches: self.bounds.partition_batches,
            gateway_batches: self.bounds.gateway_batches,
            gateway_broadcasts: self.bounds.gateway_broadcasts,
            publish_window: self.bounds.publish_window,
            publish_timeout_ms: self.bounds.publish_timeout_ms,
            reconnect_max_ms: 200,
            ..RabbitConfig::default()
        }
    }

    /// A process of the install, connected.
    pub async fn process(&self) -> Process {
        let Some(within) = &self.within else {
            let proxy = proxy().await;
            let config = self.config(&proxy.address().to_string());
            let bus: Arc<dyn Bus> = Arc::new(RabbitBus::start(config));
            up(bus.as_ref()).await;
            return Process::new(bus, proxy);
        };
        Process { bus: Arc::clone(within) as Arc<dyn Bus>, proxy: None }
    }
}

/// One process of an install.
pub struct Process {
    pub bus: Arc<dyn Bus>,
    proxy: Option<Proxy>,
}

impl Process {
    /// One that reaches its broker by way of a proxy.
    pub fn new(bus: Arc<dyn Bus>, proxy: Proxy) -> Self {
        Self { bus, proxy: Some(proxy) }
    }

    /// Ends it without a word, together with what it holds of the bus.
    pub fn die<T>(self, held: T) {
        // It cuts its connections and takes no more.
        drop(self.proxy);
        drop(held);
    }

    /// What is between a process and its broker.
    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("a process with a broker")
    }

    /// Joins the consumers of a chat partition.
    pub async fn join(&self, partition: u16, prefetch: u16) -> Box<dyn FrameConsumer> {
        self.bus.consume_frames(Lane::Chat, partition, prefetch).await.unwrap()
    }

    /// Makes the queue of a gateway.
    pub async fn gateway(&self, id: &str) -> Box<dyn PushConsumer> {
        self.bus.consume_pushes(&GatewayId::parse(id).unwrap(), 16).await.unwrap()
    }

    /// Publishes a numbered batch to chat partition 0.
    pub async fn publish(&self, number: u64) -> Result<(), PublishError> {
        self.bus.publish_frames(Lane::Chat, 0, frames(number)).await
    }

    /// Publishes numbered batches to chat partition 0, one after the other.
    pub async fn publish_all(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            self.publish(number).await.unwrap();
        }
    }
}

/// What stands between a process and its broker: a process that is killed, a network that swallows, a broker that says
/// something.
pub async fn proxy() -> Proxy {
    let broker = tokio::net::lookup_host(Vhost::host()).await.unwrap().next().unwrap();
    Proxy::start((Ipv4Addr::LOCALHOST, 0).into(), broker).unwrap()
}

/// Waits until the bus can be used.
pub async fn up(bus: &dyn Bus) {
    let mut state = bus.state();
    let is_up = state.wait_for(|state| *state == BusState::Up);
    tokio::time::timeout(LONG, is_up).await.expect("the bus comes up").unwrap();
}

/// Waits until the bus cannot be used, and says why.
pub async fn down(bus: &dyn Bus) -> String {
    let mut state = bus.state();
    let is_down = state.wait_for(|state| *state != BusState::Up);
    match &*tokio::time::timeout(LONG, is_down).await.expect("the bus goes down").unwrap() {
        BusState::Down(reason) => reason.clone(),
        BusState::Up => unreachable!("waited for the other"),
    }
}

/// A batch that says its number.
pub fn frames(number: u64) -> FrameBatch {
    FrameBatch {
        gateway: Some(GatewayRef { id: "gateway".to_owned(), epoch: number }),
        frames: vec![says(number.to_string())],
        oldest_ms: 0,
    }
}

/// A frame with a message.
pub fn says(content: String) -> Frame {
    let action = Action::Send(Send { content, ..Send::default() });
    Frame::from(Body::Operation(Operation::from(action)))
}

/// The number of a batch made by [`frames`].
pub fn number(batch: &FrameBatch) -> u64 {
    batch.gateway.as_ref().unwrap().epoch
}

/// A push that says its number.
pub fn push(number: u64) -> PushBatch {
    let replaced = push::Body::Replaced(Replaced { connections: vec![number] });
    PushBatch { pushes: vec![replaced.into()] }
}

/// The number of a batch made by [`push`].
pub fn push_number(batch: &PushBatch) -> u64 {
    match &batch.pushes[0].body {
        Some(push::Body::Replaced(replaced)) => replaced.connections[0],
        other => panic!("not made here: {other:?}"),
    }
}

/// The next batch, which must come.
pub async fn take(consumer: &mut Box<dyn FrameConsumer>) -> FrameDelivery {
    let next = tokio::time::timeout(LONG, consumer.next()).await;
    next.expect("a batch comes").expect("the consumer lives")
}

/// The numbers of the next batches, acknowledged when all are there.
pub async fn take_numbers(consumer: &mut Box<dyn FrameConsumer>, count: usize) -> Vec<u64> {
    let mut numbers = Vec::with_capacity(count);
    let mut last = None;
    for _ in 0..count {
        let delivery = take(consumer).await;
        numbers.push(number(&delivery.batch));
        last = Some(delivery.tag);
    }
    if let Some(tag) = last {
        consumer.acker().ack_through(tag).await;
    }
    numbers
}

/// The next push, which must come.
pub async fn take_push(consumer: &mut Box<dyn PushConsumer>) -> PushBatch {
    let next = tokio::time::timeout(LONG, consumer.next()).await;
    next.expect("a push comes").expect("the queue lives")
}

/// Nothing comes for a while, and the consumer lives.
pub async fn hears_nothing(consumer: &mut Box<dyn FrameConsumer>) {
    if let Ok(next) = tokio::time::timeout(QUIET, consumer.next()).await {
        panic!("heard {:?}", next.map(|delivery| number(&delivery.batch)));
    }
}

/// Publishes to a gateway until it is known to be gone; fails when that takes too long.
pub async fn gone_soon(bus: &dyn Bus, gateway: &GatewayRef, since: Instant) {
    loop {
        match bus.publish_pushes(gateway, push(0)).await {
            Err(PublishError::Unroutable) => break,
            Ok(()) => assert!(since.elapsed() < SOON, "pushes still vanish into a dead queue"),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(since.elapsed() < SOON, "only after {:?}", since.elapsed());
}
