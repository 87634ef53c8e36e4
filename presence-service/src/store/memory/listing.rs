//! The list of all connections, in the memory of one process.

use proto::id::{TenantId, UserId};

use super::{State, session};
use crate::store::{ListPage, ListPlace, Listed};

impl State {
    /// The connections of a tenant's users behind a place, at most so many.
    pub(super) fn page(
        &self,
        tenant: TenantId,
        after: Option<&ListPlace>,
        limit: usize,
    ) -> ListPage {
        let limit = limit.max(1);
        let mut page = ListPage::default();
        let users = match after {
            Some(after) => self.connected.range(after.user_id.clone()..),
            None => self.connected.range::<UserId, _>(..),
        };
        for user_id in users.filter(|user_id| user_id.tenant() == tenant) {
            let registrations = self.users.get(user_id).into_iter();
            let mut listed: Vec<Listed> = registrations
                .flat_map(|record| &record.registrations)
                .map(|registration| Listed {
                    place: ListPlace {
                        user_id: user_id.clone(),
                        connection: registration.connection,
                        gateway_id: registration.gateway.id.clone(),
                    },
                    session: session(registration),
                })
                .filter(|listed| after.is_none_or(|after| listed.place > *after))
                .collect();
            listed.sort_unstable_by(|one, other| one.place.cmp(&other.place));
            page.connections.extend(listed);
            if page.connections.len() > limit {
                page.connections.truncate(limit);
                page.next = page.connections.last().map(|last| last.place.clone());
                break;
            }
        }
        page
    }
}
