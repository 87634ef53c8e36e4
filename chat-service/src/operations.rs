//! The operations: whatever appends to a log. One file each, with its shape, how it is read from a frame, who may do it,
//! and what it does. A new operation is a file here, a variant of [`Action`] and a line in each of the two matches below.
//!
//! Nothing here does I/O: an operation is planned on what was loaded before (see [`plan`]).

pub mod act;
pub mod add_members;
mod changing;
pub mod create;
pub mod delete;
pub mod draft;
pub mod edit;
pub mod forward;
pub mod pin;
pub mod plan;
pub mod post_notice;
pub mod react;
pub mod remove_member;
pub mod rename;
pub mod send;
pub mod set;
pub mod set_role;
pub mod tally;

use bytes::Bytes;
use proto::bus::{self, operation::Action as Wire};
use proto::error_code::ErrorCode;
use proto::id::{ClientId, ConversationId, ConversationKey, UserId};

use crate::domain::act::Authority;
use crate::domain::conversation::Refusal;
use crate::domain::drafts::DraftPlace;
use crate::domain::entry::{Role, Snapshot, TargetKey};
use crate::domain::own::Place;
use crate::domain::said::{Digest, Said};
use act::CardAct;
use add_members::AddMembers;
use create::Create;
use delete::Delete;
use draft::Draft as KeptDraft;
use edit::Edit;
use forward::Forward;
use pin::Pin;
use plan::{Draft, Not, Planner};
use post_notice::PostNotice;
use react::React;
use remove_member::RemoveMember;
use rename::Rename;
use send::Send;
use set::Set;
use set_role::SetRole;
use tally::TallyOf;

/// Something that appends to a log.
#[derive(Debug, Clone)]
pub struct Operation {
    pub actor: UserId,
    /// The token of the actor has the role `bot`.
    pub is_bot: bool,
    /// Makes repeating harmless.
    pub client_id: ClientId,
    /// Where, in the actor's tenant.
    pub conversation_id: ConversationId,
    /// Of what is asked: the same client id with another digest is a conflict.
    pub digest: Digest,
    pub action: Action,
}

impl Operation {
    /// Where. Whatever an operation names is looked for in the tenant of its actor.
    pub fn conversation(&self) -> ConversationKey {
        ConversationKey::new(self.actor.tenant(), self.conversation_id)
    }

    /// The message of another conversation that it is about, with who asks.
    pub fn source(&self) -> Option<(&UserId, ConversationId, u64)> {
        self.action.rule().source().map(|(from, seq)| (&self.actor, from, seq))
    }

    /// The entries that it changes.
    pub fn targets(&self) -> impl Iterator<Item = TargetKey> + use<> {
        let rule = self.action.rule();
        let (conversation, with_edits) = (self.conversation(), rule.changes_edits());
        let key = move |seq| TargetKey { conversation, seq, with_edits };
        rule.targets().into_iter().map(key)
    }

    /// The setting that it changes.
    pub fn own(&self) -> Option<(UserId, Place)> {
        self.action.rule().own().map(|place| (self.actor.clone(), place))
    }

    /// The draft that it changes.
    pub fn draft(&self) -> Option<(UserId, DraftPlace)> {
        self.action.rule().draft().map(|place| (self.actor.clone(), place))
    }
}

/// What an operation does.
#[derive(Debug, Clone)]
pub enum Action {
    Send(Send),
    Create(Create),
    AddMembers(AddMembers),
    /// Removes a member, or leaves.
    RemoveMember(RemoveMember),
    SetRole(SetRole),
    Rename(Rename),
    /// Pins a message, or unpins it.
    Pin(Pin),
    /// Copies a message of another conversation.
    Forward(Forward),
    /// Gives a message another content.
    Edit(Edit),
    /// Takes the content of messages away.
    Delete(Delete),
    /// Reacts to a message, or does so no more.
    React(React),
    /// Changes what its actor set of their own.
    Set(Set),
    /// Keeps what its actor writes and has not sent.
    Draft(KeptDraft),
    /// Presses an action of a bot's card.
    Act(CardAct),
    /// Appends an operator's notice.
    PostNotice(PostNotice),
    /// Tells how many reacted to a message.
    Tally(TallyOf),
}

/// What all actions have in common.
pub trait Rule {
    /// Checks that the actor may do it and puts what it changes into the plan. Returns the entry that tells of it.
    fn apply(&self, planner: &mut Planner<'_>, operation: &Operation) -> Result<Draft, Not>;

    /// Whom it would bring into a conversation.
    fn newcomers<'a>(
        &'a self,
        _operation: &'a Operation,
        _snapshot: Option<&Snapshot>,
    ) -> Vec<&'a UserId> {
        Vec::new()
    }

    /// The entries that it changes, which have to be loaded before it is planned.
    fn targets(&self) -> Vec<u64> {
        Vec::new()
    }

    /// The edits of its targets have to be known, too.
    fn changes_edits(&self) -> bool {
        false
    }

    /// The reactions of which it has to be known who gave them, where they are rows.
    fn counted(&self) -> Option<Counted<'_>> {
        None
    }

    /// The setting of its actor that it changes, which has to be loaded before it is planned.
    fn own(&self) -> Option<Place> {
        None
    }

    /// The draft of its actor that it changes, which has to be loaded before it is planned.
    fn draft(&self) -> Option<DraftPlace> {
        None
    }

    /// It writes to a self log. For whatever else there are none.
    fn is_own(&self) -> bool {
        false
    }

    /// The message of another conversation that it is about, which has to be loaded before it is planned.
    fn source(&self) -> Option<(ConversationId, u64)> {
        None
    }

    /// How much it stores, about.
    fn size(&self) -> Size {
        Size::default()
    }
}

/// What an operation has to know of the reactions to a message.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    /// The message.
    pub seq: u64,
    /// The key of a reaction that it adds.
    pub added: Option<&'a str>,
    /// It tells how many there are.
    pub is_tally: bool,
}

/// How much an operation stores, about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Size {
    /// Bytes of texts.
    pub bytes: usize,
    pub memberships: usize,
}

impl Action {
    pub fn rule(&self) -> &dyn Rule {
        match self {
            Self::Send(action) => action,
            Self::Create(action) => action,
            Self::AddMembers(action) => action,
            Self::RemoveMember(action) => action,
            Self::SetRole(action) => action,
            Self::Rename(action) => action,
            Self::Pin(action) => action,
            Self::Forward(action) => action,
            Self::Edit(action) => action,
            Self::Delete(action) => action,
            Self::React(action) => action,
            Self::Set(action) => action,
            Self::Draft(action) => action,
            Self::Act(action) => action,
            Self::PostNotice(action) => action,
            Self::Tally(action) => action,
        }
    }
}

/// The part of a frame that an answer needs, also when the rest is malformed or of a later build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reference {
    /// The client's own.
    pub reference: String,
    /// As it came: 16 bytes when it is well formed.
    pub client_id: Bytes,
}

/// Reads an operation from a frame. `None` for an action of a later build.
pub fn read(
    origin: &bus::Origin,
    reference: &Reference,
    operation: bus::Operation,
) -> Option<Result<Operation, Rejected>> {
    let bus::Operation { conversation_id, refusal, action } = operation;
    let action = action?;
    let asked = match Asked::of(origin, reference, conversation_id, refusal) {
        Ok(asked) => asked,
        Err(refusal) => return Some(Err(refusal.into())),
    };
    Some(match action {
        Wire::Send(bus::Send { source: Some(source), .. }) => forward::read(asked, &source),
        Wire::Send(wire) => send::read(asked, wire),
        Wire::CreateConversation(wire) => create::read(asked, &wire),
        Wire::AddMembers(wire) => add_members::read(asked, &wire),
        Wire::RemoveMember(wire) => remove_member::read(asked, &wire),
        Wire::SetRole(wire) => set_role::read(asked, &wire),
        Wire::Rename(wire) => rename::read(asked, &wire),
        Wire::Pin(wire) => pin::read(asked, &wire),
        Wire::Edit(wire) => edit::read(asked, wire),
        Wire::Delete(wire) => delete::read(asked, wire),
        Wire::React(wire) => react::read(asked, wire),
        Wire::Set(wire) => set::read(asked, &wire),
        Wire::Draft(wire) => draft::read(asked, wire),
        Wire::Act(wire) => act::read(asked, wire),
        Wire::PostNotice(wire) => post_notice::read(asked, wire),
        Wire::TallyReactions(wire) => tally::read(asked, wire),
    })
}

/// What all operations have on the wire.
struct Asked {
    actor: UserId,
    is_admin: bool,
    is_bot: bool,
    authority: Authority,
    /// Where the actor is, of those with an authority.
    ip: String,
    client_id: ClientId,
    conversation_id: Bytes,
    /// Why the gateway does not allow it at present.
    refusal: String,
}

impl Asked {
    fn of(
        origin: &bus::Origin,
        reference: &Reference,
        conversation_id: Bytes,
        refusal: String,
    ) -> Result<Self, Refusal> {
        let client_id = ClientId::from_bytes(&reference.client_id)
            .map_err(|_| invalid("`client_id` is a UUID"))?;
        let actor = user(&origin.user_id)?;
        let (is_admin, is_bot, ip) = (origin.admin, origin.bot, origin.ip.clone());
        let authority = match (is_admin, origin.moderator) {
            (true, _) => Authority::Operator,
            (false, true) => Authority::Moderator,
            (false, false) => Authority::None,
        };
        Ok(Self { actor, is_admin, is_bot, authority, ip, client_id, conversation_id, refusal })
    }

    fn conversation_id(&self) -> Result<ConversationId, Refusal> {
        ConversationId::from_bytes(&self.conversation_id)
            .map_err(|_| invalid("`conversation_id` is a UUID"))
    }

    /// The operation, unless the gateway does not allow it.
    fn operation(
        self,
        conversation_id: ConversationId,
        said: Said,
        action: Action,
    ) -> Result<Operation, Rejected> {
        let digest = said.finish();
        if !self.refusal.is_empty() {
            let refusal = Refusal::new(ErrorCode::Forbidden, self.refusal.as_str());
            return Err(self.rejected(Some(digest), refusal));
        }
        let Self { actor, is_bot, client_id, .. } = self;
        Ok(Operation { actor, is_bot, client_id, conversation_id, digest, action })
    }

    fn rejected(self, digest: Option<Digest>, refusal: Refusal) -> Rejected {
        let Self { actor, client_id, .. } = self;
        Rejected { refusal, earlier: Some(Box::new(Earlier { actor, client_id, digest })) }
    }
}

/// An operation that is refused before it is planned.
#[derive(Debug)]
pub struct Rejected {
    /// What is wrong with it.
    pub refusal: Refusal,
    /// By what it is known when it was stored before, under rules or rights of then.
    pub earlier: Option<Box<Earlier>>,
}

/// What identifies an operation that is refused.
#[derive(Debug)]
pub struct Earlier {
    pub actor: UserId,
    /// The client's id of it.
    pub client_id: ClientId,
    /// Of what it says; `None` where that cannot be told.
    pub digest: Option<Digest>,
}

impl Rejected {
    /// Of an operation that was read.
    pub fn of(operation: Operation, refusal: Refusal) -> Self {
        let Operation { actor, client_id, digest, .. } = operation;
        let digest = Some(digest);
        Self { refusal, earlier: Some(Box::new(Earlier { actor, client_id, digest })) }
    }
}

impl From<Refusal> for Rejected {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, earlier: None }
    }
}

fn invalid(message: &str) -> Refusal {
    Refusal::new(ErrorCode::Invalid, message)
}

fn user(text: &str) -> Result<UserId, Refusal> {
    UserId::parse_qualified(text).map_err(|error| invalid(&format!("a user id: {error}")))
}

fn users(texts: &[String]) -> Result<Vec<UserId>, Refusal> {
    texts.iter().map(|text| user(text)).collect()
}

/// The direct conversation of two users. With somebody of another tenant it is one that does not exist, and that cannot be
/// begun: see `append::newcomers`.
fn direct(one: &UserId, other: &UserId) -> ConversationId {
    let (low, high) = if one <= other { (one, other) } else { (other, one) };
    if low.tenant() == high.tenant() {
        return ConversationId::direct(low.tenant(), &low.name(), &high.name());
    }
    ConversationId(uuid::Uuid::nil())
}

fn given_role(role: i32) -> Role {
    match proto::common::Role::try_from(role) {
        Ok(proto::common::Role::Owner) => Role::Owner,
        Ok(proto::common::Role::Admin) => Role::Admin,
        _ => Role::Member,
    }
}
