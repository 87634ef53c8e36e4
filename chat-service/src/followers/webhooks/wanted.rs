//! Which entries a webhook gets, and in which form. Pure.

use proto::id::UserName;
use serde::Deserialize;

use super::moments::Heard;
use crate::domain::entry::SenderType;
use crate::domain::webhook::{Filter, Payload, Senders, Webhook};
use crate::events::{Event, EventType, Patterns};
use crate::store::tail::TailRow;
use crate::webhooks::Delivery;

/// Larger events come without their entry.
const BODY_BYTES: usize = 256 << 10;

/// What a webhook wants.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    webhook: Webhook,
    types: Patterns,
}

/// Whom a system entry is about.
#[derive(Default, Deserialize)]
#[serde(default)]
struct About {
    member: Option<String>,
    members: Vec<String>,
}

impl Wanted {
    /// What was kept was checked; a type that a later version does not know any more is not wanted.
    pub(super) fn new(webhook: &Webhook) -> Self {
        let types = Patterns::new(webhook.config.types.clone()).unwrap_or_default();
        Self { webhook: webhook.clone(), types }
    }

    /// Whether an entry is one that it gets, if the members of its filter are in the conversation.
    pub(super) fn wants(&self, row: &TailRow) -> bool {
        let entry = &row.entry.entry;
        entry.author.id.tenant() == self.webhook.key.tenant
            && self.types.want(EventType::of(entry))
            && self.fits(row)
    }

    /// Of these users' conversations alone; of all where there is none.
    pub(super) fn members(&self) -> &[UserName] {
        &self.webhook.config.filter.members
    }

    /// Whether an entry is by one of them, or of one who came or went: who has left is no member any more.
    pub(super) fn names(&self, row: &TailRow) -> bool {
        let entry = &row.entry.entry;
        let is_one = |name: &str| self.members().iter().any(|it| it.as_str() == name);
        if is_one(entry.author.id.name_str()) {
            return true;
        }
        if entry.body.kind() != "system" {
            return false;
        }
        let about: About = serde_json::from_str(entry.body.content()).unwrap_or_default();
        about.member.iter().chain(&about.members).any(|name| is_one(name))
    }

    /// What is delivered of an entry, and its type; `None`: nothing. Whose conversation it is was asked before.
    pub(super) fn delivery(&self, row: TailRow, now_ms: u64) -> Option<(Delivery, EventType)> {
        if !self.wants(&row) {
            return None;
        }
        let event = Event::of(row, now_ms)?;
        let is_thin = self.webhook.config.payload == Payload::Thin || event.json.len() > BODY_BYTES;
        let body = if is_thin { event.thin() } else { event.json };
        Some((Delivery { id: event.id.to_string(), body }, event.r#type))
    }

    /// Whether it wants moments at all.
    pub(super) fn wants_moments(&self) -> bool {
        self.types.moments().next().is_some()
    }

    /// Whether a moment is one that it gets. A filter by what a moment does not say lets none through.
    pub(super) fn wants_moment(&self, heard: &Heard) -> bool {
        let Filter { conversation_kinds, conversations, members, senders } =
            &self.webhook.config.filter;
        let is_named = |user: &String| members.iter().any(|member| member.as_str() == user);
        heard.tenant == self.webhook.key.tenant
            && self.types.want(heard.r#type)
            && conversation_kinds.is_empty()
            && matches!(senders, Senders::All)
            && (conversations.is_empty()
                || heard.conversation_id.is_some_and(|id| conversations.contains(&id)))
            && (members.is_empty() || heard.user.as_ref().is_some_and(is_named))
    }

    fn fits(&self, row: &TailRow) -> bool {
        let filter = &self.webhook.config.filter;
        let entry = &row.entry.entry;
        let (kinds, ids) = (&filter.conversation_kinds, &filter.conversations);
        let is_bot = entry.author.r#type == SenderType::Bot;
        (kinds.is_empty() || kinds.iter().any(|kind| kind == row.kind.as_str()))
            && (ids.is_empty() || ids.contains(&entry.conversation_id))
            && match filter.senders {
                Senders::All => true,
                Senders::People => !is_bot,
                Senders::Bots => is_bot,
            }
    }
}

#[cfg(test)]
mod tests {
    use proto::id::{ConversationId, TenantId};
    use uuid::Uuid;

    use super::*;
    use crate::domain::webhook::{Subscription, WebhookKey, WebhookState};

    pub(crate) fn webhook(config: &str) -> Webhook {
        let config: Subscription = serde_json::from_str(config).unwrap();
        Webhook {
            key: WebhookKey { tenant: TenantId::DEFAULT, id: Uuid::from_u128(9) },
            config,
            secrets: Vec::new(),
            state: WebhookState::Enabled,
            reason: String::new(),
            attempt: 0,
            next_at_ms: 0,
            failing_since_ms: None,
            last_errors: Vec::new(),
            version: 1,
            created_by: "root".to_owned(),
            created_at_ms: 1,
        }
    }

    #[test]
    fn a_filter_lets_through_what_it_names() {
        let row = crate::events::tests_row;
        let gets =
            |config: &str, row: TailRow| Wanted::new(&webhook(config)).delivery(row, 0).is_some();
        let with = |rest: &str| format!(r#"{{"url":"https://a.example","types":["*"]{rest}}}"#);
        assert!(gets(&with(""), row(1)));
        assert!(gets(&with(r#","filter":{"conversation_kinds":["group"]}"#), row(1)));
        assert!(!gets(&with(r#","filter":{"conversation_kinds":["direct"]}"#), row(1)));
        assert!(gets(&with(r#","filter":{"senders":"people"}"#), row(1)));
        assert!(!gets(&with(r#","filter":{"senders":"bots"}"#), row(1)));
        let other = format!(r#","filter":{{"conversations":["{}"]}}"#, ConversationId(Uuid::nil()));
        assert!(!gets(&with(&other), row(1)));
        assert!(!gets(r#"{"url":"https://a.example","types":["chat.call.*"]}"#, row(1)));
        let thin =
            Wanted::new(&webhook(&with(r#","payload":"thin""#))).delivery(row(1), 0).unwrap();
        assert!(!String::from_utf8_lossy(&thin.0.body).contains("entry"));
    }

    #[test]
    fn entries_by_and_about_the_members_of_a_filter_are_theirs() {
        let config = r#"{"url":"https://a.example","types":["*"],"filter":{"members":["bot-1"]}}"#;
        let wanted = Wanted::new(&webhook(config));
        let row = crate::events::tests_row(1);
        assert!(wanted.wants(&row) && !wanted.names(&row), "that is asked of the store");
        for content in
            [r#"{"event":"member_removed","member":"bot-1"}"#, r#"{"members":["x","bot-1"]}"#]
        {
            let mut about = row.clone();
            about.entry.entry.body = crate::domain::entry::Body::System(content.to_owned());
            assert!(wanted.names(&about));
        }
        let mut by = row;
        by.entry.entry.author.id = proto::id::UserId::parse_qualified("bot-1").unwrap();
        assert!(wanted.names(&by));
    }

    #[test]
    fn what_is_too_large_comes_without_its_entry() {
        let mut row = crate::events::tests_row(1);
        row.entry.sender_avatar = "x".repeat(BODY_BYTES);
        let all = webhook(r#"{"url":"https://a.example","types":["*"]}"#);
        let (delivery, _) = Wanted::new(&all).delivery(row, 0).unwrap();
        assert!(delivery.body.len() < 1_000);
    }
}
