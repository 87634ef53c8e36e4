//! `next` of lists, as text that a query of a URL carries unchanged. Clients hand it back and read nothing in it.
//! It names no tenant: that is the asker's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{Buf, BufMut};
use proto::id::{ConversationId, UserName};
use tonic::Status;
use uuid::Uuid;

use super::request;
use crate::domain::notice::NoticeMark;
use crate::domain::walk::{ListPlace, ListWalk};
use crate::store::following::Place;
use crate::store::reactions::ReactedBy;

/// Longest cursor in bytes of its text.
const MAX_BYTES: usize = 4_096;
/// How long a walk of conversations may last, in milliseconds: what happened since it began is looked through.
const MAX_WALK_MS: u64 = 3_600_000;
/// The first byte of each kind. Never change one.
const USER: u8 = b'u';
const WALK: u8 = b'w';
const LETTER: u8 = b'l';
const PLACE: u8 = b'p';
const NOTICE: u8 = b'n';
const RECEIPT: u8 = b'r';
const REACTION: u8 = b'e';

const UUID_BYTES: usize = 16;

fn refuse() -> Status {
    Status::invalid_argument(
        "`after` is the `next` of the page before, unchanged; begin with the first page",
    )
}

fn text(kind: u8, content: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode([&[kind], content].concat())
}

fn content(kind: u8, text: &str) -> Result<Vec<u8>, Status> {
    if text.len() > MAX_BYTES {
        return Err(refuse());
    }
    let mut bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refuse())?;
    if bytes.first() != Some(&kind) {
        return Err(refuse());
    }
    bytes.remove(0);
    Ok(bytes)
}

/// Behind a user.
pub(super) fn of_user(name: &UserName) -> String {
    text(USER, name.as_str().as_bytes())
}

/// The user behind whom to go on; none at the beginning.
pub(super) fn user(after: &str) -> Result<Option<UserName>, Status> {
    if after.is_empty() {
        return Ok(None);
    }
    let name = String::from_utf8(content(USER, after)?).map_err(|_| refuse())?;
    UserName::parse(&name).map(Some).map_err(|_| refuse())
}

/// Behind a reaction: its user, and its key.
pub(super) fn of_reaction(reaction: &ReactedBy) -> String {
    let name = reaction.user.as_str().as_bytes();
    // A name has at most 64 bytes.
    let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    text(REACTION, &[&[length], name, reaction.key.as_bytes()].concat())
}

/// The reaction behind which to go on; none at the beginning.
pub(super) fn reaction(after: &str) -> Result<Option<ReactedBy>, Status> {
    if after.is_empty() {
        return Ok(None);
    }
    let bytes = content(REACTION, after)?;
    let (length, rest) = bytes.split_first().ok_or_else(refuse)?;
    let (name, key) = rest.split_at_checked(usize::from(*length)).ok_or_else(refuse)?;
    let name = std::str::from_utf8(name).map_err(|_| refuse())?;
    let user = UserName::parse(name).map_err(|_| refuse())?;
    let key = std::str::from_utf8(key).map_err(|_| refuse())?;
    Ok(Some(ReactedBy { user, key: request::text("after", key)?.to_owned() }))
}

/// Behind a dead letter: when it was first put aside, and its id.
pub(super) fn of_letter(first_at_ms: u64, id: &str) -> String {
    text(LETTER, &[&first_at_ms.to_be_bytes(), id.as_bytes()].concat())
}

/// The letter behind which to go on; none at the beginning.
pub(super) fn letter(after: &str) -> Result<Option<(u64, String)>, Status> {
    if after.is_empty() {
        return Ok(None);
    }
    let bytes = content(LETTER, after)?;
    let (first_at_ms, id) = bytes.split_first_chunk().ok_or_else(refuse)?;
    let id = std::str::from_utf8(id).map_err(|_| refuse())?;
    let first_at_ms = time(u64::from_be_bytes(*first_at_ms))?;
    Ok(Some((first_at_ms, request::text("after", id)?.to_owned())))
}

/// Behind a message, in a list that begins with what happened last.
pub(super) fn of_place(place: &Place) -> String {
    let mut bytes = Vec::new();
    bytes.put_u64(place.at_ms);
    bytes.put_slice(place.conversation_id.0.as_bytes());
    bytes.put_u64(place.seq);
    text(PLACE, &bytes)
}

/// The message behind which to go on; none at the beginning.
pub(super) fn place(after: &str) -> Result<Option<Place>, Status> {
    if after.is_empty() {
        return Ok(None);
    }
    let bytes = content(PLACE, after)?;
    let mut rest = &bytes[..];
    let at_ms = time(rest.try_get_u64().map_err(|_| refuse())?)?;
    let conversation_id = uuid(&mut rest)?;
    let seq = time(rest.try_get_u64().map_err(|_| refuse())?)?;
    if !rest.is_empty() {
        return Err(refuse());
    }
    Ok(Some(Place { at_ms, conversation_id, seq }))
}

/// Behind a notice: when it was made, and its id.
pub(super) fn of_notice(created_at_ms: u64, id: Uuid) -> String {
    text(NOTICE, &[&created_at_ms.to_be_bytes()[..], id.as_bytes()].concat())
}

/// The notice behind which to go on; none at the beginning.
pub(super) fn notice(before: &str) -> Result<Option<(u64, Uuid)>, Status> {
    if before.is_empty() {
        return Ok(None);
    }
    let bytes = content(NOTICE, before)?;
    let (at_ms, id) = bytes.split_first_chunk().ok_or_else(refuse)?;
    let id = Uuid::from_slice(id).map_err(|_| refuse())?;
    Ok(Some((time(u64::from_be_bytes(*at_ms))?, id)))
}

/// Behind a receipt: its user and its mark.
pub(super) fn of_receipt(name: &UserName, mark: NoticeMark) -> String {
    text(RECEIPT, &[&[mark.code() as u8], name.as_str().as_bytes()].concat())
}

/// The receipt behind which to go on; none at the beginning.
pub(super) fn receipt(after: &str) -> Result<Option<(UserName, NoticeMark)>, Status> {
    if after.is_empty() {
        return Ok(None);
    }
    let bytes = content(RECEIPT, after)?;
    let (mark, name) = bytes.split_first().ok_or_else(refuse)?;
    let mark = NoticeMark::of(u64::from(*mark)).ok_or_else(refuse)?;
    let name = std::str::from_utf8(name).map_err(|_| refuse())?;
    let name = UserName::parse(name).map_err(|_| refuse())?;
    Ok(Some((name, mark)))
}

/// Where a walk of conversations goes on.
pub(super) fn of_walk(walk: &ListWalk) -> String {
    let mut bytes = Vec::new();
    bytes.put_u64(walk.as_of_ms);
    bytes.put_u8(u8::from(walk.after.is_some()));
    if let Some(after) = walk.after {
        bytes.put_u64(after.active_at_ms);
        bytes.put_slice(after.id.0.as_bytes());
    }
    for id in &walk.shown {
        bytes.put_slice(id.0.as_bytes());
    }
    text(WALK, &bytes)
}

/// Where a walk of conversations goes on; none at the beginning.
pub(super) fn walk(after: &str, now_ms: u64) -> Result<Option<ListWalk>, Status> {
    if after.is_empty() {
        return Ok(None);
    }
    let bytes = content(WALK, after)?;
    let mut rest = &bytes[..];
    let as_of_ms = time(rest.try_get_u64().map_err(|_| refuse())?)?;
    let after = match rest.try_get_u8() {
        Ok(0) => None,
        Ok(1) => Some(ListPlace {
            active_at_ms: time(rest.try_get_u64().map_err(|_| refuse())?)?,
            id: uuid(&mut rest)?,
        }),
        _ => return Err(refuse()),
    };
    let mut shown = Vec::with_capacity(rest.len() / UUID_BYTES);
    while !rest.is_empty() {
        shown.push(uuid(&mut rest)?);
    }
    if as_of_ms.saturating_add(MAX_WALK_MS) < now_ms {
        return Err(Status::invalid_argument(
            "this list was begun more than an hour ago; begin with the first page",
        ));
    }
    Ok(Some(ListWalk { as_of_ms, after, shown }))
}

fn uuid(rest: &mut &[u8]) -> Result<ConversationId, Status> {
    let (id, behind) = rest.split_at_checked(UUID_BYTES).ok_or_else(refuse)?;
    *rest = behind;
    ConversationId::from_bytes(id).map_err(|_| refuse())
}

/// A moment that a database can keep.
fn time(ms: u64) -> Result<u64, Status> {
    i64::try_from(ms).map(|_| ms).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_back_and_carried_by_a_url_unchanged() {
        let name = UserName::parse("ann+1@x.org").unwrap();
        let place = ListPlace { active_at_ms: 7, id: ConversationId::generate() };
        let shown = (0..100).map(|_| ConversationId::generate()).collect();
        let full = ListWalk { as_of_ms: 9, after: Some(place), shown };
        let bare = ListWalk { as_of_ms: 9, after: None, shown: Vec::new() };
        let message = Place { at_ms: 7, conversation_id: place.id, seq: 9 };
        let texts = [
            of_user(&name),
            of_walk(&full),
            of_walk(&bare),
            of_letter(5, "x:y+z"),
            of_place(&message),
        ];
        assert_eq!(super::user(&texts[0]).unwrap(), Some(name));
        assert_eq!(walk(&texts[1], 10).unwrap(), Some(full));
        assert_eq!(walk(&texts[2], 10).unwrap(), Some(bare));
        assert_eq!(letter(&texts[3]).unwrap(), Some((5, "x:y+z".to_owned())));
        assert_eq!(super::place(&texts[4]).unwrap(), Some(message));
        for text in &texts {
            assert!(
                text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
                "{text}"
            );
            assert!(text.len() <= MAX_BYTES, "{}", text.len());
        }
    }

    #[test]
    fn anything_else_is_refused_as_the_askers_mistake() {
        let late = of_walk(&ListWalk { as_of_ms: 1, after: None, shown: Vec::new() });
        let far = of_walk(&ListWalk { as_of_ms: u64::MAX, after: None, shown: Vec::new() });
        let nul = of_letter(1, "a\0b");
        let long = "A".repeat(MAX_BYTES + 1);
        for text in ["1.x", "\0", "dw", "dQ", "ä", &late, &far, &nul, &long, "d3d3d3d3d3d3d3d3d3d3"]
        {
            assert!(walk(text, MAX_WALK_MS + 2).is_err(), "{text}");
            assert!(super::user(text).is_err(), "{text}");
            assert!(letter(text).is_err(), "{text}");
            assert!(place(text).is_err(), "{text}");
        }
    }
}
