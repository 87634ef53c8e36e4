//! Appending: the frames of a batch are sorted, their operations planned and committed, and what is to be told is handed
//! to delivery.
//!
//! Must not push anything itself and must not acknowledge: it works on what it is given and returns what to tell.
//! A panic anywhere in it costs one frame, never the worker.

mod answers;
mod appender;
mod dead_letters;
mod guarded;
mod letter;
mod log_writer;
mod narrowed;
mod newcomers;
mod parts;
mod planted;
mod quotas;
mod repeats;
mod sorted;
mod sources;
mod suspects;
mod taken;
mod tallies;
mod undelivered;

pub(crate) use appender::Appender;
pub(crate) use dead_letters::DeadLetterWriter;
pub(crate) use guarded::{one_by_one, step};
pub(crate) use parts::AppendParts;
pub(crate) use quotas::Quotas;
pub(crate) use suspects::{Care, Suspects};
pub(crate) use taken::Taken;
