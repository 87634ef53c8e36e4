//! The configuration of the chat service.

#[cfg(feature = "cluster")]
mod process;

use serde::{Deserialize, Serialize};

#[cfg(feature = "cluster")]
pub use process::{ChatConfig, ENV_PREFIX};

/// How batches are made, appended and delivered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LaneConfig {
    /// Lanes of a process: each appends one batch while it delivers the one before.
    pub lanes: u16,
    /// Most frames of one batch.
    pub batch_frames: usize,
    /// Batches of one partition that are not acknowledged; a full lane lets the rest wait in the broker.
    pub prefetch: u16,
    /// How long a batch is tried while the database is away, in milliseconds; then its senders are
    /// told to come again.
    pub append_deadline_ms: u64,
    /// What senders are told to wait after `append_deadline_ms`, in milliseconds.
    pub retry_after_ms: u64,
    /// Conversations that each lane remembers; the oldest are forgotten.
    pub cached_conversations: usize,
    /// Members of all remembered conversations of a lane together.
    pub cached_members: usize,
    /// How long a look-up of connections may take, in milliseconds.
    pub locate_timeout_ms: u64,
    /// Batches whose answers have gone ahead while one waits for a look-up, in bytes of each lane; when
    /// it is full, the lane waits.
    pub answered_bytes: usize,
    /// Users of one look-up; more are asked for in several.
    pub locate_users: usize,
    /// Largest batch of pushes to one gateway, in bytes.
    pub push_batch_bytes: usize,
    /// Attempts to hand a batch to a gateway whose queue is full.
    pub push_attempts: u32,
    /// Members up to which everybody hears of everybody's receipts and typing.
    pub receipt_members: usize,
    /// Members beyond which a conversation is large: its entries go once to each gateway, which knows
    /// who of its own is a member.
    pub large_members: usize,
    /// Users who are told later how far their conversations have come, because a push did not reach
    /// them; those beyond find out by their own ping.
    pub owed_users: usize,
    /// Pushes of entries that are remembered in memory, for `tidings explain`, one of each entry and gateway;
    /// the oldest are forgotten. 0 remembers none.
    pub journal_entries: usize,
    /// Frames and bodies that are kept when they are put aside; beyond, they are logged and gone. Their
    /// senders are told in both cases.
    pub dead_letters: u64,
    /// How often a frame that is worked on alone may end the process before it is put aside.
    pub poison_deaths: u64,
    /// An entry that was committed so long ago, in milliseconds, is not pushed any more: its receivers are
    /// told that there is something, and sync. Less than the broker takes to give a silent consumer up (two
    /// `amqp.heartbeat_secs`), since then another process pushes later entries.
    pub stale_ms: u64,
    /// Conversations that a user may be a member of; nobody can be added to more.
    pub user_conversations: u32,
    /// Memberships that a user may make in a day (UTC), by beginning groups and adding members.
    pub user_memberships_a_day: u64,
    /// Bytes of contents that a user may hand in to be stored in a day (UTC).
    pub user_bytes_a_day: u64,
    /// Users whose day is counted, in the memory of each process: it begins anew with the process, and each
    /// process counts what it stores. Those who used least are forgotten when there are more.
    pub counted_users: usize,
    /// Only users who were here before, with a token of theirs, can be added to a conversation or written to for
    /// the first time. False where other users are known elsewhere and come later.
    pub known_members_only: bool,
    /// How often a replica says that it lives, in milliseconds.
    pub replica_beat_ms: u64,
    /// How long a replica may be silent before its partitions are shared among the others, in
    /// milliseconds; a few beats.
    pub replica_gone_ms: u64,
    /// How often the bus is asked how much waits in the partitions that a replica works on, in milliseconds; 0: never.
    pub depth_ms: u64,
    /// How long a replica that yielded a partition stays out of its line, in milliseconds.
    pub yield_ms: u64,
}

impl Default for LaneConfig {
    fn default() -> Self {
        Self {
            lanes: 2,
            batch_frames: 512,
            prefetch: 128,
            append_deadline_ms: 3_000,
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
            owed_users: 10_000,
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

/// Bounds of answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueryConfig {
    /// Entries of one page, at most.
    pub page_entries: u32,
    /// Bytes of one page as a frame, in JSON or MessagePack, at most, and of a page of a list.
    pub page_bytes: usize,
    /// Conversations of one page, at most.
    pub page_conversations: u32,
    /// Entries that a device gets of a conversation it does not know.
    pub tail_entries: u32,
    /// Devices that sync at once; the others wait.
    pub concurrent_syncs: usize,
    /// Reads of one user that are answered at once; the others wait.
    pub syncs_per_user: usize,
    /// Devices that wait for that, at most; further ones are told to come again. One that waits takes about 7 KB,
    /// and its cursors.
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
    /// Rows of one user; beyond it the oldest become one, by which all tokens of the user stay out that were
    /// issued up to then.
    pub per_user: usize,
    /// Rows of all users of a tenant, each some 100 bytes in every gateway; beyond it nothing more can be revoked,
    /// and the log says so.
    pub most: u64,
    /// Tokens of one user of which it is known which device used them; when a device is ended, those that
    /// were forgotten are revoked, too, whatever device they were of.
    pub tokens_per_user: usize,
}

impl Default for RevocationConfig {
    fn default() -> Self {
        Self { per_user: 128, most: 100_000, tokens_per_user: 64 }
    }
}
