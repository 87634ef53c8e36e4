//! A client's bytes to messages (RFC 6455): heads, masks, fragments, UTF-8, control frames in between.
//! Does no I/O; holds no more than one message and what is left of the last read, and nothing at all
//! while the client is silent.

use bytes::Bytes;

use super::deflate;
use super::header::{Header, Opcode, Side, unmask};
use super::inflate::NotInflated;

/// One message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
    /// A ping, which is answered by itself.
    Ping(Bytes),
    /// The answer to a ping.
    Pong(Bytes),
    /// A close frame. The code is absent when the frame was empty.
    Close(Option<u16>),
}

impl Message {
    /// The bytes of one that is no control frame.
    pub fn data_bytes(&self) -> Option<usize> {
        match self {
            Self::Text(text) => Some(text.len()),
            Self::Binary(bytes) => Some(bytes.len()),
            Self::Ping(_) | Self::Pong(_) | Self::Close(_) => None,
        }
    }
}

/// Why nothing more can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A message beyond the limit; its rest is unread.
    #[error("a message beyond the limit")]
    TooBig,
    /// Text that is not UTF-8.
    #[error("a text message that is not UTF-8")]
    NotText,
    /// Against the protocol.
    #[error("not the WebSocket protocol")]
    NotFrames,
    /// There was no room for it in time.
    #[error("no room for a message of this size")]
    NoRoom,
    /// Its rest did not come in time.
    #[error("a message that did not come in time")]
    Unfinished,
    /// The connection has failed or ended without a close frame.
    #[error("the connection is lost: {0}")]
    Lost(#[from] std::io::Error),
}

/// What becomes of the payload under way.
#[derive(Debug, Clone, Copy)]
struct Payload {
    header: Header,
    /// Bytes of it that have come.
    come: u64,
}

/// A data message under way.
#[derive(Debug)]
struct Partial {
    opcode: Opcode,
    is_compressed: bool,
    bytes: Vec<u8>,
    /// How many there will be at the end of the frame under way.
    whole: usize,
    /// So many of its bytes are known to be UTF-8.
    valid: usize,
}

/// What of a message's state is rare: an idle socket has none of it.
#[derive(Debug, Default)]
struct UnderWay {
    /// Bytes that are not looked at yet.
    unread: Vec<u8>,
    /// Of those, so many are done with.
    done: usize,
    payload: Option<Payload>,
    message: Option<Partial>,
    control: Vec<u8>,
}

/// Turns bytes into messages.
#[derive(Debug)]
pub(super) struct Reader {
    under_way: Option<Box<UnderWay>>,
    /// Largest message, in bytes, compressed or not.
    limit: u32,
    /// The extension was agreed on.
    inflates: bool,
}

impl Reader {
    pub(super) fn new(limit: usize, inflates: bool) -> Self {
        Self { under_way: None, limit: u32::try_from(limit).unwrap_or(u32::MAX), inflates }
    }

    /// True when the extension was agreed on.
    pub(super) fn inflates(&self) -> bool {
        self.inflates
    }

    /// True when it holds no memory: nothing has come in part.
    pub(super) fn is_at_rest(&self) -> bool {
        self.under_way.is_none()
    }

    /// How much memory it takes once so many bytes more were put and looked at.
    pub(super) fn wanted(&self, more: usize) -> usize {
        self.under_way.as_ref().map_or(0, |under_way| under_way.wanted(more))
    }

    /// Takes what was read from the connection.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.under_way.get_or_insert_default().unread.extend_from_slice(bytes);
        }
    }

    /// The next message; none when more bytes are needed.
    pub(super) fn next(&mut self) -> Result<Option<Message>, ReadError> {
        let Some(under_way) = &mut self.under_way else { return Ok(None) };
        let message = under_way.next(self.limit as usize, self.inflates)?;
        if message.is_none() && under_way.is_idle() {
            self.under_way = None;
        }
        Ok(message)
    }
}

impl UnderWay {
    fn wanted(&self, more: usize) -> usize {
        let message = self.message.as_ref().map_or(0, |message| message.room(more));
        // What is read next moves into the message, or is looked at before anything else is read.
        message + self.unread.len() + self.control.len()
    }

    fn is_idle(&self) -> bool {
        self.unread.is_empty() && self.payload.is_none() && self.message.is_none()
    }

    fn next(&mut self, limit: usize, inflates: bool) -> Result<Option<Message>, ReadError> {
        loop {
            if self.payload.is_none() {
                match Header::read(&self.unread[self.done..], Side::Client) {
                    Ok(Some((header, length))) => {
                        self.done += length;
                        self.begin(header, limit, inflates)?;
                        self.payload = Some(Payload { header, come: 0 });
                    }
                    Ok(None) => {
                        self.unread.drain(..self.done);
                        self.done = 0;
                        return Ok(None);
                    }
                    Err(_) => return Err(ReadError::NotFrames),
                }
            }
            if !self.take_payload()? {
                return Ok(None);
            }
            let Some(Payload { header, .. }) = self.payload.take() else { continue };
            if let Some(message) = self.finish(&header, limit)? {
                return Ok(Some(message));
            }
        }
    }

    /// Whether this frame may come now.
    fn begin(&mut self, header: Header, limit: usize, inflates: bool) -> Result<(), ReadError> {
        let is_first = matches!(header.opcode, Opcode::Text | Opcode::Binary);
        if header.is_compressed && !(inflates && is_first) {
            return Err(ReadError::NotFrames);
        }
        if header.opcode.is_control() {
            return Ok(());
        }
        match (&mut self.message, is_first) {
            (None, true) => {
                self.message = Some(Partial {
                    opcode: header.opcode,
                    is_compressed: header.is_compressed,
                    bytes: Vec::new(),
                    whole: 0,
                    valid: 0,
                });
            }
            (Some(_), false) => {}
            _ => return Err(ReadError::NotFrames),
        }
        let Some(message) = &mut self.message else { return Ok(()) };
        let whole = (message.bytes.len() as u64).saturating_add(header.length);
        if whole > limit as u64 {
            return Err(ReadError::TooBig);
        }
        message.whole = whole as usize;
        Ok(())
    }

    /// Takes what there is of the payload; true when it is whole.
    fn take_payload(&mut self) -> Result<bool, ReadError> {
        let Some(payload) = &mut self.payload else { return Ok(false) };
        let left = payload.header.length - payload.come;
        let here = self.unread.len() - self.done;
        let count = here.min(usize::try_from(left).unwrap_or(usize::MAX));
        let bytes = &mut self.unread[self.done..self.done + count];
        unmask(bytes, payload.header.mask, payload.come);
        match &mut self.message {
            Some(message) if !payload.header.opcode.is_control() => {
                let room = message.room(bytes.len());
                message.bytes.reserve_exact(room - message.bytes.len());
                message.bytes.extend_from_slice(bytes);
            }
            _ => self.control.extend_from_slice(bytes),
        }
        payload.come += count as u64;
        self.done += count;
        let is_whole = payload.come == payload.header.length;
        if let Some(message) = &mut self.message
            && !(is_whole && payload.header.is_last)
        {
            message.check_text()?;
        }
        if self.done == self.unread.len() {
            (self.unread, self.done) = (Vec::new(), 0);
        }
        Ok(is_whole)
    }

    /// What a whole frame completes.
    fn finish(&mut self, header: &Header, limit: usize) -> Result<Option<Message>, ReadError> {
        if header.opcode.is_control() {
            let payload = std::mem::take(&mut self.control);
            return match header.opcode {
                Opcode::Close => close(&payload).map(Some),
                Opcode::Ping => Ok(Some(Message::Ping(payload.into()))),
                _ => Ok(Some(Message::Pong(payload.into()))),
            };
        }
        if !header.is_last {
            return Ok(None);
        }
        let Some(mut message) = self.message.take() else { return Ok(None) };
        if message.is_compressed {
            message.bytes = match deflate::inflate(&message.bytes, limit) {
                Ok(bytes) => bytes,
                Err(NotInflated::TooBig) => return Err(ReadError::TooBig),
                Err(NotInflated::Broken) => return Err(ReadError::NotFrames),
            };
            message.is_compressed = false;
        }
        if message.opcode == Opcode::Binary {
            return Ok(Some(Message::Binary(message.bytes.into())));
        }
        let text = String::from_utf8(message.bytes).map_err(|_| ReadError::NotText)?;
        Ok(Some(Message::Text(text)))
    }
}

impl Partial {
    /// Room for so many bytes more, and for what they are followed by: doubled, but not beyond the frame's end.
    fn room(&self, more: usize) -> usize {
        let needed = (self.bytes.len() + more).min(self.whole.max(self.bytes.len()));
        if needed <= self.bytes.capacity() {
            return self.bytes.capacity();
        }
        needed.max(self.bytes.capacity().saturating_mul(2).min(self.whole))
    }

    /// Finds bytes that are no text as soon as they have come, in a message that is not whole yet.
    fn check_text(&mut self) -> Result<(), ReadError> {
        if self.opcode != Opcode::Text || self.is_compressed {
            return Ok(());
        }
        match std::str::from_utf8(&self.bytes[self.valid..]) {
            Ok(text) => self.valid += text.len(),
            Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
            Err(_) => return Err(ReadError::NotText),
        }
        Ok(())
    }
}

/// Reads the payload of a close frame (section 5.5.1).
fn close(payload: &[u8]) -> Result<Message, ReadError> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() {
            Ok(Message::Close(None))
        } else {
            Err(ReadError::NotFrames)
        };
    };
    let code = u16::from_be_bytes(*code);
    if std::str::from_utf8(reason).is_err() {
        return Err(ReadError::NotText);
    }
    match code {
        1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(Message::Close(Some(code))),
        _ => Err(ReadError::NotFrames),
    }
}
