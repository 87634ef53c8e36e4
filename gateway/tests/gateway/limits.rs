//! Limits of arriving sockets: who meets which, and what they are told.

use crate::device::Device;
use crate::edge::{Edge, token, until};

#[tokio::test]
async fn a_user_with_as_many_connections_as_allowed_is_told_4029_and_which_limit_it_was() {
    let edge = Edge::start().await;
    edge.presence.is_full(Some("ann"));
    let mut refused = Device::open(&edge, &format!("/ws?token={}", token("ann")), &[]).await;
    let (code, reason) = refused.closed().await;
    assert_eq!(code, 4029);
    assert!(reason.starts_with("user_connections: "), "{reason}");
    Device::connect(&edge, "bob").await.is_served().await;
    edge.presence.is_full(None);
    Device::connect(&edge, "ann").await.is_served().await;
    until("it is counted", || edge.metric(r#"tidings_gateway_closes_total{code="4029"}"#) == 1)
        .await;
    let account = edge.presence.account();
    let gone = |number| account.disconnected.iter().any(|gone| gone.connection == number);
    assert!(!account.refused.iter().any(|number| gone(*number)), "it was never there");
    edge.stop().await;
}
