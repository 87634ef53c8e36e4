//! Apple Push Notification service, over HTTP/2, with a signed token.

mod provider_token;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use platform::outgoing_http::{Answer, HttpVersion, OutgoingHttp};
use serde::Deserialize;
use serde_json::{Map, json};

use crate::config::{ApnsConfig, Asking, ProviderError, base_url, secret};
use crate::jwt::now_secs;
use crate::keys::p256;
use crate::note::{PAYLOAD_BYTES, fitting};
use crate::outcome::short;
use crate::{BadToken, Note, NoteKind, Outcome, Provider, PushJob, PushProvider};

use provider_token::ProviderToken;

const KEY: &str = "apns.private_key";
/// Longest device token, in hexadecimal digits: Apple's are 64 now, and may grow.
const TOKEN_DIGITS: usize = 200;

/// The provider.
pub struct Apns {
    url: String,
    token: ProviderToken,
    topics: Vec<String>,
    words: String,
    http: OutgoingHttp,
    in_flight: usize,
}

impl Apns {
    /// The provider of a configuration; none without a key.
    pub(crate) fn prepare(
        config: &ApnsConfig,
        asking: &Asking<'_>,
    ) -> Result<Option<Self>, ProviderError> {
        let file = config.private_key_file.as_deref();
        let Some(key) = secret(KEY, &config.private_key, file)? else { return Ok(None) };
        let key = p256(key.expose()).map_err(|reason| ProviderError::Key { key: KEY, reason })?;
        let reason = "it is needed with a key";
        for (key, is_missing) in [
            ("apns.key_id", config.key_id.is_empty()),
            ("apns.team_id", config.team_id.is_empty()),
            ("apns.topics", config.topics.is_empty()),
        ] {
            if is_missing {
                return Err(ProviderError::Value { key, reason });
            }
        }
        Ok(Some(Self {
            url: base_url("apns.url", &config.url)?,
            token: ProviderToken::new(key, config.key_id.clone(), config.team_id.clone()),
            topics: config.topics.clone(),
            words: config.words.clone(),
            http: asking.configured(HttpVersion::Two)?,
            in_flight: asking.in_flight,
        }))
    }

    async fn send_one(&self, job: &PushJob) -> Outcome {
        let Some(topic) = self.topic(&job.target.app) else {
            return Outcome::Refused(
                "the application of the device is not in push.apns.topics".to_owned(),
            );
        };
        let Ok(bearer) = self.token.present() else {
            return Outcome::Refused("the token cannot be signed".to_owned());
        };
        let Some(headers) = headers(job, topic, &bearer) else {
            return Outcome::Refused("a header of the push cannot be written".to_owned());
        };
        let body = fitting(&job.note, PAYLOAD_BYTES, |note| self.payload(note));
        let url = format!("{}/3/device/{}", self.url, job.target.token);
        match self.http.post(&url, headers, body).await {
            Ok(answer) => self.outcome(&answer, &bearer),
            Err(error) => Outcome::of_failure(&error),
        }
    }

    fn topic(&self, app: &str) -> Option<&str> {
        let mut topics = self.topics.iter().map(String::as_str);
        if app.is_empty() { topics.next() } else { topics.find(|topic| *topic == app) }
    }

    fn payload(&self, note: &Note) -> Vec<u8> {
        let mut aps = Map::new();
        if let Some(badge) = note.badge {
            aps.insert("badge".to_owned(), badge.into());
        }
        match note.kind {
            NoteKind::Message => {
                let body = note.text.as_deref().unwrap_or(&self.words);
                let mut alert = json!({ "body": body });
                if let Some(title) = &note.title {
                    alert["title"] = title.as_str().into();
                }
                aps.insert("alert".to_owned(), alert);
                aps.insert("sound".to_owned(), "default".into());
                aps.insert("thread-id".to_owned(), note.collapse().into());
                // The application may fetch what is not told here, and show it instead.
                aps.insert("mutable-content".to_owned(), 1.into());
            }
            NoteKind::Clear => {
                aps.insert("content-available".to_owned(), 1.into());
            }
        }
        let mut data = note.data();
        // They stand in the alert.
        data.remove("title");
        data.remove("text");
        serde_json::to_vec(&json!({ "aps": aps, "tidings": data })).unwrap_or_default()
    }

    fn outcome(&self, answer: &Answer, bearer: &str) -> Outcome {
        if answer.status.is_success() {
            let id = answer.headers.get("apns-id").and_then(|id| id.to_str().ok());
            return Outcome::Sent(id.map(short).unwrap_or_default());
        }
        let said: Reason = serde_json::from_slice(&answer.body).unwrap_or_default();
        match (answer.status, said.reason.as_str()) {
            (StatusCode::GONE, _) | (_, "BadDeviceToken" | "Unregistered") => {
                Outcome::Gone { since_ms: said.timestamp }
            }
            (_, "ExpiredProviderToken") => {
                self.token.forget(bearer);
                Outcome::Retry(None, "ExpiredProviderToken".to_owned())
            }
            (_, reason) => Outcome::of_status(answer, reason),
        }
    }
}

#[derive(Default, Deserialize)]
struct Reason {
    #[serde(default)]
    reason: String,
    /// Of what is gone: since when, in Unix milliseconds.
    timestamp: Option<u64>,
}

fn headers(job: &PushJob, topic: &str, bearer: &str) -> Option<HeaderMap> {
    let (kind, priority) = match job.note.kind {
        NoteKind::Message if job.note.is_urgent => ("alert", "10"),
        NoteKind::Message => ("alert", "5"),
        NoteKind::Clear => ("background", "5"),
    };
    let expires = now_secs() + u64::from(job.note.ttl_secs);
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("apns-topic", topic),
        ("apns-push-type", kind),
        ("apns-priority", priority),
        ("apns-id", &job.id.to_string()),
        ("apns-collapse-id", &job.note.collapse()),
        ("apns-expiration", &expires.to_string()),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).ok()?);
    }
    let mut bearer = HeaderValue::from_str(&format!("bearer {bearer}")).ok()?;
    bearer.set_sensitive(true);
    headers.insert(AUTHORIZATION, bearer);
    Some(headers)
}

#[async_trait]
impl PushProvider for Apns {
    fn provider(&self) -> Provider {
        Provider::Apns
    }

    fn token(&self, given: &str) -> Result<String, BadToken> {
        let is_hex = given.bytes().all(|byte| byte.is_ascii_hexdigit());
        if given.is_empty() || given.len() > TOKEN_DIGITS || !is_hex {
            return Err(BadToken("a token of apns is 1 to 200 hexadecimal digits".to_owned()));
        }
        Ok(given.to_ascii_lowercase())
    }

    async fn send(&self, jobs: Vec<PushJob>) -> Vec<Outcome> {
        let sending: Vec<_> = jobs.iter().map(|job| self.send_one(job)).collect();
        stream::iter(sending).buffered(self.in_flight).collect().await
    }
}

#[cfg(test)]
mod tests;
