//! Which members hear of a receipt or of typing.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use proto::bus::FrameClass;
use proto::id::{ConversationId, ConversationKey, UserId};

use super::parts::EphemeralParts;
use crate::delivery::{Outgoing, To, What};
use crate::domain::cache::Cache;
use crate::domain::entry::Snapshot;
use crate::operations::plan::Audience;

/// Which members hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Of a receipt: one's own other devices, too, so that their unread counts agree.
    All,
    /// The member who did it has chosen to be invisible.
    Own,
    /// Of typing.
    Others,
}

/// The conversations that something is told about.
#[derive(Debug, Default)]
pub(super) struct Known {
    conversations: HashMap<ConversationKey, Snapshot>,
    receipt_members: usize,
}

impl Known {
    /// Takes them out of the cache, or out of the store. What cannot be loaded is not told about.
    pub(super) async fn of(
        parts: &EphemeralParts,
        cache: &mut Cache,
        keys: Vec<ConversationKey>,
    ) -> Self {
        let mut known = HashMap::with_capacity(keys.len());
        let mut missing = Vec::new();
        for key in keys {
            if known.contains_key(&key) || missing.contains(&key) {
                continue;
            }
            match cache.take(key) {
                Some(snapshot) => {
                    known.insert(key, snapshot);
                }
                None => missing.push(key),
            }
        }
        if !missing.is_empty() {
            match parts.store.load(&missing).await {
                Ok(loaded) => {
                    let loaded = loaded.into_iter().flatten();
                    known.extend(loaded.map(|snapshot| (snapshot.key, snapshot)));
                }
                Err(error) => tracing::warn!(%error, "receipts and typing are not told"),
            }
        }
        Self { conversations: known, receipt_members: parts.receipt_members }
    }

    /// Whether members of a conversation hear of each other's receipts: one that is known and not too large.
    pub(super) fn tells_receipts(&self, key: ConversationKey) -> bool {
        let snapshot = self.conversations.get(&key);
        snapshot.is_some_and(|snapshot| snapshot.members.len() <= self.receipt_members)
    }

    /// Puts them into the cache.
    pub(super) fn keep(self, cache: &mut Cache) {
        for snapshot in self.conversations.into_values() {
            cache.put(snapshot);
        }
    }

    /// To members, where there are not too many of them; one's own devices hear of a receipt in any case, because they
    /// count what is unread by it. Nothing for one who is not a member.
    pub(super) fn tell(
        &self,
        id: ConversationId,
        user_id: UserId,
        told: Told,
        frame: Bytes,
    ) -> Option<Outgoing> {
        let snapshot = self.conversations.get(&ConversationKey::new(user_id.tenant(), id))?;
        let me = *snapshot.members.get(&user_id)?;
        let is_large = snapshot.members.len() > self.receipt_members;
        let told = match told {
            Told::Others if is_large => return None,
            Told::All if is_large => Told::Own,
            told => told,
        };
        let members = match told {
            Told::All | Told::Others => Arc::clone(&snapshot.members),
            Told::Own => Arc::new(std::iter::once((user_id.clone(), me)).collect()),
        };
        let is_typing = told == Told::Others;
        let class = if is_typing { FrameClass::Ephemeral } else { FrameClass::Receipt };
        Some(Outgoing {
            to: To::Members {
                audience: Audience { members, ..Audience::default() },
                except: None,
                except_user: is_typing.then_some(user_id),
            },
            what: What::Frame(class, frame),
            traceparent: String::new(),
            entry: None,
            sent_ms: 0,
        })
    }
}
