//! Tactics over WebSockets and event streams.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;
use wire_client::ws::codec::{self, Message, Reader};
use wire_client::ws::handshake::{self, HandshakeError};

use super::target::{Attacker, VICTIM};

/// Sockets that a tactic holds at once: as many as a user may have by default.
const SOCKETS: usize = 5;
/// How long a socket that does nothing more is held.
const HELD: Duration = Duration::from_secs(15);
/// How long a write may wait for the server to read.
const WRITE: Duration = Duration::from_secs(5);
/// Frames of one burst.
const BURST: usize = 400;
/// Nobody here has anything to hide from a proxy.
const MASK: [u8; 4] = [7, 7, 7, 7];

/// An upgraded connection of an attacker.
struct Socket {
    stream: TcpStream,
    reader: Reader,
}

async fn open(attacker: &Attacker) -> Option<Socket> {
    match handshake::open(&attacker.address, attacker.source, &attacker.token).await {
        Ok((stream, early)) => {
            let mut socket = Socket { stream, reader: Reader::default() };
            socket.hear(attacker, &early);
            Some(socket)
        }
        Err(error) => {
            attacker.count(&refusal(&error));
            // As told, or a moment: an attack is no denial by connecting alone.
            tokio::time::sleep(Duration::from_millis(200)).await;
            None
        }
    }
}

fn refusal(error: &HandshakeError) -> String {
    match error {
        HandshakeError::Refused { status, .. } => format!("http {status}"),
        HandshakeError::Io(_) | HandshakeError::NotWebSocket(_) => "connection lost".to_owned(),
    }
}

impl Socket {
    /// Writes a burst as far as the server takes it in time.
    async fn write(&mut self, attacker: &Attacker, bytes: &[u8]) -> bool {
        let written = tokio::time::timeout(WRITE, self.stream.write_all(bytes)).await;
        match written {
            Ok(Ok(())) => true,
            Ok(Err(_)) => false,
            Err(_) => {
                attacker.count("not read from");
                true
            }
        }
    }

    /// Counts what a chunk says. Whether the connection goes on.
    fn hear(&mut self, attacker: &Attacker, chunk: &[u8]) -> bool {
        let mut goes_on = true;
        let heard = self.reader.feed(chunk, |message| match message {
            Message::Whole(text) => count_frame(attacker, text),
            Message::Close(code) => {
                attacker.count(&format!("close {code}"));
                goes_on = false;
            }
            Message::Deflated(_) | Message::Ping(_) | Message::Pong => {}
        });
        goes_on && heard.is_ok()
    }

    /// Reads until nothing comes for a second, or the server closes.
    async fn read(&mut self, attacker: &Attacker) {
        let mut chunk = vec![0; 64 * 1024];
        while let Ok(Ok(read @ 1..)) =
            tokio::time::timeout(Duration::from_secs(1), self.stream.read(&mut chunk)).await
        {
            if !self.hear(attacker, &chunk[..read]) {
                return;
            }
        }
    }
}

fn count_frame(attacker: &Attacker, text: &[u8]) {
    let frame: Value = serde_json::from_slice(text).unwrap_or_default();
    match (frame["type"].as_str(), frame["code"].as_str()) {
        (Some("error"), Some(code)) => attacker.count(&format!("error {code}")),
        (Some("welcome" | "entry" | "presence" | "receipt"), _) => {}
        (Some(kind), _) => attacker.count(kind),
        (None, _) => attacker.count("unreadable frame"),
    }
}

fn burst(frames: usize, frame: impl Fn(usize) -> Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..frames {
        codec::write_text(&mut bytes, frame(number).to_string().as_bytes(), MASK);
    }
    bytes
}

/// Many sends at once to one socket.
pub async fn send_without_waiting(attacker: &Attacker) {
    let Some(mut socket) = open(attacker).await else { return };
    let text = "x".repeat(4_000);
    let frames = burst(
        BURST,
        |_| json!({ "type": "send", "client_id": Uuid::now_v7(), "to": VICTIM, "content": { "text": text } }),
    );
    if socket.write(attacker, &frames).await {
        socket.read(attacker).await;
    }
}

/// Sockets that ask for everything again and again and read nothing of it.
pub async fn sync_without_reading(attacker: &Attacker) {
    let frames = burst(BURST, |_| json!({ "type": "sync", "cursors": {} }));
    let mut held = Vec::new();
    for _ in 0..SOCKETS {
        let Some(mut socket) = open(attacker).await else { break };
        socket.write(attacker, &frames).await;
        held.push(socket);
    }
    tokio::time::sleep(HELD).await;
    for mut socket in held {
        socket.read(attacker).await;
    }
}

/// Call signals of the largest size to somebody who does not know the caller.
pub async fn signal(attacker: &Attacker) {
    let Some(mut socket) = open(attacker).await else { return };
    let data = "s".repeat(60_000);
    let frames = burst(
        BURST / 10,
        |_| json!({ "type": "signal", "to": VICTIM, "call_id": Uuid::now_v7(), "kind": "ice", "data": data }),
    );
    if socket.write(attacker, &frames).await {
        socket.read(attacker).await;
    }
}

/// Typing and status in a loop.
pub async fn type_and_change_status(attacker: &Attacker) {
    let Some(mut socket) = open(attacker).await else { return };
    let conversation = Uuid::now_v7();
    let frames = burst(BURST, |number| match number % 3 {
        0 => json!({ "type": "typing", "conversation_id": conversation, "on": true }),
        1 => json!({ "type": "status", "status": if number % 2 == 0 { "away" } else { "busy" } }),
        _ => json!({ "type": "ping" }),
    });
    if socket.write(attacker, &frames).await {
        socket.read(attacker).await;
    }
}

/// Messages of nearly the largest size that never end.
pub async fn begin_messages(attacker: &Attacker) {
    let length: usize = 1_000_000;
    let mut begun = vec![0x81, 0x80 | 0x7F];
    begun.extend_from_slice(&(length as u64).to_be_bytes());
    begun.extend_from_slice(&MASK);
    begun.resize(begun.len() + length - 1, b' ');
    let mut held = Vec::new();
    for _ in 0..SOCKETS {
        let Some(mut socket) = open(attacker).await else { break };
        socket.write(attacker, &begun).await;
        held.push(socket);
    }
    tokio::time::sleep(HELD).await;
    for mut socket in held {
        socket.read(attacker).await;
    }
}

/// Frames that are no frames.
pub async fn send_malformed_frames(attacker: &Attacker) {
    let texts: [&[u8]; 7] = [
        b"{",
        b"[]",
        b"{\"type\":\"nothing\"}",
        b"{\"type\":\"send\"}",
        b"\xff\xfe",
        b"null",
        b"{\"type\":\"send\",\"ref\":{},\"client_id\":1}",
    ];
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    for text in texts.into_iter().chain([deep.as_slice()]) {
        let Some(mut socket) = open(attacker).await else { return };
        let mut bytes = Vec::new();
        codec::write_text(&mut bytes, text, MASK);
        codec::write_binary(&mut bytes, text, MASK);
        if socket.write(attacker, &bytes).await {
            socket.read(attacker).await;
        }
    }
}

/// Comes, and goes without a word.
pub async fn connect(attacker: &Attacker) {
    for _ in 0..20 {
        if open(attacker).await.is_some() {
            attacker.count("connected");
        }
    }
}

/// Event streams that are asked to bring everything and are never read.
pub async fn stream_without_reading(attacker: &Attacker) {
    let mut address = attacker.address.clone();
    address.path = "/sse".to_owned();
    let mut held = Vec::new();
    for _ in 0..SOCKETS {
        match handshake::open_stream(&address, attacker.source, &attacker.token).await {
            Ok(stream) => held.push(stream),
            Err(error) => attacker.count(&refusal(&error)),
        }
    }
    attacker.count("streams held");
    tokio::time::sleep(HELD).await;
}
