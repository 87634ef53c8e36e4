//! The way down: pushes from the bus to the outboxes of connections, large conversations, broadcasts, heads, and the bound
//! of what waits for all sockets.
//!
//! Must not answer clients by itself, and keeps nothing that cannot be asked for again.

pub(crate) mod broadcast;
pub(crate) mod downlink;
pub(crate) mod epoch;
pub(crate) mod heads;
pub(crate) mod large;
pub(crate) mod notices;
mod own_keys;
pub(crate) mod relief;
pub(crate) mod urgent;

use std::sync::Arc;

use epoch::Epoch;
use heads::HeadsLink;
use notices::NoticeHeads;
use relief::Relief;

/// What sessions need of it.
#[derive(Clone)]
pub(crate) struct Down {
    pub(crate) heads: HeadsLink,
    /// Of the message store.
    pub(crate) epoch: Arc<Epoch>,
    pub(crate) notices: Arc<NoticeHeads>,
    pub(crate) relief: Arc<Relief>,
}
