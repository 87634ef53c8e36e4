//! How many bytes a gateway holds for its clients.

use serde::{Deserialize, Serialize};

/// Bounds in bytes, each of all clients together. docs/operations.md says what they add up to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryConfig {
    /// What one request or one connection may hold without being counted, in bytes: the begin of a body or message, a
    /// request that awaits its answer.
    pub uncounted_bytes: usize,
    /// Maximum size of the body of a request without a token, in bytes.
    pub stranger_body_bytes: usize,
    /// Maximum size of all request bodies that are being read or answered and of all posts that their session has not
    /// taken, in bytes; further requests wait, and are refused (503) after `wait_ms`.
    pub body_bytes: usize,
    /// The part of `body_bytes` that one user may hold, in bytes.
    pub body_user_bytes: usize,
    /// Maximum size of all socket messages that are being read, beyond `uncounted_bytes` each, in bytes; a socket for
    /// which there is no room is not read.
    pub message_bytes: usize,
    /// The part of `message_bytes` that one user may hold, in bytes.
    pub message_user_bytes: usize,
    /// Maximum size of all socket requests that await their answer, beyond `uncounted_bytes` of each socket, in bytes;
    /// a socket for which there is no room is not read.
    pub request_bytes: usize,
    /// The part of `request_bytes` that one user may hold, in bytes.
    pub request_user_bytes: usize,
    /// Maximum size of all frames that wait for the bus or for its confirm, in bytes; beyond it senders get
    /// `unavailable`.
    pub uplink_bytes: usize,
    /// Maximum size of all frames that wait for sockets, each counted once for all of its sockets, in bytes. Beyond it
    /// the sockets with the most waiting bytes are closed (1013).
    pub outbox_bytes: usize,
    /// Maximum size of all entries that wait for the members of large conversations, in bytes; beyond it those of a
    /// conversation are dropped and its members sync.
    pub channel_bytes: usize,
    /// Maximum size of all answers over REST, from the query until the network has taken the last byte, in bytes;
    /// further requests wait, and are refused (503) after `wait_ms`.
    pub answer_bytes: usize,
    /// The part of `answer_bytes` that one user may hold, in bytes.
    pub answer_user_bytes: usize,
    /// Maximum time that a request waits for one of these bounds, in milliseconds.
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
