//! Whether users can be added to conversations: how many they are in is counted, and whether they are known is
//! asked where that matters. A batch that adds nobody asks nothing.

use std::collections::BTreeSet;

use proto::error_code::ErrorCode;
use proto::id::UserId;

use super::parts::AppendParts;
use crate::domain::conversation::Refusal;
use crate::operations::Operation;
use crate::operations::plan::{Closed, Conversations};
use crate::store::StoreError;

/// Those whom the operations would add and who cannot be added. Users of another tenant than the actor's are answered
/// as users who were never here.
pub(super) async fn closed(
    parts: &AppendParts,
    operations: &[Operation],
    conversations: &Conversations,
) -> Result<Closed, StoreError> {
    let mut closed = Closed::new();
    let mut users: BTreeSet<&UserId> = BTreeSet::new();
    for (actor, user) in newcomers(operations, conversations) {
        if user.tenant() == actor.tenant() {
            users.insert(user);
        } else {
            closed.insert(user.clone(), never_here(user));
        }
    }
    let users: Vec<UserId> = users.into_iter().cloned().collect();
    if users.is_empty() {
        return Ok(closed);
    }
    let most = parts.config.user_conversations;
    let counts = parts.store.memberships(&users, most).await?;
    for (user, count) in users.iter().zip(counts) {
        if count >= most {
            let text = format!(
                "{} is in {most} conversations, which is the most a user may be in",
                user.name_str()
            );
            closed.insert(user.clone(), Refusal::new(ErrorCode::QuotaExceeded, text));
        }
    }
    if parts.config.known_members_only {
        let known = parts.store.users(&users).await?;
        let known: BTreeSet<_> = known.into_iter().map(|user| user.id).collect();
        for user in users.into_iter().filter(|user| !known.contains(user)) {
            let refusal = never_here(&user);
            closed.insert(user, refusal);
        }
    }
    Ok(closed)
}

fn never_here(user: &UserId) -> Refusal {
    let name = user.name_str();
    let text = format!("{name} was never here, and only users who were can be added");
    Refusal::new(ErrorCode::NotFound, text)
}

fn newcomers<'a>(
    operations: &'a [Operation],
    conversations: &Conversations,
) -> Vec<(&'a UserId, &'a UserId)> {
    let newcomers = operations.iter().flat_map(|operation| {
        let snapshot = conversations.get(&operation.conversation()).and_then(Option::as_ref);
        let users = operation.action.rule().newcomers(operation, snapshot);
        users.into_iter().map(|user| (&operation.actor, user))
    });
    newcomers.collect()
}
