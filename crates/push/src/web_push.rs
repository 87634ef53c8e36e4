//! Browsers: Web Push. The content is encrypted for the browser (RFC 8291), the request is signed (RFC 8292).
//!
//! A client names the address of its subscription: requests go there only if it leads to the public internet.

mod encrypted;
mod vapid;

use std::borrow::Cow;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use platform::outgoing_http::OutgoingHttp;
use serde::{Deserialize, Serialize};

use crate::config::{Asking, ProviderError, WebPushConfig, secret};
use crate::keys::{base64, p256, unbase64};
use crate::note::{PAYLOAD_BYTES, fitting};
use crate::outcome::short;
use crate::{BadToken, Outcome, Provider, PushJob, PushProvider};

use encrypted::{AUTH_BYTES, HEADER_BYTES, POINT_BYTES, Receiver, TRAILER_BYTES, encrypt};
use vapid::Vapid;

/// A text that fits in one message.
const TEXT_BYTES: usize = PAYLOAD_BYTES - HEADER_BYTES - TRAILER_BYTES;

/// What a browser gives: `PushSubscription.toJSON()`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Subscription {
    /// Where the push service takes messages for it.
    pub endpoint: String,
    /// Its keys.
    pub keys: SubscriptionKeys,
}

/// The keys of a subscription, in Base64 for URLs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SubscriptionKeys {
    /// The public key of the browser.
    pub p256dh: String,
    /// The secret that it shares with this server.
    pub auth: String,
}

/// The provider.
pub struct WebPush {
    vapid: Vapid,
    http: OutgoingHttp,
    in_flight: usize,
}

impl WebPush {
    /// The provider of a configuration; none without a key.
    pub(crate) fn prepare(
        config: &WebPushConfig,
        asking: &Asking<'_>,
    ) -> Result<Option<Self>, ProviderError> {
        let file = config.private_key_file.as_deref();
        let Some(key) = secret("web_push.private_key", &config.private_key, file)? else {
            return Ok(None);
        };
        let key = p256(key.expose())
            .map_err(|reason| ProviderError::Key { key: "web_push.private_key", reason })?;
        let subject = config.subject.trim();
        if !subject.starts_with("mailto:") && !subject.starts_with("https://") {
            let reason = "it is needed with a key, and begins with mailto: or https://";
            return Err(ProviderError::Value { key: "web_push.subject", reason });
        }
        let vapid = Vapid::new(key, subject.to_owned());
        Ok(Some(Self { vapid, http: asking.named_by_clients()?, in_flight: asking.in_flight }))
    }

    /// The public half of the VAPID key, as `applicationServerKey` takes it.
    pub fn public_key(&self) -> &str {
        self.vapid.public()
    }

    async fn send_one(&self, job: &PushJob) -> Outcome {
        let Ok(subscription) = serde_json::from_str::<Subscription>(&job.target.token) else {
            return Outcome::Refused("the stored subscription cannot be read".to_owned());
        };
        let Some(message) = self.message(job, &subscription) else {
            return Outcome::Refused("the subscription has keys that cannot be used".to_owned());
        };
        let (headers, body) = message;
        let answer = match self.http.post(&subscription.endpoint, headers, body).await {
            Ok(answer) => answer,
            Err(error) => return Outcome::of_failure(&error),
        };
        match answer.status {
            status if status.is_success() => {
                let id = answer.headers.get(LOCATION).and_then(|it| it.to_str().ok());
                Outcome::Sent(id.map(short).unwrap_or_default())
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Outcome::Gone { since_ms: None },
            _ => Outcome::of_status(&answer, &String::from_utf8_lossy(&answer.body)),
        }
    }

    fn message(&self, job: &PushJob, to: &Subscription) -> Option<(HeaderMap, Vec<u8>)> {
        let (public, auth) = keys(to)?;
        let origin = self.http.check(&to.endpoint).ok()?.origin().ascii_serialization();
        let make = |note: &crate::Note| serde_json::to_vec(&note.data()).unwrap_or_default();
        let text = fitting(&job.note, TEXT_BYTES, make);
        let body = encrypt(&Receiver { public: &public, auth: &auth }, &text).ok()?;
        let urgency = if job.note.is_urgent { "high" } else { "normal" };
        let mut headers = HeaderMap::new();
        let mut put = |name: HeaderName, value: &str| {
            Some(headers.insert(name, HeaderValue::from_str(value).ok()?))
        };
        put(AUTHORIZATION, &self.vapid.header(&origin).ok()?)?;
        put(CONTENT_TYPE, "application/octet-stream")?;
        put(CONTENT_ENCODING, "aes128gcm")?;
        put(HeaderName::from_static("ttl"), &job.note.ttl_secs.to_string())?;
        put(HeaderName::from_static("urgency"), urgency)?;
        // What waits for a browser that is away is replaced, also by what takes it back.
        put(HeaderName::from_static("topic"), &job.note.collapse())?;
        Some((headers, body))
    }
}

/// The keys of a subscription, where they have the right sizes.
fn keys(subscription: &Subscription) -> Option<(Vec<u8>, Vec<u8>)> {
    let public = unbase64(&subscription.keys.p256dh)?;
    let auth = unbase64(&subscription.keys.auth)?;
    let is_point = public.len() == POINT_BYTES && public.first() == Some(&4);
    (is_point && auth.len() == AUTH_BYTES).then_some((public, auth))
}

#[async_trait]
impl PushProvider for WebPush {
    fn provider(&self) -> Provider {
        Provider::WebPush
    }

    fn token(&self, given: &str) -> Result<String, BadToken> {
        let bad = |text: &str| BadToken(text.to_owned());
        let subscription: Subscription = serde_json::from_str(given)
            .map_err(|_| bad("a token of web_push is the JSON of a PushSubscription"))?;
        self.http
            .check(&subscription.endpoint)
            .map_err(|error| BadToken(format!("the endpoint of the subscription: {error}")))?;
        let (public, auth) = keys(&subscription).ok_or_else(|| {
            bad("the subscription needs keys.p256dh (65 bytes) and keys.auth (16)")
        })?;
        let receiver = Receiver { public: &public, auth: &auth };
        encrypt(&receiver, b"").map_err(|_| bad("keys.p256dh of the subscription is no key"))?;
        let keys = SubscriptionKeys { p256dh: base64(public), auth: base64(auth) };
        let kept = Subscription { endpoint: subscription.endpoint, keys };
        serde_json::to_string(&kept).map_err(|_| bad("the subscription cannot be stored"))
    }

    /// The address: a browser that subscribes anew with other keys is the same browser.
    fn identity<'t>(&self, token: &'t str) -> Cow<'t, str> {
        match serde_json::from_str::<Subscription>(token) {
            Ok(subscription) => subscription.endpoint.into(),
            Err(_) => token.into(),
        }
    }

    async fn send(&self, jobs: Vec<PushJob>) -> Vec<Outcome> {
        let sending: Vec<_> = jobs.iter().map(|job| self.send_one(job)).collect();
        stream::iter(sending).buffered(self.in_flight).collect().await
    }
}

#[cfg(test)]
mod tests;
