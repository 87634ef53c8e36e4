//! A gateway with more than its share of connections: open ones are moved a few at a time, new ones are sent to where
//! there is room.

use std::time::Duration;

use gateway::{EdgeConfig, RebalanceConfig, Servers};
use proto::presence::GatewayLoad;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::device::{Device, Heard};
use crate::edge::{Edge, token, until};

/// Everything is moved that may be, as fast as can be seen.
fn eager() -> RebalanceConfig {
    RebalanceConfig {
        percent_a_minute: 1_000,
        least_excess: 3,
        settle_ms: 200,
        ..RebalanceConfig::default()
    }
}

fn carries(id: &str, connections: u32) -> GatewayLoad {
    GatewayLoad { id: id.to_owned(), connections, takes: true, draining: false }
}

async fn edge(rebalance: RebalanceConfig, servers: &[&str]) -> Edge {
    let servers = servers.iter().map(|it| (*it).to_owned()).collect();
    let servers = Servers::new(&EdgeConfig { servers }).unwrap();
    Edge::set_up(|settings| {
        settings.rebalance = rebalance;
        settings.servers = servers;
        settings.limits.presence_heartbeat_ms = 100;
        settings.limits.drain_window_ms = 1;
    })
    .await
}

/// Waits for so many more answered heartbeats.
async fn heartbeats(edge: &Edge, count: usize) {
    let before = edge.presence.account().heartbeats;
    until("heartbeats", || edge.presence.account().heartbeats >= before + count).await;
}

fn counted(edge: &Edge, name: &str) -> u64 {
    edge.metric(&format!("tidings_gateway_{name}_total"))
}

#[tokio::test]
async fn a_gateway_with_too_many_connections_moves_its_oldest_until_it_has_the_mean() {
    let edge = edge(eager(), &[]).await;
    let mut devices = Vec::new();
    for place in 0..12 {
        devices.push(Device::connect(&edge, &format!("user-{place:02}")).await);
        // The clock of connections counts milliseconds.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    heartbeats(&edge, 6).await;
    assert_eq!(counted(&edge, "rebalanced"), 0, "there is no other gateway");
    edge.presence.others_carry(vec![carries("gateway-2", 0)]);
    // As a second one would say that takes what is moved.
    let mut moved = 0;
    while moved < 4 {
        let frame = devices[moved].frame().await;
        assert_eq!(frame["type"], "redirect", "the next oldest one: {frame}");
        assert_eq!(frame.get("server"), None);
        devices[moved].is_served().await;
        devices[moved].say_raw(Message::Close(None)).await;
        devices[moved].closed().await;
        moved += 1;
        edge.presence.others_carry(vec![carries("gateway-2", moved as u32)]);
    }
    heartbeats(&edge, 20).await;
    // It stops early where it is not counted elsewhere yet what was moved.
    let moved = counted(&edge, "rebalanced");
    assert!((4..=6).contains(&moved), "{moved}");
    for device in &mut devices[6..] {
        device.is_served().await;
    }
    edge.stop().await;
}

#[tokio::test]
async fn a_connection_that_is_to_move_and_stays_is_closed_with_1012() {
    let edge = Edge::set_up(|settings| {
        settings.rebalance = eager();
        settings.limits.presence_heartbeat_ms = 100;
        settings.limits.drain_linger_ms = 100;
    })
    .await;
    edge.presence.others_carry(vec![carries("gateway-2", 0)]);
    let mut devices = Vec::new();
    for place in 0..7 {
        devices.push(Device::connect(&edge, &format!("user-{place}")).await);
    }
    let closed = devices.iter_mut().map(|device| async {
        device.expect("redirect").await;
        device.closed().await
    });
    let (closed, _) = futures_util::future::select_ok(
        closed.map(|closed| Box::pin(async { Ok::<_, ()>(closed.await) })),
    )
    .await
    .unwrap();
    assert_eq!(closed, (1012, "restarting; reconnect".to_owned()));
    edge.stop().await;
}

#[tokio::test]
async fn nothing_is_moved_while_another_gateway_leaves_or_none_has_room() {
    let edge = edge(eager(), &[]).await;
    let mut devices = Vec::new();
    for place in 0..12 {
        devices.push(Device::connect(&edge, &format!("user-{place}")).await);
    }
    let leaving = GatewayLoad { takes: false, draining: true, ..carries("gateway-2", 0) };
    edge.presence.others_carry(vec![leaving, carries("gateway-3", 0)]);
    heartbeats(&edge, 20).await;
    edge.presence.others_carry(vec![GatewayLoad { takes: false, ..carries("gateway-2", 0) }]);
    heartbeats(&edge, 20).await;
    assert_eq!(counted(&edge, "rebalanced"), 0);
    assert!(edge.presence.account().takes);
    edge.stop().await;
}

#[tokio::test]
async fn a_new_connection_is_sent_to_the_emptiest_server_when_it_says_that_it_goes_there() {
    let config = RebalanceConfig { percent_a_minute: 0, ..eager() };
    let edge = edge(config, &["gateway-2=ws://two:1/ws", "gateway-3=wss://three/ws"]).await;
    let mut devices = Vec::new();
    for place in 0..12 {
        devices.push(Device::connect(&edge, &format!("user-{place}")).await);
    }
    edge.presence.others_carry(vec![carries("gateway-2", 3), carries("gateway-3", 1)]);
    heartbeats(&edge, 2).await;
    let path = format!("/ws?token={}", token("ann"));
    let mut placed = Device::open(&edge, &format!("{path}&redirect=on"), &[]).await;
    let redirect = json!({ "type": "redirect", "after_ms": 0, "server": "wss://three/ws" });
    assert_eq!(placed.hear().await, Heard::Frame(redirect), "in the place of a welcome");
    placed.say_raw(Message::Close(None)).await;
    placed.closed().await;
    // Where it is sent, or where that server cannot be reached, it does not say so, and is welcomed.
    let mut stays = Device::open(&edge, &path, &[]).await;
    stays.welcome().await;
    assert_eq!(counted(&edge, "placed"), 1);
    assert_eq!(counted(&edge, "rebalance_returned"), 1);
    assert_eq!(counted(&edge, "rebalanced"), 0);

    // A leaving gateway names a server, too: its own address is gone soon.
    edge.begin_to_stop();
    let redirect = stays.expect("redirect").await;
    assert!(redirect["server"].as_str().is_some_and(|it| it.ends_with("/ws")), "{redirect}");
    drop((stays, devices));
    edge.ended().await;
    edge.stop().await;
}

#[tokio::test]
async fn without_servers_a_new_connection_always_stays() {
    let edge = edge(RebalanceConfig { percent_a_minute: 0, ..eager() }, &[]).await;
    let mut devices = Vec::new();
    for place in 0..12 {
        devices.push(Device::connect(&edge, &format!("user-{place}")).await);
    }
    edge.presence.others_carry(vec![carries("gateway-2", 0)]);
    heartbeats(&edge, 2).await;
    let path = format!("/ws?token={}&redirect=on", token("ann"));
    Device::open(&edge, &path, &[]).await.welcome().await;
    edge.stop().await;
}
