//! Which events an operator wants a webhook to get once more: what was given up, or what happened in a conversation or a time.

use proto::chat::{ReplayWebhookReply, ReplayWebhookRequest};
use proto::id::{ConversationId, ConversationKey};
use tonic::Status;

use super::WebhookDesk;
use crate::clock::now_ms;
use crate::domain::entry::StoredEntry;
use crate::domain::webhook::{Blocked, Webhook};
use crate::followers::webhooks::replayed;
use crate::queries::errors::failed;
use crate::queries::request::conversation_id;
use crate::store::deliveries::Replayed;
use crate::store::tail::{LogKind, Position, TailRow};
use crate::store::{Page, Room};

/// Events that are wanted once more by one request.
const MOST: u64 = 10_000;
/// Events of a webhook that may wait for it.
const MOST_WAITING: u64 = 100_000;
/// Entries of the tail that one request looks at.
const LOOKED_AT: usize = 50_000;
const PAGE_ENTRIES: u32 = 3_000;
/// What is read of a conversation at a time.
const ROOM: Room = Room { entries: 500, bytes: 4 << 20 };
const ONE: Room = Room { entries: 1, bytes: 0 };
/// The tail is in the order of commits, and entries have the time of the process that wrote them.
const SKEW_MS: u64 = 60_000;

/// A time, both ends with it.
#[derive(Debug, Clone, Copy)]
struct Span {
    from_ms: u64,
    to_ms: u64,
}

impl WebhookDesk {
    /// Notes what is to be delivered once more.
    pub(super) async fn replay(
        &self,
        webhook: &Webhook,
        request: &ReplayWebhookRequest,
    ) -> Result<ReplayWebhookReply, Status> {
        let store = &self.parts.store;
        let conversation = if request.conversation_id.is_empty() {
            None
        } else {
            Some(conversation_id(&request.conversation_id)?)
        };
        let has_seq = request.from_seq > 0 || request.to_seq > 0;
        let has_time = request.from_time_ms > 0 || request.to_time_ms > 0;
        if !has_seq && !has_time {
            let dead = store.replay_dead(webhook.key, conversation, now_ms()).await;
            return Ok(ReplayWebhookReply { dead: dead.map_err(failed)?, ..Default::default() });
        }
        if store.count_dead(webhook.key).await.map_err(failed)? > MOST_WAITING {
            let text = "more than 100,000 events wait or were given up: replay or skip those first";
            return Err(Status::failed_precondition(text));
        }
        match conversation {
            Some(id) => self.of_conversation(webhook, id, request).await,
            None if has_seq => Err(Status::invalid_argument(
                "from_seq and to_seq are places in a conversation: name its conversation_id",
            )),
            None => {
                let to_ms = if request.to_time_ms > 0 { request.to_time_ms } else { now_ms() };
                self.of_all(webhook, Span { from_ms: request.from_time_ms, to_ms }).await
            }
        }
    }

    /// Of one conversation: from a place on, or between two.
    async fn of_conversation(
        &self,
        webhook: &Webhook,
        id: ConversationId,
        request: &ReplayWebhookRequest,
    ) -> Result<ReplayWebhookReply, Status> {
        let key = ConversationKey::new(webhook.key.tenant, id);
        let newest = self.parts.store.entries(key, Page::Before(u64::MAX), 0, ONE).await;
        let Some(head) = newest.map_err(failed)?.last().map(|last| last.entry.seq) else {
            return Err(Status::not_found("nothing is stored of this conversation"));
        };
        let mut from = request.from_seq.max(1);
        if request.from_time_ms > 0 {
            from = from.max(self.first_at(key, head, request.from_time_ms).await?);
        }
        let mut to = (request.to_seq > 0).then_some(request.to_seq.min(head));
        if request.to_time_ms > 0 {
            let behind = self.first_at(key, head, request.to_time_ms.saturating_add(1)).await?;
            to = Some(to.unwrap_or(head).min(behind - 1));
        }
        let Some(to) = to else {
            let row = Blocked {
                conversation_id: id,
                next_seq: from.min(i64::MAX as u64),
                attempt: 0,
                next_at_ms: 0,
                last_error: "replayed".to_owned(),
            };
            self.parts.store.block(webhook.key, &row).await.map_err(failed)?;
            return Ok(ReplayWebhookReply::default());
        };
        if to.saturating_sub(from) >= MOST {
            let text = format!("at most {MOST} events at once: ask for a smaller range");
            return Err(Status::invalid_argument(text));
        }
        let events = self.between(webhook, key, from, to).await?;
        self.keep(webhook, &events).await?;
        Ok(ReplayWebhookReply { events: events.len() as u64, ..Default::default() })
    }

    /// The events of a conversation that the webhook gets, both ends with them.
    async fn between(
        &self,
        webhook: &Webhook,
        key: ConversationKey,
        from: u64,
        to: u64,
    ) -> Result<Vec<Replayed>, Status> {
        let store = &self.parts.store;
        let kind = store.log_kind(key).await.map_err(failed)?;
        let (mut events, mut after) = (Vec::new(), from - 1);
        while after < to {
            let found = store.entries(key, Page::After(after), 0, ROOM).await.map_err(failed)?;
            let Some(last) = found.last().map(|last| last.entry.seq) else { break };
            after = last;
            let found = found.into_iter().filter(|entry| entry.entry.seq <= to);
            let rows: Vec<_> = found.map(|entry| row(kind, entry)).collect();
            events.extend(replayed(&**store, webhook, &rows).await.map_err(failed)?);
        }
        Ok(events)
    }

    /// The first entry of a conversation that was written at a time or later; behind the head when there is none.
    async fn first_at(&self, key: ConversationKey, head: u64, at_ms: u64) -> Result<u64, Status> {
        let (mut before, mut first) = (0, head + 1);
        while first - before > 1 {
            let middle = before + (first - before) / 2;
            let found = self.parts.store.entries(key, Page::After(middle - 1), 0, ONE).await;
            let is_before = found
                .map_err(failed)?
                .first()
                .is_some_and(|found| found.entry.created_at_ms < at_ms);
            if is_before { before = middle } else { first = middle }
        }
        Ok(first)
    }

    /// Of all conversations of the tenant, as far as the tail is kept.
    async fn of_all(&self, webhook: &Webhook, span: Span) -> Result<ReplayWebhookReply, Status> {
        let store = &self.parts.store;
        if !store.is_ready().await.map_err(failed)? {
            return Err(Status::unavailable("the index of the tail is still being built"));
        }
        let (mut next, mut looked_at) = (self.position_before(span.from_ms).await?, 0);
        let mut reply = ReplayWebhookReply::default();
        loop {
            let page = store.tail(next, PAGE_ENTRIES).await.map_err(failed)?;
            let Some(newest_ms) = page.rows.last().map(|last| last.entry.entry.created_at_ms)
            else {
                return Ok(reply);
            };
            looked_at += page.rows.len();
            let rows: Vec<TailRow> = page.rows.into_iter().filter(|row| span.has(row)).collect();
            let events = replayed(&**store, webhook, &rows).await.map_err(failed)?;
            self.keep(webhook, &events).await?;
            reply.events += events.len() as u64;
            next = page.next;
            if newest_ms > span.to_ms.saturating_add(SKEW_MS) {
                return Ok(reply);
            }
            if reply.events >= MOST || looked_at >= LOOKED_AT {
                // What is looked at twice then is delivered once more, with the same ids.
                reply.next_from_ms = newest_ms.saturating_sub(SKEW_MS).max(span.from_ms + 1);
                return Ok(reply);
            }
        }
    }

    /// A place in the tail before all that was written at a time or later.
    async fn position_before(&self, at_ms: u64) -> Result<Position, Status> {
        let store = &self.parts.store;
        let mut before = store.kept_from().await.map_err(failed)?.0;
        let mut behind = store.horizon().await.map_err(failed)?.position.0.max(before);
        let earliest_ms = at_ms.saturating_sub(SKEW_MS);
        while behind - before > 1 {
            let middle = before + (behind - before) / 2;
            let page = store.tail(Position(middle), 1).await.map_err(failed)?;
            let first = page.rows.first();
            if first.is_some_and(|row| row.entry.entry.created_at_ms < earliest_ms) {
                before = middle;
            } else {
                behind = middle;
            }
        }
        Ok(Position(before))
    }

    async fn keep(&self, webhook: &Webhook, events: &[Replayed]) -> Result<(), Status> {
        self.parts.store.replay_events(webhook.key, events, now_ms()).await.map_err(failed)
    }
}

impl Span {
    fn has(self, row: &TailRow) -> bool {
        (self.from_ms..=self.to_ms).contains(&row.entry.entry.created_at_ms)
    }
}

fn row(kind: LogKind, entry: StoredEntry) -> TailRow {
    TailRow { position: Position(0), kind, entry }
}
