//! The configuration of the chat service.

use serde::{Deserialize, Serialize};

/// What a process of the chat service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Appends what comes over the bus and delivers it.
    Partitions,
    /// Answers questions over gRPC.
    Queries,
    /// Works on entries after their commit: events, webhooks, push.
    Followers,
}

impl Role {
    /// All of them, as most processes have.
    pub const ALL: [Self; 3] = [Self::Partitions, Self::Queries, Self::Followers];
}

/// How batches are made, appended and delivered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerConfig {
    /// Number of workers of a process; each appends one batch while it delivers the one before.
    pub lanes: u16,
    /// Maximum number of frames in one batch.
    pub batch_frames: usize,
    /// Unacknowledged batches of one partition; further ones stay in the broker.
    pub prefetch: u16,
    /// How long a batch is retried while the database is unavailable, in milliseconds; after that its senders get
    /// `unavailable`.
    pub append_deadline_ms: u64,
    /// How long a request may wait in a queue, in milliseconds; after that it is not worked on, and its sender gets
    /// `expired`. By the clocks of the gateway and of this process, which must not be further apart. 0: however long.
    pub expire_ms: u64,
    /// The `retry_after_ms` of senders after `append_deadline_ms`, in milliseconds.
    pub retry_after_ms: u64,
    /// Maximum number of conversations that each worker caches; the oldest are evicted.
    pub cached_conversations: usize,
    /// Maximum number of members over all cached conversations of a worker.
    pub cached_members: usize,
    /// Maximum time of a lookup of connections, in milliseconds.
    pub locate_timeout_ms: u64,
    /// Maximum size of batches that are answered while an earlier one waits for a lookup of connections, in bytes for
    /// each worker; when it is reached the worker waits.
    pub answered_bytes: usize,
    /// Maximum number of users in one lookup; more are split over several.
    pub locate_users: usize,
    /// Maximum size of a batch of pushes to one gateway, in bytes.
    pub push_batch_bytes: usize,
    /// Attempts to hand a batch to a gateway whose queue is full.
    pub push_attempts: u32,
    /// Maximum number of members of a conversation in which receipts and typing are sent to all members.
    pub receipt_members: usize,
    /// Number of members above which a conversation is large: its entries are pushed once to each gateway, which finds
    /// the members among its own connections.
    pub large_members: usize,
    /// Maximum number of users remembered for a later head digest because a push did not reach them; others recover at
    /// their next ping.
    pub missed_push_users: usize,
    /// Maximum number of pushes remembered in memory for `tidings explain`, one for each entry and gateway; the oldest
    /// are forgotten. 0 remembers none.
    pub journal_entries: usize,
    /// Maximum number of dead letters that are kept; further ones are only logged. Their senders are informed in both
    /// cases.
    pub dead_letters: u64,
    /// How often a frame that is processed alone may crash the process before it is dead-lettered.
    pub poison_deaths: u64,
    /// Age of a committed entry above which it is not pushed any more, in milliseconds; its receivers get their head
    /// digest and sync. Less than the broker takes to detect a dead consumer (two `amqp.heartbeat_secs`), because after
    /// that another process pushes later entries.
    pub stale_ms: u64,
    /// Maximum number of conversations of a user; the user cannot be added to more.
    pub user_conversations: u32,
    /// Memberships that a user may create in a day (UTC), by creating groups and adding members.
    pub user_memberships_a_day: u64,
    /// Bytes of content that a user may store in a day (UTC).
    pub user_bytes_a_day: u64,
    /// Maximum number of users whose daily quotas are counted in the memory of each process. The counts end with the
    /// process, and each process counts what it stores; beyond the maximum the users with the smallest counts are
    /// forgotten.
    pub counted_users: usize,
    /// Whether only users who have connected before can be added to a conversation or written to for the first time.
    /// False where users are known elsewhere and connect later.
    pub known_members_only: bool,
    /// Interval of a replica's heartbeats, in milliseconds.
    pub replica_beat_ms: u64,
    /// Time without a heartbeat after which the partitions of a replica are given to the others, in milliseconds; a few
    /// heartbeats.
    pub replica_gone_ms: u64,
    /// How often the length of the queues of own partitions is read from the bus, in milliseconds; 0: never.
    pub depth_ms: u64,
    /// How long a replica that has given up a partition does not consume from it again, in milliseconds.
    pub yield_ms: u64,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            lanes: 2,
            batch_frames: 512,
            prefetch: 128,
            append_deadline_ms: 3_000,
            expire_ms: 60_000,
            retry_after_ms: 1_000,
            cached_conversations: 20_000,
            cached_members: 500_000,
            locate_timeout_ms: 1_000,
            answered_bytes: 8 << 20,
            locate_users: 2_000,
            push_batch_bytes: 1 << 20,
            push_attempts: 5,
            receipt_members: 64,
            large_members: 256,
            missed_push_users: 10_000,
            journal_entries: 65_536,
            dead_letters: 10_000,
            poison_deaths: 2,
            stale_ms: 10_000,
            user_conversations: 10_000,
            user_memberships_a_day: 200_000,
            user_bytes_a_day: 1 << 30,
            counted_users: 100_000,
            known_members_only: false,
            replica_beat_ms: 2_000,
            replica_gone_ms: 5_000,
            depth_ms: 10_000,
            yield_ms: 2_000,
        }
    }
}

/// What may become of messages.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MessagesConfig {
    /// How long a member may edit their own message after sending it, in seconds. The owner and the admins of a group and
    /// bots may at any time.
    pub edit_secs: u64,
    /// Maximum number of edits of a message.
    pub edits: u32,
    /// Number of users who have reacted to a message from which on its reactions are counted, and not told one by one;
    /// in large conversations (`lanes.large_members`) they always are.
    pub tally_reactors: u32,
    /// How long after a reaction that is counted the counts are told, in milliseconds.
    pub tally_ms: u64,
    /// Maximum number of different reactions to a message.
    pub reaction_keys: u32,
    /// Maximum number of reactions of one user to a message.
    pub user_reaction_keys: u32,
    /// Pause between two conversations whose messages are compared with their logs in the background, in milliseconds; 0
    /// compares none.
    pub verify_pause_ms: u64,
}

impl Default for MessagesConfig {
    fn default() -> Self {
        Self {
            edit_secs: 86_400,
            edits: 100,
            tally_reactors: 100,
            tally_ms: 5_000,
            reaction_keys: 100,
            user_reaction_keys: 20,
            verify_pause_ms: 5_000,
        }
    }
}

/// Bounds of answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueryConfig {
    /// Maximum number of entries on a page.
    pub page_entries: u32,
    /// Maximum size of a page, as JSON or MessagePack, in bytes.
    pub page_bytes: usize,
    /// Maximum number of conversations on a page.
    pub page_conversations: u32,
    /// Number of the last entries that a device without a cursor gets of a conversation.
    pub tail_entries: u32,
    /// Maximum number of syncs that run at once; the others wait.
    pub concurrent_syncs: usize,
    /// Reading requests of one user that run at once; the others wait.
    pub syncs_per_user: usize,
    /// Maximum number of waiting syncs; further ones are refused as unavailable. A waiting one takes about 7 KB and its
    /// cursors.
    pub waiting_syncs: usize,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            page_entries: 200,
            page_bytes: 1 << 20,
            page_conversations: 100,
            tail_entries: 50,
            concurrent_syncs: 64,
            syncs_per_user: 2,
            waiting_syncs: 10_000,
        }
    }
}

/// Bounds of what is revoked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RevocationConfig {
    /// Maximum number of revocations of one user; beyond it the oldest become one, which refuses all tokens of the user
    /// issued up to then.
    pub per_user: usize,
    /// Maximum number of revocations over all users of a tenant, each about 100 bytes in every gateway; beyond it
    /// nothing can be revoked, and the log says so.
    pub most: u64,
    /// Number of tokens of one user for which it is remembered which device used them; when a device is signed out,
    /// forgotten tokens are revoked as well, whatever device they belong to.
    pub tokens_per_user: usize,
}

impl Default for RevocationConfig {
    fn default() -> Self {
        Self { per_user: 128, most: 100_000, tokens_per_user: 64 }
    }
}
