//! A store in which another tenant has the same users, conversations, client ids, letters and tokens: whatever a test
//! writes is written for both, in the same calls, and a test must not notice.

use async_trait::async_trait;
use chat_service::domain::entry::{
    ConversationRow, CursorRow, EntryRow, MemberRow, Snapshot, StoredEntry, StoredOperation,
    UserRow,
};
use chat_service::domain::letter::{DeadLetter, LetterKey};
use chat_service::domain::revocation::{Cut, DeviceToken, Revocation};
use chat_service::domain::walk::{ListPlace, ListWalk};
use chat_service::store::acquainted::AcquaintanceStore;
use chat_service::store::among::{Among, AmongStore};
use chat_service::store::chosen::ChosenStore;
use chat_service::store::contacts::{ContactStore, ContactsBound, ContactsOf, ContactsPage};
use chat_service::store::dead::{DeadStore, Mark};
use chat_service::store::probe::ProbeStore;
use chat_service::store::replicas::{LiveReplica, ReplicaStore};
use chat_service::store::revoked::{Bounds, Ending, RevokeError, RevokedStore};
use chat_service::store::tail::{
    Counted, Followed, FollowerStore, Horizon, Move, Position, TailPage, TailRow, TailStore,
};
use chat_service::store::{
    AppendBatch, AppendError, ConversationView, Delivered, LogStore, MemberView, Page, QueryStore,
    Room, StoreError,
};
use proto::heads::HeadsDigest;
use proto::id::{ClientId, ConversationId, ConversationKey, TenantId, UserId, UserName};
use std::time::Duration;
use uuid::Uuid;

use super::Store;

/// The store as one tenant of two. The tests say `default` and mean `first`; `default` has the rows of the other.
pub struct Beside(pub Store);

fn first() -> TenantId {
    TenantId::parse("first").unwrap()
}

/// What the tests call a tenant, as it is stored.
fn inside(tenant: TenantId) -> TenantId {
    if tenant == TenantId::DEFAULT { first() } else { tenant }
}

/// And the way back.
fn outside(tenant: TenantId) -> TenantId {
    if tenant == first() { TenantId::DEFAULT } else { tenant }
}

fn user_in(user: &UserId) -> UserId {
    user.name().of(inside(user.tenant()))
}

fn user_out(user: &UserId) -> UserId {
    user.name().of(outside(user.tenant()))
}

fn users_in(users: &[UserId]) -> Vec<UserId> {
    users.iter().map(user_in).collect()
}

fn key_in(key: ConversationKey) -> ConversationKey {
    ConversationKey::new(inside(key.tenant), key.id)
}

fn key_out(key: ConversationKey) -> ConversationKey {
    ConversationKey::new(outside(key.tenant), key.id)
}

fn keys_in(keys: &[ConversationKey]) -> Vec<ConversationKey> {
    keys.iter().map(|key| key_in(*key)).collect()
}

fn letter_in(key: &LetterKey) -> LetterKey {
    LetterKey { tenant: inside(key.tenant), id: key.id.clone() }
}

fn letters_in(keys: &[LetterKey]) -> Vec<LetterKey> {
    keys.iter().map(letter_in).collect()
}

fn text_in(user: &str) -> String {
    UserId::parse_qualified(user).map_or(user.to_owned(), |user| user_in(&user).to_string())
}

fn text_out(user: &str) -> String {
    UserId::parse_qualified(user).map_or(user.to_owned(), |user| user_out(&user).to_string())
}

fn letter_out(letter: DeadLetter) -> DeadLetter {
    let key = LetterKey { tenant: outside(letter.key.tenant), id: letter.key.id };
    DeadLetter { key, user_id: text_out(&letter.user_id), ..letter }
}

fn row_out(row: UserRow) -> UserRow {
    UserRow { id: user_out(&row.id), ..row }
}

fn entry_out(entry: EntryRow) -> EntryRow {
    EntryRow { sender_id: user_out(&entry.sender_id), ..entry }
}

fn stored_out(stored: StoredEntry) -> StoredEntry {
    StoredEntry { entry: entry_out(stored.entry), ..stored }
}

fn member_out(member: MemberView) -> MemberView {
    MemberView { user: row_out(member.user), ..member }
}

fn view_out(view: ConversationView) -> ConversationView {
    let last_entry = view.last_entry.map(stored_out);
    ConversationView { me: member_out(view.me), last_entry, ..view }
}

fn snapshot_out(snapshot: Snapshot) -> Snapshot {
    let members = snapshot.members.iter().map(|(user, member)| (user_out(user), *member)).collect();
    Snapshot { key: key_out(snapshot.key), members: std::sync::Arc::new(members), ..snapshot }
}

fn operation_out(stored: StoredOperation) -> StoredOperation {
    let entry = stored.entry.map(|entry| Box::new(entry_out(*entry)));
    StoredOperation { conversation: key_out(stored.conversation), entry, ..stored }
}

/// Rows of the tests' own tenant are written for the other one, too.
fn is_doubled(user: &UserId) -> bool {
    user.tenant() == TenantId::DEFAULT
}

/// Each row of the batch, and beside it one of the other tenant with the same ids and another content.
fn for_both(batch: &AppendBatch) -> AppendBatch {
    let mut both = AppendBatch { generation: batch.generation, ..AppendBatch::default() };
    for row in &batch.entries {
        let content = r#"{"text":"of the other tenant"}"#.to_owned();
        if is_doubled(&row.sender_id) {
            both.entries.push(EntryRow { content, extra: None, digest: [9; 32], ..row.clone() });
        }
        both.entries.push(EntryRow { sender_id: user_in(&row.sender_id), ..row.clone() });
    }
    for row in &batch.conversations {
        if row.key.tenant == TenantId::DEFAULT {
            both.conversations.push(ConversationRow { title: "Theirs".to_owned(), ..row.clone() });
        }
        both.conversations.push(ConversationRow { key: key_in(row.key), ..row.clone() });
    }
    for row in &batch.members_set {
        if is_doubled(&row.user_id) {
            both.members_set.push(row.clone());
        }
        both.members_set.push(MemberRow { user_id: user_in(&row.user_id), ..row.clone() });
    }
    // The other tenant's members stay.
    both.members_removed =
        batch.members_removed.iter().map(|(id, user)| (*id, user_in(user))).collect();
    both
}

#[async_trait]
impl LogStore for Beside {
    fn generation(&self) -> u64 {
        self.0.generation()
    }

    async fn load(&self, keys: &[ConversationKey]) -> Result<Vec<Option<Snapshot>>, StoreError> {
        let loaded = self.0.load(&keys_in(keys)).await?;
        Ok(loaded.into_iter().map(|snapshot| snapshot.map(snapshot_out)).collect())
    }

    async fn find_client_ids(
        &self,
        keys: &[(UserId, ClientId)],
    ) -> Result<Vec<Option<StoredOperation>>, StoreError> {
        let keys: Vec<_> = keys.iter().map(|(user, id)| (user_in(user), *id)).collect();
        let found = self.0.find_client_ids(&keys).await?;
        Ok(found.into_iter().map(|stored| stored.map(operation_out)).collect())
    }

    async fn memberships(&self, users: &[UserId], most: u32) -> Result<Vec<u32>, StoreError> {
        self.0.memberships(&users_in(users), most).await
    }

    async fn delivered(&self, keys: &[ConversationKey]) -> Result<Vec<Delivered>, StoreError> {
        let rows = self.0.delivered(&keys_in(keys)).await?;
        let out = |row: Delivered| Delivered { user_id: user_out(&row.user_id), ..row };
        Ok(rows.into_iter().map(out).collect())
    }

    async fn append(&self, batch: &AppendBatch) -> Result<(), AppendError> {
        self.0.append(&for_both(batch)).await
    }

    async fn advance_cursors(&self, cursors: &[CursorRow]) -> Result<Vec<CursorRow>, StoreError> {
        let both: Vec<_> = cursors
            .iter()
            .flat_map(|row| {
                let others = CursorRow { delivered_seq: 1, read_seq: 0, ..row.clone() };
                let own = CursorRow { user_id: user_in(&row.user_id), ..row.clone() };
                is_doubled(&row.user_id).then_some(others).into_iter().chain([own])
            })
            .collect();
        let moved = self.0.advance_cursors(&both).await?;
        let own = moved.into_iter().filter(|row| row.user_id.tenant() != TenantId::DEFAULT);
        Ok(own.map(|row| CursorRow { user_id: user_out(&row.user_id), ..row }).collect())
    }

    async fn upsert_users(&self, users: &[UserRow], now_ms: u64) -> Result<(), StoreError> {
        let both: Vec<_> = users
            .iter()
            .flat_map(|row| {
                let others = UserRow { avatar: "of the other tenant".to_owned(), ..row.clone() };
                let own = UserRow { id: user_in(&row.id), ..row.clone() };
                is_doubled(&row.id).then_some(others).into_iter().chain([own])
            })
            .collect();
        self.0.upsert_users(&both, now_ms).await
    }
}

#[async_trait]
impl QueryStore for Beside {
    async fn conversations_of(
        &self,
        user_id: &UserId,
        walk: Option<&ListWalk>,
        limit: u32,
    ) -> Result<Vec<(ListPlace, ConversationView)>, StoreError> {
        let listed = self.0.conversations_of(&user_in(user_id), walk, limit).await?;
        Ok(listed.into_iter().map(|(place, view)| (place, view_out(view))).collect())
    }

    async fn conversation(
        &self,
        user_id: &UserId,
        id: ConversationId,
    ) -> Result<Option<ConversationView>, StoreError> {
        Ok(self.0.conversation(&user_in(user_id), id).await?.map(view_out))
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

    async fn heads(&self, user_id: &UserId) -> Result<Vec<(ConversationId, u64, u64)>, StoreError> {
        self.0.heads(&user_in(user_id)).await
    }

    async fn head_digests(&self, users: &[UserId]) -> Result<Vec<HeadsDigest>, StoreError> {
        self.0.head_digests(&users_in(users)).await
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
impl AcquaintanceStore for Beside {
    async fn acquainted(
        &self,
        user_id: &UserId,
        among: &[UserName],
    ) -> Result<Vec<UserName>, StoreError> {
        self.0.acquainted(&user_in(user_id), among).await
    }

    async fn search_acquainted(
        &self,
        user_id: &UserId,
        prefix: &str,
        limit: u32,
    ) -> Result<Vec<UserRow>, StoreError> {
        let found = self.0.search_acquainted(&user_in(user_id), prefix, limit).await?;
        Ok(found.into_iter().map(row_out).collect())
    }
}

#[async_trait]
impl AmongStore for Beside {
    async fn members_among(
        &self,
        key: ConversationKey,
        users: &[UserName],
    ) -> Result<Among, StoreError> {
        self.0.members_among(key_in(key), users).await
    }
}

#[async_trait]
impl ContactStore for Beside {
    async fn contacts(
        &self,
        asked: &[ContactsOf],
        bound: ContactsBound,
    ) -> Result<Vec<ContactsPage>, StoreError> {
        let asked: Vec<_> = asked
            .iter()
            .map(|of| ContactsOf { user_id: user_in(&of.user_id), after: of.after.clone() })
            .collect();
        let pages = self.0.contacts(&asked, bound).await?;
        let out = |page: ContactsPage| ContactsPage {
            user_ids: page.user_ids.iter().map(user_out).collect(),
            ..page
        };
        Ok(pages.into_iter().map(out).collect())
    }
}

#[async_trait]
impl ChosenStore for Beside {
    async fn keep_chosen(
        &self,
        chosen: &[(UserId, String)],
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let both: Vec<_> = chosen
            .iter()
            .flat_map(|(user, status)| {
                [(user.clone(), "theirs".to_owned()), (user_in(user), status.clone())]
            })
            .collect();
        self.0.keep_chosen(&both, now_ms).await
    }

    async fn chosen(&self, users: &[UserId]) -> Result<Vec<(UserId, String)>, StoreError> {
        let chosen = self.0.chosen(&users_in(users)).await?;
        Ok(chosen.into_iter().map(|(user, status)| (user_out(&user), status)).collect())
    }
}

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

#[async_trait]
impl RevokedStore for Beside {
    async fn end(
        &self,
        user_id: &UserId,
        ending: &Ending,
        cut: Cut,
        bounds: Bounds,
        now_ms: u64,
    ) -> Result<Vec<Revocation>, RevokeError> {
        // The other tenant's list is full at the same time, and says so.
        let _ = self.0.end(user_id, ending, cut, bounds, now_ms).await;
        let ended = self.0.end(&user_in(user_id), ending, cut, bounds, now_ms).await?;
        let out = |it: Revocation| Revocation { user_id: user_out(&it.user_id), ..it };
        Ok(ended.into_iter().map(out).collect())
    }

    async fn revoked_after(
        &self,
        version: u64,
        limit: u32,
        now_ms: u64,
    ) -> Result<(Vec<Revocation>, u64), StoreError> {
        let mut after = version;
        loop {
            // One list for all tenants: the rows of the other are passed by.
            let (page, reached) = self.0.revoked_after(after, limit, now_ms).await?;
            let is_full = page.len() == limit as usize;
            let own = page.into_iter().filter(|it| it.user_id.tenant() != TenantId::DEFAULT);
            let own: Vec<_> =
                own.map(|it| Revocation { user_id: user_out(&it.user_id), ..it }).collect();
            if !own.is_empty() || !is_full {
                return Ok((own, reached));
            }
            after = reached;
        }
    }

    async fn note_tokens(
        &self,
        tokens: &[DeviceToken],
        per_user: usize,
        now_ms: u64,
    ) -> Result<Vec<DeviceToken>, StoreError> {
        let both: Vec<_> = tokens
            .iter()
            .flat_map(|it| {
                [it.clone(), DeviceToken { user_id: user_in(&it.user_id), ..it.clone() }]
            })
            .collect();
        let late = self.0.note_tokens(&both, per_user, now_ms).await?;
        let own = late.into_iter().filter(|it| it.user_id.tenant() != TenantId::DEFAULT);
        Ok(own.map(|it| DeviceToken { user_id: user_out(&it.user_id), ..it }).collect())
    }

    async fn forget_ended(&self, now_ms: u64) -> Result<(), StoreError> {
        self.0.forget_ended(now_ms).await
    }
}

#[async_trait]
impl ReplicaStore for Beside {
    async fn beat(
        &self,
        replica_id: &str,
        gone_after: Duration,
    ) -> Result<Vec<LiveReplica>, StoreError> {
        self.0.beat(replica_id, gone_after).await
    }

    async fn leave(&self, replica_id: &str) -> Result<(), StoreError> {
        self.0.leave(replica_id).await
    }
}

#[async_trait]
impl ProbeStore for Beside {
    async fn check_writes(&self, bytes: usize) -> Result<(), StoreError> {
        self.0.check_writes(bytes).await
    }
}

#[async_trait]
impl TailStore for Beside {
    async fn tail(&self, after: Position, limit: u32) -> Result<TailPage, StoreError> {
        let page = self.0.tail(after, limit).await?;
        // One tail for all tenants: the rows of the other are passed by.
        let own = page.rows.into_iter();
        let own = own.filter(|row| row.entry.entry.sender_id.tenant() != TenantId::DEFAULT);
        let rows = own.map(|row| TailRow { entry: stored_out(row.entry), ..row }).collect();
        Ok(TailPage { rows, ..page })
    }

    async fn is_ready(&self) -> Result<bool, StoreError> {
        self.0.is_ready().await
    }

    async fn horizon(&self) -> Result<Horizon, StoreError> {
        self.0.horizon().await
    }
}

#[async_trait]
impl FollowerStore for Beside {
    async fn follow(
        &self,
        name: &str,
        owner: &str,
        lease: Duration,
    ) -> Result<Option<Followed>, StoreError> {
        self.0.follow(name, owner, lease).await
    }

    async fn move_follower(&self, step: &Move<'_>) -> Result<bool, StoreError> {
        self.0.move_follower(step).await
    }

    async fn release(&self, name: &str, owner: &str) -> Result<(), StoreError> {
        self.0.release(name, owner).await
    }

    async fn counts(&self) -> Result<Vec<Counted>, StoreError> {
        self.0.counts().await
    }
}
