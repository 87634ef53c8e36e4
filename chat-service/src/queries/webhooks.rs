//! Webhooks, for operators of a tenant: made, shown, changed, tried, replayed. Who delivers finds out by the version.

mod replay;

use proto::chat::webhooks_server::Webhooks;
use proto::chat::{
    BlockedConversation, ChangeWebhookRequest, CreateWebhookRequest, DeadEvent as DeadProto,
    ListDeadEventsReply, ListWebhooksReply, ListWebhooksRequest, ReplayWebhookReply,
    ReplayWebhookRequest, SkipBlockedRequest, TestWebhookReply, Webhook as WebhookProto,
    WebhookDone, WebhookRequest, WebhookWithSecret,
};
use serde_json::Value;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::errors::failed;
use super::request::{conversation_id, tenant, user};
use crate::clock::now_ms;
use crate::domain::webhook::{
    Blocked, SigningSecret, Subscription, Webhook, WebhookKey, WebhookState,
};
use crate::events::{EventType, Patterns};
use crate::followers::FollowerParts;
use crate::followers::webhooks::{WebhookParts, send_test};
use crate::store::tail::FollowerView;
use crate::webhooks::new_secret;

/// How long the secret before signs beside a new one.
const BOTH_SIGN_MS: u64 = 24 * 3_600 * 1_000;
/// Secrets that sign at once.
const SECRETS: usize = 5;
/// Conversations that wait, and events that were given up, of one answer.
const SHOWN: u32 = 100;
/// Largest configuration, in bytes.
const CONFIG_BYTES: usize = 16 << 10;
/// How often a change that collides with another one is made.
const TRIES: u32 = 3;

pub(crate) struct WebhookDesk {
    parts: FollowerParts,
    webhooks: WebhookParts,
}

impl WebhookDesk {
    pub(crate) fn new(parts: FollowerParts, webhooks: WebhookParts) -> Self {
        Self { parts, webhooks }
    }

    async fn found(&self, key: WebhookKey) -> Result<Webhook, Status> {
        let found = self.parts.store.webhook(key).await.map_err(failed)?;
        found.ok_or_else(|| Status::not_found("there is no webhook with this id"))
    }

    fn checked(&self, config: &Subscription) -> Result<(), Status> {
        let invalid = |text: String| Status::invalid_argument(text);
        config.check().map_err(invalid)?;
        let types = Patterns::new(config.types.clone());
        let types = types.map_err(|error| invalid(format!("types: {error}")))?;
        let is_told = |it: &EventType| self.webhooks.moments.wants(it.as_str());
        if let Some(untold) = types.moments().find(|it| !is_told(it)) {
            let name = untold.as_str();
            let text =
                format!("types: `{name}` is told only where `events.types` of the server names it");
            return Err(invalid(text));
        }
        let url = self.webhooks.sender.check(&config.url);
        url.map_err(|error| {
            let listed = "list the host in webhooks.insecure_hosts if it is meant";
            invalid(format!("url: {error}; {listed}"))
        })?;
        Ok(())
    }

    /// Changes a webhook as it is now.
    async fn change(
        &self,
        key: WebhookKey,
        change: impl Fn(&mut Webhook) -> Result<(), Status>,
    ) -> Result<Webhook, Status> {
        for _ in 0..TRIES {
            let mut webhook = self.found(key).await?;
            change(&mut webhook)?;
            if self.parts.store.change_webhook(&webhook, now_ms()).await.map_err(failed)? {
                return Ok(webhook);
            }
        }
        Err(Status::unavailable("somebody else changes this webhook; try again"))
    }

    /// The task that delivers reads anew what is pending.
    async fn touched(&self, key: WebhookKey) -> Result<(), Status> {
        self.change(key, |_| Ok(())).await.map(|_| ())
    }

    /// Its cursor is there from now on.
    async fn begin(&self, key: WebhookKey) -> Result<(), Status> {
        crate::followers::place(&*self.parts.store, &key.follower()).await.map_err(failed)
    }

    async fn shown(
        &self,
        webhook: Webhook,
        views: &[FollowerView],
    ) -> Result<WebhookProto, Status> {
        let store = &self.parts.store;
        let name = webhook.key.follower();
        let view = views.iter().find(|view| view.name == name);
        let blocked = store.blocked(webhook.key, SHOWN).await.map_err(failed)?;
        Ok(WebhookProto {
            id: webhook.key.id.as_bytes().to_vec().into(),
            // Cannot fail: it was JSON.
            config: serde_json::to_string(&webhook.config).unwrap_or_default(),
            state: webhook.state.as_str().to_owned(),
            reason: webhook.reason,
            position: view.map_or(0, |view| view.position.0),
            lag_ms: view.map_or(0, |view| view.lag.as_millis() as u64),
            attempt: webhook.attempt,
            next_at_ms: webhook.next_at_ms,
            failing_since_ms: webhook.failing_since_ms.unwrap_or_default(),
            blocked: blocked.into_iter().map(waiting).collect(),
            dead: store.count_dead(webhook.key).await.map_err(failed)?,
            last_errors: serde_json::to_string(&webhook.last_errors).unwrap_or_default(),
            created_by: webhook.created_by,
            created_at_ms: webhook.created_at_ms,
        })
    }

    async fn shown_alone(&self, key: WebhookKey) -> Result<WebhookProto, Status> {
        let views = self.parts.store.followers().await.map_err(failed)?;
        self.shown(self.found(key).await?, &views).await
    }
}

#[tonic::async_trait]
impl Webhooks for WebhookDesk {
    async fn create_webhook(
        &self,
        request: Request<CreateWebhookRequest>,
    ) -> Result<Response<WebhookWithSecret>, Status> {
        let request = request.into_inner();
        let by = user(&request.user_id)?;
        let config: Subscription = parsed(&request.config)?;
        self.checked(&config)?;
        let secret = new_secret();
        let webhook = Webhook {
            key: WebhookKey { tenant: by.tenant(), id: Uuid::now_v7() },
            config,
            secrets: vec![SigningSecret { text: secret.clone(), until_ms: None }],
            state: WebhookState::Enabled,
            reason: String::new(),
            attempt: 0,
            next_at_ms: 0,
            failing_since_ms: None,
            last_errors: Vec::new(),
            version: 1,
            created_by: by.name_str().to_owned(),
            created_at_ms: now_ms(),
        };
        self.begin(webhook.key).await?;
        let most = self.webhooks.settings.per_tenant;
        if !self.parts.store.create_webhook(&webhook, most).await.map_err(failed)? {
            self.parts.store.forget_follower(&webhook.key.follower()).await.map_err(failed)?;
            let text = format!("a tenant may have {most} webhooks: remove one");
            return Err(Status::failed_precondition(text));
        }
        let webhook = self.shown_alone(webhook.key).await?;
        Ok(Response::new(WebhookWithSecret { webhook: Some(webhook), secret }))
    }

    async fn list_webhooks(
        &self,
        request: Request<ListWebhooksRequest>,
    ) -> Result<Response<ListWebhooksReply>, Status> {
        let tenant = tenant(&request.into_inner().tenant)?;
        let views = self.parts.store.followers().await.map_err(failed)?;
        let mut webhooks = Vec::new();
        for webhook in self.parts.store.webhooks(tenant).await.map_err(failed)? {
            webhooks.push(self.shown(webhook, &views).await?);
        }
        Ok(Response::new(ListWebhooksReply { webhooks }))
    }

    async fn get_webhook(
        &self,
        request: Request<WebhookRequest>,
    ) -> Result<Response<WebhookProto>, Status> {
        self.shown_alone(key(&request.into_inner())?).await.map(Response::new)
    }

    async fn change_webhook(
        &self,
        request: Request<ChangeWebhookRequest>,
    ) -> Result<Response<WebhookProto>, Status> {
        let request = request.into_inner();
        let key = keyed(&request.tenant, &request.id)?;
        let change: serde_json::Map<String, Value> = parsed(&request.change)?;
        if request.from_now && request.is_enabled != Some(true) {
            return Err(Status::invalid_argument(
                "from: only together with `\"state\":\"enabled\"`",
            ));
        }
        let changed = self
            .change(key, |webhook| {
                webhook.config = merged(&webhook.config, &change)?;
                self.checked(&webhook.config)?;
                if let Some(is_enabled) = request.is_enabled {
                    enable(webhook, is_enabled);
                }
                Ok(())
            })
            .await?;
        if request.from_now {
            for blocked in self.parts.store.blocked(changed.key, 2_000).await.map_err(failed)? {
                let id = blocked.conversation_id;
                self.parts.store.unblock(changed.key, id).await.map_err(failed)?;
            }
            self.parts.store.forget_follower(&key.follower()).await.map_err(failed)?;
        }
        // A cursor that was given up meanwhile is there again.
        self.begin(key).await?;
        self.shown_alone(key).await.map(Response::new)
    }

    async fn remove_webhook(
        &self,
        request: Request<WebhookRequest>,
    ) -> Result<Response<WebhookDone>, Status> {
        let key = key(&request.into_inner())?;
        if !self.parts.store.remove_webhook(key).await.map_err(failed)? {
            return Err(Status::not_found("there is no webhook with this id"));
        }
        Ok(Response::new(WebhookDone {}))
    }

    async fn rotate_webhook(
        &self,
        request: Request<WebhookRequest>,
    ) -> Result<Response<WebhookWithSecret>, Status> {
        let key = key(&request.into_inner())?;
        let secret = new_secret();
        self.change(key, |webhook| {
            let until = now_ms() + BOTH_SIGN_MS;
            for before in &mut webhook.secrets {
                before.until_ms = Some(before.until_ms.map_or(until, |it| it.min(until)));
            }
            webhook.secrets.insert(0, SigningSecret { text: secret.clone(), until_ms: None });
            webhook.secrets.truncate(SECRETS);
            Ok(())
        })
        .await?;
        let webhook = self.shown_alone(key).await?;
        Ok(Response::new(WebhookWithSecret { webhook: Some(webhook), secret }))
    }

    async fn test_webhook(
        &self,
        request: Request<WebhookRequest>,
    ) -> Result<Response<TestWebhookReply>, Status> {
        let mut webhook = self.found(key(&request.into_inner())?).await?;
        // The question itself has a deadline.
        webhook.config.timeout_ms = webhook.config.timeout_ms.min(5_000);
        let (took_ms, result) = send_test(&self.webhooks.sender, &webhook).await;
        let error = result.err().map(|refused| refused.error);
        Ok(Response::new(TestWebhookReply {
            is_taken: error.is_none(),
            error: error.unwrap_or_default(),
            took_ms,
        }))
    }

    async fn list_dead_events(
        &self,
        request: Request<WebhookRequest>,
    ) -> Result<Response<ListDeadEventsReply>, Status> {
        let key = key(&request.into_inner())?;
        self.found(key).await?;
        let dead = self.parts.store.dead_events(key, SHOWN).await.map_err(failed)?;
        let events = dead.into_iter().map(|dead| DeadProto {
            conversation_id: dead.conversation_id.to_bytes(),
            seq: dead.seq,
            event_type: dead.event_type,
            error: dead.error,
            at_ms: dead.at_ms,
            is_replayed: dead.is_replayed,
        });
        Ok(Response::new(ListDeadEventsReply { events: events.collect() }))
    }

    async fn replay_webhook(
        &self,
        request: Request<ReplayWebhookRequest>,
    ) -> Result<Response<ReplayWebhookReply>, Status> {
        let request = request.into_inner();
        let key = keyed(&request.tenant, &request.id)?;
        let webhook = self.found(key).await?;
        let reply = self.replay(&webhook, &request).await?;
        self.touched(key).await?;
        Ok(Response::new(reply))
    }

    async fn skip_blocked(
        &self,
        request: Request<SkipBlockedRequest>,
    ) -> Result<Response<WebhookDone>, Status> {
        let request = request.into_inner();
        let key = keyed(&request.tenant, &request.id)?;
        let id = conversation_id(&request.conversation_id)?;
        self.found(key).await?;
        let blocked = self.parts.store.blocked(key, 2_000).await.map_err(failed)?;
        let Some(row) = blocked.into_iter().find(|row| row.conversation_id == id) else {
            return Err(Status::not_found("this conversation does not wait"));
        };
        let row = Blocked { next_seq: row.next_seq + 1, attempt: 0, next_at_ms: 0, ..row };
        self.parts.store.block(key, &row).await.map_err(failed)?;
        self.touched(key).await?;
        Ok(Response::new(WebhookDone {}))
    }
}

fn enable(webhook: &mut Webhook, is_enabled: bool) {
    if is_enabled {
        webhook.state = WebhookState::Enabled;
        webhook.reason = String::new();
        // It is tried at once.
        (webhook.attempt, webhook.next_at_ms, webhook.failing_since_ms) = (0, 0, None);
    } else {
        webhook.state = WebhookState::Disabled;
        "by an operator".clone_into(&mut webhook.reason);
    }
}

/// The configuration with the fields that change.
fn merged(
    config: &Subscription,
    change: &serde_json::Map<String, Value>,
) -> Result<Subscription, Status> {
    // Cannot fail: it was JSON.
    let mut merged = serde_json::to_value(config).unwrap_or_default();
    if let Some(fields) = merged.as_object_mut() {
        fields.extend(change.clone());
    }
    serde_json::from_value(merged).map_err(|error| Status::invalid_argument(error.to_string()))
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Status> {
    if text.len() > CONFIG_BYTES {
        return Err(Status::invalid_argument("the configuration is larger than 16 KiB"));
    }
    serde_json::from_str(text).map_err(|error| Status::invalid_argument(error.to_string()))
}

fn key(request: &WebhookRequest) -> Result<WebhookKey, Status> {
    keyed(&request.tenant, &request.id)
}

fn keyed(tenant_field: &str, id: &[u8]) -> Result<WebhookKey, Status> {
    let id = Uuid::from_slice(id);
    let id = id.map_err(|_| Status::invalid_argument("the id of a webhook is a UUID"))?;
    Ok(WebhookKey { tenant: tenant(tenant_field)?, id })
}

fn waiting(row: Blocked) -> BlockedConversation {
    BlockedConversation {
        conversation_id: row.conversation_id.to_bytes(),
        next_seq: row.next_seq,
        attempt: row.attempt,
        next_at_ms: row.next_at_ms,
        last_error: row.last_error,
    }
}
