//! Contacts, on SQLite: there is no round trip that one statement for all users would save.

use async_trait::async_trait;

use super::SqliteStore;
use crate::store::StoreError;
use crate::store::contacts::{
    ContactStore, ContactsBound, ContactsOf, ContactsPage, page, rows_of,
};

pub(super) const CONTACTS: &str = "
WITH mine AS MATERIALIZED (
    SELECT m.conversation_id AS id, (SELECT count(*) FROM (
        SELECT 1 FROM members x
        WHERE x.tenant = m.tenant AND x.conversation_id = m.conversation_id LIMIT $4 + 1
    ) n) AS members
    FROM members m WHERE m.tenant = $1 AND m.user_id = $2
)
SELECT key, many FROM (
    SELECT min(CASE WHEN mine.members > 2 THEN '1' ELSE '0' END) || o.user_id AS key, 1 AS many
    FROM mine JOIN members o ON o.tenant = $1 AND o.conversation_id = mine.id
    WHERE mine.members <= $4 AND o.user_id <> $2 GROUP BY o.user_id
    UNION ALL
    SELECT '1' AS key, count(*) AS many FROM mine WHERE mine.members > $4 HAVING count(*) > 0
)
WHERE key > $3 ORDER BY key LIMIT $5";

#[async_trait]
impl ContactStore for SqliteStore {
    async fn contacts(
        &self,
        asked: &[ContactsOf],
        bound: ContactsBound,
    ) -> Result<Vec<ContactsPage>, StoreError> {
        let mut pages = Vec::with_capacity(asked.len());
        for of in asked {
            let rows: Vec<(String, i64)> = sqlx::query_as(CONTACTS)
                .bind(of.user_id.tenant().as_str())
                .bind(of.user_id.name_str())
                .bind(of.after.as_str())
                .bind(i64::from(bound.group_members))
                .bind(rows_of(bound))
                .fetch_all(&self.readers)
                .await?;
            pages.push(page(of.user_id.tenant(), rows, bound)?);
        }
        Ok(pages)
    }
}
