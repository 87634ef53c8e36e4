//! Where one script is played: an address for the client, its driver, and the connections that it opens.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use wire_client::token::Signer;
use wire_client::values::Secret;

use super::driver::Driver;
use super::options::ClientOptions;
use super::peer::{Heard, Peer};
use crate::checked::{Checked, NotKept, broken, check};

/// The conversation of most scripts, a direct one of `ann`, whose client is judged, and `bob`.
pub(crate) const CONVERSATION: &str = "0198c0de-0000-7000-8000-0000000000c1";
/// Of the store, unless a script says otherwise.
pub(crate) const EPOCH: &str = "first";
/// The first connection may take so many times as long as anything else.
const START: u32 = 3;
/// Nobody verifies it.
const SECRET: &str = "the scripted server verifies no token at all";
/// Long enough that no ping of a client is missed on a busy machine.
const HEARTBEAT_MS: u64 = 30_000;

/// One script.
#[derive(Debug)]
pub(crate) struct Stage {
    listener: TcpListener,
    driver: Driver,
    /// How long the client may take.
    pub(crate) patience: Duration,
    /// Of `welcome`.
    pub(crate) heartbeat_ms: u64,
    pub(crate) epoch: &'static str,
    /// The client has opened a connection: its driver has started.
    is_begun: bool,
}

impl Stage {
    /// Listens and starts the driver, which does nothing yet.
    pub(crate) async fn open(options: &ClientOptions) -> Checked<Self> {
        let failed = |error: std::io::Error| NotKept::Broken(format!("cannot listen: {error}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let url = format!("ws://{}/ws", listener.local_addr().map_err(failed)?);
        let signer = Signer::new(&Secret::from(SECRET.to_owned()), None, None);
        // Signing with a secret does not fail.
        let token = signer.sign("ann").unwrap_or_default();
        let driver = Driver::start(&options.command, &url, &token)?;
        let (patience, heartbeat_ms) = (options.patience, HEARTBEAT_MS);
        Ok(Self { listener, driver, patience, heartbeat_ms, epoch: EPOCH, is_begun: false })
    }

    pub(crate) async fn close(self) {
        self.driver.end().await;
    }

    /// Tells the driver to do something.
    pub(crate) async fn tell(&mut self, order: Value) -> Checked {
        self.driver.tell(&order).await
    }

    /// Tells it to send a text to [`CONVERSATION`].
    pub(crate) async fn tell_to_send(&mut self, text: &str) -> Checked {
        self.tell(json!({ "do": "send", "conversation_id": CONVERSATION, "text": text })).await
    }

    /// The next TCP connection of the client; none when none comes within this time.
    pub(crate) async fn arrival(&mut self, within: Duration) -> Checked<Option<TcpStream>> {
        match tokio::time::timeout(within, self.listener.accept()).await {
            Ok(Ok((stream, _))) => Ok(Some(stream)),
            Ok(Err(error)) => broken(format!("cannot accept: {error}")),
            Err(_) => Ok(None),
        }
    }

    /// The next WebSocket of the client. Other requests are not answered.
    pub(crate) async fn socket(&mut self) -> Checked<Peer> {
        // A driver has to start before its client can connect.
        let patience = if self.is_begun { self.patience } else { self.patience * START };
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.arrival(left).await? {
                Some(stream) => {
                    self.is_begun = true;
                    if let Some(peer) = Peer::accept(stream, self.patience).await? {
                        return Ok(peer);
                    }
                }
                None => {
                    let secs = patience.as_secs();
                    return broken(format!("the client opened no WebSocket within {secs} s"));
                }
            }
        }
    }

    /// The next WebSocket after its `auth` and `welcome`.
    pub(crate) async fn welcomed(&mut self) -> Checked<Peer> {
        let mut peer = self.socket().await?;
        peer.authenticated().await?;
        self.welcome(&mut peer).await?;
        Ok(peer)
    }

    pub(crate) async fn welcome(&self, peer: &mut Peer) -> Checked {
        let limits = json!({ "frame_bytes": 1_048_576, "in_flight": 32, "content_bytes": 65_536,
            "text_chars": 8_000 });
        peer.say(&json!({ "type": "welcome", "connection_id": "c", "user_id": "ann",
            "status": "online", "heartbeat_ms": self.heartbeat_ms, "epoch": self.epoch,
            "limits": limits }))
            .await
    }

    /// Told to connect, welcomed, and synced with nothing: the beginning of most scripts.
    pub(crate) async fn begin(&mut self) -> Checked<Peer> {
        self.tell(json!({ "do": "connect" })).await?;
        self.served(&[]).await
    }

    /// The next connection, welcomed, and its `sync` answered by these pages.
    pub(crate) async fn served(&mut self, pages: &[Value]) -> Checked<Peer> {
        let mut peer = self.welcomed().await?;
        peer.sync(pages, self.epoch).await?;
        Ok(peer)
    }

    /// The next entry that the app is given.
    pub(crate) async fn shown(&mut self) -> Checked<Value> {
        match self.driver.shown(self.patience).await? {
            Some(entry) => Ok(entry),
            None => broken("no further entry is shown"),
        }
    }

    /// The app is given just these entries, in this order.
    pub(crate) async fn shows(&mut self, seqs: &[u64]) -> Checked {
        for seq in seqs {
            match self.driver.shown(self.patience).await? {
                Some(entry) => check!(entry["seq"] == *seq, "shown is {entry} instead of {seq}"),
                None => return broken(format!("entry {seq} is not shown")),
            }
        }
        Ok(())
    }

    /// The app is given nothing for this time.
    pub(crate) async fn shows_nothing(&mut self, time: Duration) -> Checked {
        match self.driver.shown(time).await? {
            Some(entry) => broken(format!("shown is {entry}, which is not to be shown")),
            None => Ok(()),
        }
    }

    /// Whether the client comes again within this time; its connection is not answered.
    pub(crate) async fn stays_away(&mut self, time: Duration) -> Checked {
        match self.arrival(time).await? {
            Some(_) => broken("the client connected again"),
            None => Ok(()),
        }
    }

    /// The client says nothing of this type for this time.
    pub(crate) async fn says_no(&mut self, peer: &mut Peer, kind: &str, time: Duration) -> Checked {
        let until = Instant::now() + time;
        loop {
            match peer.hear_within(until.saturating_duration_since(Instant::now())).await? {
                Some(Heard::Frame(frame)) => {
                    check!(frame["type"] != kind, "the client said {frame}");
                    peer.answer_by_itself(&frame, self.epoch).await?;
                }
                Some(Heard::Closed(code)) => {
                    return broken(format!("the client closed with {code}"));
                }
                None => return Ok(()),
            }
        }
    }
}

/// An entry of [`CONVERSATION`] by `bob`.
pub(crate) fn entry(seq: u64) -> Value {
    json!({ "type": "entry", "conversation_id": CONVERSATION, "seq": seq, "id": id(seq),
        "kind": "text", "sender": { "id": "bob", "type": "user" },
        "content": { "text": format!("number {seq}") }, "timestamp": 1_763_678_000_000_u64 + seq })
}

/// The id of [`entry`].
pub(crate) fn id(seq: u64) -> String {
    format!("0198c0de-0000-7000-8000-{seq:012x}")
}

/// A page of [`CONVERSATION`].
pub(crate) fn page(seqs: std::ops::RangeInclusive<u64>, head: u64) -> Value {
    let entries: Vec<Value> = seqs
        .map(|seq| {
            let mut entry = entry(seq);
            entry.as_object_mut().map(|fields| fields.remove("type"));
            entry
        })
        .collect();
    json!({ "type": "sync_page", "conversation_id": CONVERSATION, "entries": entries, "head": head,
        "more": false, "reset": false })
}

/// The answer to an operation.
pub(crate) fn sent(operation: &Value, seq: u64) -> Value {
    let mut sent = json!({ "type": "sent", "client_id": operation["client_id"],
        "conversation_id": CONVERSATION, "id": id(seq), "seq": seq,
        "timestamp": 1_763_678_000_000_u64 + seq });
    if operation["ref"].is_string() {
        sent["ref"] = operation["ref"].clone();
    }
    sent
}

/// A refusal of an operation.
pub(crate) fn refused(
    operation: &Value,
    code: &str,
    stored: &str,
    retry_after_ms: Option<u64>,
) -> Value {
    let mut error = json!({ "type": "error", "client_id": operation["client_id"], "code": code,
        "message": "as the script says", "stored": stored });
    if operation["ref"].is_string() {
        error["ref"] = operation["ref"].clone();
    }
    if let Some(after) = retry_after_ms {
        error["retry_after_ms"] = after.into();
    }
    error
}
