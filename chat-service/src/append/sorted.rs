//! The frames of a batch by what is done with them. No I/O.

use std::sync::Arc;

use bus::{FrameDelivery, Original};
use bytes::Bytes;
use platform::trace::{MessageSpan, Tracer};
use proto::bus::Frame;
use proto::bus::frame::Body;
use proto::common::GatewayRef;
use proto::error_code::ErrorCode;
use proto::partition::Partition;

use super::taken::Taken;
use crate::delivery::Asker;
use crate::domain::conversation::Refusal;
use crate::domain::letter::DeadLetter;
use crate::ephemeral::Collected;
use crate::operations::{self, Operation, Reference, Rejected};

/// A batch by what is done with its frames.
#[derive(Default)]
pub(super) struct Sorted {
    pub(super) operations: Vec<Operation>,
    /// Of each operation.
    pub(super) askers: Vec<Asker>,
    /// Of each operation; they end when the append is done.
    pub(super) spans: Vec<MessageSpan>,
    /// Of each operation: its batch, and its frame in there.
    places: Vec<(usize, usize)>,
    /// What each batch was made from.
    originals: Vec<(Partition, Original)>,
    /// Bodies that are no batches, with what is wrong with them.
    pub(super) malformed: Vec<(Bytes, Partition, String)>,
    /// What is no operation.
    pub(super) rejected: Vec<(Asker, Rejected)>,
    /// Those who ask for what this build does not know.
    pub(super) unknown: Vec<Asker>,
    pub(super) ephemeral: Collected,
    /// Operations of batches from before this moment are too old, in Unix milliseconds.
    expired_ms: u64,
}

impl Sorted {
    /// What waited since before `expired_ms` is not worked on: 0 where nothing is too old.
    pub(super) fn of(batches: Vec<Taken>, expired_ms: u64, tracer: &Tracer) -> Self {
        let mut sorted = Self { expired_ms, ..Self::default() };
        for (batch_place, taken) in batches.into_iter().enumerate() {
            let Taken { delivery: FrameDelivery { batch, original, .. }, partition } = taken;
            let sent_ms = batch.oldest_ms;
            let gateway = Arc::new(batch.gateway.unwrap_or_default());
            for (frame_place, frame) in batch.frames.into_iter().enumerate() {
                sorted.take(frame, (batch_place, frame_place), &gateway, sent_ms, tracer);
            }
            if let Original::Malformed { body, reason } = &original {
                sorted.malformed.push((body.clone(), partition, reason.clone()));
            }
            sorted.originals.push((partition, original));
        }
        sorted
    }

    fn take(
        &mut self,
        frame: Frame,
        place: (usize, usize),
        gateway: &Arc<GatewayRef>,
        sent_ms: u64,
        tracer: &Tracer,
    ) {
        let Some(origin) = frame.origin else { return };
        let span = tracer.child("chat.append", &frame.traceparent);
        let asker = Asker {
            gateway: Arc::clone(gateway),
            traceparent: span.traceparent(),
            reference: Reference { reference: frame.r#ref, client_id: frame.client_id },
            origin,
            sent_ms,
        };
        let parsed = match frame.body {
            Some(Body::Operation(operation)) => {
                operations::read(&asker.origin, &asker.reference, operation)
            }
            None => None,
            Some(body) => return self.ephemeral.take(&asker, body),
        };
        match parsed {
            // What was stored of it before is told as it was.
            Some(Ok(operation)) if sent_ms > 0 && sent_ms < self.expired_ms => {
                let text = "this waited too long in a queue; send again with the same client id";
                let refusal = Refusal::new(ErrorCode::Expired, text);
                self.rejected.push((asker, Rejected::of(operation, refusal)));
            }
            Some(Ok(operation)) => {
                self.operations.push(operation);
                self.askers.push(asker);
                self.spans.push(span);
                self.places.push(place);
            }
            Some(Err(rejected)) => self.rejected.push((asker, rejected)),
            // Of a later build. Without a client id nobody waits for the answer.
            None if asker.reference.client_id.is_empty() => {}
            None => self.unknown.push(asker),
        }
    }

    /// Takes operations out that are not to be worked on; `refused` is in the order of their places.
    pub(super) fn reject(&mut self, refused: Vec<(usize, Refusal)>) {
        let before = self.rejected.len();
        // From behind, so that the places of the others stay what they are.
        for (place, refusal) in refused.into_iter().rev() {
            let operation = self.operations.remove(place);
            let asker = self.askers.remove(place);
            drop(self.spans.remove(place));
            self.places.remove(place);
            self.rejected.push((asker, Rejected::of(operation, refusal)));
        }
        self.rejected[before..].reverse();
    }

    /// An operation as the frame that it was.
    pub(super) fn letter(&self, operation: usize, reason: &str, now_ms: u64) -> Option<DeadLetter> {
        let (batch, frame) = *self.places.get(operation)?;
        let (partition, original) = self.originals.get(batch)?;
        let mut batch = original.batch();
        let frame = (frame < batch.frames.len()).then(|| batch.frames.swap_remove(frame))?;
        Some(DeadLetter::of_frame(batch.gateway, frame, *partition, reason, now_ms))
    }
}
