//! A request over REST that waits for an answer from the bus: a pseudo connection in the registry, which
//! leaves it again however the request ends.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use parking_lot::Mutex;
use proto::bus::{DeviceType, Frame, frame::Body};

use crate::connection::handshake;
use crate::heads::HeadsState;
use crate::journal::UserHash;
use crate::outbox::{Outbox, Taken};
use crate::own_status::OwnStatusCell;
use crate::registry::{Connection, Registry};
use crate::shared::{Identity, Shared, unix_ms};

/// One request's place among the connections.
pub(super) struct Asker {
    registry: Arc<Registry>,
    connection: Arc<Connection>,
    pub(super) entered_at: Instant,
}

impl Asker {
    /// Enters the registry.
    pub(super) fn enter(shared: &Shared, identity: &Identity) -> Self {
        let connection = Arc::new(Connection {
            number: shared.registry.next_number(),
            user_id: identity.user_id.clone(),
            user_hash: UserHash::of(&identity.user_id),
            device_id: handshake::device(identity, None),
            device_type: DeviceType::Unspecified,
            connected_at_ms: unix_ms(),
            ip: None,
            user_agent: Box::default(),
            is_socket: false,
            own_status: OwnStatusCell::default(),
            gone: AtomicBool::new(false),
            is_to_move: AtomicBool::new(false),
            credential: Mutex::new(identity.credential.clone()),
            outbox: Outbox::default(),
            inbox: None,
            heads: HeadsState::default(),
        });
        shared.registry.insert(Arc::clone(&connection));
        Self { registry: Arc::clone(&shared.registry), connection, entered_at: Instant::now() }
    }

    /// By what an answer finds it.
    pub(super) fn number(&self) -> u64 {
        self.connection.number
    }

    /// A frame whose answer comes here.
    pub(super) fn frame(&self, identity: &Identity, traceparent: String, body: Body) -> Frame {
        let origin = identity.origin(self.number(), "rest", DeviceType::Unspecified);
        Frame { origin: Some(origin), traceparent, body: Some(body) }
    }

    /// What has come since the last time. Cancel safe.
    pub(super) async fn taken(&self) -> Taken {
        self.connection.outbox.changed().await;
        self.connection.outbox.take()
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.registry.remove(self.connection.number);
    }
}
