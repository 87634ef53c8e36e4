//! Walking a list of conversations, most recently active first, while they go on being active. Pure.
//!
//! A walk that sorted by the present activity would miss each conversation that moves up between two pages. So
//! after the first page everything is sorted by its activity *as of* a moment shortly before the walk began:
//! the log never changes what was. Entries that were stamped just before that page and committed just after it
//! are why the moment lies a little back; what the first page showed above it is named, and not shown again.

use proto::id::ConversationId;

/// How long before its commit an entry is stamped at most, with what clocks differ, in milliseconds.
const SETTLED_MS: u64 = 5_000;

/// A conversation's place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListPlace {
    /// Unix milliseconds of its last activity.
    pub active_at_ms: u64,
    pub id: ConversationId,
}

/// Where a walk goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListWalk {
    /// Activity is as of this moment, in Unix milliseconds.
    pub as_of_ms: u64,
    /// Behind this one; none: nothing was shown in its place yet.
    pub after: Option<ListPlace>,
    /// Shown on the first page with a later activity.
    pub shown: Vec<ConversationId>,
}

impl ListWalk {
    /// Behind a page: the first one when there is no walk yet.
    pub fn behind(before: Option<Self>, page: &[ListPlace], now_ms: u64) -> Self {
        let last = page.last().copied();
        if let Some(walk) = before {
            return Self { after: last.or(walk.after), ..walk };
        }
        let as_of_ms = now_ms.saturating_sub(SETTLED_MS);
        let is_settled = |place: &ListPlace| place.active_at_ms <= as_of_ms;
        let shown = page.iter().filter(|place| !is_settled(place)).map(|place| place.id).collect();
        Self { as_of_ms, after: last.filter(is_settled), shown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_active_just_now_is_named_and_the_rest_has_a_place() {
        let place = |active_at_ms| ListPlace { active_at_ms, id: ConversationId::generate() };
        let page = [place(99_000), place(90_000)];
        let walk = ListWalk::behind(None, &page, 100_000);
        assert_eq!(
            (walk.as_of_ms, walk.after, &walk.shown[..]),
            (95_000, Some(page[1]), &[page[0].id][..])
        );
        let next = [place(80_000)];
        let on = ListWalk::behind(Some(walk.clone()), &next, 999_999);
        assert_eq!(on, ListWalk { after: Some(next[0]), ..walk });
        let recent = ListWalk::behind(None, &page[..1], 100_000);
        assert_eq!((recent.after, recent.shown.len()), (None, 1));
    }
}
