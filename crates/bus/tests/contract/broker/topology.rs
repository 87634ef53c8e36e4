//! Queues that are there already: as they should be, or otherwise.

use std::sync::Arc;
use std::time::Duration;

use bus::rabbitmq::{QueueType, RabbitBus};
use bus::{Bus, BusState, ConsumeError, Lane, PublishError};
use futures_util::future::join_all;
use lapin::options::QueueDeleteOptions;

use super::{classic, durable, of_each_queue_type, plain, starting, texts};
use crate::rig::{Kind, LONG, PARTITIONS, Rig, down, frames, take_numbers, up};
use crate::vhost::Vhost;

of_each_queue_type! {
    processes_of_an_install_may_start_at_once,
    queues_outlive_their_processes,
}

/// Waits until the bus says that what is there is something else.
async fn mismatch(bus: &dyn Bus) -> String {
    let mut state = bus.state();
    let mismatch = state.wait_for(
        |state| matches!(state, BusState::Down(reason) if reason.contains("Topology mismatch")),
    );
    format!("{:?}", *tokio::time::timeout(LONG, mismatch).await.expect("it is told").unwrap())
}

async fn processes_of_an_install_may_start_at_once(kind: Kind) {
    let rig = Rig::new(kind);
    let buses: Vec<Arc<RabbitBus>> =
        (0..4).map(|_| Arc::new(RabbitBus::start(rig.config(Vhost::host())))).collect();
    join_all(buses.iter().map(|bus| up(bus.as_ref()))).await;
    for (number, bus) in buses.iter().enumerate() {
        bus.publish_frames(Lane::Chat, 0, frames(number as u64)).await.unwrap();
    }
    let mut consumer = buses[0].consume_frames(Lane::Chat, 0, 8).await.unwrap();
    assert_eq!(take_numbers(&mut consumer, 4).await, [0, 1, 2, 3]);
}

async fn queues_outlive_their_processes(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    process.publish_all(0..3).await;
    process.bus.close().await;
    let process = rig.process().await;
    let mut consumer = process.join(0, 3).await;
    assert_eq!(take_numbers(&mut consumer, 3).await, [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_gone_costs_the_question_about_it_and_nothing_else() {
    let rig = classic();
    let process = rig.process().await;
    let mut consumer = process.join(0, 8).await;
    assert_eq!(process.bus.depths(Lane::Chat, &[0, 1]).await.unwrap(), [0, 0]);
    let (_connection, channel) = plain(&rig).await;
    let gone = rig.names().frame_queue(Lane::Chat, 1);
    channel.queue_delete(gone.into(), QueueDeleteOptions::default()).await.unwrap();
    let asked = process.bus.depths(Lane::Chat, &[0, 1]).await;
    assert!(matches!(asked, Err(ConsumeError::Unavailable(_))), "{asked:?}");
    // On the connection of the question.
    process.publish(1).await.unwrap();
    assert_eq!(take_numbers(&mut consumer, 1).await, [1]);
    assert_eq!(process.bus.depths(Lane::Chat, &[0]).await.unwrap(), [0], "on another channel");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_with_other_arguments_is_named_and_asked_for_seldom() {
    let rig = classic();
    let right = rig.process().await;
    let queue = rig.names().frame_queue(Lane::Chat, 0);
    let wrong = starting(&rig, |config| config.partition_batches = 7).await;
    let text = mismatch(wrong.bus.as_ref()).await;
    for part in [queue.as_str(), "x-max-length", "prefix", "delete it"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    match wrong.bus.consume_frames(Lane::Chat, 0, 1).await {
        Err(ConsumeError::Topology(text)) => {
            assert!(text.starts_with("Topology mismatch"), "{text}");
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("joined a queue that is another"),
    }
    let published = wrong.bus.publish_frames(Lane::Chat, 0, frames(1)).await;
    assert!(matches!(published, Err(PublishError::Unavailable(_))), "{published:?}");
    // Ten times as rarely as a lost broker, which here is every 200 ms: once in a second or two.
    let (before, mut state) = (wrong.proxy().seen().accepted, wrong.bus.state());
    state.borrow_and_update();
    let _ = tokio::time::timeout(Duration::from_millis(1500), state.changed()).await;
    let attempts = (wrong.proxy().seen().accepted - before) / 2;
    assert!(attempts <= 1, "{attempts} attempts");
    // The other is not troubled, and when it and its queues are gone the new one begins by itself.
    right.publish(1).await.unwrap();
    right.bus.close().await;
    for lane in [Lane::Chat, Lane::Presence] {
        for partition in 0..PARTITIONS {
            let queue = rig.names().frame_queue(lane, partition);
            rig.vhost().ctl("delete_queue", &[&queue]);
        }
    }
    rig.vhost().ctl("delete_queue", &[&rig.names().frame_queue(Lane::Notices, 0)]);
    up(wrong.bus.as_ref()).await;
    wrong.publish(2).await.unwrap();
    let mut consumer = wrong.join(0, 1).await;
    assert_eq!(take_numbers(&mut consumer, 1).await, [2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_queue_type_is_a_mismatch_too() {
    let rig = classic();
    let _right = rig.process().await;
    let wrong = starting(&rig, |config| config.queue_type = QueueType::Quorum).await;
    let text = mismatch(wrong.bus.as_ref()).await;
    assert!(text.contains("x-queue-type") && text.contains("queue_type"), "{text}");
    down(wrong.bus.as_ref()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_replaced_under_a_running_process_is_a_mismatch_for_its_consumer_only() {
    let rig = classic();
    let process = rig.process().await;
    let mut other = process.join(1, 4).await;
    let mut state = process.bus.state();
    state.borrow_and_update();
    let queue = rig.names().frame_queue(Lane::Chat, 0);
    rig.vhost().ctl("delete_queue", &[&queue]);
    let (_connection, channel) = plain(&rig).await;
    let arguments = texts(&[("x-queue-type", "classic")]);
    channel.queue_declare(queue.as_str().into(), durable(), arguments).await.unwrap();
    for _ in 0..3 {
        match process.bus.consume_frames(Lane::Chat, 0, 4).await {
            Err(ConsumeError::Topology(text)) => assert!(text.contains(&queue), "{text}"),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("joined a queue that is another"),
        }
    }
    process.bus.publish_frames(Lane::Chat, 1, frames(5)).await.unwrap();
    assert_eq!(take_numbers(&mut other, 1).await, [5]);
    assert!(!state.has_changed().unwrap(), "{:?}", *state.borrow());
}
