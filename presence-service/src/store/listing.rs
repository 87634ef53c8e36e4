//! The list of all connections, for operators: in the order of their places, so that a walk gives each connection
//! that is there all the while once, whichever connections come and go meanwhile.

use proto::id::{GatewayId, UserId};

use super::Session;

/// A connection's place in the list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListPlace {
    pub user_id: UserId,
    /// Its number.
    pub connection: u64,
    pub gateway_id: GatewayId,
}

/// A connection in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where a walk goes on behind it.
    pub place: ListPlace,
    pub session: Session,
}

/// A part of the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListPage {
    /// In their order; fewer than asked for where some ended meanwhile.
    pub connections: Vec<Listed>,
    /// Where the walk goes on; none at the end of the list.
    pub next: Option<ListPlace>,
}

impl ListPlace {
    /// As it is handed out.
    pub fn encode(&self) -> String {
        let Self { user_id, connection, gateway_id } = self;
        format!("{user_id},{connection:016x},{gateway_id}")
    }

    /// One that was handed out. Ids have no comma.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        let (user_id, connection, gateway_id) = (parts.next()?, parts.next()?, parts.next()?);
        if connection.len() != 16 || parts.next().is_some() {
            return None;
        }
        Some(Self {
            user_id: UserId::parse_qualified(user_id).ok()?,
            connection: u64::from_str_radix(connection, 16).ok()?,
            gateway_id: GatewayId::parse(gateway_id).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_handed_out_and_nothing_else_is() {
        let place = ListPlace {
            user_id: UserId::parse_qualified("ann+1@example.org").unwrap(),
            connection: u64::MAX,
            gateway_id: GatewayId::parse("gateway-1").unwrap(),
        };
        assert_eq!(ListPlace::parse(&place.encode()), Some(place));
        for bad in [
            "",
            "ann",
            "ann,1,g",
            "ann,000000000000000g,g",
            "a b,0000000000000001,g",
            "ann,0000000000000001,g,",
            "ann,0000000000000001,",
        ] {
            assert_eq!(ListPlace::parse(bad), None, "{bad}");
        }
    }
}
