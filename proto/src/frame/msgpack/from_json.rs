//! JSON that a service made to MessagePack, in one pass without a tree.
//!
//! Not by serde: parts of a frame are what a client wrote, unread, and may hold what is JSON by its
//! grammar and no value of serde's, such as half a surrogate pair or `1e999`. One message must not keep
//! a reader from all others, so these become what JavaScript makes of them: U+FFFD and infinity.

use bytes::Bytes;

/// The bytes are no JSON text, or one nested deeper than any frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON text, at byte {at}")]
pub struct NotJson {
    /// Where it ceased to be one.
    pub at: usize,
}

/// A client's content, and what stands around it in the deepest frame, with much room.
const MOST_DEPTH: usize = 4 * super::MAX_DEPTH;

/// One JSON value as MessagePack, with numbers in their shortest form.
pub fn from_json(json: &[u8]) -> Result<Bytes, NotJson> {
    let text = std::str::from_utf8(json).map_err(|error| NotJson { at: error.valid_up_to() })?;
    let mut writer = Writer { text, at: 0, packed: Vec::with_capacity(json.len()) };
    let whole = writer.value(0).and_then(|()| {
        writer.skip_spaces();
        (writer.at == text.len()).then_some(())
    });
    whole.ok_or(NotJson { at: writer.at })?;
    Ok(writer.packed.into())
}

struct Writer<'a> {
    text: &'a str,
    at: usize,
    packed: Vec<u8>,
}

/// The markers of a map or an array: short, and with a length of 2 bytes; that of 4 bytes comes next.
struct Markers(u8, u8);

const MAP: Markers = Markers(0x80, 0xde);
const ARRAY: Markers = Markers(0x90, 0xdc);

impl<'a> Writer<'a> {
    // None throughout: it is no JSON at `at`.
    fn value(&mut self, depth: usize) -> Option<()> {
        self.skip_spaces();
        match self.peek()? {
            b'{' => self.many(b'}', &MAP, depth, |this, depth| {
                this.skip_spaces();
                this.string()?;
                this.skip_spaces();
                this.expect(b':')?;
                this.value(depth)
            }),
            b'[' => self.many(b']', &ARRAY, depth, Self::value),
            b'"' => self.string(),
            b't' => self.literal("true", 0xc3),
            b'f' => self.literal("false", 0xc2),
            b'n' => self.literal("null", 0xc0),
            _ => self.number(),
        }
    }

    /// What stands between brackets. The head is written last, when the count is known.
    fn many(
        &mut self,
        end: u8,
        markers: &Markers,
        depth: usize,
        element: impl Fn(&mut Self, usize) -> Option<()>,
    ) -> Option<()> {
        if depth == MOST_DEPTH {
            return None;
        }
        self.at += 1;
        let head = self.packed.len();
        self.packed.push(0);
        let mut count = 0_u32;
        self.skip_spaces();
        if self.peek()? != end {
            loop {
                element(self, depth + 1)?;
                count += 1;
                self.skip_spaces();
                if self.peek()? == end {
                    break;
                }
                self.expect(b',')?;
            }
        }
        self.at += 1;
        let behind = head + 1;
        if count < 16 {
            self.packed[head] = markers.0 | count as u8;
        } else if let Ok(count) = u16::try_from(count) {
            self.packed[head] = markers.1;
            self.packed.splice(behind..behind, count.to_be_bytes());
        } else {
            self.packed[head] = markers.1 + 1;
            self.packed.splice(behind..behind, count.to_be_bytes());
        }
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        self.expect(b'"')?;
        let text: &'a str = self.text;
        let rest = &text.as_bytes()[self.at..];
        let length = memchr::memchr2(b'"', b'\\', rest)?;
        if rest[length] == b'"' {
            self.put_text(&text[self.at..self.at + length]);
            self.at += length + 1;
            return Some(());
        }
        let mut unescaped = String::new();
        loop {
            let rest = &text.as_bytes()[self.at..];
            let length = memchr::memchr2(b'"', b'\\', rest)?;
            unescaped.push_str(&text[self.at..self.at + length]);
            self.at += length + 1;
            if rest[length] == b'"' {
                self.put_text(&unescaped);
                return Some(());
            }
            unescaped.push(self.escaped()?);
        }
    }

    /// What a backslash and the next characters mean.
    fn escaped(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += 1;
        Some(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.unit()?;
                if !(0xd800..0xdc00).contains(&unit) {
                    return Some(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                let before = self.at;
                if self.text[self.at..].starts_with("\\u") {
                    self.at += 2;
                    let low = self.unit()?;
                    if (0xdc00..0xe000).contains(&low) {
                        let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                        return char::from_u32(code);
                    }
                    self.at = before;
                }
                char::REPLACEMENT_CHARACTER
            }
            _ => return None,
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }

    fn put_text(&mut self, text: &str) {
        let length = text.len();
        if length < 32 {
            self.packed.push(0xa0 | length as u8);
        } else if let Ok(length) = u8::try_from(length) {
            self.packed.extend([0xd9, length]);
        } else if let Ok(length) = u16::try_from(length) {
            self.packed.push(0xda);
            self.packed.extend(length.to_be_bytes());
        } else {
            // A frame is far smaller than 4 GiB.
            self.packed.push(0xdb);
            self.packed.extend((length as u32).to_be_bytes());
        }
        self.packed.extend_from_slice(text.as_bytes());
    }

    fn literal(&mut self, word: &str, marker: u8) -> Option<()> {
        if !self.text[self.at..].starts_with(word) {
            return None;
        }
        self.at += word.len();
        self.packed.push(marker);
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let rest = &self.text[self.at..];
        let is_part = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
        let length = rest.bytes().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let digits = &rest[..length];
        let is_negative = digits.starts_with('-');
        if !digits[usize::from(is_negative)..].starts_with(|first: char| first.is_ascii_digit()) {
            return None;
        }
        if digits == "-0" {
            self.put_float(-0.0);
        } else if let Ok(number) = digits.parse::<u64>() {
            self.put_unsigned(number);
        } else if let Ok(number) = digits.parse::<i64>() {
            self.put_negative(number);
        } else {
            self.put_float(digits.parse().ok()?);
        }
        self.at += length;
        Some(())
    }

    fn put_unsigned(&mut self, number: u64) {
        if number < 0x80 {
            self.packed.push(number as u8);
        } else if let Ok(number) = u8::try_from(number) {
            self.packed.extend([0xcc, number]);
        } else if let Ok(number) = u16::try_from(number) {
            self.put(0xcd, number.to_be_bytes());
        } else if let Ok(number) = u32::try_from(number) {
            self.put(0xce, number.to_be_bytes());
        } else {
            self.put(0xcf, number.to_be_bytes());
        }
    }

    fn put_negative(&mut self, number: i64) {
        if number >= -32 {
            self.packed.push((number as i8).cast_unsigned());
        } else if let Ok(number) = i8::try_from(number) {
            self.put(0xd0, number.to_be_bytes());
        } else if let Ok(number) = i16::try_from(number) {
            self.put(0xd1, number.to_be_bytes());
        } else if let Ok(number) = i32::try_from(number) {
            self.put(0xd2, number.to_be_bytes());
        } else {
            self.put(0xd3, number.to_be_bytes());
        }
    }

    fn put_float(&mut self, number: f64) {
        let short = number as f32;
        if f64::from(short).to_bits() == number.to_bits() {
            self.put(0xca, short.to_be_bytes());
        } else {
            self.put(0xcb, number.to_be_bytes());
        }
    }

    fn put<const N: usize>(&mut self, marker: u8, bytes: [u8; N]) {
        self.packed.push(marker);
        self.packed.extend(bytes);
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        if self.peek()? != byte {
            return None;
        }
        self.at += 1;
        Some(())
    }

    fn skip_spaces(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }
}
