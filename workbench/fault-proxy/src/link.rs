//! One connection through the proxy, from accept to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{broadcast, watch};

use super::direction::{Direction, Words, forward};
use super::{Counts, Fault, Orders, Way, Word};

/// The upstream is reached in this time or not at all.
const CONNECT: Duration = Duration::from_secs(5);

/// Why a connection ends before both sides have finished.
#[derive(Clone, Copy)]
enum Break {
    /// With a reset to both.
    Reset,
    /// With the end of the stream, wherever it is.
    Cut,
}

/// Counts a connection as open while it lives.
struct Open(Arc<Counts>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(
    mut client: TcpStream,
    upstream: SocketAddr,
    mut orders: watch::Receiver<Orders>,
    words: broadcast::Receiver<Word>,
    counts: Arc<Counts>,
) {
    let number = counts.accepted.fetch_add(1, Ordering::Relaxed);
    Counts::add(&counts.open, 1);
    let _open = Open(Arc::clone(&counts));
    let begun = *orders.borrow_and_update();
    let connecting = tokio::time::timeout(CONNECT, TcpStream::connect(upstream));
    let server = tokio::select! {
        end = broken(&mut orders, begun) => return finish(end, &counts, &[&client]),
        server = connecting => server,
    };
    let Ok(Ok(mut server)) = server else {
        Counts::add(&counts.unreachable, 1);
        // As a closed port would look, had the client come straight to it.
        let _ = client.set_zero_linger();
        return;
    };
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
    }
    let words = Words { number, words };
    let end = converse(&mut client, &mut server, orders, words, begun, &counts).await;
    match end {
        End::Whole => {}
        End::Broken(end) => finish(end, &counts, &[&client, &server]),
        End::Lost => {
            for stream in [&client, &server] {
                let _ = stream.set_zero_linger();
            }
        }
    }
}

/// How a connection ended.
enum End {
    /// Both sides finished.
    Whole,
    /// One side vanished; the other is told the same way.
    Lost,
    /// By a fault.
    Broken(Break),
}

async fn converse(
    client: &mut TcpStream,
    server: &mut TcpStream,
    mut orders: watch::Receiver<Orders>,
    words: Words,
    begun: Orders,
    counts: &Counts,
) -> End {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let direction = |way, from, to, words, bytes| {
        let (orders, held, truncations) = (orders.clone(), &counts.held, begun.truncations.0);
        Direction { way, from, to, orders, words, bytes, held, truncations }
    };
    let up = forward(direction(Way::Up, from_client, to_server, None, &counts.up_bytes));
    let down =
        forward(direction(Way::Down, from_server, to_client, Some(words), &counts.down_bytes));
    tokio::pin!(up, down);
    let (mut is_up_done, mut is_down_done) = (false, false);
    while !(is_up_done && is_down_done) {
        let is_whole = tokio::select! {
            end = broken(&mut orders, begun) => return End::Broken(end),
            is_whole = &mut up, if !is_up_done => { is_up_done = true; is_whole }
            is_whole = &mut down, if !is_down_done => { is_down_done = true; is_whole }
        };
        match is_whole {
            Ok(true) => {}
            Ok(false) => return End::Broken(Break::Cut),
            Err(_) => return End::Lost,
        }
    }
    End::Whole
}

/// Waits for an order that breaks connections which were open when it was given.
async fn broken(orders: &mut watch::Receiver<Orders>, begun: Orders) -> Break {
    loop {
        let now = *orders.borrow_and_update();
        if now.resets != begun.resets {
            return Break::Reset;
        }
        if now.cuts != begun.cuts {
            return Break::Cut;
        }
        if orders.changed().await.is_err() {
            return Break::Cut;
        }
    }
}

fn finish(end: Break, counts: &Counts, streams: &[&TcpStream]) {
    Counts::add(&counts.broken, 1);
    for stream in streams {
        if matches!(end, Break::Reset) {
            let _ = stream.set_zero_linger();
        }
    }
}

impl Orders {
    /// True while bytes of this way are held back for good.
    pub(super) fn is_stalled(&self, way: Way) -> bool {
        match self.mode {
            Fault::HalfOpen => true,
            Fault::OneWay { way: open } => open != way,
            _ => false,
        }
    }
}
