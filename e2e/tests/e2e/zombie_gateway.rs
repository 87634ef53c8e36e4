//! Gateways that presence has given up and that live: one that was paused past its lease and runs again, with its
//! sockets and its queue still there, and one whose name another process took.

use std::time::Duration;

use e2e::cluster::Cluster;
use e2e::crowd::Crowd;
use e2e::eventually::eventually;
use e2e::metrics;
use e2e::process::{Process, log_folder};

/// A sound system needs far less.
const SOON: Duration = Duration::from_secs(10);
/// Lease, sweep and grace time. Far below what RabbitMQ gives a silent connection: the queue of the
/// frozen gateway lives on, and only the gateway itself can find out that it was given up.
const GIVEN_UP: Duration = Duration::from_secs(18);

#[tokio::test]
async fn a_gateway_that_was_frozen_past_its_lease_begins_anew_and_its_devices_lack_nothing() {
    let cluster = Cluster::start("zombie").await;
    let (frozen, awake) = (cluster.gateway_address(0), cluster.gateway_address(1));
    let mut crowd = Crowd::gather("zombie", 6, awake).await;
    crowd.connect(0..3, frozen).await;
    crowd.connect(3..6, awake).await;
    crowd.hear("before", 0..6, awake, SOON).await;
    crowd.forget_told().await;
    let stood_still =
        async || metrics::value(&cluster.gateways[0], "tidings_gateway_stood_still_total").await;
    assert_eq!(stood_still().await, Some(0.0));

    cluster.gateways[0].freeze().await;
    eventually("its users are taken for gone", GIVEN_UP, || async {
        let told = crowd.notes(3).presence;
        let gone = told.iter().filter(|(_, status)| status == "offline").count();
        if gone == 3 { Ok(()) } else { Err(told) }
    })
    .await;
    crowd.hear("meanwhile", 3..6, awake, SOON).await;

    cluster.gateways[0].thaw().await;
    crowd.have("meanwhile", 0..3, SOON).await;
    assert_eq!(stood_still().await, Some(1.0));
    eventually("they are known again", SOON, || async {
        match crowd.unknown(awake).await {
            Ok(unknown) if unknown.is_empty() => Ok(()),
            other => Err(other),
        }
    })
    .await;
    eventually("and their friends are told", SOON, || async {
        let told = crowd.notes(3).presence;
        let back = told.iter().filter(|(_, status)| status == "online").count();
        if back == 3 { Ok(()) } else { Err(told) }
    })
    .await;
    crowd.hear("after", 0..6, frozen, SOON).await;
    assert_eq!(crowd.closed(), [], "their sockets have lived through it");
    cluster.stop().await;
}

/// Whether it serves, is ready, and both name the cause.
async fn stands(gateway: &Process) -> [(u16, bool); 2] {
    let mut stands = [(0, false); 2];
    for (stand, route) in stands.iter_mut().zip(["serve", "ready"]) {
        let url = format!("http://{}/health/{route}", gateway.address("management"));
        let Ok(answer) = reqwest::get(&url).await else { continue };
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap_or_default();
        *stand = (status, text.contains("name_taken"));
    }
    stands
}

fn errors_of(label: &str) -> usize {
    let log = std::fs::read_to_string(log_folder().join(format!("{label}.log"))).expect("a log");
    log.lines().filter(|line| line.contains("has the same gateway_id")).count()
}

#[tokio::test]
async fn two_gateways_with_one_id_say_so_within_10_s_and_leave_readiness_until_one_has_ended() {
    const TOLD: Duration = Duration::from_secs(10);
    const OUT: [(u16, bool); 2] = [(503, true); 2];
    const IN: [(u16, bool); 2] = [(200, false); 2];
    // The second one is started with the id of the first.
    let label = format!("one-id-{}", std::process::id());
    let mut cluster = Cluster::start(&label).await;
    let labels = [0, 1].map(|index| format!("{label}-gateway-{index}"));
    // A plain restart, as soon as can be: nobody is a rival.
    cluster.gateways[0].kill().await;
    cluster.gateways[0] = cluster.start_gateway(0).await;
    cluster.ready().await;
    let until = tokio::time::Instant::now() + TOLD;
    while tokio::time::Instant::now() < until {
        let is_taken = stands(&cluster.gateways[0]).await.map(|(_, is_taken)| is_taken);
        assert_eq!(is_taken, [false; 2], "a restart makes no rival");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    cluster.gateways[1].terminate(Duration::from_secs(30)).await;
    cluster.settings.push(("TIDINGS_GATEWAY__GATEWAY_ID".to_owned(), "gateway-0".to_owned()));
    cluster.gateways[1] = cluster.start_gateway(1).await;
    for index in 0..2 {
        eventually("it has left readiness", TOLD, || async {
            let stands = stands(&cluster.gateways[index]).await;
            if stands == OUT { Ok(()) } else { Err(stands) }
        })
        .await;
    }
    assert_eq!([errors_of(&labels[0]), errors_of(&labels[1])], [1, 1]);

    // The older one has its name back and serves as before.
    cluster.gateways[1].kill().await;
    eventually("it is back", Duration::from_secs(30), || async {
        let stands = stands(&cluster.gateways[0]).await;
        if stands == IN { Ok(()) } else { Err(stands) }
    })
    .await;
    let address = cluster.gateway_address(0);
    let mut crowd = Crowd::gather("one-id", 2, address).await;
    crowd.connect(0..2, address).await;
    crowd.hear("after", 0..2, address, SOON).await;
    cluster.settings.clear();
    cluster.gateways[1] = cluster.start_gateway(1).await;
    cluster.ready().await;
    cluster.stop().await;
}
