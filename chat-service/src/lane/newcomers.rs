//! Whether users can be added to conversations: how many they are in is counted, and whether they are known is
//! asked where that matters. A batch that adds nobody asks nothing.

use std::collections::BTreeSet;

use proto::error_code::ErrorCode;
use proto::id::UserId;

use super::append::Appender;
use crate::domain::conversation::Refusal;
use crate::domain::operation::{Action, Operation};
use crate::domain::plan::{Closed, Conversations};
use crate::store::StoreError;

impl Appender {
    /// Those whom the operations would add and who cannot be added.
    pub(super) async fn closed(
        &self,
        operations: &[Operation],
        conversations: &Conversations,
    ) -> Result<Closed, StoreError> {
        let users: Vec<UserId> =
            newcomers(operations, conversations).into_iter().cloned().collect();
        let mut closed = Closed::new();
        if users.is_empty() {
            return Ok(closed);
        }
        let most = self.parts.config.user_conversations;
        let counts = self.parts.store.memberships(&users, most).await?;
        for (user, count) in users.iter().zip(counts) {
            if count >= most {
                let text = format!(
                    "{user} is in {most} conversations, which is the most a user may be in"
                );
                closed.insert(user.clone(), Refusal::new(ErrorCode::QuotaExceeded, text));
            }
        }
        if self.parts.config.known_members_only {
            let known = self.parts.store.users(&users).await?;
            let known: BTreeSet<_> = known.into_iter().map(|user| user.id).collect();
            for user in users.into_iter().filter(|user| !known.contains(user)) {
                let text = format!("{user} was never here, and only users who were can be added");
                closed.insert(user, Refusal::new(ErrorCode::NotFound, text));
            }
        }
        Ok(closed)
    }
}

fn newcomers<'a>(
    operations: &'a [Operation],
    conversations: &Conversations,
) -> BTreeSet<&'a UserId> {
    let mut users = BTreeSet::new();
    for operation in operations {
        let snapshot = conversations.get(&operation.conversation_id).and_then(Option::as_ref);
        match (&operation.action, snapshot) {
            (Action::Send(message), None) => {
                users.extend(message.to.iter().flat_map(|to| [to, &operation.actor]));
            }
            (Action::Create { members, .. }, None) => users.extend(members),
            (Action::Add { users: added, .. }, Some(snapshot)) => {
                users.extend(added.iter().filter(|user| !snapshot.members.contains_key(*user)));
            }
            _ => {}
        }
    }
    users
}
