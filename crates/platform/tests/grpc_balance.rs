//! A balanced channel over servers that come, stop and go. The servers answer plain HTTP/2 with their
//! name, which is all that is needed to see where a call went.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::post;
use platform::grpc::{Certificates, GrpcChannel, GrpcClientConfig, Incoming, serve};
use platform::metrics::Metrics;
use platform::reload::Reload;
use platform::shutdown::{Shutdown, Tasks};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Notify;
use tonic::body::Body;
use tonic::service::Routes;
use tower::ServiceExt;

const DEADLINE: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    stop: Shutdown,
    tasks: Tasks,
    /// A call to `/slow` has arrived; it may answer.
    arrived: Arc<Notify>,
    answer: Arc<Notify>,
}

impl Server {
    async fn start(name: &'static str) -> Self {
        Self::start_on(name, TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn start_on(name: &'static str, listener: TcpListener) -> Self {
        let (stop, tasks) = (Shutdown::new(), Tasks::new());
        let (arrived, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let signals = (Arc::clone(&arrived), Arc::clone(&answer));
        let slow = async move || {
            signals.0.notify_one();
            signals.1.notified().await;
            name
        };
        let router =
            Router::new().route("/name", post(async move || name)).route("/slow", post(slow));
        let address = listener.local_addr().unwrap();
        let shutdown = stop.clone();
        tasks.spawn(name, async move {
            serve(Routes::from(router), Incoming::Tcp(listener), shutdown).await.unwrap();
        });
        Self { address, stop, tasks, arrived, answer }
    }

    async fn end(&self) {
        assert_eq!(self.tasks.join(DEADLINE).await, Ok(()));
    }
}

struct Client {
    channel: GrpcChannel,
    stop: Shutdown,
    tasks: Tasks,
}

impl Client {
    fn new(urls: Vec<String>) -> Self {
        let (stop, tasks) = (Shutdown::new(), Tasks::new());
        // The circuit breaker has tests of its own.
        let config =
            GrpcClientConfig { urls, resolve_secs: 1, breaker_failures: 0, ..Default::default() };
        let certificates = Certificates::new(&Metrics::new(), &Reload::new(), &tasks, &stop);
        let prepared = config.prepare("chat_grpc").unwrap();
        let channel = prepared.channel(&certificates, &tasks, &stop);
        Self { channel, stop, tasks }
    }

    fn of(servers: &[&Server]) -> Self {
        Self::new(servers.iter().map(|server| format!("http://{}", server.address)).collect())
    }

    async fn call(&self, path: &str) -> Result<String, String> {
        let request = http::Request::post(path).body(Body::empty()).unwrap();
        let answer = self.channel.clone().oneshot(request);
        let answer = tokio::time::timeout(DEADLINE, answer).await.expect("a call never hangs");
        let body = answer.map_err(|error| format!("{error:?}"))?.into_body();
        let bytes = axum::body::to_bytes(axum::body::Body::new(body), 100).await.unwrap();
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// Calls until as many answers as that in a row are by these servers, each of them among the answers.
    async fn settles_on(&self, names: &[&str]) {
        let expected: BTreeSet<&str> = names.iter().copied().collect();
        let deadline = Instant::now() + DEADLINE;
        loop {
            let mut answers = BTreeSet::new();
            for _ in 0..32 {
                answers.insert(self.call("/name").await.unwrap_or_else(|error| error));
            }
            if answers.iter().map(String::as_str).collect::<BTreeSet<_>>() == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{answers:?}");
        }
    }

    async fn end(self) {
        drop(self.channel);
        self.stop.force();
        assert_eq!(self.tasks.join(DEADLINE).await, Ok(()));
    }
}

#[tokio::test]
async fn calls_are_spread_and_those_after_a_stop_go_elsewhere_without_an_error() {
    let (one, two) = (Server::start("one").await, Server::start("two").await);
    let client = Client::of(&[&one, &two]);
    client.settles_on(&["one", "two"]).await;
    one.stop.begin();
    let ended = async {
        one.end().await;
        Instant::now()
    };
    let calls = async {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(1) {
            client.call("/name").await.expect("no call fails while one of two stops");
        }
    };
    tokio::join!(ended, calls);
    client.settles_on(&["two"]).await;
    client.end().await;
    two.stop.begin();
    two.end().await;
}

#[tokio::test]
async fn a_call_under_way_is_finished_while_its_server_stops() {
    let one = Server::start("one").await;
    let client = Client::of(&[&one]);
    let slow = client.call("/slow");
    let stopping = async {
        one.arrived.notified().await;
        one.stop.begin();
        assert_eq!(one.tasks.join(Duration::from_millis(500)).await, Err(vec!["one"]));
        one.answer.notify_one();
        one.end().await;
    };
    let (answer, ()) = tokio::join!(slow, stopping);
    assert_eq!(answer.as_deref(), Ok("one"));
    client.end().await;
}

#[tokio::test]
async fn a_call_that_never_ends_does_not_hold_up_a_forced_stop() {
    let one = Server::start("one").await;
    let client = Client::of(&[&one]);
    let stopping = async {
        one.arrived.notified().await;
        one.stop.force();
        one.end().await;
    };
    tokio::select! {
        answer = client.call("/slow") => panic!("nobody lets it answer: {answer:?}"),
        () = stopping => {}
    }
    client.end().await;
}

#[tokio::test]
async fn a_server_that_dies_is_left_out_until_it_is_back() {
    let two = Server::start("two").await;
    // A runtime of its own, so that its sockets break without a word, as when a process is killed.
    let process =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let one = {
        let _inside = process.enter();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Server::start_on("one", TcpListener::from_std(listener).unwrap())
    };
    let client = Client::of(&[&one, &two]);
    client.settles_on(&["one", "two"]).await;
    process.shutdown_background();
    client.settles_on(&["two"]).await;

    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(one.address).unwrap();
    let one = Server::start_on("one again", socket.listen(16).unwrap());
    client.settles_on(&["one again", "two"]).await;
    client.end().await;
    one.stop.force();
    two.stop.force();
}

#[tokio::test]
async fn calls_fail_at_once_while_nobody_listens_and_work_when_one_does() {
    let reserved = TcpSocket::new_v4().unwrap();
    reserved.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = reserved.local_addr().unwrap();
    let client = Client::new(vec![format!("http://{address}")]);
    for _ in 0..20 {
        let begun = Instant::now();
        client.call("/name").await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(2), "it does not wait for a deadline");
    }
    let server = Server::start_on("late", reserved.listen(16).unwrap());
    client.settles_on(&["late"]).await;
    client.end().await;
    server.stop.force();
}

#[tokio::test]
async fn calls_to_a_name_that_means_nothing_fail_instead_of_waiting() {
    let client = Client::new(vec!["http://nowhere.invalid:7001".to_owned()]);
    let error = client.call("/name").await.unwrap_err();
    assert!(error.contains("dns"), "{error}");
    client.end().await;
}

#[tokio::test]
async fn a_name_that_means_nothing_does_not_hide_one_that_does() {
    let one = Server::start("one").await;
    let urls = vec!["http://nowhere.invalid:7001".to_owned(), format!("http://{}", one.address)];
    let client = Client::new(urls);
    client.settles_on(&["one"]).await;
    client.end().await;
    one.stop.force();
}
