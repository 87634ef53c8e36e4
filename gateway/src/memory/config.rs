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
    /// Messages of sockets that are being read, beyond `uncounted_bytes` each, in bytes; a socket for which there
    /// is no room is not read.
    pub message_bytes: usize,
    /// The same of one user, in bytes.
    pub message_user_bytes: usize,
    /// Requests of sockets that await their answer, beyond `uncounted_bytes` of each socket, in bytes; a
    /// socket for which there is no room is not read.
    pub request_bytes: usize,
    /// The same of one user, in bytes.
    pub request_user_bytes: usize,
    /// Frames that wait for the bus or for its confirm, in bytes; then senders are told to come again.
    pub uplink_bytes: usize,
    /// Frames that wait for sockets, each counted once for all of them: outboxes, pages of syncs, what is being
    /// written, in bytes. Beyond it the sockets are closed (1013) for which most waits.
    pub outbox_bytes: usize,
    /// Entries that wait for the members of large conversations, in bytes; beyond it those of a conversation are left to
    /// sync.
    pub channel_bytes: usize,
    /// Answers over REST, from the question to the last byte that the network has taken, in bytes; further ones wait, and
    /// are refused (503) after `wait_ms`.
    pub answer_bytes: usize,
    /// The same of one user, in bytes.
    pub answer_user_bytes: usize,
    /// How long a request waits for one of these bounds, in milliseconds.
    pub wait_ms: u64,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            uncounted_bytes: 6 << 10,
            stranger_body_bytes: 4 << 10,
            body_bytes: 48 << 20,
            body_user_bytes: 2 << 20,
            message_bytes: 32 << 20,
            message_user_bytes: 1 << 20,
            request_bytes: 48 << 20,
            request_user_bytes: 2 << 20,
            uplink_bytes: 32 << 20,
            outbox_bytes: 128 << 20,
            channel_bytes: 16 << 20,
            answer_bytes: 64 << 20,
            answer_user_bytes: 3 << 20,
            wait_ms: 2_000,
        }
    }
}
