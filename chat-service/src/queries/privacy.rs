//! What users may know of each other and do to each other, by what those have set. Users know everything of themselves.

use std::collections::{HashMap, HashSet};

use proto::chat::{PrivacyReply, PrivacyRequest};
use proto::id::UserId;
use tonic::Status;

use super::chat_queries::ChatQueries;
use super::errors::failed;
use super::request::{names, user, users};
use crate::domain::entry::UserRow;
use crate::domain::privacy::{Audience, Privacy};
use crate::store::MemberView;

/// What a user may know of others.
pub(super) struct Seen {
    asker: UserId,
    /// Of those who set something.
    set: HashMap<UserId, Privacy>,
    contacts: HashSet<UserId>,
}

impl Seen {
    /// What another user lets the asker know of one thing.
    pub(super) fn may(&self, other: &UserId, what: impl Fn(&Privacy) -> Audience) -> bool {
        let Some(privacy) = self.set.get(other) else { return true };
        *other == self.asker || what(privacy).has(self.contacts.contains(other))
    }

    /// Users who hide when they were connected do not learn it of those from whom they hide it.
    fn may_know_last_seen(&self, other: &UserId) -> bool {
        let own = self.set.get(&self.asker).map_or(Audience::Everyone, |own| own.last_seen);
        *other == self.asker
            || (own.has(self.contacts.contains(other)) && self.may(other, |it| it.last_seen))
    }
}

impl ChatQueries {
    /// What a user may know of these.
    pub(super) async fn seen(&self, asker: &UserId, others: &[UserId]) -> Result<Seen, Status> {
        let asked: Vec<UserId> = others.iter().chain([asker]).cloned().collect();
        let set: HashMap<UserId, Privacy> =
            self.store.privacy_of(&asked).await.map_err(failed)?.into_iter().collect();
        // Who shares a conversation matters to few.
        let is_asked = |privacy: &Privacy| {
            let Privacy { last_seen, online, receipts, find, groups, calls } = privacy;
            [last_seen, online, receipts, find, groups, calls].contains(&&Audience::Contacts)
        };
        let asks_of_all = set.get(asker).is_some_and(is_asked);
        let open: Vec<UserId> = others
            .iter()
            .filter(|other| asks_of_all || set.get(other).is_some_and(is_asked))
            .cloned()
            .collect();
        let mut contacts = HashSet::new();
        if !open.is_empty() {
            let tenant = asker.tenant();
            let known =
                self.store.acquainted(asker, &names(tenant, &open)).await.map_err(failed)?;
            contacts.extend(known.into_iter().map(|name| name.of(tenant)));
        }
        Ok(Seen { asker: asker.clone(), set, contacts })
    }

    pub(super) async fn hidden(&self, request: PrivacyRequest) -> Result<PrivacyReply, Status> {
        let (asker, others) = (user(&request.user_id)?, users(&request.user_ids)?);
        let seen = self.seen(&asker, &others).await?;
        let those = |is_hidden: &dyn Fn(&UserId) -> bool| {
            others.iter().filter(|other| is_hidden(other)).map(ToString::to_string).collect()
        };
        Ok(PrivacyReply {
            hidden_online: those(&|other| !seen.may(other, |it| it.online)),
            hidden_last_seen: those(&|other| !seen.may_know_last_seen(other)),
            closed_to_groups: those(&|other| !seen.may(other, |it| it.groups)),
            closed_to_calls: those(&|other| !seen.may(other, |it| it.calls)),
        })
    }

    /// Users whom somebody may find.
    pub(super) async fn findable(
        &self,
        asker: &UserId,
        found: Vec<UserRow>,
    ) -> Result<Vec<UserRow>, Status> {
        let ids: Vec<UserId> = found.iter().map(|found| found.id.clone()).collect();
        let seen = self.seen(asker, &ids).await?;
        Ok(found.into_iter().filter(|found| seen.may(&found.id, |it| it.find)).collect())
    }

    /// Members without the receipts that the asker may not know.
    pub(super) async fn with_receipts(
        &self,
        asker: &UserId,
        mut members: Vec<MemberView>,
    ) -> Result<Vec<MemberView>, Status> {
        let ids: Vec<UserId> = members.iter().map(|member| member.user.id.clone()).collect();
        let seen = self.seen(asker, &ids).await?;
        for member in &mut members {
            if !seen.may(&member.user.id, |it| it.receipts) {
                (member.delivered_seq, member.read_seq) = (0, 0);
            }
        }
        Ok(members)
    }
}
