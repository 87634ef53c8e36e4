//! The rules of `docs/protocol.md` as named checks: against any server, and against any client.
//!
//! Must not know how servers or clients work inside, and must not use the server's own codec: what is checked is what
//! somebody else's program meets.

mod checked;
pub mod client;
mod digest;
mod report;
mod rule;
pub mod server;
mod tried;

pub use report::{Outcome, Report, Ruled};

/// Where the rules are written down.
pub const PROTOCOL: &str = "docs/protocol.md";

/// The rules could not be tried at all.
#[derive(Debug, thiserror::Error)]
pub enum ConformanceError {
    /// Secrets or addresses.
    #[error(transparent)]
    Prepare(#[from] wire_client::prepare::PrepareError),
    /// A file of a secret.
    #[error("{0}")]
    Options(String),
    /// The runtime or the HTTP client.
    #[error("cannot begin: {0}")]
    Begin(String),
}
