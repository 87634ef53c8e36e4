//! What a device of an invisible user does without its user's word tells nobody that the user is there.

use proto::bus::{AdvanceCursor, OwnStatus, frame::Body, push};
use proto::id::{ConversationId, TenantId, UserName};
use serde_json::json;

use crate::device::Device;
use crate::edge::{Edge, Kind};

async fn marks(edge: &Edge) -> AdvanceCursor {
    match edge.frame().await.body {
        Some(Body::AdvanceCursor(marks)) => marks,
        other => panic!("marks, not {other:?}"),
    }
}

#[tokio::test]
async fn neither_typing_nor_delivered_of_an_invisible_user_goes_up_and_read_goes_quietly() {
    let edge = Edge::start().await;
    edge.presence.all_chose("invisible");
    let mut ann =
        Device::open(&edge, &format!("/ws?token={}", crate::edge::token("ann")), &[]).await;
    assert_eq!(ann.welcome().await["status"], "invisible", "her own devices know");
    let users = ["ann", "bob"].map(|name| UserName::parse(name).unwrap());
    let with_bob = ConversationId::direct(TenantId::DEFAULT, &users[0], &users[1]);
    let group = uuid::Uuid::now_v7();
    let delivered = |id: uuid::Uuid, seq: u64| json!({ "type": "delivered", "conversation_id": id, "seq": seq });
    ann.say(&json!({ "type": "typing", "conversation_id": group, "on": true })).await;
    ann.say(&delivered(group, 6)).await;
    ann.say(&delivered(with_bob.0, 3)).await;
    ann.say(&delivered(group, 7)).await;
    ann.say(&json!({ "type": "read", "conversation_id": group, "seq": 5 })).await;
    // Nothing of the former has gone up before it.
    let read = marks(&edge).await;
    assert_eq!((read.read_seq, read.quiet), (5, true), "her own devices count by it");

    // Her own message says that she is there: whom she writes to is told.
    ann.send_to("bob", "hello").await;
    edge.send().await;
    let told = marks(&edge).await;
    assert_eq!((told.conversation_id, told.delivered_seq), (with_bob.to_bytes(), 3));
    assert!(!told.quiet);

    let own = OwnStatus { connections: vec![ann.number], status: "online".to_owned() };
    edge.push_all(vec![push::Body::OwnStatus(own).into()]).await;
    // The push comes another way than frames.
    edge.push(&[ann.number], Kind::Ephemeral, json!({ "type": "typing" }).to_string()).await;
    ann.expect("typing").await;
    ann.say(&json!({ "type": "ping" })).await;
    let told = marks(&edge).await;
    assert_eq!(
        (told.conversation_id.as_ref(), told.delivered_seq),
        (group.as_bytes().as_slice(), 7)
    );
    assert!(!told.quiet);
    edge.stop().await;
}

#[tokio::test]
async fn who_becomes_invisible_stops_typing_for_others_at_once() {
    let edge = Edge::start().await;
    let mut ann = Device::connect(&edge, "ann").await;
    let id = uuid::Uuid::now_v7();
    let word = |on: bool| json!({ "type": "typing", "conversation_id": id, "on": on });
    ann.say(&word(true)).await;
    let told = |on| ("ann".to_owned(), id.as_bytes().to_vec(), on);
    assert_eq!(crate::sends::typing(&edge).await, told(true));
    ann.say(&json!({ "type": "status", "status": "invisible" })).await;
    assert_eq!(crate::sends::typing(&edge).await, told(false));
    ann.say(&word(true)).await;
    ann.say(&json!({ "type": "read", "conversation_id": id, "seq": 5 })).await;
    assert!(marks(&edge).await.quiet, "no typing before it");
    edge.stop().await;
}
