//! Guarantee 13: how much waits can be asked, and asking changes nothing.

use bus::Lane;

use crate::rig::{Kind, LONG, Process, Rig, number, take};

/// Waits until the depths of both partitions are these: a broker counts a moment later.
async fn until(process: &Process, expected: [u64; 2]) {
    let mut last = Vec::new();
    let asked = async {
        loop {
            last = process.bus.depths(Lane::Chat, &[0, 1]).await.unwrap();
            if last == expected {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(LONG, asked).await;
    assert!(waited.is_ok(), "{last:?}, not {expected:?}");
}

pub async fn what_waits_is_counted_by_partition_and_what_is_taken_is_not(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    until(&process, [0, 0]).await;
    process.publish_all(0..5).await;
    until(&process, [5, 0]).await;
    assert_eq!(process.bus.depths(Lane::Chat, &[1, 0]).await.unwrap(), [0, 5], "in their order");
    assert_eq!(process.bus.depths(Lane::Presence, &[0]).await.unwrap(), [0], "another lane");
    assert_eq!(process.bus.depths(Lane::Chat, &[]).await.unwrap(), [0; 0]);
    let mut consumer = process.join(0, 2).await;
    let first = take(&mut consumer).await;
    // Two are with the consumer, whether it has looked at the second or not.
    take(&mut consumer).await;
    until(&process, [3, 0]).await;
    consumer.acker().ack_through(first.tag).await;
    take(&mut consumer).await;
    until(&process, [2, 0]).await;
    // What it gives back waits again.
    drop(consumer);
    until(&process, [4, 0]).await;
}

pub async fn asking_takes_nothing_and_disturbs_no_consumer(kind: Kind) {
    let rig = Rig::new(kind);
    let (process, other) = (rig.process().await, rig.process().await);
    let mut consumer = process.join(0, 1).await;
    for expected in 0..20 {
        process.publish_all([expected]).await;
        let (depths, others) = tokio::join!(
            process.bus.depths(Lane::Chat, &[0, 1]),
            other.bus.depths(Lane::Chat, &[0, 1])
        );
        assert!(depths.unwrap()[0] <= 1 && others.unwrap()[0] <= 1);
        // Dropped on its way.
        let dropped = process.bus.depths(Lane::Chat, &[0, 1]);
        let _ = futures_util::FutureExt::now_or_never(dropped);
        let delivery = take(&mut consumer).await;
        assert_eq!(number(&delivery.batch), expected);
        assert!(!delivery.redelivered);
        consumer.acker().ack_through(delivery.tag).await;
    }
    until(&other, [0, 0]).await;
}

pub async fn a_question_about_no_partition_fails_alone(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let mut consumer = process.join(0, 1).await;
    assert!(process.bus.depths(Lane::Chat, &[0, crate::rig::PARTITIONS]).await.is_err());
    process.publish_all(0..1).await;
    assert_eq!(number(&take(&mut consumer).await.batch), 0);
    until(&process, [0, 0]).await;
}
