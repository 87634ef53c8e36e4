//! What users set of their own, on SQLite.

use async_trait::async_trait;
use proto::id::{ConversationId, UserId};
use uuid::Uuid;

use super::json::json;
use super::{SqliteStore, dialect};
use crate::domain::drafts::{DraftFact, DraftFacts, DraftPlace, KeptDraft, MAX_DRAFTS};
use crate::domain::own::{Fact, Facts, MAX_FOLLOWED, Place, Setting};
use crate::store::StoreError;
use crate::store::own::{DraftRow, OwnStore, Row, after_place, draft, id_of, setting};
use crate::store::reading::corrupt;

pub(super) const FACTS: &str = "
SELECT k.key, s.value, COALESCE(s.as_of, 0),
    EXISTS (SELECT 1 FROM members m
        WHERE m.tenant = k.value ->> 0 AND m.conversation_id = k.value ->> 2 AND m.user_id = k.value ->> 1),
    CASE WHEN k.value ->> 3 = 'follow_thread' THEN (SELECT count(*) FROM (SELECT 1 FROM own_settings x
        WHERE x.tenant = k.value ->> 0 AND x.user_id = k.value ->> 1 AND x.what = k.value ->> 3 LIMIT $2) f) ELSE 0 END,
    CASE WHEN k.value ->> 3 = 'follow_thread' THEN (SELECT COALESCE(max(e.seq), 0) FROM entries e WHERE e.tenant = k.value ->> 0 AND e.conversation_id = k.value ->> 2) ELSE 0 END
FROM json_each($1) k
LEFT JOIN own_settings s ON s.tenant = k.value ->> 0 AND s.user_id = k.value ->> 1 AND s.conversation_id = k.value ->> 2
    AND s.what = k.value ->> 3 AND s.thread = k.value ->> 4";

pub(super) const WALK: &str = "
SELECT s.conversation_id, s.what, s.thread, s.value, s.number, s.as_of FROM own_settings s
WHERE s.tenant = $1 AND s.user_id = $2 AND (s.conversation_id, s.what, s.thread) > ($3, $4, $5)
ORDER BY s.conversation_id, s.what, s.thread LIMIT $6";

pub(super) const OF: &str = "
SELECT s.conversation_id, s.what, s.thread, s.value, s.number, s.as_of FROM json_each($3) k
CROSS JOIN own_settings s ON s.tenant = $1 AND s.user_id = $2 AND s.conversation_id = k.value";

pub(super) const DRAFT_FACTS: &str = "
SELECT k.key, d.content, COALESCE(d.as_of, 0),
    EXISTS (SELECT 1 FROM members m
        WHERE m.tenant = k.value ->> 0 AND m.conversation_id = k.value ->> 2 AND m.user_id = k.value ->> 1),
    (SELECT count(*) FROM (SELECT 1 FROM drafts x
        WHERE x.tenant = k.value ->> 0 AND x.user_id = k.value ->> 1 LIMIT $2) f)
FROM json_each($1) k
LEFT JOIN drafts d ON d.tenant = k.value ->> 0 AND d.user_id = k.value ->> 1 AND d.conversation_id = k.value ->> 2
    AND d.thread = k.value ->> 3";

pub(super) const DRAFTS: &str = "
SELECT d.conversation_id, d.thread, d.content, d.as_of, d.at_ms FROM drafts d
WHERE d.tenant = $1 AND d.user_id = $2 AND (d.conversation_id, d.thread) > ($3, $4)
ORDER BY d.conversation_id, d.thread LIMIT $5";

#[async_trait]
impl OwnStore for SqliteStore {
    async fn own_facts(&self, asked: &[(UserId, Place)]) -> Result<Facts, StoreError> {
        let wanted: Vec<_> = asked
            .iter()
            .map(|(user, at)| {
                let [tenant, name] = dialect::pair(user);
                (tenant, name, id_of(at.conversation_id), at.what.as_str(), at.thread)
            })
            .collect();
        let rows: Vec<(i64, Option<String>, i64, bool, i64, i64)> = sqlx::query_as(FACTS)
            .bind(json(&wanted))
            .bind(i64::from(MAX_FOLLOWED))
            .fetch_all(&self.writer)
            .await?;
        let mut facts = Facts::default();
        for (place, json, as_of, is_member, followed, head) in rows {
            let (user, at) = &asked[place as usize];
            let (as_of, head) = (as_of.cast_unsigned(), head.cast_unsigned());
            facts.settings.insert((user.clone(), *at), Fact { is_member, json, as_of, head });
            if at.thread > 0 {
                facts.followed.insert(user.clone(), followed as u32);
            }
        }
        Ok(facts)
    }

    async fn draft_facts(&self, asked: &[(UserId, DraftPlace)]) -> Result<DraftFacts, StoreError> {
        let wanted: Vec<_> = asked
            .iter()
            .map(|(user, at)| {
                let [tenant, name] = dialect::pair(user);
                (tenant, name, at.conversation_id, at.thread)
            })
            .collect();
        let rows: Vec<(i64, Option<String>, i64, bool, i64)> = sqlx::query_as(DRAFT_FACTS)
            .bind(json(&wanted))
            .bind(i64::from(MAX_DRAFTS))
            .fetch_all(&self.writer)
            .await?;
        let mut facts = DraftFacts::default();
        for (place, content, as_of, is_member, count) in rows {
            let (user, at) = &asked[place as usize];
            let fact = DraftFact { is_member, content, as_of: as_of.cast_unsigned() };
            facts.drafts.insert((user.clone(), *at), fact);
            facts.counts.insert(user.clone(), count as u32);
        }
        Ok(facts)
    }

    async fn drafts(
        &self,
        user_id: &UserId,
        after: Option<DraftPlace>,
        limit: u32,
    ) -> Result<Vec<KeptDraft>, StoreError> {
        // Before all others, also before the nil id.
        let (id, thread) =
            after.map_or((Uuid::nil(), -1), |at| (at.conversation_id.0, at.thread.cast_signed()));
        let rows: Vec<DraftRow<String>> = sqlx::query_as(DRAFTS)
            .bind(user_id.tenant().as_str())
            .bind(user_id.name_str())
            .bind(dialect::id(id))
            .bind(thread)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        let read = |(id, thread, content, as_of, at_ms): DraftRow<String>| {
            let id = Uuid::try_parse(&id).map_err(|_| corrupt("id"))?;
            Ok(draft(user_id, (id, thread, content, as_of, at_ms)))
        };
        rows.into_iter().map(read).collect()
    }

    async fn own_settings(
        &self,
        user_id: &UserId,
        after: Option<&Place>,
        limit: u32,
    ) -> Result<Vec<Setting>, StoreError> {
        let (id, what, thread) = after_place(after);
        let rows: Vec<Row<String>> = sqlx::query_as(WALK)
            .bind(user_id.tenant().as_str())
            .bind(user_id.name_str())
            .bind(dialect::id(id))
            .bind(what)
            .bind(thread)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        settings(user_id, rows)
    }

    async fn own_settings_of(
        &self,
        user_id: &UserId,
        conversations: &[Option<ConversationId>],
    ) -> Result<Vec<Setting>, StoreError> {
        let ids: Vec<_> = conversations.iter().copied().map(id_of).collect();
        let rows: Vec<Row<String>> = sqlx::query_as(OF)
            .bind(user_id.tenant().as_str())
            .bind(user_id.name_str())
            .bind(json(&ids))
            .fetch_all(&self.readers)
            .await?;
        settings(user_id, rows)
    }
}

fn settings(user_id: &UserId, rows: Vec<Row<String>>) -> Result<Vec<Setting>, StoreError> {
    let mut settings = Vec::with_capacity(rows.len());
    for (id, what, thread, json, number, as_of) in rows {
        let id = Uuid::try_parse(&id).map_err(|_| corrupt("id"))?;
        settings.extend(setting(user_id, (id, what, thread, json, number, as_of)));
    }
    Ok(settings)
}
