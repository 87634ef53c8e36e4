//! Frames as operations: what a frame asks for, parsed once, with its ids and its digest.

use proto::bus::{self, frame::Body};
use proto::error_code::ErrorCode;
use proto::id::{ClientId, ConversationId, ConversationKey, UserId};

use super::content;
use super::conversation::{MAX_NAMED, Refusal, check_title};
use super::entry::{ConversationKind, Role};
use super::said::{Digest, Said};

/// Something that appends to a log.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Who asks.
    pub actor: UserId,
    /// Repeated in the answer; empty when the client gave none.
    pub reference: String,
    /// Makes repeating harmless.
    pub client_id: ClientId,
    /// Where, in the actor's tenant.
    pub conversation_id: ConversationId,
    /// Of what is asked: the same client id with another digest is a conflict.
    pub digest: Digest,
    /// What.
    pub action: Action,
}

impl Operation {
    /// Where. Whatever an operation names is looked for in the tenant of its actor.
    pub fn conversation(&self) -> ConversationKey {
        ConversationKey::new(self.actor.tenant(), self.conversation_id)
    }
}

/// A frame that is no operation, or one that is not taken any more.
#[derive(Debug)]
pub struct Rejected {
    /// What is wrong with it.
    pub refusal: Refusal,
    /// By what it is known when it was stored before, under rules or rights of then.
    pub earlier: Option<Box<Asked>>,
}

/// What identifies a frame that is rejected.
#[derive(Debug)]
pub struct Asked {
    /// Who asks.
    pub actor: UserId,
    /// The client's id of it.
    pub client_id: ClientId,
    /// Of what it says; `None` where that cannot be told.
    pub digest: Option<Digest>,
}

impl Rejected {
    /// An operation that is refused before it is planned.
    pub fn of(operation: Operation, refusal: Refusal) -> Self {
        let Operation { actor, client_id, digest, .. } = operation;
        Self { refusal, earlier: Some(Box::new(Asked { actor, client_id, digest: Some(digest) })) }
    }
}

impl From<Refusal> for Rejected {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, earlier: None }
    }
}

/// What an operation does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Appends a message.
    Send(Message),
    /// Makes a conversation.
    Create {
        /// Direct or group.
        kind: ConversationKind,
        /// Trimmed; empty for direct ones.
        title: String,
        /// Sorted, the actor among them.
        members: Vec<UserId>,
    },
    /// Adds members.
    Add {
        /// Whom.
        users: Vec<UserId>,
        /// As what.
        role: Role,
    },
    /// Removes a member, or leaves.
    Remove {
        /// Whom.
        user: UserId,
    },
    /// Gives a role.
    SetRole {
        /// To whom.
        user: UserId,
        /// Which.
        role: Role,
    },
    /// Changes the title.
    Rename {
        /// Trimmed.
        title: String,
    },
}

/// A message to append.
#[derive(Debug, Clone)]
pub struct Message {
    /// The other user, for a message that may begin a direct conversation.
    pub to: Option<UserId>,
    /// `text`, `system`.
    pub kind: String,
    /// A checked JSON object.
    pub content: String,
    /// The entry it answers.
    pub reply_to: Option<u64>,
    /// Users named in it.
    pub mentions: Vec<UserId>,
    /// Asks for attention.
    pub is_important: bool,
    /// A checked JSON object.
    pub extra: Option<String>,
}

/// The part of a frame that an answer needs, also when the rest is malformed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reference {
    /// The client's own.
    pub reference: String,
    /// As it came: 16 bytes when it is well formed.
    pub client_id: bytes::Bytes,
}

/// What to repeat in the answer to a body.
pub fn reference(body: &Body) -> Reference {
    let (reference, client_id) = match body {
        Body::Send(b) => (&b.r#ref, &b.client_id),
        Body::CreateConversation(b) => (&b.r#ref, &b.client_id),
        Body::AddMembers(b) => (&b.r#ref, &b.client_id),
        Body::RemoveMember(b) => (&b.r#ref, &b.client_id),
        Body::SetRole(b) => (&b.r#ref, &b.client_id),
        Body::Rename(b) => (&b.r#ref, &b.client_id),
        Body::AdvanceCursor(_)
        | Body::Typing(_)
        | Body::Profile(_)
        | Body::Signal(_)
        | Body::AskPushed(_)
        | Body::SetStatus(_) => return Reference::default(),
    };
    Reference { reference: reference.clone(), client_id: client_id.clone() }
}

/// The conversation that a body names, as it came; empty when it names none.
pub fn conversation_bytes(body: &Body) -> bytes::Bytes {
    match body {
        Body::Send(b) => b.conversation_id.clone(),
        Body::CreateConversation(b) => b.conversation_id.clone(),
        Body::AddMembers(b) => b.conversation_id.clone(),
        Body::RemoveMember(b) => b.conversation_id.clone(),
        Body::SetRole(b) => b.conversation_id.clone(),
        Body::Rename(b) => b.conversation_id.clone(),
        Body::AdvanceCursor(b) => b.conversation_id.clone(),
        Body::Typing(b) => b.conversation_id.clone(),
        Body::AskPushed(b) => b.conversation_id.clone(),
        Body::Profile(_) | Body::SetStatus(_) | Body::Signal(_) => bytes::Bytes::new(),
    }
}

/// Parses a frame that appends to a log. `None` for the others.
pub fn parse(origin: &bus::Origin, body: Body) -> Option<Result<Operation, Rejected>> {
    let parsed = match body {
        Body::Send(b) => send(origin, b),
        Body::CreateConversation(b) => create(origin, b),
        Body::AddMembers(b) => add(origin, b),
        Body::RemoveMember(b) => remove(origin, b),
        Body::SetRole(b) => set_role(origin, b),
        Body::Rename(b) => rename(origin, b),
        Body::AdvanceCursor(_)
        | Body::Typing(_)
        | Body::Profile(_)
        | Body::Signal(_)
        | Body::AskPushed(_)
        | Body::SetStatus(_) => return None,
    };
    Some(parsed)
}

fn invalid(message: &str) -> Refusal {
    Refusal::new(ErrorCode::Invalid, message)
}

/// What a gateway found not to be allowed at present.
fn forbidden(refusal: String) -> Option<Refusal> {
    (!refusal.is_empty()).then(|| Refusal::new(ErrorCode::Forbidden, refusal))
}

fn user(text: &str) -> Result<UserId, Refusal> {
    UserId::parse_qualified(text).map_err(|error| invalid(&format!("a user id: {error}")))
}

fn users(texts: &[String]) -> Result<Vec<UserId>, Refusal> {
    texts.iter().map(|text| user(text)).collect()
}

/// The direct conversation of two users. With somebody of another tenant it is one that does not exist, and that cannot be
/// begun: see `lane::newcomers`.
fn direct(one: &UserId, other: &UserId) -> ConversationId {
    let (low, high) = if one <= other { (one, other) } else { (other, one) };
    if low.tenant() == high.tenant() {
        return ConversationId::direct(low.tenant(), &low.name(), &high.name());
    }
    ConversationId(uuid::Uuid::nil())
}

fn conversation(bytes: &[u8]) -> Result<ConversationId, Refusal> {
    ConversationId::from_bytes(bytes).map_err(|_| invalid("`conversation_id` is a UUID"))
}

fn given_role(role: i32) -> Role {
    match bus::Role::try_from(role) {
        Ok(bus::Role::Owner) => Role::Owner,
        Ok(bus::Role::Admin) => Role::Admin,
        _ => Role::Member,
    }
}

/// What all operations have.
struct Head {
    actor: UserId,
    client_id: ClientId,
    reference: String,
}

impl Head {
    fn of(origin: &bus::Origin, client_id: &[u8], reference: String) -> Result<Self, Refusal> {
        let client_id =
            ClientId::from_bytes(client_id).map_err(|_| invalid("`client_id` is a UUID"))?;
        Ok(Self { actor: user(&origin.user_id)?, client_id, reference })
    }

    fn operation(
        self,
        conversation_id: ConversationId,
        digest: Digest,
        action: Action,
    ) -> Operation {
        let Self { actor, client_id, reference } = self;
        Operation { actor, reference, client_id, conversation_id, digest, action }
    }

    fn rejected(self, digest: Option<Digest>, refusal: Refusal) -> Rejected {
        let Self { actor, client_id, .. } = self;
        Rejected { refusal, earlier: Some(Box::new(Asked { actor, client_id, digest })) }
    }
}

fn send(origin: &bus::Origin, frame: bus::Send) -> Result<Operation, Rejected> {
    let head = Head::of(origin, &frame.client_id, frame.r#ref)?;
    let to = if frame.to.is_empty() { None } else { Some(user(&frame.to)?) };
    let conversation_id = match &to {
        Some(to) => direct(&head.actor, to),
        None => conversation(&frame.conversation_id)?,
    };
    let mentions = users(&frame.mentions)?;
    let mut said = Said::new("send", conversation_id);
    said.text(&frame.kind);
    said.number(frame.reply_to);
    said.number(u64::from(frame.important));
    said.number(frame.device_type as u64);
    said.texts(frame.mentions.iter().map(String::as_str));
    let content::Checked { content, mut refusal, mut is_said } =
        content::check(&frame.kind, frame.content, origin.admin, &mut said);
    if !frame.extra.is_empty()
        && let Err(wrong) = content::check_extra(&frame.extra, &mut said)
    {
        is_said = false;
        refusal = refusal.or(Some(wrong));
    }
    if mentions.len() > proto::limits::MENTIONS {
        refusal = refusal.or_else(|| Some(invalid("a message names at most 64 users")));
    }
    if to.as_ref() == Some(&head.actor) {
        refusal = refusal.or_else(|| Some(invalid("`to` is another user than yourself")));
    }
    let digest = said.finish();
    if let Some(refusal) = refusal {
        return Err(head.rejected(is_said.then_some(digest), refusal));
    }
    let message = Message {
        to,
        kind: frame.kind,
        content,
        reply_to: (frame.reply_to > 0).then_some(frame.reply_to),
        mentions,
        is_important: frame.important,
        extra: (!frame.extra.is_empty()).then_some(frame.extra),
    };
    Ok(head.operation(conversation_id, digest, Action::Send(message)))
}

fn create(origin: &bus::Origin, frame: bus::CreateConversation) -> Result<Operation, Rejected> {
    let head = Head::of(origin, &frame.client_id, frame.r#ref)?;
    if frame.member_ids.len() > MAX_NAMED {
        let refusal = invalid("name at most 1,000 members at once; add the others afterwards");
        return Err(refusal.into());
    }
    let mut members = users(&frame.member_ids)?;
    members.push(head.actor.clone());
    members.sort();
    members.dedup();
    let (kind, title, conversation_id) = if frame.kind == bus::ConversationKind::Direct as i32 {
        let [one, other] = members.as_slice() else {
            return Err(invalid("a direct conversation has exactly one other member").into());
        };
        (ConversationKind::Direct, "", direct(one, other))
    } else {
        let id = ConversationId::created(&head.actor, head.client_id);
        (ConversationKind::Group, frame.title.trim(), id)
    };
    let mut said = Said::new("create", conversation_id);
    said.text(title);
    said.texts(members.iter().map(UserId::as_str));
    let digest = said.finish();
    if kind == ConversationKind::Group
        && let Err(refusal) = check_title(title)
    {
        return Err(head.rejected(Some(digest), refusal));
    }
    if let Some(refusal) = forbidden(frame.refusal) {
        return Err(head.rejected(Some(digest), refusal));
    }
    let title = title.to_owned();
    Ok(head.operation(conversation_id, digest, Action::Create { kind, title, members }))
}

fn add(origin: &bus::Origin, frame: bus::AddMembers) -> Result<Operation, Rejected> {
    let head = Head::of(origin, &frame.client_id, frame.r#ref)?;
    if frame.user_ids.is_empty() || frame.user_ids.len() > MAX_NAMED {
        return Err(invalid("name 1 to 1,000 users at once").into());
    }
    let mut users = users(&frame.user_ids)?;
    users.sort();
    users.dedup();
    let conversation_id = conversation(&frame.conversation_id)?;
    let mut said = Said::new("add", conversation_id);
    said.number(frame.role as u64);
    said.texts(users.iter().map(UserId::as_str));
    let digest = said.finish();
    if let Some(refusal) = forbidden(frame.refusal) {
        return Err(head.rejected(Some(digest), refusal));
    }
    let action = Action::Add { users, role: given_role(frame.role) };
    Ok(head.operation(conversation_id, digest, action))
}

fn remove(origin: &bus::Origin, frame: bus::RemoveMember) -> Result<Operation, Rejected> {
    let head = Head::of(origin, &frame.client_id, frame.r#ref)?;
    let conversation_id = conversation(&frame.conversation_id)?;
    let mut said = Said::new("remove", conversation_id);
    said.text(&frame.user_id);
    let action = Action::Remove { user: user(&frame.user_id)? };
    Ok(head.operation(conversation_id, said.finish(), action))
}

fn set_role(origin: &bus::Origin, frame: bus::SetRole) -> Result<Operation, Rejected> {
    let head = Head::of(origin, &frame.client_id, frame.r#ref)?;
    let conversation_id = conversation(&frame.conversation_id)?;
    let mut said = Said::new("role", conversation_id);
    said.text(&frame.user_id);
    said.number(frame.role as u64);
    let action = Action::SetRole { user: user(&frame.user_id)?, role: given_role(frame.role) };
    Ok(head.operation(conversation_id, said.finish(), action))
}

fn rename(origin: &bus::Origin, frame: bus::Rename) -> Result<Operation, Rejected> {
    let head = Head::of(origin, &frame.client_id, frame.r#ref)?;
    let conversation_id = conversation(&frame.conversation_id)?;
    let title = frame.title.trim();
    let mut said = Said::new("rename", conversation_id);
    said.text(title);
    let digest = said.finish();
    if let Err(refusal) = check_title(title) {
        return Err(head.rejected(Some(digest), refusal));
    }
    let title = title.to_owned();
    Ok(head.operation(conversation_id, digest, Action::Rename { title }))
}
