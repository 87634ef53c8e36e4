//! How large a JSON text may become as MessagePack, without making it.

/// A JSON text is never so many times as large in MessagePack.
pub const MOST_GROWTH: usize = 4;
/// A floating-point number as MessagePack.
const FLOAT_BYTES: usize = 9;
/// The largest head of a text as MessagePack, beyond the two quotes.
const LONG_TEXT_BYTES: usize = 3;

/// At least as many bytes as a JSON text has, and as it has after [`super::from_json`]. Only short numbers with a
/// fraction or an exponent, and very long texts, take more room there.
pub fn heaviest(json: &[u8]) -> usize {
    let (mut bytes, mut at) = (json.len(), 0);
    while let Some(byte) = json.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'"' => {
                while let Some(offset) =
                    memchr::memchr2(b'"', b'\\', json.get(at..).unwrap_or_default())
                {
                    at += offset + 1;
                    if json[at - 1] == b'"' {
                        break;
                    }
                    at += 1;
                }
                if at - start > usize::from(u16::MAX) {
                    bytes += LONG_TEXT_BYTES;
                }
            }
            b'-' | b'0'..=b'9' => {
                while json.get(at).is_some_and(|byte| {
                    matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')
                }) {
                    at += 1;
                }
                let number = &json[start..at];
                let is_float = number.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
                if is_float || number.starts_with(b"-0") {
                    bytes += FLOAT_BYTES.saturating_sub(number.len());
                }
            }
            _ => {}
        }
    }
    bytes
}
