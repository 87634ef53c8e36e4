//! Offline push: what is told to a device that is not connected, through the service of its maker.
//!
//! One file for each provider, behind the port [`PushProvider`]. Must not know conversations, users' settings or a store:
//! who gets a push, and what it says, was decided before. A crate of its own, so that cryptography and the ways of four
//! foreign services stay out of the chat service.

mod apns;
mod config;
mod fcm;
mod jwt;
mod keys;
mod note;
mod outcome;
mod prepared;
#[cfg(test)]
mod tests_support;
mod web_push;
mod webhook;

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use apns::Apns;
pub use config::{
    ApnsConfig, FcmConfig, ProviderConfig, ProviderError, PushWebhookConfig, WebPushConfig,
};
pub use fcm::Fcm;
pub use keys::KeyError;
pub use note::{Note, NoteKind};
pub use outcome::Outcome;
pub use prepared::Prepared;
pub use web_push::{Subscription, WebPush};
pub use webhook::Webhook;

/// Who brings a push to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// The push service of a browser.
    WebPush,
    /// Firebase Cloud Messaging.
    Fcm,
    /// Apple Push Notification service.
    Apns,
    /// A receiver of the operator's own.
    Webhook,
}

impl Provider {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::WebPush, Self::Fcm, Self::Apns, Self::Webhook];

    /// As it is stored. Never change one.
    pub fn code(self) -> i16 {
        match self {
            Self::WebPush => 1,
            Self::Fcm => 2,
            Self::Apns => 3,
            Self::Webhook => 4,
        }
    }

    /// Of a stored code; `None` for one of a later version.
    pub fn of(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| i64::from(provider.code()) == code)
    }

    /// As clients and metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebPush => "web_push",
            Self::Fcm => "fcm",
            Self::Apns => "apns",
            Self::Webhook => "webhook",
        }
    }

    /// The reverse of [`Self::name`].
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.name() == name)
    }
}

/// Where a push goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// The tenant of the user.
    pub tenant: String,
    /// The user, without the tenant.
    pub user: String,
    /// The device, as its connections name it.
    pub device: String,
    /// What the provider knows the device by. A secret: it never reaches a log.
    pub token: String,
    /// Which application it is, where a provider serves several; may be empty.
    pub app: String,
    /// The language of the device; may be empty.
    pub locale: String,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tenant, user, device, app, locale, .. } = self;
        write!(f, "{tenant}/{user}/{device} {app} {locale}")
    }
}

/// One push to one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushJob {
    /// The same in every attempt.
    pub id: Uuid,
    /// Where it goes.
    pub target: Target,
    /// What it says.
    pub note: Note,
}

/// A token that a provider cannot use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadToken(pub String);

/// A provider of pushes.
#[async_trait]
pub trait PushProvider: Send + Sync + 'static {
    /// Which one it is.
    fn provider(&self) -> Provider;

    /// A token as it is stored: checked, and the same text for the same device. Asks nobody.
    fn token(&self, given: &str) -> Result<String, BadToken>;

    /// What makes two stored tokens the same device for the provider.
    fn identity<'t>(&self, token: &'t str) -> std::borrow::Cow<'t, str> {
        token.into()
    }

    /// Sends pushes, some at a time: what became of each, in their order.
    async fn send(&self, jobs: Vec<PushJob>) -> Vec<Outcome>;
}

/// The providers that are configured.
#[derive(Clone, Default)]
pub struct Providers(Vec<Arc<dyn PushProvider>>);

impl Providers {
    /// These alone.
    pub fn new(providers: Vec<Arc<dyn PushProvider>>) -> Self {
        Self(providers)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one for a device.
    pub fn get(&self, provider: Provider) -> Option<&Arc<dyn PushProvider>> {
        self.0.iter().find(|it| it.provider() == provider)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn PushProvider>> {
        self.0.iter()
    }
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|it| it.provider())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_stored_as_numbers_that_stay_and_a_token_is_never_printed() {
        for code in 1..=4 {
            let provider = Provider::of(code).unwrap();
            assert_eq!(i64::from(provider.code()), code);
            assert_eq!(Provider::named(provider.name()), Some(provider));
        }
        assert_eq!((Provider::of(0), Provider::of(5), Provider::named("x")), (None, None, None));
        let target = Target {
            tenant: "default".to_owned(),
            user: "ann".to_owned(),
            device: "phone".to_owned(),
            token: "hunter2".to_owned(),
            app: String::new(),
            locale: String::new(),
        };
        assert!(!format!("{target:?}").contains("hunter2"));
    }
}
