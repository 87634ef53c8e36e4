//! What a message looks like to others on the broker, and what becomes of one that is not ours.

use bus::{Lane, Original, PublishError};
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, QueueBindOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};

use super::{classic, durable, of_each_queue_type, plain, waiting};
use crate::eventing::events;
use crate::rig::{
    Kind, Rig, frames, hears_nothing, number, push, push_number, take, take_numbers, take_push,
};

of_each_queue_type! {
    what_is_not_a_batch_comes_in_its_place_and_harms_nothing,
}

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// The beginning of a field that never comes.
const GARBAGE: &[u8] = b"\x0a\xff\xff";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_carries_its_trace_and_an_id_and_is_transient() {
    let rig = classic();
    let process = rig.process().await;
    let mut batch = frames(1);
    let mut sampled = batch.frames[0].clone();
    TRACE.clone_into(&mut sampled.traceparent);
    // The trace of the first frame that has one.
    batch.frames.push(sampled);
    process.bus.publish_frames(Lane::Chat, 0, batch).await.unwrap();
    process.publish(2).await.unwrap();
    let (_connection, channel) = plain(&rig).await;
    let queue = rig.names().frame_queue(Lane::Chat, 0);
    let mut ids = Vec::new();
    for expected in [Some(TRACE), None] {
        let options = BasicGetOptions { no_ack: true };
        let got = channel.basic_get(queue.as_str().into(), options).await.unwrap().unwrap();
        let properties = &got.delivery.properties;
        assert_eq!(*properties.delivery_mode(), Some(1));
        ids.push(properties.message_id().clone().expect("a message id"));
        let headers = properties.headers().as_ref();
        let trace = headers.and_then(|headers| headers.inner().get("traceparent"));
        match (trace, expected) {
            (Some(AMQPValue::LongString(text)), Some(expected)) => {
                assert_eq!(text.as_bytes(), expected.as_bytes());
            }
            (None, None) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_ne!(ids[0], ids[1]);
    channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_reach_the_queues_bound_to_their_key_in_order_and_survive_the_broker() {
    let rig = classic();
    let process = rig.process().await;
    let (_connection, channel) = plain(&rig).await;
    let queue = format!("{}.reader", rig.names().events_exchange());
    channel.queue_declare(queue.as_str().into(), durable(), FieldTable::default()).await.unwrap();
    let exchange = rig.names().events_exchange();
    let key = "default.chat.message.*";
    let bound = channel.queue_bind(
        queue.as_str().into(),
        exchange.into(),
        key.into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.unwrap();
    for number in 0..20 {
        let events = events("default.chat.message.received", number);
        process.bus.publish_events(events).await.unwrap();
    }
    let other = process.bus.publish_events(events("default.chat.typing", 99)).await;
    assert!(matches!(other, Err(PublishError::Unroutable)), "{other:?}");
    for number in 0..20_u64 {
        let options = BasicGetOptions { no_ack: true };
        let got = channel.basic_get(queue.as_str().into(), options).await.unwrap().unwrap();
        assert_eq!(got.delivery.data, number.to_string().into_bytes());
        let properties = &got.delivery.properties;
        assert_eq!(*properties.delivery_mode(), Some(2));
        let content_type = properties.content_type().as_ref().map(|it| it.as_str().to_owned());
        assert_eq!(content_type.as_deref(), Some("application/cloudevents+json"));
        let headers = properties.headers().as_ref().unwrap().inner();
        assert!(headers.contains_key("cloudEvents:type"), "{headers:?}");
    }
    let options = QueueDeleteOptions::default();
    channel.queue_delete(queue.into(), options).await.unwrap();
}

async fn smuggle(channel: &Channel, exchange: String, key: String) {
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let (exchange, key) = (exchange.into(), key.into());
    let publish = channel.basic_publish(exchange, key, options, GARBAGE, properties);
    // Without confirms on this channel there is nothing to wait for.
    drop(publish.await.unwrap());
}

async fn what_is_not_a_batch_comes_in_its_place_and_harms_nothing(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let (_connection, channel) = plain(&rig).await;
    let names = rig.names();
    let queue = names.frame_queue(Lane::Chat, 0);
    process.publish(0).await.unwrap();
    smuggle(&channel, names.frames_exchange(), queue.clone()).await;
    // The broker answers on this channel, so it has routed what came before.
    waiting(&channel, &queue).await;
    process.publish(1).await.unwrap();
    let mut consumer = process.join(0, 8).await;
    let first = take(&mut consumer).await;
    assert_eq!(number(&first.batch), 0);
    let smuggled = take(&mut consumer).await;
    let Original::Malformed { body, reason } = &smuggled.original else { panic!("{smuggled:?}") };
    assert_eq!((&body[..], smuggled.batch.frames.len()), (GARBAGE, 0));
    assert!(!reason.is_empty());
    let second = take(&mut consumer).await;
    assert_eq!(number(&second.batch), 1);
    assert_eq!(second.original.batch(), second.batch);
    // It is acknowledged with those around it.
    consumer.acker().ack_through(second.tag).await;
    process.publish(2).await.unwrap();
    assert_eq!(take_numbers(&mut consumer, 1).await, [2]);
    drop(consumer);
    let mut next = process.join(0, 8).await;
    hears_nothing(&mut next).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_a_push_is_dropped_and_the_next_one_comes() {
    let rig = classic();
    let process = rig.process().await;
    let mut pushes = process.gateway("g1").await;
    let (_connection, channel) = plain(&rig).await;
    let names = rig.names();
    smuggle(&channel, names.push_exchange(), names.push_queue(&pushes.gateway())).await;
    waiting(&channel, &names.frame_queue(Lane::Chat, 0)).await;
    process.bus.publish_pushes(&pushes.gateway(), push(4)).await.unwrap();
    assert_eq!(push_number(&take_push(&mut pushes).await), 4);
}
