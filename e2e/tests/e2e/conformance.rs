//! The rules of docs/protocol.md against the cluster and the all-in-one, by `fleet conformance`.

use std::time::Duration;

use e2e::all_in_one::serve;
use e2e::cluster::Cluster;
use e2e::process::{Process, command};
use e2e::tenants::list;
use e2e::token::{SECRET, secret_of};
use serde_json::{Value, json};

/// Short times of the server, so that the rules about them can be tried.
const TIMES: [(&str, &str); 3] = [
    ("LIMITS__HEARTBEAT_MS", "5000"),
    ("LIMITS__REDELIVERY_MS", "[2000, 4000]"),
    ("LIMITS__DELIVERY_TIMEOUT_MS", "8000"),
];

/// All of them, short times and other tenants included.
fn settings(prefix: &str) -> Vec<(String, String)> {
    let times = TIMES.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let more = [
        ("TENANTS".to_owned(), list(&[])),
        ("AUTH__HS256_SECRET".to_owned(), SECRET.to_owned()),
        // Every client of a test has the same address.
        ("ADMISSION__EXEMPT_NETWORKS".to_owned(), r#"["127.0.0.0/8"]"#.to_owned()),
    ];
    times.chain(more).map(|(key, value)| (format!("{prefix}{key}"), value)).collect()
}

/// What `fleet conformance` reports, and its exit code.
async fn judged(addresses: &[&str], secret: &str, further: &[&str]) -> (Value, i32) {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let urls: Vec<String> = addresses.iter().map(|address| format!("ws://{address}/ws")).collect();
    let second = secret_of("acme");
    let mut arguments = vec!["conformance", "--secret", secret, "--second-secret", &second];
    arguments.extend(["--parallel", "6", "--json", report.to_str().unwrap()]);
    arguments.extend(urls.iter().flat_map(|url| ["--url", url.as_str()]));
    arguments.extend(further);
    let run = command("fleet", &arguments, &[]).output();
    let output = tokio::time::timeout(Duration::from_mins(5), run).await.expect("it ends").unwrap();
    let report = std::fs::read(&report)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (serde_json::from_slice(&report).unwrap(), output.status.code().unwrap_or(-1))
}

/// Every rule is kept, and none is skipped.
fn is_kept(report: &Value, code: i32) {
    let rules = report["rules"].as_array().unwrap();
    let others: Vec<&Value> = rules.iter().filter(|rule| rule["outcome"] != "kept").collect();
    assert!(others.is_empty() && code == 0, "{}", json!(others));
    assert!(rules.len() > 60, "{report}");
}

#[tokio::test]
async fn cluster_keeps_every_rule_of_the_protocol() {
    let settings = settings("TIDINGS_GATEWAY__");
    let settings: Vec<_> = settings.iter().map(|(key, value)| (&**key, &**value)).collect();
    let cluster = Cluster::start_with("conformance", &settings).await;
    let gateways = [cluster.gateway_address(0), cluster.gateway_address(1)];
    let (report, code) = judged(&gateways, SECRET, &[]).await;
    is_kept(&report, code);
    cluster.stop().await;
}

async fn all_in_one(label: &str, folder: &tempfile::TempDir) -> Process {
    let settings = settings("TIDINGS__");
    let settings: Vec<_> = settings.iter().map(|(key, value)| (&**key, &**value)).collect();
    e2e::all_in_one::serve_with(label, folder.path(), "127.0.0.1:0", &settings).await
}

#[tokio::test]
async fn all_in_one_keeps_every_rule_of_the_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let server = all_in_one("conformance-one", &folder).await;
    let (report, code) = judged(&[server.address("http")], SECRET, &[]).await;
    is_kept(&report, code);
}

#[tokio::test]
async fn conformance_fails_where_rules_are_broken() {
    let folder = tempfile::tempdir().unwrap();
    // It takes no tokens of this secret, as a server that verifies nothing right.
    let server = serve("conformance-broken", folder.path()).await;
    let rules =
        ["--only", "tokens.header", "--only", "tokens.missing", "--only", "streams.refused"];
    let (report, code) = judged(&[server.address("http")], SECRET, &rules).await;
    let outcome = |name: &str| {
        let rules = report["rules"].as_array().unwrap();
        rules.iter().find(|rule| rule["name"] == name).map(|rule| rule["outcome"].clone())
    };
    assert_eq!(outcome("tokens.header"), Some(json!("broken")), "{report}");
    assert_eq!(outcome("tokens.missing"), Some(json!("kept")), "{report}");
    assert_eq!(outcome("streams.refused"), Some(json!("kept")), "{report}");
    assert_eq!((&report["broken"], code), (&json!(1), 1), "{report}");
}

#[tokio::test]
async fn conformance_of_a_client_that_does_nothing_fails() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let report_path = report.to_str().unwrap();
    // It reads its orders and carries out none.
    let arguments = [
        "conformance-client",
        "--patience",
        "1s",
        "--json",
        report_path,
        "--",
        "cat",
        "/dev/stdin",
    ];
    let output = command("fleet", &arguments, &[]).output().await.unwrap();
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert_eq!((&report["kept"], &report["skipped"]), (&json!(0), &json!(0)), "{report}");
}
