//! `text`: `{"text": "…", "entities"?: […]}`. An entity gives a part of the text a meaning: a user who is mentioned, a link,
//! a format. Its place is counted in Unicode scalar values. Entities may overlap.
//!
//! Nearly every message is a text without entities, which is read without making anything.

use std::borrow::Cow;

use proto::limits;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::object::{self, Object};
use super::{Refusal, Writer, invalid, misshapen, too_large};

const SHAPE: &str =
    "{\"text\": \"…\", \"entities\"?: [{\"type\": \"bold\", \"from\": 0, \"length\": 4}, …]}";

/// What a text says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Text<'a> {
    #[serde(borrow)]
    pub(super) text: Cow<'a, str>,
    #[serde(borrow, default)]
    entities: Option<&'a RawValue>,
}

impl Text<'_> {
    /// There is nothing beside the text.
    pub(super) fn is_alone(&self) -> bool {
        self.entities.is_none()
    }
}

/// A part of a text, and what it means.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entity<'a> {
    r#type: EntityType,
    /// Its first character, from 0.
    from: u64,
    /// Its characters.
    length: u64,
    /// Who is mentioned.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    user: Option<Cow<'a, str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum EntityType {
    Mention,
    Link,
    Bold,
    Italic,
    Code,
    Pre,
}

/// Reads a text; its entities are checked later.
pub(super) fn read(content: &str) -> Result<Text<'_>, serde_json::Error> {
    object::read(content)
}

/// Checks what was read of a content of so many bytes.
pub(super) fn check(
    read: Result<Text<'_>, serde_json::Error>,
    bytes: usize,
    writer: Writer<'_>,
) -> Result<(), Refusal> {
    let Text { text, entities } = read.map_err(|error| misshapen(SHAPE, &error))?;
    // Bytes bound characters from above: most texts are never counted.
    if text.len() > limits::TEXT_CHARS && text.chars().count() > limits::TEXT_CHARS {
        return Err(too_large("`text` has at most 8,000 characters"));
    }
    if text.trim().is_empty() {
        return Err(invalid("`text` must not be empty"));
    }
    if text.contains('\0') {
        return Err(invalid("`text` must not contain NUL"));
    }
    let Some(entities) = entities else { return Ok(()) };
    if bytes > limits::BESIDE_TEXT_BYTES && entities.get().len() > limits::BESIDE_TEXT_BYTES {
        return Err(too_large("`content` has at most 16 KiB beside `text`"));
    }
    let entities: Vec<Object<Entity<'_>>> =
        serde_json::from_str(entities.get()).map_err(|error| misshapen(SHAPE, &error))?;
    if entities.len() > limits::ENTITIES {
        return Err(too_large("a text has at most 100 entities"));
    }
    let chars = text.chars().count() as u64;
    entities.iter().try_for_each(|Object(entity)| entity.check(chars, writer))
}

/// The same text, in which nobody is mentioned; what is no text is as it was.
pub(super) fn without_mentions(content: &str) -> String {
    let Ok(Text { text, entities: Some(entities) }) = read(content) else {
        return content.to_owned();
    };
    let Ok(all) = serde_json::from_str::<Vec<Object<Entity<'_>>>>(entities.get()) else {
        return content.to_owned();
    };
    let is_kept = |Object(entity): &Object<Entity<'_>>| entity.r#type != EntityType::Mention;
    let kept: Vec<_> = all.into_iter().filter(is_kept).map(|Object(entity)| entity).collect();
    if kept.is_empty() {
        return json!({ "text": text }).to_string();
    }
    json!({ "text": text, "entities": kept }).to_string()
}

impl Entity<'_> {
    fn check(&self, chars: u64, writer: Writer<'_>) -> Result<(), Refusal> {
        let end = self.from.checked_add(self.length);
        if self.length == 0 || end.is_none_or(|end| end > chars) {
            let text = "an entity lies within the text: `from` and `length` count its characters (Unicode scalar values)";
            return Err(invalid(text));
        }
        match (&self.user, self.r#type) {
            (None, EntityType::Mention) => Err(invalid("an entity `mention` has a `user`")),
            (Some(_), of) if of != EntityType::Mention => {
                Err(invalid("only an entity `mention` has a `user`"))
            }
            (Some(user), _) if !writer.names(user) => Err(invalid(
                "the `user` of an entity `mention` is one of `mentions`, or `*` with `mention_all`",
            )),
            _ => Ok(()),
        }
    }
}
