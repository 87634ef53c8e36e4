//! Guarantee 12: what is said to everybody.

use std::time::Duration;

use bus::{BroadcastConsumer, PublishError};
use proto::bus::Broadcast;
use proto::id::GatewayId;

use crate::rig::{Bounds, Kind, LONG, Process, QUIET, Rig, push, push_number, take_push};

type Bulk = Box<dyn BroadcastConsumer>;

fn broadcast(number: u64) -> Broadcast {
    Broadcast { frame: number.to_string().into(), ..Broadcast::default() }
}

fn number(broadcast: &Broadcast) -> u64 {
    std::str::from_utf8(&broadcast.frame).unwrap().parse().unwrap()
}

/// A bulk queue, of which one broadcast at a time is on its way.
async fn join(process: &Process, id: &str) -> Bulk {
    process.bus.consume_broadcasts(&GatewayId::parse(id).unwrap(), 1).await.unwrap()
}

async fn take(consumer: &mut Bulk) -> u64 {
    let next = tokio::time::timeout(LONG, consumer.next()).await;
    number(&next.expect("a broadcast comes").expect("the queue lives"))
}

async fn hears_nothing(consumer: &mut Bulk) {
    if let Ok(next) = tokio::time::timeout(QUIET, consumer.next()).await {
        panic!("heard {:?}", next.as_ref().map(number));
    }
}

pub async fn every_gateway_hears_a_broadcast_once_and_in_order(kind: Kind) {
    let rig = Rig::new(kind);
    let (one, other) = (rig.process().await, rig.process().await);
    let mut consumers = [join(&one, "g1").await, join(&other, "g2").await];
    for sent in 0..50 {
        let publisher = if sent % 2 == 0 { &one } else { &other };
        publisher.bus.broadcast(broadcast(sent)).await.unwrap();
    }
    for consumer in &mut consumers {
        for sent in 0..50 {
            assert_eq!(take(consumer).await, sent);
        }
        hears_nothing(consumer).await;
    }
}

pub async fn a_broadcast_to_nobody_is_unroutable(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    assert_eq!(process.bus.broadcast(broadcast(1)).await, Err(PublishError::Unroutable));
    let mut consumer = join(&process, "g1").await;
    process.bus.broadcast(broadcast(2)).await.unwrap();
    assert_eq!(take(&mut consumer).await, 2);
}

pub async fn a_full_bulk_queue_drops_its_oldest_and_refuses_nobody(kind: Kind) {
    let rig = Rig::with(kind, Bounds { gateway_broadcasts: 4, ..Bounds::default() });
    let process = rig.process().await;
    let mut slow = join(&process, "g1").await;
    for sent in 0..30 {
        process.bus.broadcast(broadcast(sent)).await.unwrap();
    }
    let mut heard = vec![take(&mut slow).await];
    while heard.last() != Some(&29) {
        heard.push(take(&mut slow).await);
    }
    // One was on its way to the consumer.
    assert!((4..=5).contains(&heard.len()), "{heard:?}");
    assert_eq!(heard[heard.len() - 4..], [26, 27, 28, 29]);
    hears_nothing(&mut slow).await;
}

pub async fn a_broadcast_waits_behind_no_push_and_no_push_behind_it(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let mut pushes = process.gateway("g1").await;
    let mut bulk = join(&process, "g1").await;
    let address = pushes.gateway();
    for sent in 0..10 {
        process.bus.broadcast(broadcast(sent)).await.unwrap();
        process.bus.publish_pushes(&address, push(sent)).await.unwrap();
    }
    // Neither queue is read before the other is empty.
    for sent in 0..10 {
        assert_eq!(push_number(&take_push(&mut pushes).await), sent);
    }
    for sent in 0..10 {
        assert_eq!(take(&mut bulk).await, sent);
    }
}

pub async fn a_gateway_that_leaves_hears_nothing_more_and_the_others_go_on(kind: Kind) {
    let rig = Rig::new(kind);
    let (leaving, staying) = (rig.process().await, rig.process().await);
    let gone = join(&leaving, "g1").await;
    let mut there = join(&staying, "g2").await;
    drop(gone);
    staying.bus.broadcast(broadcast(1)).await.unwrap();
    assert_eq!(take(&mut there).await, 1);
    drop(there);
    // With the last queue gone there is nobody; the broker may take a moment to notice.
    let deadline = tokio::time::Instant::now() + LONG;
    while staying.bus.broadcast(broadcast(2)).await != Err(PublishError::Unroutable) {
        assert!(
            tokio::time::Instant::now() < deadline,
            "broadcasts still vanish into a dead queue"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub async fn an_urgent_push_waits_behind_no_other_and_reaches_one_gateway_or_all(kind: Kind) {
    let rig = Rig::new(kind);
    let (one, other) = (rig.process().await, rig.process().await);
    let mut pushes = one.gateway("g1").await;
    let (address, elsewhere) = (pushes.gateway(), other.gateway("g2").await.gateway());
    let to = Some(&address);
    assert_eq!(one.bus.publish_urgent(to, push(1)).await, Err(PublishError::Unroutable));
    assert_eq!(one.bus.publish_urgent(None, push(1)).await, Err(PublishError::Unroutable));
    let mut urgent = one.bus.consume_urgent(&address, 8).await.unwrap();
    let mut others = other.bus.consume_urgent(&elsewhere, 8).await.unwrap();
    for sent in 0..10 {
        one.bus.publish_pushes(&address, push(sent)).await.unwrap();
    }
    one.bus.publish_urgent(to, push(20)).await.unwrap();
    other.bus.publish_urgent(None, push(21)).await.unwrap();
    // The other queue is not read before this one is empty.
    assert_eq!(push_number(&take_push(&mut urgent).await), 20);
    assert_eq!(push_number(&take_push(&mut urgent).await), 21);
    assert_eq!(push_number(&take_push(&mut others).await), 21);
    for sent in 0..10 {
        assert_eq!(push_number(&take_push(&mut pushes).await), sent);
    }
}
