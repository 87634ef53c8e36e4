//! What the real processes show at `/metrics`: read without complaint by `promtool` and by its rules, closed sets of
//! labels at 0 from the start, and the ways of a message measured.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::all_in_one::{serve, token as own_token};
use e2e::client::Client;
use e2e::cluster::Cluster;
use e2e::eventually::eventually;
use e2e::metrics::{by_label, value};
use e2e::process::Process;
use e2e::token::token;

async fn scrape(process: &Process) -> String {
    let url = format!("http://{}/metrics", process.address("management"));
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

/// The rules of `promtool check metrics`, for machines without it.
fn complaints(text: &str) -> Vec<String> {
    let (mut found, mut kinds) = (Vec::new(), BTreeMap::new());
    let mut helped = std::collections::BTreeSet::new();
    let mut seen = std::collections::BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
            if help.trim().is_empty() || !helped.insert(name) {
                found.push(format!("{name}: no help, or twice"));
            }
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            if kinds.insert(name, kind).is_some() {
                found.push(format!("{name}: two types"));
            }
            found.extend(of_name(name, kind));
        } else if line.starts_with('#') || line.is_empty() {
            found.push(format!("not of the text format: {line:?}"));
        } else {
            let series = line.rsplit_once(' ').unwrap().0;
            if !seen.insert(series) {
                found.push(format!("{series}: twice"));
            }
            let name = series.split('{').next().unwrap();
            let of_histogram = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|suffix| name.strip_suffix(suffix))
                .find(|base| kinds.get(base) == Some(&"histogram"));
            if !kinds.contains_key(name) && of_histogram.is_none() {
                found.push(format!("{name}: no type"));
            }
        }
    }
    found
        .extend(kinds.keys().filter(|it| !helped.contains(*it)).map(|it| format!("{it}: no help")));
    found
}

fn of_name(name: &str, kind: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut wrong = |what: &str| found.push(format!("{name}: {what}"));
    if !["counter", "gauge", "histogram"].contains(&kind) {
        wrong("a type that not every reader knows");
    }
    if (kind == "counter") != name.ends_with("_total") {
        wrong("`_total` is for counters, and for these alone");
    }
    if kind != "histogram" && ["_bucket", "_sum", "_count"].iter().any(|it| name.ends_with(it)) {
        wrong("the suffix is of histograms");
    }
    if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
        wrong("lower case with underscores");
    }
    // Base units are those without a prefix.
    for word in ["ms", "us", "ns", "millis", "milliseconds", "minutes", "kib", "mib", "kilobytes"] {
        if name.split('_').any(|part| part == word) {
            wrong("not a base unit");
        }
    }
    found
}

/// True where there is a promtool; then it has read the text without a complaint.
fn promtool(text: &str) -> bool {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/tools.sh");
    let found = Command::new("bash").args([script, "promtool"]).output().unwrap();
    if !found.status.success() {
        // Its rules are checked above all the same.
        eprintln!("{}", String::from_utf8_lossy(&found.stderr));
        return false;
    }
    let mut tool = Command::new(String::from_utf8(found.stdout).unwrap().trim())
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let read = tool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success() && said.trim().is_empty(), "promtool: {said}\n{text}");
    true
}

async fn is_read_without_complaint(process: &Process, begin_at_0: &[&str]) {
    let text = scrape(process).await;
    assert_eq!(complaints(&text), [""; 0], "{text}");
    promtool(&text);
    for series in begin_at_0 {
        assert!(text.lines().any(|line| line == format!("{series} 0")), "{series}: {text}");
    }
}

const OF_GATEWAYS: [&str; 9] = [
    r#"tidings_gateway_tenant_refused_total{tenant="default",limit="tenant_messages"}"#,
    r#"tidings_monitor_posts_total{outcome="given_up"}"#,
    r#"tidings_monitor_alerts{alert="TidingsConnectionsNearLimit"}"#,
    r#"tidings_gateway_refused_total{limit="gateway_files"}"#,
    r#"tidings_gateway_errors_total{code="internal",via="ws"}"#,
    r#"tidings_gateway_closes_total{code="4009"}"#,
    r#"tidings_gateway_outbox_dropped_total{kind="entry"}"#,
    r#"tidings_gateway_network_profiles_total{quality="poor"}"#,
    r#"tidings_gateway_rest_requests_total{status="5xx"}"#,
];
const OF_CHAT: [&str; 7] = [
    r#"tidings_monitor_alerts{alert="TidingsQueueDeep"}"#,
    r#"tidings_chat_errors_total{code="unavailable"}"#,
    r#"tidings_chat_push_batches_total{outcome="given_up"}"#,
    r#"tidings_chat_operations_total{outcome="poisoned"}"#,
    r#"tidings_chat_partition_batches_total{partition="0"}"#,
    r#"tidings_chat_entries_total{kind="system"}"#,
    r#"tidings_chat_grpc_errors_total{method="sync",code="unavailable"}"#,
];
const OF_PRESENCE: [&str; 3] = [
    r#"tidings_monitor_alerts{alert="TidingsPresenceLate"}"#,
    r#"tidings_presence_announcements_total{outcome="dropped"}"#,
    r#"tidings_presence_grpc_errors_total{method="locate",code="unavailable"}"#,
];

/// A message from one to the other, whom it reaches.
async fn speak(here: &str, there: &str, ann: &str, bob: &str) {
    let mut ann = Client::connect(here, ann).await;
    let mut bob = Client::connect(there, bob).await;
    ann.send_to("bob", "hello").await;
    ann.expect("sent").await;
    let entry = bob.expect("entry").await;
    bob.say(&serde_json::json!({ "type": "delivered", "conversation_id": entry["conversation_id"],
        "seq": entry["seq"] }))
        .await;
    bob.say(&serde_json::json!({ "type": "ping" })).await;
    bob.expect("pong").await;
}

#[tokio::test]
async fn every_service_is_read_by_promtool_and_measures_the_way_of_a_message() {
    let often = [("TIDINGS_CHAT__LANES__DEPTH_MS", "100")];
    let cluster = Cluster::start_with("metrics", &often).await;
    is_read_without_complaint(&cluster.gateways[0], &OF_GATEWAYS).await;
    is_read_without_complaint(&cluster.chats[0], &OF_CHAT).await;
    is_read_without_complaint(&cluster.presence, &OF_PRESENCE).await;
    let (here, there) = (cluster.gateway_address(0), cluster.gateway_address(1));
    speak(here, there, &token("ann"), &token("bob")).await;
    let [_, receiving] = &cluster.gateways[..] else { panic!("two gateways") };
    for name in ["tidings_gateway_entry_seconds_count", "tidings_gateway_delivered_seconds_count"] {
        eventually(name, Duration::from_secs(10), async || {
            value(receiving, name).await.filter(|count| *count >= 1.0).ok_or("not counted")
        })
        .await;
    }
    assert!(value(receiving, "tidings_gateway_connections_limit").await.unwrap() > 0.0);
    assert!(value(receiving, "tidings_gateway_sent_bytes_total").await.unwrap() > 0.0);
    let (mut waited, mut texts) = (0.0, 0.0);
    for chat in &cluster.chats {
        waited += value(chat, "tidings_chat_partition_wait_seconds_count").await.unwrap();
        texts += by_label(chat, "tidings_chat_entries_total").await["text"];
    }
    assert!(waited >= 1.0 && (1.0..2.0).contains(&texts), "{waited} {texts}");
    eventually("one chat service tells what waits", Duration::from_secs(10), async || {
        let (mut told, mut partitions) = (0, std::collections::BTreeSet::new());
        for chat in &cluster.chats {
            let depths = by_label(chat, "tidings_chat_partition_depth").await;
            told += depths.len();
            partitions.extend(depths.into_keys());
        }
        // A partition that just moved may be in both answers, which are read one after the other.
        if told > 0 && told == partitions.len() { Ok(()) } else { Err((told, partitions)) }
    })
    .await;
    cluster.stop().await;
}

#[tokio::test]
async fn one_process_is_read_by_promtool_and_has_every_series() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = serve("metrics", folder.path()).await;
    let all: Vec<_> = OF_GATEWAYS.iter().chain(&OF_CHAT).chain(&OF_PRESENCE).copied().collect();
    is_read_without_complaint(&server, &all).await;
    let address = server.address("http").to_owned();
    let (ann, bob) = (own_token(folder.path(), "ann").await, own_token(folder.path(), "bob").await);
    speak(&address, &address, &ann, &bob).await;
    // With every counter at work.
    is_read_without_complaint(&server, &[]).await;
    assert!(server.terminate(Duration::from_secs(30)).await.success());
}

#[test]
fn what_promtool_would_complain_of_is_found() {
    let wrong = [
        "# HELP a Some.\n# TYPE a counter\na 1\n",
        "# TYPE a_total counter\na_total 1\n",
        "# HELP a_total Some.\n# TYPE a_total gauge\na_total 1\n",
        "# HELP a_ms Some.\n# TYPE a_ms gauge\na_ms 1\n",
        "# HELP a Some.\n# TYPE a gauge\na{b=\"c\"} 1\na{b=\"c\"} 1\n",
        "# HELP a Some.\n# TYPE a info\na_info 1\n",
        "a 1\n",
        "# HELP a Some.\n# TYPE a gauge\na 1\n# EOF\n",
    ];
    for text in wrong {
        assert!(!complaints(text).is_empty(), "{text}");
    }
    assert_eq!(complaints("# HELP a_total A.\n# TYPE a_total counter\na_total 1\n"), [""; 0]);
}
