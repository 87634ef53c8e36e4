//! Exchanges and queues. Declaring is idempotent; both publishers and consumers do it, so that
//! either may start first, and a queue that somebody deleted comes back with its next consumer.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{Channel, ErrorKind, ExchangeKind};
use proto::partition::Partition;

use super::config::{QueueType, RabbitConfig};
use crate::topology::Topology;
use crate::{ConsumeError, Lane};

/// Redeliveries before the broker gives a message up (quorum only): never, because every yield of a
/// partition counts; a frame that kills its worker is found in the worker. It must be set all the
/// same: without a limit, brokers up to 3.13 put what comes back at the end of the queue.
const DELIVERY_LIMIT: i32 = i32::MAX;

/// A queue of one process: exclusive to its connection and gone with it.
const OF_ONE_PROCESS: QueueDeclareOptions = QueueDeclareOptions {
    passive: false,
    durable: false,
    exclusive: true,
    auto_delete: false,
    nowait: false,
};

/// Why a queue or an exchange could not be declared.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeclareError {
    /// It exists with other arguments. Trying again does not help until somebody acts.
    #[error(
        "Topology mismatch: {what} was declared with other arguments ({reason}). Configure \
         queue_type, partition_batches and gateway_batches as they were when it was made, or another \
         prefix; or stop every service of this install and delete it"
    )]
    Mismatch {
        /// Kind and name.
        what: String,
        /// The broker's words: which argument, what it is and what was asked for.
        reason: String,
    },
    /// The broker does not answer.
    #[error("no answer within {0:?} to the declaration of {1}")]
    Timeout(Duration, String),
    /// Anything else, mostly the connection.
    #[error(transparent)]
    Amqp(#[from] lapin::Error),
}

impl From<DeclareError> for ConsumeError {
    fn from(error: DeclareError) -> Self {
        match error {
            DeclareError::Mismatch { .. } => Self::Topology(error.to_string()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// Messages that wait for one listener for events, at most.
const EVENTS_WAITING: u32 = 1_000;

/// Declares on one channel. A mismatch makes the broker close that channel.
pub(super) struct Declare<'a> {
    pub(super) channel: &'a Channel,
    pub(super) config: &'a RabbitConfig,
    pub(super) topology: &'a Topology,
}

impl Declare<'_> {
    /// All that outlives processes.
    pub(super) async fn all(&self) -> Result<(), DeclareError> {
        let options = ExchangeDeclareOptions {
            passive: false,
            // Outlives a broker restart: clients reconnect to the same names.
            durable: true,
            auto_delete: false,
            internal: false,
            nowait: false,
        };
        for (exchange, kind) in [
            (self.topology.frames_exchange(), ExchangeKind::Direct),
            (self.topology.push_exchange(), ExchangeKind::Direct),
            (self.topology.broadcast_exchange(), ExchangeKind::Fanout),
            (self.topology.urgent_exchange(), ExchangeKind::Fanout),
            (self.topology.nudge_exchange(), ExchangeKind::Fanout),
            (self.topology.events_exchange(), ExchangeKind::Topic),
        ] {
            let declared = self.channel.exchange_declare(
                exchange.clone().into(),
                kind,
                options,
                FieldTable::default(),
            );
            self.answered(format!("exchange `{exchange}`"), declared).await?;
        }
        for lane in [Lane::Chat, Lane::Presence] {
            for partition in 0..self.config.partitions {
                self.partition(lane, partition).await?;
            }
        }
        self.partition(Lane::Notices, 0).await
    }

    /// The queue of one partition.
    pub(super) async fn partition(
        &self,
        lane: Lane,
        partition: Partition,
    ) -> Result<(), DeclareError> {
        let options = QueueDeclareOptions {
            passive: false,
            // The queue is durable, its messages are not.
            durable: true,
            exclusive: false,
            auto_delete: false,
            nowait: false,
        };
        let mut arguments = FieldTable::default();
        arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
        // Nothing is dropped silently: a full queue is a negative confirm.
        bound(&mut arguments, self.config.partition_batches);
        match self.config.queue_type {
            QueueType::Classic => text(&mut arguments, "x-queue-type", "classic"),
            QueueType::Quorum => {
                text(&mut arguments, "x-queue-type", "quorum");
                arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
            }
        }
        let queue = self.topology.frame_queue(lane, partition);
        self.queue(&queue, options, arguments, self.topology.frames_exchange()).await
    }

    /// A gateway's queue: exclusive to its connection and gone with it, so that a push to a dead
    /// gateway comes back instead of being confirmed into nothing.
    pub(super) async fn gateway(&self, queue: &str) -> Result<(), DeclareError> {
        let mut arguments = FieldTable::default();
        bound(&mut arguments, self.config.gateway_batches);
        self.queue(queue, OF_ONE_PROCESS, arguments, self.topology.push_exchange()).await
    }

    /// A gateway's urgent queue, reached by its name and with all others.
    pub(super) async fn urgent(&self, queue: &str) -> Result<(), DeclareError> {
        let mut arguments = FieldTable::default();
        newest(&mut arguments, self.config.gateway_urgent);
        self.queue(queue, OF_ONE_PROCESS, arguments, self.topology.push_exchange()).await?;
        self.bind(queue, self.topology.urgent_exchange()).await
    }

    /// A gateway's bulk queue: as the other, but nothing in it is worth holding anybody up for.
    pub(super) async fn bulk(&self, queue: &str) -> Result<(), DeclareError> {
        let mut arguments = FieldTable::default();
        newest(&mut arguments, self.config.gateway_broadcasts);
        self.queue(queue, OF_ONE_PROCESS, arguments, self.topology.broadcast_exchange()).await
    }

    /// The queue of a listener for nudges: one that waits is as good as many.
    pub(super) async fn nudges(&self, queue: &str) -> Result<(), DeclareError> {
        let mut arguments = FieldTable::default();
        newest(&mut arguments, 1);
        self.queue(queue, OF_ONE_PROCESS, arguments, self.topology.nudge_exchange()).await
    }

    /// The queue of a listener for events: those of all tenants of these types.
    pub(super) async fn events(&self, queue: &str, types: &[&str]) -> Result<(), DeclareError> {
        let mut arguments = FieldTable::default();
        newest(&mut arguments, EVENTS_WAITING);
        self.declared(queue, OF_ONE_PROCESS, arguments).await?;
        for of_type in types {
            self.bind_to(queue, self.topology.events_exchange(), &format!("*.{of_type}")).await?;
        }
        Ok(())
    }

    async fn queue(
        &self,
        queue: &str,
        options: QueueDeclareOptions,
        arguments: FieldTable,
        exchange: String,
    ) -> Result<(), DeclareError> {
        self.declared(queue, options, arguments).await?;
        self.bind(queue, exchange).await
    }

    async fn declared(
        &self,
        queue: &str,
        options: QueueDeclareOptions,
        arguments: FieldTable,
    ) -> Result<(), DeclareError> {
        let what = format!("queue `{queue}`");
        let declared = self.channel.queue_declare(queue.into(), options, arguments);
        self.answered(what, declared).await
    }

    async fn bind(&self, queue: &str, exchange: String) -> Result<(), DeclareError> {
        self.bind_to(queue, exchange, queue).await
    }

    async fn bind_to(&self, queue: &str, exchange: String, key: &str) -> Result<(), DeclareError> {
        let bound = self.channel.queue_bind(
            queue.into(),
            exchange.into(),
            key.into(),
            QueueBindOptions { nowait: false },
            FieldTable::default(),
        );
        self.answered(format!("queue `{queue}`"), bound).await
    }

    async fn answered<T>(
        &self,
        what: String,
        answer: impl Future<Output = Result<T, lapin::Error>>,
    ) -> Result<(), DeclareError> {
        let timeout = Duration::from_millis(self.config.connect_timeout_ms);
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => match error.kind() {
                ErrorKind::ProtocolError(refusal) if refusal.get_id() == PRECONDITION_FAILED => {
                    let reason = refusal.get_message().to_string();
                    Err(DeclareError::Mismatch { what, reason })
                }
                _ => Err(DeclareError::Amqp(error)),
            },
            Err(_elapsed) => Err(DeclareError::Timeout(timeout, what)),
        }
    }
}

/// The reply code of a declaration that differs from what is there.
const PRECONDITION_FAILED: u16 = 406;

fn bound(arguments: &mut FieldTable, batches: u32) {
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(i64::from(batches)));
    text(arguments, "x-overflow", "reject-publish");
}

/// A full queue drops its oldest.
fn newest(arguments: &mut FieldTable, messages: u32) {
    let most = i64::from(messages.max(1));
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(most));
    text(arguments, "x-overflow", "drop-head");
}

fn text(arguments: &mut FieldTable, key: &str, value: &str) {
    arguments.insert(key.into(), AMQPValue::LongString(LongString::from(value)));
}
