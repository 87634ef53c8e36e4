//! `send` appends a message. Members write texts, cards and what is encrypted; operators write notices and calls wherever there is a conversation, also where they
//! are no members. A message to a user begins the direct conversation with them.

use std::ops::RangeInclusive;

use proto::bus;
use proto::error_code::ErrorCode;
use proto::id::{ConversationKey, UserId};

use super::plan::{Draft, Not, Planner, may_join};
use super::{Action, Asked, Operation, Rejected, Rule, Size, direct, invalid, user, users};
use crate::domain::content::{self, Writer};
use crate::domain::conversation::{self, Refusal};
use crate::domain::entry::{
    Body, Class, ConversationKind, DeviceType, Message, MessageKind, Role, Snapshot, Target,
};
use crate::domain::said::Said;

#[derive(Debug, Clone)]
pub struct Send {
    /// The other user, for a message that may begin a direct conversation.
    pub to: Option<UserId>,
    /// Of members or of operators.
    pub kind: MessageKind,
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
    /// For devices of this type alone, and the sender's own.
    pub device_type: Option<DeviceType>,
    /// The message in whose thread it is said.
    pub thread: Option<u64>,
    /// It is of a thread, and shown in the conversation, too.
    pub also_in_main: bool,
    /// Names all members.
    pub mention_all: bool,
}

pub(super) fn read(asked: Asked, wire: bus::Send) -> Result<Operation, Rejected> {
    let to = if wire.to.is_empty() { None } else { Some(user(&wire.to)?) };
    let conversation_id = match &to {
        Some(to) => direct(&asked.actor, to),
        None => asked.conversation_id()?,
    };
    let mentions = users(&wire.mentions)?;
    let (thread, also_in_main, mention_all) = (wire.thread, wire.also_in_main, wire.mention_all);
    let mut said = Said::new("send", conversation_id);
    said.text(&wire.kind);
    said.number(wire.reply_to);
    said.number(u64::from(wire.important));
    said.number(wire.device_type as u64);
    said.texts(wire.mentions.iter().map(String::as_str));
    let writer = Writer { is_operator: asked.is_admin, mentions: &mentions, mention_all };
    let content::Checked { kind, content, mut refusal, mut is_said } =
        content::check(&wire.kind, wire.content, writer, &mut said);
    if !wire.extra.is_empty()
        && let Err(wrong) = content::check_extra(&wire.extra, &mut said)
    {
        is_said = false;
        refusal = refusal.or(Some(wrong));
    }
    // What few messages have is hashed where it is there: the digests of all others stay as they were.
    if thread > 0 {
        said.text("thread");
        said.number(thread);
        said.number(u64::from(also_in_main));
    }
    if mention_all {
        said.text("mention_all");
    }
    if also_in_main && thread == 0 {
        let text = "`also_in_main` is for a message in a `thread`";
        refusal = refusal.or_else(|| Some(invalid(text)));
    }
    if mentions.len() > proto::limits::MENTIONS {
        refusal = refusal.or_else(|| Some(invalid("a message names at most 64 users")));
    }
    if to.as_ref() == Some(&asked.actor) {
        refusal = refusal.or_else(|| Some(invalid("`to` is another user than yourself")));
    }
    if let Some(refusal) = refusal {
        return Err(asked.rejected(is_said.then(|| said.finish()), refusal));
    }
    let send = Send {
        to,
        kind,
        content,
        reply_to: (wire.reply_to > 0).then_some(wire.reply_to),
        mentions,
        is_important: wire.important,
        extra: (!wire.extra.is_empty()).then_some(wire.extra),
        device_type: DeviceType::of(i64::from(wire.device_type)),
        thread: (thread > 0).then_some(thread),
        also_in_main,
        mention_all,
    };
    asked.operation(conversation_id, said, Action::Send(send))
}

impl Rule for Send {
    fn apply(&self, planner: &mut Planner<'_>, operation: &Operation) -> Result<Draft, Not> {
        let key = operation.conversation();
        if let (Some(to), None) = (&self.to, planner.found(key)) {
            let members = [operation.actor.clone(), to.clone()];
            // Before anything is planned: a refused message begins no conversation.
            let visible = RangeInclusive::new(1, 0);
            self.check_named(&visible, |user| members.contains(user))?;
            self.root(planner, key, &visible)?;
            if self.mention_all {
                conversation::may_mention_all(ConversationKind::Direct, 2, Role::Member)?;
            }
            may_join(planner.closed, &members)?;
            planner.begin(key, ConversationKind::Direct, "", &members, None);
            return Ok(self.draft(None));
        }
        // Reading takes these kinds from operators alone.
        let is_operator = self.kind.is_of_operators();
        let snapshot = match planner.found(key) {
            None if is_operator => return Err(conversation::not_found().into()),
            // What is in it comes from the service that keeps notices.
            Some(snapshot) if snapshot.kind == ConversationKind::Notices => {
                return Err(conversation::not_member().into());
            }
            None => return Err(conversation::not_member().into()),
            Some(snapshot) => snapshot,
        };
        let role = if is_operator {
            Role::Owner
        } else {
            conversation::member_role(snapshot, &operation.actor)?
        };
        let member = snapshot.members.get(&operation.actor);
        let visible = member.map_or(1, |member| member.from_seq)..=snapshot.head;
        self.check_named(&visible, |user| snapshot.members.contains_key(user))?;
        if self.mention_all {
            conversation::may_mention_all(snapshot.kind, snapshot.members.len(), role)?;
        }
        let root = self.root(planner, key, &visible)?;
        if let Some(root) = &root {
            self.follow(planner, operation, root);
        }
        Ok(self.draft(root))
    }

    /// The first message of its thread.
    fn targets(&self) -> Vec<u64> {
        self.thread.into_iter().collect()
    }

    fn newcomers<'a>(
        &'a self,
        operation: &'a Operation,
        snapshot: Option<&Snapshot>,
    ) -> Vec<&'a UserId> {
        match (&self.to, snapshot) {
            (Some(to), None) => vec![to, &operation.actor],
            _ => Vec::new(),
        }
    }

    fn size(&self) -> Size {
        let bytes = self.content.len() + self.extra.as_ref().map_or(0, String::len);
        Size { bytes, memberships: 0 }
    }
}

impl Send {
    fn draft(&self, root: Option<Target>) -> Draft {
        let message = Message {
            kind: self.kind,
            content: self.content.clone(),
            reply_to: self.reply_to,
            mentions: self.mentions.iter().map(UserId::name).collect(),
            mention_all: self.mention_all,
            forwarded: None,
            is_important: self.is_important,
            extra: self.extra.clone(),
        };
        Draft {
            // What answers a message for one type of device is for no others.
            device_type: self.device_type.or(root.and_then(|root| root.device_type)),
            thread: self.thread,
            also_in_main: self.also_in_main,
            ..Draft::of(Body::Message(message))
        }
    }

    /// The message in whose thread it is said: one that the sender may see, and that is in no thread itself.
    fn root(
        &self,
        planner: &Planner<'_>,
        key: ConversationKey,
        visible: &RangeInclusive<u64>,
    ) -> Result<Option<Target>, Refusal> {
        let Some(seq) = self.thread else { return Ok(None) };
        let root = planner.target(key, seq).filter(|root| {
            let is_over = root.expires_at_ms.is_some_and(|at| at <= planner.now_ms);
            let is_gone = is_over || root.is_blank || root.state.gone.is_some();
            root.class() == Class::Message && !is_gone && visible.contains(&seq)
        });
        match root {
            Some(Target { thread: Some(first), .. }) => {
                let text = format!(
                    "a thread begins at a message that is in none: name {first} as `thread`"
                );
                Err(invalid(&text))
            }
            Some(root) => Ok(Some(root)),
            None => {
                let text = "`thread` names no message of this conversation that you may see";
                Err(Refusal::new(ErrorCode::NotFound, text))
            }
        }
    }

    /// The author of a reply follows the thread from then on, and so do the author of its first message and those who are mentioned.
    fn follow(&self, planner: &mut Planner<'_>, operation: &Operation, root: &Target) {
        let (key, Some(thread)) = (operation.conversation(), self.thread) else { return };
        let seq = planner.next_seq(key);
        planner.follow(key, thread, &operation.actor, seq);
        planner.follow(key, thread, &root.author, thread);
        for user in &self.mentions {
            planner.follow(key, thread, user, seq - 1);
        }
    }

    /// What a message names has to exist, among the entries that its sender may see.
    fn check_named(
        &self,
        visible: &RangeInclusive<u64>,
        is_member: impl Fn(&UserId) -> bool,
    ) -> Result<(), Refusal> {
        if self.reply_to.is_some_and(|seq| !visible.contains(&seq)) {
            let text = "`reply_to` names no entry of this conversation that you may see";
            return Err(Refusal::new(ErrorCode::NotFound, text));
        }
        match self.mentions.iter().find(|user| !is_member(user)) {
            Some(user) => {
                let text = format!(
                    "`mentions` names {}, who is not a member of this conversation",
                    user.name_str()
                );
                Err(Refusal::new(ErrorCode::Invalid, text))
            }
            None => Ok(()),
        }
    }
}
