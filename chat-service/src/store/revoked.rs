//! What is revoked, and which tokens devices used. Written once for both databases: sessions are ended rarely.
//!
//! # Guarantees (held by the contract suite)
//! 1. A reader that has read the list up to a version misses nothing that was written before it.
//! 2. A user has at most so many rows, and none is forgotten for it: the oldest become one that says more.
//! 3. A device that is ended takes every token with it that it was noted with, were it at the same moment:
//!    `note` then tells which come too late. Tokens of a user that were forgotten for the bound go, too.
//! 4. A device that nothing is known of ends nothing.
//! 5. The list is one for all tenants, as gateways keep it; no tenant fills it for the others.

mod rows;

use async_trait::async_trait;
use proto::id::{DeviceId, TenantId, UserId};

use super::fault::StoreError;
use crate::domain::revocation::{Cut, DeviceToken, Revocation, What};

pub(super) use rows::{read_cut, read_what, revoked_store};

/// What is to be ended of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    What(What),
    /// A device with every token that it used.
    Device {
        device_id: DeviceId,
        /// It exists, whatever is known of its tokens.
        is_connected: bool,
    },
    /// The tokens that a device used; where none is known the device itself.
    SessionOf(DeviceId),
}

/// Bounds of the tables.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Rows of one user.
    pub per_user: usize,
    /// Rows of all users of a tenant.
    pub most: u64,
}

/// Why nothing was revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// Nothing is known of the device.
    #[error("there is no such device")]
    UnknownDevice,
    /// The table is full of what others revoked.
    #[error("the list of revocations is full")]
    Full,
    /// It may be written. Ask again: saying it twice is saying it once.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for RevokeError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(StoreError(error))
    }
}

/// What is revoked.
#[async_trait]
pub trait RevokedStore: Send + Sync + 'static {
    /// Ends sessions of a user; what is new in the list by that.
    async fn end(
        &self,
        user_id: &UserId,
        ending: &Ending,
        cut: Cut,
        bounds: Bounds,
        now_ms: u64,
    ) -> Result<Vec<Revocation>, RevokeError>;

    /// A page of what was revoked after a version and has not ended, and the version that it goes to. It is
    /// that of the whole list when the page is not full.
    async fn revoked_after(
        &self,
        version: u64,
        limit: u32,
        now_ms: u64,
    ) -> Result<(Vec<Revocation>, u64), StoreError>;

    /// Notes tokens that devices use, so many of a user at most; those whose device was ended before.
    async fn note_tokens(
        &self,
        tokens: &[DeviceToken],
        per_user: usize,
        now_ms: u64,
    ) -> Result<Vec<DeviceToken>, StoreError>;

    /// Forgets what has ended by itself.
    async fn forget_ended(&self, now_ms: u64) -> Result<(), StoreError>;
}

/// What is known of the tokens of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Used {
    /// It used this one.
    Token(What, Cut),
    /// Tokens of this user were forgotten that were issued up to then: it may have used any of them.
    Forgotten(Cut),
}

impl Ending {
    /// The rows that say it. `cut` is from now on; those of tokens are their own.
    pub(super) fn rows(
        &self,
        cut: Cut,
        used: Vec<Used>,
        before: &[(What, Cut)],
    ) -> Result<Vec<(What, Cut)>, RevokeError> {
        let (device_id, is_connected, with_device) = match self {
            Self::What(what) => return Ok(vec![(what.clone(), cut)]),
            Self::Device { device_id, is_connected } => (device_id, *is_connected, true),
            Self::SessionOf(device_id) => (device_id, true, used.is_empty()),
        };
        let device = What::Device(device_id.clone());
        let was_ended = before.iter().any(|(what, _)| *what == device);
        if used.is_empty() && !is_connected && !was_ended {
            return Err(RevokeError::UnknownDevice);
        }
        let mut rows: Vec<(What, Cut)> = used
            .into_iter()
            .map(|used| match used {
                Used::Token(what, cut) => (what, cut),
                Used::Forgotten(cut) => (What::All, cut),
            })
            .collect();
        if with_device {
            rows.push((device, cut));
        }
        Ok(rows)
    }
}

/// Each token once, in one order, so that two batches never wait for each other.
pub(super) fn in_one_order(tokens: &[DeviceToken]) -> Vec<&DeviceToken> {
    let mut tokens: Vec<_> = tokens.iter().collect();
    tokens.sort_unstable_by_key(|it| (&it.user_id, &it.device_id, it.token_id));
    tokens.dedup();
    tokens
}

/// Those of the tokens that a row ends which is about the device they were used by.
pub(super) fn covered<'a>(
    tokens: &'a [&DeviceToken],
    user_id: &'a UserId,
    what: &'a What,
    cut: &'a Cut,
    now_ms: u64,
) -> impl Iterator<Item = DeviceToken> + 'a {
    let is_covered = move |token: &&&DeviceToken| {
        token.user_id == *user_id
            && *what == What::Device(token.device_id.clone())
            && token.issued_secs <= cut.issued_until_secs
            && cut.until_ms > now_ms
    };
    tokens.iter().filter(is_covered).map(|token| (*token).clone())
}

/// The row of the version: there is one list for all tenants, and one version of it, under the name of the first tenant.
pub(super) const LIST: TenantId = TenantId::DEFAULT;

/// Those who revoke go one after the other, so that versions are visible in their order.
pub(super) const LOCK: &str =
    "UPDATE revocation_versions SET version = version WHERE tenant = $1 RETURNING version";

pub(super) const VERSION: &str = "SELECT version FROM revocation_versions WHERE tenant = $1";

pub(super) const SET_VERSION: &str =
    "UPDATE revocation_versions SET version = $2 WHERE tenant = $1";

pub(super) const OF_USER: &str = "
SELECT what, issued_until_secs, until_ms FROM revocations
WHERE tenant = $1 AND user_id = $2 AND until_ms > $3";

pub(super) const SET: &str = "
INSERT INTO revocations (tenant, user_id, what, issued_until_secs, until_ms, version)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, user_id, what) DO UPDATE
SET issued_until_secs = excluded.issued_until_secs, until_ms = excluded.until_ms, version = excluded.version";

pub(super) const AFTER: &str = "
SELECT tenant, user_id, what, issued_until_secs, until_ms, version FROM revocations
WHERE version > $1 AND until_ms > $2 /* of every tenant */ ORDER BY version LIMIT $3";

pub(super) const COUNT: &str = "SELECT count(*) FROM revocations WHERE tenant = $1";

pub(super) const GONE: &str =
    "DELETE FROM revocations WHERE tenant = $1 AND user_id = $2 AND what = $3";

pub(super) const FORGET_ENDED: [&str; 2] = [
    "DELETE FROM revocations WHERE until_ms <= $1 /* of every tenant */",
    "DELETE FROM device_tokens WHERE until_ms <= $1 /* of every tenant */",
];

/// How many tokens each of many users has; `given_users` makes a table `g` of them and joins it.
pub(super) fn token_counts(given_users: &str) -> String {
    format!(
        "SELECT t.tenant, t.user_id, count(*) AS tokens
        FROM {given_users} device_tokens t ON t.tenant = g.tenant AND t.user_id = g.id
        WHERE t.device_id <> '' GROUP BY t.tenant, t.user_id"
    )
}

/// Devices of many users that were ended.
pub(super) fn ended_devices(given_users: &str) -> String {
    format!(
        "SELECT r.tenant, r.user_id, r.what, r.issued_until_secs, r.until_ms
        FROM {given_users} revocations r ON r.tenant = g.tenant AND r.user_id = g.id
        WHERE r.what LIKE 'd:%'"
    )
}

pub(super) const FORGET_TOKEN: &str = "
DELETE FROM device_tokens WHERE tenant = $1 AND user_id = $2 AND device_id = $3 AND token_id = $4";

/// The tokens of a device, and the row of those that were forgotten.
pub(super) const TOKENS_OF: &str = "
SELECT device_id, token_id, issued_secs, until_ms FROM device_tokens
WHERE tenant = $1 AND user_id = $2 AND (device_id = $3 OR device_id = '') AND until_ms > $4";

pub(super) const OLDEST_TOKENS: &str = "
SELECT device_id, token_id, issued_secs, until_ms FROM device_tokens
WHERE tenant = $1 AND user_id = $2 AND device_id <> '' ORDER BY noted_at_ms, token_id";

/// Up to when those were issued that are forgotten.
pub(super) const FORGOTTEN: &str = "
INSERT INTO device_tokens (tenant, user_id, device_id, token_id, issued_secs, until_ms, noted_at_ms)
VALUES ($1, $2, '', '', $3, $4, $5)
ON CONFLICT (tenant, user_id, device_id, token_id) DO UPDATE SET
    issued_secs = CASE WHEN excluded.issued_secs > device_tokens.issued_secs
        THEN excluded.issued_secs ELSE device_tokens.issued_secs END,
    until_ms = CASE WHEN excluded.until_ms > device_tokens.until_ms
        THEN excluded.until_ms ELSE device_tokens.until_ms END";
