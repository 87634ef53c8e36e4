//! What offline push decides, for those who ask: operators about a message, members about a conversation. Must not push.

use std::collections::HashMap;
use std::sync::Arc;

use proto::id::{ConversationKey, UserId};

use super::became::{Became, Known, given_up, registered};
use super::config::PreparedPush;
use super::rules::{Action, Effective, Rule};
use super::told::{Told, entry_told};
use super::wishes::Wishes;
use crate::clock::now_ms;
use crate::domain::entry::StoredEntry;
use crate::store::push::{DeadPush, PushContent, PushDevice, PushPlace, PushRetry, PushSent};
use crate::store::tail::LogKind;
use crate::store::{ChatStore, MemberView, StoreError};

/// Answers what offline push decides.
#[derive(Clone)]
pub struct PushView {
    store: Arc<dyn ChatStore>,
    push: Arc<PreparedPush>,
}

/// What offline push makes of a message for a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfMember {
    pub(crate) rule: Rule,
    pub(crate) action: Action,
    pub(crate) devices: Vec<Became>,
}

/// The rows that are kept of pushes of a conversation to some users.
struct Kept {
    devices: HashMap<UserId, Vec<PushDevice>>,
    sent: HashMap<UserId, PushSent>,
    retries: Vec<PushRetry>,
    dead: Vec<DeadPush>,
}

impl PushView {
    pub(crate) fn new(store: Arc<dyn ChatStore>, push: Arc<PreparedPush>) -> Self {
        Self { store, push }
    }

    /// What a member is told of a conversation by a push, and how much it may say; none where there is no such conversation.
    pub(crate) async fn effective(
        &self,
        user_id: &UserId,
        key: ConversationKey,
    ) -> Result<Option<(Effective, PushContent)>, StoreError> {
        let Some(place) = self.place(key).await? else { return Ok(None) };
        let wishes = Wishes::of(&*self.store, std::iter::once((user_id, key.id))).await?;
        let is_direct = place.kind == crate::domain::entry::ConversationKind::Direct;
        let mute = wishes.mute(user_id, key);
        let effective = self.push.rules.effective(is_direct, place.is_large, mute, now_ms());
        Ok(Some((effective, wishes.content(user_id, self.push.config.content))))
    }

    /// What became of a message for these members, in their order, by what they have set now; nothing where nothing is
    /// pushed of it. `is_decided`: the follower is past it.
    pub(crate) async fn explain(
        &self,
        entry: &StoredEntry,
        members: &[MemberView],
        is_decided: bool,
    ) -> Result<Vec<OfMember>, StoreError> {
        let key = entry.entry.conversation();
        let Some(told) = self.told(entry) else { return Ok(Vec::new()) };
        let Some(place) = self.place(key).await? else { return Ok(Vec::new()) };
        let users: Vec<UserId> = members.iter().map(|member| member.user.id.clone()).collect();
        let wishes = Wishes::of(&*self.store, users.iter().map(|it| (it, key.id))).await?;
        let kept = self.kept(key, told.seq, &users).await?;
        let now_ms = now_ms();
        let of = |member: &MemberView| {
            let user_id = &member.user.id;
            let facts = told.facts(user_id, &place, wishes.mute(user_id, key), now_ms);
            let (rule, action) = self.push.rules.decide(&facts);
            let known = Known {
                seq: told.seq,
                action,
                is_reached: member.delivered_seq.max(member.read_seq) >= told.seq,
                is_decided,
                sent: kept.sent.get(user_id),
            };
            OfMember { rule, action, devices: kept.became(user_id, &known) }
        };
        Ok(members.iter().map(of).collect())
    }

    /// The message as a push tells it, whenever that was; none where nothing is pushed.
    fn told(&self, entry: &StoredEntry) -> Option<Told> {
        if !self.push.is_on() {
            return None;
        }
        entry_told(entry.clone(), LogKind::Group)
    }

    async fn place(&self, key: ConversationKey) -> Result<Option<PushPlace>, StoreError> {
        let places = self.store.push_places(&[key], self.push.config.large_members).await?;
        Ok(places.into_iter().next())
    }

    async fn kept(
        &self,
        key: ConversationKey,
        seq: u64,
        users: &[UserId],
    ) -> Result<Kept, StoreError> {
        let mut devices: HashMap<UserId, Vec<PushDevice>> = HashMap::new();
        for device in self.store.push_devices(users).await? {
            devices.entry(device.user_id.clone()).or_default().push(device);
        }
        let places: Vec<_> = users.iter().map(|user| (user.clone(), key)).collect();
        let sent = self.store.pushed(&places).await?;
        Ok(Kept {
            devices,
            sent: sent.into_iter().map(|sent| (sent.user_id.clone(), sent)).collect(),
            retries: self.store.push_retries_of(key).await?,
            dead: self.store.dead_pushes_from(key, seq).await?,
        })
    }
}

impl Kept {
    fn became(&self, user_id: &UserId, known: &Known<'_>) -> Vec<Became> {
        let devices = self.devices.get(user_id).map_or(&[][..], Vec::as_slice);
        let now = devices.iter().map(|it| registered(it, known, &self.retries, &self.dead));
        let gone = self.dead.iter().filter(|dead| {
            let is_there = devices.iter().any(|device| device.device_id == dead.device_id);
            dead.user_id == *user_id && dead.seq == known.seq && !is_there
        });
        now.chain(gone.map(given_up)).collect()
    }
}
