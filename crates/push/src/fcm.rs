//! Firebase Cloud Messaging, HTTP v1.

mod access;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use platform::outgoing_http::{Answer, HttpVersion, OutgoingHttp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use crate::config::{Asking, FcmConfig, ProviderError, base_url, secret};
use crate::keys::rsa;
use crate::note::{PAYLOAD_BYTES, fitting};
use crate::outcome::short;
use crate::{BadToken, Note, NoteKind, Outcome, Provider, PushJob, PushProvider};

use access::{Access, Present};

const KEY: &str = "fcm.service_account";
/// Longest registration token that is stored.
const TOKEN_BYTES: usize = 2_048;

/// The parts of a service account that are used.
#[derive(Deserialize)]
struct ServiceAccount {
    project_id: String,
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: String,
    token_uri: String,
}

/// The provider.
pub struct Fcm {
    url: String,
    access: Access,
    http: OutgoingHttp,
    in_flight: usize,
}

impl Fcm {
    /// The provider of a configuration; none without a service account.
    pub(crate) fn prepare(
        config: &FcmConfig,
        asking: &Asking<'_>,
    ) -> Result<Option<Self>, ProviderError> {
        let file = config.service_account_file.as_deref();
        let Some(account) = secret(KEY, &config.service_account, file)? else { return Ok(None) };
        // The library's own message would quote what it found.
        let account: ServiceAccount = serde_json::from_str(account.expose()).map_err(|_| {
            let reason = "it is no service account: JSON with project_id, client_email, private_key and token_uri";
            ProviderError::Value { key: KEY, reason }
        })?;
        let key =
            rsa(&account.private_key).map_err(|reason| ProviderError::Key { key: KEY, reason })?;
        let base = base_url("fcm.url", &config.url)?;
        let http = asking.configured(HttpVersion::Any)?;
        let access = Access {
            client_email: account.client_email,
            key_id: account.private_key_id,
            token_uri: account.token_uri,
            key,
            http: http.clone(),
            present: Mutex::new(Present::None),
        };
        let url = format!("{base}/v1/projects/{}/messages:send", account.project_id);
        Ok(Some(Self { url, access, http, in_flight: asking.in_flight }))
    }

    async fn send_one(&self, job: &PushJob) -> Outcome {
        let token = match self.access.token().await {
            Ok(token) => token,
            Err(error) => return Outcome::Retry(error.after, error.to_string()),
        };
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
        let Ok(mut bearer) = bearer else {
            return Outcome::Refused("the access token is no text of a header".to_owned());
        };
        bearer.set_sensitive(true);
        let json = HeaderValue::from_static("application/json");
        let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer), (CONTENT_TYPE, json)]);
        let body = fitting(&job.note, PAYLOAD_BYTES, |note| message(&job.target.token, note));
        let answer = match self.http.post(&self.url, headers, body).await {
            Ok(answer) => answer,
            Err(error) => return Outcome::of_failure(&error),
        };
        if answer.status == StatusCode::UNAUTHORIZED {
            self.access.forget(&token).await;
            return Outcome::Retry(None, "401: the access token was not taken".to_owned());
        }
        outcome(&answer)
    }
}

/// Data alone where nothing of the content is told: the application decides what it shows.
fn message(token: &str, note: &Note) -> Vec<u8> {
    // Values of data are texts.
    let text = |value: Value| match value {
        Value::String(text) => Value::String(text),
        other => Value::String(other.to_string()),
    };
    let data: Map<String, Value> =
        note.data().into_iter().map(|(name, value)| (name, text(value))).collect();
    let is_seen = note.kind == NoteKind::Message;
    let priority = if is_seen && note.is_urgent { "HIGH" } else { "NORMAL" };
    let mut message = json!({
        "token": token,
        "data": data,
        "android": {
            "collapse_key": note.collapse(),
            "priority": priority,
            "ttl": format!("{}s", note.ttl_secs),
        },
    });
    if is_seen && note.title.is_some() {
        message["notification"] = json!({ "title": note.title, "body": note.text });
        message["android"]["notification"] = json!({ "tag": note.collapse() });
    }
    serde_json::to_vec(&json!({ "message": message })).unwrap_or_default()
}

#[derive(Deserialize)]
struct Sent {
    name: String,
}

#[derive(Deserialize)]
struct Failed {
    error: FailedStatus,
}

#[derive(Deserialize)]
struct FailedStatus {
    #[serde(default)]
    status: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Vec<Value>,
}

fn outcome(answer: &Answer) -> Outcome {
    if answer.status.is_success() {
        let sent = serde_json::from_slice::<Sent>(&answer.body);
        return Outcome::Sent(sent.map(|sent| short(&sent.name)).unwrap_or_default());
    }
    let Ok(Failed { error }) = serde_json::from_slice(&answer.body) else {
        return Outcome::of_status(answer, "");
    };
    let code = error.details.iter().find_map(|detail| detail["errorCode"].as_str());
    match code.unwrap_or(&error.status) {
        // The application is gone, or the token is one of another project.
        "UNREGISTERED" | "SENDER_ID_MISMATCH" => Outcome::Gone { since_ms: None },
        code => Outcome::of_status(answer, &format!("{code} {}", error.message)),
    }
}

#[async_trait]
impl PushProvider for Fcm {
    fn provider(&self) -> Provider {
        Provider::Fcm
    }

    fn token(&self, given: &str) -> Result<String, BadToken> {
        let is_token = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if given.is_empty() || given.len() > TOKEN_BYTES || !is_token(given) {
            let text = "a token of fcm has 1 to 2,048 letters, digits and signs of ASCII";
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
