//! The section `[push]`, and what is made of it before a start.

use platform::outgoing_http::OutgoingConfig;
use push::ProviderConfig;
use serde::{Deserialize, Serialize};

use super::rules::Rules;
use crate::store::push::PushContent;

/// Offline push: what is told to devices that are not connected.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PushConfig {
    /// How long a connected user may take to receive a message before their devices are told of it, in milliseconds. Who
    /// is not connected is told at once.
    pub after_ms: u64,
    /// How much of a message is told at most: `none` (that there is one), `sender` or `full`. A device may ask for less.
    pub content: PushContent,
    /// Whether the number of conversations with something unread is told, for the icon of the application.
    pub badge: bool,
    /// Least time between two pushes of one conversation to a user, in milliseconds; what comes meanwhile goes together.
    pub between_ms: u64,
    /// Pushes to one user in an hour; mentions, calls and what takes a push back do not count.
    pub per_hour: u32,
    /// How long a provider keeps a push for a device that is off, in seconds. What is older when it is decided is not
    /// pushed.
    pub ttl_secs: u32,
    /// Number of members above which only mentions, important messages, notices and calls are pushed.
    pub large_members: u32,
    /// Maximum number of conversations in which somebody has `after_ms` or `between_ms` left; beyond it newer messages
    /// wait.
    pub waiting_conversations: usize,
    /// Pushes that wait for each provider; beyond it they are kept in the table `push_retries`.
    pub queue: usize,
    /// Requests in flight to each provider.
    pub in_flight: usize,
    /// Maximum number of pushes that are tried again, five times in an hour; the oldest go.
    pub retries: u32,
    /// Maximum number of given-up pushes that are kept for `GET /api/v1/admin/push/dead`.
    pub dead: u32,
    /// After so many days without being registered again a device is forgotten.
    pub device_days: u32,
    /// Maximum number of devices of a user; those registered longest ago go.
    pub devices_per_user: u32,
    /// What rules do instead: `none`, `push` or `urgent`, such as `["large=push", "group=none"]`. docs/push.md lists the
    /// rules.
    pub rules: Vec<String>,
    /// How providers are asked.
    pub http: OutgoingConfig,
    /// Who brings pushes to devices. Nothing is pushed when all are off.
    pub providers: ProviderConfig,
}

impl Default for PushConfig {
    fn default() -> Self {
        Self {
            after_ms: 10_000,
            content: PushContent::None,
            badge: true,
            between_ms: 3_000,
            per_hour: 60,
            ttl_secs: 86_400,
            large_members: 256,
            waiting_conversations: 100_000,
            queue: 1_000,
            in_flight: 32,
            retries: 100_000,
            dead: 10_000,
            device_days: 270,
            devices_per_user: 20,
            rules: Vec::new(),
            http: OutgoingConfig::default(),
            providers: ProviderConfig::default(),
        }
    }
}

/// The section, checked, with the providers that are on.
#[derive(Debug, Clone, Default)]
pub struct PreparedPush {
    /// The rest of it.
    pub config: PushConfig,
    /// The providers.
    pub prepared: push::Prepared,
    /// The table.
    pub rules: Rules,
}

impl PreparedPush {
    /// Whether anything is pushed.
    pub fn is_on(&self) -> bool {
        !self.prepared.providers.is_empty()
    }
}

/// A mistake in the section.
type Mistake = Box<dyn std::error::Error + Send + Sync>;

impl PushConfig {
    /// Checks the section and reads its files; connects to nothing.
    pub fn prepare(&self) -> Result<PreparedPush, Vec<Mistake>> {
        let mut wrong: Vec<Mistake> = Vec::new();
        let rules = Rules::new(&self.rules)
            .map_err(|errors| wrong.extend(errors.into_iter().map(Mistake::from)));
        let prepared = self
            .providers
            .prepare(&self.http, self.in_flight)
            .map_err(|errors| wrong.extend(errors.into_iter().map(Mistake::from)));
        match (rules, prepared) {
            (Ok(rules), Ok(prepared)) => Ok(PreparedPush { config: self.clone(), prepared, rules }),
            _ => Err(wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_pushed_by_default_and_all_mistakes_are_said_at_once() {
        assert!(!PushConfig::default().prepare().unwrap().is_on());
        let text = "rules = ['reaction=push']\n[providers.apns]\nprivate_key = 'x'\n\
                    [providers.webhook]\nurl = 'nonsense'";
        let config: PushConfig = toml::from_str(text).unwrap();
        let said: Vec<_> = config.prepare().unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].contains("push.rules: reaction"), "{said:?}");
    }
}
