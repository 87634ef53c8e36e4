//! Backends whose certificates are by authorities of their own: each process believes those that it was told of, also
//! after both were replaced while it ran, and says what is wrong where it does not.

use std::path::Path;
use std::time::Duration;

use e2e::client::Client;
use e2e::cluster::Cluster;
use e2e::eventually::eventually;
use e2e::process::Process;
use e2e::tls_proxy::{Certificate, Opening, TlsProxy};
use e2e::token::token;

/// A file is read again every 10 s.
const SOON: Duration = Duration::from_mins(1);

/// Aside and renamed, so that nobody reads half of it.
fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join("new"), text).unwrap();
    std::fs::rename(folder.join("new"), folder.join(name)).unwrap();
}

async fn says_hello(cluster: &Cluster) {
    let mut ann = Client::connect(cluster.gateway_address(0), &token("ann")).await;
    let mut bob = Client::connect(cluster.gateway_address(1), &token("bob")).await;
    ann.send_to("bob", "secured").await;
    let sent = ann.expect("sent").await;
    assert_eq!(bob.expect("entry").await["id"], sent["id"]);
    ann.close().await;
    bob.close().await;
}

async fn until_causes_say(process: &Process, words: &[&str]) {
    let url = format!("http://{}/health/ready", process.address("management"));
    eventually("the causes", SOON, async || {
        let text = reqwest::get(&url).await.unwrap().text().await.unwrap();
        if words.iter().all(|word| text.contains(word)) { Ok(()) } else { Err(text) }
    })
    .await;
}

async fn until_metric(process: &Process, line: &str) {
    let url = format!("http://{}/metrics", process.address("management"));
    eventually("the metric", SOON, async || {
        let text = reqwest::get(&url).await.unwrap().text().await.unwrap();
        let lines =
            text.lines().filter(|other| other.starts_with("tidings_address")).collect::<Vec<_>>();
        if lines.contains(&line) { Ok(()) } else { Err(format!("{lines:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: make test-slow"]
async fn a_cluster_believes_the_authorities_of_its_files_and_takes_new_ones_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["the first", "the second"].map(Certificate::new);
    write(folder.path(), "ca.crt", &first.authority);
    let ca = folder.path().join("ca.crt").display().to_string();
    let broker = TlsProxy::start("127.0.0.1:5672", Opening::AtOnce, &first).await;
    let redis = TlsProxy::start("127.0.0.1:6379", Opening::AtOnce, &first).await;
    let database = TlsProxy::start("127.0.0.1:5432", Opening::Postgres, &first).await;
    let amqp = format!("amqps://guest:guest@{}/%2f", broker.address());
    // In a file: the presence service once asked it at the start only.
    write(folder.path(), "amqp-url", &amqp);
    let amqp_file = folder.path().join("amqp-url").display().to_string();
    let redis_url = format!("rediss://{}", redis.address());
    let database_url = format!(
        "postgres://postgres@{}/{{database}}?sslmode=verify-full&sslrootcert={ca}",
        database.address()
    );
    let mut settings = vec![
        ("TIDINGS_PRESENCE__REDIS__URL", redis_url.as_str()),
        ("TIDINGS_PRESENCE__REDIS__CA_FILE", &ca),
        ("TIDINGS_CHAT__DATABASE__URL", &database_url),
    ];
    let keys = ["GATEWAY", "CHAT", "PRESENCE"].map(|name| {
        (format!("TIDINGS_{name}__AMQP__URL_FILE"), format!("TIDINGS_{name}__AMQP__CA_FILE"))
    });
    for (url_file, ca_file) in &keys {
        settings.extend([(url_file.as_str(), amqp_file.as_str()), (ca_file, &ca)]);
    }
    let cluster = Cluster::start_with("authorities", &settings).await;
    says_hello(&cluster).await;

    // The servers have others first: nobody believes them.
    for proxy in [&broker, &redis, &database] {
        proxy.replace(&second);
    }
    let presence = &cluster.presence;
    let words = ["invalid peer certificate", "RabbitMQ", "Redis"];
    until_causes_say(presence, &words).await;
    until_causes_say(&cluster.gateways[0], &words[..2]).await;
    until_causes_say(&cluster.chats[0], &["RabbitMQ"]).await;
    write(folder.path(), "ca.crt", "half of a certifica");
    until_metric(presence, "tidings_address_unusable_files{section=\"redis.ca_file\"} 1").await;
    write(folder.path(), "ca.crt", &second.authority);
    cluster.ready().await;
    until_metric(presence, "tidings_address_unusable_files{section=\"redis.ca_file\"} 0").await;
    until_metric(presence, "tidings_address_changes_total{section=\"amqp.ca_file\"} 1").await;
    says_hello(&cluster).await;

    // The broker goes somewhere else.
    let moved = TlsProxy::start("127.0.0.1:5672", Opening::AtOnce, &second).await;
    write(folder.path(), "amqp-url", &format!("amqps://guest:guest@{}/%2f", moved.address()));
    broker.replace(&first);
    cluster.ready().await;
    until_metric(presence, "tidings_address_changes_total{section=\"amqp\"} 1").await;
    says_hello(&cluster).await;
    cluster.stop().await;
}
