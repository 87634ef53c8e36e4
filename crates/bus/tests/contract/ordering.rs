//! Guarantee 1: order, and batches that arrive as they were.

use bus::Lane;
use proto::bus::{
    Answer, EntryPush, Frame, FrameBatch, Operation, Origin, Push, PushBatch, Send, Sent,
    answer::Outcome, frame::Body, operation::Action, push,
};
use proto::common::GatewayRef;

use crate::rig::{
    Kind, PARTITIONS, Rig, frames, number, push, push_number, says, take, take_numbers, take_push,
};

pub async fn batches_arrive_whole_and_in_order(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let mut consumer = process.join(0, 16).await;
    for count in 0..100_u64 {
        process.bus.publish_frames(Lane::Chat, 0, many(count)).await.unwrap();
    }
    for count in 0..100_u64 {
        let delivery = take(&mut consumer).await;
        assert_eq!(delivery.batch, many(count));
        assert!(!delivery.redelivered);
        consumer.acker().ack_through(delivery.tag).await;
    }
}

/// A batch with as many frames, every field set.
fn many(count: u64) -> FrameBatch {
    let frame = |number: u64| Frame {
        origin: Some(Origin {
            connection: number,
            user_id: "ann".to_owned(),
            device_id: "phone".to_owned(),
            device_type: 2,
            name: "Ann Ä".to_owned(),
            avatar: "https://example.org/a.png".to_owned(),
            admin: number.is_multiple_of(2),
            bot: !number.is_multiple_of(2),
            moderator: number.is_multiple_of(3),
            ip: "192.0.2.1".to_owned(),
        }),
        traceparent: String::new(),
        r#ref: number.to_string(),
        client_id: vec![7; 16].into(),
        body: Some(Body::Operation(Operation {
            conversation_id: vec![8; 16].into(),
            refusal: "Ä".to_owned(),
            action: Some(Action::Send(Send {
                content: r#"{"text":"hi"}"#.to_owned(),
                mentions: vec!["bob".to_owned()],
                ..Send::default()
            })),
        })),
    };
    let gateway = Some(GatewayRef { id: "gateway-1".to_owned(), epoch: u64::MAX - count });
    FrameBatch { gateway, frames: (0..count).map(frame).collect(), oldest_ms: 0 }
}

pub async fn lanes_and_partitions_do_not_mix(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let places = || {
        let lanes = [Lane::Chat, Lane::Presence];
        lanes.into_iter().flat_map(|lane| (0..PARTITIONS).map(move |partition| (lane, partition)))
    };
    for (mark, (lane, partition)) in places().enumerate() {
        process.bus.publish_frames(lane, partition, frames(mark as u64)).await.unwrap();
    }
    for (mark, (lane, partition)) in places().enumerate() {
        let mut consumer = process.bus.consume_frames(lane, partition, 8).await.unwrap();
        assert_eq!(number(&take(&mut consumer).await.batch), mark as u64);
        crate::rig::hears_nothing(&mut consumer).await;
    }
}

pub async fn pushes_arrive_whole_and_in_order(kind: Kind) {
    let rig = Rig::new(kind);
    let (services, gateway) = (rig.process().await, rig.process().await);
    let mut consumer = gateway.gateway("g1").await;
    let address = consumer.gateway();
    assert_eq!(address.id, "g1");
    let batch = |number: u64| PushBatch {
        pushes: vec![
            Push::from(push::Body::Entry(EntryPush {
                connections: vec![number, number + 1],
                frame: vec![b'x'; number as usize].into(),
                conversation_id: vec![2; 16].into(),
                seq: number,
                channel: None,
                sent_ms: u64::MAX,
            })),
            Push::from(push::Body::Answer(Answer {
                connection: number,
                client_id: vec![1; 16].into(),
                r#ref: number.to_string(),
                outcome: Some(Outcome::Sent(Sent { seq: number, ..Sent::default() })),
            })),
            Push::default(),
        ],
    };
    for number in 0..100 {
        services.bus.publish_pushes(&address, batch(number)).await.unwrap();
    }
    for number in 0..100 {
        assert_eq!(take_push(&mut consumer).await, batch(number));
    }
}

pub async fn publishers_beside_each_other_each_keep_their_order(kind: Kind) {
    const EACH: u64 = 100;
    let rig = Rig::new(kind);
    let (one, two) = (rig.process().await, rig.process().await);
    let mut consumer = one.join(0, 64).await;
    tokio::join!(
        one.publish_all(0..EACH),
        one.publish_all(1000..1000 + EACH),
        two.publish_all(2000..2000 + EACH),
        async {
            let mut next = [0, 1000, 2000];
            for _ in 0..3 * EACH {
                let delivery = take(&mut consumer).await;
                let number = number(&delivery.batch);
                let expected = &mut next[number as usize / 1000];
                assert_eq!(number, *expected);
                *expected += 1;
                consumer.acker().ack_through(delivery.tag).await;
            }
        }
    );
}

pub async fn a_batch_of_megabytes_arrives_whole(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let text = |letter: &str, bytes: usize| {
        let frame = says(letter.repeat(bytes));
        FrameBatch { gateway: None, frames: vec![frame], oldest_ms: 0 }
    };
    let mut consumer = process.join(0, 16).await;
    let sizes = [3_000_000, 0, 131_072, 131_064, 1];
    for bytes in sizes {
        process.bus.publish_frames(Lane::Chat, 0, text("a", bytes)).await.unwrap();
    }
    for bytes in sizes {
        assert!(take(&mut consumer).await.batch == text("a", bytes), "{bytes} bytes");
    }
    let mut pushes = process.gateway("g1").await;
    let entry = EntryPush { frame: vec![b'p'; 2_000_000].into(), ..EntryPush::default() };
    let large = PushBatch { pushes: vec![push::Body::Entry(entry).into()] };
    process.bus.publish_pushes(&pushes.gateway(), large.clone()).await.unwrap();
    process.bus.publish_pushes(&pushes.gateway(), push(7)).await.unwrap();
    assert!(take_push(&mut pushes).await == large);
    assert_eq!(push_number(&take_push(&mut pushes).await), 7);
}

pub async fn traces_travel_with_frames_and_pushes(kind: Kind) {
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned();
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let mut consumer = process.join(0, 4).await;
    let mut batch = frames(1);
    batch.frames[0].traceparent.clone_from(&traceparent);
    process.bus.publish_frames(Lane::Chat, 0, batch).await.unwrap();
    assert_eq!(take(&mut consumer).await.batch.frames[0].traceparent, traceparent);

    let mut pushes = process.gateway("g1").await;
    let mut batch = push(1);
    batch.pushes[0].traceparent.clone_from(&traceparent);
    process.bus.publish_pushes(&pushes.gateway(), batch).await.unwrap();
    assert_eq!(take_push(&mut pushes).await.pushes[0].traceparent, traceparent);
    // And what has none does not get one.
    process.publish(2).await.unwrap();
    assert_eq!(take_numbers(&mut consumer, 1).await, [2]);
}
