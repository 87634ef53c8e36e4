//! A load-testing client fleet that checks correctness while it measures.
//!
//! It speaks only the public protocol: WebSocket frames and REST, with tokens it signs itself. It
//! must not know how the servers work inside, and must cost little: it shares the machine with them.

pub mod check;
mod cursor;
mod hear;
pub mod history;
mod identity;
mod message;
mod scan;
mod ws;
