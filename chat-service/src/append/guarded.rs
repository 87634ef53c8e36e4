//! The append step behind a guard: a panic anywhere in it costs one frame, never the worker.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bus::{FrameDelivery, Original};
use futures_util::FutureExt;
use proto::bus::FrameBatch;
use proto::partition::Partition;
use tokio::sync::{mpsc, oneshot};

use super::appender::Appender;
use super::letter::frame_key;
use super::taken::Taken;
use crate::delivery::{Delivery, OutgoingBatch};
use crate::domain::letter::LetterKey;
use crate::panics;

/// One step. After a panic outside the rules (those are guarded where they are called) the frames are
/// worked on one by one, and the one that panics again becomes a dead letter.
pub(crate) async fn step(appender: &mut Appender, batches: Vec<Taken>) -> OutgoingBatch {
    let originals = originals(&batches);
    match AssertUnwindSafe(appender.step(batches)).catch_unwind().await {
        Ok(batch) => batch,
        Err(panic) => {
            let panic = panics::message(panic.as_ref());
            tracing::error!(panic, "a batch is worked on frame by frame");
            let mut batch = OutgoingBatch::default();
            for taken in singles(originals) {
                batch.outgoing.extend(alone(appender, taken).await.outgoing);
            }
            batch
        }
    }
}

/// Works on frames one by one, each delivered before the next is begun; those that ended the process too often become
/// dead letters.
pub(crate) async fn one_by_one(
    appender: &mut Appender,
    batches: Vec<Taken>,
    deliveries: &mpsc::Sender<Delivery>,
) {
    let suspects = Arc::clone(&appender.parts().suspects);
    for taken in singles(originals(&batches)) {
        let _turn = suspects.turn().await;
        let mut marks: Vec<LetterKey> = taken.delivery.batch.frames.iter().map(frame_key).collect();
        let may_try = match marks.first() {
            Some(key) => suspects.may_try(key).await,
            None => true,
        };
        let batch = if may_try {
            alone(appender, taken).await
        } else {
            // The mark stays: sent again, it is a dead letter at once.
            marks.clear();
            appender.give_up(taken, "it ended the process each time it was worked on").await
        };
        let (delivered, is_delivered) = oneshot::channel();
        let marked = Arc::clone(&suspects);
        let done = async move {
            marked.clear(&marks).await;
            // Nobody waits any more when the process stops.
            let _ = delivered.send(());
        };
        let delivery = Delivery { batch, done: Some(Box::pin(done)) };
        if deliveries.send(delivery).await.is_err() || is_delivered.await.is_err() {
            return;
        }
    }
}

async fn alone(appender: &mut Appender, taken: Taken) -> OutgoingBatch {
    let again = single(&taken);
    match AssertUnwindSafe(appender.step(vec![taken])).catch_unwind().await {
        Ok(batch) => batch,
        Err(panic) => {
            let reason = format!("panicked: {}", panics::message(panic.as_ref()));
            appender.give_up(again, &reason).await
        }
    }
}

fn originals(batches: &[Taken]) -> Vec<(Partition, Original)> {
    batches.iter().map(|taken| (taken.partition, taken.delivery.original.clone())).collect()
}

/// Every frame as a batch of its own, and what is no batch as it is.
fn singles(originals: Vec<(Partition, Original)>) -> impl Iterator<Item = Taken> {
    originals.into_iter().flat_map(|(partition, original)| {
        let batch = original.batch();
        let (gateway, oldest_ms) = (batch.gateway, batch.oldest_ms);
        let is_malformed = matches!(original, Original::Malformed { .. });
        let malformed = is_malformed.then(|| (FrameBatch::default(), original));
        let frames = batch.frames.into_iter().map(move |frame| {
            let batch = FrameBatch { gateway: gateway.clone(), frames: vec![frame], oldest_ms };
            (batch.clone(), Original::Batch(batch.into()))
        });
        malformed.into_iter().chain(frames).map(move |(batch, original)| Taken {
            // Part of it may have been stored before the panic.
            delivery: FrameDelivery { batch, original, redelivered: true, tag: 0 },
            partition,
        })
    })
}

fn single(taken: &Taken) -> Taken {
    let FrameDelivery { batch, original, redelivered, tag } = &taken.delivery;
    let delivery = FrameDelivery {
        batch: batch.clone(),
        original: original.clone(),
        redelivered: *redelivered,
        tag: *tag,
    };
    Taken { delivery, partition: taken.partition }
}
