//! Properties of the binary form: it says the same as JSON both ways, another implementation reads and
//! writes it, and nothing that arrives does harm.
#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use proptest::prelude::*;
use proto::error_code::ErrorCode;
use proto::frame::client::ClientFrame;
use proto::frame::msgpack::{NotFrame, decode_client, from_json, to_json};
use proto::frame::{MAX_DEPTH, batch};
use serde_json::{Value, json};

const MOST: usize = 1 << 20;

/// Numbers that serde itself reads as it wrote them: it is wrong in the last place of some.
fn float(numbers: impl Strategy<Value = f64>) -> impl Strategy<Value = Value> {
    numbers.prop_map(|number| {
        let read = serde_json::from_str(&json!(number).to_string()).ok();
        Value::from(if read == Some(number) { number } else { 0.5 })
    })
}

/// Any JSON value that serde can hold.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        float(any::<f64>()),
        float(any::<f32>().prop_map(f64::from)),
        any::<String>().prop_map(Value::from),
        "[a-z\"\\\\\u{0}-\u{1f}ä😀]{0,60}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 12, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..20)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn uuid() -> impl Strategy<Value = String> {
    any::<[u8; 16]>().prop_map(|bytes| uuid::Uuid::from_bytes(bytes).to_string())
}

/// A client frame of every type.
fn frame() -> impl Strategy<Value = Value> {
    let send = (uuid(), uuid(), any::<String>(), prop::option::of(value()), any::<Option<u64>>());
    let held = prop_oneof![
        any::<u64>().prop_map(|seq| json!(seq)),
        (any::<u64>(), uuid()).prop_map(|(seq, id)| json!({"seq": seq, "id": id})),
    ];
    let sync = (prop::collection::hash_map(uuid(), held, 0..40), any::<String>());
    let signal = (uuid(), value());
    prop_oneof![
        send.prop_map(|(client_id, conversation, text, extra, reply_to)| {
            json!({"type": "send", "ref": text.chars().take(16).collect::<String>(), "client_id": client_id, "content": {"text": text},
                "conversation_id": conversation, "extra": extra, "reply_to": reply_to})
        }),
        sync.prop_map(
            |(cursors, epoch)| json!({"type": "sync", "epoch": epoch, "cursors": cursors})
        ),
        (uuid(), any::<u64>())
            .prop_map(|(id, seq)| json!({"type": "delivered", "conversation_id": id, "seq": seq})),
        (uuid(), any::<u64>())
            .prop_map(|(id, seq)| json!({"type": "read", "conversation_id": id, "seq": seq})),
        (uuid(), uuid(), any::<u64>(), any::<bool>()).prop_map(|(client_id, id, seq, on)| {
            json!({"type": "pin", "client_id": client_id, "conversation_id": id, "seq": seq, "on": on})
        }),
        (uuid(), any::<u64>(), any::<String>(), any::<bool>()).prop_map(|(id, seq, key, on)| {
            json!({"type": "react", "client_id": id, "conversation_id": id, "seq": seq, "key": key, "on": on})
        }),
        (uuid(), prop::collection::vec(any::<u64>(), 0..5)).prop_map(|(id, seqs)| {
            json!({"type": "delete", "client_id": id, "conversation_id": id, "seqs": seqs})
        }),
        (uuid(), any::<u64>(), any::<String>(), prop::option::of(value())).prop_map(
            |(id, seq, text, extra)| {
                json!({"type": "edit", "client_id": id, "conversation_id": id, "seq": seq,
                    "content": {"text": text}, "extra": extra, "base": seq})
            },
        ),
        (uuid(), prop::option::of(uuid()), any::<Option<u64>>(), value()).prop_map(
            |(client_id, id, thread, value)| {
                json!({"type": "set", "client_id": client_id, "what": "mute", "conversation_id": id,
                    "thread": thread, "value": value})
            }
        ),
        (uuid(), uuid(), uuid(), any::<u64>()).prop_map(|(client_id, to, from, seq)| {
            json!({"type": "forward", "client_id": client_id, "conversation_id": to,
                "source": {"conversation_id": from, "seq": seq}})
        }),
        (uuid(), any::<bool>())
            .prop_map(|(id, on)| json!({"type": "typing", "conversation_id": id, "on": on})),
        any::<String>().prop_map(|status| json!({"type": "status", "status": status})),
        any::<String>().prop_map(|token| json!({"type": "auth", "token": token})),
        Just(json!({"type": "ping"})),
        (uuid(), uuid()).prop_map(|(client_id, notice_id)| {
            json!({"type": "show", "client_id": client_id, "notice_id": notice_id})
        }),
        (uuid(), any::<String>()).prop_map(|(client_id, text)| {
            json!({"type": "broadcast", "client_id": client_id, "content": { "text": text }})
        }),
        signal.prop_map(|(call, data)| {
            json!({"type": "signal", "to": "bob", "call_id": call, "kind": "ice", "data": data})
        }),
    ]
}

/// What was understood, written again.
fn rewritten(frame: &ClientFrame) -> Value {
    match frame {
        ClientFrame::Auth(body) => json!({"auth": body.token}),
        ClientFrame::Ping => json!("ping"),
        ClientFrame::Send(body) => json!({"send": body}),
        ClientFrame::Pin(body) => json!({"pin": body}),
        ClientFrame::Edit(body) => json!({"edit": body}),
        ClientFrame::Delete(body) => json!({"delete": body}),
        ClientFrame::React(body) => json!({"react": body}),
        ClientFrame::Set(body) => json!({"set": body}),
        ClientFrame::Draft(body) => json!({"draft": body}),
        ClientFrame::Act(body) => json!({"act": body}),
        ClientFrame::Forward(body) => json!({"forward": body}),
        ClientFrame::Sync(body) => json!({"sync": body}),
        ClientFrame::Delivered(body) => json!({"delivered": body}),
        ClientFrame::Read(body) => json!({"read": body}),
        ClientFrame::Typing(body) => json!({"typing": body}),
        ClientFrame::Status(body) => json!({"status": body}),
        ClientFrame::Signal(body) => json!({"signal": body}),
        ClientFrame::Show(body) => json!({"show": body}),
        ClientFrame::Broadcast(body) => json!({"broadcast": body}),
    }
}

fn pack(value: &Value) -> Vec<u8> {
    rmp_serde::to_vec_named(value).unwrap()
}

/// As JSON again, by our reader.
fn unpacked(packed: &[u8]) -> Value {
    serde_json::from_str(&to_json(packed, 200, usize::MAX).unwrap()).unwrap()
}

proptest! {
    #[test]
    fn json_survives_the_way_there_and_back(value in value()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let packed = from_json(text.as_bytes()).unwrap();
            prop_assert_eq!(&unpacked(&packed), &value);
            // Another implementation reads the same.
            prop_assert_eq!(&rmp_serde::from_slice::<Value>(&packed).unwrap(), &value);
        }
    }

    #[test]
    fn what_another_implementation_wrote_is_read(value in value()) {
        prop_assert_eq!(&unpacked(&pack(&value)), &value);
    }

    #[test]
    fn a_client_frame_says_the_same_in_both_forms(frame in frame()) {
        let text = proto::frame::decode_client(&frame.to_string());
        let binary = decode_client(&pack(&frame), MOST);
        match (text, binary) {
            (Ok(text), Ok(binary)) => prop_assert_eq!(rewritten(&text), rewritten(&binary)),
            (text, binary) => prop_assert_eq!(text.map(|_| ()), binary.map(|_| ())),
        }
    }

    #[test]
    fn any_bytes_are_a_frame_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_client(&bytes, MOST);
        let _ = from_json(&bytes);
    }

    #[test]
    fn any_text_is_json_or_an_error(text in any::<String>(), json in r#"[\[\]{}",:\\u0-9a-f.eE+ -]{0,60}"#) {
        let _ = from_json(text.as_bytes());
        let parsed = serde_json::from_str::<Value>(&json);
        let packed = from_json(json.as_bytes());
        if let Ok(value) = parsed {
            prop_assert_eq!(unpacked(&packed.unwrap()), value);
        }
    }

    #[test]
    fn a_frame_cut_short_or_changed_in_one_place_does_no_harm(
        frame in frame(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut packed = pack(&frame);
        let at = at.index(packed.len());
        prop_assert_eq!(decode_client(&packed[..at], MOST).unwrap_err().code, ErrorCode::BadFrame);
        packed[at] = byte;
        let _ = decode_client(&packed, MOST);
    }

    #[test]
    fn the_json_form_is_never_larger_than_allowed(value in value(), most in 0_usize..400) {
        match to_json(&pack(&value), 64, most) {
            Ok(json) => prop_assert!(json.len() <= most),
            Err(error) => prop_assert_eq!(error, NotFrame::TooLarge),
        }
    }

    #[test]
    fn depth_is_counted_to_the_limit_and_not_beyond(depth in 1_usize..MAX_DEPTH * 2) {
        let content: Value = serde_json::from_str(&format!("{}{}", "[".repeat(depth), "]".repeat(depth))).unwrap();
        let frame = json!({"type": "send", "ref": "r", "to": "bob", "client_id": uuid::Uuid::nil(), "content": content});
        let text = proto::frame::decode_client(&frame.to_string()).map(|_| ());
        prop_assert_eq!(decode_client(&pack(&frame), MOST).map(|_| ()), text);
    }

    #[test]
    fn a_batch_holds_its_frames_in_order_in_both_forms(values in prop::collection::vec(value(), 0..10)) {
        let frames: Vec<String> = values.iter().map(Value::to_string).collect();
        let expected = json!({"type": "batch", "frames": values});
        let text = batch::json(&frames);
        prop_assert_eq!(&serde_json::from_slice::<Value>(&text).unwrap(), &expected);
        let packed: Vec<_> = frames.iter().map(|frame| from_json(frame.as_bytes()).unwrap()).collect();
        prop_assert_eq!(unpacked(&batch::msgpack(&packed)), expected);
    }
}

#[test]
fn what_json_cannot_say_is_refused_with_a_reason() {
    for (bytes, expected) in [
        (&b"\xc4\x01x"[..], NotFrame::Binary),
        (b"\xd6\xff\0\0\0\0", NotFrame::Extension),
        (b"\xc7\0\x05", NotFrame::Extension),
        (b"\xc1", NotFrame::NeverUsed),
        (b"\xca\x7f\xc0\0\0", NotFrame::NotFinite),
        (b"\xcb\x7f\xf0\0\0\0\0\0\0", NotFrame::NotFinite),
        (b"\x81\x01\x02", NotFrame::Key),
        (b"\xa2\xc3\x28", NotFrame::NotText),
        (b"\x81\xa4type", NotFrame::Cut),
        (b"\xdf\xff\xff\xff\xff", NotFrame::Cut),
        (b"\xdd\xff\xff\xff\xff\xc0", NotFrame::Cut),
        (b"\x80\x80", NotFrame::Trailing),
        (b"", NotFrame::Cut),
    ] {
        assert_eq!(to_json(bytes, 8, MOST), Err(expected), "{bytes:?}");
        let error = decode_client(bytes, MOST).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadFrame);
        assert_eq!(error.message, expected.to_string());
    }
}

#[test]
fn maps_arrays_and_texts_have_the_lengths_they_say() {
    for count in [15, 16, 17, 65_535, 65_536] {
        let array = json!(vec![1; count]);
        assert_eq!(unpacked(&from_json(array.to_string().as_bytes()).unwrap()), array);
        let map: Value = (0..count).map(|key| (key.to_string(), json!(key))).collect();
        assert_eq!(unpacked(&from_json(map.to_string().as_bytes()).unwrap()), map);
    }
    for length in [31, 32, 255, 256, 65_535, 65_536] {
        let text = json!("x".repeat(length));
        let packed = from_json(text.to_string().as_bytes()).unwrap();
        assert_eq!(
            (unpacked(&packed), rmp_serde::from_slice(&packed).unwrap()),
            (text.clone(), text)
        );
    }
}

#[test]
fn what_a_client_wrote_unread_becomes_what_javascript_makes_of_it() {
    let packed = from_json(br#"["\ud800", "\ud83d\ude00", "\udc00x", 1e999, -0, 1.50e1]"#).unwrap();
    let expected = b"\x96\xa3\xef\xbf\xbd\xa4\xf0\x9f\x98\x80\xa4\xef\xbf\xbdx\xca\x7f\x80\0\0\xca\x80\0\0\0\xca\x41\x70\0\0";
    assert_eq!(&packed[..], &expected[..]);
}

#[test]
fn a_megabyte_of_openings_is_refused() {
    for bytes in [&b"\x91"[..], b"\x81\xa1a", b"\xdc\xff\xff"] {
        let error = decode_client(&bytes.repeat(1 << 20), MOST).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadFrame);
    }
    assert!(from_json(&b"[".repeat(1 << 20)).is_err());
}
