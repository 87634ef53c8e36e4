//! Who is told about a user's presence: those who share a conversation with them, page by page.
//!
//! A walk goes by a key: first the members of conversations of two, then the others, each by user id.
//!
//! # Guarantees (held by the contract suite)
//! 1. A walk with any limit names each contact once, those in conversations of two before the others.
//! 2. `next` is there exactly when something is left.
//! 3. Of conversations with more than `group_members` members nobody is named for their sake; a walk
//!    counts them once. No more than `group_members` + 1 of their rows are read.

use async_trait::async_trait;
use proto::id::{TenantId, UserId};

use super::fault::StoreError;

/// Whose contacts are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactsOf {
    pub user_id: UserId,
    /// The `next` of the page before; empty at the beginning.
    pub after: String,
}

/// How much is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContactsBound {
    /// Contacts of each user in one page.
    pub limit: u32,
    /// Members of larger conversations are not named.
    pub group_members: u32,
}

/// A part of one user's contacts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactsPage {
    /// By key.
    pub user_ids: Vec<UserId>,
    /// Where the walk goes on; `None` when this is all.
    pub next: Option<String>,
    /// Conversations that are too large, when they are counted in this page.
    pub large: u32,
}

#[async_trait]
pub trait ContactStore: Send + Sync + 'static {
    /// One page for each of these users, in their order.
    async fn contacts(
        &self,
        asked: &[ContactsOf],
        bound: ContactsBound,
    ) -> Result<Vec<ContactsPage>, StoreError>;
}

/// How many rows fill a page: one more shows that something is left, and one may be the count of large
/// conversations.
pub(super) fn rows_of(bound: ContactsBound) -> i64 {
    i64::from(bound.limit.max(1)) + 2
}

/// Makes a page of the rows of one user, which are sorted by key. A key is a rank of one digit and a user
/// name; the key without a user id counts the large conversations.
pub(super) fn page(
    tenant: TenantId,
    rows: impl IntoIterator<Item = (String, i64)>,
    bound: ContactsBound,
) -> Result<ContactsPage, StoreError> {
    let mut page = ContactsPage::default();
    let mut last = None;
    for (key, count) in rows {
        if page.user_ids.len() >= bound.limit.max(1) as usize {
            page.next = last;
            break;
        }
        match key.get(1..).unwrap_or_default() {
            "" => page.large = u32::try_from(count).unwrap_or(u32::MAX),
            name => page.user_ids.push(super::reading::user_name(name)?.of(tenant)),
        }
        last = Some(key);
    }
    Ok(page)
}
