//! Facts about the broker that decided how it is used. When one of them changes with a version, the
//! adapter may be made simpler, or has to be corrected.

use std::time::Instant;

use bus::{Lane, PublishError};
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, ExchangeDeleteOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation, ExchangeKind};
use proto::common::GatewayRef;

use super::{classic, durable, of_each_queue_type, plain, texts, waiting};
use crate::rig::{Kind, QUIET, Rig, hears_nothing, number, push, take, take_numbers};

of_each_queue_type! {
    yields_dead_letter_nothing,
}

/// Why a gateway's queue is exclusive: one that merely expires swallows what is pushed to the dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_expires_confirms_pushes_to_a_dead_gateway() {
    let rig = classic();
    let services = rig.process().await;
    let address = GatewayRef { id: "expiring".to_owned(), epoch: 1 };
    let (queue, exchange) = (rig.names().push_queue(&address), rig.names().push_exchange());
    let (connection, channel) = plain(&rig).await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-expires".into(), AMQPValue::LongInt(60_000));
    channel.queue_declare(queue.as_str().into(), durable(), arguments).await.unwrap();
    let (key, bind) = (queue.as_str().into(), QueueBindOptions::default());
    let bound = channel.queue_bind(
        queue.as_str().into(),
        exchange.into(),
        key,
        bind,
        FieldTable::default(),
    );
    bound.await.unwrap();
    connection.close(200, "dies".into()).await.unwrap();
    let died = Instant::now();
    while died.elapsed() < QUIET {
        assert_eq!(services.bus.publish_pushes(&address, push(1)).await, Ok(()));
    }
}

/// Why a broadcast over a fanout exchange must never be repeated blindly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_full_queue_refuses_a_whole_fanout_though_others_took_it() {
    let rig = classic();
    let (_connection, channel) = plain(&rig).await;
    let fanout = ExchangeKind::Fanout;
    let options = ExchangeDeclareOptions { auto_delete: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare("fan".into(), fanout, options, FieldTable::default()).await.unwrap();
    let mut full = texts(&[("x-overflow", "reject-publish")]);
    full.insert("x-max-length".into(), AMQPValue::LongInt(1));
    for (queue, arguments) in [("fan.full", full), ("fan.open", FieldTable::default())] {
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), options, arguments).await.unwrap();
        let bind = QueueBindOptions::default();
        let bound =
            channel.queue_bind(queue.into(), "fan".into(), "".into(), bind, FieldTable::default());
        bound.await.unwrap();
    }
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let mut outcomes = Vec::new();
    for _ in 0..2 {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let publish = channel.basic_publish("fan".into(), "".into(), options, b"x", properties);
        outcomes.push(publish.await.unwrap().await.unwrap());
    }
    assert_eq!(outcomes, [Confirmation::Ack(None), Confirmation::Nack(None)]);
    assert_eq!(waiting(&channel, "fan.full").await, 1);
    assert_eq!(waiting(&channel, "fan.open").await, 2);
}

/// Every yield counts as a redelivery: the limit must not be one that yields can reach.
async fn yields_dead_letter_nothing(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let (_connection, channel) = plain(&rig).await;
    let dead = rig.names().frame_queue(Lane::Chat, 77);
    channel.queue_declare(dead.as_str().into(), durable(), FieldTable::default()).await.unwrap();
    let definition = format!(r#"{{"dead-letter-exchange":"","dead-letter-routing-key":"{dead}"}}"#);
    let pattern = format!("^{}$", rig.names().frame_queue(Lane::Chat, 0).replace('.', "\\."));
    rig.vhost().ctl("set_policy", &["--apply-to", "queues", &dead, &pattern, &definition]);
    process.publish_all(0..10).await;
    for _ in 0..200 {
        let mut consumer = process.join(0, 10).await;
        assert_eq!(number(&take(&mut consumer).await.batch), 0);
    }
    let mut consumer = process.join(0, 10).await;
    assert_eq!(take_numbers(&mut consumer, 10).await, (0..10).collect::<Vec<_>>());
    hears_nothing(&mut consumer).await;
    assert_eq!(waiting(&channel, &dead).await, 0);
}

/// A lost exchange is an unknown outcome for who published then, and is declared again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_exchange_comes_back() {
    let rig = classic();
    let process = rig.process().await;
    let (_connection, channel) = plain(&rig).await;
    channel
        .exchange_delete(rig.names().push_exchange().into(), ExchangeDeleteOptions::default())
        .await
        .unwrap();
    let nobody = GatewayRef { id: "nobody".to_owned(), epoch: 1 };
    let published = process.bus.publish_pushes(&nobody, push(1)).await;
    assert!(matches!(published, Err(PublishError::Unknown(_))), "{published:?}");
    crate::rig::down(process.bus.as_ref()).await;
    crate::rig::up(process.bus.as_ref()).await;
    let published = process.bus.publish_pushes(&nobody, push(1)).await;
    assert_eq!(published, Err(PublishError::Unroutable));
}
