//! Contacts, page by page: who is told about users' presence.

use std::collections::HashMap;

use proto::chat::{ContactList, ContactsReply, ContactsRequest};
use proto::id::{UserId, UserName};
use tonic::Status;

use super::chat_queries::ChatQueries;
use super::errors::failed;
use super::request::users;
use crate::domain::privacy::Privacy;
use crate::store::contacts::{ContactsBound, ContactsOf, ContactsPage};

/// Contacts of all users in one answer.
const MAX_CONTACTS: u32 = 65_536;
/// Members of a group that are named where the question does not say.
const GROUP_MEMBERS: u32 = 512;
/// More rows of one conversation are not read for this.
const MAX_GROUP_MEMBERS: u32 = 100_000;

impl ChatQueries {
    pub(super) async fn contacts_of(
        &self,
        request: ContactsRequest,
    ) -> Result<ContactsReply, Status> {
        let users = users(&request.user_ids)?;
        let most = MAX_CONTACTS / u32::try_from(users.len().max(1)).unwrap_or(u32::MAX);
        let group_members = match request.group_members {
            0 => GROUP_MEMBERS,
            members => members.clamp(2, MAX_GROUP_MEMBERS),
        };
        let bound = ContactsBound { limit: request.limit.clamp(1, most.max(1)), group_members };
        let mut afters = request.after.into_iter();
        let asked = users
            .into_iter()
            .map(|user_id| {
                let after = place(afters.next().unwrap_or_default())?;
                Ok(ContactsOf { user_id, after })
            })
            .collect::<Result<Vec<_>, Status>>()?;
        let users: Vec<UserId> = asked.iter().map(|asked| asked.user_id.clone()).collect();
        let set: HashMap<UserId, Privacy> =
            self.store.privacy_of(&users).await.map_err(failed)?.into_iter().collect();
        let pages = self.store.contacts(&asked, bound).await.map_err(failed)?;
        let lists = pages.into_iter().zip(&users).map(|(page, user_id)| {
            let privacy = set.get(user_id).copied().unwrap_or_default();
            // Only users who share a conversation with the user may be told.
            if privacy.online.has(true) {
                ContactList { hides_last_seen: !privacy.last_seen.has(true), ..list(page) }
            } else {
                ContactList::default()
            }
        });
        Ok(ContactsReply { lists: lists.collect() })
    }
}

/// A place in a walk, as it was answered: one digit, and a user's name or nothing.
fn place(after: String) -> Result<String, Status> {
    let is_place = after.is_empty()
        || after.split_at_checked(1).is_some_and(|(rank, name)| {
            matches!(rank, "0" | "1") && (name.is_empty() || UserName::parse(name).is_ok())
        });
    let refuse = || Status::invalid_argument("`after` is the `next` of the answer before");
    if is_place { Ok(after) } else { Err(refuse()) }
}

fn list(page: ContactsPage) -> ContactList {
    ContactList {
        user_ids: page.user_ids.iter().map(ToString::to_string).collect(),
        next: page.next.unwrap_or_default(),
        large: page.large,
        hides_last_seen: false,
    }
}
