//! Who may do what in a conversation.

use proto::error_code::ErrorCode;
use proto::id::UserId;

use super::act::Authority;
use super::entry::{ConversationKind, Membership, MessageKind, Role, Snapshot, Target};
use super::state::DeletedBy;

/// Most members of one conversation.
pub const MAX_MEMBERS: usize = 100_000;
/// Most members of a group that any of them may mention at once.
pub const MAX_MENTIONED_BY_MEMBERS: usize = 50;
/// Most members named in one request.
pub const MAX_NAMED: usize = 1_000;

/// A refusal: a code from the closed list and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// What is there instead of what the operation begins with: the seq of an edit, 0 for none.
    pub current: Option<u64>,
}

impl Refusal {
    /// A refusal with a code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), current: None }
    }

    /// Says what is there instead.
    #[must_use]
    pub fn with_current(self, current: u64) -> Self {
        Self { current: Some(current), ..self }
    }

    /// A conflict with an entry that came after the one that the sender knew.
    pub fn conflict(current: u64, message: impl Into<String>) -> Self {
        Self { current: Some(current), ..Self::new(ErrorCode::Conflict, message) }
    }
}

/// The same words whether it does not exist or is somebody else's: nobody learns which.
pub fn not_member() -> Refusal {
    Refusal::new(
        ErrorCode::NotMember,
        "you are not a member of this conversation, or it does not exist",
    )
}

/// For operators, from whom it is no secret.
pub fn not_found() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "there is no such conversation")
}

fn forbidden(message: &str) -> Refusal {
    Refusal::new(ErrorCode::Forbidden, message)
}

fn invalid(message: &str) -> Refusal {
    Refusal::new(ErrorCode::Invalid, message)
}

/// The role of a member, or the refusal.
pub fn member_role(snapshot: &Snapshot, user_id: &UserId) -> Result<Role, Refusal> {
    snapshot.members.get(user_id).map(|member| member.role).ok_or_else(not_member)
}

/// A member, or the refusal.
pub fn member(snapshot: &Snapshot, user_id: &UserId) -> Result<Membership, Refusal> {
    snapshot.members.get(user_id).copied().ok_or_else(not_member)
}

fn group_admin(snapshot: &Snapshot, actor: &UserId) -> Result<Role, Refusal> {
    let role = member_role(snapshot, actor)?;
    if snapshot.kind == ConversationKind::Direct {
        return Err(forbidden("a direct conversation keeps its two members and has no title"));
    }
    if role < Role::Admin {
        return Err(forbidden("only admins and the owner may do this"));
    }
    Ok(role)
}

/// Checks a title; the trimmed one is what counts.
pub fn check_title(title: &str) -> Result<&str, Refusal> {
    let title = title.trim();
    if title.is_empty()
        || title.chars().count() > proto::limits::TITLE_CHARS
        || title.contains('\0')
    {
        return Err(invalid("a title has 1 to 100 characters"));
    }
    Ok(title)
}

/// Whether `actor` may change the title.
pub fn may_rename(snapshot: &Snapshot, actor: &UserId) -> Result<(), Refusal> {
    group_admin(snapshot, actor).map(|_| ())
}

/// The users that `actor` may add now: those who are not members yet.
pub fn addable(
    snapshot: &Snapshot,
    actor: &UserId,
    users: &[UserId],
    role: Role,
) -> Result<Vec<UserId>, Refusal> {
    let own = group_admin(snapshot, actor)?;
    if role >= own && own != Role::Owner || role == Role::Owner {
        return Err(forbidden("you may not give this role"));
    }
    let mut new: Vec<UserId> =
        users.iter().filter(|user| !snapshot.members.contains_key(user)).cloned().collect();
    new.sort();
    new.dedup();
    if snapshot.members.len() + new.len() > MAX_MEMBERS {
        return Err(invalid("a conversation has at most 100,000 members"));
    }
    Ok(new)
}

/// Whether `actor` may remove `user`; removing oneself is leaving. Ok carries who owns it then, when
/// the owner left somebody behind.
pub fn removable(
    snapshot: &Snapshot,
    actor: &UserId,
    user: &UserId,
) -> Result<Option<UserId>, Refusal> {
    if actor == user {
        let role = member_role(snapshot, actor)?;
        if snapshot.kind == ConversationKind::Direct {
            return Err(forbidden("a direct conversation cannot be left"));
        }
        return Ok(if role == Role::Owner { heir(snapshot, user) } else { None });
    }
    let own = group_admin(snapshot, actor)?;
    let Some(theirs) = snapshot.members.get(user) else {
        return Err(Refusal::new(ErrorCode::NotFound, "this user is not a member"));
    };
    if theirs.role >= own {
        return Err(forbidden("you may remove only members below your own role"));
    }
    Ok(None)
}

/// Who owns a group when its owner leaves: the first by id among the most powerful.
fn heir(snapshot: &Snapshot, leaving: &UserId) -> Option<UserId> {
    let others = snapshot.members.iter().filter(|(user, _)| *user != leaving);
    others
        .max_by(|(a, ma), (b, mb)| ma.role.cmp(&mb.role).then(b.cmp(a)))
        .map(|(user, _)| user.clone())
}

/// Whether `actor` may give `user` a role. Giving away ownership makes the actor an admin.
pub fn may_set_role(snapshot: &Snapshot, actor: &UserId, user: &UserId) -> Result<(), Refusal> {
    if group_admin(snapshot, actor)? != Role::Owner {
        return Err(forbidden("only the owner changes roles"));
    }
    if actor == user {
        return Err(forbidden("give the ownership to somebody else instead"));
    }
    if snapshot.members.contains_key(user) {
        Ok(())
    } else {
        Err(Refusal::new(ErrorCode::NotFound, "this user is not a member"))
    }
}

/// Both members of a direct conversation pin, in a group its owner and its admins. Returns the first entry that the actor may
/// see.
pub fn may_pin(snapshot: &Snapshot, actor: &UserId) -> Result<u64, Refusal> {
    let member = snapshot.members.get(actor).ok_or_else(not_member)?;
    if snapshot.kind == ConversationKind::Group && member.role < Role::Admin {
        return Err(forbidden("only admins and the owner may do this"));
    }
    Ok(member.from_seq)
}

/// Owner and admins of a group mention all of its members, and in small groups everybody does.
pub fn may_mention_all(kind: ConversationKind, members: usize, role: Role) -> Result<(), Refusal> {
    if kind == ConversationKind::Direct {
        return Err(forbidden("a direct conversation has nobody else to mention"));
    }
    if role < Role::Admin && members > MAX_MENTIONED_BY_MEMBERS {
        return Err(forbidden(
            "only admins and the owner mention all members of a group of more than 50",
        ));
    }
    Ok(())
}

/// As what `actor` may delete a message. In a group the owner and admins delete those of members below their own role, and of
/// those who are no members any more; moderators delete everybody's. What an operator wrote is deleted by operators and by its
/// author.
pub fn may_delete(
    snapshot: &Snapshot,
    actor: &UserId,
    target: &Target,
    authority: Authority,
) -> Result<DeletedBy, Refusal> {
    let own = snapshot.members.get(actor).map(|member| member.role);
    if own.is_some() && target.author == *actor {
        return Ok(DeletedBy::Sender);
    }
    let theirs = snapshot.members.get(&target.author).map(|member| member.role);
    let is_group = snapshot.kind == ConversationKind::Group;
    let is_admin = own.is_some_and(|own| own >= Role::Admin && theirs.is_none_or(|it| it < own));
    let is_of_operators = MessageKind::of(&target.kind).is_some_and(MessageKind::is_of_operators);
    if is_group && is_admin && !is_of_operators {
        return Ok(DeletedBy::Admin);
    }
    match authority {
        Authority::Operator => Ok(DeletedBy::Operator),
        Authority::Moderator if !is_of_operators => Ok(DeletedBy::Moderator),
        _ => Err(forbidden(
            "a message is deleted by its author, in a group also by the owner and by admins above its author, and by moderators",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::Membership;
    use proto::id::{ConversationId, ConversationKey, TenantId};

    fn user(name: &str) -> UserId {
        UserId::parse_qualified(name).unwrap()
    }

    fn group(members: &[(&str, Role)]) -> Snapshot {
        Snapshot {
            key: ConversationKey::new(TenantId::DEFAULT, ConversationId::generate()),
            kind: ConversationKind::Group,
            title: String::new(),
            head: 1,
            created_at_ms: 0,
            members: std::sync::Arc::new(
                members
                    .iter()
                    .map(|(name, role)| (user(name), Membership { role: *role, from_seq: 1 }))
                    .collect(),
            ),
        }
    }

    #[test]
    fn power_goes_down_only() {
        let group = group(&[
            ("owner", Role::Owner),
            ("admin", Role::Admin),
            ("admin2", Role::Admin),
            ("member", Role::Member),
        ]);
        let code =
            |outcome: Result<Option<UserId>, Refusal>| outcome.map_err(|refusal| refusal.code);
        assert_eq!(code(removable(&group, &user("admin"), &user("member"))), Ok(None));
        assert_eq!(
            code(removable(&group, &user("admin"), &user("admin2"))),
            Err(ErrorCode::Forbidden)
        );
        assert_eq!(
            code(removable(&group, &user("admin"), &user("owner"))),
            Err(ErrorCode::Forbidden)
        );
        assert_eq!(
            code(removable(&group, &user("member"), &user("admin"))),
            Err(ErrorCode::Forbidden)
        );
        assert_eq!(
            code(removable(&group, &user("eve"), &user("member"))),
            Err(ErrorCode::NotMember)
        );
        assert!(addable(&group, &user("member"), &[user("eve")], Role::Member).is_err());
        assert!(addable(&group, &user("admin"), &[user("eve")], Role::Admin).is_err());
        assert!(addable(&group, &user("owner"), &[user("eve")], Role::Admin).is_ok());
        assert!(may_set_role(&group, &user("admin"), &user("member")).is_err());
        assert!(may_set_role(&group, &user("owner"), &user("member")).is_ok());
    }

    #[test]
    fn a_leaving_owner_leaves_an_owner_behind() {
        let full = group(&[("owner", Role::Owner), ("zoe", Role::Admin), ("ann", Role::Member)]);
        assert_eq!(removable(&full, &user("owner"), &user("owner")), Ok(Some(user("zoe"))));
        let last = group(&[("owner", Role::Owner)]);
        assert_eq!(removable(&last, &user("owner"), &user("owner")), Ok(None));
    }

    #[test]
    fn a_direct_conversation_keeps_its_two_members() {
        let mut direct = group(&[("ann", Role::Member), ("bob", Role::Member)]);
        direct.kind = ConversationKind::Direct;
        assert!(removable(&direct, &user("ann"), &user("ann")).is_err());
        assert!(addable(&direct, &user("ann"), &[user("eve")], Role::Member).is_err());
        assert!(may_rename(&direct, &user("ann")).is_err());
    }
}
