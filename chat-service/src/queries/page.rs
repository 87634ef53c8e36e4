//! Entries on the wire, no more of them at once than one frame holds. No I/O.

use std::collections::HashMap;

use bytes::Bytes;
use proto::frame::msgpack::heaviest;

use super::convert::shown_to;
use crate::domain::entry::{Body, StoredEntry};
use crate::domain::preview::preview;
use crate::domain::reader::Reader;
use crate::store::Page;

/// What a frame has around its entries, in JSON or MessagePack.
const AROUND_BYTES: usize = 320;
/// The smallest page that is asked for.
const LEAST_BYTES: usize = 8 << 10;
/// What a state has around it.
const BESIDE_BYTES: usize = 32;
/// Mentions that are kept of an entry that is larger than a page.
const MENTIONS: usize = 8;

/// Bytes of one page: as configured, or fewer where the asker's frames are smaller.
pub(super) fn page_bytes(configured: usize, asked: u32) -> usize {
    match asked {
        0 => configured,
        asked => configured.min(asked as usize),
    }
    .max(LEAST_BYTES)
}

/// Entries by ascending seq, as many as fit into a page.
#[derive(Debug, Default)]
pub(super) struct Fitting {
    /// Each a frame `entry` as JSON.
    pub(super) entries: Vec<Bytes>,
    /// The seqs of the first and the last.
    pub(super) seqs: Option<(u64, u64)>,
}

/// Those nearest to where the page begins that fit into a frame of so many bytes; at least one. An entry that
/// alone is larger than a frame is one that an earlier version took up: it is shown as lists show it.
pub(super) fn fitting(
    stored: Vec<StoredEntry>,
    page: Page,
    bytes: usize,
    reader: &Reader<'_>,
) -> Fitting {
    fitting_beside(stored, page, bytes, reader, &HashMap::new())
}

/// The same, where some have a state beside them, by their seq.
pub(super) fn fitting_beside(
    stored: Vec<StoredEntry>,
    page: Page,
    bytes: usize,
    reader: &Reader<'_>,
    states: &HashMap<u64, Bytes>,
) -> Fitting {
    let room = bytes.saturating_sub(AROUND_BYTES);
    let is_backwards = matches!(page, Page::Before(_));
    let mut fitting = Fitting::default();
    let mut used = 0;
    let mut stored = stored.into_iter();
    let mut next = || if is_backwards { stored.next_back() } else { stored.next() };
    while let Some(entry) = next() {
        let seq = entry.entry.seq;
        let mut json = Bytes::new();
        let mut weight = usize::MAX;
        if entry.entry.body.content().len() <= room {
            json = shown_to(reader, entry.clone());
            weight = heaviest(&json) + 1;
        }
        if weight > room {
            tracing::warn!(
                conversation.id = %entry.entry.conversation_id,
                seq,
                limit = "queries.page_bytes",
                page_bytes = bytes,
                "an entry is larger than a page: it is shown cut"
            );
            json = shown_to(reader, cut(entry));
            weight = heaviest(&json) + 1;
        }
        weight += states.get(&seq).map_or(0, |state| heaviest(state) + BESIDE_BYTES);
        if used + weight > room && !fitting.entries.is_empty() {
            break;
        }
        used += weight;
        fitting.entries.push(json);
        let (first, last) = fitting.seqs.unwrap_or((seq, seq));
        fitting.seqs = Some((first.min(seq), last.max(seq)));
    }
    if is_backwards {
        fitting.entries.reverse();
    }
    fitting
}

fn cut(mut stored: StoredEntry) -> StoredEntry {
    stored.entry.body.cut(|content| preview(content, false));
    if let Body::Message(message) = &mut stored.entry.body {
        message.extra = None;
        message.mentions.truncate(MENTIONS);
    }
    stored
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::tests::text;
    use proto::frame::msgpack::from_json;
    use proto::id::UserId;

    fn ann() -> UserId {
        UserId::parse_qualified("ann").unwrap()
    }

    fn page_of(given: Vec<StoredEntry>, page: Page, bytes: usize) -> Fitting {
        let reader = Reader { user_id: &ann(), device_type: None, from_seq: 1, now_ms: 0 };
        fitting(given, page, bytes, &reader)
    }

    fn stored(seq: u64, content: String) -> StoredEntry {
        let mut entry = text(seq, &ann());
        entry.body.cut(|_| content);
        StoredEntry { entry, sender_name: "\u{1}".repeat(100), sender_avatar: String::new() }
    }

    fn frame(fitting: &Fitting) -> Vec<u8> {
        let mut json = br#"{"entries":["#.to_vec();
        json.extend(fitting.entries.join(&b','));
        json.extend(b"]}");
        json
    }

    #[test]
    fn a_page_as_a_frame_stays_below_its_bytes_in_both_encodings_whatever_it_holds() {
        let bytes = 64 << 10;
        let contents = [
            r#"{"text":"x"}"#.to_owned(),
            format!(r#"{{"text":"{}"}}"#, "x".repeat(20_000)),
            format!(r#"{{"text":"x","f":[{}1e5]}}"#, "1.5,".repeat(5_000)),
            format!(r#"{{"text":"{}"}}"#, "\\u0001".repeat(3_000)),
            format!(r#"{{"text":"{}"}}"#, "y".repeat(900_000)),
        ];
        for page in [Page::After(0), Page::Before(99)] {
            for content in &contents {
                let given: Vec<_> = (1..=60).map(|seq| stored(seq, content.clone())).collect();
                let fitting = page_of(given, page, bytes);
                let json = frame(&fitting);
                assert!(json.len() + 200 <= bytes && !fitting.entries.is_empty(), "{}", json.len());
                let packed = from_json(&json).unwrap();
                assert!(packed.len() + 200 <= bytes, "{}", packed.len());
                let (first, last) = fitting.seqs.unwrap();
                assert_eq!(last - first + 1, fitting.entries.len() as u64);
                assert!(if page == Page::After(0) { first == 1 } else { last == 60 });
            }
        }
    }

    #[test]
    fn an_entry_that_is_larger_than_a_page_is_shown_cut() {
        let given = vec![stored(1, format!(r#"{{"text":"{}"}}"#, "y".repeat(900_000)))];
        let fitting = page_of(given, Page::After(0), 64 << 10);
        let shown: serde_json::Value = serde_json::from_slice(&fitting.entries[0]).unwrap();
        assert_eq!(shown["content"]["text"], "y".repeat(200));
        assert_eq!(shown["content"]["is_cut"], true);
    }
}
