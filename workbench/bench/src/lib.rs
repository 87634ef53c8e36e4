//! Generators that only measure, and measure other servers in the same way: one publisher and many members ([`fanout`]),
//! connections that come in ([`arrivals`]) or only stay ([`idle`]), on Tidings, on NATS, or on the least that could
//! deliver a message ([`floor`]). On Tidings alone: what waits for a device ([`waiting`]), many who react to one message
//! ([`storm`]), and pages of a large store ([`pages`]).
//!
//! A [`crowd`] of lean connections does the work for each. Must not judge whether a server keeps its promises.

pub mod arrivals;
pub mod crowd;
pub mod fanout;
pub mod floor;
pub mod idle;
pub mod pages;
pub mod storm;
pub mod waiting;
