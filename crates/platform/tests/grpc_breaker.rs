//! A channel to a service that goes and comes: calls are refused at once while it is away, one at a time
//! tries, and its return is found. Every call carries its deadline.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use platform::grpc::{Certificates, GrpcChannel, GrpcClientConfig, Incoming, ask, serve};
use platform::metrics::Metrics;
use platform::reload::Reload;
use platform::shutdown::{Shutdown, Tasks};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::ServiceExt;

const DEADLINE: Duration = Duration::from_secs(20);

struct Rig {
    channel: GrpcChannel,
    tasks: Tasks,
    stop: Shutdown,
}

impl Rig {
    fn of(address: SocketAddr, config: &GrpcClientConfig) -> Self {
        let (stop, tasks) = (Shutdown::new(), Tasks::new());
        let urls = vec![format!("http://{address}")];
        let config = GrpcClientConfig { urls, ..config.clone() };
        let certificates = Certificates::new(&Metrics::new(), &Reload::new(), &tasks, &stop);
        let prepared = config.prepare("chat_grpc").unwrap();
        let channel = prepared.channel(&certificates, &tasks, &stop);
        Self { channel, tasks, stop }
    }

    fn serve(&self, listener: TcpListener) {
        let told = async |headers: HeaderMap| match headers.get("grpc-timeout") {
            Some(deadline) => deadline.to_str().unwrap().to_owned(),
            None => "none".to_owned(),
        };
        let said =
            |code: Code| move || async move { Status::new(code, "said").into_http::<Body>() };
        let router = Router::new()
            .route("/deadline", post(told))
            .route("/unavailable", post(said(Code::Unavailable)))
            .route("/invalid", post(said(Code::InvalidArgument)))
            .route("/internal", post(said(Code::Internal)))
            .route("/late", post(said(Code::DeadlineExceeded)));
        let stop = self.stop.clone();
        self.tasks.spawn("server", async move {
            serve(Routes::from(router), Incoming::Tcp(listener), stop).await.unwrap();
        });
    }

    async fn call(&self, deadline: Option<&str>) -> Result<String, String> {
        self.call_path("/deadline", deadline).await
    }

    async fn call_path(&self, path: &str, deadline: Option<&str>) -> Result<String, String> {
        let mut request = http::Request::post(path).body(Body::empty()).unwrap();
        if let Some(deadline) = deadline {
            request.headers_mut().insert("grpc-timeout", deadline.parse().unwrap());
        }
        let answer = tokio::time::timeout(DEADLINE, self.channel.clone().oneshot(request));
        let answer =
            answer.await.expect("a call never hangs").map_err(|error| format!("{error:?}"))?;
        if let Some(status) = Status::from_header_map(answer.headers()) {
            return Err(status.message().to_owned());
        }
        let body = axum::body::Body::new(answer.into_body());
        Ok(String::from_utf8(axum::body::to_bytes(body, 100).await.unwrap().to_vec()).unwrap())
    }

    async fn end(self) {
        self.stop.begin();
        self.stop.force();
        drop(self.channel);
        assert_eq!(self.tasks.join(DEADLINE).await, Ok(()));
    }
}

#[tokio::test]
async fn a_call_carries_its_own_deadline_or_that_of_the_channel() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = GrpcClientConfig { timeout_ms: 7_000, ..GrpcClientConfig::default() };
    let rig = Rig::of(listener.local_addr().unwrap(), &config);
    rig.serve(listener);
    assert_eq!(rig.call(None).await.unwrap(), "7000m");
    assert_eq!(rig.call(Some("900m")).await.unwrap(), "900m");
    rig.end().await;
}

#[tokio::test]
async fn a_service_that_is_away_is_asked_less_often_and_found_when_it_is_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let config = GrpcClientConfig {
        breaker_failures: 3,
        breaker_open_ms: 300,
        resolve_secs: 1,
        ..GrpcClientConfig::default()
    };
    let rig = Rig::of(address, &config);
    let is_refused = |answer: &Result<String, String>| {
        answer.as_ref().is_err_and(|error| error.contains("tried again soon"))
    };
    let started = Instant::now();
    let mut refused = 0;
    for call in 0..3 {
        let answer = rig.call(None).await;
        assert!(answer.is_err() && !is_refused(&answer), "{call}: {answer:?}");
    }
    // Some of many go through, one for each time that it stays open.
    let mut tried = 0;
    while refused < 100 {
        assert!(started.elapsed() < DEADLINE, "{refused} refused, {tried} tried");
        match rig.call(None).await {
            answer if is_refused(&answer) => refused += 1,
            Err(_) => tried += 1,
            Ok(answer) => panic!("{answer}"),
        }
    }
    assert!(tried <= started.elapsed().as_millis() / 300, "{tried}");

    rig.serve(TcpListener::bind(address).await.unwrap());
    while let Err(error) = rig.call(None).await {
        assert!(started.elapsed() < DEADLINE, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    rig.end().await;
}

#[tokio::test]
async fn only_a_missing_answer_opens_the_circuit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = GrpcClientConfig {
        breaker_failures: 3,
        breaker_open_ms: 60_000,
        ..GrpcClientConfig::default()
    };
    let rig = Rig::of(listener.local_addr().unwrap(), &config);
    rig.serve(listener);
    rig.call(None).await.unwrap();
    for path in ["/unavailable", "/invalid", "/internal"] {
        for _ in 0..10 {
            assert_eq!(rig.call_path(path, None).await, Err("said".to_owned()), "{path}");
        }
    }
    rig.call(None).await.unwrap();
    for _ in 0..3 {
        assert_eq!(rig.call_path("/late", None).await, Err("said".to_owned()));
    }
    let refused = rig.call(None).await.unwrap_err();
    assert!(refused.contains("tried again soon"), "{refused}");
    rig.end().await;
}

#[tokio::test]
async fn a_question_that_finds_nobody_is_asked_once_more() {
    let asked = std::cell::Cell::new(0);
    let client = &asked;
    let ask_with = async |code: Code, answers_at: u32| {
        asked.set(0);
        let answer = ask(&client, (), move |asked: &std::cell::Cell<u32>, ()| {
            asked.set(asked.get() + 1);
            let count = asked.get();
            async move {
                if count >= answers_at {
                    Ok(tonic::Response::new(count))
                } else {
                    Err(Status::new(code, "no"))
                }
            }
        });
        (answer.await.map_err(|status| status.code()), asked.get())
    };
    assert_eq!(ask_with(Code::Unavailable, 1).await, (Ok(1), 1));
    assert_eq!(ask_with(Code::Unavailable, 2).await, (Ok(2), 2));
    assert_eq!(ask_with(Code::Unavailable, 3).await, (Err(Code::Unavailable), 2));
    assert_eq!(ask_with(Code::NotFound, 2).await, (Err(Code::NotFound), 1));
}
