//! Frames as operations: what a frame asks for, parsed once, with its ids and its digest.

use proto::bus::{self, frame::Body};
use proto::error_code::ErrorCode;
use proto::hash::Fnv1a;
use proto::id::{ClientId, ConversationId, UserId};

use super::content;
use super::conversation::{MAX_NAMED, Refusal, check_title};
use super::entry::{ConversationKind, Role};

/// Something that appends to a log.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Who asks.
    pub actor: UserId,
    /// Repeated in the answer; empty when the client gave none.
    pub reference: String,
    /// Makes repeating harmless.
    pub client_id: ClientId,
    /// Where.
    pub conversation_id: ConversationId,
    /// Hash of what is asked: the same client id with another digest is a conflict.
    pub digest: i64,
    /// What.
    pub action: Action,
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
pub fn parse(origin: &bus::Origin, body: Body) -> Option<Result<Operation, Refusal>> {
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

fn user(text: &str) -> Result<UserId, Refusal> {
    UserId::parse(text).map_err(|error| invalid(&format!("a user id: {error}")))
}

fn client_id(bytes: &[u8]) -> Result<ClientId, Refusal> {
    ClientId::from_bytes(bytes).map_err(|_| invalid("`client_id` is a UUID"))
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

/// The digest of an operation: its verb and all its fields.
fn digest(verb: &str, conversation_id: ConversationId, fields: &[&[u8]]) -> i64 {
    let start = Fnv1a::default().field(verb.as_bytes()).field(conversation_id.0.as_bytes());
    fields.iter().fold(start, |hash, field| hash.field(field)).finish() as i64
}

fn send(origin: &bus::Origin, frame: bus::Send) -> Result<Operation, Refusal> {
    let actor = user(&origin.user_id)?;
    let to = if frame.to.is_empty() { None } else { Some(user(&frame.to)?) };
    let conversation_id = match &to {
        Some(to) => ConversationId::direct(&actor, to),
        None => conversation(&frame.conversation_id)?,
    };
    content::check(&frame.kind, &frame.content, origin.admin).map_err(invalid)?;
    if !frame.extra.is_empty() {
        content::check_extra(&frame.extra).map_err(invalid)?;
    }
    if frame.mentions.len() > content::MAX_MENTIONS {
        return Err(invalid("a message names at most 64 users"));
    }
    let mentions: Vec<UserId> =
        frame.mentions.iter().map(|name| user(name)).collect::<Result<_, _>>()?;
    let mut fields: Vec<&[u8]> =
        vec![frame.kind.as_bytes(), frame.content.as_bytes(), frame.extra.as_bytes()];
    let numbers = [frame.reply_to.to_le_bytes(), u64::from(frame.important).to_le_bytes()];
    fields.extend(numbers.iter().map(<[u8; 8]>::as_slice));
    fields.extend(frame.mentions.iter().map(String::as_bytes));
    Ok(Operation {
        client_id: client_id(&frame.client_id)?,
        digest: digest("send", conversation_id, &fields),
        actor,
        reference: frame.r#ref,
        conversation_id,
        action: Action::Send(Message {
            to,
            kind: frame.kind,
            content: frame.content,
            reply_to: (frame.reply_to > 0).then_some(frame.reply_to),
            mentions,
            is_important: frame.important,
            extra: (!frame.extra.is_empty()).then_some(frame.extra),
        }),
    })
}

fn create(origin: &bus::Origin, frame: bus::CreateConversation) -> Result<Operation, Refusal> {
    let actor = user(&origin.user_id)?;
    if frame.member_ids.len() > MAX_NAMED {
        return Err(invalid("name at most 1,000 members at once; add the others afterwards"));
    }
    let mut members: Vec<UserId> =
        frame.member_ids.iter().map(|name| user(name)).collect::<Result<_, _>>()?;
    members.push(actor.clone());
    members.sort();
    members.dedup();
    let client_id = client_id(&frame.client_id)?;
    let (kind, title, conversation_id) = if frame.kind == bus::ConversationKind::Direct as i32 {
        let [one, other] = members.as_slice() else {
            return Err(invalid("a direct conversation has exactly one other member"));
        };
        (ConversationKind::Direct, String::new(), ConversationId::direct(one, other))
    } else {
        let title = check_title(&frame.title)?.to_owned();
        (ConversationKind::Group, title, ConversationId::created(&actor, client_id))
    };
    let mut fields: Vec<&[u8]> = vec![title.as_bytes()];
    fields.extend(members.iter().map(|member| member.as_str().as_bytes()));
    Ok(Operation {
        client_id,
        digest: digest("create", conversation_id, &fields),
        actor,
        reference: frame.r#ref,
        conversation_id,
        action: Action::Create { kind, title, members },
    })
}

fn add(origin: &bus::Origin, frame: bus::AddMembers) -> Result<Operation, Refusal> {
    if frame.user_ids.is_empty() || frame.user_ids.len() > MAX_NAMED {
        return Err(invalid("name 1 to 1,000 users at once"));
    }
    let users: Vec<UserId> =
        frame.user_ids.iter().map(|name| user(name)).collect::<Result<_, _>>()?;
    let conversation_id = conversation(&frame.conversation_id)?;
    let role = frame.role.to_le_bytes();
    let mut fields: Vec<&[u8]> = vec![&role];
    fields.extend(users.iter().map(|user| user.as_str().as_bytes()));
    Ok(Operation {
        client_id: client_id(&frame.client_id)?,
        digest: digest("add", conversation_id, &fields),
        actor: user(&origin.user_id)?,
        reference: frame.r#ref,
        conversation_id,
        action: Action::Add { users, role: given_role(frame.role) },
    })
}

fn remove(origin: &bus::Origin, frame: bus::RemoveMember) -> Result<Operation, Refusal> {
    let conversation_id = conversation(&frame.conversation_id)?;
    Ok(Operation {
        client_id: client_id(&frame.client_id)?,
        digest: digest("remove", conversation_id, &[frame.user_id.as_bytes()]),
        actor: user(&origin.user_id)?,
        reference: frame.r#ref,
        conversation_id,
        action: Action::Remove { user: user(&frame.user_id)? },
    })
}

fn set_role(origin: &bus::Origin, frame: bus::SetRole) -> Result<Operation, Refusal> {
    let conversation_id = conversation(&frame.conversation_id)?;
    let fields: [&[u8]; 2] = [frame.user_id.as_bytes(), &frame.role.to_le_bytes()];
    Ok(Operation {
        client_id: client_id(&frame.client_id)?,
        digest: digest("role", conversation_id, &fields),
        actor: user(&origin.user_id)?,
        reference: frame.r#ref,
        conversation_id,
        action: Action::SetRole { user: user(&frame.user_id)?, role: given_role(frame.role) },
    })
}

fn rename(origin: &bus::Origin, frame: bus::Rename) -> Result<Operation, Refusal> {
    let conversation_id = conversation(&frame.conversation_id)?;
    let title = check_title(&frame.title)?.to_owned();
    Ok(Operation {
        client_id: client_id(&frame.client_id)?,
        digest: digest("rename", conversation_id, &[title.as_bytes()]),
        actor: user(&origin.user_id)?,
        reference: frame.r#ref,
        conversation_id,
        action: Action::Rename { title },
    })
}
