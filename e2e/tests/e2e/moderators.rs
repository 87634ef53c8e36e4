//! What moderators may, over every way in, on the cluster and the all-in-one, of two tenants.

use e2e::tenants::{Install, Side, token_of};
use e2e::ways::{Person, Request, WAYS};
use reqwest::Method;
use serde_json::{Value, json};

/// What a token with the role is answered over REST where it says why.
async fn read(side: &Side<'_>, path: &str, reason: Option<&str>) -> (u16, Value) {
    let token = token_of(side.tenant, "mo", &json!({ "roles": ["moderator"] }));
    let url = format!("http://{}/api/v1{path}", side.install.address(0));
    let mut asked = reqwest::Client::new().get(url).bearer_auth(token);
    if let Some(reason) = reason {
        asked = asked.header("Tidings-Reason", reason);
    }
    let answer = asked.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

async fn moderates(install: &Install, tenant: &'static str) {
    let side = Side::of(tenant, install);
    let other = Side::of(if tenant == "acme" { "default" } else { "acme" }, install);
    let mut ann = Person::of(&side, "ann", &json!({})).await;
    let mut mo = Person::of(&side, "mo", &json!({ "roles": ["moderator"] })).await;
    let mut stranger = Person::of(&other, "mo", &json!({ "roles": ["moderator"] })).await;
    let id = ann.group(&["bob"]).await;
    let mut seq = 1;
    for way in WAYS {
        let text = json!({ "content": { "text": "to be deleted" } });
        seq += 1;
        assert_eq!(ann.send(way, &id, &text).await, Ok(seq), "{way:?}");
        let delete =
            json!({ "type": "delete", "conversation_id": id, "seq": seq, "reason": "spam" });
        let path = format!("/conversations/{id}/messages/{seq}?reason=spam");
        let request = Request { method: Method::DELETE, path, body: Value::Null };
        // For a moderator of another tenant there is no such conversation.
        let refused = stranger.say(way, &delete, &request).await;
        assert_eq!(refused, Err("not_found".to_owned()), "{way:?}");
        seq += 1;
        assert_eq!(mo.say(way, &delete, &request).await, Ok(seq), "{way:?}");
        let heard = ann.expect("entry", |entry| entry["seq"] == seq).await;
        assert_eq!(heard["content"], json!({ "by": "moderator", "reason": "spam" }), "{way:?}");
        assert_eq!(heard["sender"]["id"], "mo", "{way:?}");
        let said = mo.send(way, &id, &text).await;
        assert_eq!(said, Err("not_member".to_owned()), "{way:?}");
        let notice = json!({ "kind": "notice", "content": { "body": "x" } });
        assert_eq!(mo.send(way, &id, &notice).await, Err("forbidden".to_owned()), "{way:?}");
    }
    let said = ann.send(WAYS[0], &id, &json!({ "content": { "text": "as it was" } })).await;
    let of = said.unwrap();
    let base = format!("/conversations/{id}/messages");
    let edit = json!({ "content": { "text": "harmless" } });
    let (status, edited) = ann.ask(Method::PATCH, &format!("{base}/{of}"), &edit).await;
    assert_eq!(status, 200, "{edited}");
    for path in [
        format!("{base}?view=messages&as_of={of}"),
        format!("{base}/{of}?as_of={of}"),
        format!("{base}/{of}/history"),
    ] {
        let (status, shown) = read(&side, &path, Some("a report")).await;
        assert!(status == 200 && shown.to_string().contains("as it was"), "{path}: {shown}");
        let (status, refused) = read(&side, &path, None).await;
        assert_eq!((status, &refused["code"]), (403, &json!("not_member")), "{path}");
        let (status, refused) = read(&other, &path, Some("a report")).await;
        assert_eq!((status, &refused["code"]), (404, &json!("not_found")), "{path}");
    }
    for path in ["", "/messages", "/messages?view=messages", "/members", "/pins"] {
        let path = format!("/conversations/{id}{path}");
        let (status, refused) = read(&side, &path, Some("a report")).await;
        assert_eq!((status, &refused["code"]), (403, &json!("not_member")), "{path}");
    }
    let (status, refused) = read(&side, "/admin/sessions?user_id=ann", Some("a report")).await;
    assert_eq!((status, &refused["code"]), (403, &json!("forbidden")));
}

#[tokio::test]
async fn moderators_delete_and_read_over_every_way_in_a_cluster() {
    let install = Install::cluster("moderators", &[]).await;
    for tenant in ["default", "acme"] {
        moderates(&install, tenant).await;
    }
    install.stop().await;
}

#[tokio::test]
async fn moderators_delete_and_read_over_every_way_in_the_all_in_one() {
    let install = Install::all_in_one("moderators", &[]).await;
    for tenant in ["default", "acme"] {
        moderates(&install, tenant).await;
    }
    install.stop().await;
}
