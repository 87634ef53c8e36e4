//! Who may do what in a conversation.

use proto::error_code::ErrorCode;
use proto::id::UserId;

use super::entry::{ConversationKind, Role, Snapshot};

/// Most members of one conversation.
pub const MAX_MEMBERS: usize = 100_000;
/// Most members named in one request.
pub const MAX_NAMED: usize = 1_000;

/// A refusal: a code from the closed list and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
}

impl Refusal {
    /// A refusal with a code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
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
