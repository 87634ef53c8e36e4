//! The phases of a run, which the conductor leads all threads through. Must not know what a thread does in them.

/// What the fleet is doing; the coordinator says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Clients connect.
    Connect,
    /// Clients send.
    Send {
        /// Sends due, and answers come, from here to there are measured; the run's microseconds.
        measured_us: (u64, u64),
    },
    /// Nobody sends; what is under way arrives.
    Drain,
    /// Over.
    Stop,
}
