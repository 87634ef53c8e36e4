//! Guarantee 9: every future of the port may be dropped at any point.

use bus::{BusState, Lane, PublishError};
use futures_util::FutureExt;
use futures_util::future::join_all;
use proto::common::GatewayRef;
use proto::id::GatewayId;

use crate::rig::{
    Kind, LONG, Rig, frames, hears_nothing, number, push, push_number, take_numbers, take_push,
};

/// Polls a future so many times and drops it, unless it is ready before.
async fn polled<F: Future>(times: u32, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    for _ in 0..times {
        if let Some(output) = (&mut future).now_or_never() {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

pub async fn a_dropped_next_takes_no_batch(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let mut consumer = process.join(0, 8).await;
    let acker = consumer.acker();
    let consume = async {
        let mut numbers = Vec::new();
        while numbers.len() < 200 {
            if let Some(next) = polled(2, consumer.next()).await {
                let delivery = next.unwrap();
                numbers.push(number(&delivery.batch));
                // The acknowledgement is dropped half-way, too.
                let _ = polled(1, acker.ack_through(delivery.tag)).await;
            }
        }
        numbers
    };
    let all = async { tokio::join!(process.publish_all(0..200), consume).1 };
    let numbers = tokio::time::timeout(LONG, all).await.unwrap();
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    drop(consumer);
    let mut next = process.join(0, 8).await;
    hears_nothing(&mut next).await;
}

pub async fn a_dropped_next_takes_no_push(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let mut consumer = process.gateway("g1").await;
    let address = consumer.gateway();
    let publish = async {
        for number in 0..200 {
            process.bus.publish_pushes(&address, push(number)).await.unwrap();
        }
    };
    let consume = async {
        let mut numbers = Vec::new();
        while numbers.len() < 200 {
            if let Some(next) = polled(2, consumer.next()).await {
                numbers.push(push_number(&next.unwrap()));
            }
        }
        numbers
    };
    let all = async { tokio::join!(publish, consume).1 };
    let numbers = tokio::time::timeout(LONG, all).await.unwrap();
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
}

pub async fn a_dropped_publish_harms_no_other(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let mut consumer = process.gateway("g1").await;
    let mut frames_consumer = process.join(0, 8).await;
    let (here, nobody) = (consumer.gateway(), GatewayRef { id: "nobody".to_owned(), epoch: 1 });
    let mut state = process.bus.state();
    state.borrow_and_update();
    let bus = &process.bus;
    // Every third goes to nobody; of both kinds many are dropped after few polls.
    let publishes = (0..600_u32).map(|number| {
        let gateway = if number % 3 == 0 { &nobody } else { &here };
        async move {
            let publish = bus.publish_pushes(gateway, push(u64::from(number)));
            if number % 2 == 0 {
                (number, polled(number % 7, publish).await)
            } else {
                (number, Some(publish.await))
            }
        }
    });
    let outcomes = join_all(publishes).await;
    let dropped = outcomes.iter().filter(|(_, outcome)| outcome.is_none()).count();
    assert!(kind == Kind::InProcess || dropped > 100, "dropped {dropped}");
    let mut confirmed = Vec::new();
    for (number, outcome) in outcomes {
        let Some(outcome) = outcome else { continue };
        let expected = if number % 3 == 0 { Err(PublishError::Unroutable) } else { Ok(()) };
        assert_eq!(outcome, expected, "push {number}");
        if outcome.is_ok() {
            confirmed.push(u64::from(number));
        }
    }
    // A last one comes after all of them.
    process.bus.publish_pushes(&here, push(9999)).await.unwrap();
    let mut received = Vec::new();
    while received.last() != Some(&9999) {
        received.push(push_number(&take_push(&mut consumer).await));
    }
    for number in confirmed {
        let times = received.iter().filter(|received| **received == number).count();
        assert_eq!(times, 1, "push {number}");
    }
    assert!(received.iter().all(|number| number % 3 != 0 || *number == 9999));
    // Nobody else on the connections noticed.
    assert!(!state.has_changed().unwrap(), "{:?}", *state.borrow());
    assert_eq!(*state.borrow(), BusState::Up);
    process.publish(1).await.unwrap();
    assert_eq!(take_numbers(&mut frames_consumer, 1).await, [1]);
}

pub async fn a_dropped_join_does_not_hold_the_partition(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let gateway = GatewayId::parse("g1").unwrap();
    for times in 0..40 {
        drop(polled(times, process.bus.consume_frames(Lane::Chat, 0, 4)).await);
        drop(polled(times, process.bus.consume_pushes(&gateway, 4)).await);
    }
    process.bus.publish_frames(Lane::Chat, 0, frames(1)).await.unwrap();
    let mut consumer = process.join(0, 4).await;
    assert_eq!(take_numbers(&mut consumer, 1).await, [1]);
    assert_eq!(*process.bus.state().borrow(), BusState::Up);
}
