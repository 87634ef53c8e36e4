//! What the users of a round set: which of its conversations they muted, and how much a push may say.

use std::collections::HashMap;

use proto::id::{ConversationId, ConversationKey, UserId};

use super::rules::Mute;
use crate::domain::own::{self, Place, What};
use crate::store::push::{Candidate, PushContent};
use crate::store::{ChatStore, StoreError};

/// Settings that are read at a time.
const AT_ONCE: usize = 1_000;

/// A time that never comes.
const FOREVER: u64 = u64::MAX;

/// By user and, where it is set for a conversation, by that.
#[derive(Debug, Default)]
pub(super) struct Wishes(HashMap<(UserId, Place), String>);

impl Wishes {
    /// Reads what the candidates of these conversations set.
    pub(super) async fn read(
        store: &dyn ChatStore,
        candidates: &HashMap<ConversationKey, Vec<Candidate>>,
    ) -> Result<Self, StoreError> {
        let rows = candidates.values().flatten();
        Self::of(store, rows.map(|row| (&row.user_id, row.key.id))).await
    }

    /// Reads what users set, each for a conversation and for all of them.
    pub(super) async fn of(
        store: &dyn ChatStore,
        members: impl Iterator<Item = (&UserId, ConversationId)> + Clone + Send,
    ) -> Result<Self, StoreError> {
        let mut asked: Vec<(UserId, Place)> = members
            .clone()
            .map(|(user_id, id)| (user_id.clone(), mute(id)))
            .chain(members.map(|(user_id, _)| (user_id.clone(), content())))
            .collect();
        asked.sort_unstable();
        asked.dedup();
        let mut found = HashMap::new();
        for some in asked.chunks(AT_ONCE) {
            let facts = store.own_facts(some).await?;
            let set = facts.settings.into_iter();
            found.extend(set.filter_map(|(place, fact)| fact.json.map(|json| (place, json))));
        }
        Ok(Self(found))
    }

    /// How a user muted a conversation, if they did.
    pub(super) fn mute(&self, user_id: &UserId, key: ConversationKey) -> Option<Mute> {
        let json = self.0.get(&(user_id.clone(), mute(key.id)))?;
        // What a later version set in another shape counts as not set: a push too many is better than a message unseen.
        let own::Mute { until, mentions } = serde_json::from_str(json).ok()?;
        Some(Mute { until_ms: until.unwrap_or(FOREVER), mentions })
    }

    /// How much a push may say to a user, where the server allows so much.
    pub(super) fn content(&self, user_id: &UserId, server: PushContent) -> PushContent {
        let json = self.0.get(&(user_id.clone(), content()));
        let set = json.and_then(|json| serde_json::from_str::<own::Push>(json).ok());
        set.map_or(server, |push| server.min(of(&push.content)))
    }
}

fn mute(id: ConversationId) -> Place {
    Place { conversation_id: Some(id), what: What::Mute, thread: 0 }
}

fn content() -> Place {
    Place { conversation_id: None, what: What::Push, thread: 0 }
}

fn of(content: &own::PushContent) -> PushContent {
    match content {
        own::PushContent::None => PushContent::None,
        own::PushContent::Sender => PushContent::Sender,
        own::PushContent::Full => PushContent::Full,
    }
}
