//! The access token of a service account (OAuth 2.0 with a signed assertion), kept until shortly before its end.

use std::time::{Duration, Instant};

use aws_lc_rs::signature::RsaKeyPair;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use platform::outgoing_http::{OutgoingError, OutgoingHttp};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use crate::jwt::{now_secs, rs256};
use crate::outcome::{retry_after, short};

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// How long an assertion is good.
const GOOD_SECS: u64 = 3_600;
/// A token is not used in its last minutes: requests under way must not meet its end.
const SPARE: Duration = Duration::from_mins(5);
/// A refusal is remembered so long, so that each push does not ask again.
const PAUSE: Duration = Duration::from_secs(10);

/// Why there is no token.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no access token: {text}")]
pub(super) struct NoAccess {
    text: String,
    pub(super) after: Option<Duration>,
}

pub(super) struct Access {
    pub(super) client_email: String,
    pub(super) key_id: String,
    pub(super) token_uri: String,
    pub(super) key: RsaKeyPair,
    pub(super) http: OutgoingHttp,
    /// Locked while a token is requested: tasks that need one meanwhile wait for the same answer.
    pub(super) present: Mutex<Present>,
}

#[derive(Default)]
pub(super) enum Present {
    #[default]
    None,
    Token {
        token: String,
        until: Instant,
    },
    Refused {
        error: NoAccess,
        until: Instant,
    },
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: u64,
}

impl Access {
    /// The token to use now.
    pub(super) async fn token(&self) -> Result<String, NoAccess> {
        let mut present = self.present.lock().await;
        match &*present {
            Present::Token { token, until } if *until > Instant::now() => return Ok(token.clone()),
            Present::Refused { error, until } if *until > Instant::now() => {
                return Err(error.clone());
            }
            _ => {}
        }
        match self.ask().await {
            Ok(granted) => {
                let good = Duration::from_secs(granted.expires_in).saturating_sub(SPARE);
                let until = Instant::now() + good;
                *present = Present::Token { token: granted.access_token.clone(), until };
                Ok(granted.access_token)
            }
            Err(error) => {
                let until = Instant::now() + error.after.unwrap_or(PAUSE);
                *present = Present::Refused { error: error.clone(), until };
                Err(error)
            }
        }
    }

    /// The provider does not take a token: the next request asks for another one.
    pub(super) async fn forget(&self, token: &str) {
        let mut present = self.present.lock().await;
        if matches!(&*present, Present::Token { token: kept, .. } if kept == token) {
            *present = Present::None;
        }
    }

    async fn ask(&self) -> Result<Granted, NoAccess> {
        let failed = |text: &str| NoAccess { text: short(text), after: None };
        let now = now_secs();
        let claims = json!({
            "iss": self.client_email, "scope": SCOPE, "aud": self.token_uri,
            "iat": now, "exp": now + GOOD_SECS,
        });
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": self.key_id });
        let assertion =
            rs256(&self.key, &header, &claims).map_err(|error| failed(&error.to_string()))?;
        let grant = GRANT.replace(':', "%3A");
        let body = format!("grant_type={grant}&assertion={assertion}").into_bytes();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, form)]);
        let answer = self.http.post(&self.token_uri, headers, body).await;
        let answer = answer.map_err(|error: OutgoingError| failed(&error.to_string()))?;
        if !answer.status.is_success() {
            let said = String::from_utf8_lossy(&answer.body);
            let text = short(&format!("{}: {said}", answer.status.as_u16()));
            return Err(NoAccess { text, after: retry_after(&answer.headers) });
        }
        serde_json::from_slice(&answer.body).map_err(|_| failed("the answer cannot be read"))
    }
}
