//! Events on the broker: a queue of this connection, bound to the exchange, whose messages count as taken when they are sent.

use std::convert::Infallible;

use bench::crowd::error::BenchError;
use futures_util::StreamExt as _;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{Connection, ConnectionProperties};

use super::Shared;

/// Messages that may wait in the queue; the oldest goes then, as docs/events.md advises.
const MOST_WAITING: i32 = 100_000;

/// Takes events until it is dropped or the broker ends it.
pub(super) async fn take(
    shared: &Shared,
    tell: &mut impl FnMut(&str),
) -> Result<Infallible, BenchError> {
    let failed = |error: lapin::Error| BenchError::Failed(format!("the broker: {error}"));
    let connected =
        Connection::connect(&shared.options.amqp_url, ConnectionProperties::default()).await;
    // Its queue goes with it.
    let connection = connected.map_err(failed)?;
    let channel = connection.create_channel().await.map_err(failed)?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(MOST_WAITING));
    arguments.insert("x-overflow".into(), AMQPValue::LongString(LongString::from("drop-head")));
    let of_this_connection = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let queue = channel.queue_declare("".into(), of_this_connection, arguments).await;
    let queue = queue.map_err(failed)?.name().to_string();
    let exchange = shared.options.exchange.as_str();
    let bound = channel.queue_bind(
        queue.as_str().into(),
        exchange.into(),
        "#".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.map_err(failed)?;
    let consuming = channel.basic_consume(
        queue.as_str().into(),
        "fleet".into(),
        BasicConsumeOptions { no_ack: true, ..Default::default() },
        FieldTable::default(),
    );
    let mut consumer = consuming.await.map_err(failed)?;
    shared.lags.count("events");
    tell("subscribed");
    while let Some(delivery) = consumer.next().await {
        shared.tally.take(&delivery.map_err(failed)?.data);
    }
    Err(BenchError::Failed("the broker has ended the consumer".to_owned()))
}
