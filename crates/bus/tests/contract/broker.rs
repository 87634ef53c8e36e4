//! What only a broker can do, and the facts about it that the adapter is built on.

mod blocked;
mod facts;
mod faults;
mod messages;
mod topology;

use std::sync::Arc;

use bus::rabbitmq::{RabbitBus, RabbitConfig};
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{Channel, Connection, ConnectionProperties};

use crate::rig::{Kind, Process, Rig, proxy, up};
use crate::vhost::Vhost;

/// Makes a test of each kind of queue.
macro_rules! of_each_queue_type {
    ($($name:ident),+ $(,)?) => {
        mod classic {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(crate::rig::Kind::Classic).await; })+
        }
        mod quorum {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(crate::rig::Kind::Quorum).await; })+
        }
    };
}
use of_each_queue_type;

/// A connection without the bus, to the rig's virtual host.
async fn plain(rig: &Rig) -> (Connection, Channel) {
    let url = rig.vhost().url(Vhost::host());
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

/// A process with a configuration of its own.
async fn configured(rig: &Rig, change: impl FnOnce(&mut RabbitConfig)) -> Process {
    let process = starting(rig, change).await;
    up(process.bus.as_ref()).await;
    process
}

/// As [`configured`], not yet connected.
async fn starting(rig: &Rig, change: impl FnOnce(&mut RabbitConfig)) -> Process {
    let proxy = proxy().await;
    let mut config = rig.config(&proxy.address().to_string());
    change(&mut config);
    Process::new(Arc::new(RabbitBus::start(config)), proxy)
}

/// Queue arguments of text.
fn texts(pairs: &[(&str, &str)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in pairs {
        table.insert((*key).into(), AMQPValue::LongString(LongString::from(*value)));
    }
    table
}

/// A queue that outlives its connection.
fn durable() -> QueueDeclareOptions {
    QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() }
}

/// How many messages wait in a queue.
async fn waiting(channel: &Channel, queue: &str) -> u32 {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(queue.into(), options, FieldTable::default()).await;
    declared.unwrap().message_count()
}

/// A rig on classic queues, for what does not depend on them.
fn classic() -> Rig {
    Rig::new(Kind::Classic)
}
