//! The partitions are shared among the chat services that live, and move without harm.

use std::time::{Duration, Instant};

use e2e::cluster::{self, Cluster};
use e2e::eventually::eventually;
use e2e::load::Load;
use e2e::metrics;
use e2e::partitions::{balanced, taken};

/// Within this time of a change every chat service works on its share.
const EVEN: Duration = Duration::from_secs(10);
/// For the first time the load has to reach every partition as well.
const FIRST: Duration = Duration::from_secs(40);
/// RabbitMQ gives a silent consumer up after two to three heartbeats of 10 s.
const FROZEN: Duration = Duration::from_secs(40);
/// Longest wait of a send while partitions are yielded. The bound promised is one second; a busy
/// machine gets more.
const YIELD_MS: f64 = 3_000.0;

/// Messages a second while replicas come and go.
const RATE: &str = "120";
/// Less where a replica is frozen: what waited for it is done beside the load once it goes on, and a machine that
/// has no room for both would be tested for its overload instead.
const FROZEN_RATE: &str = "60";

/// Pairs enough that no partition is without a conversation.
fn load(label: &str, cluster: &Cluster, rate: &str, duration: &str, more: &[&str]) -> Load {
    let addresses = [cluster.gateway_address(0), cluster.gateway_address(1)];
    let common = ["--scenario", "pairs", "--pairs", "150", "--rate", rate, "--warmup", "0s"];
    let times = ["--duration", duration, "--drain", "60s", "--verify-history"];
    let arguments: Vec<&str> = common.iter().chain(&times).chain(more).copied().collect();
    Load::start(label, &addresses, &arguments)
}

async fn replicas_come_and_go(label: &str, queue_type: &str) {
    let settings = ["CHAT", "GATEWAY", "PRESENCE"]
        .map(|service| (format!("TIDINGS_{service}__AMQP__QUEUE_TYPE"), queue_type));
    let settings: Vec<_> = settings.iter().map(|(key, value)| (&**key, *value)).collect();
    // Beside the load of another cluster the broker takes ten seconds alone to let a replica in.
    e2e::machine::alone();
    let mut cluster = Cluster::start_with(label, &settings).await;
    // Nothing dies here: every live entry comes in its turn.
    let load = load(&format!("{label}-fleet"), &cluster, RATE, "40s", &["--strict-live"]);
    let (_, before) = balanced(&cluster.chats, FIRST).await;

    let third = cluster.start_chat(2).await;
    cluster::ready(third.address("management")).await;
    cluster.chats.push(third);
    let (came, three) = balanced(&cluster.chats, EVEN).await;
    let kept: usize = (0..2).map(|index| before[index].intersection(&three[index]).count()).sum();

    let mut third = cluster.chats.pop().unwrap();
    let status = third.terminate(Duration::from_secs(20)).await;
    assert!(status.success(), "a clean stop, not {status}:\n{}", third.log_tail());
    let (went, _) = balanced(&cluster.chats, EVEN).await;

    cluster.names.until_stored(2_200).await;
    let report = load.enough(Duration::from_mins(3)).await;
    println!(
        "{label}: even {came:?} after the third came ({kept} of 16 stayed) and {went:?} after it \
         went; longest answer {} ms",
        report["acknowledgement_ms"]["max"]
    );
    assert_eq!(report["errors"], serde_json::json!({}), "no clean yield costs an answer");
    assert_eq!(report["reconnects"], 0, "{report:#}");
    assert!(report["acknowledgement_ms"]["max"].as_f64().unwrap() < YIELD_MS, "{report:#}");
    assert!(report["acknowledged"].as_u64().unwrap() > 2_000, "{report:#}");
    cluster.stop().await;
}

#[tokio::test]
async fn chat_services_that_come_and_go_share_the_partitions_within_ten_seconds() {
    replicas_come_and_go("balance", "classic").await;
}

#[tokio::test]
#[ignore = "slow: make test-slow"]
async fn quorum_queues_are_shared_alike() {
    replicas_come_and_go("balance-quorum", "quorum").await;
}

#[tokio::test]
async fn a_frozen_chat_service_loses_its_partitions_and_does_no_harm_when_it_wakes_up() {
    let cluster = Cluster::start("frozen-chat").await;
    let load = load("frozen-chat-fleet", &cluster, FROZEN_RATE, "110s", &[]);
    let (_, at_work) = balanced(&cluster.chats, FIRST).await;

    let (awake, frozen) = (&cluster.chats[0], &cluster.chats[1]);
    let before = taken(awake).await;
    frozen.freeze().await;
    let stopped = Instant::now();
    let goes_on = eventually("its partitions go on elsewhere", FROZEN, || async {
        let now = taken(awake).await;
        let stuck: Vec<_> =
            at_work[1].iter().filter(|p| now.get(*p) <= before.get(*p)).cloned().collect();
        if stuck.is_empty() { Ok(stopped.elapsed()) } else { Err(stuck) }
    })
    .await;
    assert_eq!(metrics::value(awake, "tidings_chat_replicas").await, Some(1.0));

    frozen.thaw().await;
    let (even, _) = balanced(&cluster.chats, 4 * EVEN).await;
    println!("frozen: its partitions went on after {goes_on:?}; even {even:?} after it woke up");
    cluster.names.until_stored(2_200).await;
    let report = load.enough(Duration::from_mins(4)).await;
    assert!(report["acknowledged"].as_u64().unwrap() > 2_000, "{report:#}");
    cluster.stop().await;
}
