//! REST: one shape of error, and the description that is committed.

use proto::bus::{Answer, Frame, Sent, answer::Outcome, frame::Body, push};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::edge::{Edge, Said, admin_token, token};
use crate::sends::sent;
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
async fn what_an_operation_does_not_know_is_refused_by_name() {
    let edge = Edge::start().await;
    let http = Client::new();
    let base = format!("http://{}/api/v1", edge.address);
    let as_ann = |method: Method, path: &str| {
        http.request(method, format!("{base}/{path}")).bearer_auth(token("ann"))
    };
    let message = format!("conversations/{}/messages", uuid::Uuid::now_v7());
    let nul = "users?prefix=%00";
    for (request, named) in [
        (as_ann(Method::GET, "conversations?limt=5"), "limt"),
        (as_ann(Method::GET, "me?verbose=1"), "verbose"),
        (as_ann(Method::GET, nul), "prefix"),
        (as_ann(Method::POST, &message).json(&json!({"content": {"text": "x"}, "txt": 1})), "txt"),
        (
            as_ann(Method::POST, "conversations").json(&json!({"kind": "group", "titel": "t"})),
            "titel",
        ),
        (as_ann(Method::POST, "presence").json(&json!({"ids": ["ann"], "id": 1})), "`id`"),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 400, "{named}");
        let body: Value = answer.json().await.unwrap();
        assert!(body["message"].as_str().unwrap().contains(named), "{body}");
        assert_eq!(body["code"], "invalid");
    }
    let ids: Vec<String> = (0..1_000).map(|number| format!("user-{number}-of-many")).collect();
    let asked = as_ann(Method::POST, "presence").json(&json!({ "ids": ids })).send().await.unwrap();
    let body: Value = asked.json().await.unwrap();
    assert_eq!(body["statuses"].as_array().unwrap().len(), 1_000);
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
async fn every_operation_refuses_a_parameter_that_it_does_not_have() {
    let edge = Edge::start().await;
    let url = format!("http://{}/api/v1/openapi.json", edge.address);
    let served: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let mut asked = 0;
    for (path, item) in served["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(response["description"].is_string(), "{method} {path} {status}");
            }
            let method: Method = method.to_uppercase().parse().unwrap();
            let path = path.replace("{seq}", "1").replace(['{', '}'], "");
            let url = format!("http://{}{path}?surplus=1", edge.address);
            let answer = Client::new().request(method.clone(), url).bearer_auth(admin_token());
            let answer = answer.send().await.unwrap();
            assert_eq!(answer.status(), 400, "{method} {path}");
            let body: Value = answer.json().await.unwrap();
            let text = body["message"].as_str().unwrap();
            assert!(text.starts_with("there is no parameter `surplus`"), "{method} {path}: {text}");
            asked += 1;
        }
    }
    assert!(asked > 20, "{asked}");
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
        assert_eq!(send.client_id, client_id.as_bytes()[..]);
        edge.push_all(vec![sent(connection, &send)]).await;
    };
    let (answer, ()) = tokio::join!(asking, answering);
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 201);
    let stored: Value = answer.json().await.unwrap();
    let expected = json!({"conversation_id": id, "seq": 1, "client_id": client_id, "timestamp": 0});
    assert_eq!(stored, expected);
    edge.stop().await;
}

/// Asks over REST and answers in the place of the chat service; the frame that went up, and the status.
async fn asked(edge: &Edge, request: reqwest::RequestBuilder, unchanged: bool) -> (Frame, u16) {
    let answering = async {
        let frame = edge.frame().await;
        let outcome = Outcome::Sent(Sent { seq: 9, unchanged, ..Sent::default() });
        let answer = Answer {
            connection: frame.origin.as_ref().unwrap().connection,
            client_id: frame.client_id.clone(),
            outcome: Some(outcome),
            ..Answer::default()
        };
        edge.push_all(vec![push::Body::Answer(answer).into()]).await;
        frame
    };
    let (answer, frame) = tokio::join!(request.bearer_auth(token("ann")).send(), answering);
    (frame, answer.unwrap().status().as_u16())
}

fn client_id_of(frame: &Frame) -> uuid::Uuid {
    assert!(matches!(&frame.body, Some(Body::Operation(operation)) if operation.action.is_some()));
    uuid::Uuid::from_slice(&frame.client_id).unwrap()
}

#[tokio::test]
async fn every_request_that_writes_takes_its_client_id_in_the_body_or_in_a_header() {
    let edge = Edge::start().await;
    let _device = crate::device::Device::connect(&edge, "bob").await;
    let http = Client::new();
    let base = format!("http://{}/api/v1", edge.address);
    let group = format!("{base}/conversations/{}", uuid::Uuid::now_v7());
    let group = group.as_str();
    let writes = [
        (Method::POST, format!("{group}/messages"), json!({ "content": { "text": "x" } })),
        (
            Method::POST,
            format!("{base}/messages"),
            json!({ "to": "bob", "content": { "text": "x" } }),
        ),
        (Method::POST, format!("{group}/members"), json!({ "members": ["bob"] })),
        (Method::PATCH, format!("{group}/members/bob"), json!({ "role": "owner" })),
        (Method::PATCH, group.to_owned(), json!({ "title": "Crew" })),
        (Method::DELETE, format!("{group}/members/bob"), Value::Null),
    ];
    for (method, url, mut body) in writes {
        let client_id = uuid::Uuid::now_v7();
        let by_header =
            http.request(method.clone(), &url).header("idempotency-key", client_id.to_string());
        let by_header = if body.is_null() { by_header } else { by_header.json(&body) };
        assert_eq!(
            client_id_of(&asked(&edge, by_header, false).await.0),
            client_id,
            "{method} {url}"
        );

        let by_field = if body.is_null() {
            http.request(method.clone(), format!("{url}?client_id={client_id}"))
        } else {
            body["client_id"] = json!(client_id);
            http.request(method.clone(), &url).json(&body)
        };
        let both = by_field
            .try_clone()
            .unwrap()
            .header("idempotency-key", uuid::Uuid::now_v7().to_string());
        assert_eq!(
            client_id_of(&asked(&edge, by_field, false).await.0),
            client_id,
            "{method} {url}"
        );
        let both = refused(both.bearer_auth(token("ann"))).await;
        assert_eq!(both, (400, "invalid".to_owned()), "two different ids: {method} {url}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn a_message_to_a_user_over_rest_is_the_frame_with_to_and_content_goes_up_as_it_was_written()
{
    let edge = Edge::start().await;
    let _device = crate::device::Device::connect(&edge, "bob").await;
    let body = r#"{"to":"bob","content":{ "text":"x", "n":0.1234567890123456789 }}"#;
    let request = Client::new()
        .post(format!("http://{}/api/v1/messages", edge.address))
        .header("content-type", "application/json")
        .body(body);
    let (frame, status) = asked(&edge, request, false).await;
    assert_eq!(status, 201);
    let send = Said::of(frame).unwrap();
    let [ann, bob] = ["ann", "bob"].map(|name| proto::id::UserName::parse(name).unwrap());
    assert_eq!(
        send.conversation_id,
        proto::id::ConversationId::direct(proto::id::TenantId::DEFAULT, &ann, &bob).to_bytes()
    );
    assert_eq!(send.to, "bob");
    assert_eq!(send.content, r#"{ "text":"x", "n":0.1234567890123456789 }"#);
    edge.stop().await;
}

#[tokio::test]
async fn a_conversation_that_is_made_is_201_and_one_that_was_there_is_200() {
    let edge = Edge::start().await;
    let _device = crate::device::Device::connect(&edge, "bob").await;
    for (unchanged, expected) in [(false, 201), (true, 200)] {
        let request = Client::new()
            .post(format!("http://{}/api/v1/conversations", edge.address))
            .json(&json!({ "kind": "direct", "members": ["bob"] }));
        // The chat service of this test knows no conversation: as after the asker has left.
        assert_eq!(asked(&edge, request, unchanged).await.1, expected);
    }
    edge.stop().await;
}
