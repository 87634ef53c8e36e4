//! The head of a WebSocket frame (RFC 6455, section 5.2), both ways. Knows no stream and keeps nothing.

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Whose frame it is: a client masks everything, a server nothing (section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// A frame before its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) opcode: Opcode,
    pub(crate) is_last: bool,
    /// The first reserved bit: a compressed message begins.
    pub(crate) is_compressed: bool,
    /// Of a client's frame; zero in a server's.
    pub(crate) mask: [u8; 4],
    /// Bytes of the payload.
    pub(crate) length: u64,
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAHeader {
    /// Reserved bits or an unknown opcode.
    Reserved,
    /// A mask where there must be none, or none where there must be one.
    Mask,
    /// A control frame in fragments or with a long payload.
    Control,
}

/// Longest payload of a control frame, in bytes.
pub(super) const CONTROL_BYTES: u64 = 125;
const LAST: u8 = 0x80;
const COMPRESSED: u8 = 0x40;
const RESERVED: u8 = 0x30;
const MASKED: u8 = 0x80;

impl Header {
    /// Reads a head of this side from the beginning of `bytes`, and how long it is. None when more bytes are needed.
    #[inline]
    pub(crate) fn read(bytes: &[u8], side: Side) -> Result<Option<(Self, usize)>, NotAHeader> {
        let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
        let opcode = Opcode::from_bits(first & 0x0F).ok_or(NotAHeader::Reserved)?;
        let (is_last, is_compressed) = (first & LAST != 0, first & COMPRESSED != 0);
        if first & RESERVED != 0 {
            return Err(NotAHeader::Reserved);
        }
        if opcode.is_control() && !is_last {
            return Err(NotAHeader::Control);
        }
        let Some((&second, rest)) = rest.split_first() else { return Ok(None) };
        if (second & MASKED != 0) != (side == Side::Client) {
            return Err(NotAHeader::Mask);
        }
        let (length, rest) = match second & !MASKED {
            126 => match rest.split_first_chunk::<2>() {
                Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk::<8>() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest),
                None => return Ok(None),
            },
            short => (u64::from(short), rest),
        };
        if opcode.is_control() && length > CONTROL_BYTES {
            return Err(NotAHeader::Control);
        }
        let (mask, rest) = match side {
            Side::Server => ([0; 4], rest),
            Side::Client => match rest.split_first_chunk::<4>() {
                Some((mask, rest)) => (*mask, rest),
                None => return Ok(None),
            },
        };
        let header = Self { opcode, is_last, is_compressed, mask, length };
        Ok(Some((header, bytes.len() - rest.len())))
    }
}

/// Puts the head of a whole frame into `out`: a client's with its mask, a server's without one and so the same for every
/// socket.
#[inline]
pub(crate) fn write(
    out: &mut Vec<u8>,
    opcode: Opcode,
    is_compressed: bool,
    length: usize,
    mask: Option<[u8; 4]>,
) {
    out.push(LAST | if is_compressed { COMPRESSED } else { 0 } | opcode.bits());
    let masked = if mask.is_some() { MASKED } else { 0 };
    match length {
        0..=125 => out.push(masked | length as u8),
        126..=0xFFFF => {
            out.push(masked | 0x7E);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(masked | 0x7F);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    if let Some(mask) = mask {
        out.extend_from_slice(&mask);
    }
}

/// Takes the mask off, or puts it on; `at` bytes of the payload came before these.
pub(crate) fn unmask(bytes: &mut [u8], mask: [u8; 4], at: u64) {
    let mut turned = mask;
    turned.rotate_left((at % 4) as usize);
    // Eight at a time: the compiler makes wide instructions of it.
    let [a, b, c, d] = turned;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = bytes.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(turned.iter().cycle()) {
        *byte ^= key;
    }
}
