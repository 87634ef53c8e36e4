//! The receiver: a small HTTP server that notes every delivery before it answers, and that can be away in several ways.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac::Key;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;
use verdict::hooks::{Delivery, Event, Signature};

use super::signature::{self, Signed};

/// Longest head and body of a request, in bytes.
const MOST_HEAD: usize = 16 * 1024;
const MOST_BODY: usize = 512 * 1024;
/// Deliveries that are noted; beyond them nothing is taken.
const MOST: usize = 500_000;

/// How the receiver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It takes what is signed.
    Here,
    /// Nobody listens, and its connections are gone.
    Dead,
    /// It answers 503.
    Refuses,
    /// It reads and never answers.
    Silent,
    /// It notes a delivery and dies before it answers.
    DiesThen,
    /// The run is over.
    Over,
}

/// The ways to be away.
pub(super) const AWAY: [Mode; 4] = [Mode::Dead, Mode::Refuses, Mode::Silent, Mode::DiesThen];

/// What came.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) deliveries: Vec<Delivery>,
    moment: u64,
}

impl Ledger {
    fn moment(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }
}

/// What each connection of the receiver has.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) ledger: Rc<RefCell<Ledger>>,
    pub(super) modes: watch::Receiver<Mode>,
    /// Known once the webhook is made.
    pub(super) key: Rc<RefCell<Option<Key>>>,
}

/// Listens, but for the times when it is dead, until the run is over.
pub(super) async fn run(listener: TcpListener, mut door: Door) -> io::Result<()> {
    let address = listener.local_addr()?;
    let mut first = Some(listener);
    loop {
        let mode = *door.modes.borrow_and_update();
        match (mode, first.take()) {
            (Mode::Over, _) => return Ok(()),
            (Mode::Dead, _) => {
                if door.modes.changed().await.is_err() {
                    return Ok(());
                }
            }
            (_, open) => {
                let open = match open {
                    Some(open) => open,
                    None => TcpListener::bind(address).await?,
                };
                serve_until_dead(open, &mut door).await;
            }
        }
    }
}

/// Serves while it listens; then its connections end.
async fn serve_until_dead(listener: TcpListener, door: &mut Door) {
    let mut serving: JoinSet<Option<()>> = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    serving.spawn_local(serve(stream, door.clone()));
                }
            }
            Some(_) = serving.join_next(), if !serving.is_empty() => {}
            changed = door.modes.changed() => {
                let mode = *door.modes.borrow();
                if changed.is_err() || mode == Mode::Over || mode == Mode::Dead {
                    return;
                }
            }
        }
    }
}

/// One connection, request after request.
async fn serve(mut stream: TcpStream, mut door: Door) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let (signed, body) = request(&mut stream, &mut read).await?;
        let mode = *door.modes.borrow_and_update();
        let answer = door.take(&signed, &body, mode);
        match mode {
            Mode::Silent => {
                let _ = door.modes.changed().await;
                return None;
            }
            Mode::DiesThen | Mode::Dead | Mode::Over => return None,
            Mode::Here | Mode::Refuses => {
                let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.ok()?;
            }
        }
    }
}

impl Door {
    /// Notes a delivery; the status of the answer.
    fn take(&self, signed: &Signed, body: &[u8], mode: Mode) -> &'static str {
        let mut ledger = self.ledger.borrow_mut();
        let key = self.key.borrow();
        let Some(key) = key.as_ref().filter(|_| ledger.deliveries.len() < MOST) else {
            return "503 Not yet";
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
        let signature = signature::check(key, signed, body, now);
        let began = ledger.moment();
        let is_taken = mode == Mode::Here && signature == Signature::Good;
        let taken = is_taken.then(|| ledger.moment());
        let id = signed.id.parse().unwrap_or_default();
        let event = serde_json::from_slice(body).ok().and_then(|body: Value| event(&body));
        ledger.deliveries.push(Delivery { began, taken, id, signature, event });
        match (mode, signature) {
            (Mode::Here, Signature::Good) => "204 Taken",
            (Mode::Here, _) => "401 Not signed, or at another time",
            _ => "503 Away",
        }
    }
}

fn event(body: &Value) -> Option<Event> {
    let id = |value: &Value| value.as_str()?.parse::<Uuid>().ok();
    let entry = &body["data"]["entry"];
    Some(Event {
        id: id(&body["id"])?,
        tenant: body["tenant"].as_str()?.to_owned(),
        conversation: id(&body["partitionkey"])?,
        sequence: body["sequence"].as_str()?.parse().ok()?,
        entry: id(&entry["id"]).zip(entry["seq"].as_u64()),
    })
}

/// Reads one request; `None` when the connection ends, or is no HTTP.
pub(crate) async fn request(
    stream: &mut TcpStream,
    read: &mut Vec<u8>,
) -> Option<(Signed, Vec<u8>)> {
    let end = loop {
        if let Some(end) = read.windows(4).position(|it| it == b"\r\n\r\n") {
            break end + 4;
        }
        if read.len() > MOST_HEAD || stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    };
    let head = std::str::from_utf8(&read[..end]).ok()?.to_owned();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_owned())
    };
    let length: usize = header("content-length")?.parse().ok()?;
    if length > MOST_BODY {
        return None;
    }
    while read.len() < end + length {
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
    let body = read[end..end + length].to_vec();
    read.drain(..end + length);
    let signed = Signed {
        id: header("webhook-id").unwrap_or_default(),
        timestamp: header("webhook-timestamp").unwrap_or_default(),
        signatures: header("webhook-signature").unwrap_or_default(),
    };
    Some((signed, body))
}
