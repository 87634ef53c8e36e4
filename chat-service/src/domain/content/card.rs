//! `card`: structured content with fields and actions, and a text for clients that show no cards:
//! `{"fallback": "…", "card": {"title"?, "text"?, "fields"?: […], "actions"?: […]}}`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use proto::error_code::ErrorCode;
use proto::limits;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::object::{Object, read};
use super::{Refusal, check_words, invalid, misshapen, too_large};

const SHAPE: &str = "{\"fallback\": \"…\", \"card\": {\"title\"?, \"text\"?, \"fields\"?: [{\"name\", \"value\"}], \
    \"actions\"?: [{\"id\", \"label\", \"style\"?, \"value\"?}]}}";

/// Most fields of a card.
const FIELDS: usize = 25;
/// Most actions of a card.
const ACTIONS: usize = 25;
/// Longest title, name of a field and label of an action, in characters.
const NAME_CHARS: usize = 200;
/// Longest value of a field or of an action, in characters.
const VALUE_CHARS: usize = 2_000;
/// Longest id of an action, in characters.
const ID_CHARS: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content<'a> {
    #[serde(borrow)]
    fallback: Cow<'a, str>,
    #[serde(borrow)]
    card: Object<Card<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Card<'a> {
    #[serde(borrow, default)]
    title: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    fields: Vec<Object<Field<'a>>>,
    #[serde(borrow, default)]
    actions: Vec<Object<Action<'a>>>,
    /// An image of the server's media, of which there are none.
    #[serde(default)]
    image: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Field<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Action<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    label: Cow<'a, str>,
    /// How it looks.
    #[serde(default)]
    #[expect(dead_code, reason = "its type is all that is checked of it")]
    style: Option<Style>,
    #[serde(borrow, default)]
    value: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Style {
    Primary,
    Danger,
}

/// What an action of a card says to its bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pressed {
    /// Its own value.
    pub value: Option<String>,
}

/// An action of a checked card; `None` where the card has none of this id.
pub fn action(content: &str, id: &str) -> Option<Pressed> {
    let Content { card: Object(card), .. } = read(content).ok()?;
    let found = card.actions.into_iter().find(|Object(action)| action.id == id);
    let Object(action) = found?;
    Some(Pressed { value: action.value.map(Cow::into_owned) })
}

/// Checks what names an action, and what is said with it.
pub fn check_press(id: &str, value: Option<&str>) -> Result<(), Refusal> {
    check_words("action_id", id, ID_CHARS)?;
    value.map_or(Ok(()), |value| check_words("value", value, VALUE_CHARS))
}

pub(super) fn check(content: &str) -> Result<(), Refusal> {
    let Content { fallback, card: Object(card) } =
        read(content).map_err(|error| misshapen(SHAPE, &error))?;
    check_words("fallback", &fallback, limits::TEXT_CHARS)?;
    card.check()
}

impl Card<'_> {
    fn check(&self) -> Result<(), Refusal> {
        if self.image.is_some() {
            let text = "this server keeps no media, and so takes no `image` of a card";
            return Err(Refusal::new(ErrorCode::Unsupported, text));
        }
        let Self { title, text, fields, actions, .. } = self;
        if title.is_none() && text.is_none() && fields.is_empty() && actions.is_empty() {
            return Err(invalid("a card has a `title`, a `text`, `fields` or `actions`"));
        }
        if fields.len() > FIELDS || actions.len() > ACTIONS {
            return Err(too_large("a card has at most 25 `fields` and 25 `actions`"));
        }
        if let Some(title) = title {
            check_words("title", title, NAME_CHARS)?;
        }
        if let Some(text) = text {
            check_words("text", text, limits::TEXT_CHARS)?;
        }
        for Object(Field { name, value }) in fields {
            check_words("name", name, NAME_CHARS)?;
            check_words("value", value, VALUE_CHARS)?;
        }
        let mut ids = BTreeSet::new();
        for Object(Action { id, label, value, .. }) in actions {
            check_words("id", id, ID_CHARS)?;
            check_words("label", label, NAME_CHARS)?;
            if let Some(value) = value {
                check_words("value", value, VALUE_CHARS)?;
            }
            if !ids.insert(id.as_ref()) {
                return Err(invalid("each of the `actions` of a card has an `id` of its own"));
            }
        }
        Ok(())
    }
}
