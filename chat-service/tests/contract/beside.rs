//! A store in which another tenant has the same users, conversations, client ids, letters and tokens: whatever a test
//! writes is written for both, in the same calls, and a test must not notice.

mod notices;
mod own;
mod push;
mod webhooks;

use async_trait::async_trait;
use chat_service::domain::act::Act;
use chat_service::domain::entry::{
    Author, ConversationRow, CursorRow, DeviceType, Entry, FollowRow, MemberRow, MentionKey,
    MentionRow, PinRow, Snapshot, State, StateRow, StoredEntry, StoredOperation, Target, TargetKey,
    Targets, UserRow,
};
use chat_service::domain::letter::{DeadLetter, LetterKey};
use chat_service::domain::revocation::{Cut, DeviceToken, Revocation};
use chat_service::domain::tally::{ReactionKey, ReactionRow, Tally, TallyKey};
use chat_service::domain::walk::{ListPlace, ListWalk};
use chat_service::store::acquainted::AcquaintanceStore;
use chat_service::store::among::{Among, AmongStore};
use chat_service::store::chosen::ChosenStore;
use chat_service::store::contacts::{ContactStore, ContactsBound, ContactsOf, ContactsPage};
use chat_service::store::heads::{Head, HeadStore};
use chat_service::store::probe::ProbeStore;
use chat_service::store::replicas::{LiveReplica, ReplicaStore};
use chat_service::store::revoked::{Bounds, Ending, RevokeError, RevokedStore};
use chat_service::store::tail::{
    AsideRow, Counted, Followed, FollowerStore, FollowerView, Horizon, Move, Need, Position, Rest,
    TailPage, TailRow, TailStore,
};
use chat_service::store::verify::{Changes, VerifyStore};
use chat_service::store::{
    AppendBatch, AppendError, ChangedView, ConversationView, Delivered, Listed, LogStore,
    MemberView, Membership, MessagePage, MessagesView, Page, PinnedView, QueryStore, Room,
    StoreError,
};
use proto::heads::HeadsDigest;
use proto::id::{ClientId, ConversationId, ConversationKey, EntryId, TenantId, UserId, UserName};
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

use super::Store;

mod dead;
mod following;
mod questions;
mod reactions;

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

fn entry_out(entry: Entry) -> Entry {
    let author = Author { id: user_out(&entry.author.id), ..entry.author };
    Entry { author, ..entry }
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

fn acts_of_both(act: &Act) -> impl Iterator<Item = Act> + use<> {
    let theirs = is_doubled(&act.actor).then(|| act.clone());
    let own = Act { actor: user_in(&act.actor), ..act.clone() };
    theirs.into_iter().chain([own])
}

/// Each row of the batch, and beside it one of the other tenant with the same ids and another content.
fn for_both(batch: &AppendBatch) -> AppendBatch {
    let mut both = AppendBatch { generation: batch.generation, ..AppendBatch::default() };
    for row in &batch.entries {
        if is_doubled(&row.author.id) {
            let mut theirs = Entry { digest: [9; 32], ..row.clone() };
            theirs.body.cut(|_| r#"{"text":"of the other tenant"}"#.to_owned());
            both.entries.push(theirs);
        }
        let author = Author { id: user_in(&row.author.id), ..row.author };
        both.entries.push(Entry { author, ..row.clone() });
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
    both.acts = batch.acts.iter().flat_map(acts_of_both).collect();
    for row in &batch.states {
        match row {
            StateRow::Message(key, seq, state, due_ms) => {
                if key.tenant == TenantId::DEFAULT {
                    let theirs = State { as_of: state.as_of, ..State::default() };
                    both.states.push(StateRow::Message(*key, *seq, theirs, None));
                }
                both.states.push(StateRow::Message(key_in(*key), *seq, state.clone(), *due_ms));
            }
            StateRow::Pinned(pin) => {
                if is_doubled(&pin.by) {
                    both.states.push(StateRow::Pinned(PinRow { pinned_seq: 1, ..pin.clone() }));
                }
                let by = user_in(&pin.by);
                both.states.push(StateRow::Pinned(PinRow { by, ..pin.clone() }));
            }
            StateRow::Unpinned(key, seq) => {
                both.states.push(StateRow::Unpinned(key_in(*key), *seq));
            }
        }
    }
    for row in &batch.mentions {
        if row.conversation.tenant == TenantId::DEFAULT {
            both.mentions.push(row.clone());
        }
        both.mentions.push(MentionRow { conversation: key_in(row.conversation), ..row.clone() });
    }
    for key in &batch.mentions_removed {
        let conversation = key_in(key.conversation);
        both.mentions_removed.push(MentionKey { conversation, ..key.clone() });
    }
    for row in &batch.follows {
        if is_doubled(&row.user_id) {
            both.follows.push(FollowRow { read_seq: 0, ..row.clone() });
        }
        both.follows.push(FollowRow { user_id: user_in(&row.user_id), ..row.clone() });
    }
    let inside = |of: &ReactionKey| {
        let conversation = key_in(of.conversation);
        ReactionKey { conversation, ..of.clone() }
    };
    for row in &batch.reactions_set {
        if row.of.conversation.tenant == TenantId::DEFAULT {
            both.reactions_set.push(row.clone());
        }
        both.reactions_set.push(ReactionRow { of: inside(&row.of), ..row.clone() });
    }
    both.reactions_removed = batch.reactions_removed.iter().map(inside).collect();
    let due = batch.tallies_due.iter().map(|(key, seq, due_ms)| (key_in(*key), *seq, *due_ms));
    both.tallies_due = due.collect();
    both.heads = batch.heads.iter().map(|(key, head)| (key_in(*key), *head)).collect();
    both.blanked = batch.blanked.iter().map(|(key, seq)| (key_in(*key), *seq)).collect();
    own::double(batch, &mut both);
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

    async fn load_targets(&self, keys: &[TargetKey]) -> Result<Targets, StoreError> {
        let inside = |key: &TargetKey| TargetKey { conversation: key_in(key.conversation), ..*key };
        let keys: Vec<_> = keys.iter().map(inside).collect();
        let found = self.0.load_targets(&keys).await?;
        let entries = found.entries.into_iter().map(|((key, seq), target)| {
            ((key_out(key), seq), Target { author: user_out(&target.author), ..target })
        });
        let pins = found.pins.into_iter().map(|(key, count)| (key_out(key), count));
        Ok(Targets { entries: entries.collect(), pins: pins.collect() })
    }

    async fn load_tallies(&self, keys: &[TallyKey]) -> Result<Vec<Tally>, StoreError> {
        let inside =
            |key: &TallyKey| TallyKey { conversation: key_in(key.conversation), ..key.clone() };
        self.0.load_tallies(&keys.iter().map(inside).collect::<Vec<_>>()).await
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

    async fn advance_cursors_at(
        &self,
        cursors: &[CursorRow],
        is_timed: &[bool],
        now_ms: u64,
    ) -> Result<Vec<CursorRow>, StoreError> {
        let both = cursors.iter().zip(is_timed).flat_map(|(row, timed)| {
            let others = CursorRow { delivered_seq: 1, read_seq: 0, ..row.clone() };
            let own = CursorRow { user_id: user_in(&row.user_id), ..row.clone() };
            let others = is_doubled(&row.user_id).then_some((others, *timed));
            others.into_iter().chain([(own, *timed)])
        });
        let (both, is_timed): (Vec<_>, Vec<_>) = both.unzip();
        let moved = self.0.advance_cursors_at(&both, &is_timed, now_ms).await?;
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
impl HeadStore for Beside {
    async fn heads(&self, user_id: &UserId) -> Result<Vec<Head>, StoreError> {
        self.0.heads(&user_in(user_id)).await
    }

    async fn head_digests(&self, users: &[UserId]) -> Result<Vec<HeadsDigest>, StoreError> {
        self.0.head_digests(&users_in(users)).await
    }

    async fn entry_ids(
        &self,
        tenant: TenantId,
        places: &[(ConversationId, u64)],
    ) -> Result<HashMap<ConversationId, EntryId>, StoreError> {
        self.0.entry_ids(inside(tenant), places).await
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
        let own = own.filter(|row| row.entry.entry.author.id.tenant() != TenantId::DEFAULT);
        let rows = own.map(|row| TailRow { entry: stored_out(row.entry), ..row }).collect();
        Ok(TailPage { rows, ..page })
    }

    async fn is_ready(&self) -> Result<bool, StoreError> {
        self.0.is_ready().await
    }

    async fn place(&self, key: ConversationKey, seq: u64) -> Result<Option<Position>, StoreError> {
        self.0.place(ConversationKey::new(inside(key.tenant), key.id), seq).await
    }

    async fn keep_for_readers(&self) -> Result<(), StoreError> {
        self.0.keep_for_readers().await
    }

    async fn kept_from(&self) -> Result<Position, StoreError> {
        self.0.kept_from().await
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

    async fn is_needed(&self, need: &Need) -> Result<bool, StoreError> {
        self.0.is_needed(need).await
    }

    async fn rest(
        &self,
        name: &str,
        owner: &str,
        from: Position,
        need: &Need,
    ) -> Result<Rest, StoreError> {
        self.0.rest(name, owner, from, need).await
    }

    async fn put_aside(&self, follower: &str, row: &AsideRow) -> Result<(), StoreError> {
        self.0.put_aside(follower, row).await
    }

    async fn is_followed(&self) -> Result<bool, StoreError> {
        self.0.is_followed().await
    }

    async fn followers(&self) -> Result<Vec<FollowerView>, StoreError> {
        self.0.followers().await
    }

    async fn release(&self, name: &str, owner: &str) -> Result<(), StoreError> {
        self.0.release(name, owner).await
    }

    async fn counts(&self) -> Result<Vec<Counted>, StoreError> {
        self.0.counts().await
    }
}
