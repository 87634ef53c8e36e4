//! The end of a bus.

use std::time::Instant;

use bus::{BusState, ConsumeError, Lane, PublishError};
use proto::id::GatewayId;

use crate::eventing::events;
use crate::rig::{Kind, LONG, Rig, frames, push, take};

pub async fn a_closed_bus_says_so_to_every_call(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let pushes = process.gateway("g1").await;
    let began = Instant::now();
    process.bus.close().await;
    assert!(began.elapsed() < LONG, "closing took {:?}", began.elapsed());
    let bus = &process.bus;
    assert!(matches!(&*bus.state().borrow(), BusState::Down(reason) if reason.contains("closed")));
    let published = bus.publish_frames(Lane::Chat, 0, frames(1)).await;
    assert!(matches!(published, Err(PublishError::Unavailable(_))), "{published:?}");
    let pushed = bus.publish_pushes(&pushes.gateway(), push(1)).await;
    assert!(matches!(pushed, Err(PublishError::Unavailable(_))), "{pushed:?}");
    let told = bus.publish_events(events("default.x", 1)).await;
    assert!(matches!(told, Err(PublishError::Unavailable(_))), "{told:?}");
    let joined = bus.consume_frames(Lane::Chat, 0, 1).await;
    assert!(matches!(joined, Err(ConsumeError::Unavailable(_))));
    let asked = bus.depths(Lane::Chat, &[0]).await;
    assert!(matches!(asked, Err(ConsumeError::Unavailable(_))), "{asked:?}");
    let made = bus.consume_pushes(&GatewayId::parse("g2").unwrap(), 1).await;
    assert!(matches!(made, Err(ConsumeError::Unavailable(_))));
    // Again is no harm.
    bus.close().await;
}

pub async fn consumers_end_when_the_bus_is_closed(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let (mut active, mut waiting) = (process.join(0, 4).await, process.join(0, 4).await);
    let mut pushes = process.gateway("g1").await;
    process.publish(1).await.unwrap();
    let held = take(&mut active).await;
    let bus = &process.bus;
    let ended = async { tokio::join!(active.next(), waiting.next(), pushes.next(), bus.close()) };
    let (active_next, waiting_next, push_next, ()) =
        tokio::time::timeout(LONG, ended).await.expect("all of them end");
    assert!(active_next.is_none() && waiting_next.is_none() && push_next.is_none());
    // They stay ended, and what they left behind can be dropped and acknowledged.
    let again = tokio::time::timeout(LONG, active.next()).await.expect("it stays ended");
    assert!(again.is_none());
    active.acker().ack_through(held.tag).await;
}
