//! The task behind a client: connects, reads, writes, and connects again until the run is over.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;
use wire_client::wire;
use wire_client::ws::codec::{Message, Reader};
use wire_client::ws::handshake::{self, HandshakeError, Target};

use crate::client::{Client, HangUp};
use crate::options::{Options, WsUrl};
use crate::shared::Shared;

/// First and longest time between two attempts to connect.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// The handshake takes no longer.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the server may take to answer the last `close`.
const GOODBYE: Duration = Duration::from_secs(1);

/// Keeps a client connected from `start` until the run is over.
pub async fn keep_connected(
    client: Rc<RefCell<Client>>,
    shared: Rc<Shared>,
    start: tokio::time::Instant,
) {
    if is_over_before(&shared, start).await {
        return;
    }
    let mut failures: u32 = 0;
    // Counts on, so that a client that is sent away twice does not come back to the first that sent it away.
    let mut elsewhere: u32 = 0;
    let mut hop = Hop::None;
    loop {
        let attempt = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            attempt = connect(&client, &shared, elsewhere, &hop) => attempt,
        };
        let wait = match attempt {
            Ok((socket, early)) => {
                let end = converse(&client, &shared, socket, &early).await;
                let now_us = shared.micros(Instant::now());
                hop = hop.after(&mut client.borrow_mut());
                client.borrow_mut().lost(&shared, &end, now_us);
                failures = u32::from(is_elsewhere_better(&end));
                elsewhere = elsewhere.wrapping_add(failures);
                after(&shared, &end)
            }
            Err(error) => {
                failures += 1;
                elsewhere = elsewhere.wrapping_add(1);
                hop = hop.failed();
                shared.count_error(kind(&error));
                asked_to_wait(&error)
            }
        };
        let most = BACKOFF.0.saturating_mul(1 << failures.min(10)).min(BACKOFF.1);
        let wait = wait.unwrap_or_else(|| shared.jitter(most));
        if is_over_before(&shared, tokio::time::Instant::now() + wait).await {
            return;
        }
    }
}

/// Where a `redirect` sent a client.
#[derive(Debug, PartialEq, Eq)]
enum Hop {
    /// Nowhere: it says that it goes where it is sent.
    None,
    /// To this server, by one attempt.
    To(String),
    /// That did not welcome it: it wants to be served by whichever it comes to.
    Failed,
}

impl Hop {
    /// An attempt did not come through.
    fn failed(self) -> Self {
        if self == Self::None { Self::None } else { Self::Failed }
    }

    /// A connection has ended.
    fn after(self, client: &mut Client) -> Self {
        match client.take_server() {
            Some(server) => Self::To(server),
            None if client.is_welcomed() => Self::None,
            None => self.failed(),
        }
    }

    /// Where to connect instead of here.
    async fn target(&self, usual: &Target, options: &Options) -> Result<Target, HandshakeError> {
        let mut target = usual.clone();
        match self {
            Self::None => wire::add(&mut target.path, "redirect=on"),
            Self::To(server) => {
                let url: WsUrl = server
                    .parse()
                    .map_err(|_| HandshakeError::NotWebSocket("the server's address"))?;
                let mut addresses = tokio::net::lookup_host(url.authority.clone()).await?;
                let address = addresses.next();
                target.address =
                    address.ok_or(HandshakeError::NotWebSocket("the server has no address"))?;
                target.authority = url.authority;
                target.path = options.wire.path(&url.path);
            }
            Self::Failed => {}
        }
        // Clients compare the entries at their heads, too.
        wire::add(&mut target.path, "heads=2");
        Ok(target)
    }
}

/// Waits until `then`, or the end of the run.
async fn is_over_before(shared: &Shared, then: tokio::time::Instant) -> bool {
    tokio::select! {
        biased;
        () = shared.stop.cancelled() => true,
        () = tokio::time::sleep_until(then) => false,
    }
}

/// A stuck server still takes connections, and one that goes away may for a while: the next one is
/// tried.
fn is_elsewhere_better(end: &HangUp) -> bool {
    matches!(end, HangUp::Silent | HangUp::Redirected(_) | HangUp::Closed(1001 | 1012))
}

/// `Retry-After`, at most a minute.
fn asked_to_wait(error: &HandshakeError) -> Option<Duration> {
    match error {
        HandshakeError::Refused { retry_after_secs: Some(secs), .. } => {
            Some(Duration::from_secs((*secs).min(60)))
        }
        _ => None,
    }
}

/// How long the server asked to stay away.
fn after(shared: &Shared, end: &HangUp) -> Option<Duration> {
    match end {
        HangUp::Done => None,
        HangUp::Closed(code) => {
            shared.count_error(format!("close {code}"));
            None
        }
        HangUp::Silent => {
            shared.count_error("silent connection".to_owned());
            None
        }
        HangUp::Broken(why) => {
            shared.count_error(why.clone());
            None
        }
        HangUp::Redirected(after_ms) => {
            shared.count_error("redirect".to_owned());
            Some(Duration::from_millis((*after_ms).min(60_000)))
        }
    }
}

fn kind(error: &HandshakeError) -> String {
    match error {
        HandshakeError::Io(error) => format!("connect: {}", error.kind()),
        other => other.to_string(),
    }
}

/// Opens the socket. After a failure the next gateway is tried.
async fn connect(
    client: &RefCell<Client>,
    shared: &Shared,
    elsewhere: u32,
    hop: &Hop,
) -> Result<(OwnedReadHalf, Vec<u8>), HandshakeError> {
    let number = client.borrow().number();
    let common = &shared.common;
    let gateway = number.wrapping_add(elsewhere) as usize % common.targets.len();
    let target = hop.target(&common.targets[gateway], &common.options).await?;
    // In the history, one of those that the run was given.
    let named = common.targets.iter().position(|it| it.authority == target.authority);
    let gateway = named.unwrap_or(gateway);
    let source = common.options.sources.map(|sources| sources.address(number));
    let user = common.plan.users[number as usize].as_str();
    let token = common
        .signer
        .sign(user)
        .map_err(|_| HandshakeError::NotWebSocket("the token cannot be signed"))?;
    // The semaphore lives as long as the run and is never closed.
    let _permit = shared.opening.acquire().await;
    let dialed_us = shared.micros(Instant::now());
    let opening = handshake::open(&target, source, &token);
    let (stream, early) = tokio::time::timeout(HANDSHAKE, opening)
        .await
        .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
    let (reader, writer) = stream.into_split();
    let now_us = shared.micros(Instant::now());
    client.borrow_mut().opened(writer, gateway as u32, dialed_us, now_us);
    Ok((reader, early))
}

/// Reads and writes until either side ends.
async fn converse(
    client: &RefCell<Client>,
    shared: &Shared,
    mut socket: OwnedReadHalf,
    early: &[u8],
) -> HangUp {
    let mut reader = Reader::default();
    take(client, shared, &mut reader, early);
    let turn = |context: &mut Context<'_>| poll(client, shared, &mut reader, &mut socket, context);
    let end = std::future::poll_fn(turn).await;
    if matches!(end, HangUp::Done | HangUp::Redirected(_)) {
        // The server answers the close and ends the stream; what else it says is not heard.
        let rest = async {
            let mut ignored = [0; 1024];
            while socket.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
        };
        let _ = tokio::time::timeout(GOODBYE, rest).await;
    }
    // A reset: ten thousand closed sockets must not wait out their time in the kernel's tables.
    let _ = socket.as_ref().set_zero_linger();
    end
}

/// One turn of a connection: writes what waits, hears what has come.
fn poll(
    client: &RefCell<Client>,
    shared: &Shared,
    reader: &mut Reader,
    socket: &mut OwnedReadHalf,
    context: &mut Context<'_>,
) -> Poll<HangUp> {
    client.borrow_mut().remember_waker(context.waker());
    loop {
        if let Some(why) = client.borrow().wants_to_end() {
            return Poll::Ready(why.clone());
        }
        poll_write(client, context);
        let mut buffer = shared.read_buffer.borrow_mut();
        let mut read = ReadBuf::new(&mut buffer);
        match ready!(Pin::new(&mut *socket).poll_read(context, &mut read)) {
            Ok(()) if read.filled().is_empty() => {
                return Poll::Ready(HangUp::Broken("read: end of stream".to_owned()));
            }
            Ok(()) => take(client, shared, reader, read.filled()),
            Err(error) => return Poll::Ready(HangUp::Broken(format!("read: {}", error.kind()))),
        }
    }
}

/// Writes what an earlier write left over, or waits for room.
fn poll_write(client: &RefCell<Client>, context: &mut Context<'_>) {
    loop {
        let mut client = client.borrow_mut();
        let Some(writer) = client.blocked_writer() else { return };
        match writer.as_ref().poll_write_ready(context) {
            Poll::Ready(Ok(())) => {
                client.flush();
                if client.wants_to_end().is_some() {
                    return;
                }
            }
            // A broken socket shows up at the read.
            Poll::Ready(Err(_)) | Poll::Pending => return,
        }
    }
}

/// Hears the messages in what the socket gave, and writes the answers in one call.
fn take(client: &RefCell<Client>, shared: &Shared, reader: &mut Reader, bytes: &[u8]) {
    let now_us = shared.micros(Instant::now());
    shared.counters.received_bytes.add(bytes.len() as u64);
    let mut client = client.borrow_mut();
    client.heard(now_us);
    let fed = reader.feed(bytes, |message| match message {
        Message::Whole(json) => client.hear(shared, json, now_us),
        control => client.hear_control(&control),
    });
    if let Err(error) = fed {
        client.hang_up(HangUp::Broken(error.to_string()));
    }
    client.flush();
}
