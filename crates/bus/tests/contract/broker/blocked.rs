//! A broker under a memory or disk alarm stops reading from publishers. The alarm itself would stop
//! all publishers of the broker, so here the proxy sends what the broker would send.

use std::time::Instant;

use bus::{BusState, PublishError};
use fault_proxy::Fault;

use super::configured;
use crate::rig::{
    Bounds, Kind, Process, Rig, SOON, SWALLOWS, down, number, push, push_number, take, take_push,
    up,
};

/// A process makes its publishing connection first.
const PUBLISHING: u64 = 0;

/// `connection.blocked` or `connection.unblocked`, as bytes.
fn word(method: u16, reason: Option<&str>) -> Vec<u8> {
    let mut payload = Vec::from(10_u16.to_be_bytes());
    payload.extend(method.to_be_bytes());
    if let Some(reason) = reason {
        payload.push(reason.len() as u8);
        payload.extend(reason.as_bytes());
    }
    let mut frame = vec![1, 0, 0];
    frame.extend((payload.len() as u32).to_be_bytes());
    frame.extend(payload);
    frame.push(0xCE);
    frame
}

fn block(process: &Process) {
    process.proxy().say(PUBLISHING, word(60, Some("low on memory")));
}

fn unblock(process: &Process) {
    process.proxy().say(PUBLISHING, word(61, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_broker_refuses_publishes_at_once_and_still_delivers() {
    let rig = Rig::new(Kind::Classic);
    let (blocked, other) = (rig.process().await, rig.process().await);
    let mut consumer = blocked.join(0, 4).await;
    let mut pushes = blocked.gateway("g1").await;
    block(&blocked);
    let reason = down(blocked.bus.as_ref()).await;
    assert!(reason.contains("blocked by the broker: low on memory"), "{reason}");
    let began = Instant::now();
    let published = blocked.publish(1).await;
    assert!(matches!(published, Err(PublishError::Unavailable(_))), "{published:?}");
    assert!(began.elapsed() < SOON);
    // What others could publish before the alarm still comes, and one may still join.
    other.publish_all(0..6).await;
    for expected in 0..4 {
        let delivery = take(&mut consumer).await;
        assert_eq!(number(&delivery.batch), expected);
        consumer.acker().ack_through(delivery.tag).await;
    }
    drop(consumer);
    let mut consumer = blocked.join(0, 4).await;
    assert_eq!(number(&take(&mut consumer).await.batch), 4);
    other.bus.publish_pushes(&pushes.gateway(), push(3)).await.unwrap();
    assert_eq!(push_number(&take_push(&mut pushes).await), 3);
    unblock(&blocked);
    up(blocked.bus.as_ref()).await;
    blocked.publish(6).await.unwrap();
    assert_eq!(number(&take(&mut consumer).await.batch), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishes_under_way_when_the_broker_blocks_do_not_cost_the_connections() {
    let bounds = Bounds { publish_timeout_ms: 300, publish_window: 2, ..Bounds::default() };
    let rig = Rig::with(Kind::Classic, bounds);
    let process = configured(&rig, |config| config.heartbeat_secs = 60).await;
    let other = rig.process().await;
    let mut consumer = process.join(0, 4).await;
    let connections = process.proxy().seen().accepted;
    // The broker reads nothing more, and says so while two publishes are out.
    process.proxy().set(SWALLOWS);
    let (first, second, ()) = tokio::join!(process.publish(1), process.publish(2), async {
        block(&process);
    });
    for published in [first, second] {
        let expected = "no confirm within 300ms".to_owned();
        assert_eq!(published, Err(PublishError::Unknown(expected)));
    }
    // Many timeouts later the connections are the same.
    for _ in 0..5 {
        let mut state = process.bus.state();
        state.borrow_and_update();
        let patience = std::time::Duration::from_millis(300);
        let changed = tokio::time::timeout(patience, state.changed()).await;
        assert!(changed.is_err(), "{:?}", *state.borrow());
    }
    // When the broker reads again, what was out arrives.
    process.proxy().set(Fault::Pass);
    unblock(&process);
    up(process.bus.as_ref()).await;
    process.publish(3).await.unwrap();
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let delivery = take(&mut consumer).await;
        consumer.acker().ack_through(delivery.tag).await;
        numbers.push(number(&delivery.batch));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(process.proxy().seen().accepted, connections, "nothing was connected anew");
    assert_eq!(*other.bus.state().borrow(), BusState::Up);
}
