//! Presence that lost something, stood still or met a storm is right again soon, and meanwhile nobody
//! is told a wrong thing and no message waits for it.

use std::time::{Duration, Instant};

use e2e::client::Client;
use e2e::cluster::Cluster;
use e2e::crowd::Crowd;
use e2e::eventually::eventually;
use e2e::load::Load;
use e2e::own_redis::OwnRedis;
use e2e::token::token;

/// Within this time of a loss every connection is known again.
const KNOWN: Duration = Duration::from_secs(5);
/// A lease, the pause before presence trusts its ears again, and the grace time: whatever would be told
/// wrongly is told by then.
const WRONG_BY: Duration = Duration::from_secs(25);
/// The first look-ups in vain fall into it.
const PROBED: Duration = Duration::from_secs(4);
/// A sound system needs far less.
const LIVE: Duration = Duration::from_secs(10);

/// Nobody is told that anybody is gone: for that, time has to pass.
async fn nobody_is_told_offline(crowd: &Crowd, label: &str) {
    tokio::time::sleep(WRONG_BY).await;
    let offline: Vec<_> =
        crowd.told().into_iter().filter(|(_, status)| status == "offline").collect();
    assert!(offline.is_empty(), "{label}: {} notices, such as {:?}", offline.len(), offline[0]);
}

async fn known_again(crowd: &Crowd, gateway: &str) -> Duration {
    let lost = Instant::now();
    eventually("every connection is known again", KNOWN, || async {
        match crowd.unknown(gateway).await {
            Ok(unknown) if unknown.is_empty() => Ok(()),
            other => Err(other),
        }
    })
    .await;
    lost.elapsed()
}

/// Sends one after the other, each to somebody else, for so long.
async fn slowest_answer(client: &mut Client, time: Duration) -> Duration {
    let (began, mut slowest, mut number) = (Instant::now(), Duration::ZERO, 0);
    while began.elapsed() < time {
        number += 1;
        let sent_at = Instant::now();
        client.send_to(&format!("probed-{number}"), "quick?").await;
        client.expect("sent").await;
        slowest = slowest.max(sent_at.elapsed());
    }
    slowest
}

#[tokio::test]
async fn after_a_flush_and_a_restart_of_redis_everybody_is_known_within_five_seconds() {
    let mut redis = OwnRedis::start().await;
    let url = redis.url();
    let cluster =
        Cluster::start_with("redis-lost", &[("TIDINGS_PRESENCE__REDIS__URL", &url)]).await;
    let gateways = [cluster.gateway_address(0), cluster.gateway_address(1)];
    let mut crowd = Crowd::gather("flushed", 80, gateways[0]).await;
    crowd.connect(0..40, gateways[0]).await;
    crowd.connect(40..80, gateways[1]).await;
    crowd.hear("before", 0..80, gateways[0], LIVE).await;

    redis.flush_all().await;
    assert!(!crowd.unknown(gateways[0]).await.unwrap().is_empty(), "the loss is real");
    let flushed = known_again(&crowd, gateways[0]).await;
    crowd.hear("after the flush", 0..80, gateways[0], LIVE).await;

    redis.restart().await;
    let restarted = known_again(&crowd, gateways[0]).await;
    crowd.hear("after the restart", 0..80, gateways[1], LIVE).await;
    println!("known again {flushed:?} after the flush and {restarted:?} after the restart");
    nobody_is_told_offline(&crowd, "a lost Redis").await;
    assert_eq!(crowd.closed(), [], "no socket pays for it");
    cluster.stop().await;
}

#[tokio::test]
#[ignore = "slow: make test-slow"]
async fn users_of_a_gateway_that_come_back_at_once_are_not_mentioned() {
    let mut cluster = Cluster::start("storm").await;
    let address = cluster.gateway_address(0).to_owned();
    let mut crowd = Crowd::gather("storm", 200, &address).await;
    crowd.connect(0..20, &address).await;
    crowd.connect(20..200, cluster.gateway_address(1)).await;
    crowd.hear("before", 0..200, &address, LIVE).await;
    crowd.forget_told().await;

    cluster.gateways[1].kill().await;
    eventually("the sockets have felt it", LIVE, || async {
        let closed = crowd.closed().len();
        if closed == 180 { Ok(()) } else { Err(closed) }
    })
    .await;
    cluster.gateways[1] = cluster.start_gateway(1).await;
    cluster.ready().await;
    let began = Instant::now();
    crowd.connect(20..200, cluster.gateway_address(1)).await;
    println!("180 came back within {:?}", began.elapsed());
    crowd.hear("after", 0..200, &address, LIVE).await;
    tokio::time::sleep(WRONG_BY).await;
    let told = crowd.told();
    assert!(told.is_empty(), "{} notices, such as {:?}", told.len(), told[0]);
    cluster.stop().await;
}

#[tokio::test]
#[ignore = "slow: make test-slow"]
async fn a_frozen_presence_service_holds_up_no_answer_and_tells_nobody_offline() {
    const FROZEN: Duration = Duration::from_secs(30);
    let cluster = Cluster::start("frozen-presence").await;
    let addresses = [cluster.gateway_address(0), cluster.gateway_address(1)];
    let mut crowd = Crowd::gather("waiting", 40, addresses[0]).await;
    crowd.connect(0..20, addresses[0]).await;
    crowd.connect(20..40, addresses[1]).await;
    crowd.forget_told().await;
    let load = Load::start(
        "frozen-presence-fleet",
        &addresses,
        &["--scenario", "pairs", "--pairs", "20", "--rate", "120", "--warmup", "0s"]
            .into_iter()
            .chain(["--duration", "75s", "--drain", "60s", "--verify-history"])
            .collect::<Vec<_>>(),
    );
    let before = cluster.names.stored_entries().await;
    eventually("the load runs", Duration::from_secs(40), || async {
        let now = cluster.names.stored_entries().await;
        if now > before + 200 { Ok(()) } else { Err(now) }
    })
    .await;
    let memory = |index: usize| cluster.gateways[index].memory_kib();
    let memory_before = [memory(0), memory(1)];

    let mut prober = Client::connect(addresses[0], &token("prober")).await;

    cluster.presence.freeze().await;
    let frozen_at = Instant::now();
    let slowest = slowest_answer(&mut prober, PROBED).await;
    prober.close().await;
    tokio::time::sleep(FROZEN.saturating_sub(frozen_at.elapsed())).await;
    let grown = [0, 1].map(|index| memory(index).saturating_sub(memory_before[index]));
    cluster.presence.thaw().await;
    known_again(&crowd, addresses[0]).await;
    crowd.hear("after", 0..40, addresses[0], LIVE).await;

    let report = load.enough(Duration::from_mins(3)).await;
    println!(
        "presence frozen for {FROZEN:?}: slowest answer of a probe {slowest:?}; of the load p99 {} ms, \
         longest {} ms, also while all sync; gateways grew by {grown:?} KiB",
        report["acknowledgement_ms"]["p99"], report["acknowledgement_ms"]["max"]
    );
    // A look-up gives up after a second; an answer that waited for one shows it.
    assert!(slowest < Duration::from_millis(950), "{slowest:?}");
    assert_eq!(report["errors"], serde_json::json!({}), "no answer is lost to it");
    assert!(grown.iter().all(|kib| *kib < 8 * 1024), "{grown:?} KiB");
    nobody_is_told_offline(&crowd, "a frozen presence service").await;
    cluster.stop().await;
}
