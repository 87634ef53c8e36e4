//! Requests over HTTP to addresses that a client or an operator names: a browser's subscription, a webhook's receiver.
//!
//! Such an address must not lead into this machine or its network. So: `https` only, the resolved address is checked and
//! is the one that is connected to, no redirect is followed, no proxy is used, and what an answer says is read to a bound.
//! Hosts that the operator lists are trusted: they may be private and may speak plain HTTP. Must not know what is sent, and
//! never puts an address or a header into an error: both may hold secrets.

pub mod public;
mod resolver;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde::{Deserialize, Serialize};

use crate::config::one_line;

/// Longest address.
const URL_BYTES: usize = 2_048;

/// What requests to addresses of others may do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutgoingConfig {
    /// Hosts that may be in a private network and may speak plain HTTP; empty: none. Names or addresses as they stand in
    /// URLs, without a port.
    pub trusted_hosts: Vec<String>,
    /// Maximum time of a request, from the lookup of the name to the end of the answer, in milliseconds.
    pub timeout_ms: u64,
    /// Maximum size of an answer that is read, in bytes; what is beyond it is not read.
    pub answer_bytes: usize,
    /// Connections to one host that are kept open for the next request.
    pub idle_connections: usize,
}

impl Default for OutgoingConfig {
    fn default() -> Self {
        Self {
            trusted_hosts: Vec::new(),
            timeout_ms: 10_000,
            answer_bytes: 64 << 10,
            idle_connections: 8,
        }
    }
}

/// Which version of HTTP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// Whichever the other side prefers.
    Any,
    /// HTTP/2 alone: with what demands it.
    Two,
}

/// Whom addresses may name.
#[derive(Debug)]
struct Targets {
    /// In lower case.
    trusted: Vec<String>,
    /// Addresses come from the operator alone.
    all: bool,
}

/// Why nothing was sent, or why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutgoingError {
    /// The address may not be asked. Another attempt ends like this one.
    #[error("the address is refused: {0}")]
    Refused(&'static str),
    /// No answer within the time.
    #[error("no answer within {0} ms")]
    Late(u64),
    /// It cannot be reached, or ended the connection.
    #[error("not reached: {0}")]
    Failed(String),
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status. A redirect is one like any other.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// The beginning of its body.
    pub body: Vec<u8>,
}

/// Sends requests. Clones share connections.
#[derive(Debug, Clone)]
pub struct OutgoingHttp {
    client: Client,
    targets: Arc<Targets>,
    timeout: Duration,
    answer_bytes: usize,
}

impl OutgoingHttp {
    /// For addresses that clients or operators of tenants name.
    pub fn new(config: &OutgoingConfig, version: HttpVersion) -> Result<Self, OutgoingError> {
        let trusted = config.trusted_hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Self::with(config, version, Targets { trusted, all: false })
    }

    /// For addresses that the operator alone names: any of them may be asked.
    pub fn to_configured(
        config: &OutgoingConfig,
        version: HttpVersion,
    ) -> Result<Self, OutgoingError> {
        Self::with(config, version, Targets { trusted: Vec::new(), all: true })
    }

    fn with(
        config: &OutgoingConfig,
        version: HttpVersion,
        targets: Targets,
    ) -> Result<Self, OutgoingError> {
        let targets = Arc::new(targets);
        let mut builder = Client::builder()
            .redirect(Policy::none())
            // The environment is read by the configuration alone, and a proxy would look names up by itself.
            .no_proxy()
            .referer(false)
            .pool_max_idle_per_host(config.idle_connections)
            .user_agent(concat!("Tidings/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(resolver::Resolver(Arc::clone(&targets)));
        if version == HttpVersion::Two {
            builder = builder.http2_prior_knowledge();
        }
        let client = builder.build().map_err(|error| failed(&error.without_url()))?;
        let timeout = Duration::from_millis(config.timeout_ms.max(1));
        Ok(Self { client, targets, timeout, answer_bytes: config.answer_bytes })
    }

    /// The address, if requests to it are allowed. What its name resolves to is checked at each request.
    pub fn check(&self, url: &str) -> Result<Url, OutgoingError> {
        self.targets.check(url).map_err(OutgoingError::Refused)
    }

    /// Posts a body. An answer with any status is an answer.
    pub async fn post(
        &self,
        url: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answer, OutgoingError> {
        let url = self.check(url)?;
        let asking = async {
            let sent = self.client.post(url).headers(headers).body(body).send().await;
            let mut response = sent.map_err(Self::cause)?;
            let (status, headers) = (response.status(), response.headers().clone());
            let mut body = Vec::new();
            while body.len() < self.answer_bytes {
                // The status is what counts: a body that breaks off is one that ends.
                let Ok(Some(chunk)) = response.chunk().await else { break };
                let room = self.answer_bytes - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            }
            Ok(Answer { status, headers, body })
        };
        let late = OutgoingError::Late(crate::number::whole_ms(self.timeout));
        tokio::time::timeout(self.timeout, asking).await.unwrap_or(Err(late))
    }

    fn cause(error: reqwest::Error) -> OutgoingError {
        let error = error.without_url();
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(inner) = cause {
            if inner.is::<resolver::NotPublic>() {
                return OutgoingError::Refused("its host has no public address");
            }
            cause = inner.source();
        }
        failed(&error)
    }
}

fn failed(error: &reqwest::Error) -> OutgoingError {
    OutgoingError::Failed(one_line(error))
}

impl Targets {
    fn is_trusted(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        self.all || self.trusted.iter().any(|trusted| trusted.eq_ignore_ascii_case(host))
    }

    fn check(&self, url: &str) -> Result<Url, &'static str> {
        if url.len() > URL_BYTES {
            return Err("it is longer than 2,048 bytes");
        }
        let parsed = Url::parse(url).map_err(|_| "it is no URL")?;
        let host = parsed.host_str().ok_or("it names no host")?;
        let is_trusted = self.is_trusted(host);
        match parsed.scheme() {
            "https" => {}
            "http" if is_trusted => {}
            _ => return Err("it does not begin with https://"),
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err("it holds a user name or a password");
        }
        // A name is looked up by the resolver; an address is never looked up.
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        if literal.is_ok_and(|address| !is_trusted && !public::is_public(address)) {
            return Err("its host has no public address");
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests;
