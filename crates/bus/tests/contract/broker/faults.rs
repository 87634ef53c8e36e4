//! Connections that break, brokers that say nothing, queues that somebody deletes.

use std::time::{Duration, Instant};

use bus::rabbitmq::RabbitBus;
use bus::{Bus, Lane, PublishError};
use fault_proxy::Fault;
use futures_util::future::join_all;
use proto::common::GatewayRef;
use tokio::net::TcpListener;

use super::{classic, configured, of_each_queue_type};
use crate::rig::{
    Bounds, Kind, LONG, Rig, SOON, SWALLOWS, down, frames, hears_nothing, push, push_number, take,
    take_numbers, take_push, up,
};

of_each_queue_type! {
    a_lost_connection_is_made_again,
    consumers_notice_that_their_queue_was_deleted,
    closing_keeps_what_was_acknowledged,
    closing_waits_for_publishes_under_way,
}

async fn a_lost_connection_is_made_again(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    process.publish_all(0..10).await;
    let mut consumer = process.join(0, 5).await;
    let mut pushes = process.gateway("g1").await;
    let old = pushes.gateway();
    let held = take(&mut consumer).await;
    process.proxy().set(Fault::Cut);
    // What was there ends, and says so.
    let ended = tokio::time::timeout(LONG, async {
        while consumer.next().await.is_some() {}
        while pushes.next().await.is_some() {}
    });
    ended.await.expect("consumers end with their connection");
    answers_again(process.bus.as_ref()).await;
    consumer.acker().ack_through(held.tag).await;
    let mut pushes = process.gateway("g1").await;
    assert_ne!(pushes.gateway().epoch, old.epoch);
    process.bus.publish_pushes(&pushes.gateway(), push(1)).await.unwrap();
    assert_eq!(push_number(&take_push(&mut pushes).await), 1);
    assert_eq!(process.bus.publish_pushes(&old, push(2)).await, Err(PublishError::Unroutable));
    process.publish(10).await.unwrap();
    let mut again = process.join(0, 20).await;
    assert_eq!(take_numbers(&mut again, 11).await, (0..11).collect::<Vec<_>>());
}

/// Waits until a publish has an outcome again.
async fn answers_again(bus: &dyn Bus) {
    let nobody = GatewayRef { id: "nobody".to_owned(), epoch: 1 };
    let answered = async {
        while bus.publish_pushes(&nobody, push(0)).await != Err(PublishError::Unroutable) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, answered).await.expect("it is made again");
}

async fn consumers_notice_that_their_queue_was_deleted(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let mut consumer = process.join(0, 5).await;
    let mut other = process.join(1, 5).await;
    let mut pushes = process.gateway("g1").await;
    let mut state = process.bus.state();
    state.borrow_and_update();
    process.publish(1).await.unwrap();
    let held = take(&mut consumer).await;
    rig.vhost().ctl("delete_queue", &[&rig.names().frame_queue(Lane::Chat, 0)]);
    let ended = tokio::time::timeout(SOON, consumer.next()).await.expect("it is noticed");
    assert!(ended.is_none());
    let lost = process.publish(2).await;
    assert_eq!(lost, Err(PublishError::Unroutable));
    consumer.acker().ack_through(held.tag).await;
    drop(consumer);
    // Who joins again makes the queue again; what was in it is gone.
    let mut again = process.join(0, 5).await;
    process.publish(3).await.unwrap();
    assert_eq!(take_numbers(&mut again, 1).await, [3]);
    // The same for a gateway's queue.
    let old = pushes.gateway();
    rig.vhost().ctl("delete_queue", &[&rig.names().push_queue(&old)]);
    let ended = tokio::time::timeout(SOON, pushes.next()).await.expect("it is noticed");
    assert!(ended.is_none());
    assert_eq!(process.bus.publish_pushes(&old, push(1)).await, Err(PublishError::Unroutable));
    // Nobody else on the connections is troubled.
    process.bus.publish_frames(Lane::Chat, 1, frames(7)).await.unwrap();
    assert_eq!(take_numbers(&mut other, 1).await, [7]);
    assert!(!state.has_changed().unwrap(), "{:?}", *state.borrow());
}

async fn closing_keeps_what_was_acknowledged(kind: Kind) {
    let rig = Rig::new(kind);
    for round in 0..10 {
        let process = rig.process().await;
        process.publish_all(round * 20..round * 20 + 20).await;
        let mut consumer = process.join(0, 20).await;
        let expected: Vec<u64> = (round * 20..round * 20 + 20).collect();
        assert_eq!(take_numbers(&mut consumer, 20).await, expected);
        // With the consumer alive in one round, dropped just before in the next.
        if round % 2 == 0 {
            drop(consumer);
            process.bus.close().await;
        } else {
            process.bus.close().await;
        }
    }
    let process = rig.process().await;
    let mut consumer = process.join(0, 20).await;
    hears_nothing(&mut consumer).await;
}

async fn closing_waits_for_publishes_under_way(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let publishes = join_all((0..200).map(|number| process.publish(number)));
    let (outcomes, ()) = tokio::join!(publishes, async {
        // The first of them are out.
        tokio::task::yield_now().await;
        process.bus.close().await;
    });
    let mut taken = Vec::new();
    for (number, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(()) => taken.push(number as u64),
            Err(PublishError::Unavailable(_)) => {}
            Err(error) => panic!("closing made the outcome of {number} unknown: {error}"),
        }
    }
    let process = rig.process().await;
    let mut consumer = process.join(0, 200).await;
    let mut received = take_numbers(&mut consumer, taken.len()).await;
    received.sort_unstable();
    assert_eq!(received, taken);
    hears_nothing(&mut consumer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_accepts_and_says_nothing_is_given_up_in_time() {
    let rig = classic();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = rig.config(&silent.local_addr().unwrap().to_string());
    config.connect_timeout_ms = 200;
    let bus = RabbitBus::start(config);
    // It is tried again, and the state says what is wrong.
    let mut accepted = Vec::new();
    for _ in 0..3 {
        accepted.push(tokio::time::timeout(LONG, silent.accept()).await.unwrap().unwrap());
    }
    let reason = down(&bus).await;
    assert!(reason.contains("no answer within 200ms"), "{reason}");
    let address = silent.local_addr().unwrap().to_string();
    assert!(reason.contains(&address) && !reason.contains("guest"), "{reason}");
    assert!(matches!(
        bus.publish_frames(Lane::Chat, 0, frames(1)).await,
        Err(PublishError::Unavailable(_))
    ));
    let closing = Instant::now();
    bus.close().await;
    assert!(closing.elapsed() < SOON, "{:?}", closing.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishes_into_a_silent_connection_end_by_their_deadline_and_are_few() {
    const WINDOW: usize = 3;
    let bounds = Bounds { publish_window: WINDOW, publish_timeout_ms: 500, ..Bounds::default() };
    let rig = Rig::with(Kind::Classic, bounds);
    let process = configured(&rig, |config| config.heartbeat_secs = 60).await;
    process.proxy().set(SWALLOWS);
    let began = Instant::now();
    let outcomes = join_all((0..20).map(|number| process.publish(number))).await;
    let took = began.elapsed();
    assert!(took < Duration::from_millis(1500), "{took:?}");
    let unknown = outcomes.iter().filter(|o| matches!(o, Err(PublishError::Unknown(_)))).count();
    let unavailable =
        outcomes.iter().filter(|o| matches!(o, Err(PublishError::Unavailable(_)))).count();
    assert_eq!((unknown, unavailable), (WINDOW, 20 - WINDOW), "{outcomes:?}");
    // The connections are given up, and made again when the network is back.
    down(process.bus.as_ref()).await;
    process.proxy().set(Fault::Pass);
    up(process.bus.as_ref()).await;
    let mut consumer = process.join(0, 50).await;
    process.publish(99).await.unwrap();
    // The unknown ones may have arrived or not; nothing else has.
    loop {
        let number = crate::rig::number(&take(&mut consumer).await.batch);
        if number == 99 {
            break;
        }
        assert!(matches!(outcomes[number as usize], Err(PublishError::Unknown(_))), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_ends_in_time_while_the_network_swallows_everything() {
    let rig = Rig::with(Kind::Classic, Bounds { publish_timeout_ms: 60_000, ..Bounds::default() });
    let process = rig.process().await;
    let mut consumer = process.join(0, 5).await;
    process.publish(1).await.unwrap();
    take(&mut consumer).await;
    process.proxy().set(SWALLOWS);
    let publish = process.publish(2);
    let close = async {
        drop(consumer);
        process.bus.close().await;
    };
    let (published, ()) = tokio::time::timeout(LONG, async { tokio::join!(publish, close) })
        .await
        .expect("closing does not wait for ever");
    assert!(matches!(published, Err(PublishError::Unknown(_))), "{published:?}");
}
