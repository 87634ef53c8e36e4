//! Guarantee 14: nudges.

use std::time::Duration;

use bus::NudgeConsumer;

use crate::rig::{Kind, LONG, QUIET, Rig};

async fn hears(listener: &mut Box<dyn NudgeConsumer>, within: Duration) -> bool {
    match tokio::time::timeout(within, listener.next()).await {
        Ok(heard) => {
            heard.expect("the bus lives");
            true
        }
        Err(_late) => false,
    }
}

pub async fn a_nudge_wakes_everybody_who_listens(kind: Kind) {
    let rig = Rig::new(kind);
    let (one, other) = (rig.process().await, rig.process().await);
    let mut listeners =
        [one.bus.consume_nudges().await.unwrap(), other.bus.consume_nudges().await.unwrap()];
    one.bus.nudge().await.unwrap();
    for listener in &mut listeners {
        assert!(hears(listener, LONG).await);
        assert!(!hears(listener, QUIET).await, "one nudge is heard once");
    }
}

pub async fn many_nudges_that_nobody_heard_are_few(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let mut listener = process.bus.consume_nudges().await.unwrap();
    for _ in 0..50 {
        process.bus.nudge().await.unwrap();
    }
    let mut heard = 0;
    while hears(&mut listener, QUIET).await {
        heard += 1;
    }
    // One in the queue, and what the broker had given to the consumer.
    assert!((1..=3).contains(&heard), "{heard}");
}

pub async fn a_nudge_to_nobody_is_no_error(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    drop(process.bus.consume_nudges().await.unwrap());
    process.bus.nudge().await.unwrap();
}
