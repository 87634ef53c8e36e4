//! What follows from a failure: its conversation waits, or all do, or the webhook is disabled.

use std::collections::VecDeque;

use proto::id::ConversationId;
use serde_json::json;

use super::{Waiting, Worker};
use crate::clock::steady_ms;
use crate::domain::webhook::Blocked;
use crate::events::EventType;
use crate::store::webhooks::Health;
use crate::webhooks::Refused;

/// Conversations that may wait beside others that go on.
pub(super) const MOST_BLOCKED: usize = 1_000;

/// Between 0 and 1, another each time.
fn chance() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}

impl Worker {
    pub(super) async fn succeeded(&mut self) {
        self.parts.metrics.delivered(true);
        if self.retries.succeeded() {
            self.keep_health(None).await;
        }
        // What failed beside a success is its conversation's fault.
        self.block_held().await;
    }

    pub(super) async fn failed(&mut self, id: ConversationId, refused: &Refused) {
        self.parts.metrics.delivered(false);
        self.retries.failed(id, &refused.error, steady_ms());
        if refused.is_gone {
            self.disable("its receiver has answered 410 Gone").await;
        }
    }

    /// Whether the receiver fails is open until something else was tried, or nothing else is there.
    pub(super) async fn decide_on_held(&mut self) {
        if self.held.is_empty() || self.is_disabled {
            return;
        }
        if self.retries.is_receiver_failing() {
            let held = std::mem::take(&mut self.held);
            let wanted = held.iter().filter_map(|(_, refused)| refused.retry_after_ms).max();
            // Behind the others: the next attempt is another conversation's.
            self.ready.extend(held.into_iter().map(|(id, _)| id));
            self.pause(wanted).await;
        } else if self.ready.is_empty() && self.under_way.is_empty() {
            self.block_held().await;
        }
    }

    /// All wait for the next attempt.
    pub(super) async fn pause(&mut self, wanted_ms: Option<u64>) {
        let now = steady_ms();
        self.retries.pause(wanted_ms, chance(), now);
        let key = self.webhook.key;
        tracing::warn!(
            tenant = key.tenant.as_str(),
            webhook = %key.id,
            attempt = self.retries.attempt,
            "the receiver of a webhook fails; its events wait"
        );
        let longest = self.webhooks.settings.disable_after_secs.saturating_mul(1_000);
        let since = self.retries.failing_since_ms.unwrap_or(now);
        if now.saturating_sub(since) >= longest {
            self.disable("its receiver has taken nothing for too long").await;
        } else {
            self.keep_health(None).await;
        }
    }

    /// Those that failed wait, and what is behind them in the log with them: a row each.
    async fn block_held(&mut self) {
        let now = steady_ms();
        while let Some((id, refused)) = self.held.pop() {
            let Some(queue) = self.queues.get(&id) else { continue };
            let Some(first) = queue.front() else { continue };
            let delay = self.retries.delay(1, refused.retry_after_ms, chance());
            let row = Blocked {
                conversation_id: id,
                next_seq: first.seq,
                attempt: 1,
                next_at_ms: now + delay.unwrap_or_default(),
                last_error: refused.error.clone(),
            };
            if let Err(error) = self.parts.store.block(self.webhook.key, &row).await {
                tracing::debug!(%error, "a conversation of a webhook is not put aside yet");
                self.held.push((id, refused));
                return;
            }
            self.undelivered(&row, row.next_seq, "blocked");
            self.wait(id, row);
        }
        if self.waiting.len() > MOST_BLOCKED {
            self.disable("more than 1,000 conversations wait").await;
        }
    }

    /// Tells other systems that an event of a conversation was not taken.
    pub(super) fn undelivered(&self, row: &Blocked, seq: u64, state: &str) {
        let key = self.webhook.key;
        self.webhooks.moments.tell(EventType::DeliveryFailed.as_str(), key.tenant, || {
            json!({
                "way": "webhook",
                "state": state,
                "conversation_id": row.conversation_id,
                "seq": seq,
                "webhook": key.id,
                "reason": row.last_error,
            })
        });
    }

    /// The row is written: what is in the queue is held by it.
    fn wait(&mut self, id: ConversationId, row: Blocked) {
        let queue: VecDeque<_> = self.queues.remove(&id).unwrap_or_default();
        let covered = queue.back().map_or(0, |last| last.seq);
        for item in &queue {
            self.done(item);
        }
        self.caught_up.remove(&id);
        self.waiting.insert(id, Waiting { row, covered });
    }

    pub(super) async fn disable(&mut self, reason: &str) {
        self.is_disabled = true;
        let key = self.webhook.key;
        let tenant = key.tenant.as_str();
        tracing::error!(tenant, webhook = %key.id, reason, "a webhook is disabled");
        self.keep_health(Some(reason)).await;
        let moments = &self.webhooks.moments;
        moments.tell(
            EventType::WebhookDisabled.as_str(),
            key.tenant,
            || json!({ "webhook": key.id, "reason": reason }),
        );
        moments.tell(
            EventType::SystemError.as_str(),
            key.tenant,
            || json!({ "code": "webhook_disabled", "webhook": key.id, "text": reason }),
        );
    }

    async fn keep_health(&mut self, disabled: Option<&str>) {
        let health = Health {
            attempt: self.retries.attempt,
            next_at_ms: self.retries.next_at_ms,
            failing_since_ms: self.retries.failing_since_ms,
            last_errors: &self.retries.last_errors,
            disabled,
        };
        if let Err(error) = self.parts.store.keep_health(self.webhook.key, &health).await {
            tracing::debug!(%error, "how a webhook is was not kept");
        }
    }

    /// When something of a conversation is tried again after so many attempts.
    pub(super) fn next_at(&self, attempt: u32, refused: &Refused) -> Option<u64> {
        let delay = self.retries.delay(attempt, refused.retry_after_ms, chance());
        delay.map(|delay| steady_ms() + delay)
    }
}
