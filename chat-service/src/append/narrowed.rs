//! A user who lets nobody know any more that they are connected is shown offline at once: others learned it before.

use bytes::Bytes;
use proto::bus::FrameClass;
use proto::frame::server::{Presence, ServerFrame};
use proto::id::UserId;

use crate::delivery::{Outgoing, To, What};
use crate::domain::entry::Entry;
use crate::domain::privacy::Privacy;
use crate::store::ChatStore;
use crate::store::contacts::{ContactsBound, ContactsOf};

/// Contacts that are told, page by page; the others find out when they ask.
const PAGES: usize = 10;
const BOUND: ContactsBound = ContactsBound { limit: 1_000, group_members: 512 };

/// Whether an entry says that nobody may know whether its author is here.
pub(super) fn hides(entry: &Entry) -> bool {
    entry.body.kind() == "set"
        && Privacy::set_by(entry.body.content()).is_some_and(|set| !set.online.has(true))
}

/// Tells those who share a conversation with a user.
pub(super) async fn tell(store: &dyn ChatStore, user_id: &UserId, outgoing: &mut Vec<Outgoing>) {
    let frame: Bytes = ServerFrame::Presence(Presence {
        user_id: user_id.name(),
        status: "offline".to_owned(),
        last_seen: None,
        devices: 0,
        event: "user_offline".to_owned(),
    })
    .to_json();
    let mut after = String::new();
    for _ in 0..PAGES {
        let asked = ContactsOf { user_id: user_id.clone(), after };
        let page = match store.contacts(&[asked], BOUND).await {
            Ok(pages) => pages.into_iter().next().unwrap_or_default(),
            Err(error) => {
                tracing::debug!(%error, "that a user hides is not told");
                return;
            }
        };
        outgoing.extend(page.user_ids.into_iter().map(|contact| Outgoing {
            to: To::User(contact),
            what: What::Frame(FrameClass::Ephemeral, frame.clone()),
            traceparent: String::new(),
            entry: None,
            sent_ms: 0,
        }));
        let Some(next) = page.next else { return };
        after = next;
    }
}
