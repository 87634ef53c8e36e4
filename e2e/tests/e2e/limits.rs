//! Limits that hold over all gateways of a cluster.

use std::time::Duration;

use e2e::client::{Client, Heard};
use e2e::cluster::{Cluster, ready};
use e2e::eventually::eventually;
use e2e::metrics::value;
use e2e::process::Process;
use e2e::token::token;

/// What a user may have, unless configured otherwise.
const MOST: usize = 5;

/// Opens a socket of a new device; the socket if it was welcomed, or the code it was closed with.
async fn knock(address: &str, user: &str) -> Result<Client, u16> {
    let mut client = Client::open(address, &format!("/ws?token={}", token(user))).await;
    loop {
        match client.hear().await {
            Heard::Frame(frame) if frame["type"] == "welcome" => return Ok(client),
            Heard::Frame(_) => {}
            Heard::Closed(code, _) => return Err(code),
        }
    }
}

#[tokio::test]
async fn a_hundred_connects_over_three_gateways_never_exceed_what_a_user_may_have() {
    let mut cluster = Cluster::start("limits").await;
    let third = cluster.start_gateway(2).await;
    ready(third.address("management")).await;
    cluster.gateways.push(third);

    let knocks = (0..100).map(|number| knock(cluster.gateway_address(number % 3), "ann"));
    let answers = futures_util::future::join_all(knocks).await;
    let refused: Vec<u16> = answers.iter().filter_map(|it| it.as_ref().err().copied()).collect();
    assert_eq!(refused, vec![4029; 100 - MOST]);
    // A connection that ends makes room, on whichever gateway.
    for client in answers.into_iter().filter_map(Result::ok) {
        client.close().await;
    }
    let mut inside = Vec::new();
    for _ in 0..MOST {
        inside.push(let_in(cluster.gateway_address(2)).await);
    }
    assert_eq!(knock(cluster.gateway_address(0), "ann").await.err(), Some(4029));

    // A dead gateway's connections do not count for ever.
    cluster.gateways[2].kill().await;
    let_in(cluster.gateway_address(1)).await.close().await;
    drop(inside);
    cluster.gateways.pop();
    cluster.stop().await;
}

/// Tries to connect until there is room: presence hears of closed connections a moment later.
async fn let_in(address: &str) -> Client {
    eventually("there is room", Duration::from_mins(1), || knock(address, "ann")).await
}

/// Sends a text to `bob`; whether it was granted.
async fn may_send(client: &mut Client, text: &str) -> bool {
    client.send_to("bob", text).await;
    loop {
        match client.hear().await {
            Heard::Frame(frame) if frame["ref"] == text => {
                assert!(frame["type"] == "sent" || frame["limit"] == "messages", "{frame}");
                return frame["type"] == "sent";
            }
            Heard::Frame(_) => {}
            Heard::Closed(code, reason) => panic!("closed {code} {reason}"),
        }
    }
}

#[tokio::test]
async fn a_user_who_takes_turns_at_two_gateways_is_granted_one_rate() {
    let settings = [("TIDINGS_GATEWAY__ADMISSION__EXEMPT_NETWORKS", "[]")];
    let cluster = Cluster::start_with("rates", &settings).await;
    let mut ann = [
        Client::connect(cluster.gateway_address(0), &token("ann")).await,
        Client::connect(cluster.gateway_address(1), &token("ann")).await,
    ];
    // Fifty a second, so that what is granted in a part of a second is known.
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let begun = std::time::Instant::now();
    let (mut granted, mut refused_at, mut sent) = (0, [false; 2], 0);
    while refused_at != [true; 2] {
        pace.tick().await;
        let place = sent % 2;
        let is_granted = may_send(&mut ann[place], &format!("text {sent}")).await;
        sent += 1;
        granted += usize::from(is_granted);
        refused_at[place] |= !is_granted;
        assert!(granted < 200, "each gateway grants a rate of its own");
    }
    // One comes back in 600 ms; beyond that, what both grant within a second.
    let back = begun.elapsed().as_millis() as usize / 600;
    assert!(granted >= 100, "the whole rate is granted: {granted}");
    assert!(granted <= 100 + back + 50, "{granted} granted, of which {back} had come back");
    // Another user at the same gateways has a rate of its own.
    let mut cleo = Client::connect(cluster.gateway_address(1), &token("cleo")).await;
    assert!(may_send(&mut cleo, "hello").await);
    cluster.stop().await;
}

/// Whether load balancers send clients there, and why not.
async fn serves(gateway: &Process) -> Result<(), String> {
    let url = format!("http://{}/health/serve", gateway.address("management"));
    let answer = reqwest::get(&url).await.expect("the management port answers");
    if answer.status().is_success() {
        return Ok(());
    }
    Err(answer.text().await.expect("an answer has a body"))
}

async fn until_open(gateway: &Process, connections: usize) {
    eventually("so many are open", Duration::from_secs(20), async || {
        let open = value(gateway, "tidings_gateway_connections").await;
        if open == Some(connections as f64) { Ok(()) } else { Err(open) }
    })
    .await;
}

#[tokio::test]
async fn a_full_gateway_is_left_out_by_balancers_until_a_twentieth_of_its_places_is_free() {
    const PLACES: usize = 40;
    let settings = [("TIDINGS_GATEWAY__LIMITS__CONNECTIONS", "40")];
    let cluster = Cluster::start_with("full", &settings).await;
    let gateway = &cluster.gateways[0];
    let address = cluster.gateway_address(0);
    let mut inside = Vec::new();
    for number in 1..PLACES {
        inside.push(Client::connect(address, &token(&format!("user-{number}"))).await);
    }
    until_open(gateway, PLACES - 1).await;
    assert_eq!(serves(gateway).await, Ok(()), "there is a place");
    inside.push(Client::connect(address, &token("the-last")).await);
    let full = async || match serves(gateway).await {
        Err(causes) if causes.contains("full") => Ok(()),
        other => Err(other),
    };
    eventually("it is full", Duration::from_secs(20), full).await;
    // One closed connection makes room for one, and the balancer does not send clients yet.
    inside.pop().expect("somebody is inside").close().await;
    until_open(gateway, PLACES - 1).await;
    full().await.expect("too few places are free");
    inside.pop().expect("somebody is inside").close().await;
    eventually("it serves", Duration::from_secs(20), || serves(gateway)).await;
    // The balancer sends clients until the last place is taken again.
    inside.push(Client::connect(address, &token("the-next")).await);
    until_open(gateway, PLACES - 1).await;
    assert_eq!(serves(gateway).await, Ok(()));
    assert_eq!(serves(&cluster.gateways[1]).await, Ok(()), "the other has room");
    drop(inside);
    cluster.stop().await;
}
