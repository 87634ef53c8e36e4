//! A balancer of TCP connections whose list of gateways can be changed while it runs: each new connection goes to the
//! one with the fewest.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

#[derive(Debug)]
struct Backend {
    address: String,
    open: AtomicUsize,
}

/// A running balancer; it ends with its owner.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    backends: Arc<Mutex<Vec<Arc<Backend>>>>,
    _accepting: JoinSet<()>,
}

impl Balancer {
    /// Listens on a port of loopback. Nobody is behind it yet.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let backends: Arc<Mutex<Vec<Arc<Backend>>>> = Arc::default();
        let known = Arc::clone(&backends);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut carried = JoinSet::new();
            loop {
                let client = tokio::select! {
                    Some(_ended) = carried.join_next() => continue,
                    accepted = listener.accept() => match accepted {
                        Ok((client, _)) => client,
                        Err(_) => return,
                    },
                };
                let fewest = known
                    .lock()
                    .expect("nobody panics holding it")
                    .iter()
                    .min_by_key(|backend| backend.open.load(Ordering::Relaxed))
                    .cloned();
                if let Some(backend) = fewest {
                    backend.open.fetch_add(1, Ordering::Relaxed);
                    carried.spawn(carry(client, backend));
                }
            }
        });
        Self { address, backends, _accepting: accepting }
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// New connections may go to this one, too.
    pub fn add(&self, address: &str) {
        let backend = Backend { address: address.to_owned(), open: AtomicUsize::new(0) };
        self.backends.lock().expect("nobody panics holding it").push(Arc::new(backend));
    }
}

async fn carry(mut client: TcpStream, backend: Arc<Backend>) {
    if let Ok(mut server) = TcpStream::connect(&backend.address).await {
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        // The side that breaks it off ends it for both.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    }
    backend.open.fetch_sub(1, Ordering::Relaxed);
}
