//! Properties of the client frames: what was written is read, and nothing that arrives does harm.
#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use proptest::prelude::*;
use proto::error_code::ErrorCode;
use proto::frame::client::ClientFrame;
use proto::frame::{MAX_DEPTH, MAX_REF_BYTES, decode_client};
use serde_json::{Value, json};

/// Every type a client may send.
const TYPES: [&str; 17] = [
    "auth",
    "ping",
    "send",
    "pin",
    "edit",
    "delete",
    "react",
    "set",
    "draft",
    "sync",
    "delivered",
    "read",
    "typing",
    "status",
    "signal",
    "show",
    "broadcast",
];

/// A frame as it is on the wire, of each type with a body that can be written again.
fn frame() -> impl Strategy<Value = Value> {
    let cursor = (uuid(), any::<u64>(), prop_oneof![Just("delivered"), Just("read")]);
    let held = prop_oneof![
        any::<u64>().prop_map(|seq| json!(seq)),
        (any::<u64>(), uuid()).prop_map(|(seq, id)| json!({ "seq": seq, "id": id })),
    ];
    let sync = (prop::collection::hash_map(uuid(), held, 0..20), any::<String>());
    prop_oneof![
        send(),
        cursor.prop_map(|(conversation, seq, kind)| {
            json!({"type": kind, "conversation_id": conversation, "seq": seq})
        }),
        (uuid(), uuid(), any::<u64>(), any::<bool>()).prop_map(
            |(client_id, conversation, seq, on)| {
                json!({"type": "pin", "client_id": client_id, "conversation_id": conversation,
                "seq": seq, "on": on})
            }
        ),
        (uuid(), any::<String>(), uuid(), 1_u64.., any::<bool>()).prop_map(
            |(client_id, what, conversation, thread, on)| {
                json!({"type": "set", "client_id": client_id, "what": what, "conversation_id": conversation,
                    "thread": thread, "value": {"on": on, "no": null}})
            }
        ),
        (uuid(), uuid(), any::<String>(), any::<u64>()).prop_map(
            |(client_id, conversation, text, base)| {
                json!({"type": "draft", "client_id": client_id, "conversation_id": conversation,
                    "content": {"text": text}, "base": base})
            },
        ),
        (uuid(), uuid(), uuid(), any::<u64>()).prop_map(|(client_id, to, from, seq)| {
            json!({"type": "forward", "client_id": client_id, "conversation_id": to,
                "source": {"conversation_id": from, "seq": seq}})
        }),
        (uuid(), any::<[u64; 2]>()).prop_map(|(conversation, [seq, thread])| {
            json!({"type": "read", "conversation_id": conversation, "seq": seq, "thread": thread})
        }),
        (uuid(), any::<bool>()).prop_map(|(conversation, on)| {
            json!({"type": "typing", "conversation_id": conversation, "on": on})
        }),
        any::<String>().prop_map(|status| json!({"type": "status", "status": status})),
        sync.prop_map(|(cursors, epoch)| {
            json!({"type": "sync", "epoch": epoch, "cursors": cursors})
        }),
        signal(),
        change(),
        (uuid(), uuid()).prop_map(|(client_id, notice)| {
            json!({"type": "show", "client_id": client_id, "notice_id": notice})
        }),
        (uuid(), any::<String>()).prop_map(|(client_id, text)| {
            json!({"type": "broadcast", "client_id": client_id, "content": {"text": text}})
        }),
    ]
}

fn change() -> impl Strategy<Value = Value> {
    let ids = (uuid(), uuid(), any::<u64>());
    (ids, ".{0,16}", any::<bool>(), prop::collection::vec(name(), 1..4), 0..4).prop_map(
        |((client_id, at, seq), text, on, mentions, which)| {
            let ids = json!({ "client_id": client_id, "conversation_id": at, "ref": text });
            let body = match which {
                0 => json!({ "type": "react", "seq": seq, "key": text, "on": on }),
                1 => json!({ "type": "delete", "seq": seq, "reason": text }),
                2 => json!({ "type": "delete", "seqs": [seq, 1] }),
                _ => json!({ "type": "edit", "seq": seq, "content": { "text": text }, "base": seq,
                    "mentions": mentions, "extra": { "x": [text, null] } }),
            };
            let mut frame = ids;
            frame.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            frame
        },
    )
}

fn send() -> impl Strategy<Value = Value> {
    let place = prop_oneof![
        uuid().prop_map(|id| json!({"conversation_id": id})),
        name().prop_map(|user| json!({"to": user})),
    ];
    let more =
        prop::option::of((any::<u64>(), prop::collection::vec(name(), 1..8), any::<String>()));
    (".{0,16}", uuid(), place, any::<String>(), any::<bool>(), more).prop_map(
        |(reference, client_id, place, text, is_important, more)| {
            let mut frame = json!({
                "type": "send",
                "ref": reference,
                "client_id": client_id,
                "kind": "text",
                "content": {"text": text},
                "is_important": is_important,
            });
            let fields = frame.as_object_mut().unwrap();
            fields.extend(place.as_object().unwrap().clone());
            if let Some((reply_to, mentions, extra)) = more {
                fields.insert("reply_to".to_owned(), json!(reply_to));
                fields.insert("mentions".to_owned(), json!(mentions));
                fields.insert("extra".to_owned(), json!({"x": [extra, null, 1.5]}));
                fields.insert("device_type".to_owned(), json!("web"));
                fields.insert("thread".to_owned(), json!(reply_to));
                fields.insert("also_in_main".to_owned(), json!(true));
                fields.insert("mention_all".to_owned(), json!(true));
            }
            frame
        },
    )
}

fn signal() -> impl Strategy<Value = Value> {
    let kinds = ["offer", "answer", "ice", "ring", "busy", "decline", "hangup"];
    let kind = prop::sample::select(kinds.to_vec());
    (name(), uuid(), kind, prop::option::of(any::<String>())).prop_map(
        |(to, call_id, kind, sdp)| {
            let mut frame = json!({"type": "signal", "to": to, "call_id": call_id, "kind": kind});
            if let Some(sdp) = sdp {
                frame["data"] = json!({"sdp": sdp, "n": [1.5, null]});
            }
            frame
        },
    )
}

fn uuid() -> impl Strategy<Value = String> {
    any::<[u8; 16]>().prop_map(|bytes| uuid::Uuid::from_bytes(bytes).to_string())
}

fn name() -> impl Strategy<Value = String> {
    "[A-Za-z0-9._@:+-]{1,64}"
        .prop_filter("a path cannot name it", |text| text != "." && text != "..")
}

/// What was understood, written again.
fn rewritten(frame: &ClientFrame) -> Value {
    let (kind, body) = match frame {
        ClientFrame::Auth(_) | ClientFrame::Ping => unreachable!("has no body to write"),
        ClientFrame::Send(body) => ("send", serde_json::to_value(body)),
        ClientFrame::Pin(body) => ("pin", serde_json::to_value(body)),
        ClientFrame::Edit(body) => ("edit", serde_json::to_value(body)),
        ClientFrame::Delete(body) => ("delete", serde_json::to_value(body)),
        ClientFrame::React(body) => ("react", serde_json::to_value(body)),
        ClientFrame::Set(body) => ("set", serde_json::to_value(body)),
        ClientFrame::Draft(body) => ("draft", serde_json::to_value(body)),
        ClientFrame::Act(body) => ("act", serde_json::to_value(body)),
        ClientFrame::Forward(body) => ("forward", serde_json::to_value(body)),
        ClientFrame::Sync(body) => ("sync", serde_json::to_value(body)),
        ClientFrame::Delivered(body) => ("delivered", serde_json::to_value(body)),
        ClientFrame::Read(body) => ("read", serde_json::to_value(body)),
        ClientFrame::Typing(body) => ("typing", serde_json::to_value(body)),
        ClientFrame::Status(body) => ("status", serde_json::to_value(body)),
        ClientFrame::Signal(body) => ("signal", serde_json::to_value(body)),
        ClientFrame::Show(body) => ("show", serde_json::to_value(body)),
        ClientFrame::Broadcast(body) => ("broadcast", serde_json::to_value(body)),
    };
    let mut value = body.unwrap();
    value.as_object_mut().unwrap().insert("type".to_owned(), json!(kind));
    value
}

/// Pieces that make texts that are nearly frames.
const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "null",
    "true",
    "-1",
    "1e999",
    "\"type\"",
    "\"send\"",
    "\"ping\"",
    "\"ref\"",
    "\"content\"",
    "\"seq\"",
    " ",
    "\u{0}",
    "ä",
    "0",
];

proptest! {
    #[test]
    fn what_was_written_is_read(frame in frame()) {
        let decoded = decode_client(&frame.to_string()).unwrap();
        prop_assert_eq!(rewritten(&decoded), frame);
    }

    #[test]
    fn spaces_and_unknown_fields_change_nothing(frame in frame(), value in any::<u32>(), at_front in any::<bool>()) {
        let text = serde_json::to_string_pretty(&frame).unwrap();
        let unknown = format!(r#" "of_a_newer_client" : [ {{ "a" : {value} }} ] "#);
        let inside = &text[1..text.len() - 1];
        let longer = if at_front {
            format!("\n{{{unknown},{inside}}}\t")
        } else {
            format!("\n{{{inside},{unknown}}}\t")
        };
        prop_assert_eq!(rewritten(&decode_client(&longer).unwrap()), frame);
    }

    #[test]
    fn content_is_kept_byte_for_byte(text in any::<String>(), client_id in uuid(), spaces in "[ \n\t]{0,5}") {
        let content = format!("{{{spaces}\"text\" :{spaces}{},\"n\":1.0e+2}}", json!(text));
        let frame =
            format!(r#"{{"type":"send","to":"bob","client_id":"{client_id}","content":{content}}}"#);
        let Ok(ClientFrame::Send(send)) = decode_client(&frame) else {
            return Err(TestCaseError::fail(frame));
        };
        prop_assert_eq!(send.content.get(), content);
        prop_assert_eq!(send.kind, "text");
    }

    #[test]
    fn any_text_is_a_frame_or_an_error(text in any::<String>()) {
        let _ = decode_client(&text);
    }

    #[test]
    fn any_bytes_read_as_text_are_a_frame_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_client(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_pieces_of_json_are_a_frame_or_an_error(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..60),
    ) {
        let _ = decode_client(&pieces.concat());
    }

    #[test]
    fn a_frame_cut_short_or_changed_in_one_place_does_no_harm(
        frame in frame(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let text = frame.to_string();
        let at = at.index(text.len());
        let cut = String::from_utf8_lossy(&text.as_bytes()[..at]).into_owned();
        prop_assert_eq!(decode_client(&cut).unwrap_err().code, ErrorCode::BadFrame);
        let mut changed = text.into_bytes();
        changed[at] = byte;
        let _ = decode_client(&String::from_utf8_lossy(&changed));
    }

    #[test]
    fn an_unknown_type_is_told_apart_and_keeps_its_reference(kind in "[a-z_]{0,20}", reference in ".{0,16}") {
        prop_assume!(!TYPES.contains(&kind.as_str()));
        let text = json!({"type": kind, "ref": reference}).to_string();
        let error = decode_client(&text).unwrap_err();
        prop_assert_eq!(error.code, ErrorCode::UnknownType);
        prop_assert_eq!(error.reference, Some(reference));
    }

    #[test]
    fn a_frame_nested_too_deeply_keeps_its_reference(mut frame in frame(), reference in ".{0,16}", first in any::<bool>()) {
        let deep = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        frame.as_object_mut().unwrap().remove("ref");
        let (frame, reference) = (frame.to_string(), json!(reference));
        let inside = &frame[1..frame.len() - 1];
        let text = if first {
            format!(r#"{{"ref":{reference},{inside},"a":{deep}}}"#)
        } else {
            format!(r#"{{{inside},"a":{deep},"ref": {reference}}}"#)
        };
        let error = decode_client(&text).unwrap_err();
        prop_assert_eq!((error.code, json!(error.reference)), (ErrorCode::BadFrame, reference));
    }

    #[test]
    fn depth_is_counted_to_the_limit_and_not_beyond(depth in 1_usize..MAX_DEPTH * 2, client_id in uuid()) {
        let content = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let frame =
            format!(r#"{{"type":"send","to":"bob","client_id":"{client_id}","content":{content}}}"#);
        match decode_client(&frame) {
            // The frame itself is the first level.
            Ok(_) => prop_assert!(depth < MAX_DEPTH),
            Err(error) => {
                prop_assert!(depth >= MAX_DEPTH, "{}", error);
                prop_assert_eq!(error.code, ErrorCode::BadFrame);
            }
        }
    }

    #[test]
    fn brackets_and_quotes_inside_texts_are_not_depth(text in r#"[\[\{"\\]{0,200}"#) {
        let frame = json!({"type": "status", "status": text}).to_string();
        let Ok(ClientFrame::Status(status)) = decode_client(&frame) else {
            return Err(TestCaseError::fail(frame));
        };
        prop_assert_eq!(status.status, text);
    }

    #[test]
    fn errors_repeat_nothing_of_the_content(
        kind in prop::sample::select(TYPES.to_vec()),
        field in prop::sample::select(vec![
            "token", "client_id", "conversation_id", "to", "kind", "reply_to", "mentions",
            "is_important", "device_type", "epoch", "cursors", "seq", "on", "status", "ref", "type",
            "call_id",
        ]),
        number in 1_000_000_000_i64..=i64::MAX,
    ) {
        let secret = format!("geheim{number}");
        let sly = format!("x, expected {secret}");
        let values = [
            json!(secret), json!(sly), json!([secret]), json!({&secret: secret}), json!(-number), json!([-number]),
        ];
        for value in values {
            let mut frame = json!({
                "type": kind, "token": "t", "client_id": uuid::Uuid::nil(), "content": {},
                "conversation_id": uuid::Uuid::nil(), "seq": 1, "on": true, "status": "away",
                "to": "bob", "call_id": uuid::Uuid::nil(),
            });
            frame[field] = value;
            if let Err(error) = decode_client(&frame.to_string()) {
                prop_assert!(!error.message.contains("geheim"), "{}", error.message);
                prop_assert!(!error.message.contains(&number.to_string()), "{}", error.message);
            }
        }
    }
}

#[test]
fn a_megabyte_of_brackets_is_refused_and_a_megabyte_of_text_is_read() {
    for text in ["[", "{", "{\"a\":", "[{\"", "\\"] {
        let error = decode_client(&text.repeat(1 << 20)).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadFrame);
        assert!(error.message.len() < 200, "{}", error.message.len());
    }
    let frame = json!({"type": "status", "status": "ä\"".repeat(1 << 19)}).to_string();
    assert!(matches!(decode_client(&frame), Ok(ClientFrame::Status(_))));
}

#[test]
fn a_field_said_twice_is_refused() {
    let nil = uuid::Uuid::nil();
    for frame in [
        r#"{"type":"ping","type":"send"}"#.to_owned(),
        format!(r#"{{"type":"typing","conversation_id":"{nil}","on":true,"on":false}}"#),
        r#"{"type":"status","status":"away","status":"busy"}"#.to_owned(),
    ] {
        assert_eq!(decode_client(&frame).unwrap_err().code, ErrorCode::BadFrame, "{frame}");
    }
}

#[test]
fn a_token_is_never_printed() {
    let frame = decode_client(r#"{"type":"auth","token":"geheim"}"#).unwrap();
    assert!(!format!("{frame:?}").contains("geheim"));
}

#[test]
fn a_reference_has_at_most_64_bytes_whatever_the_frame() {
    let client_id = uuid::Uuid::now_v7();
    for kind in ["send", "sync", "signal", "nonsense"] {
        let frame = |reference: &str| {
            json!({ "type": kind, "ref": reference, "client_id": client_id, "to": "bob",
                "call_id": client_id, "kind": "text", "content": {} })
            .to_string()
        };
        let error = decode_client(&frame(&"r".repeat(MAX_REF_BYTES + 1))).unwrap_err();
        assert_eq!((error.code, error.reference), (ErrorCode::Invalid, None), "{kind}");
        let longest = "é".repeat(MAX_REF_BYTES / 2);
        match decode_client(&frame(&longest)) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.reference.as_ref(), Some(&longest), "{kind}"),
        }
    }
}
