//! A lean WebSocket client (RFC 6455): the generator shares its cores with the servers it measures.
//!
//! [`handshake`] asks for the upgrade, [`codec`] writes masked frames and reads server frames in
//! place, [`inflate`] those that are compressed, where that was asked for. No TLS. It must not know
//! what the messages mean.

pub mod codec;
pub mod handshake;
pub mod inflate;
#[cfg(test)]
mod oracle;
