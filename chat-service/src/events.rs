//! Events for systems that integrate with an install: what an entry of a log is as a CloudEvent, which of them somebody wants,
//! and how they are put together. Pure: `followers` and `queries` read and send them.
//!
//! Each entry of a conversation is one event, so that its `sequence` has no gap for a subscriber that takes all types.

mod batches;
mod event;
mod types;

pub use batches::{Batch, Bounds, batches};
pub use event::{Event, SINGLE};
pub use types::{EventType, Patterns, UnknownType};

#[cfg(test)]
pub(crate) use event::tests::row as tests_row;
