//! What a message may say, by kind.

use std::borrow::Cow;

use proto::error_code::ErrorCode;
use proto::limits;
use serde::Deserialize;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::conversation::Refusal;
use super::said::{NotCanonical, Said};

/// Content longer than this, in bytes, is not read at all: no allowed one is so long, however it is written.
const LONGEST_SPELLING: usize = 4 * limits::CONTENT_BYTES;

/// The kind of what the server writes about a conversation, and of what operators say in one.
pub const SYSTEM: &str = "system";

/// Every kind that is stored.
pub const KINDS: [&str; 2] = ["text", SYSTEM];

/// Content and what is wrong with it. It is hashed in either case where it can be: what was stored before
/// is known again when it would not be taken any more.
#[derive(Debug)]
pub struct Checked {
    /// The content as it is to be stored.
    pub content: String,
    /// Why it is not taken.
    pub refusal: Option<Refusal>,
    /// It was handed to [`Said`].
    pub is_said: bool,
}

/// Checks the content of a message.
pub fn check(kind: &str, content: String, is_operator: bool, said: &mut Said) -> Checked {
    if content.len() > LONGEST_SPELLING {
        let refusal = Some(too_large("`content` has at most 64 KiB"));
        return Checked { content, refusal, is_said: false };
    }
    let text = read_text(&content);
    let is_plain = matches!(&text, Ok(text) if text.is_alone);
    if let Ok(Text { text, is_alone: true, .. }) = &text {
        said.only_text(text);
    }
    let refusal = match (kind, &text) {
        (SYSTEM, _) if !is_operator => {
            let text = "only tokens with the role admin may send kind `system`";
            Err(Refusal::new(ErrorCode::Forbidden, text))
        }
        (SYSTEM, Ok(text)) if text.has_event => Err(invalid(
            "`event` is written by the server alone; a system message of an operator is {\"text\": \"…\"}",
        )),
        ("text" | SYSTEM, text) => check_text(text.as_ref(), content.len()),
        _ => Err(invalid("unknown kind; this server knows `text` and `system`")),
    };
    let refusal = refusal.err();
    let is_said = is_plain || said.json(&content).is_ok();
    let refusal =
        refusal.or((!is_said).then(|| invalid("`content` is nested deeper than 32 levels")));
    if content.len() <= limits::CONTENT_BYTES || refusal.is_some() {
        return Checked { content, refusal, is_said };
    }
    // Spaces and escapes do not count.
    match compact(&content).filter(|compact| compact.len() <= limits::CONTENT_BYTES) {
        Some(content) => Checked { content, refusal: None, is_said },
        None => {
            let refusal = Some(too_large("`content` has at most 64 KiB"));
            Checked { content, refusal, is_said }
        }
    }
}

/// What wrote an entry, as clients are told: an `event` is the server's own word, and no operator can write one.
pub fn sender_type(kind: &str, content: &str, is_bot: bool) -> &'static str {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        event: Option<&'a RawValue>,
    }
    if kind != SYSTEM {
        return if is_bot { "bot" } else { "user" };
    }
    let read = serde_json::from_str::<Event<'_>>(content);
    if read.is_ok_and(|read| read.event.is_none()) { "operator" } else { "system" }
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

fn check_text(text: Result<&Text<'_>, &serde_json::Error>, bytes: usize) -> Result<(), Refusal> {
    let Ok(Text { text, is_alone, beside, .. }) = text else {
        return Err(invalid("the content is {\"text\": \"…\"}"));
    };
    // Bytes bound characters from above: most texts are never counted.
    if text.len() > limits::TEXT_CHARS && text.chars().count() > limits::TEXT_CHARS {
        return Err(too_large("`text` has at most 8,000 characters"));
    }
    if !is_alone && bytes > limits::BESIDE_TEXT_BYTES && *beside > limits::BESIDE_TEXT_BYTES {
        return Err(too_large("`content` has at most 16 KiB beside `text`"));
    }
    if text.trim().is_empty() {
        return Err(invalid("`text` must not be empty"));
    }
    if text.contains('\0') {
        return Err(invalid("`text` must not contain NUL"));
    }
    Ok(())
}

fn invalid(message: &str) -> Refusal {
    Refusal::new(ErrorCode::Invalid, message)
}

fn too_large(message: &str) -> Refusal {
    Refusal::new(ErrorCode::TooLarge, message)
}

/// Without spaces and escapes.
fn compact(content: &str) -> Option<String> {
    Some(serde_json::from_str::<serde_json::Value>(content).ok()?.to_string())
}

/// The text of a content, and what stands beside it.
#[derive(Debug)]
struct Text<'a> {
    text: Cow<'a, str>,
    is_alone: bool,
    has_event: bool,
    /// Bytes of the other fields, as they are written.
    beside: usize,
}

fn read_text(content: &str) -> Result<Text<'_>, serde_json::Error> {
    serde_json::from_str(content)
}

#[derive(Deserialize)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object with a `text`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text<'de>, A::Error> {
        let (mut text, mut is_alone, mut has_event, mut beside) = (None, true, false, 0);
        while let Some(Borrowed(key)) = map.next_key()? {
            if key == "text" {
                let Borrowed(value) = map.next_value()?;
                if text.replace(value).is_some() {
                    return Err(A::Error::duplicate_field("text"));
                }
                continue;
            }
            is_alone = false;
            has_event |= key == "event";
            let value: &RawValue = map.next_value()?;
            beside += key.len() + value.get().len();
        }
        let text = text.ok_or_else(|| A::Error::missing_field("text"))?;
        Ok(Text { text, is_alone, has_event, beside })
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Text<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Err(A::Error::custom("not an object"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::id::ConversationId;
    use serde_json::{Value, json};

    fn code(kind: &str, content: &str, is_operator: bool) -> Option<ErrorCode> {
        let mut said = Said::new("send", ConversationId(uuid::Uuid::nil()));
        let checked = check(kind, content.to_owned(), is_operator, &mut said);
        assert!(checked.content.len() <= limits::CONTENT_BYTES || checked.refusal.is_some());
        checked.refusal.map(|refusal| refusal.code)
    }

    fn of(content: &Value) -> Option<ErrorCode> {
        code("text", &content.to_string(), false)
    }

    #[test]
    fn a_text_has_between_one_and_eight_thousand_characters() {
        assert_eq!(of(&json!({ "text": "hello 🎉" })), None);
        assert_eq!(of(&json!({ "text": "é".repeat(8_000) })), None);
        assert_eq!(of(&json!({ "text": "é".repeat(8_001) })), Some(ErrorCode::TooLarge));
        for bad in ["", "  \n ", "nul \0 inside"] {
            assert_eq!(of(&json!({ "text": bad })), Some(ErrorCode::Invalid), "{bad:?}");
        }
        for content in
            [r#"{"txt":"x"}"#, r#"{"text":7}"#, "[]", r#""x""#, "", r#"{"text":"a","text":"b"}"#]
        {
            assert_eq!(code("text", content, false), Some(ErrorCode::Invalid), "{content}");
        }
    }

    #[test]
    fn content_is_bounded_as_a_whole_and_beside_its_text() {
        let pad = |bytes| of(&json!({ "text": "x", "pad": "p".repeat(bytes) }));
        assert_eq!(pad(16_000), None);
        assert_eq!(pad(17_000), Some(ErrorCode::TooLarge));
        assert_eq!(pad(1_000_000), Some(ErrorCode::TooLarge));
        let nested = format!(r#"{{"text":"x","a":{}1{}}}"#, "[".repeat(40), "]".repeat(40));
        assert_eq!(code("text", &nested, false), Some(ErrorCode::Invalid));
    }

    #[test]
    fn spaces_and_escapes_do_not_count() {
        let escaped = format!(r#"{{"text":"{}"}}"#, r"\ud83c\udf89".repeat(8_000));
        assert_eq!(code("text", &escaped, false), None);
        let spaced = format!(r#"{{"text":{}"x"}}"#, " ".repeat(100_000));
        assert_eq!(code("text", &spaced, false), None);
    }

    #[test]
    fn operators_alone_send_system_messages_and_nobody_an_event() {
        assert_eq!(code("system", r#"{"text":"maintenance"}"#, false), Some(ErrorCode::Forbidden));
        assert_eq!(code("system", r#"{"text":"maintenance"}"#, true), None);
        for forged in [
            r#"{"event":"members_added","members":"bob"}"#,
            r#"{"text":"x","event":"created"}"#,
            r#"{"text":"x","\u0065vent":"created"}"#,
            "{}",
            "[]",
        ] {
            assert_eq!(code("system", forged, true), Some(ErrorCode::Invalid), "{forged}");
        }
        assert_eq!(code("hologram", "{}", true), Some(ErrorCode::Invalid));
    }
    #[test]
    fn what_the_server_writes_and_what_operators_say_is_told_apart() {
        let said = |kind, content, is_bot| sender_type(kind, content, is_bot);
        assert_eq!(said("system", r#"{"event":"created","count":2}"#, false), "system");
        assert_eq!(said("system", r#"{"text":"maintenance"}"#, true), "operator");
        assert_eq!(said("system", "spoilt", false), "system");
        assert_eq!(said("text", r#"{"text":"hi"}"#, false), "user");
        assert_eq!(said("text", r#"{"text":"hi"}"#, true), "bot");
    }
}
