//! Bounds of what clients may say, the same for every interface.

/// Longest text in characters.
pub const TEXT_CHARS: usize = 8_000;
/// Longest content in bytes, written without spaces and escapes, of every kind that has no bound of its own.
pub const CONTENT_BYTES: usize = 64 * 1024;
/// Longest content of a card in bytes.
pub const CARD_BYTES: usize = 16 * 1024;
/// Longest content of what is encrypted in bytes.
pub const ENCRYPTED_BYTES: usize = 128 * 1024;
/// Most devices for which an encrypted message has a key.
pub const ENCRYPTED_DEVICES: usize = 200;
/// Most entities of a text.
pub const ENTITIES: usize = 100;
/// Most bytes that the content of a text has beside the text itself.
pub const BESIDE_TEXT_BYTES: usize = 16 * 1024;
/// Longest `extra` in bytes.
pub const EXTRA_BYTES: usize = 16 * 1024;
/// Most users named in one message.
pub const MENTIONS: usize = 64;
/// Longest title of a conversation in characters.
pub const TITLE_CHARS: usize = 100;
/// Longest title of a notice in characters.
pub const NOTICE_TITLE_CHARS: usize = 200;
