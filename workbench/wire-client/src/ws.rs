//! A lean WebSocket client (RFC 6455): [`handshake`] asks for the upgrade, [`codec`] writes masked frames and reads server
//! frames in place. No TLS. It must not know what the messages mean.

pub mod handshake;

pub use websocket::client as codec;
#[cfg(test)]
mod oracle;
