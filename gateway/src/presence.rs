//! What the presence service is told of this gateway and hears back: connections that came and went, the heartbeat, another
//! process of the same name.
//!
//! Must not let anybody in or close anything: sessions wait for what presence decides.

mod link;
mod live;
mod rival;

pub(crate) use link::{PresenceEvents, PresenceLink, Registered, Reporter, heartbeat};
pub(crate) use live::Live;
pub(crate) use rival::Rival;
