//! A load-testing client fleet that checks correctness while it measures.
//!
//! It speaks only the public protocol: WebSocket frames, REST and events on the broker, with tokens it signs itself. It
//! must not know how the servers work inside, and must cost little: it shares the machine with them.
//!
//! A run: [`run`] lays out who talks to whom, starts a thread or more of clients, leads them through
//! connecting, sending and draining, and hands what they recorded to [`verdict::check`].
//! [`attack`] misbehaves, beside a run that judges whether anybody else notices. [`changes`] and [`hooks`] are fleets of their
//! own for what happens to messages after they are sent. [`events`] and [`pushes`] measure what follows the commit.
//!
//! The binary `fleet` has the commands of the other crates of the workbench, too: generators, the checker, the fault
//! proxy, and the rules of the protocol (`conformance`).

pub mod attack;
mod author;
pub mod changes;
mod client;
mod connection;
mod counters;
pub mod events;
pub mod hooks;
mod load;
mod measures;
pub mod options;
mod phase;
mod pieces;
mod plan;
mod progress;
pub mod pushes;
mod record;
pub mod report;
mod rest;
mod run;
mod shared;
mod signalling;
mod ticker;
mod worker;

pub use options::Options;
pub use report::Report;
pub use run::{RunError, run};
