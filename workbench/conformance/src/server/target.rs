//! The server that is judged: where it is and how tokens for it are signed. Must not know the rules.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use wire_client::prepare;
use wire_client::token::Signer;

use super::options::{ServerOptions, Url};
use crate::ConformanceError;

/// Tokens outlive the run.
const TTL_SECS: i64 = 3600;

/// One server, of one gateway or several.
#[derive(Debug)]
pub(crate) struct Target {
    urls: Vec<Url>,
    next: AtomicUsize,
    signer: Signer,
    second: Option<Signer>,
    /// Begins each user's name, so that runs do not meet.
    pub(crate) name: String,
    pub(crate) patience: Duration,
    pub(crate) http: reqwest::Client,
}

impl Target {
    pub(crate) fn new(options: &ServerOptions) -> Result<Self, ConformanceError> {
        let signer = |secret| Signer::new(&secret, None, None);
        let secret = prepare::secret(options.secret.as_ref(), options.secret_file.as_deref())?;
        let second = match (&options.second_secret, &options.second_secret_file) {
            (None, None) => None,
            (secret, file) => Some(signer(prepare::secret(secret.as_ref(), file.as_deref())?)),
        };
        let http = reqwest::Client::builder()
            .timeout(options.patience.max(Duration::from_secs(30)))
            .build()
            .map_err(|error| ConformanceError::Begin(error.to_string()))?;
        Ok(Self {
            urls: options.urls.clone(),
            next: AtomicUsize::new(0),
            signer: signer(secret),
            second,
            name: format!("cf-{:08x}", rand::random::<u32>()),
            patience: options.patience,
            http,
        })
    }

    /// A gateway; each in its turn.
    pub(crate) fn url(&self) -> &Url {
        &self.urls[self.next.fetch_add(1, Ordering::Relaxed) % self.urls.len()]
    }

    pub(crate) fn has_second_tenant(&self) -> bool {
        self.second.is_some()
    }

    /// A token of a tenant's user with further claims; `exp` and `iat` may be among them.
    pub(crate) fn token(&self, tenant: Tenant, user: &str, further: &Value) -> String {
        let now = unix_secs();
        let mut claims = json!({ "sub": user, "iat": now, "exp": now + TTL_SECS,
            "jti": uuid::Uuid::now_v7() });
        if let (Some(claims), Some(further)) = (claims.as_object_mut(), further.as_object()) {
            claims.extend(further.clone());
        }
        let signer = match (tenant, &self.second) {
            (Tenant::Second, Some(second)) => second,
            _ => &self.signer,
        };
        // Signing an object with a secret does not fail; an empty token would be refused anyway.
        signer.sign_claims(&claims).unwrap_or_default()
    }
}

/// Whose secret signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tenant {
    First,
    Second,
}

/// Now, in Unix seconds.
pub(crate) fn unix_secs() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
