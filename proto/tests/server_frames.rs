//! Properties of the server frames: each is one line of JSON that says its type and is read as it
//! was written.
#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use proptest::prelude::*;
use proto::error_code::{ErrorCode, Limit, Stored};
use proto::frame::client::SignalKind;
use proto::frame::server::{
    Entry, ErrorFrame, Presence, Receipt, Sender, Sent, ServerFrame, Signal, Skipped, SyncPage,
    Synced, Typing, to_json,
};
use proto::id::{CallId, ClientId, ConversationId, EntryId, UserName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

fn uuid() -> impl Strategy<Value = uuid::Uuid> {
    any::<[u8; 16]>().prop_map(uuid::Uuid::from_bytes)
}

fn user() -> impl Strategy<Value = UserName> {
    "[A-Za-z0-9._@:+-]{1,64}"
        .prop_filter("a path cannot name it", |text| text != "." && text != "..")
        .prop_map(|text| UserName::parse(&text).unwrap())
}

fn sent() -> impl Strategy<Value = Sent> {
    let id = prop::option::of(uuid());
    (prop::option::of(any::<String>()), uuid(), uuid(), id, any::<[u64; 2]>()).prop_map(
        |(r#ref, client_id, conversation_id, id, [seq, timestamp])| Sent {
            r#ref,
            client_id: ClientId(client_id),
            conversation_id: ConversationId(conversation_id),
            id: id.map(EntryId),
            seq,
            timestamp,
            unchanged: id.is_none(),
            tallied: id.is_none() && seq % 2 == 1,
        },
    )
}

fn error() -> impl Strategy<Value = ErrorFrame> {
    let code = prop::sample::select(ErrorCode::ALL.to_vec());
    let stored = prop_oneof![Just(Stored::No), Just(Stored::Unknown)];
    let (r#ref, client_id) = (prop::option::of(any::<String>()), prop::option::of(uuid()));
    (r#ref, client_id, code, any::<String>(), stored, prop::option::of(any::<u64>())).prop_map(
        |(r#ref, client_id, code, message, stored, retry_after_ms)| {
            let client_id = client_id.map(ClientId);
            let limit = (code == ErrorCode::RateLimited).then_some(Limit::Waiting);
            let current = (code == ErrorCode::Conflict).then_some(7);
            ErrorFrame { r#ref, client_id, code, message, stored, retry_after_ms, limit, current }
        },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    let ids = (uuid(), uuid(), prop::option::of(uuid()));
    let sender = (user(), any::<String>(), any::<String>());
    let rest = (any::<String>(), prop::collection::vec(user(), 0..5), any::<bool>());
    (ids, sender, rest, prop::option::of(any::<u64>()), any::<[u64; 2]>()).prop_map(
        |(ids, (user, name, avatar), (text, mentions, flag), reply_to, [seq, timestamp])| {
            // Spaces and an odd number: what a client wrote stays what it wrote.
            let content = format!(r#"{{ "text":{} , "n":1.50e1 }}"#, serde_json::json!(text));
            let content = RawValue::from_string(content).unwrap();
            Entry {
                conversation_id: ConversationId(ids.0),
                seq,
                id: EntryId(ids.1),
                kind: "text".to_owned(),
                sender: Sender { id: user, r#type: "user".to_owned(), name, avatar },
                extra: flag.then(|| content.clone()),
                content,
                reply_to,
                target: None,
                thread: None,
                also_in_main: false,
                expires_at: None,
                mentions,
                mention_all: flag,
                forwarded: None,
                is_important: flag,
                client_id: ids.2.map(ClientId),
                timestamp,
            }
        },
    )
}

/// Reads the body back, and gives it and what it was read from as values. A reader sees the tag as
/// one more field.
fn again<T: Serialize + DeserializeOwned>(json: &[u8], kind: &str) -> (Value, Value) {
    assert!(!json.contains(&b'\n'), "one line");
    let value: Value = serde_json::from_slice(json).unwrap();
    assert_eq!(value["type"], kind);
    let read: T = serde_json::from_slice(json).unwrap();
    let mut written = serde_json::to_value(&read).unwrap();
    written["type"] = kind.into();
    (written, value)
}

proptest! {
    #[test]
    fn sent_is_read_as_it_was_written(sent in sent()) {
        let (read, written) = again::<Sent>(&ServerFrame::Sent(sent).to_json(), "sent");
        prop_assert_eq!(read, written);
    }

    #[test]
    fn an_error_is_read_as_it_was_written(error in error()) {
        let (read, written) = again::<ErrorFrame>(&ServerFrame::Error(error).to_json(), "error");
        prop_assert_eq!(read, written);
    }

    #[test]
    fn small_frames_are_read_as_they_were_written(
        conversation_id in uuid(), user_id in user(), numbers in any::<[u64; 2]>(), on in any::<bool>(),
        last_seen in prop::option::of(any::<u64>()), devices in any::<u32>(), text in any::<String>(),
    ) {
        let (conversation_id, [delivered_seq, read_seq]) = (ConversationId(conversation_id), numbers);
        let receipt =
            Receipt { conversation_id, user_id: user_id.clone(), delivered_seq, read_seq };
        let (read, written) = again::<Receipt>(&ServerFrame::Receipt(receipt).to_json(), "receipt");
        prop_assert_eq!(read, written);
        let typing = Typing::new(conversation_id, user_id.clone(), on);
        let (read, written) = again::<Typing>(&ServerFrame::Typing(typing).to_json(), "typing");
        prop_assert_eq!(read, written);
        let presence =
            Presence { user_id, status: text.clone(), last_seen, devices, event: text.clone() };
        let (read, written) = again::<Presence>(&ServerFrame::Presence(presence).to_json(), "presence");
        prop_assert_eq!(read, written);
        let only = on.then_some(conversation_id);
        let synced = Synced { epoch: text, conversations: devices, only };
        let (read, written) = again::<Synced>(&ServerFrame::Synced(synced).to_json(), "synced");
        prop_assert_eq!(read, written);
    }

    #[test]
    fn a_signal_is_read_as_it_was_written_and_its_data_byte_for_byte(
        from in user(), call_id in uuid(), sdp in prop::option::of(any::<String>()),
    ) {
        let data = sdp.map(|sdp| format!(r#"{{ "sdp":{} , "n":1.50e1 }}"#, serde_json::json!(sdp)));
        let data = data.map(|text| RawValue::from_string(text).unwrap());
        let signal = Signal { from, call_id: CallId(call_id), kind: SignalKind::Hangup, data };
        let frame = signal.to_frame_json();
        let (read, written) = again::<Signal>(&frame, "signal");
        prop_assert_eq!(&written["kind"], "hangup");
        prop_assert_eq!(read, written);
        let text = std::str::from_utf8(&frame).unwrap();
        prop_assert!(signal.data.is_none_or(|data| text.contains(data.get())), "{}", text);
    }

    #[test]
    fn an_entry_frame_is_the_entry_with_its_type_and_its_content_byte_for_byte(entry in entry()) {
        let frame = entry.to_frame_json();
        let (read, written) = again::<Entry>(&frame, "entry");
        prop_assert_eq!(read, written);
        let text = std::str::from_utf8(&frame).unwrap();
        prop_assert!(text.contains(entry.content.get()), "{}", text);
        // The same bytes as in a page, after the tag.
        let page = to_json(&entry);
        prop_assert!(frame.ends_with(&page[1..]));
    }

    #[test]
    fn a_page_keeps_its_entries_in_order(entries in prop::collection::vec(entry(), 0..10), head in any::<u64>()) {
        let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
        let conversation_id = ConversationId(uuid::Uuid::nil());
        let page = SyncPage {
            conversation_id,
            entries,
            head,
            more: true,
            reset: false,
            skipped_before: None,
            gone: false,
            as_of: Some(head),
            states: std::collections::BTreeMap::new(),
            skipped: Some(Skipped { from_seq: 1, to_seq: head }),
            own: None,
        };
        let json = to_json(&page);
        let read: SyncPage = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(read.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), ids);
        prop_assert_eq!(to_json(&read), json);
    }
}
