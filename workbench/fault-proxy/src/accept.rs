//! The door of a link: takes connections, or refuses them as a closed port does.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Counts, Fault, MAX_CONNECTIONS, Orders, Word, link};

/// Connections the kernel may hold for the proxy.
const BACKLOG: u32 = 1_024;
/// Waited when the kernel cannot give a connection, or the port is not free again yet.
const BUSY: Duration = Duration::from_millis(20);

/// A socket bound to the address, so that nobody else takes the port. It refuses until it listens.
fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address)?.listen(BACKLOG)
}

/// Everything the accepting task needs.
pub(super) struct Door {
    pub(super) address: SocketAddr,
    pub(super) upstream: SocketAddr,
    pub(super) orders: watch::Receiver<Orders>,
    pub(super) words: broadcast::Sender<Word>,
    pub(super) counts: Arc<Counts>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Door {
    /// Accepts until the proxy ends.
    pub(super) async fn keep(mut self, mut listener: TcpListener) {
        let stop = self.stop.clone();
        let work = async {
            loop {
                self.accept_until_refusing(&listener).await;
                drop(listener);
                listener = self.refuse_until_accepting().await;
            }
        };
        stop.run_until_cancelled(work).await;
    }

    fn is_refusing(&mut self) -> bool {
        self.orders.borrow_and_update().mode == Fault::Refuse
    }

    async fn accept_until_refusing(&mut self, listener: &TcpListener) {
        while !self.is_refusing() {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                // The proxy holds the sender, and its end cancels this task.
                _ = self.orders.changed() => continue,
            };
            match accepted {
                Ok(_) if self.counts.seen().open >= MAX_CONNECTIONS => {}
                Ok((client, _)) => {
                    let connection = link::serve(
                        client,
                        self.upstream,
                        self.orders.clone(),
                        self.words.subscribe(),
                        Arc::clone(&self.counts),
                    );
                    let stop = self.stop.clone();
                    self.tasks.spawn(async move {
                        stop.run_until_cancelled(connection).await;
                    });
                }
                // Out of files, or the peer is gone already: neither is the end of the link.
                Err(_) => tokio::time::sleep(BUSY).await,
            }
        }
    }

    async fn refuse_until_accepting(&mut self) -> TcpListener {
        let mut held = None;
        loop {
            if held.is_none() {
                held = bind(self.address).ok();
            }
            if self.is_refusing() {
                if held.is_some() {
                    let _ = self.orders.changed().await;
                } else {
                    tokio::time::sleep(BUSY).await;
                }
                continue;
            }
            match held.take().map(|socket| socket.listen(BACKLOG)) {
                Some(Ok(listener)) => return listener,
                Some(Err(_)) | None => tokio::time::sleep(BUSY).await,
            }
        }
    }
}
