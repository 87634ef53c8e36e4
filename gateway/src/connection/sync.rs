//! The `sync` frame as a call, and its answers as frames.

use bytes::Bytes;
use proto::chat::{Cursor, SyncEvent, SyncPage, SyncRequest, sync_event::Event};
use proto::frame::client;
use proto::frame::server::{ServerFrame, Synced};
use proto::id::{ConversationId, UserId};

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

/// The same, in pages that fit into a frame of so many bytes.
pub(super) fn in_frames_of(request: SyncRequest, frame_bytes: usize) -> SyncRequest {
    SyncRequest { page_bytes: u32::try_from(frame_bytes).unwrap_or(u32::MAX), ..request }
}

/// A step of the answer as JSON text. Entries go through as they were encoded in the chat service.
pub(super) fn frame(event: SyncEvent) -> Option<Bytes> {
    match event.event? {
        Event::Page(page) => page_json(&page),
        Event::Done(done) => Some(
            ServerFrame::Synced(Synced { epoch: done.epoch, conversations: done.conversations })
                .to_json(),
        ),
    }
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
