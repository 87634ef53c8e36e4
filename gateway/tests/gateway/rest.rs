//! REST: one shape of error, and the description that is committed.

use proto::bus::{Push, PushClass};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::edge::{Edge, token};
use crate::services::Mode;

/// Asks and expects an error as JSON; status and code.
async fn refused(request: reqwest::RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let kind = answer.headers().get("content-type").cloned();
    let text = answer.text().await.unwrap();
    assert!(kind.is_some_and(|kind| kind == "application/json"), "{status}: {text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    assert!(!body["message"].as_str().unwrap().is_empty(), "{body}");
    (status, body["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn every_error_is_json_with_a_code_of_the_list_and_a_text() {
    let edge = Edge::with(|limits| limits.request_timeout_ms = 500).await;
    let http = Client::new();
    let base = format!("http://{}/api/v1", edge.address);
    let messages = format!("{base}/conversations/{}/messages", uuid::Uuid::now_v7());
    let as_ann = |method: Method, url: &str| http.request(method, url).bearer_auth(token("ann"));
    let wrong = [
        (http.get(format!("{base}/me")), 401, "unauthenticated"),
        (http.get(format!("{base}/me")).bearer_auth("nonsense"), 401, "unauthenticated"),
        (as_ann(Method::GET, &format!("{base}/nowhere")), 404, "not_found"),
        (as_ann(Method::DELETE, &format!("{base}/me")), 405, "bad_frame"),
        (as_ann(Method::GET, &format!("{base}/conversations/x/messages")), 400, "invalid"),
        (as_ann(Method::GET, &format!("{messages}?before_seq=x")), 400, "bad_frame"),
        (as_ann(Method::GET, &format!("{messages}?before_seq=1&after_seq=1")), 400, "invalid"),
        (
            as_ann(Method::POST, &messages).header("content-type", "application/json").body("{"),
            400,
            "bad_frame",
        ),
        (as_ann(Method::POST, &messages).body("{}"), 400, "bad_frame"),
        (as_ann(Method::POST, &messages).json(&"x".repeat(2 << 20)), 413, "too_large"),
        (
            as_ann(Method::GET, &format!("{base}/conversations/{}", uuid::Uuid::now_v7())),
            403,
            "not_member",
        ),
    ];
    for (request, status, code) in wrong {
        let what = format!("{request:?}");
        assert_eq!(refused(request).await, (status, code.to_owned()), "{what}");
    }
    edge.chat.switch(Mode::Holds);
    let slow = as_ann(Method::GET, &format!("{base}/conversations"));
    assert_eq!(refused(slow).await, (503, "unavailable".to_owned()), "out of time");
    edge.chat.switch(Mode::Answers);
    edge.stop().await;
}

#[tokio::test]
async fn the_served_description_is_the_committed_one() {
    let edge = Edge::start().await;
    let url = format!("http://{}/api/v1/openapi.json", edge.address);
    let served: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let committed: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(served, committed);
    edge.stop().await;
}

#[tokio::test]
async fn a_message_over_rest_takes_the_way_of_a_frame_and_is_answered_when_it_is_stored() {
    let edge = Edge::start().await;
    // Pushes are addressed to the gateway that presence was told of.
    let _device = crate::device::Device::connect(&edge, "bob").await;
    let (id, client_id) = (uuid::Uuid::now_v7(), uuid::Uuid::now_v7());
    let asking = Client::new()
        .post(format!("http://{}/api/v1/conversations/{id}/messages", edge.address))
        .bearer_auth(token("ann"))
        .json(&json!({ "content": { "text": "hi" }, "client_id": client_id }))
        .send();
    let answering = async {
        let (connection, send) = edge.send().await;
        assert_eq!(send.conversation_id, id.as_bytes().to_vec());
        let sent = json!({ "type": "sent", "client_id": client_id, "conversation_id": id,
            "id": uuid::Uuid::now_v7(), "seq": 9, "timestamp": 1 });
        let push = Push {
            connections: vec![connection],
            frame: sent.to_string().into(),
            class: PushClass::Answer as i32,
            answers: send.client_id,
            ..Push::default()
        };
        edge.push_all(vec![push]).await;
    };
    let (answer, ()) = tokio::join!(asking, answering);
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.json::<Value>().await.unwrap()["seq"], 9);
    edge.stop().await;
}
