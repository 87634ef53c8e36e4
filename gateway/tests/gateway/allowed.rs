//! What users may do to others who do not know them: the switches of the section `[allow]`.

use gateway::{AllowConfig, Whom};
use proto::bus::{Answer, Refused, answer::Outcome, frame::Body, push};
use proto::error_code::{ErrorCode, Stored};
use reqwest::Client;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::device::Device;
use crate::edge::{Edge, admin_token, token};

async fn with(change: impl FnOnce(&mut AllowConfig)) -> Edge {
    let edge = Edge::set_up(|settings| change(&mut settings.allow)).await;
    edge.chat.knows(&["bob"]);
    edge
}

async fn get(edge: &Edge, token: &str, path: &str) -> (u16, Value) {
    let url = format!("http://{}/api/v1/{path}", edge.address);
    let answer = Client::new().get(url).bearer_auth(token).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn post(edge: &Edge, path: &str, body: &Value) -> (u16, Value) {
    let url = format!("http://{}/api/v1/{path}", edge.address);
    let asked = Client::new().post(url).bearer_auth(token("ann")).json(body);
    let answer = asked.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn by_default_everybody_is_found_and_nobody_is_asked_who_knows_whom() {
    let edge = with(|_| {}).await;
    assert_eq!(get(&edge, &token("ann"), "users?prefix=b").await.0, 200);
    assert_eq!(get(&edge, &token("ann"), "presence?ids=bob,eve").await.0, 200);
    assert_eq!(edge.chat.searches(), [""]);
    edge.stop().await;
}

#[tokio::test]
async fn a_directory_of_contacts_shows_those_alone_and_one_of_nobody_only_oneself() {
    let edge = with(|allow| allow.directory = Whom::Contacts).await;
    assert_eq!(get(&edge, &token("ann"), "users?prefix=b").await.0, 200);
    assert_eq!(get(&edge, &admin_token(), "users?prefix=b").await.0, 200);
    assert_eq!(edge.chat.searches(), ["ann", ""], "operators find everybody");
    let ids = |body: &Value, list: &str| {
        let list = body[list].as_array().unwrap().clone();
        list.into_iter()
            .map(|it| it["id"].as_str().or(it["user_id"].as_str()).unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for path in ["users?ids=ann,bob,eve", "presence?ids=ann,bob,eve"] {
        let list = path.split('?').next().unwrap().replace("presence", "statuses");
        let (status, body) = get(&edge, &token("ann"), path).await;
        assert_eq!(
            (status, ids(&body, &list)),
            (200, vec!["ann".to_owned(), "bob".to_owned()]),
            "{path}"
        );
    }
    let (status, body) = post(&edge, "presence", &json!({"ids": ["eve", "bob"]})).await;
    assert_eq!((status, ids(&body, "statuses")), (200, vec!["bob".to_owned()]));
    edge.stop().await;

    let edge = with(|allow| allow.directory = Whom::Nobody).await;
    let (status, body) = get(&edge, &token("ann"), "users?prefix=b").await;
    assert_eq!((status, &body["code"]), (403, &json!("forbidden")));
    let (status, body) = get(&edge, &token("ann"), "presence?ids=ann,bob").await;
    assert_eq!((status, ids(&body, "statuses")), (200, vec!["ann".to_owned()]));
    edge.stop().await;
}

/// Refuses what the gateway found not to be allowed, in the place of the chat service; why.
async fn refuse(edge: &Edge) -> String {
    let frame = edge.frame().await;
    let Some(Body::Operation(operation)) = frame.body else { panic!("{:?}", frame.body) };
    let refusal = operation.refusal;
    let outcome = Outcome::Refused(Refused::new(ErrorCode::Forbidden, &refusal, Stored::No));
    let connection = frame.origin.unwrap().connection;
    let answer = Answer { connection, outcome: Some(outcome), ..Answer::default() };
    edge.push_all(vec![push::Body::Answer(answer).into()]).await;
    refusal
}

#[tokio::test]
async fn strangers_are_put_into_no_group_where_that_is_for_contacts() {
    let edge = with(|allow| allow.add_to_group = Whom::Contacts).await;
    let _device = Device::connect(&edge, "bob").await;
    let id = Uuid::now_v7();
    let new = json!({"kind": "group", "title": "t", "members": ["bob", "eve"]});
    for (path, body) in [
        ("conversations".to_owned(), new),
        (format!("conversations/{id}/members"), json!({"members": ["bob", "eve"]})),
    ] {
        // The chat service refuses it: it knows what was stored before under the same client id.
        let ((status, body), text) = tokio::join!(post(&edge, &path, &body), refuse(&edge));
        assert_eq!((status, &body["code"]), (403, &json!("forbidden")), "{path}");
        assert!(text.contains("eve") && !text.contains("bob"), "{text}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn a_user_who_lets_nobody_is_put_into_no_group_and_is_not_called() {
    let edge = with(|_| {}).await;
    edge.chat.closes(&["eve"]);
    let mut ann = Device::connect(&edge, "ann").await;
    for (path, body) in [
        ("conversations", json!({"kind": "group", "title": "t", "members": ["bob", "eve"]})),
        (&*format!("conversations/{}/members", Uuid::now_v7()), json!({"members": ["bob", "eve"]})),
    ] {
        let ((status, body), text) = tokio::join!(post(&edge, path, &body), refuse(&edge));
        assert_eq!((status, &body["code"]), (403, &json!("forbidden")), "{path}");
        assert_eq!(text, "eve does not let you add them to a group");
    }
    let signal = |to: &str, kind: &str| json!({"type": "signal", "ref": to, "to": to, "call_id": Uuid::now_v7(), "kind": kind});
    for kind in ["ring", "offer"] {
        ann.say(&signal("eve", kind)).await;
        let error = ann.expect("error").await;
        assert_eq!((&error["code"], &error["ref"]), (&json!("forbidden"), &json!("eve")), "{kind}");
    }
    ann.say(&signal("bob", "ring")).await;
    let Some(Body::Signal(rung)) = edge.frame().await.body else { panic!("a signal") };
    assert_eq!(rung.to, "bob");
    edge.stop().await;
}

#[tokio::test]
async fn strangers_are_not_rung_where_that_is_for_contacts() {
    for (whom, rings_bob) in [(Whom::Contacts, true), (Whom::Nobody, false)] {
        let edge = with(|allow| allow.ring = whom).await;
        let mut ann = Device::connect(&edge, "ann").await;
        let ring = |to: &str| json!({"type": "signal", "ref": to, "to": to, "call_id": Uuid::now_v7(), "kind": "ring"});
        ann.say(&ring("eve")).await;
        let error = ann.expect("error").await;
        assert_eq!((&error["code"], &error["ref"]), (&json!("forbidden"), &json!("eve")));
        ann.say(&ring("bob")).await;
        if rings_bob {
            let Some(proto::bus::frame::Body::Signal(signal)) = edge.frame().await.body else {
                panic!("a signal")
            };
            assert_eq!(signal.to, "bob");
        } else {
            assert_eq!(ann.expect("error").await["ref"], "bob");
        }
        edge.stop().await;
    }
}
