//! Conversations that wait: at their time, what they have still to get is read from their log and delivered, until nothing is left
//! and they go on with the others.

use proto::id::ConversationId;

use super::super::chosen::items;
use super::{Ended, Item, REMEMBERED, Worker};
use crate::clock::{now_ms, steady_ms};
use crate::domain::webhook::{Blocked, DeadEvent};
use crate::store::tail::{LogKind, Position, TailRow};
use crate::store::{Page, Room, StoreError};
use crate::webhooks::Refused;

/// What is read of a log at a time.
const ROOM: Room = Room { entries: 100, bytes: 1 << 20 };

/// When a log is read again that did not show yet what the tail has passed.
const AGAIN_MS: u64 = 50;

impl Worker {
    /// Begins with a conversation whose time has come; false when there is none.
    pub(super) async fn start_waiting(&mut self, now: u64) -> Result<bool, StoreError> {
        let is_due = |(id, it): &(&ConversationId, &super::Waiting)| {
            it.row.next_at_ms <= now && !self.busy.contains(id)
        };
        let due = self.waiting.iter().find(is_due);
        let Some((id, next_seq)) = due.map(|(id, it)| (*id, it.row.next_seq)) else {
            return Ok(false);
        };
        let entries = self.pending(id, next_seq, ROOM).await?;
        let Some(last) = entries.last().map(|row| row.entry.entry.seq) else {
            self.end_waiting(id, next_seq).await?;
            return Ok(true);
        };
        let items = self.items(&entries).await?;
        self.busy.insert(id);
        let (sender, webhook) = (self.webhooks.sender.clone(), self.webhook.clone());
        self.under_way.push(Box::pin(async move {
            let mut next_seq = next_seq;
            for item in items {
                if let Err(refused) = sender.send(&webhook, &item.delivery).await {
                    let refused = Some((item, refused));
                    return Ended::CaughtUp { conversation_id: id, next_seq, refused };
                }
                next_seq = item.seq + 1;
            }
            Ended::CaughtUp { conversation_id: id, next_seq: last + 1, refused: None }
        }));
        Ok(true)
    }

    /// The entries of a log from a place on.
    pub(super) async fn pending(
        &mut self,
        id: ConversationId,
        from: u64,
        room: Room,
    ) -> Result<Vec<TailRow>, StoreError> {
        let (key, store) = (self.conversation(id), &self.parts.store);
        let entries = store.entries(key, Page::After(from.saturating_sub(1)), 0, room).await?;
        let kind = if entries.is_empty() { LogKind::Group } else { store.log_kind(key).await? };
        let row = |entry| TailRow { position: Position(0), kind, entry };
        Ok(entries.into_iter().map(row).collect())
    }

    /// What is delivered of entries.
    pub(super) async fn items(&mut self, rows: &[TailRow]) -> Result<Vec<Item>, StoreError> {
        items(&*self.parts.store, &self.wanted, rows.iter()).await
    }

    /// Nothing is left of what a conversation has still to get. What the tail passed since it was read is looked for once more.
    async fn end_waiting(&mut self, id: ConversationId, next_seq: u64) -> Result<(), StoreError> {
        let Some(waiting) = self.waiting.get_mut(&id) else { return Ok(()) };
        if waiting.covered >= next_seq {
            waiting.row.next_at_ms = steady_ms() + AGAIN_MS;
            return Ok(());
        }
        self.parts.store.unblock(self.webhook.key, id).await?;
        self.waiting.remove(&id);
        if self.caught_up.len() >= REMEMBERED {
            // Costs repeats, which have the same ids.
            self.caught_up.clear();
        }
        self.caught_up.insert(id, next_seq);
        Ok(())
    }

    /// Something was delivered of what a conversation has still to get, or failed.
    pub(super) async fn caught_up(
        &mut self,
        id: ConversationId,
        next_seq: u64,
        refused: Option<(Item, Refused)>,
    ) {
        let Some(before) = self.waiting.get(&id).map(|it| it.row.clone()) else { return };
        if next_seq > before.next_seq {
            self.succeeded().await;
        }
        let goes_on = Blocked { next_seq, attempt: 0, next_at_ms: steady_ms(), ..before.clone() };
        let Some((item, refused)) = refused else {
            return self.go_on(id, goes_on).await;
        };
        self.failed(id, &refused).await;
        // Of another event than before it is the first attempt.
        let tried = if item.seq == before.next_seq { before.attempt } else { 0 };
        let (attempt, last_error) = (tried + 1, refused.error.clone());
        let row = match self.next_at(attempt, &refused) {
            Some(next_at_ms) => {
                let row = Blocked { next_seq: item.seq, attempt, next_at_ms, last_error, ..before };
                // Each event once, however often it is tried.
                if attempt == 1 {
                    self.undelivered(&row, item.seq, "blocked");
                }
                row
            }
            None => {
                let goes_on = Blocked { next_seq: item.seq + 1, last_error, ..goes_on };
                self.give_up(&item, &refused, &goes_on).await;
                goes_on
            }
        };
        self.go_on(id, row).await;
        if self.retries.is_receiver_failing() && !self.is_disabled {
            self.pause(refused.retry_after_ms).await;
        }
    }

    async fn go_on(&mut self, id: ConversationId, row: Blocked) {
        if let Err(error) = self.parts.store.block(self.webhook.key, &row).await {
            // After a crash some come again.
            tracing::debug!(%error, "how far a conversation of a webhook is was not kept");
        }
        if let Some(waiting) = self.waiting.get_mut(&id) {
            waiting.row = row;
        }
    }

    async fn give_up(&mut self, item: &Item, refused: &Refused, goes_on: &Blocked) {
        let key = self.webhook.key;
        tracing::error!(
            tenant = key.tenant.as_str(),
            webhook = %key.id,
            conversation_id = %item.conversation_id,
            seq = item.seq,
            error = refused.error,
            "an event is given up"
        );
        self.parts.metrics.given_up();
        self.undelivered(goes_on, item.seq, "dead");
        let dead = DeadEvent {
            conversation_id: item.conversation_id,
            seq: item.seq,
            event_type: item.r#type.as_str().to_owned(),
            error: refused.error.clone(),
            at_ms: now_ms(),
            is_replayed: false,
        };
        if let Err(error) = self.parts.store.give_up(key, &dead, goes_on).await {
            tracing::error!(%error, "what was given up is in this log alone");
        }
    }
}
