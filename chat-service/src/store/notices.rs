//! Notices: what operators wrote, whom it is for, how far users have received it and what they did with it. Written once
//! for both databases.
//!
//! # Guarantees (held by the contract suite)
//! 1. A notice that is kept again under its id stays what it was first.
//! 2. Of those who claim at once, one gets a notice that is due, until its claim ends.
//! 3. Cursors only grow and never pass the head of the log. They make nobody a member: contacts, lists and digests know
//!    nothing of them.
//! 4. Of those who mark a notice at once in one way, one is the first; asked again under its client id it still is.
//! 5. Counts are exact: each user once, and of what was received only that which the user was sent.
//! 6. Of those who ask at once that the push of a notice is sent again, one is heard; nobody is, until a time has passed.

mod rows;

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use proto::id::{ClientId, ConversationKey, TenantId, UserId, UserName};
use uuid::Uuid;

use super::fault::StoreError;
use crate::domain::notice::{Notice, NoticeMark, Work};

pub(super) use rows::notice_store;

/// A user does something with a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marking {
    pub user_id: UserId,
    pub notice: Uuid,
    pub mark: NoticeMark,
    /// Makes the answer repeatable.
    pub client_id: ClientId,
    /// Unix milliseconds.
    pub at_ms: u64,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    /// Nobody did it before under another client id.
    pub is_first: bool,
    /// When it was done first, in Unix milliseconds.
    pub at_ms: u64,
}

/// How many users received a notice, and did something with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoticeCounts {
    pub delivered: u64,
    pub marks: MarkCounts,
    /// The first hours in which users did something, in order, with their beginnings in Unix milliseconds; at most
    /// [`MOST_HOURS`].
    pub by_hour: Vec<(u64, MarkCounts)>,
}

/// How many users did something with a notice for the first time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MarkCounts {
    pub shown: u64,
    pub read: u64,
    pub clicked: u64,
    pub dismissed: u64,
}

impl MarkCounts {
    pub(super) fn add(&mut self, mark: NoticeMark, users: u64) {
        let count = match mark {
            NoticeMark::Shown => &mut self.shown,
            NoticeMark::Read => &mut self.read,
            NoticeMark::Clicked => &mut self.clicked,
            NoticeMark::Dismissed => &mut self.dismissed,
        };
        *count += users;
    }
}

/// What a user did with a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub user: UserName,
    pub mark: NoticeMark,
    pub at_ms: u64,
}

/// How far users of a tenant have come, all of them the same far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeCursors {
    /// The log of notices of their tenant.
    pub log: ConversationKey,
    /// 0 leaves the cursor as it is.
    pub delivered_seq: u64,
    pub read_seq: u64,
    pub users: Vec<UserName>,
}

#[async_trait]
pub trait NoticeStore: Send + Sync + 'static {
    /// Keeps a notice; the one that was kept before under its id, where there is one.
    async fn keep_notice(&self, notice: &Notice) -> Result<Option<Notice>, StoreError>;

    async fn notice(&self, tenant: TenantId, id: Uuid) -> Result<Option<Notice>, StoreError>;

    /// Those among these ids that there are, by id.
    async fn notices_of(
        &self,
        tenant: TenantId,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Notice>, StoreError>;

    /// A tenant's notices by when they were made, the newest first, before a place.
    async fn notices(
        &self,
        tenant: TenantId,
        before: Option<(u64, Uuid)>,
        limit: u32,
    ) -> Result<Vec<Notice>, StoreError>;

    /// The newest that are in a log of notices and are not over, the newest first.
    async fn standing_notices(
        &self,
        log: ConversationKey,
        now_ms: u64,
        limit: u32,
    ) -> Result<Vec<Notice>, StoreError>;

    /// Those of all tenants for which something is to be done by now, for the caller alone until `until_ms`.
    async fn claim_notices(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: u32,
    ) -> Result<Vec<Notice>, StoreError>;

    /// Work of a notice is done: it has this place in its log, and this is to be done next. Nothing where something else
    /// is to be done by now.
    async fn did_notice(
        &self,
        notice: &Notice,
        seq: Option<u64>,
        next: Work,
    ) -> Result<(), StoreError>;

    /// Takes a notice back; as it is now, or nothing where there is none.
    async fn withdraw_notice(
        &self,
        tenant: TenantId,
        id: Uuid,
        now_ms: u64,
    ) -> Result<Option<Notice>, StoreError>;

    /// The highest seq of a log; 0 where there is none.
    async fn notices_head(&self, log: ConversationKey) -> Result<u64, StoreError>;

    /// Moves cursors forward.
    async fn advance_notice_cursors(
        &self,
        cursors: &NoticeCursors,
        now_ms: u64,
    ) -> Result<(), StoreError>;

    /// How far a user has read the notices log.
    async fn notices_read(&self, user_id: &UserId) -> Result<u64, StoreError>;

    async fn mark_notice(&self, marking: &Marking) -> Result<Marked, StoreError>;

    async fn notice_counts(&self, notice: &Notice) -> Result<NoticeCounts, StoreError>;

    /// Users of a tenant.
    async fn count_users(&self, tenant: TenantId) -> Result<u64, StoreError>;

    /// Asks that the push of a notice is sent again; whether it was not asked within the time before.
    async fn ask_resend(
        &self,
        tenant: TenantId,
        id: Uuid,
        now_ms: u64,
        between_ms: u64,
    ) -> Result<bool, StoreError>;

    /// Notices of all tenants whose push is to be sent again, each with when that was asked: those that were asked for
    /// after a time, the longest waiting first.
    async fn resends(&self, since_ms: u64, limit: u32) -> Result<Vec<(Notice, u64)>, StoreError>;

    /// What was asked at a time is done.
    async fn did_resend(&self, tenant: TenantId, id: Uuid, asked_ms: u64)
    -> Result<(), StoreError>;

    /// Those among these users who did anything with a notice.
    async fn notice_marked(
        &self,
        tenant: TenantId,
        id: Uuid,
        users: &[UserName],
    ) -> Result<HashSet<UserName>, StoreError>;

    /// What users did with a notice, by user and then by mark, after a place.
    async fn notice_receipts(
        &self,
        tenant: TenantId,
        id: Uuid,
        mark: Option<NoticeMark>,
        after: Option<(&UserName, NoticeMark)>,
        limit: u32,
    ) -> Result<Vec<Receipt>, StoreError>;

    /// What a user did with notices.
    async fn own_receipts(
        &self,
        user_id: &UserId,
        ids: &[Uuid],
    ) -> Result<Vec<(Uuid, NoticeMark, u64)>, StoreError>;
}

/// Notices that somebody who comes later is sent, at most.
pub const NEWEST: u32 = 100;
/// Hours that the counts of a notice tell apart: 30 days, as long as a notice stands by default.
pub const MOST_HOURS: usize = 720;
/// How long it may take until a cursor is written, in milliseconds.
pub(super) const GATHERED_MS: u64 = 60_000;

/// All columns of a notice.
macro_rules! columns {
    () => {
        "n.tenant, n.id, n.conversation_id, n.seq, n.audience, n.content, n.priority, n.created_by, n.created_at_ms, n.starts_at_ms,
    n.expires_at_ms, n.withdrawn_at_ms, n.targets, n.work, n.attempts"
    };
}

pub(super) const KEEP: &str = "
INSERT INTO notices (tenant, id, conversation_id, audience, content, priority, created_by, created_at_ms,
    starts_at_ms, expires_at_ms, targets, work, attempts, claimed_until_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, 0)
ON CONFLICT (tenant, id) DO NOTHING";

pub(super) const ONE: &str =
    concat!("SELECT ", columns!(), " FROM notices n WHERE n.tenant = $1 AND n.id = $2");

/// The ids follow.
pub(super) const SOME: &str = concat!("SELECT ", columns!(), " FROM notices n WHERE n.tenant = ");

pub(super) const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM notices n WHERE n.tenant = $1 AND (n.created_at_ms, n.id) < ($2, $3)
    ORDER BY n.created_at_ms DESC, n.id DESC LIMIT $4"
);

pub(super) const STANDING: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM notices n WHERE n.tenant = $1 AND n.conversation_id = $2 AND n.seq IS NOT NULL
        AND n.withdrawn_at_ms IS NULL AND n.expires_at_ms > $3
    ORDER BY n.seq DESC LIMIT $4"
);

/// The condition stands twice: who waited for another's claim looks at the row again.
pub(super) const CLAIM: &str = "
UPDATE notices SET claimed_until_ms = $2, attempts = attempts + 1
WHERE work <> 0 AND starts_at_ms <= $1 AND claimed_until_ms <= $1 AND (tenant, id) IN (
    SELECT d.tenant, d.id FROM notices d
    WHERE d.work <> 0 AND d.starts_at_ms <= $1 AND d.claimed_until_ms <= $1
    ORDER BY d.starts_at_ms, d.created_at_ms, d.id LIMIT $3)
RETURNING tenant, id /* of every tenant */";

pub(super) const DID: &str = "
UPDATE notices SET seq = COALESCE($3, seq), work = $5, attempts = 0, claimed_until_ms = 0
WHERE tenant = $1 AND id = $2 AND work = $4";

/// The place alone: something else is to be done by now.
pub(super) const PLACED: &str =
    "UPDATE notices SET seq = $3 WHERE tenant = $1 AND id = $2 AND seq IS NULL";

pub(super) const WITHDRAW: &str = "
UPDATE notices SET withdrawn_at_ms = $3, work = $4, attempts = 0
WHERE tenant = $1 AND id = $2 AND withdrawn_at_ms IS NULL";

/// A time that lies ahead was written by a clock that was wrong.
pub(super) const ASK_RESEND: &str = "
UPDATE notices SET resend_asked_ms = $3
WHERE tenant = $1 AND id = $2 AND (resend_asked_ms <= $3 - $4 OR resend_asked_ms > $3)";

pub(super) const RESENDS: &str = concat!(
    "SELECT ",
    columns!(),
    ", n.resend_asked_ms FROM notices n
    WHERE n.resend_asked_ms > n.resend_done_ms AND n.resend_asked_ms > $1 /* of every tenant */
    ORDER BY n.resend_asked_ms LIMIT $2"
);

pub(super) const DID_RESEND: &str =
    "UPDATE notices SET resend_done_ms = $3 WHERE tenant = $1 AND id = $2 AND resend_done_ms <> $3";

/// The users follow.
pub(super) const MARKED_AMONG: &str = "
SELECT DISTINCT r.user_id FROM notice_receipts r WHERE r.tenant = ";

pub(super) const HEAD: &str = "
SELECT COALESCE(max(e.seq), 0) FROM entries e WHERE e.tenant = $1 AND e.conversation_id = $2";

pub(super) const READ: &str =
    "SELECT c.read_seq FROM notice_cursors c WHERE c.tenant = $1 AND c.user_id = $2";

/// The first claim of a mark. Whether it was one's own, the row says.
pub(super) const MARK: &str = "
INSERT INTO notice_receipts (tenant, notice_id, user_id, mark, at_ms, client_id) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, notice_id, user_id, mark) DO NOTHING";

pub(super) const MARKED: &str = "
SELECT r.at_ms, r.client_id FROM notice_receipts r
WHERE r.tenant = $1 AND r.notice_id = $2 AND r.user_id = $3 AND r.mark = $4";

/// By hour: four rows for each hour that a notice stands, at most.
pub(super) const COUNT_MARKS: &str = "
SELECT r.at_ms / 3600000 * 3600000 AS hour_ms, r.mark, count(*) AS users FROM notice_receipts r
WHERE r.tenant = $1 AND r.notice_id = $2 GROUP BY 1, 2 ORDER BY 1, 2";

/// Who did anything with it.
pub(super) const COUNT_ANY: &str = "
SELECT count(DISTINCT r.user_id) FROM notice_receipts r WHERE r.tenant = $1 AND r.notice_id = $2";

pub(super) const COUNT_CURSORS: &str = "
SELECT count(*) FROM notice_cursors c WHERE c.tenant = $1 AND c.from_seq <= $2 AND c.delivered_seq >= $2";

pub(super) const COUNT_MEMBERS: &str = "
SELECT count(*) FROM members m
WHERE m.tenant = $1 AND m.conversation_id = $2 AND m.from_seq <= $3 AND m.delivered_seq >= $3";

pub(super) const COUNT_USERS: &str = "SELECT count(*) FROM users u WHERE u.tenant = $1";

/// `$3` is the mark, or 0 for all.
pub(super) const RECEIPTS: &str = "
SELECT r.user_id, r.mark, r.at_ms FROM notice_receipts r
WHERE r.tenant = $1 AND r.notice_id = $2 AND ($3 = 0 OR r.mark = $3) AND (r.user_id, r.mark) > ($4, $5)
ORDER BY r.user_id, r.mark LIMIT $6";

/// The ids follow.
pub(super) const OWN_RECEIPTS: &str = "
SELECT r.notice_id, r.mark, r.at_ms FROM notice_receipts r WHERE r.tenant = ";
