//! The section `[allow]`: what users may do to others who do not know them. Users know each other when they share a
//! conversation. Operators may always.

use platform::grpc::ask;
use proto::chat::AcquaintedRequest;
use proto::id::UserId;
use serde::{Deserialize, Serialize};

use crate::shared::{Identity, Parts};

/// Users of one question.
const AT_ONCE: usize = 1_000;

/// To whom something may be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Whom {
    /// Everybody.
    #[default]
    Everyone,
    /// Those who share a conversation.
    Contacts,
    /// Nobody.
    Nobody,
}

/// What is allowed on purpose.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AllowConfig {
    /// Whom a user finds by name or id, and whose presence a user may ask for: `everyone`, `contacts` or `nobody`.
    pub directory: Whom,
    /// To whom a user may send call signals.
    pub ring: Whom,
    /// Whom a user may put into a group.
    pub add_to_group: Whom,
}

impl Parts {
    /// Those of a list to whom this user may do something.
    pub(crate) async fn allowed(
        &self,
        whom: Whom,
        identity: &Identity,
        users: Vec<UserId>,
    ) -> Result<Vec<UserId>, tonic::Status> {
        match whom {
            Whom::Everyone => return Ok(users),
            _ if identity.has_role_admin() => return Ok(users),
            Whom::Nobody => return Ok(only(users, &[identity.user_id.to_string()])),
            Whom::Contacts => {}
        }
        let mut known = vec![identity.user_id.to_string()];
        for part in users.chunks(AT_ONCE) {
            let request = AcquaintedRequest {
                user_id: identity.user_id.to_string(),
                user_ids: part.iter().map(ToString::to_string).collect(),
            };
            let reply = ask(&self.chat, request, |mut chat, request| async move {
                chat.acquainted(request).await
            });
            known.extend(reply.await?.user_ids);
        }
        Ok(only(users, &known))
    }
}

fn only(users: Vec<UserId>, known: &[String]) -> Vec<UserId> {
    let known: std::collections::HashSet<&str> = known.iter().map(String::as_str).collect();
    users.into_iter().filter(|user| known.contains(user.as_str())).collect()
}
