//! Guarantee 8: a consumer holds a bounded number of batches.

use crate::rig::{Kind, Rig, hears_nothing, number, take};

pub async fn a_consumer_holds_no_more_than_its_prefetch(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    process.publish_all(0..10).await;
    let mut consumer = process.join(0, 3).await;
    let mut tags = Vec::new();
    for expected in 0..3 {
        let delivery = take(&mut consumer).await;
        assert_eq!(number(&delivery.batch), expected);
        tags.push(delivery.tag);
    }
    hears_nothing(&mut consumer).await;
    // Room for one, and for one only.
    consumer.acker().ack_through(tags[0]).await;
    assert_eq!(number(&take(&mut consumer).await.batch), 3);
    hears_nothing(&mut consumer).await;
    // Room for two more.
    consumer.acker().ack_through(tags[2]).await;
    assert_eq!(number(&take(&mut consumer).await.batch), 4);
    assert_eq!(number(&take(&mut consumer).await.batch), 5);
    hears_nothing(&mut consumer).await;
}

pub async fn a_consumer_that_asks_for_nothing_still_gets_one(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    process.publish_all(0..3).await;
    // On a broker a prefetch of zero means without a bound.
    let mut consumer = process.join(0, 0).await;
    let delivery = take(&mut consumer).await;
    hears_nothing(&mut consumer).await;
    consumer.acker().ack_through(delivery.tag).await;
    assert_eq!(number(&take(&mut consumer).await.batch), 1);
}
