//! The append step behind a guard: a panic anywhere in it costs one frame, never the lane.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use bus::{FrameDelivery, Original};
use futures_util::FutureExt;
use proto::bus::FrameBatch;
use proto::partition::Partition;
use tokio::sync::{mpsc, oneshot};

use super::Delivery;
use super::append::{Appended, Appender};
use super::pile::Taken;
use crate::domain::letter::{LetterKey, frame_key};

/// One step. After a panic outside the rules (those are guarded where they are called) the frames are
/// worked on one by one, and the one that panics again is put aside.
pub(super) async fn step(appender: &mut Appender, batches: Vec<Taken>) -> Appended {
    let originals = originals(&batches);
    match AssertUnwindSafe(appender.step(batches)).catch_unwind().await {
        Ok(appended) => appended,
        Err(panic) => {
            tracing::error!(panic = said(panic.as_ref()), "a batch is worked on frame by frame");
            let mut appended = Appended::default();
            for taken in singles(originals) {
                appended.outgoing.extend(alone(appender, taken).await.outgoing);
            }
            appended
        }
    }
}

/// Works on frames one by one, each delivered before the next is begun, and puts those aside that ended
/// the process too often.
pub(super) async fn one_by_one(
    appender: &mut Appender,
    batches: Vec<Taken>,
    deliveries: &mpsc::Sender<Delivery>,
) {
    for taken in singles(originals(&batches)) {
        let suspects = appender.suspects();
        let _turn = suspects.turn().await;
        let mut marks: Vec<LetterKey> = taken.delivery.batch.frames.iter().map(frame_key).collect();
        let may_try = match marks.first() {
            Some(key) => suspects.may_try(key).await,
            None => true,
        };
        let appended = if may_try {
            alone(appender, taken).await
        } else {
            // The mark stays: sent again, it is put aside at once.
            marks.clear();
            appender.put_aside(taken, "it ended the process each time it was worked on").await
        };
        let (delivered, is_delivered) = oneshot::channel();
        let delivery =
            Delivery { appended, marks, delivered: Some(delivered), ..Delivery::default() };
        if deliveries.send(delivery).await.is_err() || is_delivered.await.is_err() {
            return;
        }
    }
}

/// One frame.
async fn alone(appender: &mut Appender, taken: Taken) -> Appended {
    let again = single(&taken);
    match AssertUnwindSafe(appender.step(vec![taken])).catch_unwind().await {
        Ok(appended) => appended,
        Err(panic) => {
            appender.put_aside(again, &format!("panicked: {}", said(panic.as_ref()))).await
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

/// What a panic said.
pub(super) fn said(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without words")
}
