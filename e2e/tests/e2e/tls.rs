//! A cluster whose services speak TLS with certificates on both sides.

use std::path::Path;
use std::time::Duration;

use e2e::client::Client;
use e2e::cluster::Cluster;
use e2e::eventually::eventually;
use e2e::process::Process;
use e2e::token::token;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The name of the servers in their certificates.
const NAME: &str = "services.test";

/// The beginning of 2089, in seconds since 1970.
const END_OF_2088: i64 = 3_755_376_000;

/// Writes the certificate that all processes of the cluster share, its key and its authority.
fn issue(folder: &Path, authority: &str, until: i32) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, authority);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("it can be made"))
            .expect("an authority can be made");
    let mut params = CertificateParams::new(vec![NAME.to_owned()]).expect("it can be made");
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.not_after = date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().expect("it can be made");
    let certificate = params.signed_by(&key, &authority).expect("it can be made");
    for (name, text) in [
        ("tls.crt", certificate.pem()),
        ("tls.key", key.serialize_pem()),
        ("ca.crt", authority.pem()),
    ] {
        // Aside and renamed, so that nobody reads half of it.
        std::fs::write(folder.join("new"), text).expect("it can be made");
        std::fs::rename(folder.join("new"), folder.join(name)).expect("it can be made");
    }
}

fn settings(folder: &Path) -> Vec<(String, String)> {
    let file = |name: &str| folder.join(name).display().to_string();
    let mut all = Vec::new();
    for server in ["CHAT", "PRESENCE"] {
        for (key, name) in
            [("CERT_FILE", "tls.crt"), ("KEY_FILE", "tls.key"), ("CLIENT_CA_FILE", "ca.crt")]
        {
            all.push((format!("TIDINGS_{server}__GRPC_TLS__{key}"), file(name)));
        }
    }
    for (client, server) in
        [("GATEWAY", "CHAT"), ("GATEWAY", "PRESENCE"), ("PRESENCE", "CHAT"), ("CHAT", "PRESENCE")]
    {
        let section = format!("TIDINGS_{client}__{server}_GRPC__");
        let urls = match server {
            "CHAT" => r#"["https://{host}:7010", "https://{host}:7011"]"#,
            _ => r#"["https://{host}:7020"]"#,
        };
        all.push((format!("{section}URLS"), urls.to_owned()));
        all.push((format!("{section}SERVER_NAME"), NAME.to_owned()));
        for (key, name) in
            [("CERT_FILE", "tls.crt"), ("KEY_FILE", "tls.key"), ("CA_FILE", "ca.crt")]
        {
            all.push((format!("{section}{key}"), file(name)));
        }
    }
    all
}

async fn says_hello(from: &str, to: &str) {
    let mut ann = Client::connect(from, &token("ann")).await;
    let mut bob = Client::connect(to, &token("bob")).await;
    ann.send_to("bob", "secured").await;
    let sent = ann.expect("sent").await;
    assert_eq!(bob.expect("entry").await["id"], sent["id"]);
    ann.close().await;
    bob.close().await;
}

/// Waits until a process uses certificates that end then.
async fn uses(process: &Process, section: &str, end: i64) {
    let url = format!("http://{}/metrics", process.address("management"));
    let line = format!("tidings_grpc_tls_not_after_seconds{{section=\"{section}\"}} {end}");
    eventually("new certificates", Duration::from_secs(40), || async {
        let text = reqwest::get(&url)
            .await
            .expect("the metrics are answered")
            .text()
            .await
            .expect("the metrics are answered");
        if text.lines().any(|other| other == line) { Ok(()) } else { Err(line.clone()) }
    })
    .await;
}

#[tokio::test]
async fn messages_go_through_a_cluster_with_tls_also_after_all_certificates_were_replaced() {
    let folder = tempfile::tempdir().unwrap();
    issue(folder.path(), "the first", 2090);
    let settings = settings(folder.path());
    let settings: Vec<_> =
        settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let mut cluster = Cluster::start_with("tls", &settings).await;
    says_hello(cluster.gateway_address(0), cluster.gateway_address(1)).await;

    // Everybody reads the new files unasked.
    issue(folder.path(), "the second", 2089);
    for chat in &cluster.chats {
        uses(chat, "grpc_tls", END_OF_2088).await;
        uses(chat, "presence_grpc", END_OF_2088).await;
    }
    uses(&cluster.presence, "grpc_tls", END_OF_2088).await;
    uses(&cluster.presence, "chat_grpc", END_OF_2088).await;
    for gateway in &cluster.gateways {
        uses(gateway, "chat_grpc", END_OF_2088).await;
        uses(gateway, "presence_grpc", END_OF_2088).await;
    }
    // What is started later is taken by those that run, and the other way round.
    cluster.chats[0].kill().await;
    cluster.chats[0] = cluster.start_chat(0).await;
    cluster.gateways[0].kill().await;
    cluster.gateways[0] = cluster.start_gateway(0).await;
    cluster.ready().await;
    says_hello(cluster.gateway_address(0), cluster.gateway_address(1)).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_caller_without_tls_is_told_so_and_stands_in_the_log_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    issue(folder.path(), "the first", 2090);
    let settings = settings(folder.path());
    let settings: Vec<_> =
        settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let cluster = Cluster::start_with("tls-plain", &settings).await;
    let chat = &cluster.chats[0];
    let mut caller = TcpStream::connect(chat.address("grpc")).await.unwrap();
    caller.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let read = caller.read_to_end(&mut answer);
    // It ends by itself, before the caller does.
    tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap();
    drop(caller);
    assert!(String::from_utf8_lossy(&answer).ends_with("this port takes TLS only"), "{answer:?}");
    eventually("the log", Duration::from_secs(10), || async {
        let log = chat.log_tail();
        if log.contains("a caller of gRPC is refused") { Ok(()) } else { Err(log) }
    })
    .await;
    cluster.stop().await;
}
