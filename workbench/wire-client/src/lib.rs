//! The public protocol from a client's side, for every generator of the workbench: a lean WebSocket client, a reader of
//! server frames that allocates nothing, names and texts that tell what they belong to, tokens, REST, and what server
//! processes cost.
//!
//! Must not decide what is sent when, nor judge what is heard, and must not know how the servers work inside.

pub mod clock;
pub mod cuts;
pub mod hear;
pub mod identity;
pub mod latency;
pub mod message;
pub mod prepare;
pub mod processes;
pub mod rest;
pub mod scan;
pub mod token;
pub mod turns;
pub mod values;
pub mod wire;
pub mod ws;
