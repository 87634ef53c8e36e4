//! One trace follows a message from the sender's socket to the receiver's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use e2e::client::Client;
use e2e::cluster::Cluster;
use e2e::collector::{Collector, Span};
use e2e::eventually::eventually;
use e2e::token::token;

/// What one message goes through, in every deployment.
const STEPS: [&str; 4] = ["gateway.receive", "chat.append", "presence.locate", "gateway.write"];

#[tokio::test]
async fn a_message_is_one_trace_from_socket_to_socket() {
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let mut settings = Vec::new();
    for prefix in ["TIDINGS_GATEWAY__", "TIDINGS_CHAT__", "TIDINGS_PRESENCE__"] {
        settings.push((format!("{prefix}TELEMETRY__OTLP_ENDPOINT"), endpoint.clone()));
        settings.push((format!("{prefix}TELEMETRY__SAMPLE_RATIO"), "1.0".to_owned()));
    }
    let settings: Vec<(&str, &str)> =
        settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let cluster = Cluster::start_with("trace", &settings).await;
    let mut ann = Client::connect(cluster.gateway_address(0), &token("ann")).await;
    let mut bob = Client::connect(cluster.gateway_address(1), &token("bob")).await;
    ann.send_to("bob", "follow me").await;
    ann.expect("sent").await;
    bob.expect("entry").await;

    let trace = eventually("a trace with every step", Duration::from_secs(30), || async {
        let mut traces: BTreeMap<String, Vec<Span>> = BTreeMap::new();
        for span in collector.spans() {
            traces.entry(span.trace_id.clone()).or_default().push(span);
        }
        let names =
            |spans: &[Span]| spans.iter().map(|span| span.name.clone()).collect::<BTreeSet<_>>();
        let whole = traces.values().find(|spans| {
            let names = names(spans);
            let writes = spans.iter().filter(|span| span.name == "gateway.write").count();
            // The sender's and the receiver's socket, on two gateways that export on their own.
            STEPS.iter().all(|step| names.contains(*step)) && writes >= 2
        });
        whole.cloned().ok_or_else(|| traces.values().map(|spans| names(spans)).collect::<Vec<_>>())
    })
    .await;

    let ids: BTreeSet<&str> = trace.iter().map(|span| span.span_id.as_str()).collect();
    let roots: Vec<&Span> = trace.iter().filter(|span| span.parent_id.is_empty()).collect();
    assert_eq!(roots.len(), 1, "one root: {trace:#?}");
    assert_eq!(roots[0].name, "gateway.receive");
    for span in &trace {
        assert!(
            span.parent_id.is_empty() || ids.contains(span.parent_id.as_str()),
            "every parent is in the trace: {span:?}"
        );
    }
    let services: BTreeSet<&str> = trace.iter().map(|span| span.service.as_str()).collect();
    assert!(services.len() >= 3, "gateway, chat and presence: {services:?}");
    ann.close().await;
    bob.close().await;
    cluster.stop().await;
}
