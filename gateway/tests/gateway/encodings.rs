//! Frames in MessagePack, under the subprotocol that asks for it.

use futures_util::StreamExt;
use proto::bus::frame::Body;
use proto::bus::operation::Action;
use proto::id::{ConversationId, UserId};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::device::Device;
use crate::edge::{Edge, Kind, token};

/// Spaces, an escape and numbers of all kinds.
const ENTRY: &str =
    r#"{ "type":"entry", "seq":70000, "content":{"text":"é\u00e9", "n":[1.5,-3,null,true]} }"#;

async fn connect(edge: &Edge, protocols: &str) -> (Device, Option<String>) {
    let path = format!("/ws?token={}", token("ann"));
    let headers = [("sec-websocket-protocol", protocols)];
    let (device, answer) = Device::try_open(edge, &path, &headers).await.unwrap();
    let agreed = answer.headers().get("sec-websocket-protocol");
    (device, agreed.map(|name| name.to_str().unwrap().to_owned()))
}

/// The next frame, which is binary.
async fn unpacked(device: &mut Device) -> Value {
    loop {
        match device.socket.next().await.unwrap().unwrap() {
            Message::Binary(bytes) => return rmp_serde::from_slice(&bytes).unwrap(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn say(device: &mut Device, frame: &Value) {
    device.say_raw(Message::binary(rmp_serde::to_vec_named(frame).unwrap())).await;
}

#[tokio::test]
async fn both_sides_speak_messagepack_where_it_was_agreed_on() {
    let edge = Edge::start().await;
    let (mut ann, agreed) = connect(&edge, "tidings.v1.msgpack").await;
    assert_eq!(agreed.as_deref(), Some("tidings.v1.msgpack"));
    let welcome = unpacked(&mut ann).await;
    assert_eq!(welcome["type"], "welcome");
    let number = welcome["connection_id"].as_str().unwrap().rsplit_once('.').unwrap().1.to_owned();
    let number = u64::from_str_radix(&number, 16).unwrap();
    let mut bob = Device::connect(&edge, "bob").await;

    // One push, two forms.
    edge.push(&[number, bob.number], Kind::Entry, ENTRY).await;
    let expected: Value = serde_json::from_str(ENTRY).unwrap();
    assert_eq!(unpacked(&mut ann).await, expected);
    assert_eq!(bob.frame().await, expected);

    let client_id = uuid::Uuid::now_v7();
    say(
        &mut ann,
        &json!({"type": "send", "client_id": client_id, "to": "bob", "content": {"text": "hi"}}),
    )
    .await;
    let (_, send) = edge.send().await;
    assert_eq!(send.content, r#"{"text":"hi"}"#);
    assert_eq!(send.client_id, client_id.as_bytes()[..]);
    let set = json!({"type": "set", "client_id": client_id, "what": "mute", "conversation_id": client_id,
        "value": {"until": null, "mentions": false}});
    say(&mut ann, &set).await;
    let Some(Body::Operation(operation)) = edge.frame().await.body else { panic!("an operation") };
    let ann_herself = UserId::parse_qualified("ann").unwrap();
    assert_eq!(operation.conversation_id, ConversationId::own(&ann_herself).to_bytes());
    let Some(Action::Set(set)) = operation.action else { panic!("{operation:?}") };
    // MessagePack of the test has another order of keys.
    let value: Value = serde_json::from_str(&set.value).unwrap();
    assert_eq!(value, json!({ "until": null, "mentions": false }));
    assert_eq!((set.conversation_id, set.thread), (client_id.as_bytes().to_vec().into(), 0));
    say(&mut ann, &json!({"type": "ping"})).await;
    assert_eq!(unpacked(&mut ann).await["type"], "pong");
    edge.stop().await;
}

#[tokio::test]
async fn the_client_names_the_best_first_and_others_get_none() {
    let edge = Edge::start().await;
    for (offered, agreed) in [
        ("tidings.v1, tidings.v1.msgpack", Some("tidings.v1")),
        ("v9.tidings, tidings.v1.msgpack, tidings.v1", Some("tidings.v1.msgpack")),
        ("tidings.v1.msgpack2, tidings.v1", Some("tidings.v1")),
    ] {
        assert_eq!(connect(&edge, offered).await.1.as_deref(), agreed, "{offered}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn the_other_form_is_refused_and_the_refusal_says_which_to_use() {
    let edge = Edge::start().await;
    let (mut binary, _) = connect(&edge, "tidings.v1.msgpack").await;
    unpacked(&mut binary).await;
    binary.say(&json!({"type": "ping"})).await;
    let error = unpacked(&mut binary).await;
    assert_eq!(error["code"], "bad_frame");
    assert!(error["message"].as_str().unwrap().contains("tidings.v1.msgpack"), "{error}");
    for bytes in [&b"\xc4\x01x"[..], b"\x81\xa4type\xd4\x01\x02", b"\xc1", b""] {
        binary.say_raw(Message::binary(bytes.to_vec())).await;
        assert_eq!(unpacked(&mut binary).await["code"], "bad_frame", "{bytes:?}");
    }
    say(&mut binary, &json!({"type": "ping"})).await;
    assert_eq!(unpacked(&mut binary).await["type"], "pong");

    let mut text = Device::connect(&edge, "bob").await;
    text.say_raw(Message::binary(rmp_serde::to_vec_named(&json!({"type": "ping"})).unwrap())).await;
    let error = text.expect("error").await;
    assert!(error["message"].as_str().unwrap().contains("tidings.v1.msgpack"), "{error}");
    text.is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn a_token_in_a_first_frame_may_be_binary_too() {
    let edge = Edge::start().await;
    let headers = [("sec-websocket-protocol", "tidings.v1.msgpack")];
    let mut ann = Device::open(&edge, "/ws", &headers).await;
    say(&mut ann, &json!({"type": "auth", "token": token("ann")})).await;
    assert_eq!(unpacked(&mut ann).await["user_id"], "ann");
    edge.stop().await;
}
