//! Gateways that join a running cluster get their share of the connections, and no message is lost for it; without a
//! balancer, gateways send clients to one another.

use std::time::Duration;

use e2e::balancer::Balancer;
use e2e::cluster::{self, Cluster};
use e2e::eventually::eventually;
use e2e::load::Load;
use e2e::metrics;
use serde_json::Value;

const CONNECTIONS: &str = "tidings_gateway_connections";

async fn of_each(cluster: &Cluster, name: &str) -> Vec<u64> {
    let asked = cluster.gateways.iter().map(|gateway| metrics::value(gateway, name));
    let told = futures_util::future::join_all(asked).await;
    told.into_iter().map(|value| value.unwrap_or_default() as u64).collect()
}

/// How often clients that were welcome had to come anew.
fn reconnects(report: &Value) -> u64 {
    let errors = &report["errors"];
    println!(
        "{} acknowledged, {} reconnects, {errors:?}",
        report["acknowledged"], report["reconnects"]
    );
    report["reconnects"].as_u64().expect("a count")
}

#[tokio::test]
async fn gateways_that_join_have_their_share_soon_then_nothing_moves_and_no_message_is_lost() {
    const CLIENTS: u64 = 400;
    /// Several times what it takes to decide that somebody has to go: a move without need would be seen.
    const STEADY: Duration = Duration::from_secs(12);
    let settings = [
        // Ten times as fast as usual: 7 of 200 a second.
        ("TIDINGS_GATEWAY__REBALANCE__PERCENT_A_MINUTE", "200"),
        ("TIDINGS_GATEWAY__REBALANCE__LEAST_EXCESS", "20"),
        ("TIDINGS_GATEWAY__REBALANCE__SETTLE_MS", "2000"),
        ("TIDINGS_GATEWAY__LIMITS__PRESENCE_HEARTBEAT_MS", "500"),
    ];
    let mut cluster = Cluster::start_with("rebalancing", &settings).await;
    let balancer = Balancer::start().await;
    balancer.add(cluster.gateway_address(0));
    balancer.add(cluster.gateway_address(1));
    let arguments = ["--scenario", "pairs", "--pairs", "200", "--rate", "20", "--warmup", "0s"];
    let times = ["--duration", "60s", "--drain", "60s", "--verify-history"];
    let load = Load::start(
        "rebalancing-fleet",
        &[&balancer.address()],
        &[&arguments[..], &times].concat(),
    );
    eventually("everybody is there", Duration::from_secs(30), || async {
        let open = of_each(&cluster, CONNECTIONS).await;
        if open.iter().sum::<u64>() >= CLIENTS { Ok(()) } else { Err(open) }
    })
    .await;
    let moved = of_each(&cluster, "tidings_gateway_rebalanced_total").await;
    assert_eq!(moved, [0, 0], "two that are alike leave each other alone");

    for index in 2..4 {
        let gateway = cluster.start_gateway(index).await;
        cluster::ready(gateway.address("management")).await;
        balancer.add(gateway.address("http"));
        cluster.gateways.push(gateway);
    }
    let began = tokio::time::Instant::now();
    eventually("each has its share", Duration::from_mins(1), || async {
        let open = of_each(&cluster, CONNECTIONS).await;
        let is_even = open.iter().all(|open| (85..=115).contains(open));
        if is_even && open.iter().sum::<u64>() == CLIENTS { Ok(()) } else { Err(open) }
    })
    .await;
    println!("each has its share after {:?}", began.elapsed());
    tokio::time::sleep(STEADY).await;
    let report = load.enough(Duration::from_mins(3)).await;
    let moved: u64 = of_each(&cluster, "tidings_gateway_rebalanced_total").await.iter().sum();
    // Half had to go; what is moved beyond that was on its way when the others were counted.
    assert!((180..=240).contains(&moved), "{moved} were asked to go");
    let reconnects = reconnects(&report);
    // At most 1.2 of each.
    assert!(reconnects * 10 <= CLIENTS * 12, "{reconnects} for {moved}");
    cluster.stop().await;
}

/// 200 clients that know the address of the first gateway alone.
async fn at_the_first(label: &str, cluster: &Cluster, duration: &str) -> Load {
    let arguments = ["--scenario", "pairs", "--pairs", "100", "--rate", "50", "--warmup", "0s"];
    let times = ["--ramp", "50", "--duration", duration, "--drain", "60s", "--verify-history"];
    let load =
        Load::start(label, &[cluster.gateway_address(0)], &[&arguments[..], &times].concat());
    eventually("everybody is there", Duration::from_secs(40), || async {
        let open = of_each(cluster, CONNECTIONS).await;
        if open.iter().sum::<u64>() >= 200 { Ok(()) } else { Err(open) }
    })
    .await;
    load
}

#[tokio::test]
async fn without_a_balancer_a_gateway_sends_clients_to_the_others() {
    let servers = r#"["gateway-0=ws://{host}:8080/ws", "gateway-1=ws://{host}:8081/ws"]"#;
    let settings = [
        ("TIDINGS_GATEWAY__EDGE__SERVERS", servers),
        ("TIDINGS_GATEWAY__REBALANCE__PERCENT_A_MINUTE", "0"),
        ("TIDINGS_GATEWAY__REBALANCE__LEAST_EXCESS", "10"),
        ("TIDINGS_GATEWAY__LIMITS__PRESENCE_HEARTBEAT_MS", "500"),
    ];
    let cluster = Cluster::start_with("placing", &settings).await;
    let load = at_the_first("placing-fleet", &cluster, "10s").await;
    let open = of_each(&cluster, CONNECTIONS).await;
    println!("placed: {open:?}");
    assert!(open[1] >= 60, "{open:?}");
    let report = load.valid(Duration::from_mins(2)).await;
    assert_eq!(reconnects(&report), 0, "nobody was welcomed before");
    let placed = of_each(&cluster, "tidings_gateway_placed_total").await;
    assert!(placed[0] >= 60 && placed[1] == 0, "{placed:?}");
    cluster.stop().await;
}

#[tokio::test]
#[ignore = "slow: make test-slow"]
async fn a_server_that_clients_cannot_reach_keeps_nobody_out() {
    let servers = r#"["gateway-0=ws://{host}:8080/ws", "gateway-1=ws://{host}:9/ws"]"#;
    let settings = [
        ("TIDINGS_GATEWAY__EDGE__SERVERS", servers),
        ("TIDINGS_GATEWAY__REBALANCE__PERCENT_A_MINUTE", "0"),
        ("TIDINGS_GATEWAY__REBALANCE__LEAST_EXCESS", "10"),
        ("TIDINGS_GATEWAY__LIMITS__PRESENCE_HEARTBEAT_MS", "500"),
    ];
    let cluster = Cluster::start_with("placing-nowhere", &settings).await;
    let load = at_the_first("placing-nowhere-fleet", &cluster, "20s").await;
    let report = load.valid(Duration::from_mins(2)).await;
    assert_eq!(reconnects(&report), 0);
    let placed = of_each(&cluster, "tidings_gateway_placed_total").await;
    let returned = of_each(&cluster, "tidings_gateway_rebalance_returned_total").await;
    assert!(placed[0] >= 40 && returned[0] >= 40, "{placed:?}, {returned:?}");
    cluster.stop().await;
}
