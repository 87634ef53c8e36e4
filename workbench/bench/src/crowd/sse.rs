//! An event stream as a member hears it, out of whatever pieces the socket gives: chunks of HTTP/1.1
//! around events. It must not know what the frames mean.

use memchr::memmem;
use wire_client::ws::codec::MAX_MESSAGE_BYTES;

/// Longest head of a chunk in bytes.
const MAX_HEAD_BYTES: usize = 64;

/// What the server said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A frame.
    Frame(&'a [u8]),
    /// The event `close`, with its code and reason as JSON.
    Close(&'a [u8]),
}

/// What came is no event stream in chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an event stream in chunks")]
pub struct Malformed;

/// Reads the body of one answer.
#[derive(Debug, Default)]
pub struct Reader {
    chunks: Chunks,
    /// The beginning of an event whose end has not come.
    unfinished: Vec<u8>,
}

impl Reader {
    /// Takes what the socket gave and hands each event to `hear`, in order.
    pub fn feed(
        &mut self,
        mut bytes: &[u8],
        mut hear: impl FnMut(Event<'_>),
    ) -> Result<(), Malformed> {
        while let Some(text) = self.chunks.next(&mut bytes)? {
            if self.unfinished.is_empty() {
                let taken = read(text, &mut hear);
                self.unfinished.extend_from_slice(&text[taken..]);
            } else {
                self.unfinished.extend_from_slice(text);
                let taken = read(&self.unfinished, &mut hear);
                self.unfinished.drain(..taken);
                if self.unfinished.is_empty() {
                    self.unfinished = Vec::new();
                }
            }
            if self.unfinished.len() > MAX_MESSAGE_BYTES {
                return Err(Malformed);
            }
        }
        Ok(())
    }
}

/// Reads whole events; how many bytes they took.
fn read(text: &[u8], hear: &mut impl FnMut(Event<'_>)) -> usize {
    let mut at = 0;
    while let Some(len) = memmem::find(&text[at..], b"\n\n") {
        if let Some(event) = event(&text[at..at + len]) {
            hear(event);
        }
        at += len + 2;
    }
    at
}

/// An event of one line of data, as the gateway writes them; none when it is only a comment.
fn event(lines: &[u8]) -> Option<Event<'_>> {
    let (mut is_close, mut data) = (false, None);
    for line in lines.split(|byte| *byte == b'\n') {
        if line == b"event: close" {
            is_close = true;
        } else if let Some(rest) = line.strip_prefix(b"data: ") {
            data = Some(rest);
        }
    }
    data.map(if is_close { Event::Close } else { Event::Frame })
}

/// Where in the chunks the stream is.
#[derive(Debug)]
enum Chunks {
    /// In a head, of which so much has come.
    Head(Vec<u8>),
    /// So many bytes of the chunk are to come.
    Data(usize),
    /// So many bytes of the line end behind a chunk are to come.
    End(usize),
    /// Behind the last chunk.
    Over,
}

impl Default for Chunks {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

impl Chunks {
    /// Takes from `bytes` up to the end of a piece of the body, and gives that; none when all is
    /// taken.
    fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
        while let [first, rest @ ..] = *bytes {
            match self {
                Self::Head(head) if *first == b'\n' => {
                    *bytes = rest;
                    *self = match size(head)? {
                        0 => Self::Over,
                        size => Self::Data(size),
                    };
                }
                Self::Head(head) => {
                    if head.len() == MAX_HEAD_BYTES {
                        return Err(Malformed);
                    }
                    head.push(*first);
                    *bytes = rest;
                }
                Self::Data(left) => {
                    let (piece, behind) = bytes.split_at((*left).min(bytes.len()));
                    *bytes = behind;
                    *left -= piece.len();
                    if *left == 0 {
                        *self = Self::End(2);
                    }
                    return Ok(Some(piece));
                }
                Self::End(left) => {
                    if *first != if *left == 2 { b'\r' } else { b'\n' } {
                        return Err(Malformed);
                    }
                    *bytes = rest;
                    *left -= 1;
                    if *left == 0 {
                        *self = Self::default();
                    }
                }
                Self::Over => *bytes = &[],
            }
        }
        Ok(None)
    }
}

/// The size in the head of a chunk.
fn size(head: &[u8]) -> Result<usize, Malformed> {
    let head = head.strip_suffix(b"\r").ok_or(Malformed)?;
    let digits = head.split(|byte| *byte == b';').next().unwrap_or_default();
    // A sign is no digit.
    if !digits.first().is_some_and(u8::is_ascii_hexdigit) {
        return Err(Malformed);
    }
    let size = std::str::from_utf8(digits).ok().and_then(|it| usize::from_str_radix(it, 16).ok());
    size.ok_or(Malformed)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A piece of a body as the gateway's HTTP server puts it on the wire.
    pub(crate) fn chunk(body: &[u8]) -> Vec<u8> {
        [format!("{:X}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat()
    }

    fn heard(pieces: &[&[u8]]) -> Result<Vec<String>, Malformed> {
        let mut reader = Reader::default();
        let mut all = Vec::new();
        for piece in pieces {
            reader.feed(piece, |event| {
                all.push(match event {
                    Event::Frame(json) => format!("frame {}", String::from_utf8_lossy(json)),
                    Event::Close(json) => format!("close {}", String::from_utf8_lossy(json)),
                });
            })?;
        }
        assert_eq!(reader.unfinished.capacity() == 0, reader.unfinished.is_empty());
        Ok(all)
    }

    #[test]
    fn frames_comments_and_the_goodbye_are_told_apart() {
        let stream = [
            chunk(b"data: {\"a\":1}\n\ndata: {\"b\":2}\n\n"),
            chunk(b":\n\n"),
            chunk(b"event: close\ndata: {\"code\":4009}\n\n"),
            b"0\r\n\r\n".to_vec(),
        ]
        .concat();
        let expected = ["frame {\"a\":1}", "frame {\"b\":2}", "close {\"code\":4009}"];
        assert_eq!(heard(&[&stream]).unwrap(), expected);
    }

    #[test]
    fn what_is_not_in_chunks_is_refused() {
        for bytes in [
            &b"data: {}\n\n"[..],
            b"\r\n",
            b"+5\r\nabcde\r\n",
            b"3\nabc\r\n",
            b"3\r\nabcd\r\n",
            b"FFFFFFFFFFFFFFFFF\r\n",
            &[b'0'; MAX_HEAD_BYTES + 1],
        ] {
            assert_eq!(heard(&[bytes]), Err(Malformed), "{}", String::from_utf8_lossy(bytes));
        }
    }

    proptest! {
        #[test]
        fn events_depend_neither_on_the_chunks_nor_on_how_the_stream_was_cut(
            frames in prop::collection::vec("[ -~]{0,60}", 1..8),
            chunks in prop::collection::vec(1_usize..80, 0..20),
            cuts in prop::collection::vec(1_usize..40, 0..60),
        ) {
            let events: Vec<String> =
                frames.iter().map(|frame| format!("data: {frame}\n\n:\n\n")).collect();
            let body = events.concat();
            let pieces = wire_client::cuts::cut(body.as_bytes(), chunks);
            // A chunk without bytes would be the last.
            let pieces = pieces.into_iter().filter(|piece| !piece.is_empty());
            let stream: Vec<u8> = pieces.flat_map(chunk).collect();
            let expected: Vec<String> = frames.iter().map(|frame| format!("frame {frame}")).collect();
            prop_assert_eq!(heard(&wire_client::cuts::cut(&stream, cuts)).unwrap(), expected);
        }

        #[test]
        fn no_stream_makes_a_reader_panic(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..8),
        ) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let _ = heard(&pieces);
        }
    }
}
