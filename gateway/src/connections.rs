//! The connections of this process and the requests over REST that wait like them: what others reach them by.
//!
//! Must not read or write a socket, and decides nothing: sessions do the one, services the other.

mod connection;
pub(crate) mod dropped;
mod heads_state;
pub(crate) mod outbox;
pub(crate) mod own_status;
mod registry;
pub(crate) mod requests;

pub(crate) use connection::Connection;
pub(crate) use heads_state::HeadsState;
pub(crate) use registry::Registry;
