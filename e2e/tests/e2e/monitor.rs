//! The monitor inside: what it says of a real process, to the log and to a receiver that takes it, breaks, hangs, leads
//! elsewhere or is away.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use e2e::all_in_one::{serve_with, token as own_token};
use e2e::client::Client;
use e2e::cluster::Cluster;
use e2e::eventually::eventually;
use e2e::metrics::by_label;
use e2e::process::Process;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const SOON: Duration = Duration::from_secs(20);

/// What a receiver does with a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Takes,
    Breaks,
    Hangs,
    LeadsElsewhere,
}

/// A receiver of alerts.
struct Receiver {
    address: String,
    mode: Arc<Mutex<Mode>>,
    /// Path and body of each post.
    posted: Arc<Mutex<Vec<(String, Value)>>>,
    tasks: JoinSet<()>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut this = Self {
            address,
            mode: Arc::new(Mutex::new(Mode::Takes)),
            posted: Arc::default(),
            tasks: JoinSet::new(),
        };
        let (mode, posted) = (Arc::clone(&this.mode), Arc::clone(&this.posted));
        // Ends with the receiver, and the answers that it owns with it.
        this.tasks.spawn(async move {
            let mut answers = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (mode, posted) = (Arc::clone(&mode), Arc::clone(&posted));
                answers.spawn(async move { answer(socket, &mode, &posted).await });
            }
        });
        this
    }

    fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    fn posted(&self) -> Vec<(String, Value)> {
        self.posted.lock().unwrap().clone()
    }
}

async fn answer(
    mut socket: TcpStream,
    mode: &Mutex<Mode>,
    posted: &Mutex<Vec<(String, Value)>>,
) -> Option<()> {
    let mut read = Vec::new();
    let (head, body) = loop {
        let mut part = [0; 4096];
        let count = socket.read(&mut part).await.ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        if body.len() >= length.unwrap_or_default() {
            break (head.to_owned(), body.to_owned());
        }
    };
    let path = head.split(' ').nth(1)?.to_owned();
    posted.lock().unwrap().push((path, serde_json::from_str(&body).unwrap_or_default()));
    let mode = *mode.lock().unwrap();
    let answer = match mode {
        Mode::Takes => "HTTP/1.1 204 No Content\r\n\r\n",
        Mode::Breaks => "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n",
        Mode::LeadsElsewhere => {
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n"
        }
        Mode::Hangs => std::future::pending().await,
    };
    socket.write_all(answer.as_bytes()).await.ok()
}

/// One process that can hold five connections and is watched closely.
async fn watched(label: &str, folder: &std::path::Path, url_file: &std::path::Path) -> Process {
    let file = url_file.to_str().unwrap();
    serve_with(
        label,
        folder,
        "127.0.0.1:0",
        &[
            ("TIDINGS__LIMITS__CONNECTIONS", "5"),
            ("TIDINGS__TELEMETRY__LOG_FILTER", "warn,platform::monitor=info"),
            ("TIDINGS__MONITOR__EVERY_MS", "100"),
            ("TIDINGS__MONITOR__RAISE_AFTER", "2"),
            ("TIDINGS__MONITOR__CLEAR_AFTER", "2"),
            ("TIDINGS__MONITOR__CONNECTIONS_PERCENT", "50"),
            ("TIDINGS__MONITOR__POST_TIMEOUT_MS", "300"),
            ("TIDINGS__MONITOR__ATTEMPTS", "2"),
            ("TIDINGS__MONITOR__URL_FILE", file),
        ],
    )
    .await
}

const ALERT: &str = "TidingsConnectionsNearLimit";

async fn until_alert(server: &Process, is_raised: bool) {
    eventually("the alert", SOON, async || {
        let alerts = by_label(server, "tidings_monitor_alerts").await;
        let is_so = alerts.get(ALERT) == Some(&f64::from(u8::from(is_raised)));
        if is_so { Ok(()) } else { Err(alerts) }
    })
    .await;
}

async fn until_posts(server: &Process, outcome: &str, count: f64) {
    eventually("posts", SOON, async || {
        let posts = by_label(server, "tidings_monitor_posts_total").await;
        if posts.get(outcome) == Some(&count) { Ok(()) } else { Err(posts) }
    })
    .await;
}

/// Three of five places are taken, and a message goes through; then one is.
async fn raise_and_clear(server: &Process, token: &str) {
    let address = server.address("http");
    let mut ann = Client::connect(address, token).await;
    let others = [Client::connect(address, token).await, Client::connect(address, token).await];
    until_alert(server, true).await;
    // Whatever becomes of the post, a message has its answer.
    ann.send_to("bob", "hello").await;
    ann.expect("sent").await;
    for other in others {
        other.close().await;
    }
    until_alert(server, false).await;
    ann.close().await;
}

fn lines(server: &Process, with: &str) -> usize {
    server.log_tail().lines().filter(|line| line.contains(with)).count()
}

#[tokio::test]
async fn an_alert_of_a_process_is_posted_once_when_raised_and_once_when_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let file = folder.path().join("url");
    std::fs::write(&file, format!("http://{}/hooks/hunter2\n", receiver.address)).unwrap();
    let mut server = watched("monitor-takes", &folder.path().join("data"), &file).await;
    let token = own_token(&folder.path().join("data"), "ann").await;
    raise_and_clear(&server, &token).await;
    until_posts(&server, "delivered", 2.0).await;
    let posted = receiver.posted();
    let told: Vec<_> =
        posted.iter().map(|(path, it)| (path.as_str(), it["state"].as_str().unwrap())).collect();
    assert_eq!(told, [("/hooks/hunter2", "raised"), ("/hooks/hunter2", "cleared")]);
    let raised = &posted[0].1;
    assert_eq!(raised["alert"], ALERT);
    assert_eq!(raised["value"], 0.6, "{raised}");
    assert_eq!(raised["threshold"], 0.5, "{raised}");
    assert_eq!(
        (&raised["service"], &raised["process_id"]),
        (&"tidings".into(), &server.pid().into())
    );
    assert_eq!(raised["runbook"], "docs/runbook.md#tidingsconnectionsnearlimit");
    // The figures are in the log line by line, alerts once each, and the address nowhere.
    let log = server.log_tail();
    assert!(lines(&server, "connections=") > 0 && log.contains("queue_batches="), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
    assert!(server.terminate(Duration::from_secs(30)).await.success());
}

#[tokio::test]
async fn a_receiver_that_breaks_hangs_leads_elsewhere_or_is_away_costs_its_posts_alone() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let file = folder.path().join("url");
    std::fs::write(&file, format!("http://{}/hunter2", receiver.address)).unwrap();
    let mut server = watched("monitor-broken", &folder.path().join("data"), &file).await;
    let token = own_token(&folder.path().join("data"), "ann").await;
    // The last one is nobody at the address: it is read anew before each post.
    let modes = [(Mode::Breaks, 4), (Mode::Hangs, 4), (Mode::LeadsElsewhere, 2), (Mode::Takes, 0)];
    for ((mode, posts), round) in modes.into_iter().zip(1..) {
        receiver.posted.lock().unwrap().clear();
        receiver.set(mode);
        if mode == Mode::Takes {
            let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
            std::fs::write(&file, format!("http://{nobody}/hunter2")).unwrap();
        }
        raise_and_clear(&server, &token).await;
        until_posts(&server, "given_up", f64::from(2 * round)).await;
        let posted = receiver.posted();
        assert_eq!(posted.len(), posts, "{mode:?}: {posted:?}");
        assert!(posted.iter().all(|(path, _)| path == "/hunter2"), "{mode:?}: {posted:?}");
    }
    let failures = by_label(&server, "tidings_monitor_post_failures_total").await;
    assert_eq!(failures[""].round() as u64, 14);
    let log = server.log_tail();
    assert!(log.contains("could not be posted") && !log.contains("hunter2"), "{log}");
    // What is under way does not hold up the end.
    assert!(server.terminate(Duration::from_secs(30)).await.success());
}

#[tokio::test]
async fn every_binary_of_a_cluster_has_a_monitor() {
    let receiver = Receiver::start().await;
    let url = format!("http://{}/cluster", receiver.address);
    let mut settings = Vec::new();
    for prefix in ["TIDINGS_GATEWAY__", "TIDINGS_CHAT__", "TIDINGS_PRESENCE__"] {
        for (key, value) in [("EVERY_MS", "100"), ("RAISE_AFTER", "1"), ("URL", url.as_str())] {
            settings.push((format!("{prefix}MONITOR__{key}"), value.to_owned()));
        }
    }
    let settings: Vec<_> =
        settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let mut cluster = Cluster::start_with("monitor", &settings).await;
    // A gateway lacks presence, and says so.
    assert!(cluster.presence.terminate(Duration::from_secs(30)).await.success());
    let told = async |service: &str, state: &str| {
        let what = format!("{service} {state}");
        eventually(&what, Duration::from_mins(1), async || {
            let posted = receiver.posted();
            let is_told = posted.iter().any(|(_, it)| {
                it["service"] == service
                    && it["state"] == state
                    && it["alert"] == "TidingsReplicaNotReady"
            });
            if is_told { Ok(()) } else { Err(posted) }
        })
        .await;
    };
    told("gateway", "raised").await;
    cluster.presence = cluster.start_presence().await;
    told("gateway", "cleared").await;
    for process in cluster.chats.iter().chain([&cluster.presence]) {
        eventually("figures in the log", SOON, async || {
            let figures = lines(process, "not_ready=");
            if figures > 0 { Ok(()) } else { Err(process.log_tail()) }
        })
        .await;
    }
    assert!(cluster.chats.iter().all(|chat| chat.log_tail().contains("queue_batches=")));
    assert!(cluster.presence.log_tail().contains("announcements_waiting="));
    cluster.stop().await;
}
