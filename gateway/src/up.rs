//! The way up: frames of clients to the services over the bus, how many requests may await their answer, and what is
//! told when answers are lost.
//!
//! Must not know sockets or sessions, nor decide what is stored: the chat service does.

pub(crate) mod broadcast;
pub(crate) mod load_limit;
pub(crate) mod lost_answers;
pub(crate) mod notice_cursors;
pub(crate) mod uplink;

use std::sync::Arc;

use proto::bus::{Frame, frame::Body};
use proto::common::DeviceType;
use proto::hash::Fnv1a;
use proto::id::UserId;
use quick_cache::sync::Cache;

use crate::identity::Identity;
use load_limit::LoadLimit;
use notice_cursors::NoticeCursors;
use uplink::Uplink;

/// The entrance. As long as a copy of it is there, the uplink goes on.
#[derive(Clone)]
pub(crate) struct Up {
    pub(crate) uplink: Uplink,
    pub(crate) load_limit: Arc<LoadLimit>,
    pub(crate) notice_cursors: Arc<NoticeCursors>,
    /// Users whose profile was reported lately, with the hash of what was reported.
    profiles: Arc<Cache<UserId, u64>>,
}

impl Up {
    /// Remembers of so many users what was reported of them.
    pub(crate) fn new(
        uplink: Uplink,
        load_limit: LoadLimit,
        notice_cursors: Arc<NoticeCursors>,
        reported_profiles: usize,
    ) -> Self {
        let profiles = Arc::new(Cache::new(reported_profiles.max(1)));
        Self { uplink, load_limit: Arc::new(load_limit), notice_cursors, profiles }
    }

    /// Tells the chat service what a token says of its user, unless it was told lately.
    pub(crate) fn report_profile(&self, identity: &Identity, connection: u64) {
        let claims = &identity.claims;
        let (name, avatar) = (
            claims.name.as_deref().unwrap_or_default(),
            claims.avatar.as_deref().unwrap_or_default(),
        );
        let hash = Fnv1a::default().field(name.as_bytes()).field(avatar.as_bytes()).finish();
        if self.profiles.get(&identity.user_id) == Some(hash) {
            return;
        }
        let frame = Frame {
            origin: Some(identity.origin(connection, "", DeviceType::Unspecified)),
            ..Frame::from(Body::Profile(proto::bus::Profile {}))
        };
        if self.uplink.profile(&identity.user_id, frame).is_ok() {
            self.profiles.insert(identity.user_id.clone(), hash);
        }
    }
}
