//! The section `[limits]`: bounds of sockets, of REST and of what lies between them and the bus. Must not know who keeps
//! them.

use serde::{Deserialize, Serialize};

use crate::memory::config::MemoryConfig;

/// Bounds of sockets, of REST and of what lies between them and the bus.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Maximum number of sockets of this gateway; further ones are refused, as are those for which no file descriptor
    /// is free (`admission.reserved_files`).
    pub connections: usize,
    /// Maximum size of a client frame, in bytes.
    pub frame_bytes: usize,
    /// Maximum size of the `data` of a call signal, in bytes.
    pub signal_bytes: usize,
    /// Maximum number of conversations in which the typing of one connection is remembered, to end it when the
    /// connection ends.
    pub typing_conversations: usize,
    /// Maximum size of the `content` of a broadcast, in bytes.
    pub broadcast_bytes: usize,
    /// Roles of a token that allow the frame `broadcast`; REST wants `admin`.
    pub broadcast_roles: Vec<String>,
    /// Number of broadcast ids that are remembered to drop repeats.
    pub broadcast_ids: usize,
    /// Connections that a broadcast is handed to at a time; other tasks run in between.
    pub broadcast_slice: usize,
    /// Pause between two slices of a broadcast, in milliseconds.
    pub broadcast_pause_ms: u64,
    /// Frames posted to one event stream that its session has not taken yet; further posts wait.
    pub posted_frames: usize,
    /// Maximum time that a post over REST or for an event stream waits for room before it is refused, in milliseconds.
    pub place_wait_ms: u64,
    /// Requests of one connection that may await their answer; beyond them the socket is not read until an answer has
    /// gone out. For REST the same number of requests of one user; further ones wait.
    pub in_flight: usize,
    /// Maximum number of requests of all connections that await their answer, an equal part for each partition. The
    /// actual limit follows the measured answer times; requests beyond it are refused.
    pub unanswered: usize,
    /// Answer time above which the gateway counts itself as overloaded, in milliseconds.
    pub answer_target_ms: u64,
    /// Maximum time of an answer, in milliseconds; after it the client gets an error with `stored: unknown`.
    pub answer_timeout_ms: u64,
    /// Interval of the pings to a connection, in milliseconds.
    pub heartbeat_ms: u64,
    /// Minimum time between two lookups of heads for `ping` frames, in milliseconds; pings in between share one.
    pub heads_apart_ms: u64,
    /// How often the heads of the notices logs are read, in milliseconds: one question for all tenants.
    pub notice_heads_ms: u64,
    /// Number of heartbeat intervals without any frame after which a connection is closed.
    pub heartbeat_misses: u32,
    /// Maximum size of a page of a sync, in bytes, and no more than a frame: the memory held for a client that does not
    /// read, here and in the chat service.
    pub sync_page_bytes: usize,
    /// Maximum time for receiving a socket message from its first byte to its last, in milliseconds; time in which the
    /// gateway does not read does not count.
    pub message_timeout_ms: u64,
    /// Maximum time of a connection without a token, in milliseconds.
    pub auth_timeout_ms: u64,
    /// Maximum time of a registration with presence, in milliseconds.
    pub register_timeout_ms: u64,
    /// Whether offers of `permessage-deflate` are accepted: fewer bytes, more CPU time.
    pub compression: bool,
    /// Maximum time of a write to a socket, in milliseconds.
    pub write_timeout_ms: u64,
    /// Maximum number of frames waiting for one socket; beyond it typing and presence are dropped, then the socket is
    /// closed (4009).
    pub outbox_frames: usize,
    /// Maximum size of the frames waiting for one socket, in bytes; beyond it the same happens as for `outbox_frames`.
    pub outbox_bytes: usize,
    /// Maximum number of broadcasts waiting for one socket, behind everything else; beyond it the oldest is dropped.
    pub outbox_broadcasts: usize,
    /// Times at which unacknowledged entries are pushed again, in milliseconds after the first push, ascending. Empty:
    /// nothing is pushed again, and no socket is closed for missing acknowledgements.
    pub redelivery_ms: Vec<u64>,
    /// Time after which a device that has acknowledged none of these pushes is closed (4008), in milliseconds.
    pub delivery_timeout_ms: u64,
    /// Maximum number of conversations of one connection whose acknowledgements are tracked at once.
    pub followed_conversations: usize,
    /// Maximum number of frames waiting for the bus; beyond it senders get `unavailable`.
    pub uplink_frames: usize,
    /// Publishes that may await their confirm at once; frames arriving meanwhile form the next batch.
    pub uplink_window: usize,
    /// Maximum number of frames of one publish.
    pub uplink_batch_frames: usize,
    /// Maximum size of one publish in bytes, unless a single frame is larger.
    pub uplink_batch_bytes: usize,
    /// How long a `delivered` may wait to be sent together with others of its partition, in milliseconds; 0: not at
    /// all.
    pub delivered_apart_ms: u64,
    /// Maximum number of users whose cursor in the notices of their tenant waits to be sent; beyond it cursors are not
    /// kept, and are said again with the next notice.
    pub notice_cursors: usize,
    /// How long cursors in notices are gathered, in milliseconds; five times as long at most, a random time.
    pub notice_cursors_ms: u64,
    /// Batches of pushes taken from the bus and not handed out yet.
    pub downlink_prefetch: u16,
    /// Maximum number of large conversations whose members here are remembered; the least recently used are forgotten.
    pub channels: usize,
    /// Maximum number of remembered members over all large conversations.
    pub channel_members: usize,
    /// Maximum number of waiting entries of one large conversation; beyond it they are dropped and its members sync.
    pub channel_pushes: usize,
    /// Members that an entry of a large conversation is handed to at a time; other tasks run in between.
    pub channel_slice: usize,
    /// Maximum number of tasks that write entries of large conversations; one fewer for bursts or thousands of members.
    /// 0: as many as there are cores.
    pub channel_writers: usize,
    /// Interval of the heartbeats to the presence service, in milliseconds.
    pub presence_heartbeat_ms: u64,
    /// Pause of this process after which it opens a new queue and registers all connections again before it writes, in
    /// milliseconds: half of presence's `leases.lease_ms`.
    pub frozen_ms: u64,
    /// The `retry_after_ms` of requests while a backend is unavailable, in milliseconds.
    pub retry_after_ms: u64,
    /// Maximum `retry_after_ms` under overload, in milliseconds.
    pub longest_retry_after_ms: u64,
    /// Maximum time of a REST request, in milliseconds.
    pub request_timeout_ms: u64,
    /// Number of pairs of connection and conversation for which the times of the last 64 written entries are remembered
    /// for `tidings explain`, in 64 bytes each; the oldest are forgotten. 0 remembers none.
    pub journal_writes: usize,
    /// Number of users whose name was reported recently and is not reported again.
    pub reported_profiles: usize,
    /// Time over which a stopping gateway spreads the `redirect` frames to its sockets, in milliseconds. 0: no
    /// `redirect` is sent, and the sockets are closed at once (1012).
    pub drain_window_ms: u64,
    /// How long a socket may stay open after its `redirect` before it is closed (1012), in milliseconds.
    pub drain_linger_ms: u64,
    /// Bytes that are held for clients.
    pub memory: MemoryConfig,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            connections: 100_000,
            frame_bytes: 1 << 20,
            signal_bytes: 64 << 10,
            typing_conversations: 8,
            broadcast_bytes: 64 << 10,
            broadcast_roles: vec!["admin".to_owned()],
            broadcast_ids: 10_000,
            broadcast_slice: 64,
            broadcast_pause_ms: 2,
            posted_frames: 64,
            place_wait_ms: 5_000,
            in_flight: 32,
            unanswered: 20_000,
            answer_target_ms: 5_000,
            answer_timeout_ms: 10_000,
            heartbeat_ms: 30_000,
            heads_apart_ms: 100,
            notice_heads_ms: 1_000,
            heartbeat_misses: 3,
            sync_page_bytes: 256 << 10,
            message_timeout_ms: 30_000,
            auth_timeout_ms: 5_000,
            register_timeout_ms: 5_000,
            compression: false,
            write_timeout_ms: 10_000,
            outbox_frames: 4_096,
            outbox_bytes: 4 << 20,
            outbox_broadcasts: 16,
            redelivery_ms: vec![3_000, 6_000, 12_000],
            delivery_timeout_ms: 24_000,
            followed_conversations: 1_024,
            uplink_frames: 20_000,
            uplink_window: 4,
            uplink_batch_frames: 512,
            uplink_batch_bytes: 1 << 20,
            delivered_apart_ms: 100,
            notice_cursors: 100_000,
            notice_cursors_ms: 2_000,
            downlink_prefetch: 64,
            channels: 1_000,
            channel_members: 1_000_000,
            channel_pushes: 4_096,
            channel_slice: 64,
            channel_writers: 0,
            presence_heartbeat_ms: 3_000,
            frozen_ms: 5_000,
            retry_after_ms: 1_000,
            longest_retry_after_ms: 5_000,
            request_timeout_ms: 15_000,
            journal_writes: 65_536,
            reported_profiles: 100_000,
            drain_window_ms: 5_000,
            drain_linger_ms: 5_000,
            memory: MemoryConfig::default(),
        }
    }
}
