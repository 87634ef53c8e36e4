//! Letters beside those of another tenant.

use async_trait::async_trait;
use chat_service::domain::letter::{DeadLetter, LetterKey};
use chat_service::store::StoreError;
use chat_service::store::dead::{DeadStore, Mark};
use proto::id::TenantId;

use super::{Beside, inside, letter_in, letter_out, letters_in, text_in};

#[async_trait]
impl DeadStore for Beside {
    async fn keep_dead(&self, letter: &DeadLetter, limit: u64) -> Result<bool, StoreError> {
        if letter.key.tenant == TenantId::DEFAULT {
            let others = DeadLetter { reason: "of the other tenant".to_owned(), ..letter.clone() };
            self.0.keep_dead(&others, u64::from(u32::MAX)).await?;
        }
        let (key, user_id) = (letter_in(&letter.key), text_in(&letter.user_id));
        self.0.keep_dead(&DeadLetter { key, user_id, ..letter.clone() }, limit).await
    }

    async fn dead_letters(
        &self,
        tenant: TenantId,
        after: Option<(u64, String)>,
        limit: u32,
    ) -> Result<Vec<(DeadLetter, u64)>, StoreError> {
        let letters = self.0.dead_letters(inside(tenant), after, limit).await?;
        Ok(letters.into_iter().map(|(letter, bytes)| (letter_out(letter), bytes)).collect())
    }

    async fn dead_letter(&self, key: &LetterKey) -> Result<Option<DeadLetter>, StoreError> {
        Ok(self.0.dead_letter(&letter_in(key)).await?.map(letter_out))
    }

    async fn drop_dead(&self, key: &LetterKey, times: Option<u64>) -> Result<bool, StoreError> {
        self.0.drop_dead(&letter_in(key), times).await
    }

    async fn mark(&self, keys: &[LetterKey], now_ms: u64) -> Result<Vec<Mark>, StoreError> {
        let both: Vec<_> = keys.iter().cloned().chain(letters_in(keys)).collect();
        Ok(self.0.mark(&both, now_ms).await?.split_off(keys.len()))
    }

    async fn mark_alone(&self, key: &LetterKey, now_ms: u64) -> Result<u64, StoreError> {
        self.0.mark_alone(key, now_ms).await?;
        self.0.mark_alone(&letter_in(key), now_ms).await
    }

    async fn unmark(&self, keys: &[LetterKey]) -> Result<(), StoreError> {
        self.0.unmark(&letters_in(keys)).await
    }
}
