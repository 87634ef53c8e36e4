//! Conversations, their logs, and the delivery of what was appended.

pub mod domain;
pub mod store;
