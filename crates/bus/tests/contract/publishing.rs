//! Guarantees 4 to 7: what the outcome of a publish means.

use std::time::Instant;

use bus::{ConsumeError, Lane, PublishError};
use futures_util::future::join_all;
use proto::common::GatewayRef;

use crate::rig::{
    Bounds, Kind, PARTITIONS, Rig, frames, gone_soon, hears_nothing, push, push_number,
    take_numbers, take_push,
};

pub async fn what_was_confirmed_waits_for_its_consumer(kind: Kind) {
    let rig = Rig::new(kind);
    let publisher = rig.process().await;
    publisher.publish_all(0..100).await;
    publisher.die(());
    let process = rig.process().await;
    let mut consumer = process.join(0, 100).await;
    assert_eq!(take_numbers(&mut consumer, 100).await, (0..100).collect::<Vec<_>>());
}

pub async fn a_push_to_nobody_is_unroutable(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let somebody = process.gateway("g1").await;
    let mut wrong_epoch = somebody.gateway();
    wrong_epoch.epoch ^= 1;
    let nobody = GatewayRef { id: "nobody".to_owned(), epoch: 1 };
    for gateway in [&nobody, &wrong_epoch] {
        let published = process.bus.publish_pushes(gateway, push(1)).await;
        assert_eq!(published, Err(PublishError::Unroutable));
    }
    assert_eq!(process.bus.publish_pushes(&somebody.gateway(), push(1)).await, Ok(()));
}

pub async fn a_thousand_pushes_at_once_each_learn_their_own_outcome(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let mut consumer = process.gateway("g1").await;
    let (here, nobody) = (consumer.gateway(), GatewayRef { id: "nobody".to_owned(), epoch: 1 });
    let bus = &process.bus;
    let publishes = (0..1000_u64).map(|number| {
        let gateway = if number % 100 == 37 { &nobody } else { &here };
        async move { (number, bus.publish_pushes(gateway, push(number)).await) }
    });
    let receive = async {
        let mut received = Vec::new();
        for _ in 0..990 {
            received.push(push_number(&take_push(&mut consumer).await));
        }
        received
    };
    let (outcomes, mut received) = tokio::join!(join_all(publishes), receive);
    for (number, outcome) in outcomes {
        let expected = if number % 100 == 37 { Err(PublishError::Unroutable) } else { Ok(()) };
        assert_eq!(outcome, expected, "push {number}");
    }
    received.sort_unstable();
    let routable: Vec<u64> = (0..1000).filter(|number| number % 100 != 37).collect();
    assert_eq!(received, routable);
}

pub async fn a_gateway_that_leaves_is_unroutable_within_a_second(kind: Kind) {
    let rig = Rig::new(kind);
    let (services, gateway) = (rig.process().await, rig.process().await);
    let leaving = gateway.gateway("g1").await;
    let mut staying = gateway.gateway("g1").await;
    let address = leaving.gateway();
    services.bus.publish_pushes(&address, push(1)).await.unwrap();
    let left = Instant::now();
    drop(leaving);
    gone_soon(services.bus.as_ref(), &address, left).await;
    // Another queue of the same process is not touched.
    services.bus.publish_pushes(&staying.gateway(), push(2)).await.unwrap();
    assert_eq!(push_number(&take_push(&mut staying).await), 2);
}

pub async fn a_gateway_that_dies_is_unroutable_within_a_second(kind: Kind) {
    let rig = Rig::new(kind);
    let (services, gateway) = (rig.process().await, rig.process().await);
    let mut dying = gateway.gateway("g1").await;
    let address = dying.gateway();
    services.bus.publish_pushes(&address, push(1)).await.unwrap();
    assert_eq!(push_number(&take_push(&mut dying).await), 1);
    let died = Instant::now();
    gateway.die(dying);
    gone_soon(services.bus.as_ref(), &address, died).await;
}

pub async fn a_gateway_that_comes_back_has_another_address(kind: Kind) {
    let rig = Rig::new(kind);
    let (services, before) = (rig.process().await, rig.process().await);
    let dying = before.gateway("g1").await;
    let old = dying.gateway();
    let died = Instant::now();
    before.die(dying);
    // At once, while the broker may still be busy with the old one.
    let after = rig.process().await;
    let mut consumer = after.gateway("g1").await;
    let new = consumer.gateway();
    assert_eq!(new.id, old.id);
    assert_ne!(new.epoch, old.epoch);
    gone_soon(services.bus.as_ref(), &old, died).await;
    services.bus.publish_pushes(&new, push(5)).await.unwrap();
    assert_eq!(push_number(&take_push(&mut consumer).await), 5);
}

pub async fn a_full_gateway_refuses(kind: Kind) {
    let rig = Rig::with(kind, Bounds { gateway_batches: 4, ..Bounds::default() });
    let (services, gateway) = (rig.process().await, rig.process().await);
    let mut consumer = gateway.gateway("g1").await;
    let address = consumer.gateway();
    // The queue takes four, the consumer's prefetch another few.
    let mut taken = 0;
    loop {
        match services.bus.publish_pushes(&address, push(taken)).await {
            Ok(()) => taken += 1,
            Err(error) => {
                assert_eq!(error, PublishError::Refused);
                break;
            }
        }
        assert!(taken < 100, "nothing is refused");
    }
    assert!(taken >= 4, "refused after {taken}");
    // All that was taken is there, in order, and then there is room again.
    for number in 0..taken {
        assert_eq!(push_number(&take_push(&mut consumer).await), number);
    }
    services.bus.publish_pushes(&address, push(99)).await.unwrap();
    assert_eq!(push_number(&take_push(&mut consumer).await), 99);
}

pub async fn a_full_partition_refuses_until_there_is_room(kind: Kind) {
    let rig = Rig::with(kind, Bounds { partition_batches: 4, ..Bounds::default() });
    let process = rig.process().await;
    let mut taken = Vec::new();
    // A quorum queue learns a little late that it is full, and may forget to refuse one or two.
    for number in 0..50 {
        match process.publish(number).await {
            Ok(()) => taken.push(number),
            Err(error) => assert_eq!(error, PublishError::Refused, "batch {number}"),
        }
    }
    assert!((4..10).contains(&taken.len()), "took {taken:?}");
    let mut consumer = process.join(0, 50).await;
    assert_eq!(take_numbers(&mut consumer, taken.len()).await, taken);
    hears_nothing(&mut consumer).await;
    process.publish(50).await.unwrap();
    assert_eq!(take_numbers(&mut consumer, 1).await, [50]);
}

pub async fn a_partition_beyond_the_last_is_nobodys(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let published = process.bus.publish_frames(Lane::Chat, PARTITIONS, frames(1)).await;
    assert_eq!(published, Err(PublishError::Unroutable));
    match process.bus.consume_frames(Lane::Chat, PARTITIONS, 1).await {
        Err(ConsumeError::Topology(text)) => assert!(text.contains("partition 2 of 2"), "{text}"),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("a consumer of nothing"),
    }
    // And nobody else is troubled.
    process.publish(1).await.unwrap();
    let mut consumer = process.join(0, 1).await;
    assert_eq!(take_numbers(&mut consumer, 1).await, [1]);
}
