//! A load-testing client fleet that checks correctness while it measures.
//!
//! It speaks only the public protocol: WebSocket frames and REST, with tokens it signs itself. It
//! must not know how the servers work inside, and must cost little: it shares the machine with them.
//!
//! A run: [`run`] lays out who talks to whom, starts a thread or more of clients, leads them through
//! connecting, sending and draining, and hands what they recorded to [`check`].
//! [`fault_proxy`] stands between any two processes and spoils their connections.
//!
//! [`attack`] misbehaves, beside a run that judges whether anybody else notices.
//!
//! [`fanout`], [`arrivals`] and [`idle`] only measure, and measure others alike: a [`crowd`] of lean
//! connections to Tidings, to NATS, or to a [`floor`].

pub mod arrivals;
pub mod attack;
mod author;
pub mod check;
pub mod check_command;
mod client;
mod clock;
mod connection;
mod counters;
pub mod crowd;
mod cursor;
#[cfg(test)]
mod cuts;
mod event;
mod facts;
pub mod fanout;
pub mod fault_proxy;
pub mod floor;
mod hear;
pub mod history;
mod identity;
pub mod idle;
mod load;
mod measures;
mod message;
pub mod options;
mod plan;
mod processes;
mod progress;
mod record;
mod replay;
pub mod report;
mod rest;
mod run;
mod scan;
mod shared;
mod signalling;
mod ticker;
mod token;
mod worker;
mod ws;

pub use options::Options;
pub use report::{Report, Verdict};
pub use run::{RunError, run};
