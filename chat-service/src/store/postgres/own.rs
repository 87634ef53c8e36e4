//! What users set of their own, on Postgres: each by its key.

use async_trait::async_trait;
use proto::id::{ConversationId, UserId};
use uuid::Uuid;

use super::PostgresStore;
use crate::domain::drafts::{DraftFact, DraftFacts, DraftPlace, KeptDraft, MAX_DRAFTS};
use crate::domain::own::{Fact, Facts, MAX_FOLLOWED, Place, Setting};
use crate::store::StoreError;
use crate::store::own::{DraftRow, OwnStore, Row, after_place, draft, id_of, setting};

const FACTS: &str = "
SELECT k.place - 1, s.value, COALESCE(s.as_of, 0),
    EXISTS (SELECT 1 FROM members m
        WHERE m.tenant = k.tenant AND m.conversation_id = k.id AND m.user_id = k.user_id),
    CASE WHEN k.what = 'follow_thread' THEN (SELECT count(*) FROM (SELECT 1 FROM own_settings x
        WHERE x.tenant = k.tenant AND x.user_id = k.user_id AND x.what = k.what LIMIT $6) f) ELSE 0 END,
    CASE WHEN k.what = 'follow_thread' THEN (SELECT COALESCE(max(e.seq), 0) FROM entries e WHERE e.tenant = k.tenant AND e.conversation_id = k.id) ELSE 0 END
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::bigint[])
    WITH ORDINALITY AS k (tenant, user_id, id, what, thread, place)
LEFT JOIN own_settings s ON s.tenant = k.tenant AND s.user_id = k.user_id AND s.conversation_id = k.id
    AND s.what = k.what AND s.thread = k.thread";

const WALK: &str = "
SELECT s.conversation_id, s.what, s.thread, s.value, s.number, s.as_of FROM own_settings s
WHERE s.tenant = $1 AND s.user_id = $2 AND (s.conversation_id, s.what, s.thread) > ($3, $4, $5)
ORDER BY s.conversation_id, s.what, s.thread LIMIT $6";

const OF: &str = "
SELECT s.conversation_id, s.what, s.thread, s.value, s.number, s.as_of FROM own_settings s
WHERE s.tenant = $1 AND s.user_id = $2 AND s.conversation_id = ANY($3)";

const DRAFT_FACTS: &str = "
SELECT k.place - 1, d.content, COALESCE(d.as_of, 0),
    EXISTS (SELECT 1 FROM members m
        WHERE m.tenant = k.tenant AND m.conversation_id = k.id AND m.user_id = k.user_id),
    (SELECT count(*) FROM (SELECT 1 FROM drafts x WHERE x.tenant = k.tenant AND x.user_id = k.user_id LIMIT $5) c)
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[])
    WITH ORDINALITY AS k (tenant, user_id, id, thread, place)
LEFT JOIN drafts d ON d.tenant = k.tenant AND d.user_id = k.user_id AND d.conversation_id = k.id AND d.thread = k.thread";

const DRAFTS: &str = "
SELECT d.conversation_id, d.thread, d.content, d.as_of, d.at_ms FROM drafts d
WHERE d.tenant = $1 AND d.user_id = $2 AND (d.conversation_id, d.thread) > ($3, $4)
ORDER BY d.conversation_id, d.thread LIMIT $5";

#[async_trait]
impl OwnStore for PostgresStore {
    async fn own_facts(&self, asked: &[(UserId, Place)]) -> Result<Facts, StoreError> {
        let rows: Vec<(i64, Option<String>, i64, bool, i64, i64)> = sqlx::query_as(FACTS)
            .bind(asked.iter().map(|(user, _)| user.tenant().as_str()).collect::<Vec<_>>())
            .bind(asked.iter().map(|(user, _)| user.name_str()).collect::<Vec<_>>())
            .bind(asked.iter().map(|(_, at)| id_of(at.conversation_id)).collect::<Vec<_>>())
            .bind(asked.iter().map(|(_, at)| at.what.as_str()).collect::<Vec<_>>())
            .bind(asked.iter().map(|(_, at)| at.thread.cast_signed()).collect::<Vec<_>>())
            .bind(i64::from(MAX_FOLLOWED))
            .fetch_all(&self.writers)
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
        let rows: Vec<(i64, Option<String>, i64, bool, i64)> = sqlx::query_as(DRAFT_FACTS)
            .bind(asked.iter().map(|(user, _)| user.tenant().as_str()).collect::<Vec<_>>())
            .bind(asked.iter().map(|(user, _)| user.name_str()).collect::<Vec<_>>())
            .bind(asked.iter().map(|(_, at)| at.conversation_id.0).collect::<Vec<_>>())
            .bind(asked.iter().map(|(_, at)| at.thread.cast_signed()).collect::<Vec<_>>())
            .bind(i64::from(MAX_DRAFTS))
            .fetch_all(&self.writers)
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
        let rows: Vec<DraftRow<Uuid>> = sqlx::query_as(DRAFTS)
            .bind(user_id.tenant().as_str())
            .bind(user_id.name_str())
            .bind(id)
            .bind(thread)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.into_iter().map(|row| draft(user_id, row)).collect())
    }

    async fn own_settings(
        &self,
        user_id: &UserId,
        after: Option<&Place>,
        limit: u32,
    ) -> Result<Vec<Setting>, StoreError> {
        let (id, what, thread) = after_place(after);
        let rows: Vec<Row<Uuid>> = sqlx::query_as(WALK)
            .bind(user_id.tenant().as_str())
            .bind(user_id.name_str())
            .bind(id)
            .bind(what)
            .bind(thread)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.into_iter().filter_map(|row| setting(user_id, row)).collect())
    }

    async fn own_settings_of(
        &self,
        user_id: &UserId,
        conversations: &[Option<ConversationId>],
    ) -> Result<Vec<Setting>, StoreError> {
        let rows: Vec<Row<Uuid>> = sqlx::query_as(OF)
            .bind(user_id.tenant().as_str())
            .bind(user_id.name_str())
            .bind(conversations.iter().copied().map(id_of).collect::<Vec<_>>())
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.into_iter().filter_map(|row| setting(user_id, row)).collect())
    }
}
