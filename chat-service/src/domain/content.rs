//! What a message may say: one file for each kind, with its shape and its bounds. Unknown fields are refused: what an
//! application adds belongs into `extra`.
//!
//! Must not know conversations: whether somebody is a member is decided where the message is planned.

mod call;
pub mod card;
mod encrypted;
mod notice;
mod object;
mod text;

use proto::error_code::ErrorCode;
use proto::id::UserId;
use proto::limits;

use super::body::MessageKind;
use super::conversation::Refusal;
use super::said::{NotCanonical, Said};

/// Content longer than this, in bytes, is not read at all. An allowed one is so long only where spaces or escapes make up most of
/// it.
const LONGEST_SPELLING: usize = 4 * limits::ENCRYPTED_BYTES;

/// Kinds of messages that carry media, of which this server keeps none.
const OF_MEDIA: [&str; 4] = ["image", "voice", "video", "file"];

/// Who writes a message, and whom it names.
#[derive(Debug, Clone, Copy, Default)]
pub struct Writer<'a> {
    /// The token has the role `admin`.
    pub is_operator: bool,
    /// The users that the message names beside its content.
    pub mentions: &'a [UserId],
    /// All members are mentioned, which an entity names `*`.
    pub mention_all: bool,
}

impl Writer<'_> {
    /// A mention in the text names somebody whom the message names.
    fn names(self, user: &str) -> bool {
        match user {
            "*" => self.mention_all,
            user => self.mentions.iter().any(|it| it.name_str() == user),
        }
    }
}

/// Content and what is wrong with it. It is hashed in either case where it can be: what was stored before
/// is known again when it would not be taken any more.
#[derive(Debug)]
pub struct Checked {
    /// What kind of message it is; of a refused one it means nothing.
    pub kind: MessageKind,
    /// The content as it is to be stored.
    pub content: String,
    /// Why it is not taken.
    pub refusal: Option<Refusal>,
    /// It was handed to [`Said`].
    pub is_said: bool,
}

/// Checks the content of a message.
pub fn check(kind: &str, content: String, writer: Writer<'_>, said: &mut Said) -> Checked {
    if content.len() > LONGEST_SPELLING {
        let refusal = Some(too_large("`content` is longer than that of any kind may be"));
        return Checked { kind: MessageKind::Text, content, refusal, is_said: false };
    }
    let (checked, is_said) = match kind {
        "text" => {
            let read = text::read(&content);
            let is_said = say_text(&read, &content, said);
            (text::check(read, content.len(), writer).map(|()| MessageKind::Text), is_said)
        }
        kind => (other(kind, &content, writer), said.json(&content).is_ok()),
    };
    let (kind, refusal) = match checked {
        Ok(kind) => (kind, None),
        Err(refusal) => (MessageKind::Text, Some(refusal)),
    };
    let refusal =
        refusal.or((!is_said).then(|| invalid("`content` is nested deeper than 32 levels")));
    let most = kind.content_bytes();
    if content.len() <= most || refusal.is_some() {
        return Checked { kind, content, refusal, is_said };
    }
    // Spaces and escapes do not count.
    match compact(&content).filter(|compact| compact.len() <= most) {
        Some(content) => Checked { kind, content, refusal: None, is_said },
        None => {
            let text = format!("the content of a {} has at most {} KiB", kind.as_str(), most >> 10);
            Checked { kind, content, refusal: Some(too_large(&text)), is_said }
        }
    }
}

/// Hashes a text; the hash of one without anything beside it is the same and made from what was read already.
fn say_text(
    read: &Result<text::Text<'_>, serde_json::Error>,
    content: &str,
    said: &mut Said,
) -> bool {
    match read {
        Ok(text) if text.is_alone() => {
            said.only_text(&text.text);
            true
        }
        _ => said.json(content).is_ok(),
    }
}

/// Every kind but `text`.
fn other(kind: &str, content: &str, writer: Writer<'_>) -> Result<MessageKind, Refusal> {
    match kind {
        "card" => card::check(content).map(|()| MessageKind::Card),
        "encrypted" => encrypted::check(content).map(|()| MessageKind::Encrypted),
        "notice" | "call" if !writer.is_operator => {
            let text = format!("only tokens with the role admin may send kind `{kind}`");
            Err(Refusal::new(ErrorCode::Forbidden, text))
        }
        "notice" => notice::check(content).map(|()| MessageKind::Notice),
        "call" => call::check(content).map(|()| MessageKind::Call),
        "system" => {
            let text = "kind `system` is written by the server alone; operators send kind `notice`";
            Err(Refusal::new(ErrorCode::Forbidden, text))
        }
        kind if OF_MEDIA.contains(&kind) => {
            let text = format!("this server keeps no media, and so takes no kind `{kind}`");
            Err(Refusal::new(ErrorCode::Unsupported, text))
        }
        _ => {
            let text = "unknown kind; members send `text`, `card` and `encrypted`, operators also `notice` and `call`";
            Err(invalid(text))
        }
    }
}

/// What a copy of a message says: nobody is mentioned by it. `None` for kinds that cannot be copied: what is encrypted is
/// for certain devices, and operators alone write the others.
pub fn copied(kind: MessageKind, content: &str) -> Option<String> {
    match kind {
        MessageKind::Text => Some(text::without_mentions(content)),
        MessageKind::Card => Some(content.to_owned()),
        MessageKind::Encrypted | MessageKind::Notice | MessageKind::Call => None,
    }
}

/// Checks what the content of a message is, whatever its kind.
pub fn check_bounds(content: &str, said: &mut Said) -> Result<(), Refusal> {
    if content.len() > LONGEST_SPELLING {
        return Err(too_large("`content` has at most 512 KiB, spaces and escapes included"));
    }
    if !content.trim_start().starts_with('{') {
        return Err(invalid("`content` is a JSON object"));
    }
    said.json(content)
        .map_err(|NotCanonical| invalid("`content` is a JSON object of at most 32 levels"))
}

/// Checks an `extra` object.
pub fn check_extra(extra: &str, said: &mut Said) -> Result<(), Refusal> {
    if extra.len() > limits::EXTRA_BYTES {
        return Err(too_large("`extra` has at most 16 KiB"));
    }
    if !extra.trim_start().starts_with('{') {
        return Err(invalid("`extra` is a JSON object"));
    }
    said.json(extra)
        .map_err(|NotCanonical| invalid("`extra` is a JSON object of at most 32 levels"))
}

/// Checks a text of a content: what it is called, how long it may be.
fn check_words(name: &str, text: &str, most: usize) -> Result<(), Refusal> {
    // Bytes bound characters from above: most texts are never counted.
    if text.len() > most && text.chars().count() > most {
        return Err(too_large(&format!("`{name}` has at most {} characters", thousands(most))));
    }
    if text.trim().is_empty() || text.contains('\0') {
        return Err(invalid(&format!("`{name}` must not be empty and not contain NUL")));
    }
    Ok(())
}

/// A content that is not of the shape of its kind.
fn misshapen(shape: &str, error: &serde_json::Error) -> Refusal {
    // serde names fields that it does not know, and nothing else of what was said is repeated.
    let text = error.to_string();
    match text.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')) {
        Some((field, _)) if field.len() <= 64 => invalid(&format!(
            "the content has an unknown field `{field}`; what the server does not read belongs into `extra`"
        )),
        _ => invalid(&format!("the content is {shape}")),
    }
}

fn invalid(message: &str) -> Refusal {
    Refusal::new(ErrorCode::Invalid, message)
}

fn too_large(message: &str) -> Refusal {
    Refusal::new(ErrorCode::TooLarge, message)
}

/// With a comma, as people read it.
fn thousands(number: usize) -> String {
    match (number / 1_000, number % 1_000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{thousands},{rest:03}"),
    }
}

/// Without spaces and escapes.
fn compact(content: &str) -> Option<String> {
    Some(serde_json::from_str::<serde_json::Value>(content).ok()?.to_string())
}

#[cfg(test)]
mod tests;
