//! The client's side of a WebSocket: writes masked frames, reads server frames out of whatever the socket gave.
//!
//! For generators, which share their cores with the servers that they measure: a message that lies whole in the chunk is
//! handed on without a copy. Between reads a connection keeps only the bytes of an unfinished message, so an idle one keeps
//! nothing. Must not know what the messages mean.

use super::header::{self, Header, NotAHeader, Opcode, Side, unmask};
pub use super::inflate::{Inflater, NotInflated};

/// Largest message accepted, in bytes. A sync page is the longest thing a server says.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// A kept buffer above this many bytes is given back when it is empty.
const KEPT_BYTES: usize = 4 * 1024;

/// What the server said.
#[derive(Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A whole text or binary message. The text is not checked to be UTF-8.
    Whole(&'a [u8]),
    /// A whole message, compressed: only where that was agreed on.
    Deflated(&'a [u8]),
    /// Must be answered with the same bytes.
    Ping(&'a [u8]),
    /// An answer to a ping.
    Pong,
    /// The server ends the connection. 1005 when it named no code.
    Close(u16),
}

/// The server broke the protocol; the connection is of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// Reserved bits or an unknown opcode.
    #[error("a frame with reserved bits or opcode")]
    Reserved,
    /// A server must not mask.
    #[error("a masked frame from a server")]
    Masked,
    /// A control frame in fragments or above 125 bytes.
    #[error("a bad control frame")]
    Control,
    /// A continuation of nothing, or a new message inside another.
    #[error("fragments out of order")]
    Fragments,
    /// Longer than [`MAX_MESSAGE_BYTES`].
    #[error("a message above {MAX_MESSAGE_BYTES} bytes")]
    TooLong,
    /// Said to be compressed, and is not.
    #[error("a message that cannot be inflated")]
    NotDeflated,
}

impl From<NotAHeader> for ProtocolError {
    fn from(error: NotAHeader) -> Self {
        match error {
            NotAHeader::Reserved => Self::Reserved,
            NotAHeader::Mask => Self::Masked,
            NotAHeader::Control => Self::Control,
        }
    }
}

impl From<NotInflated> for ProtocolError {
    fn from(error: NotInflated) -> Self {
        match error {
            NotInflated::TooBig => Self::TooLong,
            NotInflated::Broken => Self::NotDeflated,
        }
    }
}

/// Reads a header at the start of `bytes`, its length and that of its payload; nothing when more bytes are needed.
fn header(
    bytes: &[u8],
    takes_deflated: bool,
) -> Result<Option<(Header, usize, usize)>, ProtocolError> {
    let Some((header, length)) = Header::read(bytes, Side::Server)? else { return Ok(None) };
    // Only the first frame of a message says that it is compressed.
    let may_say_so = takes_deflated && matches!(header.opcode, Opcode::Text | Opcode::Binary);
    if header.is_compressed && !may_say_so {
        return Err(ProtocolError::Reserved);
    }
    match usize::try_from(header.length) {
        Ok(payload) if payload <= MAX_MESSAGE_BYTES => Ok(Some((header, length, payload))),
        _ => Err(ProtocolError::TooLong),
    }
}

/// Reads the messages of one connection.
#[derive(Debug, Default)]
pub struct Reader {
    /// The beginning of a frame whose end has not come.
    unfinished: Vec<u8>,
    /// The fragments of a message so far.
    fragments: Option<Fragments>,
    takes_deflated: bool,
}

#[derive(Debug)]
struct Fragments {
    bytes: Vec<u8>,
    is_deflated: bool,
}

impl Reader {
    /// For a connection on which compression was agreed on.
    pub fn of_deflated() -> Self {
        Self { takes_deflated: true, ..Self::default() }
    }

    /// Takes what the socket gave and hands each message to `hear`, in order.
    pub fn feed(
        &mut self,
        chunk: &[u8],
        mut hear: impl FnMut(Message<'_>),
    ) -> Result<(), ProtocolError> {
        if self.unfinished.is_empty() {
            let taken = self.read(chunk, &mut hear)?;
            self.unfinished.extend_from_slice(&chunk[taken..]);
            return Ok(());
        }
        let mut bytes = std::mem::take(&mut self.unfinished);
        bytes.extend_from_slice(chunk);
        let taken = self.read(&bytes, &mut hear)?;
        bytes.drain(..taken);
        if !bytes.is_empty() || bytes.capacity() <= KEPT_BYTES {
            self.unfinished = bytes;
        }
        Ok(())
    }

    /// Reads whole frames; how many bytes they took.
    fn read(
        &mut self,
        bytes: &[u8],
        hear: &mut impl FnMut(Message<'_>),
    ) -> Result<usize, ProtocolError> {
        let mut at = 0;
        while let Some((header, length, payload)) = header(&bytes[at..], self.takes_deflated)? {
            let start = at + length;
            let end = start + payload;
            let Some(payload) = bytes.get(start..end) else { break };
            at = end;
            self.frame(&header, payload, hear)?;
        }
        Ok(at)
    }

    fn frame(
        &mut self,
        header: &Header,
        payload: &[u8],
        hear: &mut impl FnMut(Message<'_>),
    ) -> Result<(), ProtocolError> {
        match (header.opcode, &mut self.fragments) {
            (Opcode::Ping, _) => hear(Message::Ping(payload)),
            (Opcode::Pong, _) => hear(Message::Pong),
            (Opcode::Close, _) => hear(Message::Close(close_code(payload))),
            (Opcode::Text | Opcode::Binary, None) if header.is_last => {
                hear(message(payload, header.is_compressed));
            }
            (Opcode::Text | Opcode::Binary, None) => {
                let (bytes, is_deflated) = (payload.to_vec(), header.is_compressed);
                self.fragments = Some(Fragments { bytes, is_deflated });
            }
            (Opcode::Continuation, Some(fragments)) => {
                if fragments.bytes.len() + payload.len() > MAX_MESSAGE_BYTES {
                    return Err(ProtocolError::TooLong);
                }
                fragments.bytes.extend_from_slice(payload);
                if header.is_last {
                    hear(message(&fragments.bytes, fragments.is_deflated));
                    self.fragments = None;
                }
            }
            _ => return Err(ProtocolError::Fragments),
        }
        Ok(())
    }
}

fn message(bytes: &[u8], is_deflated: bool) -> Message<'_> {
    if is_deflated { Message::Deflated(bytes) } else { Message::Whole(bytes) }
}

fn close_code(payload: &[u8]) -> u16 {
    match payload {
        [high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 1005,
    }
}

/// Appends a text message.
pub fn write_text(out: &mut Vec<u8>, text: &[u8], mask: [u8; 4]) {
    write_frame(out, Opcode::Text, text, mask);
}

/// Appends a binary message.
pub fn write_binary(out: &mut Vec<u8>, bytes: &[u8], mask: [u8; 4]) {
    write_frame(out, Opcode::Binary, bytes, mask);
}

/// Appends the answer to a ping.
pub fn write_pong(out: &mut Vec<u8>, payload: &[u8], mask: [u8; 4]) {
    write_frame(out, Opcode::Pong, payload, mask);
}

/// Appends a close frame with a code.
pub fn write_close(out: &mut Vec<u8>, code: u16, mask: [u8; 4]) {
    write_frame(out, Opcode::Close, &code.to_be_bytes(), mask);
}

fn write_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], mask: [u8; 4]) {
    header::write(out, opcode, false, payload.len(), Some(mask));
    let start = out.len();
    out.extend_from_slice(payload);
    unmask(&mut out[start..], mask, 0);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONTINUATION: u8 = 0x0;
    const TEXT: u8 = 0x1;
    const BINARY: u8 = 0x2;
    const CLOSE: u8 = 0x8;
    const PING: u8 = 0x9;
    const DEFLATED: u8 = 0x40;

    /// A server's frame: not masked.
    fn server_frame(is_final: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![if is_final { 0x80 | opcode } else { opcode }];
        match payload.len() {
            short @ 0..=125 => frame.push(short as u8),
            middle => {
                frame.push(126);
                frame.extend_from_slice(&u16::try_from(middle).unwrap().to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    fn heard(chunks: &[&[u8]]) -> Result<Vec<Vec<u8>>, ProtocolError> {
        heard_by(Reader::default(), chunks)
    }

    fn heard_by(mut reader: Reader, chunks: &[&[u8]]) -> Result<Vec<Vec<u8>>, ProtocolError> {
        let mut messages = Vec::new();
        for chunk in chunks {
            reader.feed(chunk, |message| match message {
                Message::Whole(bytes) => messages.push(bytes.to_vec()),
                Message::Deflated(bytes) => messages.push([b"deflated ", bytes].concat()),
                Message::Ping(bytes) => messages.push([b"ping ", bytes].concat()),
                Message::Pong => messages.push(b"pong".to_vec()),
                Message::Close(code) => messages.push(format!("close {code}").into_bytes()),
            })?;
        }
        Ok(messages)
    }

    #[test]
    fn control_frames_may_stand_between_fragments() {
        let stream = [
            server_frame(false, TEXT, b"one "),
            server_frame(true, PING, b"?"),
            server_frame(false, CONTINUATION, b"two "),
            server_frame(true, CONTINUATION, b"three"),
            server_frame(true, CLOSE, &1012_u16.to_be_bytes()),
        ]
        .concat();
        let expected = [b"ping ?".to_vec(), b"one two three".to_vec(), b"close 1012".to_vec()];
        assert_eq!(heard(&[&stream]).unwrap(), expected);
    }

    #[test]
    fn what_breaks_the_protocol_is_refused() {
        let cases: [(&[u8], ProtocolError); 6] = [
            (&[0xC1, 0], ProtocolError::Reserved),
            (&[0x83, 0], ProtocolError::Reserved),
            (&[0x81, 0x80], ProtocolError::Masked),
            (&[0x09, 0], ProtocolError::Control),
            (&[0x80, 0], ProtocolError::Fragments),
            (&[0x81, 127, 0xFF, 0, 0, 0, 0, 0, 0, 0], ProtocolError::TooLong),
        ];
        for (bytes, error) in cases {
            assert_eq!(heard(&[bytes]), Err(error), "{bytes:02x?}");
        }
    }

    #[test]
    fn only_the_first_frame_says_that_a_message_is_compressed_and_only_where_that_was_agreed_on() {
        let deflated = |mut frame: Vec<u8>| {
            frame[0] |= DEFLATED;
            frame
        };
        let whole = deflated(server_frame(true, TEXT, b"one"));
        assert_eq!(heard(&[&whole]), Err(ProtocolError::Reserved));
        let stream = [
            whole,
            server_frame(true, TEXT, b"two"),
            deflated(server_frame(false, BINARY, b"thr")),
            server_frame(true, CONTINUATION, b"ee"),
        ]
        .concat();
        let expected = [b"deflated one".to_vec(), b"two".to_vec(), b"deflated three".to_vec()];
        assert_eq!(heard_by(Reader::of_deflated(), &[&stream]).unwrap(), expected);
        for opcode in [CONTINUATION, PING, CLOSE] {
            let frame = deflated(server_frame(true, opcode, b""));
            let refused = heard_by(Reader::of_deflated(), &[&frame]);
            assert_eq!(refused, Err(ProtocolError::Reserved), "{opcode}");
        }
    }

    #[test]
    fn a_reader_keeps_no_memory_between_messages() {
        let long = server_frame(true, TEXT, &vec![b'x'; 60_000]);
        let mut reader = Reader::default();
        for chunk in long.chunks(1_000) {
            reader.feed(chunk, |_| {}).unwrap();
        }
        assert_eq!(reader.unfinished.capacity(), 0);
    }

    proptest! {
        #[test]
        fn messages_do_not_depend_on_how_the_stream_was_cut(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..8),
            cuts in prop::collection::vec(1_usize..200, 1..40),
        ) {
            let stream: Vec<u8> =
                messages.iter().flat_map(|bytes| server_frame(true, TEXT, bytes)).collect();
            let mut rest = &stream[..];
            let mut chunks = Vec::new();
            for cut in cuts {
                let (chunk, after) = rest.split_at(cut.min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            chunks.push(rest);
            prop_assert_eq!(heard(&chunks).unwrap(), messages);
        }

        #[test]
        fn no_stream_makes_a_reader_panic(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..8),
        ) {
            let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            let _ = heard(&chunks);
        }
    }
}
