//! How much waits in queues, asked of the broker by passive declarations. One caller at a time, on a channel that is kept
//! for the next: it must never be one that consumes or publishes, since the broker closes the channel of a question that
//! it does not like.

use std::time::Duration;

use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use tokio::sync::Mutex;

use super::connection::Link;
use crate::ConsumeError;

/// The channel, when it is free and has no answer outstanding.
#[derive(Debug, Default)]
pub(super) struct Asking(Mutex<Option<Channel>>);

/// The batches that wait in each of these queues. The whole of it takes no longer than `patience`.
pub(super) async fn of(
    link: &Link,
    queues: Vec<String>,
    patience: Duration,
) -> Result<Vec<u64>, ConsumeError> {
    let asked = tokio::time::timeout(patience, async {
        let mut kept = link.asking.0.lock().await;
        // A question that fails, or is dropped on its way, drops the channel with it, which closes it.
        let channel = match kept.take() {
            Some(channel) if channel.status().connected() => channel,
            _ => link.consuming.create_channel().await?,
        };
        let depths = ask(&channel, queues).await?;
        *kept = Some(channel);
        Ok::<_, lapin::Error>(depths)
    });
    match asked.await {
        Ok(Ok(depths)) => Ok(depths),
        Ok(Err(error)) => Err(ConsumeError::Unavailable(error.to_string())),
        Err(_elapsed) => {
            Err(ConsumeError::Unavailable(format!("the depths did not come within {patience:?}")))
        }
    }
}

async fn ask(channel: &Channel, queues: Vec<String>) -> Result<Vec<u64>, lapin::Error> {
    let options = QueueDeclareOptions {
        passive: true,
        durable: false,
        exclusive: false,
        auto_delete: false,
        nowait: false,
    };
    let mut depths = Vec::with_capacity(queues.len());
    for queue in queues {
        let found = channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
        depths.push(u64::from(found.message_count()));
    }
    Ok(depths)
}
