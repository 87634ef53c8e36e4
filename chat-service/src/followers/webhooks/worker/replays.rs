//! Events that an operator wants once more: those of a conversation one after the other, beside what is in turn.

use std::collections::HashSet;

use super::{Ended, Worker};
use crate::store::tail::TailRow;
use crate::store::{Room, StoreError};
use crate::webhooks::Refused;

use super::Item;

/// Places that are read at a time.
const AT_ONCE: u32 = 1_000;
/// One entry of a log.
const ONE: Room = Room { entries: 1, bytes: 1 << 20 };

/// What is to be delivered once more.
#[derive(Default)]
pub(super) struct Replays {
    /// The places that were read and not begun with, by conversation and seq.
    waiting: std::collections::VecDeque<(proto::id::ConversationId, u64)>,
    /// Conversations of which one is under way.
    busy: HashSet<proto::id::ConversationId>,
    /// There may be more than was read.
    is_more: bool,
}

impl Worker {
    /// Reads what is to be delivered once more.
    pub(super) async fn load_replays(&mut self) -> Result<(), StoreError> {
        let places = self.parts.store.replays(self.webhook.key, AT_ONCE).await?;
        self.replays.is_more = places.len() == AT_ONCE as usize;
        self.replays.waiting = places.into();
        Ok(())
    }

    /// Begins with one; false when there is none, or those before it in its conversation are under way.
    pub(super) async fn start_replay(&mut self) -> Result<bool, StoreError> {
        // What was read before is answered by now: it does not come a second time.
        if self.replays.waiting.is_empty() && self.replays.is_more && self.replays.busy.is_empty() {
            self.load_replays().await?;
        }
        let Replays { waiting, busy, .. } = &self.replays;
        let Some(next) = waiting.iter().position(|(id, _)| !busy.contains(id)) else {
            return Ok(false);
        };
        let (id, seq) = waiting[next];
        let entries = self.pending(id, seq, ONE).await?;
        let row: Vec<TailRow> =
            entries.into_iter().filter(|row| row.entry.entry.seq == seq).collect();
        let item = self.items(&row).await?.pop();
        self.replays.waiting.remove(next);
        let Some(item) = item else {
            // It is no longer there, or no longer wanted.
            self.parts.store.end_replay(self.webhook.key, (id, seq), None).await?;
            return Ok(true);
        };
        self.replays.busy.insert(id);
        let (sender, webhook) = (self.webhooks.sender.clone(), self.webhook.clone());
        self.under_way.push(Box::pin(async move {
            let result = sender.send(&webhook, &item.delivery).await;
            Ended::Replayed { item: Box::new(item), result }
        }));
        Ok(true)
    }

    /// One was delivered, or not. While the receiver fails as a whole it stays what it is.
    pub(super) async fn replayed(&mut self, item: &Item, result: Result<(), Refused>) {
        let place = (item.conversation_id, item.seq);
        self.replays.busy.remove(&item.conversation_id);
        match &result {
            Ok(()) => self.succeeded().await,
            Err(refused) => {
                self.failed(item.conversation_id, refused).await;
                if self.is_disabled {
                    return;
                }
                if self.retries.is_receiver_failing() {
                    self.replays.waiting.push_front(place);
                    return self.pause(refused.retry_after_ms).await;
                }
            }
        }
        let error = result.err().map(|refused| refused.error);
        let ended = self.parts.store.end_replay(self.webhook.key, place, error.as_deref()).await;
        if let Err(error) = ended {
            tracing::debug!(%error, "a replayed event comes again");
        }
    }
}
