//! Bounds of what clients may say, the same for every interface.

/// Longest text in characters.
pub const TEXT_CHARS: usize = 8_000;
/// Longest content of any kind in bytes, written without spaces and escapes.
pub const CONTENT_BYTES: usize = 64 * 1024;
/// Most bytes that the content of a text has beside the text itself.
pub const BESIDE_TEXT_BYTES: usize = 16 * 1024;
/// Longest `extra` in bytes.
pub const EXTRA_BYTES: usize = 16 * 1024;
/// Most users named in one message.
pub const MENTIONS: usize = 64;
/// Longest title of a conversation in characters.
pub const TITLE_CHARS: usize = 100;
