//! What offline push makes of a message for a member, as an explanation shows it.

use proto::chat::{ExplainedPush, ExplainedPushDevice};
use serde::Serialize;
use utoipa::ToSchema;

/// What offline push makes of it for a member.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OfflinePushExplained {
    /// The row of the table of rules that decides, by what the member has set now.
    rule: String,
    /// What that row does: `none`, `push` or `urgent`.
    action: String,
    /// The devices that the member has registered, and those that a push of it was given up for. Without one, nobody is
    /// told.
    devices: Vec<PushDeviceExplained>,
}

/// What became of it on a device.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PushDeviceExplained {
    /// Which one.
    device_id: String,
    /// `web_push`, `fcm`, `apns` or `webhook`.
    provider: String,
    /// `sent`: handed to the provider. `retrying`: its provider did not take it. `given_up`: refused, or tried in vain.
    /// `waiting`: not decided yet. `not_told`: the rule tells nobody, or the member has it. `unknown`: no row is kept.
    state: String,
    /// Why, where that is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    /// How often it was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    /// When it was sent or given up, in Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<u64>,
    /// The newest message that the push told of: one push stands for several.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

impl From<ExplainedPushDevice> for PushDeviceExplained {
    fn from(it: ExplainedPushDevice) -> Self {
        let is_retrying = it.state == "retrying";
        let at = (it.at_ms > 0).then_some(it.at_ms);
        Self {
            device_id: it.device_id,
            provider: it.provider,
            state: it.state,
            reason: it.reason,
            attempts: (it.attempts > 0).then_some(it.attempts),
            at: at.filter(|_| !is_retrying),
            next_attempt_at: at.filter(|_| is_retrying),
            seq: (it.seq > 0).then_some(it.seq),
        }
    }
}

impl From<ExplainedPush> for OfflinePushExplained {
    fn from(it: ExplainedPush) -> Self {
        let devices = it.devices.into_iter().map(Into::into).collect();
        Self { rule: it.rule, action: it.action, devices }
    }
}
