//! Connections as they are shown to people, and pages of them that are no larger than they may be.

use prost::Message as _;
use proto::presence::{ConnectionsReply, Session as SessionProto, UserSession};

use crate::store::{ListPage, ListPlace, Listed, Session};

/// A page of so many bytes, of one connection at least.
pub(super) fn fitting(page: ListPage, bytes: usize) -> ConnectionsReply {
    let mut reply = ConnectionsReply {
        next: page.next.map(|next| next.encode()).unwrap_or_default(),
        ..ConnectionsReply::default()
    };
    let (mut held, mut last) = (0, None);
    for listed in page.connections {
        let Listed { place, session: of } = listed;
        let shown = UserSession { user_id: place.user_id.to_string(), session: Some(session(of)) };
        held += shown.encoded_len();
        if held > bytes
            && let Some(last) = &last
        {
            reply.next = ListPlace::encode(last);
            break;
        }
        last = Some(place);
        reply.connections.push(shown);
    }
    reply
}

pub(super) fn session(session: Session) -> SessionProto {
    SessionProto {
        gateway_id: session.gateway_id,
        connection: session.connection,
        device_id: session.device_id,
        device_type: i32::from(session.device_type),
        connected_at_ms: session.connected_at_ms,
        ip: session.client.ip.into(),
        user_agent: session.client.user_agent.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::client::Client;
    use proto::id::{GatewayId, UserId};

    fn page(count: u64, next: Option<u64>) -> ListPage {
        let place = |connection| ListPlace {
            user_id: UserId::parse_qualified("ann").unwrap(),
            connection,
            gateway_id: GatewayId::parse("g1").unwrap(),
        };
        let listed = |connection| Listed {
            place: place(connection),
            session: Session {
                gateway_id: "g1".to_owned(),
                connection,
                device_id: "phone".to_owned(),
                device_type: 1,
                connected_at_ms: 1,
                client: Client::new("192.0.2.1", &"x".repeat(200)),
            },
        };
        ListPage { connections: (0..count).map(listed).collect(), next: next.map(place) }
    }

    #[test]
    fn a_page_ends_before_it_is_too_large_and_the_next_one_begins_there() {
        let whole = fitting(page(10, Some(9)), 1 << 20);
        assert_eq!(
            (whole.connections.len(), whole.next),
            (10, "ann,0000000000000009,g1".to_owned())
        );
        assert_eq!(fitting(page(10, None), 1 << 20).next, "");
        let cut = fitting(page(10, None), 1_000);
        assert!((2..10).contains(&cut.connections.len()), "{}", cut.connections.len());
        let last = cut.connections.last().and_then(|it| it.session.as_ref()).unwrap().connection;
        assert_eq!(cut.next, format!("ann,{last:016x},g1"));
        let one = fitting(page(3, None), 0);
        assert_eq!((one.connections.len(), one.next), (1, "ann,0000000000000000,g1".to_owned()));
        assert_eq!(fitting(page(0, None), 0), ConnectionsReply::default());
    }
}
