//! Whole frames of the server as bytes: made once, the same for every socket.

use super::deflate;
use super::header::{self, Opcode};

/// JSON as a text frame, and where in it the JSON begins.
pub fn text(json: &[u8]) -> (Box<[u8]>, usize) {
    prepared(Opcode::Text, json)
}

/// Other bytes as a binary frame, likewise.
pub fn binary(bytes: &[u8]) -> (Box<[u8]>, usize) {
    prepared(Opcode::Binary, bytes)
}

fn prepared(opcode: Opcode, payload: &[u8]) -> (Box<[u8]>, usize) {
    let bytes = frame(opcode, false, payload);
    let at = bytes.len() - payload.len();
    (bytes.into(), at)
}

/// The payload of a frame as a compressed one; none where that saves nothing.
pub fn deflated(payload: &[u8], is_binary: bool) -> Option<Box<[u8]>> {
    let deflated = deflate::deflate(payload)?;
    let opcode = if is_binary { Opcode::Binary } else { Opcode::Text };
    Some(frame(opcode, true, &deflated).into())
}

/// A control frame; a longer payload than such frames hold is cut off.
pub(super) fn control(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let longest = header::CONTROL_BYTES as usize;
    frame(opcode, false, &payload[..payload.len().min(longest)])
}

/// A close frame with its reason, which is cut where a character ends.
pub(super) fn close(code: u16, reason: &str) -> Vec<u8> {
    let longest = reason.floor_char_boundary(header::CONTROL_BYTES as usize - 2);
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..longest]);
    control(Opcode::Close, &payload)
}

pub(super) fn frame(opcode: Opcode, is_compressed: bool, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 10);
    header::write(&mut out, opcode, is_compressed, payload.len(), None);
    out.extend_from_slice(payload);
    out
}
