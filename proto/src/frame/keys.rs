//! The keys of what is encrypted: `"keys": {"<user>/<device>": "<base64>"}` in the content of a message or of an edit. A message is
//! encoded once, with the keys of all devices; each device is given its own alone. Finds them in encoded entries and states, and
//! leaves everything else as it is.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Bytes of an entry within which its kind stands.
const KIND_BYTES: usize = 320;

/// Whose keys are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<'a> {
    /// That of one device.
    Device {
        /// The name of its user.
        user: &'a str,
        /// Its id.
        device: &'a str,
    },
    /// Those of all devices of a user, of whom it is not known on which one they ask.
    User(&'a str),
    /// None.
    Nobody,
}

impl Whose<'_> {
    fn is(self, named: &str) -> bool {
        let Some((named_user, named_device)) = named.split_once('/') else { return false };
        match self {
            Self::Device { user, device } => named_user == user && named_device == device,
            Self::User(user) => named_user == user,
            Self::Nobody => false,
        }
    }
}

/// An encoded entry or state, with where its keys stand.
#[derive(Debug, Clone)]
pub struct Keyed {
    json: String,
    /// All of `keys`.
    at: Range<usize>,
    keys: BTreeMap<String, String>,
}

/// A content that may be encrypted, or one that has such a content.
#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    ciphertext: Option<&'a RawValue>,
    #[serde(borrow, default)]
    keys: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

impl Keyed {
    /// Of an entry, as a frame or as it stands in a page; `None` where it has no keys.
    pub fn of_entry(json: &[u8]) -> Option<Self> {
        // Nearly all are of other kinds, which is seen without reading them.
        let start = &json[..json.len().min(KIND_BYTES)];
        let is_of = |kind: &[u8]| start.windows(kind.len()).any(|part| part == kind);
        if !is_of(br#""kind":"encrypted""#) && !is_of(br#""kind":"edit""#) {
            return None;
        }
        Self::of_state(json)
    }

    /// Of the state of a message; `None` where it has no keys.
    pub fn of_state(json: &[u8]) -> Option<Self> {
        let json = std::str::from_utf8(json).ok()?;
        let outer: Content<'_> = serde_json::from_str(json).ok()?;
        let content: Content<'_> = serde_json::from_str(outer.content?.get()).ok()?;
        let found = match (content.keys, content.ciphertext, content.content) {
            (Some(keys), Some(_), _) => keys.get(),
            // An edit has the content in its own.
            (None, None, Some(edited)) => {
                let edited: Content<'_> = serde_json::from_str(edited.get()).ok()?;
                edited.ciphertext?;
                edited.keys?.get()
            }
            _ => return None,
        };
        let read: BTreeMap<Cow<'_, str>, Cow<'_, str>> = serde_json::from_str(found).ok()?;
        if read.is_empty() {
            return None;
        }
        // What was found is a part of the text.
        let begin = (found.as_ptr() as usize).checked_sub(json.as_ptr() as usize)?;
        let at = begin..begin + found.len();
        let keys = read.into_iter().map(|(name, key)| (name.into_owned(), key.into_owned()));
        let keys = keys.collect();
        Some(Self { json: json.to_owned(), at, keys })
    }

    /// The same with these keys alone.
    pub fn only(&self, whose: Whose<'_>) -> Vec<u8> {
        let own: BTreeMap<&str, &str> = self
            .keys
            .iter()
            .filter(|(named, _)| whose.is(named))
            .map(|(named, key)| (named.as_str(), key.as_str()))
            .collect();
        // Cannot fail: a map of texts.
        let own = serde_json::to_string(&own).unwrap_or_else(|_| "{}".to_owned());
        let (before, after) = (&self.json[..self.at.start], &self.json[self.at.end..]);
        [before.as_bytes(), own.as_bytes(), after.as_bytes()].concat()
    }

    /// Whether one of them is of this device.
    pub fn has(&self, user: &str, device: &str) -> bool {
        let whose = Whose::Device { user, device };
        self.keys.keys().any(|named| whose.is(named))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn content() -> Value {
        let keys = json!({ "bob/phone": "YQ==", "bob/web": "Yg==", "ann/phone": "Yw==" });
        json!({ "algorithm": "a", "ciphertext": "x\"\\u0041", "sender_device": "d", "keys": keys, "epoch": 3 })
    }

    fn entry(kind: &str, content: &Value) -> String {
        // As the server writes it: the kind before the content.
        format!(
            r#"{{"type":"entry","conversation_id":"c","seq":7,"id":"i","kind":"{kind}","sender":{{"id":"ann"}},"content":{content},"timestamp":1}}"#
        )
    }

    fn shown(json: &str, whose: Whose<'_>) -> Value {
        serde_json::from_slice(&Keyed::of_entry(json.as_bytes()).unwrap().only(whose)).unwrap()
    }

    #[test]
    fn a_device_is_given_its_own_key_and_all_else_as_it_is() {
        let edit = json!({ "content": content(), "mentions": ["bob"] });
        for (kind, whole, path) in
            [("encrypted", content(), "/content/keys"), ("edit", edit, "/content/content/keys")]
        {
            let json = entry(kind, &whole);
            for (whose, keys) in [
                (Whose::Device { user: "bob", device: "phone" }, json!({ "bob/phone": "YQ==" })),
                (Whose::Device { user: "bob", device: "tv" }, json!({})),
                (Whose::Device { user: "eve", device: "phone" }, json!({})),
                (Whose::User("bob"), json!({ "bob/phone": "YQ==", "bob/web": "Yg==" })),
                (Whose::User("bo"), json!({})),
                (Whose::Nobody, json!({})),
            ] {
                let mut expected: Value = serde_json::from_str(&json).unwrap();
                *expected.pointer_mut(path).unwrap() = keys;
                assert_eq!(shown(&json, whose), expected, "{kind} {whose:?}");
            }
            let keyed = Keyed::of_entry(json.as_bytes()).unwrap();
            assert!(keyed.has("ann", "phone") && !keyed.has("ann", "web"));
        }
        let state = json!({ "as_of": 9, "content": content() }).to_string();
        let keyed = Keyed::of_state(state.as_bytes()).unwrap();
        let told: Value = serde_json::from_slice(&keyed.only(Whose::User("ann"))).unwrap();
        assert_eq!(told["content"]["keys"], json!({ "ann/phone": "Yw==" }));
    }

    #[test]
    fn what_has_no_keys_is_left_alone() {
        let mut without = content();
        without.as_object_mut().unwrap().remove("keys");
        let mut empty = content();
        empty["keys"] = json!({});
        let text = json!({ "text": "keys", "keys": { "bob/phone": "x" } });
        for json in [
            entry("encrypted", &without),
            entry("encrypted", &empty),
            entry("encrypted", &json!({})),
            entry("text", &content()),
            entry("edit", &json!({ "content": text })),
            entry("edit", &json!({})),
            entry("encrypted", &json!({ "ciphertext": "x", "keys": [1] })),
            "spoilt \"kind\":\"encrypted\"".to_owned(),
        ] {
            assert!(Keyed::of_entry(json.as_bytes()).is_none(), "{json}");
        }
        assert!(Keyed::of_state(br#"{"as_of":9,"pinned":{"seq":1}}"#).is_none());
    }
}
