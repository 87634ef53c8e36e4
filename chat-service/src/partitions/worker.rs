//! A partition worker: takes what waits in its inbox, appends it as one batch, and hands it to delivery. The next append
//! overlaps the delivery of the batch before; deliveries stay in order.

use std::sync::Arc;

use platform::shutdown::Tasks;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, Received};
use super::parts::WorkerParts;
use crate::append::{self, Appender, Care};
use crate::delivery::{Deliverer, Delivery};

/// Deliveries that an append may run ahead of: one under way and one waiting.
const AHEAD: usize = 1;

/// Starts a worker. It ends when all senders of `inbox` are gone and everything is delivered; then
/// `done` is cancelled.
pub fn start(
    parts: WorkerParts,
    inbox: mpsc::Receiver<Received>,
    tasks: &Tasks,
    done: CancellationToken,
) {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let appender = Appender::new(parts.append);
    let deliverer = Deliverer::new(parts.delivery);
    tasks.spawn("worker append", append_all(appender, inbox, sender));
    tasks.spawn("worker deliver", async move {
        deliverer.run(receiver).await;
        done.cancel();
    });
}

async fn append_all(
    mut appender: Appender,
    mut inbox: mpsc::Receiver<Received>,
    deliveries: mpsc::Sender<Delivery>,
) {
    let parts = appender.parts();
    let (busy, batch_frames) = (parts.metrics.workers_busy.clone(), parts.config.batch_frames);
    let suspects = Arc::clone(&parts.suspects);
    while let Some(first) = inbox.recv().await {
        let at_work = AtWork::begin(&busy);
        let Batch { batches, acks, joined } = Batch::take(first, &mut inbox, batch_frames);
        appender.forget(&joined);
        let delivery = match suspects.examine(&batches).await {
            Care::Together { marks } => {
                let batch = append::step(&mut appender, batches).await;
                let suspects = Arc::clone(&suspects);
                let done = async move {
                    acks.send().await;
                    suspects.clear(&marks).await;
                };
                Delivery { batch, done: Some(Box::pin(done)) }
            }
            Care::Alone => {
                append::one_by_one(&mut appender, batches, &deliveries).await;
                Delivery { done: Some(Box::pin(acks.send())), ..Delivery::default() }
            }
        };
        drop(at_work);
        if deliveries.send(delivery).await.is_err() {
            // The process stops: nothing is acknowledged, so all of it comes again.
            return;
        }
    }
}

/// A worker is at work on a batch as long as this is there.
struct AtWork<'a>(&'a Gauge);

impl<'a> AtWork<'a> {
    fn begin(busy: &'a Gauge) -> Self {
        busy.inc();
        Self(busy)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
