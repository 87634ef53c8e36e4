//! What users have used up of their rates: one small key a user, which goes by itself when all is paid off.

use std::time::Duration;

use super::{RedisStore, call};
use crate::domain::spending::{MOST_RATES, Spent, most_micros};
use crate::store::StoreError;

impl RedisStore {
    pub(super) async fn book_spent(
        &self,
        spent: &[Spent],
        time: Duration,
    ) -> Result<Vec<Vec<u64>>, StoreError> {
        let mut used = Vec::with_capacity(spent.len());
        // Lua's numbers and the clock of Redis hold 53 bits.
        let most = most_micros(time).min(1 << 50);
        for chunk in spent.chunks(self.config.pipeline_commands.max(1)) {
            let mut pipeline = redis::pipe();
            for Spent { user_id, micros } in chunk {
                call(&mut pipeline, &self.scripts.spend, &[self.keys.spending(user_id)]).arg(most);
                for micros in micros.iter().take(MOST_RATES) {
                    pipeline.arg((*micros).min(most));
                }
            }
            let answers: Vec<Vec<u64>> = self.write(&pipeline).await?;
            used.extend(answers);
        }
        Ok(used)
    }
}
