//! The chat store: what the service asks of a database, one port for each of its users; `postgres` and `sqlite` are the
//! adapters. Must not know rules of conversations: what a batch holds was planned before.
//!
//! # Guarantees (held by the contract suite against Postgres and SQLite)
//! 1. `append` is all or nothing, whatever the size of the batch: one statement on Postgres, one
//!    transaction on SQLite (where several statements cost less than one, see `sqlite/rows.rs`).
//! 2. Two entries never share (conversation, seq), nor two operations (sender, client id): the later
//!    batch is a `Conflict` and leaves nothing behind.
//! 3. An entry is visible to readers once `append` returned, and no reader sees seq n + 1 without n.
//! 4. `NotStored` means that nothing of the batch is stored, now or later; `Unknown` that it may be.
//! 5. `load` reads the head before the members: when the head is current, so are they.
//! 6. Cursors only grow, never pass the head, and read implies delivered.
//! 7. The epoch belongs to the database and survives restarts.
//! 8. A database that failed and came back is used again within seconds, whichever its error was: a connection
//!    that met one serves no later call.
//! 9. `entries` reads a page that fits its room, or one entry; `conversations_of` gives each conversation once in
//!    a walk, whatever is appended meanwhile.
//! 10. `generation` changes when another database answers than before, so that what was loaded may be ahead of it; a
//!     batch that was planned in another generation is a `Conflict`.
//! 11. `begin_epoch` of an adapter gives the database another epoch: after a restore, so that no device goes on from a
//!     place in a log that has other entries now.
//! 12. Tenants see nothing of each other, whatever ids they have in common. Rows and lists carry their tenant, so that
//!     one call may hold those of several.
//! 13. What an operation knows of its target is current when its append succeeds: every change of a target is an entry of
//!     the same log, so that a writer that loads heads before targets and has missed a change collides with it. So a state is
//!     never written by somebody who had not seen all entries before its `as_of`.
//! 14. The rows of `states` and the blanks of `blanked` are written with the entries. A state is replaced by one with a
//!     higher `as_of` alone, and never where its message is gone.

pub mod acquainted;
pub mod among;
pub mod aside;
pub mod audit;
pub mod chosen;
mod connections;
pub mod contacts;
pub mod dead;
pub mod deliveries;
mod fault;
mod finding;
pub mod following;
pub mod heads;
pub(crate) mod health;
mod log;
mod migrations;
pub mod notices;
pub mod own;
#[cfg(feature = "cluster")]
pub mod postgres;
pub mod privacy;
pub mod probe;
pub mod push;
mod query;
pub mod reactions;
mod reading;
pub mod replicas;
pub mod revoked;
pub mod sqlite;
#[cfg(test)]
mod statements;
mod states;
pub mod tail;
pub mod verify;
pub mod webhooks;

use self::push::PushStore;
use acquainted::AcquaintanceStore;
use among::AmongStore;
use aside::AsideStore;
use audit::AuditStore;
use chosen::ChosenStore;
use contacts::ContactStore;
use dead::DeadStore;
use deliveries::DeliveryStore;
use following::FollowingStore;
use heads::HeadStore;
use notices::NoticeStore;
use own::OwnStore;
use privacy::PrivacyStore;
use probe::ProbeStore;
use reactions::ReactionStore;
use replicas::ReplicaStore;
use revoked::RevokedStore;
use tail::{FollowerStore, TailStore};
use verify::VerifyStore;
use webhooks::WebhookStore;

pub use fault::StoreError;
pub use log::{AppendBatch, AppendError, Delivered, LogStore};
pub use query::{
    ChangedMessage, ChangedView, ConversationView, LOOKED_AT_FOR_UNREAD, Listed, MemberView,
    Membership, MessagePage, MessageView, MessagesView, Page, PinnedView, QueryStore, Room,
};

/// All sides: what an adapter provides.
pub trait ChatStore:
    LogStore
    + QueryStore
    + AcquaintanceStore
    + AmongStore
    + HeadStore
    + OwnStore
    + ContactStore
    + ChosenStore
    + ReplicaStore
    + DeadStore
    + PrivacyStore
    + ProbeStore
    + PushStore
    + RevokedStore
    + TailStore
    + FollowerStore
    + AsideStore
    + AuditStore
    + WebhookStore
    + DeliveryStore
    + VerifyStore
    + FollowingStore
    + NoticeStore
    + ReactionStore
{
}

impl<T> ChatStore for T where
    T: LogStore
        + QueryStore
        + AcquaintanceStore
        + AmongStore
        + HeadStore
        + OwnStore
        + ContactStore
        + ChosenStore
        + ReplicaStore
        + DeadStore
        + PrivacyStore
        + ProbeStore
        + PushStore
        + RevokedStore
        + TailStore
        + FollowerStore
        + AsideStore
        + AuditStore
        + WebhookStore
        + DeliveryStore
        + VerifyStore
        + FollowingStore
        + NoticeStore
        + ReactionStore
{
}
