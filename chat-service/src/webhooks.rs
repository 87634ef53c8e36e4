//! Deliveries to receivers of webhooks: how a delivery is signed, and the request. Which addresses may be asked is decided by
//! `platform::outgoing_http`.
//! Must not know what has still to go to whom: `followers/webhooks` does.

mod sender;
mod signing;

pub use sender::{Delivery, Refused, Sender};
pub use signing::{new_secret, signatures};
