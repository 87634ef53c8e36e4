//! The binary form of the same frames, for the subprotocol `tidings.v1.msgpack`: maps with text keys,
//! ids as text, exactly as in JSON.
//!
//! A client frame is turned into JSON text and decoded from that, a server frame is turned from the JSON
//! that a service made: one decoder, one encoder, one set of limits and errors for both forms.

mod from_json;
mod reference;
mod to_json;
mod weight;

pub use from_json::{NotJson, from_json};
pub use to_json::{NotFrame, to_json};
pub use weight::{MOST_GROWTH, heaviest};

use super::client::ClientFrame;
use super::{FrameError, MAX_DEPTH};
use crate::error_code::ErrorCode;

/// Reads one client frame, whose JSON form has at most so many bytes. Never panics and never recurses
/// deeper than [`MAX_DEPTH`].
pub fn decode_client(bytes: &[u8], most: usize) -> Result<ClientFrame, FrameError> {
    let json = to_json(bytes, MAX_DEPTH, most).map_err(|error| FrameError {
        code: match error {
            NotFrame::TooLarge => ErrorCode::TooLarge,
            _ => ErrorCode::BadFrame,
        },
        message: error.to_string(),
        reference: reference::reference_in(bytes),
    })?;
    super::decode_client(&json)
}
