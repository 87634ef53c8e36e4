//! What offline push stores: devices, up to where their users were told, what is tried again, what was given up. Written
//! once for both databases: each statement is for a device, or for a batch of conversations off the way of messages.
//!
//! # Guarantees (held by the contract suite)
//! 1. A token belongs to one device of its tenant: a registration takes it over from the device that had it.
//! 2. A device that is said to be gone goes only with the token that was tried, and not when it was registered since.
//! 3. What a user was told of a conversation only grows, and is forgotten only up to where it was taken back.
//! 4. Members without a device, and those who have all of a place, are no candidates for it.
//! 5. Tenants see nothing of each other.

mod rows;

use async_trait::async_trait;
use proto::id::{ConversationKey, DeviceId, TenantId, UserId, UserName};
use push::Provider;
use uuid::Uuid;

use super::fault::StoreError;
use crate::domain::body::MESSAGE_KINDS;
use crate::domain::entry::ConversationKind;

pub(super) use rows::push_store;

/// How much of a message a push tells.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum PushContent {
    /// That there is one.
    None,
    /// Also who wrote it.
    Sender,
    /// Also its text.
    Full,
}

impl PushContent {
    /// As it is stored. Never change one.
    pub fn code(self) -> i64 {
        match self {
            Self::None => 0,
            Self::Sender => 1,
            Self::Full => 2,
        }
    }

    /// As the configuration and answers name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sender => "sender",
            Self::Full => "full",
        }
    }

    /// Of a stored code; what is not known tells nothing.
    pub fn of(code: i64) -> Self {
        match code {
            1 => Self::Sender,
            2 => Self::Full,
            _ => Self::None,
        }
    }
}

/// A device that wants to be told.
#[derive(Clone, PartialEq, Eq)]
pub struct PushDevice {
    pub user_id: UserId,
    pub device_id: DeviceId,
    pub provider: Provider,
    /// A secret: it never reaches a log.
    pub token: String,
    /// Of what makes two tokens the same device for the provider, in hexadecimal digits.
    pub token_sha256: String,
    pub app: String,
    pub locale: String,
    /// What it wants to be told at most; `None`: what the server tells.
    pub content: Option<PushContent>,
    /// When it was registered last, in Unix milliseconds.
    pub seen_at_ms: u64,
}

impl std::fmt::Debug for PushDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { user_id, device_id, provider, content, seen_at_ms, .. } = self;
        write!(f, "{user_id}/{device_id} {provider:?} {content:?} {seen_at_ms}")
    }
}

/// A conversation, as a push needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushPlace {
    pub key: ConversationKey,
    pub kind: ConversationKind,
    pub title: String,
    /// It has more members than were asked about.
    pub is_large: bool,
}

/// A member who has a device and lacks the entry that was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub key: ConversationKey,
    pub user_id: UserId,
    /// First entry that the member may see.
    pub from_seq: u64,
    pub delivered_seq: u64,
    pub read_seq: u64,
    /// Up to where they were told; 0: not at all.
    pub sent_seq: u64,
    /// When, in Unix milliseconds.
    pub sent_at_ms: u64,
}

/// Up to where a user was told of a conversation. Belongs to the user's tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushSent {
    pub user_id: UserId,
    pub key: ConversationKey,
    pub seq: u64,
    /// Unix milliseconds.
    pub at_ms: u64,
}

/// A push that is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushRetry {
    /// The same in every attempt.
    pub id: Uuid,
    pub user_id: UserId,
    pub device_id: DeviceId,
    pub provider: Provider,
    /// What it says, as JSON.
    pub note: String,
    /// How often it was tried.
    pub attempt: u32,
    /// Why the last attempt failed.
    pub reason: String,
    /// When it was decided, in Unix milliseconds.
    pub made_at_ms: u64,
    /// When it is tried next.
    pub next_at_ms: u64,
}

/// A push that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadPush {
    pub id: Uuid,
    pub user_id: UserId,
    pub device_id: DeviceId,
    pub provider: Provider,
    pub key: ConversationKey,
    pub seq: u64,
    pub attempts: u32,
    pub reason: String,
    /// Unix milliseconds.
    pub at_ms: u64,
}

/// Which members of a large conversation.
#[derive(Debug, Clone, Copy)]
pub enum Of<'m> {
    /// These.
    Named(&'m [UserName]),
    /// A page of all, after a user.
    After(Option<&'m UserName>),
}

#[async_trait]
pub trait PushStore: Send + Sync + 'static {
    /// Registers a device, with all that is known of it; of one with more than `most` devices those go that were
    /// registered longest ago.
    async fn keep_push_device(&self, device: &PushDevice, most: u32) -> Result<(), StoreError>;

    /// The devices of users.
    async fn push_devices(&self, users: &[UserId]) -> Result<Vec<PushDevice>, StoreError>;

    /// Forgets a device, or all of a user; whether there was one.
    async fn drop_push_device(
        &self,
        user_id: &UserId,
        device_id: Option<&DeviceId>,
    ) -> Result<bool, StoreError>;

    /// Forgets a device that its provider does not know any more, if it has the token still and was not registered after
    /// `since_ms`.
    async fn drop_dead_token(&self, device: &PushDevice, since_ms: u64)
    -> Result<bool, StoreError>;

    /// Forgets the devices of all tenants that were registered before; how many.
    async fn forget_push_devices(&self, seen_before_ms: u64) -> Result<u64, StoreError>;

    /// What these conversations are, those that exist; whether each has more than `members` members.
    async fn push_places(
        &self,
        keys: &[ConversationKey],
        members: u32,
    ) -> Result<Vec<PushPlace>, StoreError>;

    /// The candidates for places of conversations.
    async fn push_candidates(
        &self,
        places: &[(ConversationKey, u64)],
    ) -> Result<Vec<Candidate>, StoreError>;

    /// The candidates for a place of a large conversation, by user.
    async fn push_candidates_of(
        &self,
        key: ConversationKey,
        seq: u64,
        of: Of<'_>,
        limit: u32,
    ) -> Result<Vec<Candidate>, StoreError>;

    /// Users of a tenant who have a device, by user after a name, with how far they are in its log of notices: also those
    /// who have all of it.
    async fn notice_candidates(
        &self,
        log: ConversationKey,
        after: Option<&UserName>,
        limit: u32,
    ) -> Result<Vec<Candidate>, StoreError>;

    /// In how many conversations something is unread, of users.
    async fn push_badges(&self, users: &[UserId]) -> Result<Vec<(UserId, u32)>, StoreError>;

    /// Keeps up to where users were told.
    async fn keep_pushed(&self, sent: &[PushSent]) -> Result<(), StoreError>;

    /// Up to where users were told of conversations.
    async fn pushed(
        &self,
        places: &[(UserId, ConversationKey)],
    ) -> Result<Vec<PushSent>, StoreError>;

    /// Users whose notification of a conversation stands for this entry.
    async fn pushed_for(&self, key: ConversationKey, seq: u64)
    -> Result<Vec<PushSent>, StoreError>;

    /// Users with a device whose notification of a log of notices stands for this entry.
    async fn pushed_for_notice(
        &self,
        log: ConversationKey,
        seq: u64,
    ) -> Result<Vec<PushSent>, StoreError>;

    /// A page of what was told and has been read since, of all tenants, after a place; and where the next page begins,
    /// `None` at the end.
    async fn pushed_and_read(
        &self,
        after: Option<&PushSent>,
        limit: u32,
    ) -> Result<(Vec<PushSent>, Option<PushSent>), StoreError>;

    /// Forgets what was told up to there.
    async fn drop_pushed(&self, sent: &[PushSent]) -> Result<(), StoreError>;

    /// Keeps a push for another attempt, or that it was tried again.
    async fn keep_push_retry(&self, retry: &PushRetry) -> Result<(), StoreError>;

    /// The pushes of all tenants that are to be tried now. One that is due later than `latest_ms` was planned by a wrong
    /// clock, and is due, too.
    async fn due_push_retries(
        &self,
        now_ms: u64,
        latest_ms: u64,
        limit: u32,
    ) -> Result<Vec<PushRetry>, StoreError>;

    /// Pushes of a conversation that are tried again.
    async fn push_retries_of(&self, key: ConversationKey) -> Result<Vec<PushRetry>, StoreError>;

    async fn drop_push_retry(&self, tenant: TenantId, id: Uuid) -> Result<(), StoreError>;

    /// Keeps the newest of what is tried again; how many went.
    async fn trim_push_retries(&self, most: u32) -> Result<u64, StoreError>;

    async fn keep_dead_push(&self, dead: &DeadPush) -> Result<(), StoreError>;

    /// Given-up pushes of a tenant, the newest first, before a place.
    async fn dead_pushes(
        &self,
        tenant: TenantId,
        before: Option<(u64, Uuid)>,
        limit: u32,
    ) -> Result<Vec<DeadPush>, StoreError>;

    /// Given-up pushes of a conversation that told of an entry or of a later one, by entry.
    async fn dead_pushes_from(
        &self,
        key: ConversationKey,
        seq: u64,
    ) -> Result<Vec<DeadPush>, StoreError>;

    /// Keeps the newest given-up pushes.
    async fn trim_dead_pushes(&self, most: u32) -> Result<(), StoreError>;
}

pub(super) const KEEP_DEVICE: &str = "
INSERT INTO push_devices (tenant, user_id, device_id, provider, token, token_sha256, app, locale, content, seen_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (tenant, user_id, device_id) DO UPDATE
SET provider = excluded.provider, token = excluded.token, token_sha256 = excluded.token_sha256, app = excluded.app,
    locale = excluded.locale, content = excluded.content, seen_at_ms = excluded.seen_at_ms";

/// The token of another device that has it.
pub(super) const TAKE_OVER: &str = "
DELETE FROM push_devices WHERE tenant = $1 AND provider = $4 AND token_sha256 = $5 AND NOT (user_id = $2 AND device_id = $3)";

/// All but the newest of a user.
pub(super) const TOO_MANY: &str = "
DELETE FROM push_devices WHERE tenant = $1 AND user_id = $2 AND device_id IN (
    SELECT d.device_id FROM push_devices d WHERE d.tenant = $1 AND d.user_id = $2
    ORDER BY d.seen_at_ms DESC, d.device_id LIMIT 1000 OFFSET $3)";

const DEVICE: &str = "d.tenant, d.user_id, d.device_id, CAST(d.provider AS bigint) AS provider, d.token, d.token_sha256,
    d.app, d.locale, CAST(d.content AS bigint) AS content, d.seen_at_ms";

/// The devices of users; `given_users` makes a table `g` of them and joins it.
pub(super) fn devices_of(given_users: &str) -> String {
    format!(
        "SELECT {DEVICE} FROM {given_users} push_devices d ON d.tenant = g.tenant AND d.user_id = g.id
        ORDER BY d.tenant, d.user_id, d.device_id"
    )
}

pub(super) const DROP_DEVICE: &str = "
DELETE FROM push_devices WHERE tenant = $1 AND user_id = $2 AND ($3 = '' OR device_id = $3)";

pub(super) const DROP_DEAD_TOKEN: &str = "
DELETE FROM push_devices
WHERE tenant = $1 AND user_id = $2 AND device_id = $3 AND token_sha256 = $4 AND seen_at_ms <= $5";

pub(super) const FORGET_DEVICES: &str =
    "DELETE FROM push_devices WHERE seen_at_ms < $1 /* of every tenant */";

/// What conversations are; `given_places` makes a table `g` of them, and
/// joins it; members are counted to one more than `members`.
pub(super) fn places(given_places: &str, members: u32) -> String {
    let counted = u64::from(members) + 1;
    format!(
        "SELECT c.tenant, c.id AS conversation_id, CAST(c.kind AS bigint) AS kind, c.title,
            (SELECT count(*) FROM (SELECT m.user_id FROM members m
                WHERE m.tenant = c.tenant AND m.conversation_id = c.id LIMIT {counted}) n) AS members
        FROM {given_places} conversations c ON c.tenant = g.tenant AND c.id = g.id"
    )
}

/// A member with what they were told, where they have a device.
const CANDIDATE: &str =
    "m.tenant, m.conversation_id, m.user_id, m.from_seq, m.delivered_seq, m.read_seq,
    COALESCE(s.seq, 0) AS sent_seq, COALESCE(s.at_ms, 0) AS sent_at_ms";
const WITH_SENT: &str = "
LEFT JOIN push_sent s ON s.tenant = m.tenant AND s.user_id = m.user_id AND s.conversation_id = m.conversation_id";
const HAS_DEVICE: &str =
    "EXISTS (SELECT 1 FROM push_devices d WHERE d.tenant = m.tenant AND d.user_id = m.user_id)";

/// The candidates for many places.
pub(super) fn candidates(given_places: &str) -> String {
    format!(
        "SELECT {CANDIDATE} FROM {given_places} members m ON m.tenant = g.tenant AND m.conversation_id = g.id {WITH_SENT}
        WHERE m.delivered_seq < g.seq AND m.read_seq < g.seq AND m.from_seq <= g.seq AND {HAS_DEVICE}"
    )
}

/// The candidates for one place; `among` is a condition on the users.
pub(super) fn candidates_of(among: &str) -> String {
    format!(
        "SELECT {CANDIDATE} FROM members m {WITH_SENT}
        WHERE m.tenant = $1 AND m.conversation_id = $2 AND m.delivered_seq < $3 AND m.read_seq < $3 AND m.from_seq <= $3
            AND m.user_id > $4 AND {among} AND {HAS_DEVICE}
        ORDER BY m.user_id LIMIT $5"
    )
}

/// In how many conversations something by others is unread.
pub(super) fn badges(given_users: &str) -> String {
    let kinds = MESSAGE_KINDS.join("', '");
    format!(
        "SELECT m.tenant, m.user_id, count(*) AS unread
        FROM {given_users} members m ON m.tenant = g.tenant AND m.user_id = g.id
        WHERE EXISTS (SELECT 1 FROM entries e WHERE e.tenant = m.tenant AND e.conversation_id = m.conversation_id
            AND e.seq > m.read_seq AND e.seq >= m.from_seq AND e.sender_id <> m.user_id AND e.kind IN ('{kinds}')
            AND octet_length(e.content) > 2)
        GROUP BY m.tenant, m.user_id"
    )
}

pub(super) const KEEP_SENT: &str = " ON CONFLICT (tenant, user_id, conversation_id) DO UPDATE
SET seq = excluded.seq, at_ms = excluded.at_ms WHERE push_sent.seq < excluded.seq";

pub(super) const SENT_FOR: &str = "
SELECT s.tenant, s.user_id, s.conversation_id, s.seq, s.at_ms
FROM members m JOIN push_sent s ON s.tenant = m.tenant AND s.user_id = m.user_id AND s.conversation_id = m.conversation_id
WHERE m.tenant = $1 AND m.conversation_id = $2 AND s.seq = $3";

/// Nobody is a member of a log of notices: those who have a device.
pub(super) const SENT_FOR_NOTICE: &str = "
SELECT s.tenant, s.user_id, s.conversation_id, s.seq, s.at_ms
FROM (SELECT DISTINCT p.tenant, p.user_id FROM push_devices p WHERE p.tenant = $1) d
JOIN push_sent s ON s.tenant = d.tenant AND s.user_id = d.user_id AND s.conversation_id = $2
WHERE s.seq = $3";

/// `$2` is the log.
pub(super) const NOTICE_CANDIDATES: &str = "
SELECT d.user_id,
    COALESCE(c.delivered_seq, 0) AS delivered_seq, COALESCE(c.read_seq, 0) AS read_seq,
    COALESCE(s.seq, 0) AS sent_seq, COALESCE(s.at_ms, 0) AS sent_at_ms
FROM (SELECT DISTINCT p.tenant, p.user_id FROM push_devices p
    WHERE p.tenant = $1 AND p.user_id > $3 ORDER BY p.user_id LIMIT $4) d
LEFT JOIN notice_cursors c ON c.tenant = d.tenant AND c.user_id = d.user_id
LEFT JOIN push_sent s ON s.tenant = d.tenant AND s.user_id = d.user_id AND s.conversation_id = $2
ORDER BY d.user_id";

/// In the order of the key; each with how far it was read, so that a page that finds nothing still has an end.
pub(super) const SENT_AND_READ: &str = "/* of every tenant */
SELECT s.tenant, s.user_id, s.conversation_id, s.seq, s.at_ms,
    CASE WHEN k.kind = 5 THEN COALESCE(c.read_seq, 0) ELSE COALESCE(m.read_seq, s.seq) END AS read_seq
FROM (SELECT * FROM push_sent s WHERE (s.tenant, s.user_id, s.conversation_id) > ($1, $2, $3)
    ORDER BY s.tenant, s.user_id, s.conversation_id LIMIT $4) s
LEFT JOIN conversations k ON k.tenant = s.tenant AND k.id = s.conversation_id
LEFT JOIN notice_cursors c ON c.tenant = s.tenant AND c.user_id = s.user_id
LEFT JOIN members m ON m.tenant = s.tenant AND m.conversation_id = s.conversation_id AND m.user_id = s.user_id
ORDER BY s.tenant, s.user_id, s.conversation_id";

pub(super) const DROP_SENT: &str = "
DELETE FROM push_sent WHERE tenant = $1 AND user_id = $2 AND conversation_id = $3 AND seq <= $4";

pub(super) const KEEP_RETRY: &str = "
INSERT INTO push_retries (tenant, id, user_id, device_id, provider, note, attempt, reason, made_at_ms, next_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (tenant, id) DO UPDATE
SET attempt = excluded.attempt, reason = excluded.reason, next_at_ms = excluded.next_at_ms";

pub(super) const DUE: &str = "
SELECT tenant, id, user_id, device_id, CAST(provider AS bigint) AS provider, note, attempt, reason, made_at_ms,
    next_at_ms
FROM push_retries WHERE next_at_ms <= $1 OR next_at_ms > $3 /* of every tenant */ ORDER BY next_at_ms LIMIT $2";

/// What is tried again of one conversation, for operators: the rows are few, and have no column for it.
pub(super) const RETRIES_OF: &str = "
SELECT tenant, id, user_id, device_id, CAST(provider AS bigint) AS provider, note, attempt, reason, made_at_ms,
    next_at_ms
FROM push_retries WHERE tenant = $1 AND note LIKE $2 ORDER BY made_at_ms DESC LIMIT 10000";

pub(super) const DROP_RETRY: &str = "DELETE FROM push_retries WHERE tenant = $1 AND id = $2";

/// All but the newest.
pub(super) const TRIM_RETRIES: &str = "
DELETE FROM push_retries WHERE (tenant, id) IN (
    SELECT tenant, id FROM push_retries /* of every tenant */ ORDER BY made_at_ms DESC LIMIT 100000 OFFSET $1)";

pub(super) const KEEP_DEAD: &str = "
INSERT INTO push_dead (tenant, id, user_id, device_id, provider, conversation_id, seq, attempts, reason, at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (tenant, id) DO NOTHING";

pub(super) const DEAD: &str = "
SELECT tenant, id, user_id, device_id, CAST(provider AS bigint) AS provider, conversation_id, seq, attempts, reason,
    at_ms
FROM push_dead WHERE tenant = $1 AND (at_ms, id) < ($2, $3) ORDER BY at_ms DESC, id DESC LIMIT $4";

/// Of at most as many rows as are kept for all tenants.
pub(super) const DEAD_FROM: &str = "
SELECT tenant, id, user_id, device_id, CAST(provider AS bigint) AS provider, conversation_id, seq, attempts, reason,
    at_ms
FROM push_dead WHERE tenant = $1 AND conversation_id = $2 AND seq >= $3 ORDER BY seq, id LIMIT 10000";

pub(super) const TRIM_DEAD: &str = "
DELETE FROM push_dead WHERE (tenant, id) IN (
    SELECT tenant, id FROM push_dead /* of every tenant */ ORDER BY at_ms DESC LIMIT 100000 OFFSET $1)";
