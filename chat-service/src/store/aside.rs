//! Entries that followers could not work on and went on without, for operators of the install. Written once for both
//! databases; the rows are written by [`put_aside`](super::tail::FollowerStore::put_aside).

use async_trait::async_trait;
use proto::id::ConversationKey;

use super::fault::StoreError;
use super::tail::AsideRow;

/// A place in the list of one follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsidePlace {
    /// When it was put aside, in Unix milliseconds.
    pub at_ms: u64,
    pub conversation: ConversationKey,
    pub seq: u64,
}

impl AsidePlace {
    /// That of a row.
    pub fn of(row: &AsideRow) -> Self {
        Self { at_ms: row.at_ms, conversation: row.conversation, seq: row.seq }
    }
}

/// What was put aside.
#[async_trait]
pub trait AsideStore: Send + Sync + 'static {
    /// The entries of all tenants that a follower has put aside, the newest first, behind a place.
    async fn aside(
        &self,
        follower: &str,
        behind: Option<AsidePlace>,
        limit: u32,
    ) -> Result<Vec<AsideRow>, StoreError>;
}

pub(super) const ASIDE: &str = "
SELECT tenant, conversation_id, seq, error, at_ms FROM follower_dead
WHERE follower = $1 AND (at_ms, tenant, conversation_id, seq) < ($2, $3, $4, $5) /* of every tenant */
ORDER BY at_ms DESC, tenant DESC, conversation_id DESC, seq DESC LIMIT $6";

/// Implements [`AsideStore`] for a store with a reading pool.
macro_rules! aside_store {
    ($store:ty, $readers:ident) => {
        #[async_trait::async_trait]
        impl crate::store::aside::AsideStore for $store {
            async fn aside(
                &self,
                follower: &str,
                behind: Option<crate::store::aside::AsidePlace>,
                limit: u32,
            ) -> Result<Vec<crate::store::tail::AsideRow>, StoreError> {
                let id = behind.map_or(uuid::Uuid::max(), |it| it.conversation.id.0);
                let rows = sqlx::query(crate::store::aside::ASIDE)
                    .bind(follower)
                    .bind(behind.map_or(i64::MAX, |it| it.at_ms as i64))
                    .bind(behind.map_or("", |it| it.conversation.tenant.as_str()))
                    .bind(dialect::id(id))
                    .bind(behind.map_or(i64::MAX, |it| it.seq as i64))
                    .bind(i64::from(limit))
                    .fetch_all(&self.$readers)
                    .await?;
                rows.iter()
                    .map(|row| {
                        let tenant = reading::tenant(row.try_get("tenant")?)?;
                        let id = ConversationId(dialect::uuid(row, "conversation_id")?);
                        Ok(crate::store::tail::AsideRow {
                            conversation: ConversationKey::new(tenant, id),
                            seq: row.try_get::<i64, _>("seq")? as u64,
                            error: row.try_get("error")?,
                            at_ms: row.try_get::<i64, _>("at_ms")? as u64,
                        })
                    })
                    .collect()
            }
        }
    };
}

pub(super) use aside_store;
