//! What lists show of an entry's content: its texts cut to 200 characters. Pure; works on the beginning of a
//! content too, so that a store need not read all of a large one.

use serde_json::{Map, Value};

/// Longest text in a list, in characters.
const TEXT_CHARS: usize = 200;
/// A content of at most so many bytes is shown as it is when its texts are short.
pub(crate) const WHOLE_BYTES: usize = 2_048;
/// Elements of a list that are shown.
const ELEMENTS: usize = 8;
/// Fields that are shown.
const FIELDS: usize = 16;
/// All that is shown of a cut content, in bytes of its JSON without the keys.
const SHOWN_BYTES: usize = 4_096;
/// Longest key of a shown field in bytes.
const KEY_BYTES: usize = 64;

/// The content of an entry as a list shows it: unchanged when it is small; otherwise its texts, numbers and flags,
/// each text cut to 200 characters, of lists the first eight elements, and `"is_cut": true`. `content` is a JSON
/// object or, when `is_whole` is false, the beginning of one.
pub(crate) fn preview(content: &str, is_whole: bool) -> String {
    if is_whole && content.len() <= WHOLE_BYTES && is_short(content) {
        return content.to_owned();
    }
    let mut shown = Map::new();
    let (mut scan, mut bytes) = (Scan { json: content, at: 0 }, 0);
    if scan.take(b'{') {
        while shown.len() < FIELDS {
            let Some((key, raw)) = scan.field() else { break };
            let value = short(raw).filter(|_| key.len() <= KEY_BYTES);
            let Some(value) = value else { continue };
            let size = value.to_string().len();
            if bytes + size <= SHOWN_BYTES {
                bytes += size;
                shown.insert(key, value);
            }
        }
    }
    shown.insert("is_cut".to_owned(), Value::Bool(true));
    Value::Object(shown).to_string()
}

/// Whether no text at the first level is longer than a list shows.
fn is_short(content: &str) -> bool {
    let Ok(fields) = serde_json::from_str::<Map<String, Value>>(content) else { return false };
    fields.values().all(|value| value.as_str().is_none_or(is_short_text))
}

fn is_short_text(text: &str) -> bool {
    text.len() <= TEXT_CHARS || text.chars().count() <= TEXT_CHARS
}

/// What is shown of a value, which may be cut at its end; nothing of objects.
fn short(raw: &str) -> Option<Value> {
    match raw.as_bytes().first()? {
        b'"' => string(raw).map(Value::String),
        b'[' => {
            let mut scan = Scan { json: raw, at: 1 };
            let mut elements = Vec::new();
            while elements.len() < ELEMENTS {
                let Some(element) = scan.value() else { break };
                // Lists in lists are not shown, so this ends.
                if !element.starts_with('[') {
                    elements.extend(short(element));
                }
                scan.take(b',');
            }
            Some(Value::Array(elements))
        }
        b'{' => None,
        _ => serde_json::from_str(raw).ok(),
    }
}

/// The first characters of a JSON string whose end may be missing.
fn string(raw: &str) -> Option<String> {
    let text = serde_json::from_str::<String>(raw).ok().or_else(|| {
        // Cut inside: perhaps inside an escape, of which two surrogates are the longest.
        let mut ends = raw.char_indices().rev().map(|(at, c)| at + c.len_utf8()).take(13);
        ends.find_map(|end| serde_json::from_str(&format!("{}\"", &raw[..end])).ok())
    })?;
    Some(text.chars().take(TEXT_CHARS).collect())
}

/// A place in JSON text that is well formed but may end early.
struct Scan<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.json.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    /// The next field of an object.
    fn field(&mut self) -> Option<(String, &'a str)> {
        let key = serde_json::from_str(self.value()?).ok()?;
        if !self.take(b':') {
            return None;
        }
        let value = self.value()?;
        self.take(b',');
        Some((key, value))
    }

    /// The next value, up to its end or that of the text.
    fn value(&mut self) -> Option<&'a str> {
        if matches!(self.peek()?, b'}' | b']' | b',' | b':') {
            return None;
        }
        let start = self.at;
        let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
        for (offset, byte) in self.json.as_bytes()[start..].iter().enumerate() {
            let end = match (in_string, *byte) {
                (true, _) if is_escaped => {
                    is_escaped = false;
                    continue;
                }
                (true, b'\\') => {
                    is_escaped = true;
                    continue;
                }
                (true, b'"') => {
                    in_string = false;
                    (depth == 0).then_some(offset + 1)
                }
                (true, _) => continue,
                (false, b'"') => {
                    in_string = true;
                    None
                }
                (false, b'{' | b'[') => {
                    depth += 1;
                    None
                }
                (false, b'}' | b']' | b',' | b':') if depth == 0 => Some(offset),
                (false, b'}' | b']') => {
                    depth -= 1;
                    (depth == 0).then_some(offset + 1)
                }
                (false, byte) => (depth == 0 && byte.is_ascii_whitespace()).then_some(offset),
            };
            if let Some(end) = end {
                self.at = start + end;
                return Some(&self.json[start..self.at]);
            }
        }
        self.at = self.json.len();
        Some(&self.json[start..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_small_content_is_shown_as_it_is() {
        for content in [r#"{ "text":"hi","a":{"b":[1]} }"#, "{}"] {
            assert_eq!(preview(content, true), content);
        }
    }

    #[test]
    fn a_long_text_is_cut_to_two_hundred_characters_and_what_is_beside_it_stays_small() {
        let text = "é".repeat(900);
        let content =
            serde_json::json!({ "junk": "y".repeat(900), "o": { "p": 1 }, "text": text, "n": 4 });
        let shown = json(&preview(&content.to_string(), true));
        assert_eq!(shown["text"], "é".repeat(200));
        assert_eq!(shown["junk"], "y".repeat(200));
        assert_eq!(
            (&shown["n"], &shown["is_cut"], shown.get("o")),
            (&json("4"), &json("true"), None)
        );
    }

    #[test]
    fn the_beginning_of_a_content_is_enough_wherever_it_ends() {
        let content = serde_json::json!({ "event": "members_added",
            "members": (0..99).map(|n| format!("user-{n}")).collect::<Vec<_>>(), "text": "a \"b\" \\ 😀 \u{1}" });
        let content = content.to_string().replace('😀', r"\ud83d\ude00");
        for end in (0..content.len()).filter(|end| content.is_char_boundary(*end)) {
            let shown = json(&preview(&content[..end], false));
            assert_eq!(shown["is_cut"], true);
            if end > 200 {
                assert_eq!(shown["event"], "members_added");
                assert_eq!(shown["members"].as_array().unwrap().len(), 8);
            }
        }
        let shown = json(&preview(&content, false));
        assert_eq!(shown["text"], "a \"b\" \\ 😀 \u{1}");
    }

    #[test]
    fn whatever_it_is_given_it_shows_an_object_of_bounded_size() {
        let fields: Vec<_> =
            (0..5_000).map(|n| format!(r#""{n}":"{}""#, "x".repeat(300))).collect();
        let keys = fields.join(",");
        let nested = "[".repeat(3_000);
        for content in [
            "",
            "[1]",
            "nonsense",
            "{\"a",
            "{,",
            &format!("{{{keys}"),
            &format!("{{\"a\":{nested}"),
        ] {
            let shown = preview(content, false);
            assert!(json(&shown).is_object(), "{shown}");
            assert!(shown.len() < 6_000, "{}", shown.len());
        }
    }
}
