//! Counts of reactions: of messages whose reactions are rows, those that have changed are told to their conversation, and
//! those to what was deleted are forgotten. The process that claims a message works on it; when it dies, another does.
//!
//! Must not append to a log: what is told goes to the partition of its log as an operation.

use std::sync::Arc;
use std::time::Duration;

use ::bus::{Bus, Lane};
use platform::shutdown::Shutdown;
use proto::bus::operation::Action;
use proto::bus::{self, Frame, FrameBatch, Origin, frame::Body};
use proto::id::{ClientId, UserName};
use proto::partition;
use sha2::{Digest as _, Sha256};

use crate::clock::{DOUBTFUL_MS, now_ms};
use crate::domain::tally::DueTally;
use crate::store::{ChatStore, StoreError};

/// Who tells the counts.
const AUTHOR: &str = "_tidings";
/// How long nobody else works on a message that was claimed, in milliseconds.
const CLAIM_MS: u64 = 10_000;
/// Messages in one round.
const AT_ONCE: usize = 256;
/// Reactions that are forgotten at once.
const FORGOTTEN: u32 = 1_000;

/// What counts are told with.
#[derive(Clone)]
pub(crate) struct TallyParts {
    pub(crate) store: Arc<dyn ChatStore>,
    pub(crate) bus: Arc<dyn Bus>,
    /// How long a reaction may wait until it is told.
    pub(crate) interval: Duration,
}

/// Tells what is due until stopping has begun.
pub(crate) async fn run(parts: TallyParts, shutdown: Shutdown) {
    let pause = (parts.interval / 4).clamp(Duration::from_millis(20), Duration::from_secs(1));
    loop {
        // Not inside the select: a database future is never cancelled half-way.
        if let Err(error) = round(&parts).await {
            tracing::debug!(%error, "reactions are counted later");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.begun() => return,
        }
    }
}

/// Why a message has to be claimed again.
#[derive(Debug, thiserror::Error)]
enum Again {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the bus does not take it: {0}")]
    Bus(#[from] ::bus::PublishError),
    #[error("nobody may tell the counts")]
    Author,
}

async fn round(parts: &TallyParts) -> Result<(), Again> {
    let interval_ms = u64::try_from(parts.interval.as_millis()).unwrap_or(u64::MAX >> 2);
    for _ in 0..AT_ONCE {
        let now = now_ms();
        let latest = now + interval_ms.max(CLAIM_MS) + DOUBTFUL_MS;
        let Some(due) = parts.store.claim_tally(now, now + CLAIM_MS, latest).await? else { break };
        if due.is_gone {
            while !parts.store.forget_reactions(due.conversation, due.seq, FORGOTTEN).await? {}
        } else {
            tell(parts, due).await?;
        }
    }
    Ok(())
}

/// Has the counts of a message told. Nobody waits for the answer: what is not told is due again.
async fn tell(parts: &TallyParts, due: DueTally) -> Result<(), Again> {
    let author = UserName::parse(AUTHOR).map_err(|_| Again::Author)?;
    let id = due.conversation.id;
    let operation = bus::Operation {
        conversation_id: id.to_bytes(),
        refusal: String::new(),
        action: Some(Action::TallyReactions(bus::TallyReactions { seq: due.seq })),
    };
    let user_id = author.of(due.conversation.tenant).to_string();
    let frame = Frame {
        origin: Some(Origin { user_id, admin: true, ..Origin::default() }),
        client_id: client_id(due).to_bytes(),
        ..Frame::from(Body::Operation(operation))
    };
    let batch = FrameBatch { gateway: None, frames: vec![frame], oldest_ms: now_ms() };
    let partition = partition::of_conversation(id, parts.bus.partitions());
    Ok(parts.bus.publish_frames(Lane::Chat, partition, batch).await?)
}

/// The same for each process that asks for the counts that follow a state.
fn client_id(due: DueTally) -> ClientId {
    let mut hash = Sha256::new();
    hash.update(b"tally\0");
    hash.update(due.conversation.id.0.as_bytes());
    hash.update(due.seq.to_be_bytes());
    hash.update(due.as_of.to_be_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    ClientId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}
