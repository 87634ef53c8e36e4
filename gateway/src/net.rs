//! The network as sessions see it: TCP streams, frames ready for sockets, the two kinds of transport, close codes.
//!
//! Must not know sessions, users' rights or what a frame means: it moves bytes within bounds.

pub(crate) mod close;
pub(crate) mod event_stream;
pub(crate) mod frame;
pub(crate) mod inflow;
pub(crate) mod line;
pub(crate) mod stream;
pub(crate) mod transport;
