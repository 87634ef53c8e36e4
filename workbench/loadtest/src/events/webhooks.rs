//! Events by webhooks: a receiver for each, which checks the signature of every delivery, and addresses at which nobody
//! listens.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac::Key;
use bench::crowd::error::BenchError;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use verdict::hooks::Signature;

use super::{OPERATOR, Shared};
use crate::hooks::{make_webhook, receiver, signature};

/// How long the server waits for an answer, in milliseconds.
const TIMEOUT_MS: u64 = 5_000;

/// A webhook that is received.
struct Hook {
    listener: TcpListener,
    key: Key,
}

/// Takes events until it is dropped or the listener fails.
pub(super) async fn take(
    shared: &Shared,
    tell: &mut impl FnMut(&str),
) -> Result<Infallible, BenchError> {
    let mut hooks = Vec::new();
    for _ in 0..shared.options.hooks {
        let listener = TcpListener::bind((shared.options.listen, 0)).await?;
        let secret = make(shared, listener.local_addr()?, true).await?;
        let none = || BenchError::Failed("the secret of a webhook is none".to_owned());
        hooks.push(Hook { listener, key: signature::key(&secret).ok_or_else(none)? });
    }
    // Bound and not listening: the address stays ours, and each connection to it is refused.
    let mut dead = Vec::new();
    for _ in 0..shared.options.dead {
        let socket = if shared.options.listen.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        socket.bind((shared.options.listen, 0).into())?;
        make(shared, socket.local_addr()?, false).await?;
        dead.push(socket);
    }
    tell("subscribed");
    let mut serving: FuturesUnordered<_> = hooks.iter().map(|hook| accept(shared, hook)).collect();
    let failed = serving.next().await;
    drop(dead);
    match failed {
        Some(Err(error)) => Err(error.into()),
        Some(Ok(never)) => match never {},
        None => std::future::pending().await,
    }
}

/// Makes a webhook for an address; its secret.
async fn make(
    shared: &Shared,
    address: SocketAddr,
    is_received: bool,
) -> Result<String, BenchError> {
    let body = json!({
        "url": format!("http://{address}/hook"),
        "types": ["*"],
        "timeout_ms": TIMEOUT_MS,
        "max_in_flight": shared.options.in_flight,
    });
    let (id, secret) = make_webhook(&shared.rest.patient(), &body).await?;
    shared.made.borrow_mut().push(id);
    if is_received {
        shared.lags.count(id.to_string());
    }
    Ok(secret)
}

/// Takes away what was made, so that the next run is told nothing of this one.
pub(super) async fn remove(shared: &Shared) -> Result<(), BenchError> {
    let (user, roles) = OPERATOR;
    for id in shared.made.take() {
        let path = format!("/admin/webhooks/{id}");
        let delete = |http: &reqwest::Client, url: &str| http.delete(url);
        shared.rest.patient().ask_as(user, &roles, "remove a webhook", &path, delete).await?;
    }
    Ok(())
}

/// Accepts the connections of one webhook, and serves them.
async fn accept(shared: &Shared, hook: &Hook) -> io::Result<Infallible> {
    let mut serving = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = hook.listener.accept() => {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                serving.push(serve(shared, hook, stream));
            }
            Some(_) = serving.next(), if !serving.is_empty() => {}
        }
    }
}

/// One connection, request after request, until it ends.
async fn serve(shared: &Shared, hook: &Hook, mut stream: TcpStream) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let (signed, body) = receiver::request(&mut stream, &mut read).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
        let is_good = signature::check(&hook.key, &signed, &body, now) == Signature::Good;
        if is_good {
            shared.tally.take(&body);
        }
        let status = if is_good { "204 Taken" } else { "401 Not signed" };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}
