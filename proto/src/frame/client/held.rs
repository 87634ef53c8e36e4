//! The cursor of a device in a log: a seq alone, or with the id of the entry that it holds there.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::id::EntryId;

/// The last entry up to which a device has all entries: `7`, or `{"seq": 7, "id": "0198…"}`, by which the server notices
/// that its log has another entry there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The seq of the entry.
    pub seq: u64,
    /// The id of the entry, where the device has sent it.
    pub id: Option<EntryId>,
}

impl From<u64> for Held {
    fn from(seq: u64) -> Self {
        Self { seq, id: None }
    }
}

impl Serialize for Held {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(id) = self.id else { return serializer.serialize_u64(self.seq) };
        let mut held = serializer.serialize_struct("Held", 2)?;
        held.serialize_field("seq", &self.seq)?;
        held.serialize_field("id", &id)?;
        held.end()
    }
}

impl<'de> Deserialize<'de> for Held {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeldVisitor)
    }
}

struct HeldVisitor;

impl<'de> Visitor<'de> for HeldVisitor {
    type Value = Held;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a seq, or an object with `seq` and `id`")
    }

    fn visit_u64<E: de::Error>(self, seq: u64) -> Result<Held, E> {
        Ok(seq.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Held, A::Error> {
        let (mut seq, mut id) = (None, None);
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Seq => seq = Some(map.next_value()?),
                Key::Id => id = map.next_value()?,
                // Newer clients may say more.
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Held { seq: seq.ok_or_else(|| de::Error::missing_field("seq"))?, id })
    }
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Seq,
    Id,
    #[serde(other)]
    Other,
}

#[cfg(test)]
impl schemars::JsonSchema for Held {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cursor".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "The last entry up to which the device has all entries: its seq, or its seq and its id, by \
                            which the server notices that its log has another entry there.",
            "oneOf": [
                { "type": "integer", "minimum": 0 },
                {
                    "type": "object",
                    "required": ["seq"],
                    "properties": {
                        "seq": { "type": "integer", "minimum": 0 },
                        "id": generator.subschema_for::<EntryId>(),
                    },
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seq_comes_alone_or_with_the_id_of_its_entry() {
        let read =
            |json: &str| serde_json::from_str::<Held>(json).map_err(|error| error.to_string());
        assert_eq!(read("7"), Ok(Held { seq: 7, id: None }));
        let id = EntryId::generate();
        let whole = Held { seq: 7, id: Some(id) };
        assert_eq!(read(&format!(r#"{{"id":"{id}","later":[{{}}],"seq":7}}"#)), Ok(whole));
        assert_eq!(read(&serde_json::to_string(&whole).unwrap()), Ok(whole));
        assert_eq!(read(r#"{"seq":7,"id":null}"#), Ok(7.into()));
        for bad in
            ["-1", "1.5", "\"7\"", "null", "[7]", "{}", r#"{"seq":7,"id":8}"#, r#"{"id":null}"#]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
