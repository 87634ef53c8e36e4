//! What an operation says, as one SHA-256: the same thing said with other spaces, another order of keys, other
//! escapes or other spellings of numbers has the same digest, over whichever interface it came.
//!
//! Digests are stored with client ids, behind their version: who changes what is hashed here for operations that exist
//! counts it up. A stored digest of another version, of before an update or of after one that was taken back, says
//! nothing: its operation counts as the same, since taking a repeat for something else would refuse what is stored.

use std::borrow::Cow;
use std::collections::BTreeMap;

use proto::id::ConversationId;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

/// SHA-256 of what an operation says.
pub type Digest = [u8; 32];

/// Of what is hashed here, and how. Digests of before they had one count as of another.
const VERSION: u8 = 1;

/// Bytes of a digest behind its version.
const STORED: usize = 33;

/// A digest as it is stored.
pub fn stored(digest: &Digest) -> [u8; STORED] {
    let mut stored = [VERSION; STORED];
    stored[1..].copy_from_slice(digest);
    stored
}

/// A stored digest, where it can be compared with one that is made now.
pub fn comparable(stored: &[u8]) -> Option<Digest> {
    let (version, digest) = stored.split_first()?;
    let digest = digest.try_into().ok()?;
    (*version == VERSION).then_some(digest)
}

/// Deepest nesting of arrays and objects in a JSON field, as in frames.
const MAX_DEPTH: usize = proto::frame::MAX_DEPTH;

/// A JSON field that cannot be hashed: it is no JSON, or it is nested too deeply.
#[derive(Debug, PartialEq, Eq)]
pub struct NotCanonical;

/// Takes the fields of an operation one after the other, each with its length or its kind.
#[derive(Debug, Clone)]
pub struct Said(Sha256);

impl Said {
    /// Of an operation of this kind in this conversation.
    pub fn new(verb: &str, conversation_id: ConversationId) -> Self {
        let mut said = Self(Sha256::new());
        said.text(verb);
        said.0.update(conversation_id.0.as_bytes());
        said
    }

    pub fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text);
    }

    pub fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    /// A list of texts.
    pub fn texts<'a>(&mut self, texts: impl ExactSizeIterator<Item = &'a str>) {
        self.number(texts.len() as u64);
        for text in texts {
            self.text(text);
        }
    }

    /// What `json` does with `{"text": …}`.
    pub fn only_text(&mut self, text: &str) {
        self.opened(b'{', 1);
        self.text("text");
        self.string(text);
    }

    /// A JSON value, whichever way it is written.
    pub fn json(&mut self, json: &str) -> Result<(), NotCanonical> {
        self.value(json, MAX_DEPTH)
    }

    /// The digest of all of it.
    pub fn finish(self) -> Digest {
        self.0.finalize().into()
    }

    fn value(&mut self, json: &str, depth: usize) -> Result<(), NotCanonical> {
        let json = json.trim_matches([' ', '\t', '\n', '\r']);
        match json.as_bytes().first() {
            Some(b'{') => {
                let depth = depth.checked_sub(1).ok_or(NotCanonical)?;
                let fields: BTreeMap<Key<'_>, &RawValue> = read(json)?;
                self.opened(b'{', fields.len());
                for (Key(key), value) in fields {
                    self.text(&key);
                    self.value(value.get(), depth)?;
                }
            }
            Some(b'[') => {
                let depth = depth.checked_sub(1).ok_or(NotCanonical)?;
                let values: Vec<&RawValue> = read(json)?;
                self.opened(b'[', values.len());
                for value in values {
                    self.value(value.get(), depth)?;
                }
            }
            Some(b'"') => self.string(&read::<Key<'_>>(json)?.0),
            Some(b't' | b'f' | b'n') => {
                // Checks that it is one of the three words.
                let _: Option<bool> = read(json)?;
                self.0.update(&json[..1]);
            }
            Some(_) => {
                let _: &RawValue = read(json)?;
                let number = number(json).ok_or(NotCanonical)?;
                self.0.update(b"#");
                self.text(&number);
            }
            None => return Err(NotCanonical),
        }
        Ok(())
    }

    fn opened(&mut self, kind: u8, count: usize) {
        self.0.update([kind]);
        self.number(count as u64);
    }

    fn string(&mut self, text: &str) {
        self.0.update(b"\"");
        self.text(text);
    }
}

/// A text that is borrowed where it has no escapes.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

fn read<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, NotCanonical> {
    serde_json::from_str(json).map_err(|_| NotCanonical)
}

/// One spelling of each number: whole ones as integers, others as the shortest that reads back the same.
fn number(text: &str) -> Option<String> {
    if let Ok(whole) = text.parse::<i128>() {
        return Some(whole.to_string());
    }
    let number: f64 = text.parse().ok()?;
    // Beyond this a whole number has no exact form as i128.
    if number.fract() == 0.0 && number.abs() < 1e38 {
        return Some((number as i128).to_string());
    }
    Some(format!("{number:e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(json: &str) -> Digest {
        let mut said = Said::new("send", ConversationId(uuid::Uuid::from_u128(1)));
        assert_eq!(said.json(json), Ok(()), "{json}");
        said.finish()
    }

    #[test]
    fn the_same_thing_written_otherwise_has_the_same_digest() {
        let same = [
            (r#"{"text":"hi"}"#, "{ \"text\" :\n\t\"hi\" }\r\n"),
            (r#"{"text":"jürgen 🎉 /"}"#, r#"{"t\u0065xt":"j\u00fcrgen \ud83c\udf89 \/"}"#),
            (r#"{"a":1,"b":[true,false,null]}"#, r#"{"b":[true , false,null],"a":1}"#),
            ("[1,0,100,0.1,-2,1e300]", "[1.0,-0,1E2,0.10,-20e-1,10e299]"),
            ("18446744073709551616", "1.8446744073709551616e19"),
        ];
        for (one, other) in same {
            assert_eq!(digest(one), digest(other), "{one} {other}");
        }
        let mut plain = Said::new("send", ConversationId(uuid::Uuid::from_u128(1)));
        plain.only_text("hi");
        assert_eq!(plain.finish(), digest(r#"{"text":"hi"}"#));
    }

    #[test]
    fn different_things_have_different_digests() {
        let different = [
            r#"{"text":"hi"}"#,
            r#"{"text":"hi "}"#,
            r#"{"text":["hi"]}"#,
            r#"{"text":"hi","a":1}"#,
            r#"{"text":"hi","a":"1"}"#,
            r#"{"text":"hi","a":1.5}"#,
            r#"{"text":"hi","a":true}"#,
            r#"{"text":"hi","a":null}"#,
            r#"{"text":"hi","a":{}}"#,
            r#"{"text":"hi","a":[]}"#,
            r#"{"text":"hi","a":[[],[]]}"#,
            r#"{"text":"hi","a":[[[]]]}"#,
            "9007199254740993",
            "9007199254740992",
        ];
        let digests: std::collections::BTreeSet<_> = different.map(digest).into();
        assert_eq!(digests.len(), different.len());
    }

    #[test]
    fn a_stored_digest_of_another_version_cannot_be_compared() {
        let made = digest("{}");
        let mut kept = stored(&made);
        assert_eq!(comparable(&kept), Some(made));
        assert_eq!(comparable(&kept[1..]), None, "of before there were versions");
        assert_eq!((comparable(&[]), comparable(&kept[..32])), (None, None));
        kept[0] = VERSION + 1;
        assert_eq!(comparable(&kept), None);
    }

    #[test]
    fn what_is_no_json_or_too_deep_has_no_digest() {
        for bad in
            ["", "{", "{\"a\":}", "nul", "truely", "1 2", "0x1", "+1", ".5", "NaN", "\"\\ud800\""]
        {
            let mut said = Said::new("send", ConversationId(uuid::Uuid::nil()));
            assert_eq!(said.json(bad), Err(NotCanonical), "{bad}");
        }
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let mut said = Said::new("send", ConversationId(uuid::Uuid::nil()));
        assert_eq!(said.json(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(said.json(&nested(MAX_DEPTH + 1)), Err(NotCanonical));
    }
}
