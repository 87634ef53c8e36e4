//! Acts of operators as the chat service is told them, played by the test.

use parking_lot::Mutex;
use proto::chat::audit_server::Audit;
use proto::chat::{RecordActReply, RecordActRequest};
use tonic::{Request, Response, Status};

use serde_json::json;

use crate::edge::{Edge, admin_token, token_with_roles};

/// Keeps what it is told, or cannot.
#[derive(Default)]
pub struct Acts {
    pub told: Mutex<Vec<RecordActRequest>>,
    pub is_away: Mutex<bool>,
}

#[tonic::async_trait]
impl Audit for Acts {
    async fn record_act(
        &self,
        request: Request<RecordActRequest>,
    ) -> Result<Response<RecordActReply>, Status> {
        if *self.is_away.lock() {
            return Err(Status::unavailable("the message store is away"));
        }
        self.told.lock().push(request.into_inner());
        Ok(Response::new(RecordActReply {}))
    }
}

#[tokio::test]
async fn an_act_is_written_down_with_its_reason_and_not_done_when_it_cannot_be() {
    let edge = Edge::start().await;
    let url = format!("http://{}/api/v1/admin/broadcast", edge.address);
    let say = async || {
        let asked = reqwest::Client::new().post(&url).bearer_auth(admin_token());
        let asked = asked.header("Tidings-Reason", "a test").json(&json!({ "content": {} }));
        asked.send().await.unwrap().status().as_u16()
    };
    // Nobody is connected: the bulk queue of the gateway takes it all the same.
    assert_eq!(say().await, 202);
    let told = edge.acts.told.lock().clone();
    let [act] = &told[..] else { panic!("{told:?}") };
    assert_eq!((act.action.as_str(), act.reason.as_str()), ("broadcast", "a test"));
    assert!(act.ip.starts_with("127."), "{act:?}");
    *edge.acts.is_away.lock() = true;
    assert_eq!(say().await, 503);
    edge.stop().await;
}

#[tokio::test]
async fn what_a_moderator_reads_is_written_down_with_a_reason_and_without_one_they_are_anybody() {
    let edge = Edge::start().await;
    let moderator = token_with_roles("mo", &["moderator"]);
    let id = uuid::Uuid::now_v7();
    let read = async |path: &str, token: &str, reason: Option<&str>| {
        let url = format!("http://{}/api/v1/conversations/{id}/messages{path}", edge.address);
        let mut asked = reqwest::Client::new().get(&url).bearer_auth(token);
        if let Some(reason) = reason {
            asked = asked.header("Tidings-Reason", reason);
        }
        asked.send().await.unwrap().status().as_u16()
    };
    for path in ["?view=messages&as_of=9", "/2?as_of=9", "/2/history"] {
        read(path, &moderator, None).await;
        read(path, &moderator, Some(" ")).await;
        read(path, &token_with_roles("ann", &[]), Some("curious")).await;
        // Of operators nothing is said of what members say.
        read(path, &admin_token(), Some("curious")).await;
    }
    for path in ["?view=messages", "?view=log", "/2"] {
        read(path, &moderator, Some("a report")).await;
    }
    assert!(edge.acts.told.lock().is_empty(), "{:?}", edge.acts.told.lock());
    for path in ["?view=messages&as_of=9", "/2?as_of=9", "/2/history"] {
        read(path, &moderator, Some("a report")).await;
    }
    let told = edge.acts.told.lock().clone();
    let told: Vec<_> =
        told.iter().map(|it| (it.action.as_str(), it.target.clone(), it.reason.as_str())).collect();
    let message = format!("{id}:2");
    assert_eq!(
        told,
        [
            ("messages.read", id.to_string(), "a report"),
            ("message.read", message.clone(), "a report"),
            ("message.history", message, "a report"),
        ]
    );
    *edge.acts.is_away.lock() = true;
    assert_eq!(read("/2/history", &moderator, Some("a report")).await, 503);
    edge.stop().await;
}
