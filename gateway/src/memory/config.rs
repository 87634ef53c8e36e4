//! How many bytes a gateway holds for its clients.

use serde::{Deserialize, Serialize};

/// Bounds in bytes, each of all clients together. docs/operations.md says what they add up to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryConfig {
    /// What one request or one connection may hold without being counted, in bytes: the beginning of a body,
    /// of a message, a request that awaits its answer. It is what a connection may cost at any time.
    pub uncounted_bytes: usize,
    /// Largest body of a request without a token, in bytes.
    pub stranger_body_bytes: usize,
    /// Bodies of requests that are being read or answered, and posts that their session has not taken, in
    /// bytes; further ones wait, and are refused (503) after `wait_ms`.
    pub body_bytes: usize,
    /// Bodies of requests of one user among them, in bytes.
    pub body_user_bytes: usize,
    /// How long a request waits for one of these bounds, in milliseconds.
    pub wait_ms: u64,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            uncounted_bytes: 16 << 10,
            stranger_body_bytes: 4 << 10,
            body_bytes: 48 << 20,
            body_user_bytes: 2 << 20,
            wait_ms: 2_000,
        }
    }
}
