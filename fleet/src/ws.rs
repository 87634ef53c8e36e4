//! A lean WebSocket client (RFC 6455): the generator shares its cores with the servers it measures.
//!
//! [`handshake`] asks for the upgrade, [`codec`] writes masked frames and reads server frames in
//! place. No extensions, no TLS. It must not know what the messages mean.

pub mod codec;
pub mod handshake;
#[cfg(test)]
mod oracle;
