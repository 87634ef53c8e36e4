//! Judges histories: what clients sent, were answered and were shown, beside what the logs hold and what was done to the
//! servers meanwhile.
//!
//! [`history`] and [`facts`] are what happened, in memory; [`event`] is the same as lines of a file, and [`replay`] reads
//! those. [`check`] has the rules; [`check_command`] is `fleet check`. Must not connect to anything.

pub mod changes;
pub mod check;
pub mod check_command;
pub mod cursor;
pub mod event;
pub mod facts;
pub mod history;
pub mod hooks;
mod replay;
pub mod scenario;

pub use check::Verdict;
