//! The `sync` frame as a call, and its answers as frames.

use bytes::Bytes;
use proto::chat::{
    Cursor, Own as OwnProto, OwnDraft, OwnSetting, SyncDone as Done, SyncEvent, SyncPage,
    SyncRequest, sync_event::Event,
};
use proto::common::DeviceType;
use proto::frame::client;
use proto::frame::keys::{Keyed, Whose};
use proto::frame::msgpack::{MOST_GROWTH, heaviest};
use proto::frame::server::{KeptDraft, Own, ServerFrame, Setting, Synced, to_json};
use proto::id::{ConversationId, EntryId, UserId};

use crate::limits::LimitsConfig;
use crate::rest::shapes::raw;

/// Cursors of one `sync`.
const MAX_CURSORS: usize = 10_000;

/// All that a device lacks.
pub(super) fn request(user_id: &UserId, frame: client::Sync) -> Result<SyncRequest, &'static str> {
    if frame.cursors.len() > MAX_CURSORS {
        return Err("`cursors` names at most 10,000 conversations");
    }
    let max_behind = match frame.max_behind {
        Some(_) if !frame.states => return Err("`max_behind` goes with `states`"),
        Some(0 | 2_001..) => return Err("`max_behind` is 1 to 2,000"),
        given => given.unwrap_or(0),
    };
    let cursors = frame
        .cursors
        .into_iter()
        .map(|(id, held)| Cursor {
            conversation_id: id.to_bytes(),
            seq: held.seq,
            id: held.id.map(EntryId::to_bytes).unwrap_or_default(),
        })
        .collect();
    Ok(SyncRequest {
        user_id: user_id.to_string(),
        epoch: frame.epoch.unwrap_or_default(),
        cursors,
        page_entries: 0,
        only: frame.only.map(ConversationId::to_bytes).unwrap_or_default(),
        page_bytes: 0,
        device_type: 0,
        states: frame.states,
        max_behind,
        roles: Vec::new(),
    })
}

/// The tail of one conversation.
pub(super) fn of_conversation(user_id: &UserId, id: ConversationId) -> SyncRequest {
    SyncRequest { user_id: user_id.to_string(), only: id.to_bytes(), ..SyncRequest::default() }
}

/// Everything of one conversation after a seq.
pub(super) fn of_conversation_after(user_id: &UserId, id: ConversationId, seq: u64) -> SyncRequest {
    let cursors = vec![Cursor { conversation_id: id.to_bytes(), seq, id: Bytes::new() }];
    SyncRequest { cursors, ..of_conversation(user_id, id) }
}

/// The same for a device of this type, in pages that fit into a frame and are not larger than a sync's may be.
pub(super) fn in_pages_of(
    request: SyncRequest,
    limits: &LimitsConfig,
    device_type: DeviceType,
) -> SyncRequest {
    let bytes = limits.frame_bytes.min(limits.sync_page_bytes);
    let page_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    SyncRequest { page_bytes, device_type: device_type as i32, ..request }
}

/// What a page has around its entries, at most, in JSON or MessagePack.
const AROUND_BYTES: usize = 320;

/// A step of the answer as JSON texts: one, or several pages where one would be larger than `most` bytes in one of
/// the encodings. Entries go through as they were encoded in the chat service.
pub(super) fn frames(event: SyncEvent, most: usize, whose: Whose<'_>) -> Vec<Bytes> {
    match event.event {
        Some(Event::Page(mut page)) => {
            own_keys(&mut page, whose);
            split(page, most).iter().filter_map(page_json).collect()
        }
        Some(Event::Done(done)) => {
            let Done { epoch, conversations, only } = done;
            let only = ConversationId::from_bytes(&only).ok();
            vec![ServerFrame::Synced(Synced { epoch, conversations, only }).to_json()]
        }
        None => Vec::new(),
    }
}

/// Leaves the keys of these devices alone in the entries and states of a page.
fn own_keys(page: &mut SyncPage, whose: Whose<'_>) {
    for entry in &mut page.entries {
        if let Some(keyed) = Keyed::of_entry(entry) {
            *entry = keyed.only(whose).into();
        }
    }
    for changed in &mut page.states {
        if let Some(keyed) = Keyed::of_state(&changed.state) {
            changed.state = keyed.only(whose).into();
        }
    }
}

/// Pages that fit, the same entries in their order. An entry that alone does not fit has a page of its own.
fn split(mut page: SyncPage, most: usize) -> Vec<SyncPage> {
    let room = most.saturating_sub(AROUND_BYTES);
    // Nearly every page: nothing needs to be read to see that it fits.
    let size: usize = page.entries.iter().map(|entry| entry.len() + 1).sum();
    // With states it was made to fit, by a service that knows what they take.
    if size <= room / MOST_GROWTH || page.as_of > 0 {
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
    if page.skipped_from > 0 {
        let (from, to) = (page.skipped_from, page.skipped_to);
        let skipped = format!(r#","skipped":{{"from_seq":{from},"to_seq":{to}}}"#);
        json.extend_from_slice(skipped.as_bytes());
    }
    if page.as_of > 0 {
        json.extend_from_slice(format!(r#","as_of":{},"states":{{"#, page.as_of).as_bytes());
        for (place, of) in page.states.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            json.extend_from_slice(format!(r#"{comma}"{}":"#, of.seq).as_bytes());
            json.extend_from_slice(&of.state);
        }
        json.push(b'}');
    }
    if page.gone {
        json.extend_from_slice(br#","gone":true"#);
    }
    if let Some(own) = &page.own {
        json.extend_from_slice(br#","own":"#);
        json.extend_from_slice(&to_json(&own_of(own)));
    }
    json.push(b'}');
    Some(json.into())
}

/// What a user set, as clients are told.
fn own_of(own: &OwnProto) -> Own {
    let setting = |setting: &OwnSetting| {
        Some(Setting {
            what: setting.what.clone(),
            conversation_id: ConversationId::from_bytes(&setting.conversation_id).ok(),
            thread: (setting.thread > 0).then_some(setting.thread),
            value: raw(&setting.value)?,
            as_of: setting.as_of,
        })
    };
    let draft = |draft: &OwnDraft| {
        Some(KeptDraft {
            conversation_id: ConversationId::from_bytes(&draft.conversation_id).ok()?,
            thread: (draft.thread > 0).then_some(draft.thread),
            content: raw(&draft.content)?,
            as_of: draft.as_of,
            timestamp: draft.at_ms,
        })
    };
    Own {
        as_of: own.as_of,
        settings: own.settings.iter().filter_map(setting).collect(),
        drafts: own.drafts.iter().filter_map(draft).collect(),
    }
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
        let frames = frames(SyncEvent { event: Some(Event::Page(page)) }, most, Whose::Nobody);
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
            ..SyncPage::default()
        };
        let json: serde_json::Value = serde_json::from_slice(&page_json(&page).unwrap()).unwrap();
        assert_eq!(json["type"], "sync_page");
        assert_eq!(json["conversation_id"], id.to_string());
        assert_eq!(json["entries"][1]["seq"], 2);
        assert_eq!((json["head"].as_u64(), json["reset"].as_bool()), (Some(2), Some(true)));
        assert_eq!((json["skipped_before"].as_u64(), json.get("gone")), (Some(7), None));
        let setting = OwnSetting {
            what: "follow_thread".to_owned(),
            conversation_id: id.to_bytes(),
            thread: 4,
            value: Bytes::from_static(b"true"),
            as_of: 3,
        };
        let for_all = OwnSetting {
            what: "push".to_owned(),
            value: Bytes::from_static(br#"{"content":"none"}"#),
            as_of: 5,
            ..OwnSetting::default()
        };
        let draft = OwnDraft {
            conversation_id: id.to_bytes(),
            content: Bytes::from_static(br#"{"text":"half"}"#),
            as_of: 6,
            at_ms: 9,
            thread: 0,
        };
        let own =
            Some(OwnProto { as_of: 7, settings: vec![setting, for_all], drafts: vec![draft] });
        let with_own = SyncPage { own, ..page.clone() };
        let json: serde_json::Value =
            serde_json::from_slice(&page_json(&with_own).unwrap()).unwrap();
        let expected = serde_json::json!({ "as_of": 7, "settings": [
            { "what": "follow_thread", "conversation_id": id, "thread": 4, "value": true, "as_of": 3 },
            { "what": "push", "value": { "content": "none" }, "as_of": 5 },
        ], "drafts": [{ "conversation_id": id, "content": { "text": "half" }, "as_of": 6, "timestamp": 9 }] });
        assert_eq!(json["own"], expected);
        let gone = SyncPage { gone: true, skipped_before: 0, entries: Vec::new(), ..page };
        let json: serde_json::Value = serde_json::from_slice(&page_json(&gone).unwrap()).unwrap();
        assert_eq!((json["gone"].as_bool(), json.get("skipped_before")), (Some(true), None));
    }
}
