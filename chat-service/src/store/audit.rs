//! What operators and moderators did: rows that are only ever added. Written once for both databases.

use async_trait::async_trait;
use proto::id::TenantId;

use super::fault::StoreError;

pub use crate::domain::act::Act;

/// What was done.
#[async_trait]
pub trait AuditStore: Send + Sync + 'static {
    /// Keeps an act.
    async fn record_act(&self, act: &Act) -> Result<(), StoreError>;

    /// The newest acts in a tenant, newest first.
    async fn acts(&self, tenant: TenantId, limit: u32) -> Result<Vec<Act>, StoreError>;
}

pub(super) const RECORD: &str = "
INSERT INTO audit (tenant, at_ms, actor, ip, action, target, reason, details)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

pub(super) const ACTS: &str = "
SELECT at_ms, actor, ip, action, target, reason, details FROM audit WHERE tenant = $1 ORDER BY n DESC LIMIT $2";

/// Implements [`AuditStore`] for a store with a writing and a reading pool.
macro_rules! audit_store {
    ($store:ty, $writers:ident, $readers:ident) => {
        #[async_trait::async_trait]
        impl crate::store::audit::AuditStore for $store {
            async fn record_act(&self, act: &crate::store::audit::Act) -> Result<(), StoreError> {
                sqlx::query(crate::store::audit::RECORD)
                    .bind(act.actor.tenant().as_str())
                    .bind(act.at_ms as i64)
                    .bind(act.actor.name_str())
                    .bind(&act.ip)
                    .bind(&act.action)
                    .bind(&act.target)
                    .bind(&act.reason)
                    .bind(&act.details)
                    .execute(&self.$writers)
                    .await?;
                Ok(())
            }

            async fn acts(
                &self,
                tenant: TenantId,
                limit: u32,
            ) -> Result<Vec<crate::store::audit::Act>, StoreError> {
                let rows = sqlx::query(crate::store::audit::ACTS)
                    .bind(tenant.as_str())
                    .bind(i64::from(limit))
                    .fetch_all(&self.$readers)
                    .await?;
                rows.iter()
                    .map(|row| {
                        Ok(crate::store::audit::Act {
                            actor: reading::user_name(row.try_get("actor")?)?.of(tenant),
                            ip: row.try_get("ip")?,
                            action: row.try_get("action")?,
                            target: row.try_get("target")?,
                            reason: row.try_get("reason")?,
                            details: row.try_get("details")?,
                            at_ms: row.try_get::<i64, _>("at_ms")? as u64,
                        })
                    })
                    .collect()
            }
        }
    };
}

pub(super) use audit_store;
