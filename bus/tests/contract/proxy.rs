//! A TCP relay in front of the broker that can cut, hold and add to what passes: a process that is
//! killed, a network that swallows, a broker that says something.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

/// Largest piece relayed at once.
const PIECE: usize = 64 * 1024;

/// What is said to a connection on behalf of the broker: the connection's number, and the bytes.
type Word = (usize, Vec<u8>);

/// A relay to the broker. Dropped, it cuts everything.
#[derive(Debug)]
pub struct Proxy {
    address: String,
    /// Connections accepted so far; the first of a bus is the one for publishing.
    accepted: Arc<AtomicUsize>,
    holding: watch::Sender<bool>,
    /// Changes when all connections are to be cut.
    cut: watch::Sender<u32>,
    words: broadcast::Sender<Word>,
    tasks: JoinSet<()>,
}

impl Proxy {
    /// Relays to `target`.
    pub async fn start(target: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let accepted = Arc::new(AtomicUsize::new(0));
        let (holding, cut) = (watch::Sender::new(false), watch::Sender::new(0));
        let words = broadcast::Sender::new(16);
        let relay = Relay {
            holding: holding.subscribe(),
            cut: cut.subscribe(),
            words: words.clone(),
            accepted: Arc::clone(&accepted),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(relay.run(listener, target));
        Self { address, accepted, holding, cut, words, tasks }
    }

    /// Where to connect to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many connections there have been.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Cuts all connections; new ones are taken.
    pub fn cut(&self) {
        self.cut.send_modify(|times| *times += 1);
    }

    /// Cuts all connections and takes no more: the end of a process, seen from the broker.
    pub fn kill(mut self) {
        self.tasks.abort_all();
    }

    /// From now on nothing reaches the broker, until `false`.
    pub fn hold(&self, is_holding: bool) {
        self.holding.send_replace(is_holding);
    }

    /// Says something to a connection in the broker's name. It must be quiet just then.
    pub fn say(&self, connection: usize, bytes: Vec<u8>) {
        self.words.send((connection, bytes)).unwrap();
    }
}

struct Relay {
    holding: watch::Receiver<bool>,
    cut: watch::Receiver<u32>,
    words: broadcast::Sender<Word>,
    accepted: Arc<AtomicUsize>,
}

impl Relay {
    async fn run(mut self, listener: TcpListener, target: &'static str) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (client, _) = accepted.unwrap();
                    let Ok(broker) = TcpStream::connect(target).await else { continue };
                    client.set_nodelay(true).unwrap();
                    broker.set_nodelay(true).unwrap();
                    let number = self.accepted.fetch_add(1, Ordering::SeqCst);
                    let ((from_client, to_client), (from_broker, to_broker)) =
                        (client.into_split(), broker.into_split());
                    let (holding, words) = (self.holding.clone(), self.words.subscribe());
                    connections.spawn(async move {
                        // The end of either direction is the end of both.
                        tokio::select! {
                            () = up(from_client, to_broker, holding) => {}
                            () = down(from_broker, to_client, number, words) => {}
                        }
                    });
                }
                _ = self.cut.changed() => connections.shutdown().await,
            }
        }
    }
}

async fn up(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut holding: watch::Receiver<bool>) {
    let mut piece = vec![0; PIECE];
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        if holding.wait_for(|is_holding| !is_holding).await.is_err()
            || to.write_all(&piece[..count]).await.is_err()
        {
            return;
        }
    }
}

async fn down(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: usize,
    mut words: broadcast::Receiver<Word>,
) {
    let mut piece = vec![0; PIECE];
    loop {
        let written = tokio::select! {
            read = from.read(&mut piece) => match read {
                Ok(count @ 1..) => to.write_all(&piece[..count]).await,
                _ => return,
            },
            word = words.recv() => match word {
                Ok((to_whom, bytes)) if to_whom == number => to.write_all(&bytes).await,
                Ok(_) => Ok(()),
                Err(_) => return,
            },
        };
        if written.is_err() {
            return;
        }
    }
}
