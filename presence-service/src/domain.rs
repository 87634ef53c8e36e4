//! The rules of presence: what a user's registrations and own choice add up to, when a gateway's
//! registrations end, and who is told what.
//!
//! Plain functions and types without I/O and without a clock: the time is an argument.

pub mod account;
pub mod announce;
pub mod client;
pub mod lease;
pub mod load;
pub mod pending;
pub mod registration;
pub mod rivals;
pub mod spending;
pub mod status;
