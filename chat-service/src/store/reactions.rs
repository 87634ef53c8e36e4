//! The port of reactions that are rows: to messages of large conversations, and to those that very many reacted to. Of all
//! others the state says who reacted.

use std::collections::BTreeMap;

use async_trait::async_trait;
use proto::id::{ConversationKey, UserName};

use super::fault::StoreError;
use crate::domain::tally::DueTally;

/// A reaction of a user to a message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReactedBy {
    pub user: UserName,
    pub key: String,
}

#[async_trait]
pub trait ReactionStore: Send + Sync + 'static {
    /// The reactions to a message behind one, in byte order of the user and then of the key; at most so many.
    async fn reactions(
        &self,
        key: ConversationKey,
        seq: u64,
        after: Option<&ReactedBy>,
        limit: u32,
    ) -> Result<Vec<ReactedBy>, StoreError>;

    /// The reactions of a user to messages of a conversation, with their seqs.
    async fn own_reactions(
        &self,
        key: ConversationKey,
        seqs: &[u64],
        user: &UserName,
    ) -> Result<Vec<(u64, String)>, StoreError>;

    /// A message, of any tenant, whose reactions are to be counted now, and are not until then by anybody else. One that is
    /// due later than `latest_ms` was planned by a wrong clock, and is due, too.
    async fn claim_tally(
        &self,
        now_ms: u64,
        until_ms: u64,
        latest_ms: u64,
    ) -> Result<Option<DueTally>, StoreError>;

    /// Forgets reactions to a message whose content is gone, at most so many. True when there is none any more.
    async fn forget_reactions(
        &self,
        key: ConversationKey,
        seq: u64,
        most: u32,
    ) -> Result<bool, StoreError>;

    /// How many reacted to a message, by its rows; `None` where nothing has changed the message.
    async fn counted(
        &self,
        key: ConversationKey,
        seq: u64,
    ) -> Result<Option<CountedRows>, StoreError>;

    /// Has the reactions to a message counted from then on.
    async fn count_at(&self, key: ConversationKey, seq: u64, due_ms: u64)
    -> Result<(), StoreError>;
}

/// What rows say of the reactions to a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CountedRows {
    /// Of the state of the message.
    pub as_of: u64,
    /// They are to be counted: what is told of them is of before.
    pub is_due: bool,
    /// How many there are of each key.
    pub reactions: BTreeMap<String, u64>,
}

/// What is loaded for a batch, from rows.
pub(super) mod read {
    use super::BTreeMap;
    use crate::domain::tally::{Counts, Tally, TallyKey};
    use crate::store::{StoreError, reading};

    /// Where nobody has reacted.
    pub(in crate::store) fn empty(keys: &[TallyKey]) -> Vec<Tally> {
        let none = || Counts { reactions: BTreeMap::new(), reactors: 0 };
        keys.iter()
            .map(|key| Tally { counts: key.with_counts.then(none), ..Tally::default() })
            .collect()
    }

    pub(in crate::store) fn own(
        tallies: &mut [Tally],
        place: usize,
        user: &str,
        key: String,
    ) -> Result<(), StoreError> {
        tallies[place].own.insert((reading::user_name(user)?, key));
        Ok(())
    }

    pub(in crate::store) fn count(tallies: &mut [Tally], place: usize, key: String, n: i64) {
        if let Some(counts) = &mut tallies[place].counts {
            counts.reactions.insert(key, n as u64);
        }
    }

    pub(in crate::store) fn reactors(tallies: &mut [Tally], place: usize, n: i64) {
        if let Some(counts) = &mut tallies[place].counts {
            counts.reactors = n as u64;
        }
    }
}

pub(super) const REACTIONS: &str = "
SELECT user_id, key FROM reactions
WHERE tenant = $1 AND conversation_id = $2 AND seq = $3 AND (user_id, key) > ($4, $5)
ORDER BY user_id, key LIMIT $6";

pub(super) const CLAIM: &str = "
UPDATE message_state SET tally_due_ms = $2
WHERE (tally_due_ms <= $1 OR tally_due_ms > $3) AND (tenant, conversation_id, seq) IN (
    SELECT d.tenant, d.conversation_id, d.seq FROM message_state d
    WHERE d.tally_due_ms <= $1 OR d.tally_due_ms > $3 ORDER BY d.tally_due_ms LIMIT 1)
RETURNING tenant, conversation_id, seq, as_of, CAST(gone AS bigint) AS gone /* of every tenant */";

pub(super) const FORGET: &str = "
DELETE FROM reactions WHERE tenant = $1 AND conversation_id = $2 AND seq = $3 AND (user_id, key) IN (
    SELECT r.user_id, r.key FROM reactions r
    WHERE r.tenant = $1 AND r.conversation_id = $2 AND r.seq = $3 LIMIT $4)";

pub(super) const FORGOTTEN: &str = "
UPDATE message_state SET tally_due_ms = NULL
WHERE tenant = $1 AND conversation_id = $2 AND seq = $3 AND gone = 1";

pub(super) const COUNTED: &str = "
SELECT s.as_of, s.tally_due_ms, r.key, count(r.user_id) AS n
FROM message_state s
LEFT JOIN reactions r ON r.tenant = s.tenant AND r.conversation_id = s.conversation_id AND r.seq = s.seq
WHERE s.tenant = $1 AND s.conversation_id = $2 AND s.seq = $3
GROUP BY s.as_of, s.tally_due_ms, r.key";

pub(super) const COUNT_AT: &str = "
UPDATE message_state SET tally_due_ms = $4
WHERE tenant = $1 AND conversation_id = $2 AND seq = $3 AND gone = 0";

/// Implements [`ReactionStore`] for a store with a writing and a reading pool.
macro_rules! reaction_store {
    ($store:ty, $database:ty, $row:ty, $writers:ident) => {
        #[async_trait::async_trait]
        impl crate::store::reactions::ReactionStore for $store {
            async fn reactions(
                &self,
                key: ConversationKey,
                seq: u64,
                after: Option<&crate::store::reactions::ReactedBy>,
                limit: u32,
            ) -> Result<Vec<crate::store::reactions::ReactedBy>, StoreError> {
                let rows = sqlx::query(crate::store::reactions::REACTIONS)
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(seq.min(reading::EVER) as i64)
                    .bind(after.map_or("", |after| after.user.as_str()))
                    .bind(after.map_or("", |after| after.key.as_str()))
                    .bind(i64::from(limit))
                    .fetch_all(&self.readers)
                    .await?;
                let reaction = |row: &$row| {
                    let user = reading::user_name(row.try_get("user_id")?)?;
                    let key = row.try_get("key")?;
                    Ok(crate::store::reactions::ReactedBy { user, key })
                };
                rows.iter().map(reaction).collect()
            }

            async fn own_reactions(
                &self,
                key: ConversationKey,
                seqs: &[u64],
                user: &UserName,
            ) -> Result<Vec<(u64, String)>, StoreError> {
                if seqs.is_empty() {
                    return Ok(Vec::new());
                }
                let mut query = sqlx::QueryBuilder::<$database>::new(
                    "SELECT seq, key FROM reactions WHERE tenant = ",
                );
                query.push_bind(key.tenant.as_str());
                query.push(" AND conversation_id = ").push_bind(dialect::id(key.id.0));
                query.push(" AND user_id = ").push_bind(user.as_str()).push(" AND seq IN (");
                let mut list = query.separated(", ");
                for seq in seqs {
                    list.push_bind(*seq as i64);
                }
                query.push(")");
                let rows = query.build().fetch_all(&self.readers).await?;
                rows.iter().map(|row| Ok((number(row, "seq")?, row.try_get("key")?))).collect()
            }

            async fn claim_tally(
                &self,
                now_ms: u64,
                until_ms: u64,
                latest_ms: u64,
            ) -> Result<Option<crate::domain::tally::DueTally>, StoreError> {
                let row = sqlx::query(crate::store::reactions::CLAIM)
                    .bind(now_ms as i64)
                    .bind(until_ms as i64)
                    .bind(latest_ms as i64)
                    .fetch_optional(&self.$writers)
                    .await?;
                let due = |row: &$row| {
                    let tenant = reading::tenant(row.try_get("tenant")?)?;
                    let id = ConversationId(dialect::uuid(row, "conversation_id")?);
                    Ok(crate::domain::tally::DueTally {
                        conversation: ConversationKey::new(tenant, id),
                        seq: number(row, "seq")?,
                        as_of: number(row, "as_of")?,
                        is_gone: number(row, "gone")? > 0,
                    })
                };
                row.as_ref().map(due).transpose()
            }

            async fn forget_reactions(
                &self,
                key: ConversationKey,
                seq: u64,
                most: u32,
            ) -> Result<bool, StoreError> {
                let forgotten = sqlx::query(crate::store::reactions::FORGET)
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(seq as i64)
                    .bind(i64::from(most))
                    .execute(&self.$writers)
                    .await?;
                if forgotten.rows_affected() >= u64::from(most) {
                    return Ok(false);
                }
                sqlx::query(crate::store::reactions::FORGOTTEN)
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(seq as i64)
                    .execute(&self.$writers)
                    .await?;
                Ok(true)
            }

            async fn counted(
                &self,
                key: ConversationKey,
                seq: u64,
            ) -> Result<Option<crate::store::reactions::CountedRows>, StoreError> {
                let rows = sqlx::query(crate::store::reactions::COUNTED)
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(seq as i64)
                    .fetch_all(&self.readers)
                    .await?;
                let mut counted = None;
                for row in &rows {
                    let counted =
                        counted.get_or_insert_with(crate::store::reactions::CountedRows::default);
                    counted.as_of = number(row, "as_of")?;
                    counted.is_due = some_number(row, "tally_due_ms")?.is_some();
                    if let Some(key) = row.try_get::<Option<String>, _>("key")? {
                        counted.reactions.insert(key, number(row, "n")?);
                    }
                }
                Ok(counted)
            }

            async fn count_at(
                &self,
                key: ConversationKey,
                seq: u64,
                due_ms: u64,
            ) -> Result<(), StoreError> {
                sqlx::query(crate::store::reactions::COUNT_AT)
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(seq as i64)
                    .bind(due_ms as i64)
                    .execute(&self.$writers)
                    .await?;
                Ok(())
            }
        }
    };
}

pub(super) use reaction_store;
