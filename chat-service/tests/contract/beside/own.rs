//! What users set and write, beside another tenant's.

use async_trait::async_trait;
use chat_service::domain::drafts::{DraftFacts, DraftPlace, KeptDraft};
use chat_service::domain::own::{Facts, Place, Setting, Value};
use chat_service::domain::privacy::Privacy;
use chat_service::store::own::OwnStore;
use chat_service::store::privacy::PrivacyStore;
use chat_service::store::{AppendBatch, StoreError};
use proto::id::{ConversationId, UserId};

use super::{Beside, is_doubled, user_in, user_out};

/// Adds what a batch sets and keeps, for both tenants.
pub(super) fn double(batch: &AppendBatch, both: &mut AppendBatch) {
    for row in &batch.settings_set {
        if is_doubled(&row.user_id) {
            let value = Value { json: "\"theirs\"".to_owned(), number: 0 };
            both.settings_set.push(Setting { value, ..row.clone() });
        }
        both.settings_set.push(Setting { user_id: user_in(&row.user_id), ..row.clone() });
    }
    for row in &batch.drafts_set {
        if is_doubled(&row.user_id) {
            let content = r#"{"text":"theirs"}"#.to_owned();
            both.drafts_set.push(KeptDraft { content, ..row.clone() });
        }
        both.drafts_set.push(KeptDraft { user_id: user_in(&row.user_id), ..row.clone() });
    }
    both.drafts_removed =
        batch.drafts_removed.iter().map(|(user, place)| (user_in(user), *place)).collect();
    both.settings_removed =
        batch.settings_removed.iter().map(|(user, place)| (user_in(user), *place)).collect();
}

fn setting_out(setting: Setting) -> Setting {
    Setting { user_id: user_out(&setting.user_id), ..setting }
}

#[async_trait]
impl PrivacyStore for Beside {
    async fn privacy_of(&self, users: &[UserId]) -> Result<Vec<(UserId, Privacy)>, StoreError> {
        let users: Vec<UserId> = users.iter().map(user_in).collect();
        let found = self.0.privacy_of(&users).await?;
        Ok(found.into_iter().map(|(user, privacy)| (user_out(&user), privacy)).collect())
    }
}

#[async_trait]
impl OwnStore for Beside {
    async fn own_facts(&self, asked: &[(UserId, Place)]) -> Result<Facts, StoreError> {
        let asked: Vec<_> = asked.iter().map(|(user, place)| (user_in(user), *place)).collect();
        let found = self.0.own_facts(&asked).await?;
        let settings = found.settings.into_iter();
        let settings = settings.map(|((user, place), fact)| ((user_out(&user), place), fact));
        let followed = found.followed.into_iter().map(|(user, count)| (user_out(&user), count));
        Ok(Facts { settings: settings.collect(), followed: followed.collect(), ..Facts::default() })
    }

    async fn draft_facts(&self, asked: &[(UserId, DraftPlace)]) -> Result<DraftFacts, StoreError> {
        let asked: Vec<_> = asked.iter().map(|(user, place)| (user_in(user), *place)).collect();
        let found = self.0.draft_facts(&asked).await?;
        let drafts = found.drafts.into_iter();
        let drafts = drafts.map(|((user, place), fact)| ((user_out(&user), place), fact));
        let counts = found.counts.into_iter().map(|(user, count)| (user_out(&user), count));
        Ok(DraftFacts { drafts: drafts.collect(), counts: counts.collect() })
    }

    async fn drafts(
        &self,
        user_id: &UserId,
        after: Option<DraftPlace>,
        limit: u32,
    ) -> Result<Vec<KeptDraft>, StoreError> {
        let found = self.0.drafts(&user_in(user_id), after, limit).await?;
        let out = |kept: KeptDraft| KeptDraft { user_id: user_out(&kept.user_id), ..kept };
        Ok(found.into_iter().map(out).collect())
    }

    async fn own_settings(
        &self,
        user_id: &UserId,
        after: Option<&Place>,
        limit: u32,
    ) -> Result<Vec<Setting>, StoreError> {
        let found = self.0.own_settings(&user_in(user_id), after, limit).await?;
        Ok(found.into_iter().map(setting_out).collect())
    }

    async fn own_settings_of(
        &self,
        user_id: &UserId,
        conversations: &[Option<ConversationId>],
    ) -> Result<Vec<Setting>, StoreError> {
        let found = self.0.own_settings_of(&user_in(user_id), conversations).await?;
        Ok(found.into_iter().map(setting_out).collect())
    }
}
