//! MessagePack from a stranger to JSON text. What JSON cannot say is refused, not guessed.

use std::io::Write;

/// Why bytes are no frame. The texts say what to correct and repeat nothing of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotFrame {
    /// A length promises more than there is.
    #[error("MessagePack that ends in the middle of a value")]
    Cut,
    /// More than one value.
    #[error("one frame is one MessagePack map; something follows it")]
    Trailing,
    /// A key of a map that is a number, a map, …
    #[error("a key of a MessagePack map is not text")]
    Key,
    /// Text that is no UTF-8.
    #[error("MessagePack text that is not UTF-8")]
    NotText,
    /// `bin`.
    #[error("MessagePack binary data; ids are text, as in JSON, and other bytes are base64 text")]
    Binary,
    /// `ext`, timestamps among them.
    #[error("a MessagePack extension type; times are numbers, as in JSON")]
    Extension,
    /// The byte 0xc1.
    #[error("a byte that MessagePack never uses")]
    NeverUsed,
    /// NaN or an infinity.
    #[error("a number that is not finite")]
    NotFinite,
    /// Nested too deep.
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    /// The JSON text would be larger than allowed.
    #[error("larger than `limits.frame_bytes` of `welcome` when written as JSON")]
    TooLarge,
}

/// One value as JSON text of at most `most_bytes`, nested at most `most_depth` deep.
pub fn to_json(bytes: &[u8], most_depth: usize, most_bytes: usize) -> Result<String, NotFrame> {
    // Keys and small numbers grow by quotes and commas: a third more is enough for most frames.
    let room = most_bytes.min(bytes.len().saturating_add(bytes.len() / 3));
    let mut reader = Reader { rest: bytes, json: Vec::with_capacity(room), most_depth, most_bytes };
    reader.value(0)?;
    if !reader.rest.is_empty() {
        return Err(NotFrame::Trailing);
    }
    String::from_utf8(reader.json).map_err(|_| NotFrame::NotText)
}

struct Reader<'a> {
    rest: &'a [u8],
    json: Vec<u8>,
    most_depth: usize,
    most_bytes: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<(), NotFrame> {
        let [marker] = self.take()?;
        match marker {
            0x00..=0x7f => self.number(marker),
            0xe0..=0xff => self.number(marker.cast_signed()),
            0x80..=0x8f => self.map(usize::from(marker & 0x0f), depth),
            0x90..=0x9f => self.array(usize::from(marker & 0x0f), depth),
            0xa0..=0xbf => self.text(usize::from(marker & 0x1f)),
            0xc0 => self.put(b"null"),
            0xc1 => Err(NotFrame::NeverUsed),
            0xc2 => self.put(b"false"),
            0xc3 => self.put(b"true"),
            0xc4..=0xc6 => Err(NotFrame::Binary),
            0xc7..=0xc9 | 0xd4..=0xd8 => Err(NotFrame::Extension),
            0xca => {
                let number = f32::from_be_bytes(self.take()?);
                self.float(f64::from(number))
            }
            0xcb => {
                let number = f64::from_be_bytes(self.take()?);
                self.float(number)
            }
            0xcc => self.take().and_then(|bytes| self.number(u8::from_be_bytes(bytes))),
            0xcd => self.take().and_then(|bytes| self.number(u16::from_be_bytes(bytes))),
            0xce => self.take().and_then(|bytes| self.number(u32::from_be_bytes(bytes))),
            0xcf => self.take().and_then(|bytes| self.number(u64::from_be_bytes(bytes))),
            0xd0 => self.take().and_then(|bytes| self.number(i8::from_be_bytes(bytes))),
            0xd1 => self.take().and_then(|bytes| self.number(i16::from_be_bytes(bytes))),
            0xd2 => self.take().and_then(|bytes| self.number(i32::from_be_bytes(bytes))),
            0xd3 => self.take().and_then(|bytes| self.number(i64::from_be_bytes(bytes))),
            0xd9..=0xdb => {
                let length = self.length(marker - 0xd9)?;
                self.text(length)
            }
            0xdc | 0xdd => {
                let length = self.length(marker - 0xdc + 1)?;
                self.array(length, depth)
            }
            0xde | 0xdf => {
                let length = self.length(marker - 0xde + 1)?;
                self.map(length, depth)
            }
        }
    }

    /// A length of 1, 2 or 4 bytes, by the power of two.
    fn length(&mut self, power: u8) -> Result<usize, NotFrame> {
        Ok(match power {
            0 => usize::from(u8::from_be_bytes(self.take()?)),
            1 => usize::from(u16::from_be_bytes(self.take()?)),
            _ => u32::from_be_bytes(self.take()?) as usize,
        })
    }

    // Lengths are only believed element by element: each takes a byte at least.
    fn array(&mut self, length: usize, depth: usize) -> Result<(), NotFrame> {
        let depth = self.deeper(depth)?;
        self.put(b"[")?;
        for index in 0..length {
            if index > 0 {
                self.put(b",")?;
            }
            self.value(depth)?;
        }
        self.put(b"]")
    }

    fn map(&mut self, length: usize, depth: usize) -> Result<(), NotFrame> {
        let depth = self.deeper(depth)?;
        self.put(b"{")?;
        for index in 0..length {
            if index > 0 {
                self.put(b",")?;
            }
            self.key()?;
            self.put(b":")?;
            self.value(depth)?;
        }
        self.put(b"}")
    }

    fn key(&mut self) -> Result<(), NotFrame> {
        let [marker] = self.take()?;
        let length = match marker {
            0xa0..=0xbf => usize::from(marker & 0x1f),
            0xd9..=0xdb => self.length(marker - 0xd9)?,
            _ => return Err(NotFrame::Key),
        };
        self.text(length)
    }

    fn deeper(&self, depth: usize) -> Result<usize, NotFrame> {
        if depth < self.most_depth {
            Ok(depth + 1)
        } else {
            Err(NotFrame::TooDeep(self.most_depth))
        }
    }

    fn text(&mut self, length: usize) -> Result<(), NotFrame> {
        let (text, rest) = self.rest.split_at_checked(length).ok_or(NotFrame::Cut)?;
        self.rest = rest;
        let text = std::str::from_utf8(text).map_err(|_| NotFrame::NotText)?;
        if self.json.len() + text.len() > self.most_bytes {
            return Err(NotFrame::TooLarge);
        }
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut self.json, text);
        self.check_size()
    }

    fn float(&mut self, number: f64) -> Result<(), NotFrame> {
        if !number.is_finite() {
            return Err(NotFrame::NotFinite);
        }
        let _ = serde_json::to_writer(&mut self.json, &number);
        self.check_size()
    }

    fn number(&mut self, number: impl std::fmt::Display) -> Result<(), NotFrame> {
        let _ = write!(self.json, "{number}");
        self.check_size()
    }

    fn put(&mut self, text: &[u8]) -> Result<(), NotFrame> {
        self.json.extend_from_slice(text);
        self.check_size()
    }

    fn check_size(&self) -> Result<(), NotFrame> {
        if self.json.len() > self.most_bytes { Err(NotFrame::TooLarge) } else { Ok(()) }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], NotFrame> {
        let (taken, rest): (&'a [u8; N], _) = self.rest.split_first_chunk().ok_or(NotFrame::Cut)?;
        self.rest = rest;
        Ok(*taken)
    }
}
