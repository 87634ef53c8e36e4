//! What is sent to the devices of a user. Pure.

use proto::id::{ConversationKey, UserId};
use push::{Note, NoteKind, PushJob, Target};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::notices::type_of;
use super::rules::Rule;
use super::told::Told;
use crate::domain::entry::ConversationKind;
use crate::store::push::{PushContent, PushDevice, PushPlace};

/// A call that nobody answers is over by then.
const CALL_SECS: u32 = 60;
/// Longest title, in characters.
const TITLE_CHARS: usize = 100;

/// What a user is told.
pub(super) struct Message<'a> {
    pub(super) place: &'a PushPlace,
    pub(super) newest: &'a Told,
    pub(super) count: u32,
    pub(super) rule: Rule,
    pub(super) is_urgent: bool,
    pub(super) badge: Option<u32>,
    pub(super) ttl_secs: u32,
}

impl Message<'_> {
    /// What a device is told, which may be told so much.
    pub(super) fn note(&self, content: PushContent) -> Note {
        let Self { place, newest, .. } = self;
        let author = if newest.author_name.is_empty() {
            newest.author.name_str()
        } else {
            &newest.author_name
        };
        let title = match (&newest.title, place.kind, place.title.as_str()) {
            (Some(title), ..) => title.clone(),
            (_, ConversationKind::Direct, _) | (.., "") => author.to_owned(),
            (.., title) => format!("{author} · {title}"),
        };
        let title = title.chars().take(TITLE_CHARS).collect();
        let is_call = self.rule == Rule::Call;
        Note {
            kind: NoteKind::Message,
            conversation_id: place.key.id.0,
            seq: newest.seq,
            entry_id: Some(newest.id.0),
            target: newest.target,
            count: self.count,
            badge: self.badge,
            reason: self.rule.name().to_owned(),
            is_urgent: self.is_urgent,
            ttl_secs: if is_call { self.ttl_secs.min(CALL_SECS) } else { self.ttl_secs },
            title: (content > PushContent::None).then_some(title),
            text: newest.text.clone().filter(|_| content == PushContent::Full),
        }
    }

    /// Whether it may be shown on a device.
    pub(super) fn is_for(&self, device: &PushDevice) -> bool {
        let Some(wanted) = self.newest.device_type else { return true };
        type_of(device.provider) == Some(wanted)
    }
}

/// What takes a notification back.
pub(super) fn clear(key: ConversationKey, seq: u64, badge: Option<u32>, ttl_secs: u32) -> Note {
    Note {
        kind: NoteKind::Clear,
        conversation_id: key.id.0,
        seq,
        entry_id: None,
        target: None,
        count: 0,
        badge,
        reason: String::new(),
        is_urgent: false,
        ttl_secs,
        title: None,
        text: None,
    }
}

/// So much is told to a device: the least of what the server tells and what the device wants.
pub(super) fn content(server: PushContent, device: &PushDevice) -> PushContent {
    device.content.map_or(server, |wanted| wanted.min(server))
}

/// A push to a device.
pub(super) fn job(device: &PushDevice, note: Note) -> PushJob {
    let target = Target {
        tenant: device.user_id.tenant().as_str().to_owned(),
        user: device.user_id.name_str().to_owned(),
        device: device.device_id.as_str().to_owned(),
        token: device.token.clone(),
        app: device.app.clone(),
        locale: device.locale.clone(),
    };
    PushJob { id: id(&device.user_id, device, &note), target, note }
}

/// A push that was sent before and was asked for again: it is another one, and the same whenever it is tried again.
pub(super) fn once_more(job: PushJob, asked_ms: Option<u64>) -> PushJob {
    let Some(asked_ms) = asked_ms else { return job };
    let mut hash = Sha256::new();
    hash.update(job.id.as_bytes());
    hash.update(asked_ms.to_be_bytes());
    PushJob { id: of_digest(hash), ..job }
}

/// The same whenever the same is decided again, so that a provider or an application knows a repeat.
fn id(user_id: &UserId, device: &PushDevice, note: &Note) -> Uuid {
    let mut hash = Sha256::new();
    let user = user_id.to_string();
    for part in
        [user.as_bytes(), device.device_id.as_str().as_bytes(), note.conversation_id.as_bytes()]
    {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(note.seq.to_be_bytes());
    hash.update([u8::from(note.kind == NoteKind::Clear)]);
    of_digest(hash)
}

fn of_digest(hash: Sha256) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use proto::id::{ConversationId, DeviceId, TenantId};
    use push::Provider;

    use super::*;
    use crate::domain::entry::DeviceType;
    use crate::push::told::tests::told;

    fn place(kind: ConversationKind, title: &str) -> PushPlace {
        let key = ConversationKey::new(TenantId::DEFAULT, ConversationId(Uuid::from_u128(1)));
        PushPlace { key, kind, title: title.to_owned(), is_large: false }
    }

    fn device(name: &str, provider: Provider, content: Option<PushContent>) -> PushDevice {
        PushDevice {
            user_id: UserId::parse_qualified("bob").unwrap(),
            device_id: DeviceId::parse(name).unwrap(),
            provider,
            token: "t".to_owned(),
            token_sha256: String::new(),
            app: String::new(),
            locale: String::new(),
            content,
            seen_at_ms: 0,
        }
    }

    fn message<'a>(place: &'a PushPlace, newest: &'a Told, rule: Rule) -> Message<'a> {
        Message { place, newest, count: 2, rule, is_urgent: true, badge: Some(1), ttl_secs: 900 }
    }

    #[test]
    fn a_device_is_told_no_more_than_server_and_device_allow() {
        let (place, newest) = (place(ConversationKind::Group, "Crew"), told(5, "ann", 0));
        let message = message(&place, &newest, Rule::Group);
        let said = |content| {
            let note = message.note(content);
            (note.title, note.text)
        };
        let title = Some("Ann · Crew".to_owned());
        assert_eq!(said(PushContent::None), (None, None));
        assert_eq!(said(PushContent::Sender), (title.clone(), None));
        assert_eq!(said(PushContent::Full), (title, Some("x".to_owned())));
        let of = |server, wanted| content(server, &device("a", Provider::Fcm, wanted));
        assert_eq!(of(PushContent::Full, None), PushContent::Full);
        assert_eq!(of(PushContent::Full, Some(PushContent::None)), PushContent::None);
        assert_eq!(of(PushContent::None, Some(PushContent::Full)), PushContent::None);
    }

    #[test]
    fn a_call_is_over_before_long_and_a_message_for_one_type_of_device_goes_to_no_other() {
        let (place, mut newest) = (place(ConversationKind::Direct, ""), told(5, "ann", 0));
        assert_eq!(
            message(&place, &newest, Rule::Call).note(PushContent::None).ttl_secs,
            CALL_SECS
        );
        newest.device_type = Some(DeviceType::Ios);
        let message = message(&place, &newest, Rule::Direct);
        assert!(message.is_for(&device("a", Provider::Apns, None)));
        for provider in [Provider::Fcm, Provider::WebPush, Provider::Webhook] {
            assert!(!message.is_for(&device("a", provider, None)), "{provider:?}");
        }
    }

    #[test]
    fn a_push_has_the_same_id_whenever_it_is_decided_and_no_other_one_has_it() {
        let (place, newest) = (place(ConversationKind::Direct, ""), told(5, "ann", 0));
        let note = message(&place, &newest, Rule::Direct).note(PushContent::None);
        let phone = device("phone", Provider::Fcm, None);
        assert_eq!(job(&phone, note.clone()).id, job(&phone, note.clone()).id);
        let others = [
            job(&device("web", Provider::Fcm, None), note.clone()).id,
            job(&phone, Note { seq: 6, ..note.clone() }).id,
            job(&phone, clear(place.key, 5, None, 9)).id,
        ];
        let again = |asked_ms| once_more(job(&phone, note.clone()), asked_ms).id;
        assert_eq!((again(None), again(Some(7))), (job(&phone, note.clone()).id, again(Some(7))));
        assert_ne!(again(Some(7)), again(Some(8)), "asked for twice");
        for other in others.into_iter().chain([again(Some(7))]) {
            assert_ne!(other, job(&phone, note.clone()).id);
        }
    }
}
