//! What users set of their own: for one conversation, or for none; and all of it, in parts, for a device that has no cursor
//! of the self log.

use proto::chat::{EffectivePush, Own, OwnSetting, OwnSettingsReply, OwnSettingsRequest};
use proto::frame::msgpack::heaviest;
use proto::id::{ConversationId, ConversationKey, UserId};
use tonic::Status;

use super::chat_queries::ChatQueries;
use super::drafts::draft_proto;
use super::errors::failed;
use super::request::{conversation_id, user};
use crate::domain::drafts::{DraftPlace, KeptDraft};
use crate::domain::own::{Place, Setting};
use crate::store::{ChatStore, StoreError};

/// Settings that are read at once.
const ROWS: u32 = 256;
/// Drafts that are read at once: each may be large.
const DRAFT_ROWS: u32 = 32;
/// What a setting takes in a frame beside its value, in JSON or MessagePack, at most.
const AROUND_BYTES: usize = 200;

impl ChatQueries {
    pub(super) async fn own(
        &self,
        request: OwnSettingsRequest,
    ) -> Result<OwnSettingsReply, Status> {
        let user_id = user(&request.user_id)?;
        let at = match request.conversation_id.as_ref() {
            [] => None,
            bytes => {
                let id = conversation_id(bytes)?;
                self.membership(&user_id, id).await?;
                Some(id)
            }
        };
        let found = self.store.own_settings_of(&user_id, &[at]).await.map_err(failed)?;
        let settings = found.into_iter().map(setting_proto).collect();
        let effective = match at {
            Some(id) => self.effective(&user_id, id).await?,
            None => None,
        };
        Ok(OwnSettingsReply { settings, effective })
    }

    /// What a member is told of a conversation by offline push.
    async fn effective(
        &self,
        user_id: &UserId,
        id: ConversationId,
    ) -> Result<Option<EffectivePush>, Status> {
        let Some(push) = &self.push else { return Ok(None) };
        let key = ConversationKey::new(user_id.tenant(), id);
        let found = push.effective(user_id, key).await.map_err(failed)?;
        Ok(found.map(|(effective, content)| EffectivePush {
            push: effective.push.to_owned(),
            rule: effective.rule.to_owned(),
            content: content.name().to_owned(),
        }))
    }
}

/// A setting on the wire.
pub(super) fn setting_proto(setting: Setting) -> OwnSetting {
    let Setting { place, value, as_of, .. } = setting;
    OwnSetting {
        what: place.what.as_str().to_owned(),
        conversation_id: place.conversation_id.map(ConversationId::to_bytes).unwrap_or_default(),
        thread: place.thread,
        value: value.json.into(),
        as_of,
    }
}

/// A walk through all that a user set, and then through what they write.
pub(super) struct Walk {
    as_of: u64,
    next: Next,
}

/// Where a walk goes on.
enum Next {
    Settings(Option<Place>),
    Drafts(Option<DraftPlace>),
    Nothing,
}

impl Walk {
    /// One whose parts hold at least what was set up to an entry.
    pub(super) fn new(as_of: u64) -> Self {
        Self { as_of, next: Next::Settings(None) }
    }

    /// The next part, of about so many bytes as a frame; the first one always is, also when nothing is set.
    pub(super) async fn next(
        &mut self,
        store: &dyn ChatStore,
        user_id: &UserId,
        bytes: usize,
    ) -> Result<Option<Own>, StoreError> {
        let own = Own { as_of: self.as_of, ..Own::default() };
        match self.next {
            Next::Settings(after) => {
                let found = store.own_settings(user_id, after.as_ref(), ROWS).await?;
                let mut settings = Vec::new();
                let is_all = found.len() < ROWS as usize;
                let weight = |it: &Setting| AROUND_BYTES + 2 * it.value.json.len();
                let (taken, is_cut) = fitting(found, bytes, weight);
                let last = taken.last().map(|it| it.place);
                settings.extend(taken.into_iter().map(setting_proto));
                self.next =
                    if is_all && !is_cut { Next::Drafts(None) } else { Next::Settings(last) };
                Ok(Some(Own { settings, ..own }))
            }
            Next::Drafts(after) => {
                let found = store.drafts(user_id, after, DRAFT_ROWS).await?;
                let is_all = found.len() < DRAFT_ROWS as usize;
                let weight = |it: &KeptDraft| AROUND_BYTES + heaviest(it.content.as_bytes());
                let (taken, is_cut) = fitting(found, bytes, weight);
                let last = taken.last().map(|it| it.place);
                self.next = if is_all && !is_cut { Next::Nothing } else { Next::Drafts(last) };
                let drafts: Vec<_> = taken.into_iter().map(draft_proto).collect();
                Ok((!drafts.is_empty()).then_some(Own { drafts, ..own }))
            }
            Next::Nothing => Ok(None),
        }
    }
}

/// The first of some that fit together, at least one; and whether others are left.
fn fitting<T>(all: Vec<T>, bytes: usize, weight: impl Fn(&T) -> usize) -> (Vec<T>, bool) {
    let mut used = 0;
    let count = all.len();
    let fits = |it: &T| {
        let is_first = used == 0;
        used += weight(it);
        is_first || used <= bytes
    };
    let taken: Vec<T> = {
        let mut fits = fits;
        all.into_iter().take_while(|it| fits(it)).collect()
    };
    let is_cut = taken.len() < count;
    (taken, is_cut)
}
