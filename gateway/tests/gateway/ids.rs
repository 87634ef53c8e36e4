//! Ids that nobody could name again: refused wherever an id comes in, with a text that says why.

use std::time::Duration;

use platform::token::NewToken;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;

use crate::device::Device;
use crate::edge::{Edge, token, token_saying};

/// A client takes these out of a path before it sends it.
const DOTS: [&str; 2] = [".", ".."];
const WHY: &str = "`.` and `..` are no ids";

async fn ask(
    edge: &Edge,
    method: Method,
    path: &str,
    token: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let url = format!("http://{}/api/v1/{path}", edge.address);
    let mut asked = Client::new().request(method, url).bearer_auth(token);
    if let Some(body) = body {
        asked = asked.json(&body);
    }
    let answer = asked.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn of_device(device: &str) -> String {
    token_saying(&NewToken {
        sub: "ann".to_owned(),
        device: Some(device.to_owned()),
        ttl: Duration::from_hours(1),
        ..NewToken::default()
    })
}

#[tokio::test]
async fn a_token_whose_user_or_device_is_no_id_is_refused_over_sockets_and_rest() {
    let edge = Edge::start().await;
    let bad = [
        (token("."), "sub"),
        (token(".."), "sub"),
        (of_device("."), "device"),
        (of_device(".."), "device"),
        (of_device("my phone"), "device"),
        (of_device(&"x".repeat(65)), "device"),
    ];
    for (token, claim) in &bad {
        let why = format!(
            "the token's {claim} is not a {} id",
            if *claim == "sub" { "user" } else { claim }
        );
        let mut device = Device::open(&edge, &format!("/ws?token={token}"), &[]).await;
        let (code, reason) = device.closed().await;
        assert_eq!(code, 4001, "{reason}");
        assert!(reason.starts_with(&why) && reason.ends_with("not . or .."), "{reason}");
        let (status, body) = ask(&edge, Method::GET, "me", token, None).await;
        assert_eq!((status, &body["code"]), (401, &json!("unauthenticated")), "{body}");
        assert!(body["message"].as_str().unwrap().starts_with(&why), "{body}");
    }
    assert!(edge.presence.account().connected.is_empty(), "nobody was registered");
    for named in ["phone", ""] {
        let path = format!("/ws?token={}", of_device(named));
        assert_eq!(Device::open(&edge, &path, &[]).await.welcome().await["user_id"], "ann");
    }
    edge.stop().await;
}

#[tokio::test]
async fn dots_are_no_device_and_no_user_in_any_request() {
    let edge = Edge::start().await;
    let mut ann = Device::connect(&edge, "ann").await;
    let ann_token = token("ann");
    for dots in DOTS {
        let path = format!("/ws?token={ann_token}&device={dots}");
        let Err(Error::Http(refused)) = Device::try_open(&edge, &path, &[]).await.map(|_| ())
        else {
            panic!("refused by HTTP")
        };
        assert_eq!(refused.status(), 400);
        let body = String::from_utf8(refused.into_body().unwrap()).unwrap();
        assert!(body.contains(WHY), "{body}");

        let id = uuid::Uuid::now_v7();
        let message = json!({ "content": { "text": "x" }, "mentions": [dots] });
        let text = json!({ "to": dots, "content": { "text": "x" } });
        let group = json!({ "kind": "group", "title": "t", "members": [dots] });
        for (path, body) in [
            ("messages".to_owned(), text),
            (format!("conversations/{id}/messages"), message),
            ("conversations".to_owned(), group),
            (format!("conversations/{id}/members"), json!({ "members": [dots] })),
            ("presence".to_owned(), json!({ "ids": [dots] })),
            ("dev/token".to_owned(), json!({ "user": dots })),
        ] {
            let (status, answer) = ask(&edge, Method::POST, &path, &ann_token, Some(body)).await;
            assert_eq!(status, 400, "{path}: {answer}");
            assert!(answer["message"].as_str().unwrap().contains(WHY), "{path}: {answer}");
        }
        let (status, answer) =
            ask(&edge, Method::GET, &format!("users?ids=ann,{dots}"), &ann_token, None).await;
        assert_eq!(status, 400);
        assert!(answer["message"].as_str().unwrap().contains(WHY), "{answer}");

        ann.say(&json!({ "type": "send", "ref": "1", "client_id": id, "to": dots,
            "content": { "text": "x" } }))
            .await;
        let error = ann.expect("error").await;
        assert!(error["message"].as_str().unwrap().contains(WHY), "{error}");
    }
    ann.send_to("...", "2").await;
    assert_eq!(edge.send().await.1.to, "...", "three can be named in a path");
    edge.stop().await;
}
