//! Judges what changes make of messages: edits, reactions, pins, deletes and replies in threads, as devices hold them and as
//! the server answers, beside the folds of the logs.
//!
//! [`fold`] is the rule of docs/protocol.md for one message, [`device`] those of a device, [`account`] what a run hands
//! over, and [`judge`] compares. Must not connect to anything, and knows nothing of how the server folds.

pub mod account;
pub mod device;
pub mod fold;
mod judge;
mod known;
mod operations;
#[cfg(test)]
mod tests;

pub use account::Account;
pub use judge::judge;
