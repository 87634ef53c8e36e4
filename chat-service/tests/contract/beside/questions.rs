//! The questions of one tenant of two.

use super::*;

#[async_trait]
impl QueryStore for Beside {
    async fn conversations_of(
        &self,
        user_id: &UserId,
        of: Listed,
        walk: Option<&ListWalk>,
        limit: u32,
    ) -> Result<Vec<(ListPlace, ConversationView)>, StoreError> {
        let listed = self.0.conversations_of(&user_in(user_id), of, walk, limit).await?;
        Ok(listed.into_iter().map(|(place, view)| (place, view_out(view))).collect())
    }

    async fn membership(
        &self,
        user_id: &UserId,
        id: ConversationId,
    ) -> Result<Option<Membership>, StoreError> {
        self.0.membership(&user_in(user_id), id).await
    }

    async fn conversation(
        &self,
        user_id: &UserId,
        device_type: Option<DeviceType>,
        id: ConversationId,
    ) -> Result<Option<ConversationView>, StoreError> {
        Ok(self.0.conversation(&user_in(user_id), device_type, id).await?.map(view_out))
    }

    async fn members(
        &self,
        key: ConversationKey,
        after: Option<&UserName>,
        limit: u32,
    ) -> Result<Vec<MemberView>, StoreError> {
        let members = self.0.members(key_in(key), after, limit).await?;
        Ok(members.into_iter().map(member_out).collect())
    }

    async fn entries(
        &self,
        key: ConversationKey,
        page: Page,
        from_seq: u64,
        room: Room,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let entries = self.0.entries(key_in(key), page, from_seq, room).await?;
        Ok(entries.into_iter().map(stored_out).collect())
    }

    async fn entries_with_states(
        &self,
        key: ConversationKey,
        page: Page,
        from_seq: u64,
        room: Room,
    ) -> Result<MessagesView, StoreError> {
        let mut view = self.0.entries_with_states(key_in(key), page, from_seq, room).await?;
        for message in &mut view.messages {
            message.stored = stored_out(message.stored.clone());
        }
        Ok(view)
    }

    async fn messages(
        &self,
        key: ConversationKey,
        page: MessagePage,
        from_seq: u64,
        room: Room,
    ) -> Result<MessagesView, StoreError> {
        let mut view = self.0.messages(key_in(key), page, from_seq, room).await?;
        for message in &mut view.messages {
            message.stored = stored_out(message.stored.clone());
        }
        Ok(view)
    }

    async fn changed(
        &self,
        key: ConversationKey,
        range: std::ops::RangeInclusive<u64>,
        after: u64,
        limit: u32,
    ) -> Result<ChangedView, StoreError> {
        let mut view = self.0.changed(key_in(key), range, after, limit).await?;
        for message in &mut view.messages {
            message.author = user_out(&message.author);
        }
        Ok(view)
    }

    async fn edits(
        &self,
        key: ConversationKey,
        seq: u64,
        limit: u32,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let edits = self.0.edits(key_in(key), seq, limit).await?;
        Ok(edits.into_iter().map(stored_out).collect())
    }

    async fn pins(
        &self,
        key: ConversationKey,
        from_seq: u64,
        before: u64,
        limit: u32,
    ) -> Result<Vec<PinnedView>, StoreError> {
        let pins = self.0.pins(key_in(key), from_seq, before, limit).await?;
        let out = |pin: PinnedView| {
            let (stored, by) = (stored_out(pin.stored), user_out(&pin.by));
            PinnedView { stored, by, ..pin }
        };
        Ok(pins.into_iter().map(out).collect())
    }

    async fn find_entry(
        &self,
        tenant: TenantId,
        id: Uuid,
    ) -> Result<Option<(ConversationId, u64)>, StoreError> {
        self.0.find_entry(inside(tenant), id).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<UserRow>, StoreError> {
        Ok(self.0.users(&users_in(ids)).await?.into_iter().map(row_out).collect())
    }

    async fn search_users(
        &self,
        tenant: TenantId,
        prefix: &str,
        limit: u32,
    ) -> Result<Vec<UserRow>, StoreError> {
        let found = self.0.search_users(inside(tenant), prefix, limit).await?;
        Ok(found.into_iter().map(row_out).collect())
    }

    async fn epoch(&self) -> Result<String, StoreError> {
        self.0.epoch().await
    }
}

#[async_trait]
impl VerifyStore for Beside {
    async fn conversations_after(
        &self,
        after: Option<ConversationKey>,
        limit: u32,
    ) -> Result<Vec<ConversationKey>, StoreError> {
        let keys = self.0.conversations_after(after.map(key_in), limit).await?;
        let own = keys.into_iter().filter(|key| key.tenant == first());
        Ok(own.map(key_out).collect())
    }

    async fn change_entries(
        &self,
        key: ConversationKey,
        after: u64,
        through: u64,
    ) -> Result<(Vec<Entry>, u64), StoreError> {
        let (entries, head) = self.0.change_entries(key_in(key), after, through).await?;
        Ok((entries.into_iter().map(entry_out).collect(), head))
    }

    async fn changes_of(
        &self,
        key: ConversationKey,
        changes: Changes,
    ) -> Result<Vec<(u64, Entry)>, StoreError> {
        let found = self.0.changes_of(key_in(key), changes).await?;
        Ok(found.into_iter().map(|(seq, entry)| (seq, entry_out(entry))).collect())
    }

    async fn states_after(
        &self,
        key: ConversationKey,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, State)>, StoreError> {
        self.0.states_after(key_in(key), after, limit).await
    }

    async fn mend(&self, key: ConversationKey, seq: u64, state: &State) -> Result<(), StoreError> {
        self.0.mend(key_in(key), seq, state).await
    }
}
