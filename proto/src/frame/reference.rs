//! The `ref` of a text that is not read as a frame, so that its sender learns which request is refused.

use std::borrow::Cow;

use super::MAX_REF_BYTES;

/// Longest spelling of a `ref`: each of its bytes as an escape, and two quotes.
const LONGEST_SPELLING: usize = 6 * MAX_REF_BYTES + 2;

/// The text under `ref` in the outermost object. Reads each byte once at most and never recurses; what else is in
/// the text, and whether that is JSON, is not looked at.
pub(super) fn reference_in(text: &str) -> Option<String> {
    if !text.trim_ascii_start().starts_with('{') {
        return None;
    }
    let bytes = text.as_bytes();
    // `found`: the text before was a key `ref`, without and with its colon.
    let (mut depth, mut found, mut at) = (0_usize, Found::Nothing, 0);
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'"' => {
                at = end_of_text(bytes, at)?;
                if depth == 1 {
                    let spelt = text.get(start..at)?;
                    if found == Found::Colon {
                        return value(spelt);
                    }
                    found = if spelt == r#""ref""# { Found::Key } else { Found::Nothing };
                }
                continue;
            }
            b' ' | b'\t' | b'\n' | b'\r' => continue,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        let is_colon = byte == b':' && found == Found::Key;
        found = if is_colon { Found::Colon } else { Found::Nothing };
    }
    None
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Key,
    Colon,
}

/// The place behind the closing quote of a text whose first byte is at `at`.
fn end_of_text(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn value(spelt: &str) -> Option<String> {
    if spelt.len() > LONGEST_SPELLING {
        return None;
    }
    let reference: Cow<'_, str> = serde_json::from_str(spelt).ok()?;
    (reference.len() <= MAX_REF_BYTES).then(|| reference.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_in_the_outermost_object_alone() {
        let deep = "[".repeat(1_000);
        for (text, reference) in [
            (r#"{"ref":"1"}"#.to_owned(), Some("1")),
            (r#" { "type" : 5 , "ref" : "a\u0062\"c" "#.to_owned(), Some("ab\"c")),
            (format!(r#"{{"ref":"1","content":{deep}"#), Some("1")),
            (format!(r#"{{"content":{deep}{},"ref":"1"}}"#, "]".repeat(1_000)), Some("1")),
            (format!(r#"{{"content":{deep}"ref":"1""#), None),
            (r#"{"a":{"ref":"1"},"b":["ref","1"]}"#.to_owned(), None),
            (r#"{"type":"ref","to":"1"}"#.to_owned(), None),
            (r#"{"ref":{"ref":"1"}}"#.to_owned(), None),
            (r#"{"ref":7}"#.to_owned(), None),
            (r#"{"ref":"\ud800"}"#.to_owned(), None),
            (r#"{"ref":"1"#.to_owned(), None),
            (r#"["ref","1"]"#.to_owned(), None),
            (format!(r#"{{"ref":"{}"}}"#, "r".repeat(MAX_REF_BYTES + 1)), None),
        ] {
            assert_eq!(reference_in(&text).as_deref(), reference, "{text}");
        }
    }
}
