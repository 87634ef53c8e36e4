//! A receiver of the operator's own, in the form of Standard Webhooks: id, time and body are signed.

use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};
use platform::outgoing_http::{HttpVersion, OutgoingHttp};
use serde_json::json;

use crate::config::{Asking, ProviderError, PushWebhookConfig, base_url, secret};
use crate::jwt::now_secs;
use crate::note::{PAYLOAD_BYTES, fitting};
use crate::outcome::short;
use crate::{BadToken, Note, NoteKind, Outcome, Provider, PushJob, PushProvider};

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// The least and the most that a secret has, in bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Longest token: whatever the receiver knows the device by.
const TOKEN_BYTES: usize = 1_024;

/// The provider.
pub struct Webhook {
    url: String,
    key: hmac::Key,
    http: OutgoingHttp,
    in_flight: usize,
}

/// The key of the secret, below `push`.
const KEY: &str = "webhook.secret";

impl Webhook {
    /// The provider of a configuration; none without a URL.
    pub(crate) fn prepare(
        config: &PushWebhookConfig,
        asking: &Asking<'_>,
    ) -> Result<Option<Self>, ProviderError> {
        if config.url.is_empty() {
            return Ok(None);
        }
        let reason = "it is needed with a URL: whsec_ and 24 to 64 bytes in Base64";
        let odd = || ProviderError::Value { key: KEY, reason };
        let file = config.secret_file.as_deref();
        let secret = secret(KEY, &config.secret, file)?.ok_or_else(odd)?;
        let bytes = secret.expose().strip_prefix(PREFIX).and_then(|it| STANDARD.decode(it).ok());
        let bytes = bytes.filter(|it| SECRET_BYTES.contains(&it.len())).ok_or_else(odd)?;
        Ok(Some(Self {
            url: base_url("webhook.url", &config.url)?,
            key: hmac::Key::new(hmac::HMAC_SHA256, &bytes),
            http: asking.configured(HttpVersion::Any)?,
            in_flight: asking.in_flight,
        }))
    }

    async fn send_one(&self, job: &PushJob) -> Outcome {
        let now = now_secs();
        // The same in every attempt, so that the receiver knows a repeat.
        let id = format!("push_{}", job.id.simple());
        let body = fitting(&job.note, PAYLOAD_BYTES, |note| body(job, note, now));
        let said = [format!("{id}.{now}.").as_bytes(), &body].concat();
        let signature = format!("v1,{}", STANDARD.encode(hmac::sign(&self.key, &said)));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in [
            ("webhook-id", &id),
            ("webhook-timestamp", &now.to_string()),
            ("webhook-signature", &signature),
        ] {
            let Ok(value) = HeaderValue::from_str(value) else {
                return Outcome::Refused("a header of the push cannot be written".to_owned());
            };
            headers.insert(HeaderName::from_static(name), value);
        }
        let answer = match self.http.post(&self.url, headers, body).await {
            Ok(answer) => answer,
            Err(error) => return Outcome::of_failure(&error),
        };
        match answer.status {
            status if status.is_success() => Outcome::Sent(id),
            StatusCode::GONE => Outcome::Gone { since_ms: None },
            _ => Outcome::of_status(&answer, &short(&String::from_utf8_lossy(&answer.body))),
        }
    }
}

fn body(job: &PushJob, note: &Note, now_secs: u64) -> Vec<u8> {
    let target = &job.target;
    let kind = match note.kind {
        NoteKind::Message => "push.message",
        NoteKind::Clear => "push.clear",
    };
    let mut data = note.data();
    data.remove("type");
    for (name, value) in [
        ("tenant", &target.tenant),
        ("user_id", &target.user),
        ("device_id", &target.device),
        ("token", &target.token),
        ("app", &target.app),
        ("locale", &target.locale),
    ] {
        if !value.is_empty() {
            data.insert(name.to_owned(), value.as_str().into());
        }
    }
    let body = json!({ "type": kind, "timestamp": now_secs, "data": data });
    serde_json::to_vec(&body).unwrap_or_default()
}

#[async_trait]
impl PushProvider for Webhook {
    fn provider(&self) -> Provider {
        Provider::Webhook
    }

    fn token(&self, given: &str) -> Result<String, BadToken> {
        if given.is_empty() || given.len() > TOKEN_BYTES || given.chars().any(char::is_control) {
            let text = "a token of webhook has 1 to 1,024 bytes and no control characters";
            return Err(BadToken(text.to_owned()));
        }
        Ok(given.to_owned())
    }

    async fn send(&self, jobs: Vec<PushJob>) -> Vec<Outcome> {
        let sending: Vec<_> = jobs.iter().map(|job| self.send_one(job)).collect();
        stream::iter(sending).buffered(self.in_flight).collect().await
    }
}

#[cfg(test)]
mod tests;
