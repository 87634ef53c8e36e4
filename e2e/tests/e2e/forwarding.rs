//! Messages that are forwarded, and who has read them, over every way in, on the cluster and the all-in-one, of two tenants.

use std::time::Duration;

use e2e::eventually::eventually;
use e2e::tenants::{Install, Side};
use e2e::ways::{Person, Request, WAYS, Way};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(20);

async fn forwarded_over_every_way(install: &Install, tenant: &'static str) {
    let side = Side::of(tenant, install);
    let mut ann = Person::of(&side, "ann", &json!({})).await;
    let mut bob = Person::of(&side, "bob", &json!({})).await;
    let (from, to) = (ann.group(&["bob"]).await, ann.group(&["bob"]).await);
    let closed = bob.group(&[]).await;
    let message = json!({ "content": { "text": "hi" }, "mentions": ["bob"] });
    assert_eq!(ann.send(Way::Json, &from, &message).await, Ok(2));
    let is_it = |entry: &Value| entry["conversation_id"] == from.as_str() && entry["seq"] == 2;
    let original = bob.expect("entry", is_it).await;
    let mut seq = 1;
    for way in WAYS {
        let forward = |to: &str, of: u64| {
            let frame = json!({ "type": "forward", "conversation_id": to,
                "source": { "conversation_id": from, "seq": of } });
            let path = format!("/conversations/{from}/messages/{of}/forward");
            (frame, Request { method: Method::POST, path, body: json!({ "to": [to] }) })
        };
        let (frame, request) = forward(&to, 2);
        seq += 1;
        assert_eq!(ann.say(way, &frame, &request).await, Ok(seq), "{way:?}");
        let copy = bob
            .expect("entry", |entry| entry["conversation_id"] == to.as_str() && entry["seq"] == seq)
            .await;
        assert_eq!((&copy["content"], &copy["mentions"]), (&json!({ "text": "hi" }), &Value::Null));
        assert_eq!(copy["forwarded"], json!({ "user": "ann", "at": original["timestamp"] }));
        for (to, of, code) in
            [(&to, 1, "not_found"), (&to, 99, "not_found"), (&closed, 2, "not_member")]
        {
            let (frame, request) = forward(to, of);
            let refused = ann.say(way, &frame, &request).await;
            assert_eq!(refused, Err(code.to_owned()), "{way:?} {of}");
        }
    }
    let path = format!("/conversations/{from}/messages/2/forward");
    let many =
        |count: usize| json!({ "to": (0..count).map(|_| Uuid::now_v7()).collect::<Vec<_>>() });
    for (body, code) in [
        (many(0), "invalid"),
        (many(11), "invalid"),
        (json!({ "to": [to, to] }), "invalid"),
        (json!({ "to": [to], "text": 1 }), "invalid"),
        (many(2), "not_member"),
    ] {
        let (_, refused) = ann.ask(Method::POST, &path, &body).await;
        assert_eq!(refused["code"], code, "{body} {refused}");
    }
    // Into several, of which one is not open to her; again under the same id, nothing more is stored.
    let body = json!({ "to": [closed, to, from], "client_id": Uuid::now_v7() });
    for _ in 0..2 {
        let (status, done) = ann.ask(Method::POST, &path, &body).await;
        assert_eq!(status, 200, "{done}");
        let copies = done["copies"].as_array().unwrap();
        assert_eq!(copies[0]["error"]["code"], "not_member", "{done}");
        assert_eq!(
            (&copies[1]["stored"]["seq"], &copies[2]["stored"]["seq"]),
            (&json!(seq + 1), &json!(3)),
            "{done}"
        );
    }
    // Who has read it, and when.
    bob.tell(Way::Json, &json!({ "type": "read", "conversation_id": from, "seq": 3 })).await;
    eventually("it is read", PATIENCE, async || {
        let reads = ann.get(&format!("/conversations/{from}/messages/2/reads")).await;
        let member = &reads["members"][0];
        let is_read = member["read"] == true && member["delivered"] == true;
        let times =
            [&member["read_at"], &member["delivered_at"]].map(|at| at.as_u64().unwrap_or(0));
        let since = original["timestamp"].as_u64().unwrap();
        let is_known = times.iter().all(|at| *at >= since) && times[0] >= times[1];
        if is_read && is_known && reads["receipts"] == true { Ok(()) } else { Err(reads) }
    })
    .await;
    let (status, answer) = ann
        .ask(Method::GET, &format!("/conversations/{from}/messages/99/reads"), &Value::Null)
        .await;
    assert_eq!((status, &answer["code"]), (404, &json!("not_found")), "{answer}");
}

#[tokio::test]
async fn messages_are_forwarded_over_every_way_in_a_cluster() {
    let install = Install::cluster("forwarding", &[]).await;
    for tenant in ["default", "acme"] {
        forwarded_over_every_way(&install, tenant).await;
    }
    install.stop().await;
}

#[tokio::test]
async fn messages_are_forwarded_over_every_way_in_the_all_in_one() {
    let install = Install::all_in_one("forwarding", &[]).await;
    for tenant in ["default", "acme"] {
        forwarded_over_every_way(&install, tenant).await;
    }
    install.stop().await;
}
