//! The `ref` of MessagePack that is not read as a frame; see [`crate::frame::reference`].

use crate::frame::MAX_REF_BYTES;

/// The text under `ref` in the outermost map. Reads each byte once at most and never recurses: values of other keys
/// are counted and skipped.
pub(super) fn reference_in(bytes: &[u8]) -> Option<String> {
    let mut reader = Reader { rest: bytes };
    let Value::Map(pairs) = reader.value()? else { return None };
    for _ in 0..pairs {
        let Value::Text(key) = reader.value()? else { return None };
        if key != b"ref" {
            reader.skip()?;
            continue;
        }
        let Value::Text(reference) = reader.value()? else { return None };
        let reference = std::str::from_utf8(reference).ok()?;
        return (reference.len() <= MAX_REF_BYTES).then(|| reference.to_owned());
    }
    None
}

/// The head of a value; of texts the bytes, too.
enum Value<'a> {
    Text(&'a [u8]),
    Map(usize),
    Array(usize),
    Other,
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn skip(&mut self) -> Option<()> {
        // A length is 32 bits; each value that is still due takes a byte, so the sum is met or the bytes end.
        let mut due = 1_u64;
        while due > 0 {
            due -= 1;
            due = due.saturating_add(match self.value()? {
                Value::Map(pairs) => 2 * pairs as u64,
                Value::Array(length) => length as u64,
                Value::Text(_) | Value::Other => 0,
            });
        }
        Some(())
    }

    fn value(&mut self) -> Option<Value<'a>> {
        let marker = self.number(1)?;
        Some(match marker {
            0x80..=0x8f => Value::Map(marker & 0x0f),
            0x90..=0x9f => Value::Array(marker & 0x0f),
            0xa0..=0xbf => Value::Text(self.bytes(marker & 0x1f)?),
            0xd9..=0xdb => {
                let length = self.number(1 << (marker - 0xd9))?;
                Value::Text(self.bytes(length)?)
            }
            0xdc | 0xdd => Value::Array(self.number(2 << (marker - 0xdc))?),
            0xde | 0xdf => Value::Map(self.number(2 << (marker - 0xde))?),
            0xc4..=0xc6 => {
                let length = self.number(1 << (marker - 0xc4))?;
                self.other(length)?
            }
            0xc7..=0xc9 => {
                let length = self.number(1 << (marker - 0xc7))?;
                self.other(length.checked_add(1)?)?
            }
            0xca => self.other(4)?,
            0xcb => self.other(8)?,
            0xcc..=0xcf => self.other(1 << (marker - 0xcc))?,
            0xd0..=0xd3 => self.other(1 << (marker - 0xd0))?,
            0xd4..=0xd8 => self.other((1 << (marker - 0xd4)) + 1)?,
            // Small numbers, null, false, true, and the byte that is never used.
            _ => Value::Other,
        })
    }

    fn other(&mut self, length: usize) -> Option<Value<'a>> {
        self.bytes(length).map(|_| Value::Other)
    }

    /// A number of 1, 2 or 4 bytes.
    fn number(&mut self, length: usize) -> Option<usize> {
        let bytes = self.bytes(length)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_behind_every_kind_of_value() {
        let reference = &b"\xa3ref\xa11"[..];
        let values: [&[u8]; 20] = [
            b"\x07",
            b"\xff",
            b"\xc0",
            b"\xc4\x02ab",
            b"\xc5\x00\x01a",
            b"\xc7\x01\x05a",
            b"\xca\0\0\0\0",
            b"\xcb\0\0\0\0\0\0\0\0",
            b"\xcc\x01",
            b"\xcf\0\0\0\0\0\0\0\0",
            b"\xd1\0\0",
            b"\xd4\x01a",
            b"\xd8\x010123456789abcdef",
            b"\xd9\x02ab",
            b"\xda\x00\x02ab",
            b"\xdc\x00\x02\x01\x02",
            b"\xde\x00\x01\xa1a\x01",
            b"\x92\x81\xa3ref\xa12\x90",
            b"\x83\x01\x02\xa1a\x91\x91\x91\x01\xa1b\xc1",
            b"\xdb\0\0\0\x01a",
        ];
        for value in values {
            let frame = [&b"\x82\xa1a"[..], value, reference].concat();
            assert_eq!(reference_in(&frame).as_deref(), Some("1"), "{value:x?}");
            for end in 0..frame.len() {
                assert_eq!(reference_in(&frame[..end]), None, "{value:x?} {end}");
            }
        }
        let deep = [&b"\x82\xa1a"[..], &vec![0x91; 100_000], b"\x01", reference].concat();
        assert_eq!(reference_in(&deep).as_deref(), Some("1"));
        for none in
            [&b"\x91\x81\xa3ref\xa11"[..], b"\x81\xa3ref\x01", b"\x81\x01\xa11", b"\xa3ref", b""]
        {
            assert_eq!(reference_in(none), None, "{none:x?}");
        }
        // Lengths that promise more than memory has.
        assert_eq!(reference_in(b"\x81\xa1a\xdf\xff\xff\xff\xff"), None);
        assert_eq!(reference_in(b"\xdf\xff\xff\xff\xff\xa1a\xdd\xff\xff\xff\xff\x91"), None);
    }
}
