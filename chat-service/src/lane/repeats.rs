//! Operations that come again: they are looked up before anything is refused, and what is stored is pushed once
//! more only to those to whom it may be missing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use proto::error_code::Stored;
use proto::id::{ClientId, UserId};

use super::append::Appender;
use super::attempt::Settled;
use super::message::{Asker, Outgoing};
use crate::domain::operation::{Operation, Rejected};
use crate::domain::plan::{Audience, Conversations, Earlier, Outcome, repeated};
use crate::planted;
use crate::store::StoreError;

impl Appender {
    /// What was stored under these client ids.
    pub(super) async fn found(&self, keys: Vec<(UserId, ClientId)>) -> Result<Earlier, StoreError> {
        let found = self.parts.store.find_client_ids(&keys).await?;
        Ok(keys.into_iter().zip(found).filter_map(|(key, stored)| Some((key, stored?))).collect())
    }

    /// Gives operations that are refused, or would change nothing, the answer that they had when they were
    /// stored before. Without such operations nothing is asked of the database.
    pub(super) async fn find_repeats(
        &self,
        operations: &[Operation],
        outcomes: &mut [Outcome],
        conversations: &Conversations,
    ) -> Result<(), StoreError> {
        let open = operations.iter().zip(&*outcomes).filter(|(_, outcome)| outcome.may_be_repeat());
        let keys: Vec<_> = open.map(|(operation, _)| key(operation)).collect();
        if keys.is_empty() || planted::DUPLICATE_CHECK_OFF {
            return Ok(());
        }
        let earlier = self.found(keys).await?;
        if earlier.is_empty() {
            return Ok(());
        }
        for (operation, outcome) in operations.iter().zip(outcomes) {
            if outcome.may_be_repeat()
                && let Some(stored) = earlier.get(&key(operation))
                && let Some(first) = repeated(Some(operation.digest), stored, conversations)
            {
                *outcome = first;
            }
        }
        Ok(())
    }

    /// Answers frames that are no operations: those that were stored, under rules or rights of then, as they
    /// were answered then.
    pub(super) async fn reject(
        &mut self,
        rejected: Vec<(Asker, Rejected)>,
        is_redelivered: bool,
        outgoing: &mut Vec<Outgoing>,
    ) {
        let asked = rejected.iter().filter_map(|(_, rejected)| rejected.earlier.as_ref());
        let keys: Vec<_> = asked.map(|asked| (asked.actor.clone(), asked.client_id)).collect();
        let (earlier, conversations) = match self.earlier_of(keys).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "refused frames may have been stored before");
                for (asker, rejected) in rejected {
                    let settled = match rejected.earlier {
                        Some(_) => Settled::Unavailable(Stored::Unknown),
                        None => Settled::Refused(rejected.refusal),
                    };
                    self.tell(&asker, settled, outgoing);
                }
                return;
            }
        };
        let mut settled: Vec<Settled> = Vec::with_capacity(rejected.len());
        let mut askers = Vec::with_capacity(rejected.len());
        for (asker, rejected) in rejected {
            let first = rejected.earlier.as_deref().and_then(|asked| {
                let stored = earlier.get(&(asked.actor.clone(), asked.client_id))?;
                repeated(asked.digest, stored, &conversations)
            });
            settled.push(match first {
                Some(Outcome::Repeated { stored, audience }) => {
                    Settled::Repeated { stored, audience, is_replay: is_redelivered }
                }
                _ => Settled::Refused(rejected.refusal),
            });
            askers.push(asker);
        }
        for snapshot in conversations.into_values().flatten() {
            self.cache.put(snapshot);
        }
        self.only_missing(&mut settled).await;
        for (asker, settled) in askers.iter().zip(settled) {
            self.tell(asker, settled, outgoing);
        }
    }

    async fn earlier_of(
        &mut self,
        keys: Vec<(UserId, ClientId)>,
    ) -> Result<(Earlier, Conversations), StoreError> {
        if keys.is_empty() {
            return Ok((Earlier::new(), Conversations::new()));
        }
        let earlier = self.found(keys).await?;
        let keys: Vec<_> = earlier.values().map(|stored| stored.conversation).collect();
        let conversations = self.conversations(keys.into_iter()).await?;
        Ok((earlier, conversations))
    }

    /// Leaves in the audiences of repeats those whose devices have not acknowledged the entry. A frame that may
    /// have been stored without a push is pushed to everybody; what a client repeats in a large conversation to
    /// nobody: its members are told their heads.
    pub(super) async fn only_missing(&self, settled: &mut [Settled]) {
        let large = self.parts.config.large_members;
        let mut keys = HashSet::new();
        for settled in &mut *settled {
            let Settled::Repeated { stored, audience, is_replay: false } = settled else {
                continue;
            };
            if stored.entry.is_none() || audience.members.len() > large {
                *audience = Audience::default();
            } else if !audience.members.is_empty() {
                keys.insert(stored.conversation);
            }
        }
        if keys.is_empty() {
            return;
        }
        let keys: Vec<_> = keys.into_iter().collect();
        let delivered = self.parts.store.delivered(&keys).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "repeats are answered and not pushed again");
            Vec::new()
        });
        let delivered: HashMap<_, _> = delivered
            .into_iter()
            .map(|row| ((row.conversation_id, row.user_id), row.seq))
            .collect();
        for settled in settled {
            let Settled::Repeated { stored, audience, is_replay: false } = settled else {
                continue;
            };
            let is_missing = |user: &UserId| {
                let key = (stored.conversation.id, user.clone());
                delivered.get(&key).is_some_and(|seq| *seq < stored.seq)
            };
            let members = audience.members.iter().filter(|(user, _)| is_missing(user));
            audience.members =
                Arc::new(members.map(|(user, member)| (user.clone(), *member)).collect());
        }
    }
}

fn key(operation: &Operation) -> (UserId, ClientId) {
    (operation.actor.clone(), operation.client_id)
}
