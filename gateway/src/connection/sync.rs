//! The `sync` frame as a call, and its answers as frames.

use bytes::Bytes;
use proto::chat::{Cursor, SyncDone as Done, SyncEvent, SyncPage, SyncRequest, sync_event::Event};
use proto::frame::client;
use proto::frame::msgpack::{MOST_GROWTH, heaviest};
use proto::frame::server::{ServerFrame, Synced};
use proto::id::{ConversationId, UserId};

use crate::config::LimitsConfig;

/// Cursors of one `sync`.
const MAX_CURSORS: usize = 10_000;

/// All that a device lacks.
pub(super) fn request(user_id: &UserId, frame: client::Sync) -> Result<SyncRequest, &'static str> {
    if frame.cursors.len() > MAX_CURSORS {
        return Err("`cursors` names at most 10,000 conversations");
    }
    let cursors = frame
        .cursors
        .into_iter()
        .map(|(id, seq)| Cursor { conversation_id: id.to_bytes(), seq })
        .collect();
    Ok(SyncRequest {
        user_id: user_id.to_string(),
        epoch: frame.epoch.unwrap_or_default(),
        cursors,
        page_entries: 0,
        only: Bytes::new(),
        page_bytes: 0,
    })
}

/// The tail of one conversation.
pub(super) fn of_conversation(user_id: &UserId, id: ConversationId) -> SyncRequest {
    SyncRequest { user_id: user_id.to_string(), only: id.to_bytes(), ..SyncRequest::default() }
}

/// Everything of one conversation after a seq.
pub(super) fn of_conversation_after(user_id: &UserId, id: ConversationId, seq: u64) -> SyncRequest {
    let cursors = vec![Cursor { conversation_id: id.to_bytes(), seq }];
    SyncRequest { cursors, ..of_conversation(user_id, id) }
}

/// The same, in pages that fit into a frame and are not larger than a sync's may be.
pub(super) fn in_pages_of(request: SyncRequest, limits: &LimitsConfig) -> SyncRequest {
    let bytes = limits.frame_bytes.min(limits.sync_page_bytes);
    SyncRequest { page_bytes: u32::try_from(bytes).unwrap_or(u32::MAX), ..request }
}

/// What a page has around its entries, at most, in JSON or MessagePack.
const AROUND_BYTES: usize = 320;

/// A step of the answer as JSON texts: one, or several pages where one would be larger than `most` bytes in one of
/// the encodings. Entries go through as they were encoded in the chat service.
pub(super) fn frames(event: SyncEvent, most: usize) -> Vec<Bytes> {
    match event.event {
        Some(Event::Page(page)) => split(page, most).iter().filter_map(page_json).collect(),
        Some(Event::Done(done)) => {
            let Done { epoch, conversations } = done;
            vec![ServerFrame::Synced(Synced { epoch, conversations }).to_json()]
        }
        None => Vec::new(),
    }
}

/// Pages that fit, the same entries in their order. An entry that alone does not fit has a page of its own.
fn split(mut page: SyncPage, most: usize) -> Vec<SyncPage> {
    let room = most.saturating_sub(AROUND_BYTES);
    // Nearly every page: nothing needs to be read to see that it fits.
    let size: usize = page.entries.iter().map(|entry| entry.len() + 1).sum();
    if size <= room / MOST_GROWTH {
        return vec![page];
    }
    let (mut pages, mut used, mut begun) = (Vec::new(), 0, 0);
    for place in 0..page.entries.len() {
        let weight = heaviest(&page.entries[place]) + 1;
        if used + weight > room && place > begun {
            let entries = page.entries[begun..place].to_vec();
            pages.push(SyncPage { entries, more: true, ..page.clone() });
            // Said once, with the first.
            (page.reset, page.skipped_before) = (false, 0);
            (used, begun) = (0, place);
        }
        used += weight;
    }
    page.entries.drain(..begun);
    pages.push(page);
    pages
}

fn page_json(page: &SyncPage) -> Option<Bytes> {
    let id = ConversationId::from_bytes(&page.conversation_id).ok()?;
    let size: usize = page.entries.iter().map(|entry| entry.len() + 1).sum();
    let mut json = Vec::with_capacity(size + 160);
    json.extend_from_slice(
        format!(r#"{{"type":"sync_page","conversation_id":"{id}","entries":["#).as_bytes(),
    );
    for (place, entry) in page.entries.iter().enumerate() {
        if place > 0 {
            json.push(b',');
        }
        json.extend_from_slice(entry);
    }
    let tail = format!(r#"],"head":{},"more":{},"reset":{}"#, page.head, page.more, page.reset);
    json.extend_from_slice(tail.as_bytes());
    if page.skipped_before > 0 {
        json.extend_from_slice(format!(r#","skipped_before":{}"#, page.skipped_before).as_bytes());
    }
    if page.gone {
        json.extend_from_slice(br#","gone":true"#);
    }
    json.push(b'}');
    Some(json.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_too_large_in_one_encoding_goes_as_several() {
        let floats = format!(r#"{{"seq":1,"content":[{}0.5]}}"#, "0.5,".repeat(100));
        let entries: Vec<Bytes> = (0..7).map(|_| Bytes::from(floats.clone())).collect();
        let page = SyncPage {
            conversation_id: ConversationId::generate().to_bytes(),
            entries,
            head: 7,
            reset: true,
            skipped_before: 3,
            ..SyncPage::default()
        };
        let most = 2_500;
        let frames = frames(SyncEvent { event: Some(Event::Page(page)) }, most);
        assert_eq!(frames.len(), 4, "two of about 1,000 bytes as MessagePack in each");
        let mut count = 0;
        for (place, frame) in frames.iter().enumerate() {
            let packed = proto::frame::msgpack::from_json(frame).unwrap();
            assert!(frame.len() <= most && packed.len() <= most);
            let json: serde_json::Value = serde_json::from_slice(frame).unwrap();
            count += json["entries"].as_array().unwrap().len();
            assert_eq!(json["more"], place < 3);
            assert_eq!(json["reset"], place == 0);
            assert_eq!(json.get("skipped_before").is_some(), place == 0);
        }
        assert_eq!(count, 7);
    }

    #[test]
    fn a_page_is_one_json_frame_with_its_entries_untouched() {
        let id = ConversationId::generate();
        let page = SyncPage {
            conversation_id: id.to_bytes(),
            entries: vec![Bytes::from_static(b"{\"seq\":1}"), Bytes::from_static(b"{\"seq\":2}")],
            head: 2,
            more: false,
            reset: true,
            skipped_before: 7,
            gone: false,
        };
        let json: serde_json::Value = serde_json::from_slice(&page_json(&page).unwrap()).unwrap();
        assert_eq!(json["type"], "sync_page");
        assert_eq!(json["conversation_id"], id.to_string());
        assert_eq!(json["entries"][1]["seq"], 2);
        assert_eq!((json["head"].as_u64(), json["reset"].as_bool()), (Some(2), Some(true)));
        assert_eq!((json["skipped_before"].as_u64(), json.get("gone")), (Some(7), None));
        let gone = SyncPage { gone: true, skipped_before: 0, entries: Vec::new(), ..page };
        let json: serde_json::Value = serde_json::from_slice(&page_json(&gone).unwrap()).unwrap();
        assert_eq!((json["gone"].as_bool(), json.get("skipped_before")), (Some(true), None));
    }
}
