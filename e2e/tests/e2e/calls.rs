//! Signals of calls between users, from socket to socket.

use e2e::client::{Client, Heard};
use e2e::cluster::Cluster;
use e2e::token::token;
use serde_json::{Value, json};
use uuid::Uuid;

fn signal(to: &str, call_id: Uuid, kind: &str, data: &Value) -> Value {
    json!({ "type": "signal", "to": to, "call_id": call_id, "kind": kind, "data": data })
}

/// The next frame, which is a signal.
async fn heard(client: &mut Client) -> Value {
    client.expect("signal").await
}

#[tokio::test]
async fn every_device_of_the_other_user_hears_a_call_in_order_and_no_device_of_ones_own() {
    let cluster = Cluster::start("calls").await;
    let mut ann = Client::connect(cluster.gateway_address(0), &token("ann")).await;
    let mut other_ann = Client::connect(cluster.gateway_address(1), &token("ann")).await;
    let mut phone = Client::connect(cluster.gateway_address(0), &token("bob")).await;
    let mut laptop = Client::connect(cluster.gateway_address(1), &token("bob")).await;
    let call_id = Uuid::now_v7();
    ann.say(&signal("bob", call_id, "offer", &json!({ "sdp": "v=0" }))).await;
    for number in 0..50 {
        ann.say(&signal("bob", call_id, "ice", &json!(number))).await;
    }
    for device in [&mut phone, &mut laptop] {
        let offer = heard(device).await;
        assert_eq!(
            offer,
            json!({ "type": "signal", "from": "ann", "call_id": call_id, "kind": "offer", "data": { "sdp": "v=0" } })
        );
        for number in 0..50 {
            assert_eq!(heard(device).await["data"], number);
        }
    }
    laptop.say(&signal("ann", call_id, "answer", &json!({ "sdp": "v=1" }))).await;
    for device in [&mut ann, &mut other_ann] {
        let answer = heard(device).await;
        assert_eq!((&answer["from"], &answer["kind"]), (&json!("bob"), &json!("answer")));
    }
    // The answer was the first that the caller's other device heard, and the answering user's other
    // device hears nothing of it: what comes next is a message.
    ann.send_to("bob", "are you there?").await;
    match phone.hear().await {
        Heard::Frame(frame) => assert_eq!(frame["type"], "entry", "{frame}"),
        Heard::Closed(code, reason) => panic!("closed {code} {reason}"),
    }
    cluster.stop().await;
}
