//! What users set of their own, as REST shows and takes it. Must not decide what a value may be: the chat service does.

use platform::grpc::{GrpcChannel, ask};
use proto::chat::chat_client::ChatClient;
use proto::chat::{self, OwnSetting, OwnSettingsReply, OwnSettingsRequest};
use proto::id::ConversationId;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::error::ApiError;
use crate::identity::Identity;

/// A muted conversation.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mute {
    /// Until when, in Unix milliseconds; null: until it is taken back.
    #[serde(default)]
    pub(crate) until: Option<u64>,
    /// Messages that mention the user notify nevertheless.
    #[serde(default = "yes")]
    pub(crate) mentions: bool,
}

fn yes() -> bool {
    true
}

/// What the asking user set for a conversation.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct OwnOfConversation {
    /// Its messages notify nobody; null where they do.
    pub(crate) mute: Option<Mute>,
    /// It is kept apart from the others.
    pub(crate) archived: bool,
    /// It stands above the others.
    pub(crate) pinned: bool,
    /// It is out of the list until there is a message of this seq or a higher one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hidden_before: Option<u64>,
    /// It is shown as unread, whatever is read of it.
    pub(crate) marked_unread: bool,
    /// What the user is told of it by offline push, given all of this; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) effective: Option<EffectivePush>,
}

/// What a user is told of a conversation by offline push.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EffectivePush {
    /// `all` messages, `mentions` alone, or `none`.
    push: String,
    /// The row of the table of rules that decides of ordinary messages, such as `muted`.
    rule: String,
    /// How much a push may say: `none` (that there is one), `sender` or `full`. A device may ask for less.
    content: String,
}

impl From<chat::EffectivePush> for EffectivePush {
    fn from(it: chat::EffectivePush) -> Self {
        Self { push: it.push, rule: it.rule, content: it.content }
    }
}

#[derive(Deserialize)]
struct Hidden {
    before_seq: u64,
}

impl OwnOfConversation {
    /// Of the settings of one conversation.
    pub(crate) fn of(settings: &[OwnSetting]) -> Self {
        let mut own = Self::default();
        for setting in settings {
            match setting.what.as_str() {
                "mute" => own.mute = serde_json::from_slice(&setting.value).ok(),
                "archive" => own.archived = setting.value == "true",
                "pin" => own.pinned = setting.value == "true",
                "marked_unread" => own.marked_unread = setting.value == "true",
                "hidden" => {
                    let hidden: Option<Hidden> = serde_json::from_slice(&setting.value).ok();
                    own.hidden_before = hidden.map(|hidden| hidden.before_seq);
                }
                _ => {}
            }
        }
        own
    }

    /// Of what was asked about one conversation.
    pub(crate) fn answered(reply: OwnSettingsReply) -> Self {
        Self { effective: reply.effective.map(Into::into), ..Self::of(&reply.settings) }
    }
}

/// What notifications may say.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PushContent {
    /// That there is a message.
    None,
    /// From whom it is, too.
    Sender,
    /// Its text, too.
    Full,
}

/// What notifications say.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PushSettings {
    pub(crate) content: PushContent,
}

/// Who may know or do something.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PrivacyAudience {
    Everyone,
    Contacts,
    Nobody,
}

/// Who may know or do what; `contacts` are those who share a conversation with the user. What is absent is as the server has it.
/// The server acts by `online`, `last_seen`, `receipts` and `find`; the others are kept for the devices of the user.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PrivacySettings {
    /// When the user was last here.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<PrivacyAudience>,
    /// Whether the user is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    online: Option<PrivacyAudience>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<PrivacyAudience>,
    /// What the user has received and read.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipts: Option<PrivacyAudience>,
    /// Who may add the user to groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<PrivacyAudience>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<PrivacyAudience>,
    /// Who finds the user in a search.
    #[serde(skip_serializing_if = "Option::is_none")]
    find: Option<PrivacyAudience>,
}

/// What the asking user set for all conversations.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct OwnSettings {
    /// Null: as the server is configured.
    pub(crate) push: Option<PushSettings>,
    /// Null: as the server has it.
    pub(crate) privacy: Option<PrivacySettings>,
}

impl OwnSettings {
    /// Of the settings of no conversation.
    pub(crate) fn of(settings: &[OwnSetting]) -> Self {
        let mut own = Self::default();
        for setting in settings {
            match setting.what.as_str() {
                "push" => own.push = serde_json::from_slice(&setting.value).ok(),
                "privacy" => own.privacy = serde_json::from_slice(&setting.value).ok(),
                _ => {}
            }
        }
        own
    }
}

/// What the asking user set for a conversation, or for none.
pub(crate) async fn fetch(
    chat: &ChatClient<GrpcChannel>,
    identity: &Identity,
    at: Option<ConversationId>,
) -> Result<OwnSettingsReply, ApiError> {
    let request = OwnSettingsRequest {
        user_id: identity.user_id.to_string(),
        conversation_id: at.map(ConversationId::to_bytes).unwrap_or_default(),
    };
    let asked =
        ask(chat, request, |mut chat, request| async move { chat.own_settings(request).await });
    asked.await.map_err(Into::into)
}

/// A field that may be null, and that may be left out: two different things.
#[expect(clippy::option_option, reason = "null and left out are two different things")]
pub(crate) fn given<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}
