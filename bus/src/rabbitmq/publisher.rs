//! Publishing: a bounded set of confirm channels, each with one publish under way.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use super::config::RabbitConfig;
use crate::PublishError;

/// Not written to the broker's disk: the promise to clients is made by the database.
const TRANSIENT: u8 = 1;

#[derive(Debug)]
pub(super) struct Publishers {
    /// Channels without a publish under way.
    free: Arc<Mutex<Vec<Channel>>>,
    /// One permit a channel.
    permits: Semaphore,
    timeout: Duration,
    /// Told when a publish has no known outcome: its channel is lost, so all is built again.
    broken: Arc<Notify>,
}

impl Publishers {
    pub(super) async fn open(
        connection: &Connection,
        config: &RabbitConfig,
        broken: Arc<Notify>,
    ) -> Result<Self, lapin::Error> {
        let window = config.publish_window.max(1);
        let mut free = Vec::with_capacity(window);
        for _ in 0..window {
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions { nowait: false }).await?;
            free.push(channel);
        }
        Ok(Self {
            free: Arc::new(Mutex::new(free)),
            permits: Semaphore::new(window),
            timeout: Duration::from_millis(config.publish_timeout_ms),
            broken,
        })
    }

    /// Publishes one message and waits for its outcome.
    pub(super) async fn publish(
        &self,
        exchange: String,
        key: String,
        traceparent: Option<&str>,
        body: &[u8],
    ) -> Result<(), PublishError> {
        let permit = tokio::time::timeout(self.timeout, self.permits.acquire())
            .await
            .map_err(|_| PublishError::Unavailable("every publish channel is busy".to_owned()))?
            // Never closed; the arm keeps the error type honest.
            .map_err(|error| PublishError::Unavailable(error.to_string()))?;
        let Some(channel) = self.free.lock().pop() else {
            return Err(PublishError::Unavailable("a publish channel was lost".to_owned()));
        };
        // Comes back only after a known outcome: a channel with an open confirm is never used again.
        let lent = Lent { channel: Some(channel), _permit: permit, publishers: self };
        let outcome =
            tokio::time::timeout(self.timeout, lent.publish(exchange, key, traceparent, body))
                .await;
        match outcome {
            Ok(Ok(confirmation)) => {
                lent.give_back();
                judge(&confirmation)
            }
            Ok(Err(error)) => Err(PublishError::Unknown(error.to_string())),
            Err(_elapsed) => {
                Err(PublishError::Unknown(format!("no confirm within {:?}", self.timeout)))
            }
        }
    }
}

fn judge(confirmation: &Confirmation) -> Result<(), PublishError> {
    match confirmation {
        Confirmation::Ack(None) | Confirmation::NotRequested => Ok(()),
        Confirmation::Ack(Some(_)) => Err(PublishError::Unroutable),
        Confirmation::Nack(_) => Err(PublishError::Refused),
    }
}

/// A channel on loan. Dropped without an outcome, the connection is built anew.
struct Lent<'a> {
    channel: Option<Channel>,
    _permit: SemaphorePermit<'a>,
    publishers: &'a Publishers,
}

impl Lent<'_> {
    async fn publish(
        &self,
        exchange: String,
        key: String,
        traceparent: Option<&str>,
        body: &[u8],
    ) -> Result<Confirmation, lapin::Error> {
        let mut properties = BasicProperties::default().with_delivery_mode(TRANSIENT);
        if let Some(traceparent) = traceparent {
            let mut headers = FieldTable::default();
            headers
                .insert("traceparent".into(), AMQPValue::LongString(LongString::from(traceparent)));
            properties = properties.with_headers(headers);
        }
        // A queue must take it, or it comes back.
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let Some(channel) = &self.channel else { return Ok(Confirmation::Nack(None)) };
        channel.basic_publish(exchange.into(), key.into(), options, body, properties).await?.await
    }

    fn give_back(mut self) {
        if let Some(channel) = self.channel.take() {
            self.publishers.free.lock().push(channel);
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if self.channel.take().is_some() {
            self.publishers.broken.notify_one();
        }
    }
}
