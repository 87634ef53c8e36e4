//! Guarantee 10: acknowledgements that come twice, out of turn or too late.

use crate::rig::{Kind, Rig, hears_nothing, number, take, take_numbers};

pub async fn acknowledgements_may_come_twice_and_out_of_turn(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    process.publish_all(0..10).await;
    let mut consumer = process.join(0, 4).await;
    let acker = consumer.acker();
    let mut tags = Vec::new();
    for _ in 0..4 {
        tags.push(take(&mut consumer).await.tag);
    }
    for tag in [tags[2], tags[2], tags[0], tags[1]] {
        acker.ack_through(tag).await;
    }
    // From several tasks at once, with several ackers.
    let (other, third) = (consumer.acker(), consumer.acker());
    tokio::join!(
        acker.ack_through(tags[3]),
        other.ack_through(tags[3]),
        third.ack_through(tags[1]),
    );
    // The consumer lives and has room for four.
    for expected in 4..8 {
        assert_eq!(number(&take(&mut consumer).await.batch), expected);
    }
    drop(consumer);
    let mut next = process.join(0, 10).await;
    assert_eq!(take_numbers(&mut next, 6).await, (4..10).collect::<Vec<_>>());
}

pub async fn an_acknowledgement_never_reaches_beyond_what_was_delivered(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    process.publish_all(0..10).await;
    let mut consumer = process.join(0, 10).await;
    let acker = consumer.acker();
    acker.ack_through(5).await;
    let first = take(&mut consumer).await;
    // Eight more are on their way and have not been handed out.
    acker.ack_through(first.tag + 100).await;
    assert_eq!(number(&take(&mut consumer).await.batch), 1);
    drop(consumer);
    let mut next = process.join(0, 10).await;
    assert_eq!(take_numbers(&mut next, 9).await, (1..10).collect::<Vec<_>>());
}

pub async fn late_acknowledgements_are_harmless(kind: Kind) {
    let rig = Rig::new(kind);
    let (process, other) = (rig.process().await, rig.process().await);
    process.publish_all(0..10).await;
    let mut gone = process.join(0, 4).await;
    let late = gone.acker();
    let mut tag = 0;
    for _ in 0..4 {
        tag = take(&mut gone).await.tag;
    }
    drop(gone);
    // Before, while and after the next consumer holds the same batches.
    late.ack_through(tag - 2).await;
    let mut next = other.join(0, 4).await;
    assert_eq!(number(&take(&mut next).await.batch), 0);
    late.ack_through(tag).await;
    for expected in 1..4 {
        assert_eq!(number(&take(&mut next).await.batch), expected);
    }
    hears_nothing(&mut next).await;
    drop(next);
    let mut last = process.join(0, 10).await;
    late.ack_through(tag).await;
    assert_eq!(take_numbers(&mut last, 10).await, (0..10).collect::<Vec<_>>());
}
