//! Guarantees 15 and 17: events.

use bus::{Events, PublishError};

use crate::rig::{Kind, Rig};

/// Events of a key that say their number.
pub fn events(key: &str, number: u64) -> Events {
    Events {
        key: key.to_owned(),
        content_type: "application/cloudevents+json",
        attributes: vec![("cloudEvents:type", "chat.message.received".to_owned())],
        body: number.to_string().into_bytes().into(),
    }
}

pub async fn events_that_nobody_reads_are_unroutable(kind: Kind) {
    let rig = Rig::new(kind);
    let process = rig.process().await;
    let published = process.bus.publish_events(events("default.chat.message.received", 1)).await;
    assert!(matches!(published, Err(PublishError::Unroutable)), "{published:?}");
}

pub async fn events_reach_those_who_listen_for_their_type(kind: Kind) {
    let rig = Rig::new(kind);
    let (teller, listener) = (rig.process().await, rig.process().await);
    let types = ["chat.typing", "ws.connect"];
    let mut first = listener.bus.consume_events(&types).await.unwrap();
    let mut second = teller.bus.consume_events(&types[..1]).await.unwrap();
    for (key, number) in [
        ("default.chat.typing", 1),
        ("default.ws.disconnect", 2),
        ("other.chat.typing", 3),
        ("default.ws.connect", 4),
    ] {
        match teller.bus.publish_events(events(key, number)).await {
            Ok(()) => {}
            Err(PublishError::Unroutable) => assert_eq!(number, 2, "only this has no listener"),
            Err(error) => panic!("{error}"),
        }
    }
    for number in ["1", "3", "4"] {
        assert_eq!(first.next().await.as_deref(), Some(number.as_bytes()));
    }
    for number in ["1", "3"] {
        assert_eq!(second.next().await.as_deref(), Some(number.as_bytes()));
    }
    teller.bus.close().await;
    assert!(second.next().await.is_none(), "a listener ends with its bus");
}
