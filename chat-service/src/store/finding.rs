//! Finding one entry by an id, for operators.

/// Client ids are unique by sender; that two senders made the same one is next to impossible.
pub(super) const FIND_ENTRY: &str =
    "SELECT conversation_id, seq FROM client_ids WHERE tenant = $1 AND client_id = $2 LIMIT 1";

/// By the entry's own id, which no index leads with: client ids carry their time, and only those that were
/// made about when the entry was are looked at.
pub(super) const FIND_ENTRY_ABOUT: &str = "SELECT conversation_id, seq FROM client_ids
WHERE tenant = $1 AND entry_id = $2 AND client_id BETWEEN $3 AND $4 LIMIT 1";

/// How long before its entry a client id may have been made, and how much later by a client whose clock is
/// ahead, in milliseconds.
const ABOUT_MS: (u64, u64) = (600_000, 120_000);

/// The first and the last UUIDv7 of client ids for an entry; nothing for other ids.
pub(super) fn about(entry_id: uuid::Uuid) -> Option<(uuid::Uuid, uuid::Uuid)> {
    if entry_id.get_version_num() != 7 {
        return None;
    }
    let ms = (entry_id.as_u128() >> 80) as u64;
    let at = |ms: u64| uuid::Uuid::from_u128(u128::from(ms) << 80);
    Some((at(ms.saturating_sub(ABOUT_MS.0)), at(ms + ABOUT_MS.1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_of_the_ten_minutes_before_are_looked_at() {
        let at = |ms: u64| uuid::Uuid::from_u128((u128::from(ms) << 80) | (7 << 76) | 5);
        let (first, last) = about(at(10_000_000)).unwrap();
        assert!(first <= at(9_400_000) && at(10_120_000 - 1) < last);
        assert!(at(9_399_999) < first && last < at(10_120_000));
        assert_eq!(about(uuid::Uuid::from_u128(5)), None);
    }
}
