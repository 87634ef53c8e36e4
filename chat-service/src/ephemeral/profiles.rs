//! What tokens say of their users: the last profile of each user in a batch is stored, and told to nobody.

use std::collections::HashMap;

use proto::id::UserId;

use super::parts::EphemeralParts;
use crate::delivery::Asker;
use crate::domain::entry::UserRow;

#[derive(Debug, Default)]
pub(super) struct Profiles(HashMap<UserId, UserRow>);

impl Profiles {
    pub(super) fn take(&mut self, user: UserId, asker: &Asker) {
        let (name, avatar) = (asker.origin.name.clone(), asker.origin.avatar.clone());
        self.0.insert(user.clone(), UserRow { id: user, name, avatar });
    }

    pub(super) async fn store(self, parts: &EphemeralParts, now_ms: u64) {
        if self.0.is_empty() {
            return;
        }
        let users: Vec<_> = self.0.into_values().collect();
        if let Err(error) = parts.store.upsert_users(&users, now_ms).await {
            tracing::warn!(%error, users = users.len(), "profiles are not kept");
        }
    }
}
