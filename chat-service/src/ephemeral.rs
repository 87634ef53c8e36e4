//! What a batch holds beside operations: cursors, typing, profiles, call signals and the questions of operators where an
//! entry was pushed.
//!
//! Must not append to a log. What fails here is not tried again: clients say it again.

mod collected;
mod cursors;
mod discreet;
mod parts;
mod profiles;
mod reads;
mod receivers;
mod signals;
mod thread_reads;
mod typing;

pub(crate) use collected::Collected;
pub(crate) use discreet::Discreet;
pub(crate) use parts::EphemeralParts;
pub(crate) use reads::Reads;
