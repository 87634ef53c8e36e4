//! Messages of every kind, good and bad ones, over every way in, on the cluster and the all-in-one, of two tenants.

use e2e::tenants::{Install, Side};
use e2e::ways::{Person, WAYS};
use serde_json::{Value, json};

/// What members may send.
fn good() -> Vec<Value> {
    vec![
        json!({ "kind": "text", "content": { "text": "hi 🎉 bob", "entities": [
            { "type": "mention", "from": 5, "length": 3, "user": "bob" },
            { "type": "bold", "from": 3, "length": 1 }] }, "mentions": ["bob"] }),
        json!({ "kind": "card", "content": { "fallback": "Lunch?", "card": {
            "title": "Lunch?", "fields": [{ "name": "Where", "value": "Café" }],
            "actions": [{ "id": "yes", "label": "Yes", "style": "primary" }] } } }),
        json!({ "kind": "encrypted", "content": { "algorithm": "olm", "ciphertext": "A".repeat(100_000),
            "sender_device": "phone", "keys": { "bob/json": "a2V5" }, "epoch": 3 } }),
    ]
}

/// What operators alone may send.
fn of_operators() -> Vec<Value> {
    vec![
        json!({ "kind": "notice", "content": { "title": "Tonight", "body": "maintenance" } }),
        json!({ "kind": "call", "content": { "call_id": "00000000-0000-4000-8000-000000000001",
            "state": "started", "media": "audio", "ring_until": 1 } }),
    ]
}

/// What nobody may send, each with the code of its refusal.
fn bad() -> Vec<(Value, &'static str)> {
    let text = |entity: Value| json!({ "content": { "text": "hi", "entities": [entity] } });
    vec![
        (json!({ "content": { "text": "hi", "color": 1 } }), "invalid"),
        (text(json!({ "type": "bold", "from": 0, "length": 3 })), "invalid"),
        (text(json!({ "type": "mention", "from": 0, "length": 2, "user": "bob" })), "invalid"),
        (text(json!({ "type": "bold", "from": 0, "length": 1, "color": 1 })), "invalid"),
        (json!({ "kind": "card", "content": { "fallback": "x", "card": {} } }), "invalid"),
        (
            json!({ "kind": "card", "content": { "fallback": "x", "card": { "text": "t".repeat(8_001) } } }),
            "too_large",
        ),
        (
            json!({ "kind": "encrypted", "content": { "algorithm": "a", "ciphertext": "A".repeat(140_000),
                "sender_device": "d" } }),
            "too_large",
        ),
        (json!({ "kind": "encrypted", "content": { "ciphertext": "aGk=" } }), "invalid"),
        (json!({ "kind": "call", "content": { "state": "started" } }), "forbidden"),
        (json!({ "kind": "system", "content": { "event": "created" } }), "forbidden"),
        (json!({ "kind": "image", "content": { "media": [{ "id": "x" }] } }), "unsupported"),
        (json!({ "kind": "voice", "content": {} }), "unsupported"),
        (json!({ "kind": "video", "content": {} }), "unsupported"),
        (json!({ "kind": "file", "content": {} }), "unsupported"),
        (json!({ "kind": "hologram", "content": {} }), "invalid"),
    ]
}

async fn every_kind_over_every_way(install: &Install, tenant: &'static str) {
    let side = Side::of(tenant, install);
    let mut ann = Person::of(&side, "ann", &json!({})).await;
    let mut bob = Person::of(&side, "bob", &json!({})).await;
    let mut operator = Person::of(&side, "operator", &json!({ "roles": ["admin"] })).await;
    let id = ann.group(&["bob"]).await;
    let mut seq = 1;
    for way in WAYS {
        for (message, is_of_operators) in
            good().iter().map(|it| (it, false)).chain(of_operators().iter().map(|it| (it, true)))
        {
            if is_of_operators {
                let refused = ann.send(way, &id, message).await;
                assert_eq!(refused, Err("forbidden".to_owned()), "{way:?} {message}");
            }
            let sender = if is_of_operators { &mut operator } else { &mut ann };
            seq += 1;
            assert_eq!(sender.send(way, &id, message).await, Ok(seq), "{way:?} {message}");
            let heard = bob.expect("entry", |entry| entry["seq"] == seq).await;
            for field in ["kind", "content"] {
                assert_eq!(heard[field], message[field], "{way:?} live");
            }
            let page = bob.get(&format!("/conversations/{id}/messages?limit=1")).await;
            assert_eq!(page["entries"][0], heard, "{way:?} in history");
        }
        for (message, code) in bad() {
            let refused = ann.send(way, &id, &message).await;
            assert_eq!(refused, Err(code.to_owned()), "{way:?} {message}");
        }
    }
    let shown = bob.get(&format!("/conversations/{id}")).await;
    assert_eq!((&shown["head"], &shown["unread"]), (&json!(seq), &json!(seq - 1)), "{shown}");
}

#[tokio::test]
async fn every_kind_is_taken_or_refused_over_every_way_in_a_cluster() {
    let install = Install::cluster("kinds", &[]).await;
    for tenant in ["default", "acme"] {
        every_kind_over_every_way(&install, tenant).await;
    }
    install.stop().await;
}

#[tokio::test]
async fn every_kind_is_taken_or_refused_over_every_way_in_the_all_in_one() {
    let install = Install::all_in_one("kinds", &[]).await;
    for tenant in ["default", "acme"] {
        every_kind_over_every_way(&install, tenant).await;
    }
    install.stop().await;
}
