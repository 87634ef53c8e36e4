//! Guarantee 2: one active consumer, and another when it is gone.

use std::time::Instant;

use crate::rig::{Kind, Rig, SOON, hears_nothing, number, take, take_numbers};

pub async fn one_consumer_at_a_time_is_active(kind: Kind) {
    let rig = Rig::new(kind);
    let (one, two) = (rig.process().await, rig.process().await);
    let mut active = one.join(0, 4).await;
    let mut waiting = two.join(0, 4).await;
    let mut beside = one.join(0, 4).await;
    one.publish_all(0..10).await;
    // Not even when the active one holds all it may.
    for expected in 0..4 {
        assert_eq!(number(&take(&mut active).await.batch), expected);
    }
    hears_nothing(&mut waiting).await;
    hears_nothing(&mut beside).await;
    // Another partition has an active one of its own.
    let mut other = two.join(1, 4).await;
    one.bus.publish_frames(bus::Lane::Chat, 1, crate::rig::frames(77)).await.unwrap();
    assert_eq!(take_numbers(&mut other, 1).await, [77]);
}

pub async fn the_next_takes_over_within_a_second_of_a_death(kind: Kind) {
    let rig = Rig::new(kind);
    let (first, second) = (rig.process().await, rig.process().await);
    let mut active = first.join(0, 4).await;
    let mut waiting = second.join(0, 4).await;
    second.publish_all(0..2).await;
    assert_eq!(number(&take(&mut active).await.batch), 0);
    let died = Instant::now();
    first.die(active);
    let delivery = take(&mut waiting).await;
    assert!(died.elapsed() < SOON, "only after {:?}", died.elapsed());
    assert_eq!(number(&delivery.batch), 0);
    assert!(delivery.redelivered);
    assert_eq!(number(&take(&mut waiting).await.batch), 1);
}

pub async fn the_next_takes_over_within_a_second_of_a_yield(kind: Kind) {
    let rig = Rig::new(kind);
    let (first, second) = (rig.process().await, rig.process().await);
    let mut active = first.join(0, 4).await;
    let mut waiting = second.join(0, 4).await;
    second.publish_all(0..2).await;
    assert_eq!(take_numbers(&mut active, 1).await, [0]);
    let yielded = Instant::now();
    drop(active);
    let delivery = take(&mut waiting).await;
    assert!(yielded.elapsed() < SOON, "only after {:?}", yielded.elapsed());
    assert_eq!(number(&delivery.batch), 1);
}

pub async fn a_waiting_consumer_that_leaves_changes_nothing(kind: Kind) {
    let rig = Rig::new(kind);
    let (first, second) = (rig.process().await, rig.process().await);
    let mut active = first.join(0, 4).await;
    let waiting = second.join(0, 4).await;
    first.publish_all(0..2).await;
    let held = take(&mut active).await;
    second.die(waiting);
    drop(first.join(0, 4).await);
    assert_eq!(number(&take(&mut active).await.batch), 1);
    hears_nothing(&mut active).await;
    active.acker().ack_through(held.tag).await;
    first.publish_all(2..3).await;
    assert_eq!(number(&take(&mut active).await.batch), 2);
}
