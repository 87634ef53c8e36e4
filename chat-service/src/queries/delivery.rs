//! Where a message was not delivered to, for its sender: the webhooks of the tenant that do not take it, and members whose
//! devices could not be told by a push and who do not have it. Nothing of addresses, devices or reasons: operators have those
//! in `explain`.

use std::collections::BTreeSet;

use proto::chat::{FailedDelivery, ReadDeliveryReply, ReadDeliveryRequest};
use proto::id::{ConversationKey, UserId, UserName};
use tonic::Status;

use super::chat_queries::ChatQueries;
use super::errors::failed;
use super::request::{conversation_id, user};
use crate::store::push::Of;

/// Members that are named at most.
const NAMED: usize = 100;

impl ChatQueries {
    pub(super) async fn delivery(
        &self,
        request: ReadDeliveryRequest,
    ) -> Result<ReadDeliveryReply, Status> {
        let user_id = user(&request.user_id)?;
        let key =
            ConversationKey::new(user_id.tenant(), conversation_id(&request.conversation_id)?);
        let membership = self.membership(&user_id, key.id).await?;
        let seq = request.seq;
        let entry = match seq {
            seq if seq < membership.from_seq.max(1) => None,
            seq => self.listed_entry(key, seq).await?,
        };
        let Some(entry) = entry.map(|stored| stored.entry) else {
            return Err(Status::not_found("there is no entry at this seq that you may see"));
        };
        if entry.author.id != user_id {
            return Err(Status::permission_denied("only its sender is told of failed deliveries"));
        }
        let webhooks = self.store.undelivered(key, seq).await.map_err(failed)?;
        let mut all: Vec<_> = webhooks
            .into_iter()
            .map(|it| FailedDelivery {
                way: "webhook".to_owned(),
                state: if it.is_dead { "dead" } else { "blocked" }.to_owned(),
                user_id: String::new(),
            })
            .collect();
        for user_id in self.not_told(key, seq).await? {
            all.push(FailedDelivery {
                way: "push".to_owned(),
                state: "given_up".to_owned(),
                user_id: user_id.to_string(),
            });
        }
        Ok(ReadDeliveryReply { failed: all })
    }

    /// Members of whom a push was given up, and who have not received the message otherwise.
    async fn not_told(&self, key: ConversationKey, seq: u64) -> Result<Vec<UserId>, Status> {
        let dead = self.store.dead_pushes_from(key, seq).await.map_err(failed)?;
        let of_it = dead.into_iter().filter(|dead| dead.seq == seq);
        let names: BTreeSet<UserName> = of_it.map(|dead| dead.user_id.name()).take(NAMED).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<_> = names.into_iter().collect();
        let (of, most) = (Of::Named(&names), names.len() as u32);
        let lacking = self.store.push_candidates_of(key, seq, of, most).await.map_err(failed)?;
        Ok(lacking.into_iter().map(|row| row.user_id).collect())
    }
}
