//! Who a request came from, as the accept loop knows it. Must not trust a header: admission says which are believed.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, Version};
use tokio::sync::Notify;

use crate::admission::{Admission, Client, Head};
use crate::net::stream::Gate;

/// Who a request came from; an extension of every request.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// The other end of the connection, or who a load balancer says it is.
    pub(crate) address: IpAddr,
    pub(crate) gate: Arc<Gate>,
    /// Of HTTP, as this request says.
    pub(crate) version: Version,
    /// Told when the last answer on the connection is complete but for what the network still holds.
    pub(crate) over: Arc<Notify>,
}

impl Peer {
    /// Who asks, by the head of this request.
    pub(crate) fn client(&self, admission: &Admission, headers: &HeaderMap) -> Client {
        admission.client(self.address, Head { version: self.version, headers })
    }
}
