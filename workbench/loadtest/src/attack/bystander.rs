//! A user who does what people do while others attack: lists conversations, connects, syncs, pings.
//!
//! Everything that is refused, closed or not answered in time is a disturbance.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use wire_client::ws::codec::{self, Message, Reader};
use wire_client::ws::handshake;

use super::target::Attacker;

/// What people wait for at most. Above the answer time of a busy machine, far below any time limit.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two rounds: far below every rate that a user may have.
const ROUND: Duration = Duration::from_millis(700);

/// What a bystander met with.
#[derive(Debug, Default)]
pub struct Disturbances {
    /// By kind.
    pub by_kind: BTreeMap<String, u64>,
    /// Rounds that were begun.
    pub rounds: u64,
    /// The longest answer, in milliseconds.
    pub longest_ms: u64,
}

/// Goes on until the attack is over.
pub async fn watch(user: Attacker) -> Disturbances {
    let mut met = Disturbances::default();
    while Instant::now() < user.until {
        met.rounds += 1;
        let began = Instant::now();
        for (what, trouble) in [("list", list(&user).await), ("socket", converse(&user).await)] {
            if let Err(trouble) = trouble {
                *met.by_kind.entry(format!("{what}: {trouble}")).or_default() += 1;
            }
        }
        met.longest_ms = met.longest_ms.max(began.elapsed().as_millis() as u64);
        tokio::time::sleep(ROUND).await;
    }
    met
}

async fn list(user: &Attacker) -> Result<(), String> {
    let url = format!("{}/api/v1/conversations", user.base);
    let answer = user.http.get(url).bearer_auth(&user.token).timeout(PATIENCE).send().await;
    match answer {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("http {}", answer.status().as_u16())),
        Err(error) if error.is_timeout() => Err("no answer in time".to_owned()),
        Err(_) => Err("connection lost".to_owned()),
    }
}

/// Connects, syncs and pings; leaves when both are answered.
async fn converse(user: &Attacker) -> Result<(), String> {
    tokio::time::timeout(PATIENCE, async {
        let (mut stream, early) = handshake::open(&user.address, user.source, &user.token)
            .await
            .map_err(|error| error.to_string())?;
        let mut frames = Vec::new();
        codec::write_text(&mut frames, br#"{"type":"sync","cursors":{}}"#, [0; 4]);
        codec::write_text(&mut frames, br#"{"type":"ping"}"#, [0; 4]);
        stream.write_all(&frames).await.map_err(|error| error.kind().to_string())?;
        let (mut reader, mut chunk) = (Reader::default(), vec![0; 16 * 1024]);
        let mut open = vec!["synced", "pong"];
        let mut said = early;
        loop {
            let mut trouble = None;
            let heard = reader.feed(&said, |message| match message {
                Message::Whole(text) => {
                    let frame: Value = serde_json::from_slice(text).unwrap_or_default();
                    let kind = frame["type"].as_str().unwrap_or_default();
                    open.retain(|awaited| *awaited != kind);
                    if kind == "error" {
                        trouble = Some(format!("error {}", frame["code"]));
                    }
                }
                Message::Close(code) => trouble = Some(format!("close {code}")),
                Message::Deflated(_) | Message::Ping(_) | Message::Pong => {}
            });
            heard.map_err(|error| error.to_string())?;
            if let Some(trouble) = trouble {
                return Err(trouble);
            }
            if open.is_empty() {
                let mut goodbye = Vec::new();
                codec::write_close(&mut goodbye, 1000, [0; 4]);
                return stream.write_all(&goodbye).await.map_err(|error| error.kind().to_string());
            }
            let read = stream.read(&mut chunk).await.map_err(|error| error.kind().to_string())?;
            if read == 0 {
                return Err("connection lost".to_owned());
            }
            said = chunk[..read].to_vec();
        }
    })
    .await
    .unwrap_or_else(|_| Err("no answer in time".to_owned()))
}
