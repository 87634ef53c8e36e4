//! What the questions of gateways are answered with.

use std::sync::Arc;

use proto::id::{ConversationId, ConversationKey, UserId};
use tonic::Status;

use super::errors::failed;
use super::open_syncs::OpenSyncs;
use super::sync::Turns;
use crate::config::QueryConfig;
use crate::domain::entry::{ConversationKind, DeviceType};
use crate::push::PushView;
use crate::store::{ChatStore, ConversationView, Membership};

#[derive(Clone)]
pub struct ChatQueries {
    pub(super) store: Arc<dyn ChatStore>,
    pub(super) config: QueryConfig,
    /// Members up to which everybody hears of everybody's receipts.
    pub(super) receipt_members: usize,
    pub(super) turns: Turns,
    /// Syncs that are read or wait for it.
    pub(super) open: OpenSyncs,
    /// None where nobody asks about offline push.
    pub(super) push: Option<PushView>,
}

/// As what somebody reads a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// As the member that they are.
    AsMember,
    /// By the role of their token, whatever they are a member of.
    AsModerator,
}

impl Asks {
    pub(super) fn of(is_moderated: bool) -> Self {
        if is_moderated { Self::AsModerator } else { Self::AsMember }
    }
}

impl ChatQueries {
    /// Answers from a store.
    pub fn new(store: Arc<dyn ChatStore>, config: QueryConfig, receipt_members: usize) -> Self {
        let (turns, open) = (Turns::new(&config), OpenSyncs::new(&config));
        Self { store, config, receipt_members, turns, open, push: None }
    }

    /// Answers what offline push decides, too.
    pub(crate) fn with_push(self, push: PushView) -> Self {
        Self { push: Some(push), ..self }
    }

    /// A conversation as a member sees it; refused for everybody else.
    pub(super) async fn member_view(
        &self,
        user_id: &UserId,
        device_type: Option<DeviceType>,
        id: ConversationId,
    ) -> Result<ConversationView, Status> {
        // Of another tenant than the user's there is none.
        let view = self.store.conversation(user_id, device_type, id).await.map_err(failed)?;
        view.ok_or_else(no_member)
    }

    /// What a member may read of a conversation; refused for everybody else. Much cheaper than the whole view, which counts.
    pub(super) async fn membership(
        &self,
        user_id: &UserId,
        id: ConversationId,
    ) -> Result<Membership, Status> {
        let found = self.store.membership(user_id, id).await.map_err(failed)?;
        found.ok_or_else(no_member)
    }

    /// The first entry of a conversation that a moderator reads. What a user keeps for themself is none.
    pub(super) async fn moderated(&self, key: ConversationKey) -> Result<u64, Status> {
        let found = self.store.load(&[key]).await.map_err(failed)?.pop().flatten();
        match found.map(|snapshot| snapshot.kind) {
            Some(ConversationKind::Direct | ConversationKind::Group) => Ok(1),
            _ => Err(Status::not_found("there is no such conversation")),
        }
    }
}

fn no_member() -> Status {
    Status::permission_denied("you are not a member of this conversation, or it does not exist")
}
