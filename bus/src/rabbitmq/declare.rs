//! Exchanges and queues. Declaring is idempotent; both publishers and consumers do it, so that
//! either may start first.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{Channel, ExchangeKind};

use super::config::{QueueType, RabbitConfig};
use crate::Lane;
use crate::topology::Topology;

/// Redeliveries before the broker gives a message up (quorum only). High, because every yield of a
/// partition counts; a frame that kills its worker is found in the worker.
const DELIVERY_LIMIT: i32 = 100;

pub(super) async fn exchanges(channel: &Channel, topology: &Topology) -> Result<(), lapin::Error> {
    let options = ExchangeDeclareOptions {
        passive: false,
        // Outlives a broker restart: clients reconnect to the same names.
        durable: true,
        auto_delete: false,
        internal: false,
        nowait: false,
    };
    for exchange in [topology.frames_exchange(), topology.push_exchange()] {
        channel
            .exchange_declare(exchange.into(), ExchangeKind::Direct, options, FieldTable::default())
            .await?;
    }
    Ok(())
}

pub(super) async fn partitions(
    channel: &Channel,
    config: &RabbitConfig,
    topology: &Topology,
) -> Result<(), lapin::Error> {
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
    bound(&mut arguments, config.partition_batches);
    match config.queue_type {
        QueueType::Classic => text(&mut arguments, "x-queue-type", "classic"),
        QueueType::Quorum => {
            text(&mut arguments, "x-queue-type", "quorum");
            arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
        }
    }
    for lane in [Lane::Chat, Lane::Presence] {
        for partition in 0..config.partitions {
            let queue = topology.frame_queue(lane, partition);
            channel.queue_declare(queue.clone().into(), options, arguments.clone()).await?;
            bind(channel, &queue, topology.frames_exchange()).await?;
        }
    }
    Ok(())
}

/// A gateway's queue: exclusive to its connection and gone with it, so that a push to a dead
/// gateway comes back instead of being confirmed into nothing.
pub(super) async fn gateway(
    channel: &Channel,
    config: &RabbitConfig,
    topology: &Topology,
    queue: &str,
) -> Result<(), lapin::Error> {
    let options = QueueDeclareOptions {
        passive: false,
        durable: false,
        exclusive: true,
        auto_delete: false,
        nowait: false,
    };
    let mut arguments = FieldTable::default();
    bound(&mut arguments, config.gateway_batches);
    channel.queue_declare(queue.into(), options, arguments).await?;
    bind(channel, queue, topology.push_exchange()).await
}

async fn bind(channel: &Channel, queue: &str, exchange: String) -> Result<(), lapin::Error> {
    let options = QueueBindOptions { nowait: false };
    channel
        .queue_bind(queue.into(), exchange.into(), queue.into(), options, FieldTable::default())
        .await
}

fn bound(arguments: &mut FieldTable, batches: u32) {
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(i64::from(batches)));
    text(arguments, "x-overflow", "reject-publish");
}

fn text(arguments: &mut FieldTable, key: &str, value: &str) {
    arguments.insert(key.into(), AMQPValue::LongString(LongString::from(value)));
}
