//! A gateway that stood still past its lease and wakes up, with its sockets and its queue still there.

use std::time::Duration;

use e2e::cluster::Cluster;
use e2e::crowd::Crowd;
use e2e::eventually::eventually;
use e2e::metrics;

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
