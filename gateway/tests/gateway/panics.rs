//! A panic in one session: that socket is closed with 1011, and other connections are served on.

use serde_json::json;

use crate::device::Device;
use crate::edge::{Edge, until};

/// A session panics when its client sends this text. All tests of this process share it.
pub const PANIC: &str = "a panic of a session, planted by a test";

#[tokio::test]
async fn a_panic_in_a_session_closes_its_socket_with_1011_and_no_other() {
    gateway::planted::panic_on(PANIC);
    let edge = Edge::start().await;
    let (mut ann, mut second, mut bob) = (
        Device::connect(&edge, "ann").await,
        Device::connect(&edge, "ann").await,
        Device::connect(&edge, "bob").await,
    );
    // Its request is under way when it happens.
    ann.send_to("bob", "1").await;
    edge.send().await;
    ann.say(&json!({ "type": "ping", "ref": PANIC })).await;
    let (code, reason) = ann.closed().await;
    assert_eq!(code, 1011, "{reason}");
    assert!(reason.contains("fault of the server"), "{reason}");
    let number = ann.number;
    until("presence hears that it is gone", || {
        edge.presence.account().disconnected.iter().any(|gone| gone.connection == number)
    })
    .await;
    assert_eq!(edge.metric(r#"tidings_gateway_closes_total{code="1011"}"#), 1);
    until("it is counted out", || edge.metric("tidings_gateway_connections") == 2).await;
    assert!(edge.metric("tidings_task_panics_total") >= 1, "an operator is told");
    for device in [&mut second, &mut bob] {
        device.is_served().await;
    }
    Device::connect(&edge, "ann").await.is_served().await;
    edge.stop().await;
}
