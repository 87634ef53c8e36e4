//! TLS between the services: who is taken, who is refused and told what, and files that are replaced while
//! both sides run.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::post;
use platform::grpc::{
    Certificates, GrpcChannel, GrpcClientConfig, GrpcServerTlsConfig, Incoming, serve,
};
use platform::metrics::Metrics;
use platform::reload::Reload;
use platform::shutdown::{Shutdown, Tasks};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::service::Routes;
use tower::ServiceExt;

const DEADLINE: Duration = Duration::from_secs(20);

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes `<side>.crt`, `<side>.key` and the authority as `<side>.ca`.
    fn issue(&self, folder: &Path, side: &str, name: &str, until: i32) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        std::fs::write(folder.join(format!("{side}.crt")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{side}.key")), key.serialize_pem()).unwrap();
        self.trusted_by(folder, side);
    }

    fn trusted_by(&self, folder: &Path, side: &str) {
        std::fs::write(folder.join(format!("{side}.ca")), self.0.pem()).unwrap();
    }
}

/// A server that answers `/name`, a channel to it, and the files of both.
struct House {
    folder: tempfile::TempDir,
    address: SocketAddr,
    metrics: Metrics,
    reload: Reload,
    tasks: Tasks,
    stop: Shutdown,
}

/// What the parts of this process may be called: the server's certificate says so.
const HOST: &str = "127.0.0.1";

impl House {
    /// With files `server.*` and `client.*` of these authorities.
    async fn start(server: &Authority, client: &Authority) -> Self {
        Self::start_until(server, 2090, client, 2090).await
    }

    async fn start_until(server: &Authority, until: i32, client: &Authority, other: i32) -> Self {
        platform::install_crypto_provider();
        let folder = tempfile::tempdir().unwrap();
        server.issue(folder.path(), "server", HOST, until);
        client.issue(folder.path(), "client", "gateway", other);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            folder,
            metrics: Metrics::new(),
            reload: Reload::new(),
            tasks: Tasks::new(),
            stop: Shutdown::new(),
        };
        let config = GrpcServerTlsConfig {
            cert_file: Some(this.file("server.crt")),
            key_file: Some(this.file("server.key")),
            client_ca_file: Some(this.file("server.ca")),
        };
        let incoming = Incoming::listen(listener, config.prepare().unwrap(), &this.certificates());
        let router = Router::new().route("/name", post(async || "chat"));
        let stop = this.stop.clone();
        this.tasks.spawn("server", async move {
            serve(Routes::from(router), incoming, stop).await.unwrap();
        });
        this
    }

    fn certificates(&self) -> Certificates {
        Certificates::new(&self.metrics, &self.reload, &self.tasks, &self.stop)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> GrpcClientConfig {
        GrpcClientConfig {
            urls: vec![format!("https://{}", self.address)],
            ca_file: Some(self.file("client.ca")),
            cert_file: Some(self.file("client.crt")),
            key_file: Some(self.file("client.key")),
            breaker_failures: 0,
            ..Default::default()
        }
    }

    fn client(&self, config: &GrpcClientConfig) -> GrpcChannel {
        let (tasks, stop) = (&self.tasks, &self.stop);
        config.prepare("chat_grpc").unwrap().channel(&self.certificates(), tasks, stop)
    }

    /// Waits until the metrics have a line that begins so.
    async fn says(&self, line: &str) {
        let begun = Instant::now();
        while !self.metrics.encode().lines().any(|other| other.starts_with(line)) {
            assert!(begun.elapsed() < DEADLINE, "{line}: {}", self.metrics.encode());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn end(self) {
        self.stop.force();
        assert_eq!(self.tasks.join(DEADLINE).await, Ok(()));
    }
}

/// What is answered, or the error with all its causes.
async fn call(channel: &GrpcChannel) -> Result<String, String> {
    let request = http::Request::post("/name").body(Body::empty()).unwrap();
    let answer = tokio::time::timeout(DEADLINE, channel.clone().oneshot(request));
    let answer = answer.await.expect("a call never hangs");
    let body = answer.map_err(|error| format!("{error:?}"))?.into_body();
    let bytes = axum::body::to_bytes(axum::body::Body::new(body), 100).await.unwrap();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

async fn is_answered(channel: &GrpcChannel) {
    let begun = Instant::now();
    loop {
        match call(channel).await {
            Ok(answer) => return assert_eq!(answer, "chat"),
            Err(error) => assert!(begun.elapsed() < DEADLINE, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn refused(reason: &str) -> String {
    format!("tidings_grpc_tls_refused_total{{reason=\"{reason}\"}}")
}

#[tokio::test]
async fn a_caller_with_a_certificate_of_the_authority_is_taken() {
    let authority = Authority::new("one");
    let house = House::start(&authority, &authority).await;
    assert_eq!(call(&house.client(&house.config())).await.as_deref(), Ok("chat"));
    house.says("tidings_grpc_tls_not_after_seconds{section=\"grpc_tls\"} 3786912000").await;
    house.says("tidings_grpc_tls_not_after_seconds{section=\"chat_grpc\"} 3786912000").await;
    house.end().await;
}

#[tokio::test]
async fn a_caller_with_a_certificate_of_another_authority_is_refused() {
    let authority = Authority::new("one");
    // Also where both are called the same, as after an authority got another key.
    for name in ["other", "one"] {
        let house = House::start(&authority, &Authority::new(name)).await;
        authority.trusted_by(house.folder.path(), "client");
        call(&house.client(&house.config())).await.unwrap_err();
        house.says(&refused("untrusted")).await;
        house.end().await;
    }
}

#[tokio::test]
async fn a_caller_whose_certificate_has_expired_is_refused() {
    let authority = Authority::new("one");
    let house = House::start_until(&authority, 2090, &authority, 2021).await;
    call(&house.client(&house.config())).await.unwrap_err();
    house.says(&refused("expired")).await;
    house.end().await;
}

#[tokio::test]
async fn a_caller_without_a_certificate_is_refused() {
    let authority = Authority::new("one");
    let house = House::start(&authority, &authority).await;
    let tls = tonic::transport::ClientTlsConfig::new()
        .ca_certificate(tonic::transport::Certificate::from_pem(authority.0.pem()));
    let endpoint = tonic::transport::Endpoint::from_shared(format!("https://{}", house.address));
    let channel = endpoint.unwrap().tls_config(tls).unwrap().connect_lazy();
    call(&channel.into()).await.unwrap_err();
    house.says(&refused("no_certificate")).await;
    house.end().await;
}

#[tokio::test]
async fn a_caller_without_tls_is_told_that_it_is_needed() {
    let authority = Authority::new("one");
    let house = House::start(&authority, &authority).await;
    let config = GrpcClientConfig {
        urls: vec![format!("http://{}", house.address)],
        breaker_failures: 0,
        ..Default::default()
    };
    let error = call(&house.client(&config)).await.unwrap_err();
    assert!(error.contains("this port takes TLS only"), "{error}");
    house.says(&refused("plain")).await;
    house.end().await;
}

#[tokio::test]
async fn a_server_of_another_name_is_refused() {
    let authority = Authority::new("one");
    let house = House::start(&authority, &authority).await;
    let config = GrpcClientConfig { server_name: Some("chat".to_owned()), ..house.config() };
    let error = call(&house.client(&config)).await.unwrap_err();
    assert!(error.contains("NotValidForName"), "{error}");
    house.says(&refused("refused_by_caller")).await;
    house.end().await;
}

#[tokio::test]
async fn a_server_of_another_authority_and_one_that_has_expired_are_refused() {
    let (authority, other) = (Authority::new("one"), Authority::new("other"));
    let house = House::start(&other, &authority).await;
    let error = call(&house.client(&house.config())).await.unwrap_err();
    assert!(error.contains("UnknownIssuer"), "{error}");
    house.end().await;
    let house = House::start_until(&authority, 2021, &authority, 2090).await;
    let error = call(&house.client(&house.config())).await.unwrap_err();
    assert!(error.contains("Expired"), "{error}");
    house.end().await;
}

#[tokio::test]
async fn new_files_of_both_sides_reach_new_connections_without_a_restart() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let house = House::start(&old, &old).await;
    let (channel, folder) = (house.client(&house.config()), house.folder.path());
    assert_eq!(call(&channel).await.as_deref(), Ok("chat"));
    // The server first: with it alone, the two do not know each other any more.
    new.issue(folder, "server", HOST, 2089);
    house.reload.ask();
    house.says("tidings_grpc_tls_not_after_seconds{section=\"grpc_tls\"} 3755376000").await;
    let late = house.client(&house.config());
    assert!(call(&late).await.unwrap_err().contains("UnknownIssuer"));
    assert_eq!(call(&channel).await.as_deref(), Ok("chat"), "what is open stays open");
    // Then the caller: both channels use its new files without being made anew.
    new.issue(folder, "client", "gateway", 2089);
    house.reload.ask();
    house.says("tidings_grpc_tls_not_after_seconds{section=\"chat_grpc\"} 3755376000").await;
    is_answered(&late).await;
    is_answered(&channel).await;
    house.end().await;
}

#[tokio::test]
async fn files_that_cannot_be_used_are_counted_and_the_last_good_ones_stay() {
    let authority = Authority::new("one");
    let house = House::start(&authority, &authority).await;
    let folder = house.folder.path();
    let good = std::fs::read(house.file("server.crt")).unwrap();
    let of_another_key = {
        let other = tempfile::tempdir().unwrap();
        authority.issue(other.path(), "server", HOST, 2090);
        std::fs::read(other.path().join("server.crt")).unwrap()
    };
    let failures = "tidings_grpc_tls_reload_failures_total{section=\"grpc_tls\"}";
    for (count, broken) in [(1, b"half a fi".to_vec()), (2, Vec::new()), (3, of_another_key)] {
        std::fs::write(folder.join("server.crt"), broken).unwrap();
        house.reload.ask();
        house.says(&format!("{failures} {count}")).await;
        house.says("tidings_grpc_tls_unusable_files{section=\"grpc_tls\"} 1").await;
        assert_eq!(call(&house.client(&house.config())).await.as_deref(), Ok("chat"));
    }
    std::fs::write(folder.join("server.crt"), good).unwrap();
    house.reload.ask();
    house.says("tidings_grpc_tls_unusable_files{section=\"grpc_tls\"} 0").await;
    house.end().await;
}

#[tokio::test]
async fn a_caller_that_says_nothing_holds_up_nobody() {
    let authority = Authority::new("one");
    let house = House::start(&authority, &authority).await;
    let silent = tokio::net::TcpStream::connect(house.address).await.unwrap();
    assert_eq!(call(&house.client(&house.config())).await.as_deref(), Ok("chat"));
    house.says(&refused("timeout")).await;
    drop(silent);
    house.end().await;
}

#[tokio::test]
async fn files_that_are_missing_at_the_start_are_named_with_their_key() {
    let authority = Authority::new("one");
    let house = House::start(&authority, &authority).await;
    std::fs::remove_file(house.file("client.key")).unwrap();
    let error = house.config().prepare("chat_grpc").unwrap_err()[0].to_string();
    assert!(error.starts_with("chat_grpc.key_file: /"), "{error}");
    house.end().await;
}

/// What this thread logs, on which a test has all its tasks.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Calls until the log says so: errors are told by the watch of each address.
    async fn says(&self, advice: &str) {
        let begun = Instant::now();
        loop {
            let text = String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned();
            if text.contains(advice) {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "{advice}: {text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn both_sides_log_what_to_do_about_each_refusal() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    // With one dispatcher alone, a place that logs asks only the thread that comes there first whether anybody listens,
    // and another test may be first (tracing-core, `Rebuilder::JustOne`).
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _guard = tracing::subscriber::set_default(subscriber);
    let (one, other) = (Authority::new("one"), Authority::new("other"));

    let house = House::start(&one, &one).await;
    let named = GrpcClientConfig { server_name: Some("chat".to_owned()), ..house.config() };
    let _channel = house.client(&named);
    log.says("the server has another name").await;
    log.says("the caller does not take grpc_tls.cert_file").await;
    let urls = vec![format!("http://{}", house.address)];
    let plain = GrpcClientConfig { urls, ..Default::default() };
    let _channel = house.client(&plain);
    log.says("let urls begin with https://").await;
    log.says("let its urls begin with https://").await;
    house.end().await;

    let house = House::start(&one, &other).await;
    let _channel = house.client(&house.config());
    log.says("the server's certificate is not by an authority of ca_file").await;
    log.says("the caller does not trust grpc_tls.cert_file").await;
    one.trusted_by(house.folder.path(), "client");
    let _channel = house.client(&house.config());
    log.says("the server does not trust our certificate").await;
    log.says("the caller's certificate is not by an authority of grpc_tls.client_ca_file").await;
    house.end().await;

    let house = House::start_until(&one, 2090, &one, 2021).await;
    let _channel = house.client(&house.config());
    log.says("our certificate has expired").await;
    log.says("the caller's certificate has expired").await;
    house.end().await;
    let house = House::start_until(&one, 2021, &one, 2090).await;
    let _channel = house.client(&house.config());
    log.says("the server's certificate has expired").await;

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let urls = vec![format!("https://{}", listener.local_addr().unwrap())];
    let stop = house.stop.clone();
    house.tasks.spawn("plain server", async move {
        serve(Routes::default(), Incoming::Tcp(listener), stop).await.unwrap();
    });
    let _channel = house.client(&GrpcClientConfig { urls, ..house.config() });
    log.says("the server there speaks without TLS").await;
    house.end().await;
}
