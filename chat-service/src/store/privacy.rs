//! What others may know of users: read from their settings, see [`super::own`]. Written once for both databases.

use async_trait::async_trait;
use proto::id::UserId;

use super::fault::StoreError;
use crate::domain::privacy::Privacy;

#[async_trait]
pub trait PrivacyStore: Send + Sync + 'static {
    /// What these users have set, of those who set something.
    async fn privacy_of(&self, users: &[UserId]) -> Result<Vec<(UserId, Privacy)>, StoreError>;
}

/// Rows of no conversation have the id that is all zero, and no thread.
pub(super) fn privacy_of(given_users: &str) -> String {
    format!(
        "SELECT s.tenant, s.user_id, s.value FROM {given_users} own_settings s
        ON s.tenant = g.tenant AND s.user_id = g.id
            AND s.conversation_id = '00000000-0000-0000-0000-000000000000' AND s.what = 'privacy' AND s.thread = 0"
    )
}

/// Implements [`PrivacyStore`] for a store with a reading pool.
macro_rules! privacy_store {
    ($store:ty, $readers:ident) => {
        #[async_trait::async_trait]
        impl crate::store::privacy::PrivacyStore for $store {
            async fn privacy_of(
                &self,
                users: &[UserId],
            ) -> Result<Vec<(UserId, crate::domain::privacy::Privacy)>, StoreError> {
                if users.is_empty() {
                    return Ok(Vec::new());
                }
                let sql = crate::store::privacy::privacy_of(dialect::GIVEN_USERS);
                let query = sqlx::query(sqlx::AssertSqlSafe(sql));
                let rows = dialect::bind_users(query, users).fetch_all(&self.$readers).await?;
                rows.iter()
                    .map(|row| {
                        let user =
                            reading::user_id(row.try_get("tenant")?, row.try_get("user_id")?)?;
                        let value: &str = row.try_get("value")?;
                        Ok((user, crate::domain::privacy::Privacy::read(value)))
                    })
                    .collect()
            }
        }
    };
}

pub(super) use privacy_store;
