//! Webhooks as operators configure them: the shape, its bounds, and when a failed delivery is tried again. No I/O.

use std::fmt;

use proto::id::{ConversationId, TenantId, UserName};
use serde::{Deserialize, Serialize};

use uuid::Uuid;

/// Longest address of a receiver, in bytes.
const URL_BYTES: usize = 2_048;
/// Types and conversations that a webhook names, at most.
const NAMED: usize = 100;
const MOST_IN_FLIGHT: u16 = 32;
/// Longest time that a receiver may take, in milliseconds.
pub const MOST_TIMEOUT_MS: u64 = 15_000;

/// Whose webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WebhookKey {
    pub tenant: TenantId,
    pub id: Uuid,
}

impl WebhookKey {
    /// The name of its cursor on the tail.
    pub fn follower(&self) -> String {
        format!("{KIND}/{}/{}", self.tenant.as_str(), self.id)
    }
}

/// What followers of webhooks are called.
pub const KIND: &str = "webhook";

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    pub url: String,
    #[serde(default)]
    pub description: String,
    pub types: Vec<String>,
    #[serde(default)]
    pub filter: Filter,
    #[serde(default)]
    pub ordering: Ordering,
    #[serde(default)]
    pub payload: Payload,
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
    #[serde(default = "default_in_flight")]
    pub max_in_flight: u16,
}

fn default_timeout() -> u64 {
    10_000
}

fn default_in_flight() -> u16 {
    8
}

/// Which events of its types a webhook gets; all, where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// `direct`, `group`, `channel`, `notices`.
    pub conversation_kinds: Vec<String>,
    pub conversations: Vec<ConversationId>,
    /// Of conversations that one of these users is a member of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<UserName>,
    pub senders: Senders,
}

/// Of whom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Senders {
    #[default]
    All,
    People,
    Bots,
}

/// What waits for what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ordering {
    /// Events of a conversation one after the other.
    #[default]
    Conversation,
}

/// How much an event says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    #[default]
    Full,
    /// Without the entry: its receiver asks for it.
    Thin,
}

impl Subscription {
    /// Whether its bounds are kept; the error says what to do.
    pub fn check(&self) -> Result<(), String> {
        let kinds = ["direct", "group", "channel", "notices"];
        let of = &self.filter;
        if self.url.len() > URL_BYTES {
            return Err(format!("url: at most {URL_BYTES} bytes"));
        }
        if self.description.chars().count() > 200 {
            return Err("description: at most 200 characters".to_owned());
        }
        if self.types.is_empty() || self.types.len() > NAMED {
            return Err(format!("types: 1 to {NAMED}; `[\"*\"]` is all that are from the log"));
        }
        if of.conversations.len() > NAMED {
            return Err(format!("filter.conversations: at most {NAMED}"));
        }
        if of.members.len() > NAMED {
            return Err(format!("filter.members: at most {NAMED}"));
        }
        if let Some(other) = of.conversation_kinds.iter().find(|it| !kinds.contains(&it.as_str())) {
            return Err(format!(
                "filter.conversation_kinds: there is no kind `{other}`; there are {}",
                kinds.join(", ")
            ));
        }
        if !(100..=MOST_TIMEOUT_MS).contains(&self.timeout_ms) {
            return Err(format!("timeout_ms: 100 to {MOST_TIMEOUT_MS}"));
        }
        if !(1..=MOST_IN_FLIGHT).contains(&self.max_in_flight) {
            return Err(format!("max_in_flight: 1 to {MOST_IN_FLIGHT}"));
        }
        Ok(())
    }
}

/// A secret by which deliveries are signed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningSecret {
    /// `whsec_` and Base64.
    pub text: String,
    /// Until when it signs; for ever, when it is the newest.
    pub until_ms: Option<u64>,
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningSecret(redacted, until {:?})", self.until_ms)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookState {
    Enabled,
    Disabled,
}

impl WebhookState {
    /// As it is stored.
    pub fn code(self) -> i64 {
        match self {
            Self::Enabled => 1,
            Self::Disabled => 2,
        }
    }

    pub fn of(code: i64) -> Self {
        if code == 1 { Self::Enabled } else { Self::Disabled }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }
}

/// One error of a receiver, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    pub at: u64,
    pub error: String,
}

/// A webhook as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    pub key: WebhookKey,
    pub config: Subscription,
    /// The newest first.
    pub secrets: Vec<SigningSecret>,
    pub state: WebhookState,
    /// Why it was disabled.
    pub reason: String,
    /// How often in a row its receiver failed as a whole.
    pub attempt: u32,
    /// When it is tried again.
    pub next_at_ms: u64,
    pub failing_since_ms: Option<u64>,
    /// The newest first.
    pub last_errors: Vec<LastError>,
    /// Grows with each change by an operator.
    pub version: u64,
    pub created_by: String,
    pub created_at_ms: u64,
}

/// A conversation that waits for its next attempt while others go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    pub conversation_id: ConversationId,
    /// The first event that it has still to get.
    pub next_seq: u64,
    pub attempt: u32,
    pub next_at_ms: u64,
    pub last_error: String,
}

/// An event that was not taken after the last attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadEvent {
    pub conversation_id: ConversationId,
    pub seq: u64,
    pub event_type: String,
    pub error: String,
    pub at_ms: u64,
    /// Somebody wants it tried again.
    pub is_replayed: bool,
}

/// When a delivery that failed `attempt` times is tried again, after so many milliseconds: the configured delay, a fifth
/// more or less by `chance` in 0 to 1, and not before the receiver wants it. `None`: never.
pub fn delay_ms(
    schedule_ms: &[u64],
    attempt: u32,
    wanted_ms: Option<u64>,
    chance: f64,
) -> Option<u64> {
    /// A receiver may not put a delivery off for longer.
    const MOST_WANTED_MS: u64 = 24 * 3_600 * 1_000;
    let delay = *schedule_ms.get((attempt as usize).checked_sub(1)?)?;
    let spread = (delay as f64 * (0.8 + 0.4 * chance)) as u64;
    Some(spread.max(wanted_ms.unwrap_or_default().min(MOST_WANTED_MS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Subscription {
        serde_json::from_str(r#"{"url":"https://example.org/hook","types":["*"]}"#).unwrap()
    }

    #[test]
    fn bounds_are_kept_and_unknown_fields_refused() {
        assert_eq!(config().check(), Ok(()));
        for change in [
            (|it| it.types.clear()) as fn(&mut Subscription),
            |it| it.timeout_ms = 15_001,
            |it| it.timeout_ms = 0,
            |it| it.max_in_flight = 33,
            |it| it.max_in_flight = 0,
            |it| it.url = "x".repeat(2_049),
            |it| it.filter.conversation_kinds.push("self_log".to_owned()),
            |it| it.types = vec!["*".to_owned(); 101],
        ] {
            let mut wrong = config();
            change(&mut wrong);
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
        let unknown = r#"{"url":"https://example.org","types":["*"],"retries":3}"#;
        assert!(serde_json::from_str::<Subscription>(unknown).is_err());
        let secret = SigningSecret { text: "whsec_abc".to_owned(), until_ms: None };
        assert!(!format!("{secret:?}").contains("abc"));
    }

    #[test]
    fn attempts_follow_the_schedule_and_what_the_receiver_wants() {
        let schedule = [5_000, 300_000];
        assert_eq!(delay_ms(&schedule, 1, None, 0.5), Some(5_000));
        assert_eq!(delay_ms(&schedule, 1, None, 0.0), Some(4_000));
        assert_eq!(delay_ms(&schedule, 2, None, 1.0), Some(360_000));
        assert_eq!(delay_ms(&schedule, 1, Some(60_000), 0.5), Some(60_000));
        assert_eq!(delay_ms(&schedule, 1, Some(1), 0.5), Some(5_000), "not before its time");
        assert_eq!(delay_ms(&schedule, 1, Some(u64::MAX), 0.5), Some(86_400_000));
        assert_eq!(delay_ms(&schedule, 3, None, 0.5), None, "given up");
        assert_eq!(delay_ms(&schedule, 0, None, 0.5), None);
    }
}
