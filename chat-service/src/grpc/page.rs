//! Entries on the wire, no more of them at once than one answer should hold. No I/O.

use bytes::Bytes;

use super::convert::entry_json;
use crate::domain::entry::StoredEntry;

/// Entries in order, as pages of at most so many bytes; an entry that is larger is a page of its own.
pub(super) fn within(stored: Vec<StoredEntry>, bytes: usize) -> impl Iterator<Item = Vec<Bytes>> {
    by_size(stored.into_iter().map(entry_json), bytes)
}

/// As many of these as fit into so many bytes, at least one; and whether all did.
pub(super) fn first_within(
    entries: impl Iterator<Item = StoredEntry>,
    bytes: usize,
) -> (Vec<Bytes>, bool) {
    let mut pages = by_size(entries.map(entry_json), bytes);
    let first = pages.next().unwrap_or_default();
    (first, pages.next().is_none())
}

fn by_size(entries: impl Iterator<Item = Bytes>, bytes: usize) -> impl Iterator<Item = Vec<Bytes>> {
    let mut entries = entries.peekable();
    std::iter::from_fn(move || {
        let first = entries.next()?;
        let mut size = first.len();
        let mut page = vec![first];
        while let Some(next) = entries.next_if(|next| size + next.len() <= bytes) {
            size += next.len();
            page.push(next);
        }
        Some(page)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_what_fits_and_never_nothing() {
        let entries = [3_usize, 4, 4, 20, 1, 1, 8].map(|length| Bytes::from(vec![b'x'; length]));
        let pages: Vec<Vec<usize>> = by_size(entries.into_iter(), 10)
            .map(|page| page.iter().map(Bytes::len).collect())
            .collect();
        assert_eq!(pages, [vec![3, 4], vec![4], vec![20], vec![1, 1, 8]]);
        assert_eq!(by_size(std::iter::empty(), 10).count(), 0);
    }
}
