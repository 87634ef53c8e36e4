//! What members say who hear an event stream: posts beside it.

use std::time::Duration;

use futures_util::future;
use serde::Deserialize;
use wire_client::turns::Turns;
use wire_client::ws::handshake::Target;

use super::Crowd;
use super::approach::Approach;
use super::error::BenchError;
use super::speech;

/// One post takes no longer.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often members are looked after.
const SWEEP: Duration = Duration::from_millis(20);

/// Something was posted and not taken.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The greeting does not say where to post.
    #[error("post: the welcome is not understood")]
    Strange,
    /// No token.
    #[error("post: {0}")]
    Token(#[from] std::io::Error),
    /// No answer.
    #[error("post: {0}")]
    Http(#[from] reqwest::Error),
    /// The server did not take it.
    #[error("post: {0}")]
    Refused(reqwest::StatusCode),
}

/// What the greeting says of posts.
#[derive(Debug, Deserialize)]
pub struct Greeting {
    connection_id: String,
    heartbeat_ms: u64,
}

impl Greeting {
    /// Reads a `welcome`.
    pub fn read(json: &[u8]) -> Result<Self, PostError> {
        serde_json::from_slice(json).map_err(|_| PostError::Strange)
    }
}

/// Where one member posts.
#[derive(Debug)]
pub struct PostBox {
    url: String,
    /// Whose token it takes.
    number: u32,
    /// A member that is silent for several of these is given up.
    heartbeat: Duration,
}

impl PostBox {
    /// Beside the stream of this member at this address.
    pub fn of(greeting: &Greeting, target: &Target, number: u32) -> Self {
        let url = format!("http://{}/sse/{}", target.authority, greeting.connection_id);
        Self { url, number, heartbeat: Duration::from_millis(greeting.heartbeat_ms.max(1)) }
    }
}

/// Posts for all members.
#[derive(Debug)]
pub struct Posts(reqwest::Client);

impl Posts {
    /// Nothing posted yet.
    pub fn new() -> Result<Self, reqwest::Error> {
        Ok(Self(reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?))
    }

    /// Says a frame; the answer comes on the stream.
    pub async fn post(
        &self,
        approach: &Approach,
        post_box: &PostBox,
        frame: &'static [u8],
    ) -> Result<(), PostError> {
        let token = approach.token(post_box.number)?;
        let answer = self.0.post(&post_box.url).bearer_auth(token).body(frame).send().await?;
        match answer.status() {
            reqwest::StatusCode::ACCEPTED => Ok(()),
            status => Err(PostError::Refused(status)),
        }
    }
}

/// Gives a sign of life for each member that posts, once a heartbeat: a socket would answer the
/// server's pings, a comment in a stream has no answer. Ends when one is not taken.
pub async fn keep(crowd: &Crowd) -> BenchError {
    let members = crowd.members.borrow().clone();
    let boxes: Vec<&PostBox> = members.iter().filter_map(|it| it.post_box.as_ref()).collect();
    let Some(heartbeat) = boxes.iter().map(|post_box| post_box.heartbeat).min() else {
        return future::pending().await;
    };
    let mut turns = Turns::new(boxes.len(), heartbeat);
    let mut interval = tokio::time::interval(SWEEP);
    loop {
        interval.tick().await;
        let posting = turns
            .due(SWEEP)
            .map(|at| crowd.approach.posts.post(&crowd.approach, boxes[at], speech::PING));
        if let Err(error) = future::try_join_all(posting).await {
            return BenchError::Failed(error.to_string());
        }
    }
}
