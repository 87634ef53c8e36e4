//! The clients of the self-test: as little of a client as there can be, so that the server is measured.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::server::TestServer;

/// Handshakes at once.
const AT_ONCE: usize = 64;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(20);

#[derive(Serialize)]
struct NewGroup<'a> {
    kind: &'a str,
    title: &'a str,
    members: Vec<String>,
}

#[derive(Deserialize)]
struct Group {
    id: String,
}

#[derive(Serialize)]
struct NewMessage<'a> {
    content: Content<'a>,
}

#[derive(Serialize)]
struct Content<'a> {
    text: &'a str,
}

/// Connected users `capacity-0` and so on.
pub(super) struct Crowd {
    idle: Vec<TcpStream>,
}

impl Crowd {
    /// Connects so many users, each with one device that acknowledges nothing.
    pub(super) async fn connect(server: &TestServer, count: usize) -> Result<Self> {
        let mut opening = JoinSet::new();
        let mut idle: Vec<Option<TcpStream>> = (0..count).map(|_| None).collect();
        for number in 0..count {
            if opening.len() >= AT_ONCE {
                keep(&mut idle, opening.join_next().await)?;
            }
            let (http, token) = (server.http.clone(), server.token(&name(number))?);
            opening.spawn(async move {
                let opened = tokio::time::timeout(HANDSHAKE, open(&http, &token)).await;
                (number, opened.context("a handshake took too long").and_then(|it| it))
            });
        }
        while !opening.is_empty() {
            keep(&mut idle, opening.join_next().await)?;
        }
        Ok(Self { idle: idle.into_iter().flatten().collect() })
    }

    /// Lets some of them hear what is written to their group for a while.
    pub(super) async fn deliver(
        &mut self,
        server: &TestServer,
        members: usize,
        posters: usize,
        time: Duration,
    ) -> Result<()> {
        let mut readers = JoinSet::new();
        for mut stream in self.idle.drain(..members.min(self.idle.len())) {
            readers.spawn(async move {
                let mut bytes = vec![0; 16 << 10];
                while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
            });
        }
        let client = reqwest::Client::new();
        let members = (0..members).map(name).collect();
        let group = NewGroup { kind: "group", title: "capacity", members };
        let answer = client
            .post(format!("http://{}/api/v1/conversations", server.http))
            .bearer_auth(server.token(&name(0))?)
            .json(&group)
            .send()
            .await?;
        ensure!(answer.status().is_success(), "the group was not made: {}", answer.status());
        let group: Group = answer.json().await?;
        let until = Instant::now() + time;
        let url = format!("http://{}/api/v1/conversations/{}/messages", server.http, group.id);
        let mut posting = JoinSet::new();
        for number in 0..posters {
            let (client, url, token) = (client.clone(), url.clone(), server.token(&name(number))?);
            posting.spawn(async move {
                let text = "x".repeat(200);
                while Instant::now() < until {
                    let message = NewMessage { content: Content { text: &text } };
                    client.post(&url).bearer_auth(&token).json(&message).send().await?;
                }
                reqwest::Result::Ok(())
            });
        }
        while let Some(posted) = posting.join_next().await {
            posted.context("a client of the self-test")??;
        }
        Ok(())
    }
}

fn name(number: usize) -> String {
    format!("capacity-{number}")
}

type Opened = Option<Result<(usize, Result<TcpStream>), tokio::task::JoinError>>;

fn keep(idle: &mut [Option<TcpStream>], opened: Opened) -> Result<()> {
    if let Some(opened) = opened {
        let (number, stream) = opened.context("a client of the self-test")?;
        idle[number] = Some(stream?);
    }
    Ok(())
}

/// Upgrades and waits for the welcome.
async fn open(http: &str, token: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(http).await?;
    let request = format!(
        "GET /ws?acks=off HTTP/1.1\r\nhost: {http}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         authorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut heard = Vec::new();
    while !heard.windows(9).any(|part| part == b"\"welcome\"") {
        let read = stream.read_buf(&mut heard).await?;
        ensure!(read > 0, "refused: {}", String::from_utf8_lossy(&heard));
    }
    Ok(stream)
}
