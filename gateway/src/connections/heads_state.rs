//! What a connection keeps for the heads that its device is told. Must not ask for heads or tell them: `down::heads` does.

use std::sync::atomic::{AtomicBool, AtomicU32};

/// The state.
#[derive(Debug, Default)]
pub(crate) struct HeadsState {
    /// It waits for a `pong`.
    pub(crate) is_waiting: AtomicBool,
    /// How many conversations its user had when it was last asked, and 1; 0 before.
    pub(crate) known: AtomicU32,
    /// It has asked for `heads2`.
    pub(crate) compares_entries: bool,
}

impl HeadsState {
    pub(crate) fn of(compares_entries: bool) -> Self {
        Self { compares_entries, ..Self::default() }
    }
}
