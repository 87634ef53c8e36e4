//! Every process of a cluster is stopped politely and started again, one after the other, under load: what
//! an upgrade does.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::cluster::{self, Cluster};
use e2e::eventually::eventually;
use e2e::load::Load;
use e2e::metrics;
use e2e::process::Process;

/// Longer than a gateway's window, linger and last answers.
const STOP: Duration = Duration::from_secs(40);

async fn stops_cleanly(process: &mut Process) {
    let status = process.terminate(STOP).await;
    assert!(status.success(), "a clean stop, not {status}:\n{}", process.log_tail());
}

#[tokio::test]
async fn a_rolling_restart_breaks_no_socket_and_leaves_no_outcome_unknown() {
    let settings = [
        ("TIDINGS_GATEWAY__LIMITS__DRAIN_WINDOW_MS", "2000"),
        ("TIDINGS_GATEWAY__LIMITS__DRAIN_LINGER_MS", "10000"),
    ];
    let mut cluster = Cluster::start_with("rolling", &settings).await;
    let addresses = [0, 1].map(|index| cluster.gateway_address(index).to_owned());
    let arguments = ["--scenario", "pairs", "--pairs", "40", "--rate", "100", "--warmup", "0s"];
    let times = ["--duration", "40s", "--drain", "60s", "--verify-history"];
    let load = Load::start(
        "rolling-fleet",
        &[&addresses[0], &addresses[1]],
        &[&arguments[..], &times].concat(),
    );

    for index in 0..2 {
        stops_cleanly(&mut cluster.chats[index]).await;
        cluster.chats[index] = cluster.start_chat(index).await;
        cluster::ready(cluster.chats[index].address("management")).await;
    }
    stops_cleanly(&mut cluster.presence).await;
    cluster.presence = cluster.start_presence().await;
    cluster::ready(cluster.presence.address("management")).await;
    for index in 0..2 {
        stops_cleanly(&mut cluster.gateways[index]).await;
        cluster.gateways[index] = cluster.start_gateway(index).await;
        cluster::ready(cluster.gateways[index].address("management")).await;
    }

    cluster.names.until_stored(2_200).await;
    let report = load.enough(Duration::from_mins(3)).await;
    let errors = report["errors"].as_object().expect("errors by kind");
    let kinds: BTreeSet<&str> = errors.keys().map(String::as_str).collect();
    println!(
        "rolling: {} acknowledged, {} reconnects, errors {errors:?}, longest answer {} ms",
        report["acknowledged"], report["reconnects"], report["acknowledgement_ms"]["max"]
    );
    // No balancer stands before the gateways: one that is going or away is dialled, and then the other.
    let unexpected: Vec<&&str> = kinds
        .iter()
        .filter(|kind| **kind != "redirect" && !kind.starts_with("connect: "))
        .collect();
    assert!(unexpected.is_empty(), "nothing but being asked to go: {errors:?}");
    assert!(report["acknowledged"].as_u64().expect("a count") > 2_000, "{report:#}");
    assert_eq!(left_and_lost(&cluster).await, (2.0, 0.0), "each gateway said that it leaves");
    cluster.stop().await;
}

/// Gateways that signed off, and those whose lease ended, as the alert `TidingsGatewayLost` sees them.
async fn left_and_lost(cluster: &Cluster) -> (f64, f64) {
    let counted =
        async |name| metrics::value(&cluster.presence, name).await.expect("presence answers");
    let left = counted("tidings_presence_left_gateways_total").await;
    (left, counted("tidings_presence_expired_gateways_total").await)
}

#[tokio::test]
async fn a_killed_gateway_is_counted_as_lost_once_and_one_that_ends_with_0_never() {
    let mut cluster = Cluster::start("left-and-lost").await;
    stops_cleanly(&mut cluster.gateways[0]).await;
    assert_eq!(left_and_lost(&cluster).await, (1.0, 0.0), "at once");
    cluster.gateways[1].kill().await;
    // A lease and a sweep, which the clean one has had longer.
    eventually("the killed one is found", Duration::from_secs(30), || async {
        let counted = left_and_lost(&cluster).await;
        if counted == (1.0, 1.0) { Ok(()) } else { Err(counted) }
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(left_and_lost(&cluster).await, (1.0, 1.0));
    for index in 0..2 {
        cluster.gateways[index] = cluster.start_gateway(index).await;
    }
    cluster.ready().await;
    cluster.stop().await;
}
