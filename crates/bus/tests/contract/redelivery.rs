//! Guarantee 3: what was not acknowledged comes again, in order, before what was published later.

use crate::rig::{Kind, Rig, hears_nothing, number, take, take_numbers};

pub async fn what_a_dead_consumer_held_comes_again_in_order_before_the_rest(kind: Kind) {
    let rig = Rig::new(kind);
    let (first, second, publisher) =
        (rig.process().await, rig.process().await, rig.process().await);
    publisher.publish_all(0..300).await;
    let mut dying = first.join(0, 200).await;
    for expected in 0..200 {
        assert_eq!(number(&take(&mut dying).await.batch), expected);
    }
    let mut waiting = second.join(0, 300).await;
    first.die(dying);
    publisher.publish_all(300..310).await;
    for expected in 0..310 {
        let delivery = take(&mut waiting).await;
        assert_eq!(number(&delivery.batch), expected);
        assert_eq!(delivery.redelivered, expected < 200, "batch {expected}");
        // Also those that were redelivered count as held until now.
        if expected % 50 == 0 {
            waiting.acker().ack_through(delivery.tag).await;
        }
    }
}

pub async fn a_yield_gives_the_unfinished_back_in_order(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    process.publish_all(0..50).await;
    let mut consumer = process.join(0, 20).await;
    let mut tags = Vec::new();
    for expected in 0..10 {
        let delivery = take(&mut consumer).await;
        assert_eq!(number(&delivery.batch), expected);
        tags.push(delivery.tag);
    }
    // Five are done, five are taken, ten more are on their way to the consumer.
    consumer.acker().ack_through(tags[4]).await;
    drop(consumer);
    let mut next = process.join(0, 100).await;
    for expected in 5..50 {
        let delivery = take(&mut next).await;
        assert_eq!(number(&delivery.batch), expected);
        assert!(delivery.redelivered || expected >= 10, "batch {expected}");
    }
}

/// A consumer that is waiting begins the moment the active one is no more: it must not see later
/// batches before those that the other still held.
pub async fn a_yield_to_a_waiting_consumer_keeps_the_order(kind: Kind) {
    const BATCHES: u64 = 600;
    let rig = Rig::new(kind);
    let (one, two) = (rig.process().await, rig.process().await);
    let publisher = rig.process().await;
    let consume = async {
        let mut active = one.join(0, 16).await;
        let mut next = 0;
        for round in 0.. {
            let waiting_in = if round % 2 == 0 { &two } else { &one };
            let waiting = waiting_in.join(0, 16).await;
            // Nine are taken, five of them done.
            let mut done = None;
            for ahead in 0..9 {
                if next + ahead == BATCHES {
                    break;
                }
                let delivery = take(&mut active).await;
                assert_eq!(number(&delivery.batch), next + ahead, "in round {round}");
                if ahead < 5 {
                    done = Some((delivery.tag, next + ahead + 1));
                }
            }
            let Some((tag, done)) = done else { return };
            active.acker().ack_through(tag).await;
            next = done;
            active = waiting;
        }
    };
    tokio::join!(publisher.publish_all(0..BATCHES), consume);
}

pub async fn two_hundred_yields_lose_nothing(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    process.publish_all(0..20).await;
    for _ in 0..200 {
        let mut consumer = process.join(0, 20).await;
        // All twenty are on their way to it or there.
        assert_eq!(number(&take(&mut consumer).await.batch), 0);
    }
    let mut consumer = process.join(0, 20).await;
    assert_eq!(take_numbers(&mut consumer, 20).await, (0..20).collect::<Vec<_>>());
    hears_nothing(&mut consumer).await;
}

pub async fn what_was_acknowledged_does_not_come_again(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    for round in 0..20 {
        process.publish_all(round * 10..round * 10 + 10).await;
        let mut consumer = process.join(0, 10).await;
        let expected: Vec<u64> = (round * 10..round * 10 + 10).collect();
        // Dropped right after: the acknowledgement is on its way before the end of the consumer.
        assert_eq!(take_numbers(&mut consumer, 10).await, expected);
    }
    let mut consumer = process.join(0, 10).await;
    hears_nothing(&mut consumer).await;
}
