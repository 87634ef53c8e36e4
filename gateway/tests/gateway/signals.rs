//! Call signals are checked and go up in their order; whatever is wrong with one gets its code.

use proto::bus::{Signal, SignalKind, frame::Body};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::device::Device;
use crate::edge::Edge;

fn signal(call_id: Uuid, kind: &str, data: &Value) -> Value {
    json!({ "type": "signal", "ref": "r", "to": "bob", "call_id": call_id, "kind": kind, "data": data })
}

async fn taken(edge: &Edge) -> Signal {
    match edge.frame().await.body {
        Some(Body::Signal(signal)) => signal,
        other => panic!("a signal, not {other:?}"),
    }
}

#[tokio::test]
async fn the_steps_of_a_call_go_up_in_their_order_and_nothing_is_answered() {
    let edge = Edge::start().await;
    let mut ann = Device::connect(&edge, "ann").await;
    let call_id = Uuid::now_v7();
    ann.say(&signal(call_id, "offer", &json!({ "sdp": "v=0" }))).await;
    for number in 0..20 {
        ann.say(&signal(call_id, "ice", &json!(number))).await;
    }
    let offer = taken(&edge).await;
    assert_eq!((offer.kind(), offer.to.as_str()), (SignalKind::Offer, "bob"));
    assert_eq!(offer.data, r#"{"sdp":"v=0"}"#);
    assert_eq!(offer.call_id, call_id.as_bytes().as_slice());
    for number in 0..20 {
        assert_eq!(taken(&edge).await.data, number.to_string());
    }
    ann.is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn a_signal_that_is_none_gets_its_code_and_goes_nowhere() {
    let edge = Edge::with(|limits| limits.signal_bytes = 100).await;
    let mut ann = Device::connect(&edge, "ann").await;
    let call_id = Uuid::now_v7();
    let fits = json!("x".repeat(98));
    let mut to_oneself = signal(call_id, "ring", &fits);
    to_oneself["to"] = json!("ann");
    let mut to_nobody = signal(call_id, "ring", &fits);
    to_nobody["to"] = json!("not a name");
    let mut without_a_call = signal(call_id, "ring", &fits);
    without_a_call["call_id"] = json!("7");
    let bad = [
        (signal(call_id, "shout", &fits), "bad_frame"),
        (without_a_call, "bad_frame"),
        (to_nobody, "bad_frame"),
        (to_oneself, "invalid"),
        (signal(call_id, "offer", &json!("x".repeat(99))), "too_large"),
    ];
    for (frame, code) in bad {
        ann.say(&frame).await;
        let error = ann.expect("error").await;
        assert_eq!((&error["code"], &error["ref"]), (&json!(code), &json!("r")), "{error}");
        assert_eq!(error["stored"], "no");
    }
    ann.say(&signal(call_id, "hangup", &fits)).await;
    assert_eq!(taken(&edge).await.kind(), SignalKind::Hangup, "nothing went up before it");
    edge.stop().await;
}
