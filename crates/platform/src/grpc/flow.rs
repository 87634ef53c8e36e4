//! How much of the answers over one connection may lie unread. Answers share a connection: one that nobody reads,
//! such as the pages for a client that does not read either, must leave room for all others.

use tonic::transport::Endpoint;

/// Bytes of one answer.
const ANSWER_BYTES: u32 = 64 << 10;
/// Bytes of all answers over one connection: so many that 512 unread ones do not hold up the next.
const CONNECTION_BYTES: u32 = 32 << 20;

/// With these windows.
pub(super) fn bounded(endpoint: Endpoint) -> Endpoint {
    endpoint
        .initial_stream_window_size(ANSWER_BYTES)
        .initial_connection_window_size(CONNECTION_BYTES)
}
