//! Contacts, on Postgres: one question for all users of a batch.

use async_trait::async_trait;

use super::PostgresStore;
use crate::store::StoreError;
use crate::store::contacts::{
    ContactStore, ContactsBound, ContactsOf, ContactsPage, page, rows_of,
};

/// Of each conversation one row more is read than a group may have members: this database would else read
/// all of a conversation with 100,000 members. The rows of a large one become one key without a user.
const CONTACTS: &str = r#"
SELECT u.place, c.key, c.many
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS u (tenant, id, after, place)
CROSS JOIN LATERAL (
    SELECT k.key, k.many FROM (
        SELECT (min(o.rank) || o.user_id) COLLATE "C" AS key,
            CASE WHEN o.user_id = '' THEN count(*) / ($4 + 1) ELSE 1 END AS many
        FROM members m
        CROSS JOIN LATERAL (
            SELECT CASE WHEN count(*) OVER () > $4 THEN '' ELSE x.user_id END AS user_id,
                CASE WHEN count(*) OVER () > 2 THEN '1' ELSE '0' END AS rank
            FROM (
                SELECT y.user_id FROM members y
                WHERE y.tenant = u.tenant AND y.conversation_id = m.conversation_id LIMIT $4 + 1
            ) x
        ) o
        WHERE m.tenant = u.tenant AND m.user_id = u.id AND o.user_id <> u.id
        GROUP BY o.user_id
    ) k
    WHERE k.key > u.after COLLATE "C"
    ORDER BY k.key LIMIT $5
) c
ORDER BY u.place, c.key"#;

#[async_trait]
impl ContactStore for PostgresStore {
    async fn contacts(
        &self,
        asked: &[ContactsOf],
        bound: ContactsBound,
    ) -> Result<Vec<ContactsPage>, StoreError> {
        let rows: Vec<(i64, String, i64)> = sqlx::query_as(CONTACTS)
            .bind(asked.iter().map(|of| of.user_id.tenant().as_str()).collect::<Vec<_>>())
            .bind(asked.iter().map(|of| of.user_id.name_str()).collect::<Vec<_>>())
            .bind(asked.iter().map(|of| of.after.as_str()).collect::<Vec<_>>())
            .bind(i64::from(bound.group_members))
            .bind(rows_of(bound))
            .fetch_all(&self.readers)
            .await?;
        let mut rows = rows.into_iter().peekable();
        // Places are counted from 1.
        (1..)
            .zip(asked)
            .map(|(place, of)| {
                let of_one: Vec<(String, i64)> =
                    std::iter::from_fn(|| rows.next_if(|row| row.0 == place))
                        .map(|(_, key, many)| (key, many))
                        .collect();
                page(of.user_id.tenant(), of_one, bound)
            })
            .collect()
    }
}
