//! The sections of the providers, and what may be wrong with them. Must not make providers: see `prepared`.

use std::path::{Path, PathBuf};

use platform::outgoing_http::{HttpVersion, OutgoingConfig, OutgoingError, OutgoingHttp};
use platform::secret::Secret;
use serde::{Deserialize, Serialize};

use crate::KeyError;

/// Which providers there are, and how they are asked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderConfig {
    /// Browsers.
    pub web_push: WebPushConfig,
    /// Firebase Cloud Messaging.
    pub fcm: FcmConfig,
    /// Apple Push Notification service.
    pub apns: ApnsConfig,
    /// A receiver of your own.
    pub webhook: PushWebhookConfig,
}

/// Browsers: Web Push (RFC 8291) with VAPID (RFC 8292). On when there is a key.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebPushConfig {
    /// The VAPID private key: 32 bytes in Base64 for URLs, or PEM. Subscriptions belong to it: with another key every
    /// browser subscribes anew.
    pub private_key: Secret,
    /// A file with the same.
    pub private_key_file: Option<PathBuf>,
    /// Whom a push service writes to when something is wrong: a `mailto:` or `https:` URL.
    pub subject: String,
}

/// Firebase Cloud Messaging, HTTP v1. On when there is a service account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FcmConfig {
    /// The service account, as the JSON that Google gives.
    pub service_account: Secret,
    /// A file with the same.
    pub service_account_file: Option<PathBuf>,
    /// Where messages are sent to.
    pub url: String,
}

impl Default for FcmConfig {
    fn default() -> Self {
        Self {
            service_account: Secret::default(),
            service_account_file: None,
            url: "https://fcm.googleapis.com".to_owned(),
        }
    }
}

/// Apple Push Notification service, by token. On when there is a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApnsConfig {
    /// The private key of the token, the text of the `.p8` file that Apple gives.
    pub private_key: Secret,
    /// A file with the same.
    pub private_key_file: Option<PathBuf>,
    /// The id of the key, 10 characters.
    pub key_id: String,
    /// The id of the team, 10 characters.
    pub team_id: String,
    /// Bundle ids of the applications; a device that names none is of the first.
    pub topics: Vec<String>,
    /// What is shown where nothing of the content is told.
    pub words: String,
    /// Where messages are sent to; `https://api.sandbox.push.apple.com` for builds of developers.
    pub url: String,
}

impl Default for ApnsConfig {
    fn default() -> Self {
        Self {
            private_key: Secret::default(),
            private_key_file: None,
            key_id: String::new(),
            team_id: String::new(),
            topics: Vec::new(),
            words: "New message".to_owned(),
            url: "https://api.push.apple.com".to_owned(),
        }
    }
}

/// A receiver of your own, in the form of Standard Webhooks. On when there is a URL.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PushWebhookConfig {
    /// Where pushes are posted to.
    pub url: String,
    /// What they are signed with: `whsec_` and at least 24 bytes in Base64.
    pub secret: Secret,
    /// A file with the same.
    pub secret_file: Option<PathBuf>,
}

/// What is wrong with a section.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// Both or neither may be given, and one is.
    #[error("push.{0} and push.{0}_file are both given: give one")]
    Both(&'static str),
    /// The file cannot be read.
    #[error("push.{key}_file: {}: cannot be read", path.display())]
    Unreadable {
        /// The key without `_file`.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A key is none.
    #[error("push.{key}: {reason}")]
    Key {
        /// The key.
        key: &'static str,
        /// What is wrong.
        reason: KeyError,
    },
    /// A value is missing or odd.
    #[error("push.{key}: {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// No requests can be sent from here.
    #[error("push: {0}")]
    Http(#[from] OutgoingError),
}

/// How providers ask.
pub(crate) struct Asking<'c> {
    /// Requests in flight to one provider.
    pub(crate) in_flight: usize,
    pub(crate) http: &'c OutgoingConfig,
}

impl Asking<'_> {
    /// To an address of the configuration.
    pub(crate) fn configured(&self, version: HttpVersion) -> Result<OutgoingHttp, OutgoingError> {
        OutgoingHttp::to_configured(self.http, version)
    }

    /// To addresses that clients name.
    pub(crate) fn named_by_clients(&self) -> Result<OutgoingHttp, OutgoingError> {
        OutgoingHttp::new(self.http, HttpVersion::Any)
    }
}

/// A secret from the configuration or its file; none where neither is given.
pub(crate) fn secret(
    key: &'static str,
    inline: &Secret,
    file: Option<&Path>,
) -> Result<Option<Secret>, ProviderError> {
    match (inline.is_empty(), file) {
        (false, Some(_)) => Err(ProviderError::Both(key)),
        (false, None) => Ok(Some(inline.clone())),
        (true, None) => Ok(None),
        (true, Some(path)) => {
            let unreadable = |source| {
                let path = path.to_owned();
                ProviderError::Unreadable { key, path, source }
            };
            Ok(Some(Secret::new(std::fs::read_to_string(path).map_err(unreadable)?.trim())))
        }
    }
}

/// The beginning of URLs, without a slash at its end.
pub(crate) fn base_url(key: &'static str, url: &str) -> Result<String, ProviderError> {
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    Err(ProviderError::Value { key, reason: "it is no URL that begins with https:// or http://" })
}
