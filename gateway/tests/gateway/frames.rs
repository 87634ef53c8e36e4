//! Whatever a client says, it gets a clear answer.

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::device::Device;
use crate::edge::{Edge, token, until};
use crate::services::Mode;

#[tokio::test]
async fn each_bad_frame_gets_its_code_and_the_connection_stays() {
    let edge = Edge::start().await;
    let mut device = Device::connect(&edge, "ann").await;
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let id = uuid::Uuid::now_v7();
    let bad = [
        (Message::text("hello"), "bad_frame"),
        (Message::text("[]"), "bad_frame"),
        (Message::text(deep.clone()), "bad_frame"),
        (Message::text(format!(r#"{{"type":"send","ref":"r","content":{deep}}}"#)), "bad_frame"),
        (Message::text(r#"{"ref":"r"}"#), "bad_frame"),
        (Message::binary(vec![0xff, 0x00]), "bad_frame"),
        (Message::text(r#"{"type":"launch","ref":"r"}"#), "unknown_type"),
        (Message::text(r#"{"type":"send","ref":"r","client_id":7}"#), "bad_frame"),
        (Message::text(r#"{"type":"status","status":"asleep"}"#), "invalid"),
        (
            Message::text(
                json!({ "type": "send", "ref": "r", "client_id": id, "content": {} }).to_string(),
            ),
            "invalid",
        ),
    ];
    for (message, code) in bad {
        let has_ref = message.to_text().is_ok_and(|text| text.contains(r#""ref":"r""#));
        device.say_raw(message.clone()).await;
        let error = device.expect("error").await;
        assert_eq!(error["code"], code, "{message:?}: {error}");
        assert_eq!(error["stored"], "no", "{error}");
        assert!(!error["message"].as_str().unwrap().is_empty(), "{error}");
        assert_eq!(error["ref"] == "r", has_ref, "{error}");
    }
    device.is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn a_frame_above_the_limit_is_told_so_and_closed_with_1009() {
    let edge = Edge::with(|limits| limits.frame_bytes = 10_000).await;
    let mut neighbour = Device::connect(&edge, "bob").await;
    // At the limit it is only a bad frame.
    neighbour.say_raw(Message::text("x".repeat(10_000))).await;
    assert_eq!(neighbour.expect("error").await["code"], "bad_frame");
    for message in [
        Message::text("x".repeat(10_001)),
        Message::binary(vec![0; 10_001]),
        Message::text("x".repeat(24_000)),
    ] {
        let mut device = Device::connect(&edge, "ann").await;
        device.say_raw(message).await;
        let error = device.expect("error").await;
        assert_eq!((&error["code"], &error["stored"]), (&json!("too_large"), &json!("no")));
        assert_eq!(device.closed().await, (1009, "frame above the limit".to_owned()));
    }
    neighbour.is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn a_frame_far_above_the_limit_is_not_read_and_still_closed_with_1009() {
    let edge = Edge::with(|limits| limits.frame_bytes = 1_000).await;
    let mut device = Device::connect(&edge, "ann").await;
    device.say_raw(Message::text("x".repeat(100_000))).await;
    assert_eq!(device.closed().await.0, 1009);
    edge.stop().await;
}

#[tokio::test]
async fn bytes_that_are_no_frames_end_only_their_own_connection_and_say_why() {
    let edge = Edge::start().await;
    let mut neighbour = Device::connect(&edge, "bob").await;
    // A masked text frame of one byte that is not UTF-8; an unmasked one; reserved bits.
    let bad: [(&[u8], u16); 3] = [
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
        (&[0x81, 0x01, b'x'], 1002),
        (&[0xf1, 0x81, 0, 0, 0, 0, b'x'], 1002),
    ];
    for (bytes, code) in bad {
        let mut device = Device::connect(&edge, "ann").await;
        device.socket.get_mut().write_all(bytes).await.unwrap();
        let (closed, reason) = device.closed().await;
        assert_eq!(closed, code, "{bytes:x?}: {reason}");
        assert!(!reason.is_empty());
    }
    neighbour.is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn a_ping_is_answered_with_the_digest_of_the_heads_where_it_can_be_told() {
    let edge = Edge::start().await;
    edge.chat.has(Vec::new(), 77);
    let mut device = Device::connect(&edge, "ann").await;
    device.say(&json!({ "type": "ping" })).await;
    assert_eq!(device.frame().await, json!({ "type": "pong", "heads": 77 }));
    let path = format!("/ws?token={}&heads=2", token("bob"));
    let mut asking = Device::open(&edge, &path, &[]).await;
    asking.welcome().await;
    asking.say(&json!({ "type": "ping" })).await;
    assert_eq!(asking.frame().await, json!({ "type": "pong", "heads": 77, "heads2": 78 }));
    edge.chat.switch(Mode::Away);
    device.say(&json!({ "type": "ping" })).await;
    assert_eq!(device.frame().await, json!({ "type": "pong" }), "alive without a chat service");
    edge.stop().await;
}

#[tokio::test]
async fn a_goodbye_is_answered_with_a_close_frame() {
    let edge = Edge::start().await;
    let mut device = Device::connect(&edge, "ann").await;
    let close = CloseFrame { code: 1000.into(), reason: "bye".into() };
    device.say_raw(Message::Close(Some(close))).await;
    assert_eq!(device.closed().await.0, 1000, "not 1006");
    let number = device.number;
    until("presence hears of it", || {
        edge.presence.account().disconnected.iter().any(|gone| gone.connection == number)
    })
    .await;
    edge.stop().await;
}
