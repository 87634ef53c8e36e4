//! The configuration of the gateway.

#[cfg(feature = "cluster")]
mod process;

use serde::{Deserialize, Serialize};

#[cfg(feature = "cluster")]
pub use process::{ENV_PREFIX, GatewayConfig, NoGatewayId};

use crate::memory::config::MemoryConfig;

/// Bounds of sockets, of REST and of what lies between them and the bus.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Sockets of this gateway; further ones are refused, as are those for which the process has no
    /// files (`admission.reserved_files`).
    pub connections: usize,
    /// Largest client frame, in bytes.
    pub frame_bytes: usize,
    /// Largest `data` of a call signal, in bytes.
    pub signal_bytes: usize,
    /// Conversations in which a connection is remembered to write, to take it back when it ends.
    pub typing_conversations: usize,
    /// Largest `content` of a broadcast, in bytes.
    pub broadcast_bytes: usize,
    /// Broadcasts by whose id a repeat is known.
    pub broadcast_ids: usize,
    /// Connections that a broadcast is handed to at once; the tasks of all others run in between.
    pub broadcast_slice: usize,
    /// Between two slices of a broadcast, in milliseconds.
    pub broadcast_pause_ms: u64,
    /// Frames posted for one event stream that its session has not taken yet; then posts wait.
    pub posted_frames: usize,
    /// How long a post over REST or for an event stream may wait for a place before it is refused, in
    /// milliseconds.
    pub place_wait_ms: u64,
    /// Requests of one connection that may await their answer; beyond them it is not read until an answer
    /// has gone out. Over REST, so many posts of one user; further ones wait.
    pub in_flight: usize,
    /// Requests of all connections that may await their answer, at most, an equal part in each partition. How
    /// many of those may at a time is found out from how long answers take; what comes beyond is refused.
    pub unanswered: usize,
    /// An answer that takes longer says that too much is asked for, in milliseconds.
    pub answer_target_ms: u64,
    /// How long an answer may take before the client is told that the outcome is unknown, in
    /// milliseconds.
    pub answer_timeout_ms: u64,
    /// How often a connection is pinged, in milliseconds.
    pub heartbeat_ms: u64,
    /// From one look-up of heads for the `ping`s of clients to the next, in milliseconds; those that come
    /// meanwhile share it.
    pub heads_apart_ms: u64,
    /// Heartbeats without a sign of life that end a connection.
    pub heartbeat_misses: u32,
    /// A page of a sync, in bytes, and no more than a frame: what a reader that does not read holds, here and in
    /// the chat service.
    pub sync_page_bytes: usize,
    /// How long a message of a socket may take from its first byte to its last, in milliseconds; what the gateway
    /// itself does not read meanwhile does not count.
    pub message_timeout_ms: u64,
    /// How long a connection may stay without a token, in milliseconds.
    pub auth_timeout_ms: u64,
    /// How long a registration with presence may take, in milliseconds.
    pub register_timeout_ms: u64,
    /// Whether `permessage-deflate` is agreed on with clients that offer it: fewer bytes, more CPU time.
    pub compression: bool,
    /// How long a write to a socket may take, in milliseconds.
    pub write_timeout_ms: u64,
    /// Frames waiting for one socket; then typing and presence are dropped, then it is closed (4009).
    pub outbox_frames: usize,
    /// Bytes waiting for one socket, likewise.
    pub outbox_bytes: usize,
    /// Broadcasts waiting for one socket, behind everything else; further ones push out the oldest.
    pub outbox_broadcasts: usize,
    /// When entries that a device does not acknowledge are pushed again, in milliseconds after the
    /// first push, ascending. Empty: nothing is pushed again and nobody is closed for it.
    pub redelivery_ms: Vec<u64>,
    /// When a device that acknowledges none of that is closed (4008), in milliseconds.
    pub delivery_timeout_ms: u64,
    /// Conversations of one connection whose delivery is followed at once.
    pub followed_conversations: usize,
    /// Frames waiting for the bus; then senders are told to come again.
    pub uplink_frames: usize,
    /// Publishes awaiting their confirm; what comes meanwhile is the next batch.
    pub uplink_window: usize,
    /// Frames of one publish.
    pub uplink_batch_frames: usize,
    /// Bytes of one publish, unless a frame alone is larger.
    pub uplink_batch_bytes: usize,
    /// How long a `delivered` may wait for others of its partition, in milliseconds; 0: it leaves at once.
    pub delivered_apart_ms: u64,
    /// Batches of pushes taken from the bus and not handed out yet.
    pub downlink_prefetch: u16,
    /// Large conversations whose members here are remembered; those used longest ago are forgotten.
    pub channels: usize,
    /// Members here of all of them together.
    pub channel_members: usize,
    /// Entries waiting in one of them; beyond, all are left to sync.
    pub channel_pushes: usize,
    /// Members that an entry is handed to at once; everything else goes on in between.
    pub channel_slice: usize,
    /// Tasks that write what is handed out, at most; one fewer for several entries or thousands of members.
    /// 0: as many as there are cores.
    pub channel_writers: usize,
    /// How often presence hears of this gateway, in milliseconds.
    pub presence_heartbeat_ms: u64,
    /// A pause of this process after which presence may have given it up, in milliseconds: half of
    /// presence's `leases.lease_ms`. Then it begins anew before it writes to its sockets.
    pub frozen_ms: u64,
    /// What senders are told to wait when a part of the system is away, in milliseconds.
    pub retry_after_ms: u64,
    /// What senders are told to wait when very much is refused, at most, in milliseconds.
    pub longest_retry_after_ms: u64,
    /// How long a request over REST may take, in milliseconds.
    pub request_timeout_ms: u64,
    /// Connections and conversations of which it is remembered in memory, for `tidings explain`, which of the
    /// last 64 entries were written when, in 64 bytes each; those written to longest ago are forgotten. 0
    /// remembers none.
    pub journal_writes: usize,
    /// Users whose name was reported lately and is not reported again.
    pub reported_profiles: usize,
    /// Over how long a leaving gateway spreads its `redirect` to the open sockets, in milliseconds. 0:
    /// nobody is asked to go elsewhere, and the sockets are closed at once (1012).
    pub drain_window_ms: u64,
    /// How long a socket may stay after its `redirect` before it is closed (1012), in milliseconds.
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
