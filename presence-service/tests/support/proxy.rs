//! A TCP proxy in front of Redis that cuts, refuses and accepts again.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    tasks: TaskTracker,
    listening: CancellationToken,
}

struct State {
    target: String,
    /// Cancelled to cut what is open.
    open: Mutex<CancellationToken>,
}

impl Proxy {
    /// Listens in front of the server of a `redis://host:port` URL.
    pub async fn start(url: &str) -> Self {
        let place = url.trim_start_matches("redis://").split('/').next().unwrap();
        let target = place.rsplit('@').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut proxy = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::new(State { target, open: Mutex::default() }),
            tasks: TaskTracker::new(),
            listening: CancellationToken::new(),
        };
        proxy.serve(listener);
        proxy
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    fn serve(&mut self, listener: TcpListener) {
        self.listening = CancellationToken::new();
        let (listening, state, tasks) =
            (self.listening.clone(), Arc::clone(&self.state), self.tasks.clone());
        self.tasks.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = listening.cancelled() => return,
                };
                let Ok((mut client, _)) = accepted else { return };
                let (open, target) = (state.open.lock().clone(), state.target.clone());
                tasks.spawn(async move {
                    let Ok(mut server) = TcpStream::connect(target).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        () = open.cancelled() => {}
                    }
                });
            }
        });
    }

    /// Ends what is open; new connections work.
    pub fn cut(&self) {
        std::mem::take(&mut *self.state.open.lock()).cancel();
    }

    /// Ends what is open; new connections are refused.
    pub fn refuse(&self) {
        self.listening.cancel();
        self.cut();
    }

    /// Takes connections again, at the same address.
    pub async fn accept(&mut self) {
        let address = self.address;
        let listener = super::eventually("the port is free again", || async move {
            TcpListener::bind(address).await
        })
        .await;
        self.serve(listener);
    }

    pub async fn stop(self) {
        self.refuse();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
