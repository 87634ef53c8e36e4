//! The JSON shapes of webhooks. The chat service checks their values.

use proto::chat::{
    ListDeadEventsReply, ReplayWebhookReply, TestWebhookReply, Webhook as WebhookProto,
    WebhookWithSecret,
};
use proto::id::UserName;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::rest::error::ApiError;
use crate::rest::shapes::raw;
use proto::error_code::ErrorCode;

/// A webhook to be made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct NewWebhook {
    /// Where events are posted to: `https`, and a public address unless the server's configuration lists the host.
    url: String,
    /// For people.
    #[serde(default)]
    description: String,
    /// Types of events: in full, by their beginning (`chat.message.*`), or `*` for all.
    types: Vec<String>,
    /// Which of them.
    #[serde(default)]
    filter: Filter,
    /// `conversation`: events of a conversation come one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ordering: Option<String>,
    /// `full`, or `thin` for events without their entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    /// How long the receiver may take to answer, in milliseconds: 100 to 15,000; 10,000 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    /// Requests under way at once: 1 to 32; 8 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_in_flight: Option<u16>,
}

impl NewWebhook {
    /// What is told of the address: a path may hold a secret.
    pub(super) fn host(&self) -> String {
        let uri: Option<axum::http::Uri> = self.url.parse().ok();
        uri.and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default()
    }
}

/// Which events of its types a webhook gets; all, where nothing is said.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(in super::super) struct Filter {
    /// `direct`, `group`, `channel`, `notices`.
    conversation_kinds: Vec<String>,
    /// Of these conversations alone.
    conversations: Vec<Uuid>,
    /// Of conversations that one of these users is a member of, and what is by or about them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<crate::rest::words::UserName>, max_items = 100)]
    members: Vec<UserName>,
    /// `all`, `people`, `bots`.
    #[serde(skip_serializing_if = "Option::is_none")]
    senders: Option<String>,
}

/// What changes of a webhook.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct ChangedWebhook {
    /// See the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// See the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// See the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    types: Option<Vec<String>>,
    /// See the webhook; replaces the whole filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<Filter>,
    /// See the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    /// See the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    /// See the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_in_flight: Option<u16>,
    /// `enabled` or `disabled`. Enabled again, it goes on where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    /// `now`, with `"state": "enabled"`: what happened meanwhile is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

impl ChangedWebhook {
    /// The fields of the configuration as JSON, whether it is enabled, and from when on.
    pub(super) fn parts(mut self) -> Result<(String, Option<bool>, bool), ApiError> {
        let is_enabled = match self.state.take().as_deref() {
            None => None,
            Some("enabled") => Some(true),
            Some("disabled") => Some(false),
            Some(_) => return Err(ApiError::invalid("`state` is `enabled` or `disabled`")),
        };
        let from_now = match self.from.take().as_deref() {
            None => false,
            Some("now") => true,
            Some(_) => return Err(ApiError::invalid("`from` is `now`, or absent")),
        };
        Ok((serde_json::to_string(&self).unwrap_or_default(), is_enabled, from_now))
    }
}

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Webhook {
    id: Uuid,
    /// As it was made or changed.
    #[schema(value_type = NewWebhook)]
    config: Box<RawValue>,
    /// `enabled` or `disabled`.
    state: String,
    /// Why it is disabled; empty when it is not.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    /// All up to here was delivered, or is held for a conversation that waits.
    position: u64,
    /// Age of the oldest entry that it has not passed, in milliseconds.
    lag_ms: u64,
    /// How often in a row its receiver failed as a whole.
    attempt: u32,
    /// When the receiver is tried again, in Unix milliseconds; absent when it does not fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<u64>,
    /// Since when nothing was taken, in Unix milliseconds; absent when it does not fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<u64>,
    /// Conversations that wait while others go on, the first 100 by their next attempt.
    blocked: Vec<BlockedConversation>,
    /// How many events were given up.
    dead: u64,
    /// The last ten, the newest first: `[{"at": …, "error": "…"}]`.
    #[schema(value_type = Vec<Object>)]
    last_errors: Box<RawValue>,
    /// The user who made it.
    created_by: String,
    /// Unix milliseconds.
    created_at: u64,
}

/// A conversation that waits.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct BlockedConversation {
    conversation_id: Uuid,
    /// The first event that it has still to get.
    from_seq: u64,
    /// How often that was tried.
    attempt: u32,
    /// In Unix milliseconds.
    next_attempt_at: u64,
    last_error: String,
}

/// A webhook with a new secret.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct WebhookSecret {
    webhook: Webhook,
    /// Shown this once. Deliveries are signed with it, as Standard Webhooks says.
    secret: String,
}

/// All of a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct WebhookList {
    pub(super) webhooks: Vec<Webhook>,
}

/// How a test ended.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct TestResult {
    /// The receiver has answered with 2xx.
    is_taken: bool,
    /// Why not.
    #[serde(skip_serializing_if = "String::is_empty")]
    error: String,
    /// How long it took, in milliseconds.
    took_ms: u64,
}

/// Events that were given up.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct DeadEventList {
    events: Vec<DeadEvent>,
}

/// An event that was given up.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct DeadEvent {
    conversation_id: Uuid,
    seq: u64,
    r#type: String,
    /// Of the last attempt.
    error: String,
    /// When it was given up, in Unix milliseconds.
    at: u64,
    /// It is being tried again.
    is_replayed: bool,
}

/// What is to be delivered once more.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Replay {
    /// Of this conversation; needed with `from_seq` and `to_seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) conversation_id: Option<Uuid>,
    /// Events of the conversation from this sequence on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from_seq: Option<u64>,
    /// Up to this one; at most 10,000 events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) to_seq: Option<u64>,
    /// What was written since then, in Unix milliseconds: of the conversation, or of all. With neither a sequence nor a time:
    /// events that were given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from_time: Option<u64>,
    /// Until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) to_time: Option<u64>,
    /// `dead`: what is meant without a sequence and a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    only: Option<ReplayOnly>,
}

impl Replay {
    /// Whether its parts say one thing.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let range = [self.from_seq, self.to_seq, self.from_time, self.to_time];
        if self.only.is_some() && range.iter().any(Option::is_some) {
            return Err(ApiError::invalid("`only` goes with neither a sequence nor a time"));
        }
        if range.contains(&Some(0)) {
            return Err(ApiError::invalid("sequences and times begin with 1"));
        }
        let is_turned =
            |from: Option<u64>, to: Option<u64>| from.zip(to).is_some_and(|(from, to)| from > to);
        if is_turned(self.from_seq, self.to_seq) || is_turned(self.from_time, self.to_time) {
            return Err(ApiError::invalid("the end of a range is not before its beginning"));
        }
        Ok(())
    }
}

/// What alone is delivered.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum ReplayOnly {
    /// Events that were given up.
    Dead,
}

/// What is delivered once more.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Replayed {
    /// How many events that were given up.
    dead: u64,
    /// How many others; of a conversation from a place on, all that there are.
    events: u64,
    /// Not all of the time was looked at: ask again with this as `from_time`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_from_time: Option<u64>,
}

impl From<ReplayWebhookReply> for Replayed {
    fn from(reply: ReplayWebhookReply) -> Self {
        let next = reply.next_from_ms;
        Self { dead: reply.dead, events: reply.events, next_from_time: (next > 0).then_some(next) }
    }
}

/// Which conversation goes on without the event at which it waits.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Skip {
    pub(super) conversation_id: Uuid,
}

/// What a service says that is no webhook is a fault of the server.
fn fault() -> ApiError {
    ApiError::new(ErrorCode::Internal, "a webhook could not be shown")
}

pub(super) fn shown(webhook: WebhookProto) -> Result<Webhook, ApiError> {
    let blocked = webhook.blocked.into_iter().map(|it| BlockedConversation {
        conversation_id: Uuid::from_slice(&it.conversation_id).unwrap_or_default(),
        from_seq: it.next_seq,
        attempt: it.attempt,
        next_attempt_at: it.next_at_ms,
        last_error: it.last_error,
    });
    let some = |ms: u64| (ms > 0).then_some(ms);
    Ok(Webhook {
        id: Uuid::from_slice(&webhook.id).map_err(|_| fault())?,
        config: raw(webhook.config.as_bytes()).ok_or_else(fault)?,
        state: webhook.state,
        reason: webhook.reason,
        position: webhook.position,
        lag_ms: webhook.lag_ms,
        attempt: webhook.attempt,
        next_attempt_at: some(webhook.next_at_ms),
        failing_since: some(webhook.failing_since_ms),
        blocked: blocked.collect(),
        dead: webhook.dead,
        last_errors: raw(webhook.last_errors.as_bytes()).ok_or_else(fault)?,
        created_by: webhook.created_by,
        created_at: webhook.created_at_ms,
    })
}

pub(super) fn with_secret(made: WebhookWithSecret) -> Result<WebhookSecret, ApiError> {
    let webhook = shown(made.webhook.ok_or_else(fault)?)?;
    Ok(WebhookSecret { webhook, secret: made.secret })
}

impl From<TestWebhookReply> for TestResult {
    fn from(reply: TestWebhookReply) -> Self {
        Self { is_taken: reply.is_taken, error: reply.error, took_ms: reply.took_ms }
    }
}

impl From<ListDeadEventsReply> for DeadEventList {
    fn from(reply: ListDeadEventsReply) -> Self {
        let events = reply.events.into_iter().map(|it| DeadEvent {
            conversation_id: Uuid::from_slice(&it.conversation_id).unwrap_or_default(),
            seq: it.seq,
            r#type: it.event_type,
            error: it.error,
            at: it.at_ms,
            is_replayed: it.is_replayed,
        });
        Self { events: events.collect() }
    }
}
