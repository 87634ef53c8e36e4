//! What became of a push of a message to a device, read from the rows that are kept. Pure: nothing is stored for this, so
//! what went without a row is said to be unknown.

use crate::store::push::{DeadPush, PushDevice, PushRetry, PushSent};
use proto::id::DeviceId;
use push::{Note, NoteKind, Provider};

use super::rules::Action;

/// What is known of a member and a message.
pub(super) struct Known<'a> {
    /// The message.
    pub(super) seq: u64,
    /// What the table decides of it.
    pub(super) action: Action,
    /// It was received or read by the member.
    pub(super) is_reached: bool,
    /// The follower `push` has decided of it.
    pub(super) is_decided: bool,
    /// Up to where the member was told.
    pub(super) sent: Option<&'a PushSent>,
}

/// What became of it on one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Became {
    pub(crate) device_id: DeviceId,
    pub(crate) provider: Provider,
    /// `sent`, `retrying`, `given_up`, `waiting`, `not_told` or `unknown`.
    pub(crate) state: &'static str,
    /// Why, where that is known.
    pub(crate) reason: String,
    /// How often it was tried; 0 when that is not known.
    pub(crate) attempts: u32,
    /// When it was sent or given up, or is tried again, in Unix milliseconds; 0 when it was not.
    pub(crate) at_ms: u64,
    /// The newest message that the push told of; 0 where there is none.
    pub(crate) seq: u64,
}

/// What became of it on a device that is registered now.
pub(super) fn registered(
    device: &PushDevice,
    known: &Known<'_>,
    retries: &[PushRetry],
    dead: &[DeadPush],
) -> Became {
    let became = |state, reason: &str| Became {
        device_id: device.device_id.clone(),
        provider: device.provider,
        state,
        reason: reason.to_owned(),
        attempts: 0,
        at_ms: 0,
        seq: 0,
    };
    let is_own = |user_id, device_id| user_id == &device.user_id && device_id == &device.device_id;
    if let Some(dead) = dead.iter().find(|it| is_own(&it.user_id, &it.device_id)) {
        return given_up(dead);
    }
    let retry = retries.iter().filter(|it| is_own(&it.user_id, &it.device_id)).find_map(|it| {
        let note: Note = serde_json::from_str(&it.note).ok()?;
        (note.kind == NoteKind::Message && note.seq >= known.seq).then_some((it, note.seq))
    });
    if let Some((retry, seq)) = retry {
        let (attempts, at_ms) = (retry.attempt, retry.next_at_ms);
        return Became { attempts, at_ms, seq, ..became("retrying", &retry.reason) };
    }
    if known.action == Action::None {
        return became("not_told", "the rule tells nobody");
    }
    match known.sent {
        Some(sent) if sent.seq >= known.seq => {
            Became { at_ms: sent.at_ms, seq: sent.seq, ..became("sent", "") }
        }
        _ if known.is_reached => {
            became("not_told", "received or read; a push of before was taken back")
        }
        _ if !known.is_decided => became("waiting", "offline push has not come so far"),
        _ => became(
            "unknown",
            "nothing is kept: the device came later, its provider does not know it, or too many pushes in an hour",
        ),
    }
}

/// A push that was given up, also one to a device that is not registered any more.
pub(super) fn given_up(dead: &DeadPush) -> Became {
    Became {
        device_id: dead.device_id.clone(),
        provider: dead.provider,
        state: "given_up",
        reason: dead.reason.clone(),
        attempts: dead.attempts,
        at_ms: dead.at_ms,
        seq: dead.seq,
    }
}

#[cfg(test)]
mod tests {
    use proto::id::{ConversationId, ConversationKey, TenantId, UserId};
    use uuid::Uuid;

    use super::*;

    fn bob() -> UserId {
        UserId::parse_qualified("bob").unwrap()
    }

    fn phone() -> PushDevice {
        PushDevice {
            user_id: bob(),
            device_id: DeviceId::parse("phone").unwrap(),
            provider: Provider::Fcm,
            token: "t".to_owned(),
            token_sha256: "s".to_owned(),
            app: String::new(),
            locale: String::new(),
            content: None,
            seen_at_ms: 1,
        }
    }

    fn key() -> ConversationKey {
        ConversationKey::new(TenantId::DEFAULT, ConversationId(Uuid::from_u128(1)))
    }

    fn sent(seq: u64) -> PushSent {
        PushSent { user_id: bob(), key: key(), seq, at_ms: 70 }
    }

    fn retry(kind: NoteKind, seq: u64) -> PushRetry {
        let note = Note {
            kind,
            conversation_id: key().id.0,
            seq,
            entry_id: None,
            target: None,
            count: 1,
            badge: None,
            reason: "direct".to_owned(),
            is_urgent: true,
            ttl_secs: 60,
            title: None,
            text: None,
        };
        PushRetry {
            id: Uuid::nil(),
            user_id: bob(),
            device_id: phone().device_id,
            provider: Provider::Fcm,
            note: serde_json::to_string(&note).unwrap(),
            attempt: 2,
            reason: "503".to_owned(),
            made_at_ms: 1,
            next_at_ms: 90,
        }
    }

    fn dead(device: &str, seq: u64) -> DeadPush {
        DeadPush {
            id: Uuid::nil(),
            user_id: bob(),
            device_id: DeviceId::parse(device).unwrap(),
            provider: Provider::Fcm,
            key: key(),
            seq,
            attempts: 6,
            reason: "refused".to_owned(),
            at_ms: 80,
        }
    }

    fn known(sent: Option<&PushSent>) -> Known<'_> {
        Known { seq: 5, action: Action::Push, is_reached: false, is_decided: true, sent }
    }

    #[test]
    fn each_kept_row_says_what_became_of_a_push() {
        let of = |known: &Known<'_>, retries: &[PushRetry], dead: &[DeadPush]| {
            let became = registered(&phone(), known, retries, dead);
            (became.state, became.attempts, became.at_ms, became.seq)
        };
        let later = sent(7);
        assert_eq!(
            of(&known(Some(&later)), &[], &[]),
            ("sent", 0, 70, 7),
            "a later one stands for it"
        );
        let message = [retry(NoteKind::Message, 5)];
        assert_eq!(of(&known(Some(&later)), &message, &[]), ("retrying", 2, 90, 5));
        let gone = [dead("phone", 5)];
        assert_eq!(of(&known(Some(&later)), &message, &gone), ("given_up", 6, 80, 5));
        let elsewhere = [dead("tablet", 5)];
        assert_eq!(of(&known(Some(&later)), &[], &elsewhere).0, "sent", "another device");
        let other = [retry(NoteKind::Clear, 5), retry(NoteKind::Message, 4)];
        assert_eq!(
            of(&known(None), &other, &[]).0,
            "unknown",
            "neither a clear nor an earlier one"
        );
    }

    #[test]
    fn without_a_row_the_decision_says_what_it_can() {
        let earlier = sent(4);
        let state = |known: &Known<'_>| registered(&phone(), known, &[], &[]).state;
        assert_eq!(state(&known(Some(&earlier))), "unknown");
        assert_eq!(state(&Known { is_decided: false, ..known(None) }), "waiting");
        assert_eq!(state(&Known { is_reached: true, ..known(None) }), "not_told");
        assert_eq!(state(&Known { action: Action::None, ..known(None) }), "not_told");
    }
}
