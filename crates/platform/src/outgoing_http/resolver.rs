//! Looks names up and gives only addresses that a request may go to. What it returns is what is connected to: between the
//! check and the connection nobody asks again, so that a name cannot change in between.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{Targets, public::is_public};

/// Every address of a name is of this machine or of a private network.
#[derive(Debug, thiserror::Error)]
#[error("the host has no public address")]
pub(super) struct NotPublic;

pub(super) struct Resolver(pub(super) Arc<Targets>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let targets = Arc::clone(&self.0);
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let is_trusted = targets.is_trusted(&host);
            let allowed: Vec<SocketAddr> =
                found.filter(|address| is_trusted || is_public(address.ip())).collect();
            if allowed.is_empty() {
                return Err(NotPublic.into());
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}
