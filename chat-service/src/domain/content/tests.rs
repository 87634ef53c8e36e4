//! What each kind of message may say, and what it may not.

use super::*;
use proto::id::ConversationId;
use serde_json::{Value, json};

/// With `bob` and `cleo` mentioned.
fn checked(kind: &str, content: &str, is_operator: bool) -> Checked {
    let mut said = Said::new("send", ConversationId(uuid::Uuid::nil()));
    let mentions = ["bob", "acme/cleo"].map(|text| UserId::parse_qualified(text).unwrap());
    let writer = Writer { is_operator, mentions: &mentions, mention_all: false };
    check(kind, content.to_owned(), writer, &mut said)
}

fn code(kind: &str, content: &str, is_operator: bool) -> Option<ErrorCode> {
    let checked = checked(kind, content, is_operator);
    let most = checked.kind.content_bytes();
    assert!(checked.content.len() <= most || checked.refusal.is_some());
    assert!(checked.refusal.is_some() || checked.kind.as_str() == kind);
    checked.refusal.map(|refusal| refusal.code)
}

fn of(content: &Value) -> Option<ErrorCode> {
    code("text", &content.to_string(), false)
}

#[test]
fn a_text_has_between_one_and_eight_thousand_characters() {
    assert_eq!(of(&json!({ "text": "hello 🎉" })), None);
    assert_eq!(of(&json!({ "text": "é".repeat(8_000) })), None);
    assert_eq!(of(&json!({ "text": "é".repeat(8_001) })), Some(ErrorCode::TooLarge));
    for bad in ["", "  \n ", "nul \0 inside"] {
        assert_eq!(of(&json!({ "text": bad })), Some(ErrorCode::Invalid), "{bad:?}");
    }
    for content in
        [r#"{"txt":"x"}"#, r#"{"text":7}"#, "[]", r#""x""#, "", r#"{"text":"a","text":"b"}"#]
    {
        assert_eq!(code("text", content, false), Some(ErrorCode::Invalid), "{content}");
    }
}

#[test]
fn content_is_bounded_beside_its_text_and_in_depth() {
    let pad = |bytes: usize| {
        code("text", &format!(r#"{{"text":"x","entities":[{}]}}"#, " ".repeat(bytes)), false)
    };
    assert_eq!(pad(16_000), None);
    assert_eq!(pad(17_000), Some(ErrorCode::TooLarge));
    assert_eq!(pad(1_000_000), Some(ErrorCode::TooLarge));
    let nested = format!(r#"{{"text":"x","a":{}1{}}}"#, "[".repeat(40), "]".repeat(40));
    assert_eq!(code("text", &nested, false), Some(ErrorCode::Invalid));
}

#[test]
fn a_field_that_is_not_known_is_named_and_refused_in_every_kind() {
    for (kind, content) in [
        ("text", r#"{"text":"x","junk":1}"#),
        ("text", r#"{"text":"x","entities":[{"type":"bold","from":0,"length":1,"junk":1}]}"#),
        ("notice", r#"{"body":"x","junk":1}"#),
        ("card", r#"{"fallback":"x","card":{"title":"x","junk":1}}"#),
        ("encrypted", r#"{"algorithm":"a","ciphertext":"aGk=","sender_device":"d","junk":1}"#),
        (
            "call",
            r#"{"call_id":"00000000-0000-0000-0000-000000000001","state":"started","media":"audio","junk":1}"#,
        ),
    ] {
        let refusal = checked(kind, content, true).refusal.unwrap();
        assert_eq!(refusal.code, ErrorCode::Invalid, "{content}");
        assert!(refusal.message.contains("`junk`"), "{refusal:?}");
        let without = content.replace(r#","junk":1"#, "");
        assert_eq!(code(kind, &without, true), None, "{without}");
    }
}

#[test]
fn an_object_is_not_given_as_an_array() {
    for (kind, content) in [
        ("text", r#"["x"]"#),
        ("text", r#"{"text":"x","entities":[["bold",0,1]]}"#),
        ("notice", r#"[null,"x"]"#),
        ("card", r#"{"fallback":"x","card":["x"]}"#),
        ("card", r#"{"fallback":"x","card":{"fields":[["a","b"]]}}"#),
        ("encrypted", r#"["a","aGk=","d"]"#),
    ] {
        assert_eq!(code(kind, content, true), Some(ErrorCode::Invalid), "{content}");
    }
}

#[test]
fn an_entity_lies_within_its_text_by_characters() {
    // 8 characters, 13 bytes, 10 units of UTF-16.
    let text = "hi 🎉 é!🎉";
    let with = |entity: &str| {
        let content = json!({ "text": text }).to_string();
        let content = content.replace('}', &format!(r#","entities":[{entity}]}}"#));
        code("text", &content, false)
    };
    for good in [
        r#"{"type":"bold","from":0,"length":8}"#,
        r#"{"type":"italic","from":7,"length":1}"#,
        r#"{"type":"code","from":3,"length":1},{"type":"pre","from":0,"length":8}"#,
        r#"{"type":"link","from":0,"length":2}"#,
        r#"{"type":"mention","from":0,"length":2,"user":"bob"}"#,
        r#"{"type":"mention","from":0,"length":2,"user":"cleo"}"#,
        "",
    ] {
        assert_eq!(with(good), None, "{good}");
    }
    for bad in [
        r#"{"type":"bold","from":0,"length":9}"#,
        r#"{"type":"bold","from":8,"length":1}"#,
        r#"{"type":"bold","from":0,"length":0}"#,
        r#"{"type":"bold","from":-1,"length":1}"#,
        r#"{"type":"bold","from":1,"length":18446744073709551615}"#,
        r#"{"type":"bold","from":0.5,"length":1}"#,
        r#"{"type":"blink","from":0,"length":1}"#,
        r#"{"type":"bold","from":0}"#,
        r#"{"type":"bold","from":0,"length":1,"user":"bob"}"#,
        r#"{"type":"mention","from":0,"length":1}"#,
        r#"{"type":"mention","from":0,"length":1,"user":"eve"}"#,
        r#"{"type":"mention","from":0,"length":1,"user":7}"#,
        r#"{"type":"mention","from":0,"length":1,"user":"*"}"#,
        "7",
    ] {
        assert_eq!(with(bad), Some(ErrorCode::Invalid), "{bad}");
    }
    let mut said = Said::new("send", ConversationId(uuid::Uuid::nil()));
    let everybody =
        r#"{"text":"all","entities":[{"type":"mention","from":0,"length":3,"user":"*"}]}"#;
    let writer = Writer { mention_all: true, ..Writer::default() };
    assert_eq!(check("text", everybody.to_owned(), writer, &mut said).refusal, None);
    let many =
        |count: usize| with(&vec![r#"{"type":"bold","from":0,"length":1}"#; count].join(","));
    assert_eq!((many(100), many(101)), (None, Some(ErrorCode::TooLarge)));
}

#[test]
fn a_card_says_something_and_its_actions_have_ids_of_their_own() {
    let card =
        |card: &Value| code("card", &json!({ "fallback": "x", "card": card }).to_string(), false);
    let action = |id: &str| json!({ "id": id, "label": "Yes", "style": "primary", "value": "1" });
    for good in [
        json!({ "title": "Lunch?" }),
        json!({ "text": "é".repeat(4_000) }),
        json!({ "fields": [{ "name": "Where", "value": "Café" }] }),
        json!({ "actions": [action("a"), action("b"), { "id": "c", "label": "No" }] }),
    ] {
        assert_eq!(card(&good), None, "{good}");
    }
    for bad in [
        json!({}),
        json!({ "title": " " }),
        json!({ "fields": [{ "name": "Where" }] }),
        json!({ "actions": [{ "id": "c" }] }),
        json!({ "actions": [action("a"), action("a")] }),
        json!({ "actions": [{ "id": "c", "label": "No", "style": "blinking" }] }),
        json!(7),
    ] {
        assert_eq!(card(&bad), Some(ErrorCode::Invalid), "{bad}");
    }
    assert_eq!(card(&json!({ "title": "t".repeat(201) })), Some(ErrorCode::TooLarge));
    assert_eq!(card(&json!({ "text": "é".repeat(8_001) })), Some(ErrorCode::TooLarge));
    let fields = vec![json!({ "name": "n", "value": "v" }); 26];
    assert_eq!(card(&json!({ "fields": fields })), Some(ErrorCode::TooLarge));
    let fields = vec![json!({ "name": "n", "value": "v".repeat(2_000) }); 9];
    assert_eq!(card(&json!({ "fields": fields })), Some(ErrorCode::TooLarge), "16 KiB");
    assert_eq!(card(&json!({ "title": "t", "image": "x" })), Some(ErrorCode::Unsupported));
    assert_eq!(code("card", r#"{"card":{"title":"t"}}"#, false), Some(ErrorCode::Invalid));
}

#[test]
fn what_is_encrypted_has_a_key_for_at_most_two_hundred_devices() {
    let sealed = |more: &Value| {
        let mut content =
            json!({ "algorithm": "olm", "ciphertext": "aGVsbG8=", "sender_device": "phone" });
        content.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        code("encrypted", &content.to_string(), false)
    };
    let keys = |count: usize| {
        let keys = (0..count).map(|n| (format!("bob/device-{n}"), json!("a2V5")));
        json!({ "keys": keys.collect::<serde_json::Map<_, _>>() })
    };
    for good in [json!({}), keys(200), json!({ "epoch": 4 }), json!({ "ciphertext": "YQ" })] {
        assert_eq!(sealed(&good), None, "{good}");
    }
    for bad in [
        json!({ "ciphertext": "" }),
        json!({ "ciphertext": "not base64" }),
        json!({ "algorithm": "" }),
        json!({ "epoch": -1 }),
        json!({ "keys": { "bob": "a2V5" } }),
        json!({ "keys": { "b b/phone": "a2V5" } }),
        json!({ "keys": { "bob/": "a2V5" } }),
        json!({ "keys": { "bob/phone": "?" } }),
    ] {
        assert_eq!(sealed(&bad), Some(ErrorCode::Invalid), "{bad}");
    }
    assert_eq!(sealed(&keys(201)), Some(ErrorCode::TooLarge));
    let long = |bytes: usize| sealed(&json!({ "ciphertext": "A".repeat(bytes) }));
    assert_eq!(long(128_000), None);
    assert_eq!(long(132_000), Some(ErrorCode::TooLarge));
}

#[test]
fn a_call_begins_or_ends_and_is_told_by_operators_alone() {
    let call = |more: &Value, is_operator| {
        let mut content = json!({ "call_id": uuid::Uuid::from_u128(1) });
        content.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        code("call", &content.to_string(), is_operator)
    };
    let started = json!({ "state": "started", "media": "video", "ring_until": 9 });
    let ended = json!({ "state": "ended", "outcome": "answered", "media": "audio", "duration_ms": 5,
        "answered_by": "bob", "participants": ["ann", "bob"] });
    for good in [&started, &ended, &json!({ "state": "ended", "outcome": "missed" })] {
        assert_eq!(call(good, true), None, "{good}");
        assert_eq!(call(good, false), Some(ErrorCode::Forbidden), "{good}");
    }
    for bad in [
        json!({}),
        json!({ "state": "ringing" }),
        json!({ "state": "started" }),
        json!({ "state": "started", "media": "smell" }),
        json!({ "state": "started", "media": "audio", "outcome": "missed" }),
        json!({ "state": "ended", "media": "audio" }),
        json!({ "state": "ended", "outcome": "missed", "ring_until": 9 }),
        json!({ "state": "ended", "outcome": "missed", "participants": ["b b"] }),
    ] {
        assert_eq!(call(&bad, true), Some(ErrorCode::Invalid), "{bad}");
    }
    let crowd = json!({ "state": "ended", "outcome": "missed", "participants": vec!["bob"; 65] });
    assert_eq!(call(&crowd, true), Some(ErrorCode::TooLarge));
}

#[test]
fn kinds_with_media_are_not_supported_whatever_they_say() {
    for kind in ["image", "voice", "video", "file"] {
        for content in [r#"{"media":[{"id":"x"}]}"#, "{}", "spoilt"] {
            assert_eq!(code(kind, content, true), Some(ErrorCode::Unsupported), "{kind} {content}");
        }
    }
}

#[test]
fn spaces_and_escapes_do_not_count() {
    let escaped = format!(r#"{{"text":"{}"}}"#, r"\ud83c\udf89".repeat(8_000));
    assert_eq!(code("text", &escaped, false), None);
    let spaced = format!(r#"{{"text":{}"x"}}"#, " ".repeat(100_000));
    assert_eq!(code("text", &spaced, false), None);
}

#[test]
fn operators_alone_send_notices_and_nobody_what_the_server_writes() {
    let notice = r#"{"title":"Tonight","body":"maintenance"}"#;
    assert_eq!(code("notice", notice, false), Some(ErrorCode::Forbidden));
    assert_eq!(code("notice", notice, true), None);
    assert_eq!(code("notice", r#"{"body":"maintenance"}"#, true), None);
    for forged in [r#"{"event":"members_added","members":"bob"}"#, r#"{"text":"x"}"#, "{}"] {
        assert_eq!(code("system", forged, true), Some(ErrorCode::Forbidden), "{forged}");
        assert_eq!(code("notice", forged, true), Some(ErrorCode::Invalid), "{forged}");
    }
    for bad in [r#"{"body":" "}"#, r#"{"title":"","body":"x"}"#, r#"{"body":7}"#, "[]", ""] {
        assert_eq!(code("notice", bad, true), Some(ErrorCode::Invalid), "{bad}");
    }
    let long = json!({ "title": "t".repeat(201), "body": "x" }).to_string();
    assert_eq!(code("notice", &long, true), Some(ErrorCode::TooLarge));
    let long = json!({ "body": "x".repeat(8_001) }).to_string();
    assert_eq!(code("notice", &long, true), Some(ErrorCode::TooLarge));
    assert_eq!(code("hologram", "{}", true), Some(ErrorCode::Invalid));
}

#[test]
fn a_notice_that_is_written_otherwise_is_the_same_notice() {
    let digest = |content: &str| {
        let mut said = Said::new("send", ConversationId(uuid::Uuid::nil()));
        let writer = Writer { is_operator: true, ..Writer::default() };
        assert!(check("notice", content.to_owned(), writer, &mut said).is_said);
        said.finish()
    };
    let same = digest(r#"{"title":"a","body":"b"}"#);
    assert_eq!(digest(r#"{ "body" : "b", "title":"\u0061" }"#), same);
    assert_ne!(digest(r#"{"title":"a","body":"c"}"#), same);
}

#[test]
fn a_copy_mentions_nobody_and_says_the_same() {
    let entity = |of: &str| json!({ "type": of, "from": 0, "length": 2 });
    let mut mention = entity("mention");
    mention["user"] = json!("bob");
    let text = json!({ "text": "hi", "entities": [entity("bold"), mention, entity("link")] });
    let copy = copied(MessageKind::Text, &text.to_string()).unwrap();
    let expected = json!({ "text": "hi", "entities": [entity("bold"), entity("link")] });
    assert_eq!(serde_json::from_str::<Value>(&copy).unwrap(), expected);
    let alone = json!({ "text": "hi", "entities": [mention] }).to_string();
    assert_eq!(copied(MessageKind::Text, &alone).unwrap(), r#"{"text":"hi"}"#);
    for same in [r#"{"text":"hi"}"#, r#"{ "text":"hi", "color":1 }"#, "spoilt"] {
        assert_eq!(copied(MessageKind::Text, same).unwrap(), same);
    }
    let card = r#"{"fallback":"x","card":{"title":"t"}}"#;
    assert_eq!(copied(MessageKind::Card, card).unwrap(), card);
    for kind in [MessageKind::Encrypted, MessageKind::Notice, MessageKind::Call] {
        assert_eq!(copied(kind, "{}"), None);
    }
}
