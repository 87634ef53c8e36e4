//! The port of the append side: what partition workers need.

use async_trait::async_trait;
use proto::id::{ClientId, ConversationId, ConversationKey, UserId};

use super::fault::StoreError;
use crate::domain::act::Act;
use crate::domain::drafts::{DraftPlace, KeptDraft};
use crate::domain::entry::{
    ConversationRow, CursorRow, Entry, FollowRow, MemberRow, MentionKey, MentionRow, Snapshot,
    StateRow, StoredOperation, TargetKey, Targets, UserRow,
};
use crate::domain::own::{Place, Setting};
use crate::domain::tally::{ReactionKey, ReactionRow, Tally, TallyKey};

/// Everything that one append changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppendBatch {
    /// That of the store when what the batch was planned with was loaded.
    pub generation: u64,
    /// New entries, each with its client id.
    pub entries: Vec<Entry>,
    /// New conversations and new titles.
    pub conversations: Vec<ConversationRow>,
    /// New members and new roles.
    pub members_set: Vec<MemberRow>,
    /// Members who are gone.
    pub members_removed: Vec<(ConversationId, UserId)>,
    /// What its entries make of messages.
    pub states: Vec<StateRow>,
    /// Entries of before whose content is gone from now on.
    pub blanked: Vec<(ConversationKey, u64)>,
    /// What users set of their own.
    pub settings_set: Vec<Setting>,
    /// What is as where nothing was ever set.
    pub settings_removed: Vec<(UserId, Place)>,
    /// Drafts that are kept.
    pub drafts_set: Vec<KeptDraft>,
    /// Drafts that are taken back.
    pub drafts_removed: Vec<(UserId, DraftPlace)>,
    /// Whom messages mention from now on; one who is mentioned twice in a message is there once.
    pub mentions: Vec<MentionRow>,
    /// Whom messages mention no more.
    pub mentions_removed: Vec<MentionKey>,
    /// Who follows which threads; those who do so already keep what they have read.
    pub follows: Vec<FollowRow>,
    /// Reactions that are rows.
    pub reactions_set: Vec<ReactionRow>,
    /// Those that are taken back.
    pub reactions_removed: Vec<ReactionKey>,
    /// When the reactions to messages are to be counted, of those that are not in `states`; `None`: they are counted.
    pub tallies_due: Vec<(ConversationKey, u64, Option<u64>)>,
    /// The heads that conversations have to have before the batch: another one is a conflict. For what is no entry and would
    /// collide with none.
    pub heads: Vec<(ConversationKey, u64)>,
    /// What of it was done by the role of a token, to be written down.
    pub acts: Vec<Act>,
}

impl AppendBatch {
    /// Whether appending it would change nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.has_entries_alone()
    }

    /// It appends nothing but texts of users, as nearly all batches.
    pub fn is_plain(&self) -> bool {
        self.has_entries_alone() && self.entries.iter().all(Entry::is_plain)
    }

    fn has_entries_alone(&self) -> bool {
        self.conversations.is_empty()
            && self.members_set.is_empty()
            && self.members_removed.is_empty()
            && self.states.is_empty()
            && self.blanked.is_empty()
            && self.settings_set.is_empty()
            && self.settings_removed.is_empty()
            && self.drafts_set.is_empty()
            && self.drafts_removed.is_empty()
            && self.mentions.is_empty()
            && self.mentions_removed.is_empty()
            && self.follows.is_empty()
            && self.reactions_set.is_empty()
            && self.reactions_removed.is_empty()
            && self.tallies_due.is_empty()
            && self.acts.is_empty()
    }
}

/// Why a batch was not appended, by what the caller can do.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// A seq or a client id is taken: nothing is stored. Load again and plan again.
    #[error("a sequence or a client id is taken")]
    Conflict,
    /// Nothing is stored. Try again later.
    #[error("not stored: {0}")]
    NotStored(#[source] sqlx::Error),
    /// It may be stored. Look the client ids up.
    #[error("the outcome is unknown: {0}")]
    Unknown(#[source] sqlx::Error),
    /// The database refuses a value; the same batch fails again. Nothing is stored.
    #[error("refused by the database: {0}")]
    Invalid(#[source] sqlx::Error),
}

/// How far a member's devices have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    /// All up to here reached a device.
    pub seq: u64,
}

/// The append side: what the partition workers need.
#[async_trait]
pub trait LogStore: Send + Sync + 'static {
    /// Counts the databases that have answered one after the other: what was loaded in another generation may never
    /// have been, and has to be forgotten.
    fn generation(&self) -> u64;

    /// The present state of conversations; `None` where there is none.
    async fn load(&self, keys: &[ConversationKey]) -> Result<Vec<Option<Snapshot>>, StoreError>;

    /// What is known of the entries that operations change, and how many messages are pinned in their conversations. Is
    /// asked after [`Self::load`], anew in each attempt: see guarantee 13.
    async fn load_targets(&self, keys: &[TargetKey]) -> Result<Targets, StoreError>;

    /// What is known of reactions that are rows, in order. Is asked after [`Self::load_targets`].
    async fn load_tallies(&self, keys: &[TallyKey]) -> Result<Vec<Tally>, StoreError>;

    /// What was stored under client ids, with the entries; `None` where nothing was.
    async fn find_client_ids(
        &self,
        keys: &[(UserId, ClientId)],
    ) -> Result<Vec<Option<StoredOperation>>, StoreError>;

    /// How many conversations users are members of but for their self logs, counted to `most`; in order.
    async fn memberships(&self, users: &[UserId], most: u32) -> Result<Vec<u32>, StoreError>;

    /// How far the members of conversations have come, all of them: for small conversations.
    async fn delivered(&self, keys: &[ConversationKey]) -> Result<Vec<Delivered>, StoreError>;

    async fn append(&self, batch: &AppendBatch) -> Result<(), AppendError>;

    /// Moves cursors forward, and keeps the moment as a step of each member of whom `is_timed` says so; the rows that
    /// changed, as they are now. See [`steps`](crate::domain::steps).
    async fn advance_cursors_at(
        &self,
        cursors: &[CursorRow],
        is_timed: &[bool],
        now_ms: u64,
    ) -> Result<Vec<CursorRow>, StoreError>;

    /// Moves cursors forward and keeps no moments.
    async fn advance_cursors(&self, cursors: &[CursorRow]) -> Result<Vec<CursorRow>, StoreError> {
        self.advance_cursors_at(cursors, &vec![false; cursors.len()], 0).await
    }

    /// Keeps what tokens say of users; writes only what changed.
    async fn upsert_users(&self, users: &[UserRow], now_ms: u64) -> Result<(), StoreError>;
}
