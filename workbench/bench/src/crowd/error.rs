//! Why a benchmark has no figures.

use wire_client::prepare::PrepareError;
use wire_client::rest::RestError;

/// A benchmark could not be done.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// What was asked for cannot be begun.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The group could not be made.
    #[error(transparent)]
    Rest(#[from] RestError),
    /// Options that contradict each other.
    #[error("{0}")]
    Options(String),
    /// Not every connection was made.
    #[error("{ready} of {wanted} connections were ready; what happened: {happened}")]
    NotReady {
        /// Connections that were ready.
        ready: usize,
        /// Connections of the run.
        wanted: usize,
        /// Errors by kind.
        happened: String,
    },
    /// A connection ended, or was told something bad, while it was measured.
    #[error("a connection failed: {0}")]
    Failed(String),
    /// Messages do not arrive.
    #[error(
        "message {number} reached {heard} of {members} members, and nothing came for {seconds} s"
    )]
    Stalled {
        /// The oldest message on its way.
        number: u32,
        /// Members that have it.
        heard: u32,
        /// Members that should.
        members: u32,
        /// How long was waited.
        seconds: u64,
    },
    /// More messages on their way than the generator keeps account of.
    #[error("{0} messages are on their way: the rate is above what the server can do")]
    Overrun(usize),
    /// The socket or the runtime.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}
