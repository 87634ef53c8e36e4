//! One delivery: a signed POST, whose answer is judged by its status. No redirects, no proxy, and only so much of the
//! answer is read as fits.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use platform::outgoing_http::{HttpVersion, OutgoingConfig, OutgoingError, OutgoingHttp};

use super::signing::signatures;
use crate::clock::now_ms;
use crate::domain::webhook::{MOST_TIMEOUT_MS, SigningSecret, Webhook};

/// What of an answer is read at most: it is thrown away.
const ANSWER_BYTES: usize = 64 << 10;
/// Connections to one receiver that are kept while nothing is sent.
const IDLE: usize = 32;

/// What is delivered.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// By which the receiver knows a repeat.
    pub id: String,
    /// A `CloudEvent`.
    pub body: Bytes,
}

/// Why an event was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub error: String,
    /// The receiver is gone for good.
    pub is_gone: bool,
    /// It wants to be asked again after so long.
    pub retry_after_ms: Option<u64>,
}

impl Refused {
    fn because(error: impl Into<String>) -> Self {
        Self { error: error.into(), is_gone: false, retry_after_ms: None }
    }
}

/// Sends deliveries. Clones share connections.
#[derive(Debug, Clone)]
pub struct Sender(OutgoingHttp);

impl Sender {
    /// Asks public addresses over TLS, and those of listed hosts as they are.
    pub fn new(insecure_hosts: Vec<String>) -> Result<Self, OutgoingError> {
        let config = OutgoingConfig {
            trusted_hosts: insecure_hosts,
            timeout_ms: MOST_TIMEOUT_MS,
            answer_bytes: ANSWER_BYTES,
            idle_connections: IDLE,
        };
        OutgoingHttp::new(&config, HttpVersion::Any).map(Self)
    }

    /// Whether a receiver may have this address.
    pub fn check(&self, url: &str) -> Result<(), OutgoingError> {
        self.0.check(url).map(|_| ())
    }

    /// Sends one. What is to be read of the answer has to come within the same time.
    pub async fn send(&self, webhook: &Webhook, delivery: &Delivery) -> Result<(), Refused> {
        let timeout = Duration::from_millis(webhook.config.timeout_ms);
        let headers = headers(&webhook.secrets, delivery);
        let asking = self.0.post(&webhook.config.url, headers, delivery.body.to_vec());
        match tokio::time::timeout(timeout, asking).await {
            Ok(Ok(answer)) => judge(answer.status, retry_after(&answer.headers)),
            Ok(Err(error)) => Err(Refused::because(error.to_string())),
            Err(_elapsed) => Err(Refused::because("no answer in time")),
        }
    }
}

fn headers(secrets: &[SigningSecret], delivery: &Delivery) -> HeaderMap {
    let now = now_ms();
    let timestamp = now / 1_000;
    let signed = signatures(secrets, &delivery.id, timestamp, &delivery.body, now);
    let mut headers = HeaderMap::new();
    let pairs = [
        (CONTENT_TYPE.as_str(), crate::events::SINGLE.to_owned()),
        ("webhook-id", delivery.id.clone()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signed),
    ];
    for (name, value) in pairs {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    headers
}

fn judge(status: StatusCode, retry_after_ms: Option<u64>) -> Result<(), Refused> {
    if status.is_success() {
        return Ok(());
    }
    let error = if status.is_redirection() {
        format!("answered {status}: redirects are not followed")
    } else {
        format!("answered {status}")
    };
    Err(Refused { error, is_gone: status == StatusCode::GONE, retry_after_ms })
}

/// Seconds; a date is not read.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(seconds.saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_is_2xx_alone_and_410_is_for_good() {
        let judged = |code| judge(StatusCode::from_u16(code).unwrap(), None);
        for code in [200, 201, 202, 204, 299] {
            assert_eq!(judged(code), Ok(()), "{code}");
        }
        for code in [301, 302, 304, 307, 308, 400, 401, 404, 429, 500, 503] {
            assert!(!judged(code).unwrap_err().is_gone, "{code}");
        }
        assert!(judged(410).unwrap_err().is_gone);
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "120".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(120_000));
        headers.insert(RETRY_AFTER, "Fri, 31 Dec 1999 23:59:59 GMT".parse().unwrap());
        assert_eq!(retry_after(&headers), None);
    }
}
