//! What a message may say, by kind.

use serde::Deserialize;
use serde_json::value::RawValue;

/// Longest text in characters.
pub const MAX_TEXT_CHARS: usize = 8_000;
/// Most users named in one message.
pub const MAX_MENTIONS: usize = 64;
/// Longest `extra` in bytes.
pub const MAX_EXTRA_BYTES: usize = 16 * 1024;

/// Checks the content of a message; the text says what to mend.
pub fn check(kind: &str, content: &str, is_admin: bool) -> Result<(), &'static str> {
    match kind {
        "text" => check_text(content),
        "system" if is_admin => check_object(content),
        "system" => Err("only tokens with the role admin may send kind `system`"),
        _ => Err("unknown kind; this server knows `text` and `system`"),
    }
}

/// Checks an `extra` object.
pub fn check_extra(extra: &str) -> Result<(), &'static str> {
    if extra.len() > MAX_EXTRA_BYTES {
        return Err("`extra` has at most 16 KiB");
    }
    check_object(extra)
}

fn check_text(content: &str) -> Result<(), &'static str> {
    #[derive(Deserialize)]
    struct Text<'a> {
        #[serde(borrow)]
        text: std::borrow::Cow<'a, str>,
    }
    let Ok(content) = serde_json::from_str::<Text<'_>>(content) else {
        return Err("the content of kind `text` is {\"text\": \"…\"}");
    };
    // Bytes bound characters from above: most texts are never counted.
    let is_long =
        content.text.len() > MAX_TEXT_CHARS && content.text.chars().count() > MAX_TEXT_CHARS;
    match (content.text.trim().is_empty(), is_long, content.text.contains('\0')) {
        (true, _, _) => Err("`text` must not be empty"),
        (_, true, _) => Err("`text` has at most 8,000 characters"),
        (_, _, true) => Err("`text` must not contain NUL"),
        _ => Ok(()),
    }
}

fn check_object(content: &str) -> Result<(), &'static str> {
    let is_object =
        serde_json::from_str::<&RawValue>(content).is_ok_and(|raw| raw.get().starts_with('{'));
    if is_object { Ok(()) } else { Err("expected a JSON object") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_between_one_and_eight_thousand_characters() {
        let text =
            |text: &str| check("text", &serde_json::json!({ "text": text }).to_string(), false);
        assert_eq!(text("hello 🎉"), Ok(()));
        assert_eq!(text(&"é".repeat(8_000)), Ok(()));
        assert!(text(&"é".repeat(8_001)).is_err());
        for bad in ["", "  \n ", "nul \0 inside"] {
            assert!(text(bad).is_err(), "{bad:?}");
        }
        for content in [r#"{"txt":"x"}"#, r#"{"text":7}"#, "[]", r#""x""#] {
            assert!(check("text", content, false).is_err(), "{content}");
        }
    }

    #[test]
    fn only_admins_send_system_messages_and_unknown_kinds_are_refused() {
        assert!(check("system", "{}", false).is_err());
        assert!(check("system", "{}", true).is_ok());
        assert!(check("system", "[]", true).is_err());
        assert!(check("hologram", "{}", true).is_err());
    }
}
