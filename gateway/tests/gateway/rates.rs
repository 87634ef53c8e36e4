//! How much a user may say, and what is told beyond it.

use proto::bus::frame::Body;
use serde_json::json;

use crate::device::Device;
use crate::edge::{Edge, admin_token, token, until};
use crate::switch::Mode;

/// A gateway where a user may say so many frames in an hour.
async fn edge(user_frames: u32) -> Edge {
    Edge::guarded(None, |admission| {
        (admission.user_frames, admission.user_frames_secs) = (user_frames, 3_600);
    })
    .await
}

#[tokio::test]
async fn beyond_the_rate_a_frame_is_answered_with_when_to_come_again_and_goes_nowhere() {
    let edge = edge(3).await;
    let (mut one, mut two) =
        (Device::connect(&edge, "ann").await, Device::connect(&edge, "ann").await);
    one.send_to("bob", "1").await;
    two.send_to("bob", "2").await;
    one.send_to("bob", "3").await;
    for _ in 0..3 {
        edge.send().await;
    }
    // All sockets of a user share the account.
    let client_id = two.send_to("bob", "4").await;
    let error = two.expect("error").await;
    assert_eq!((&error["code"], &error["ref"]), (&json!("rate_limited"), &json!("4")));
    assert_eq!(error["client_id"], client_id.to_string());
    assert_eq!((&error["stored"], &error["limit"]), (&json!("no"), &json!("messages")));
    let wait = error["retry_after_ms"].as_u64().unwrap();
    assert!(wait > 1_100_000 && wait <= 1_200_000, "{wait}");
    assert_eq!(edge.metric(r#"tidings_gateway_refused_total{limit="messages"}"#), 1);
    // Nobody else is concerned, and what costs nobody anything is heard.
    let mut bob = Device::connect(&edge, "bob").await;
    bob.send_to("ann", "5").await;
    assert_eq!(edge.send().await.1.r#ref, "5");
    let cursor = json!({ "type": "delivered", "seq": 7,
        "conversation_id": "00000000-0000-0000-0000-000000000001" });
    two.say(&cursor).await;
    assert!(matches!(edge.frame().await.body, Some(Body::AdvanceCursor(_))));
    two.is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn requests_over_rest_count_like_frames() {
    let edge = edge(1).await;
    let mut ann = Device::connect(&edge, "ann").await;
    ann.send_to("bob", "1").await;
    edge.send().await;
    let answer = reqwest::Client::new()
        .post(format!("http://{}/api/v1/conversations", edge.address))
        .bearer_auth(token("ann"))
        .json(&json!({ "kind": "group", "title": "t", "members": ["bob"] }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 429);
    let after: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(after > 3_500 && after <= 3_600, "{after}");
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!((&body["code"], &body["stored"]), (&json!("rate_limited"), &json!("no")));
    assert_eq!(body["limit"], "messages");
    edge.stop().await;
}

#[tokio::test]
async fn typing_and_status_never_cost_a_message() {
    let edge = edge(2).await;
    let mut ann = Device::connect(&edge, "ann").await;
    let typing = json!({ "type": "typing", "on": true,
        "conversation_id": "00000000-0000-0000-0000-000000000001" });
    for _ in 0..320 {
        ann.say(&typing).await;
    }
    ann.send_to("bob", "1").await;
    // The first 300 states are granted, the others are refused, and the message is stored.
    assert_eq!(edge.send().await.1.r#ref, "1");
    for _ in 0..20 {
        let error = ann.expect("error").await;
        assert_eq!((&error["code"], &error["limit"]), (&json!("rate_limited"), &json!("states")));
    }
    ann.say(&json!({ "type": "status", "status": "busy" })).await;
    assert_eq!(ann.expect("error").await["limit"], "states");
    edge.stop().await;
}

#[tokio::test]
async fn call_signals_have_a_rate_by_number_and_by_bytes() {
    let edge = Edge::guarded(None, |admission| {
        (admission.user_frames, admission.user_frames_secs) = (1, 3_600);
        (admission.user_signals, admission.user_signal_bytes) = (5, 100 << 10);
    })
    .await;
    let mut ann = Device::connect(&edge, "ann").await;
    let signal = |bytes: usize| {
        json!({ "type": "signal", "ref": "s", "to": "bob", "kind": "ice",
            "call_id": "00000000-0000-0000-0000-000000000001", "data": "x".repeat(bytes) })
    };
    ann.say(&signal(60_000)).await;
    ann.say(&signal(60_000)).await;
    let error = ann.expect("error").await;
    assert_eq!((&error["code"], &error["ref"]), (&json!("rate_limited"), &json!("s")));
    assert_eq!(error["limit"], "signal_bytes");
    for _ in 0..5 {
        ann.say(&signal(10)).await;
    }
    assert_eq!(ann.expect("error").await["limit"], "signals");
    for _ in 0..5 {
        assert!(matches!(edge.frame().await.body, Some(Body::Signal(_))));
    }
    // They cost no message.
    ann.send_to("bob", "1").await;
    assert_eq!(edge.send().await.1.r#ref, "1");
    edge.stop().await;
}

#[tokio::test]
async fn reading_has_a_rate_of_its_own_over_all_ways_in() {
    let edge = Edge::guarded(None, |admission| {
        (admission.user_reads, admission.user_frames_secs) = (3, 3_600);
    })
    .await;
    let mut ann = Device::connect(&edge, "ann").await;
    ann.say(&json!({ "type": "sync", "ref": "s" })).await;
    ann.expect("synced").await;
    let read = |user| {
        reqwest::Client::new()
            .get(format!("http://{}/api/v1/conversations", edge.address))
            .bearer_auth(token(user))
            .send()
    };
    for _ in 0..2 {
        assert_eq!(read("ann").await.unwrap().status(), 200);
    }
    let refused = read("ann").await.unwrap();
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    let body: serde_json::Value = refused.json().await.unwrap();
    assert_eq!((&body["code"], &body["limit"]), (&json!("rate_limited"), &json!("reads")));
    ann.say(&json!({ "type": "sync", "ref": "t" })).await;
    let error = ann.expect("error").await;
    assert_eq!((&error["ref"], &error["limit"]), (&json!("t"), &json!("reads")));
    // Others read, and who reads too much still writes.
    assert_eq!(read("bob").await.unwrap().status(), 200);
    ann.send_to("bob", "1").await;
    assert_eq!(edge.send().await.1.r#ref, "1");
    edge.stop().await;
}

#[tokio::test]
async fn broadcasts_have_a_rate() {
    let edge = Edge::guarded(None, |admission| {
        (admission.user_broadcasts, admission.user_frames_secs) = (1, 3_600);
    })
    .await;
    let say = || {
        reqwest::Client::new()
            .post(format!("http://{}/api/v1/admin/broadcast", edge.address))
            .bearer_auth(admin_token())
            .json(&json!({ "content": { "text": "hello" } }))
            .send()
    };
    assert_eq!(say().await.unwrap().status(), 202);
    let refused = say().await.unwrap();
    assert_eq!(refused.status(), 429);
    let body: serde_json::Value = refused.json().await.unwrap();
    assert_eq!((&body["limit"], &body["stored"]), (&json!("broadcasts"), &json!("no")));
    edge.stop().await;
}

#[tokio::test]
async fn a_connection_that_floods_is_told_so_for_every_frame_beyond_its_rate() {
    let edge = Edge::guarded(None, |admission| admission.connection_frames = 1).await;
    let mut flood = Device::connect(&edge, "ann").await;
    for _ in 0..20 {
        flood.say(&json!({ "type": "nonsense", "ref": "r" })).await;
    }
    let mut limited = 0;
    for _ in 0..20 {
        let error = flood.expect("error").await;
        assert_eq!(error["ref"], "r");
        limited += u32::from(error["code"] == "rate_limited" && error["limit"] == "frames");
    }
    assert!(limited > 0, "twenty frames in one second");
    edge.stop().await;
}

#[tokio::test]
async fn exempt_networks_have_no_rate() {
    let edge = Edge::guarded(None, |admission| {
        admission.user_frames = 1;
        admission.exempt_networks = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let mut ann = Device::connect(&edge, "ann").await;
    for number in 0..20 {
        ann.send_to("bob", &number.to_string()).await;
        edge.send().await;
        ann.is_served().await;
    }
    edge.stop().await;
}

#[tokio::test]
async fn what_a_user_spent_at_other_gateways_is_counted_here_once_it_is_known() {
    const EACH_US: u64 = 45_000_000;
    let edge = Edge::guarded(None, |admission| {
        (admission.user_frames, admission.user_frames_secs) = (80, 3_600);
        admission.share_ms = 20;
    })
    .await;
    edge.presence.used_elsewhere(&[79 * EACH_US]);
    let mut ann = Device::connect(&edge, "ann").await;
    for number in 0..10 {
        ann.send_to("bob", &number.to_string()).await;
        edge.send().await;
    }
    assert_eq!(edge.metric("tidings_gateway_rates_told_total"), 0, "an eighth is not told");
    ann.send_to("bob", "10").await;
    edge.send().await;
    until("presence has been told", || edge.metric("tidings_gateway_rates_told_total") == 1).await;
    let told = edge.presence.spending().told;
    let [(user_id, micros)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(user_id, "ann");
    assert!(micros[0] > 10 * EACH_US && micros[0] <= 11 * EACH_US, "{micros:?}");
    // One is left; all sockets of the user share it.
    let mut other = Device::connect(&edge, "ann").await;
    other.send_to("bob", "11").await;
    edge.send().await;
    ann.send_to("bob", "12").await;
    assert_eq!(ann.expect("error").await["limit"], "messages");
    // Other rates and other users have theirs.
    let mut bob = Device::connect(&edge, "bob").await;
    bob.send_to("ann", "13").await;
    assert_eq!(edge.send().await.1.r#ref, "13");
    edge.stop().await;
}

#[tokio::test]
async fn while_presence_is_away_a_gateway_goes_by_what_it_granted_itself() {
    let edge = Edge::guarded(None, |admission| {
        (admission.user_frames, admission.user_frames_secs) = (20, 3_600);
        admission.share_ms = 20;
    })
    .await;
    let mut ann = Device::connect(&edge, "ann").await;
    edge.presence.switch(Mode::Away);
    for number in 0..20 {
        ann.send_to("bob", &number.to_string()).await;
        assert_eq!(edge.send().await.1.r#ref, number.to_string());
    }
    until("presence has been asked", || edge.metric("tidings_gateway_rates_failures_total") > 0)
        .await;
    ann.send_to("bob", "20").await;
    assert_eq!(ann.expect("error").await["limit"], "messages");
    edge.presence.switch(Mode::Answers);
    edge.stop().await;
}
