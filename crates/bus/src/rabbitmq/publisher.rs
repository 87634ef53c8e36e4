//! Publishing: a bounded set of confirm channels, each with one publish under way.
//!
//! Each publish is carried out by a task of its own. A caller that goes away in the middle leaves no
//! open confirm behind for the channel's next user, and costs nobody else the connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::RabbitConfig;
use crate::PublishError;

/// Not written to the broker's disk: the promise to clients is made by the database.
const TRANSIENT: u8 = 1;

/// On the broker's disk where its queue is durable: nobody publishes it again.
const PERSISTENT: u8 = 2;

/// What is published, and where to.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) exchange: String,
    pub(super) key: String,
    pub(super) traceparent: Option<String>,
    pub(super) body: Vec<u8>,
    /// Where readers outside of the install want to know it.
    pub(super) content_type: Option<&'static str>,
    /// Beside `traceparent`.
    pub(super) headers: Vec<(&'static str, String)>,
    /// A queue that survives the broker keeps it.
    pub(super) is_persistent: bool,
}

#[derive(Debug)]
pub(super) struct Publishers {
    pool: Arc<Pool>,
    /// One permit a channel.
    permits: Arc<Semaphore>,
    window: u32,
    tasks: TaskTracker,
}

/// What the publishing tasks share.
#[derive(Debug)]
struct Pool {
    /// Channels without a publish under way.
    free: Mutex<Vec<Channel>>,
    timeout: Duration,
    /// The broker has stopped reading: late confirms are no sign of a lost connection.
    blocked: watch::Sender<bool>,
    /// Told when a publish has no known outcome: its channel is lost, so all is built again.
    broken: Arc<Notify>,
    /// The connection has been given up.
    gone: CancellationToken,
    next_id: AtomicU64,
}

impl Publishers {
    pub(super) async fn open(
        connection: &Connection,
        config: &RabbitConfig,
        broken: Arc<Notify>,
        tasks: TaskTracker,
    ) -> Result<Self, lapin::Error> {
        let window = config.publish_window.max(1);
        let mut free = Vec::with_capacity(window);
        for _ in 0..window {
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions { nowait: false }).await?;
            free.push(channel);
        }
        let pool = Pool {
            free: Mutex::new(free),
            timeout: Duration::from_millis(config.publish_timeout_ms),
            blocked: watch::Sender::new(connection.status().blocked()),
            broken,
            gone: CancellationToken::new(),
            next_id: AtomicU64::new(0),
        };
        let permits = Arc::new(Semaphore::new(window));
        Ok(Self {
            pool: Arc::new(pool),
            permits,
            window: u32::try_from(window).unwrap_or(u32::MAX),
            tasks,
        })
    }

    /// Publishes one message and waits for its outcome, both within the one deadline. Dropped before
    /// a channel was free, nothing was published.
    pub(super) async fn publish(&self, message: Message) -> Result<(), PublishError> {
        let timeout = self.pool.timeout;
        let deadline = Instant::now() + timeout;
        let permit = tokio::time::timeout_at(deadline, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|_| PublishError::Unavailable("every publish channel is busy".to_owned()))?
            // Never closed; the arm keeps the error type honest.
            .map_err(|error| PublishError::Unavailable(error.to_string()))?;
        let Some(channel) = self.pool.free.lock().pop() else {
            return Err(PublishError::Unavailable("a publish channel was lost".to_owned()));
        };
        let lent = Lent { channel: Some(channel), pool: Arc::clone(&self.pool), _permit: permit };
        let (tell, told) = oneshot::channel();
        self.tasks.spawn(async move {
            // Nobody listens any more when the caller went away.
            let _ = tell.send(lent.carry(message).await);
        });
        match tokio::time::timeout_at(deadline, told).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_dropped)) => Err(PublishError::Unknown("the publish was given up".to_owned())),
            Err(_elapsed) => Err(PublishError::Unknown(format!("no confirm within {timeout:?}"))),
        }
    }

    /// The broker stops or begins to read what is published.
    pub(super) fn set_blocked(&self, is_blocked: bool) {
        self.pool.blocked.send_replace(is_blocked);
    }

    /// Waits until no publish is under way.
    pub(super) async fn idle(&self) {
        // Fails only when the semaphore is closed, which nobody does.
        let _ = self.permits.acquire_many(self.window).await;
    }

    /// Ends what is still under way: its outcome stays unknown.
    pub(super) fn give_up(&self) {
        self.pool.gone.cancel();
    }
}

/// A channel on loan. It comes back only after a known outcome: one with an open confirm would give
/// that to its next user. Dropped without an outcome, the connections are built anew.
struct Lent {
    channel: Option<Channel>,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    async fn carry(mut self, message: Message) -> Result<(), PublishError> {
        let message_id = self.pool.next_id.fetch_add(1, Ordering::Relaxed).to_string();
        let confirmed = tokio::select! {
            confirmed = self.publish(message, &message_id) => {
                confirmed.map_err(|error| PublishError::Unknown(error.to_string()))
            }
            () = self.pool.patience() => Err(PublishError::Unknown("no confirm in time".to_owned())),
            () = self.pool.gone.cancelled() => {
                Err(PublishError::Unknown("the connection was given up".to_owned()))
            }
        };
        let outcome = judge(&confirmed?, &message_id);
        if !matches!(outcome, Err(PublishError::Unknown(_)))
            && let Some(channel) = self.channel.take()
        {
            self.pool.free.lock().push(channel);
        }
        outcome
    }

    async fn publish(
        &self,
        message: Message,
        message_id: &str,
    ) -> Result<Confirmation, lapin::Error> {
        let mut properties = BasicProperties::default()
            .with_delivery_mode(if message.is_persistent { PERSISTENT } else { TRANSIENT })
            .with_message_id(message_id.into());
        if let Some(content_type) = message.content_type {
            properties = properties.with_content_type(content_type.into());
        }
        let traceparent = message.traceparent.map(|text| ("traceparent", text));
        let mut headers = FieldTable::default();
        for (name, value) in message.headers.into_iter().chain(traceparent) {
            headers.insert(name.into(), AMQPValue::LongString(LongString::from(value)));
        }
        if !headers.inner().is_empty() {
            properties = properties.with_headers(headers);
        }
        // A queue must take it, or it comes back.
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let Some(channel) = &self.channel else { return Ok(Confirmation::Nack(None)) };
        let (exchange, key) = (message.exchange.into(), message.key.into());
        channel.basic_publish(exchange, key, options, &message.body, properties).await?.await
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.channel.take().is_some() {
            self.pool.broken.notify_one();
        }
    }
}

impl Pool {
    /// Ends when the broker has read, and not confirmed, for the whole timeout.
    async fn patience(&self) {
        let mut blocked = self.blocked.subscribe();
        loop {
            // An error means that the pool is gone, and this with it.
            let _ = blocked.wait_for(|is_blocked| !is_blocked).await;
            tokio::select! {
                () = tokio::time::sleep(self.timeout) => return,
                _ = blocked.wait_for(|is_blocked| *is_blocked) => {}
            }
        }
    }
}

/// Which message came back is read from the message itself: the library attaches a returned message
/// to whichever confirm completes next.
fn judge(confirmation: &Confirmation, message_id: &str) -> Result<(), PublishError> {
    let (taken, returned) = match confirmation {
        Confirmation::Ack(returned) => (true, returned),
        Confirmation::Nack(returned) => (false, returned),
        Confirmation::NotRequested => (true, &None),
    };
    match returned {
        Some(returned) => match returned.delivery.properties.message_id() {
            Some(id) if id.as_str() == message_id => Err(PublishError::Unroutable),
            _ => Err(PublishError::Unknown("another message came back".to_owned())),
        },
        None if taken => Ok(()),
        None => Err(PublishError::Refused),
    }
}
