//! What others need of a connection: whose it is, where it is, and the way to it. Must not read or write the socket: that
//! is for its session.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use proto::common::DeviceType;
use proto::id::{DeviceId, UserId};

use super::heads_state::HeadsState;
use super::outbox::Outbox;
use super::own_status::OwnStatusCell;
use crate::identity::{Credential, UserHash};
use crate::net::event_stream::Inbox;

/// What others need of a connection.
#[derive(Debug)]
pub struct Connection {
    /// Unique within this process.
    pub number: u64,
    /// Whose it is.
    pub user_id: UserId,
    /// The same for the journal, which would have to look far for it at each write.
    pub user_hash: UserHash,
    /// Its device.
    pub device_id: DeviceId,
    /// What the device is.
    pub device_type: DeviceType,
    /// When it was made, in Unix milliseconds.
    pub connected_at_ms: u64,
    /// Where its client is.
    pub ip: IpAddr,
    /// What its client calls itself, cut; empty when it says nothing.
    pub user_agent: Box<str>,
    /// What its user chose to be shown as.
    pub own_status: OwnStatusCell,
    /// It has left the registry.
    pub gone: AtomicBool,
    /// Its client is to be asked to connect anew: others have more room.
    pub is_to_move: AtomicBool,
    /// By what its token is known; another when the connection was extended.
    pub credential: Mutex<Credential>,
    /// What waits for it.
    pub outbox: Outbox,
    /// Where its client's posts come in; none where it is a socket.
    pub(crate) inbox: Option<Arc<Inbox>>,
    /// What is known of its user's heads.
    pub(crate) heads: HeadsState,
    /// The roles of its user's token; others when the connection was extended.
    pub(crate) roles: Mutex<Arc<[String]>>,
    /// Its client keeps the log of notices.
    pub(crate) keeps_notices: bool,
}

impl Connection {
    /// True when nobody reads its outbox any more.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// It is in the registry no more.
    pub(super) fn has_left(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
impl Connection {
    /// A socket of a user's only device.
    pub(crate) fn for_test(number: u64, user: &str) -> Arc<Self> {
        let credential =
            Credential { token_id: [0; 32], any_issuer_id: [0; 32], issued_secs: 0, until_ms: 0 };
        Arc::new(Self {
            number,
            user_hash: UserHash::of(&UserId::parse_qualified(user).unwrap()),
            user_id: UserId::parse_qualified(user).unwrap(),
            device_id: DeviceId::parse("device").unwrap(),
            device_type: DeviceType::Unspecified,
            connected_at_ms: 0,
            ip: std::net::Ipv4Addr::LOCALHOST.into(),
            user_agent: Box::default(),
            own_status: OwnStatusCell::default(),
            gone: AtomicBool::new(false),
            is_to_move: AtomicBool::new(false),
            credential: Mutex::new(credential),
            outbox: Outbox::default(),
            inbox: None,
            heads: HeadsState::default(),
            roles: Mutex::new(Arc::new([])),
            keeps_notices: true,
        })
    }
}
