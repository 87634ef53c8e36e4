//! What a client's message is: its frame, or the reason for which it cannot be read. Must not decide what a user may do.

use proto::error_code::ErrorCode;
use proto::frame::{FrameError, client::ClientFrame, decode_client, msgpack};
use websocket::{Encoding, Message, ReadError};

use crate::net::close::Close;

/// What ends a connection that cannot be read; none when the client is gone.
pub(crate) fn read_error(error: &ReadError) -> Option<Close> {
    match error {
        ReadError::TooBig => Some(Close::MuchTooBig),
        ReadError::NotText => Some(Close::NotText),
        ReadError::NotFrames => Some(Close::NotFrames),
        ReadError::NoRoom => Some(Close::NoRoom),
        ReadError::Unfinished => Some(Close::Unfinished),
        // More bytes came than may be read before the token.
        ReadError::Lost(error) if error.kind() == std::io::ErrorKind::QuotaExceeded => {
            Some(Close::MuchTooBig)
        }
        ReadError::Lost(_) => None,
    }
}

/// The frame in a message, in the form that was agreed on; in JSON it has at most so many bytes.
pub(crate) fn decode(
    message: &Message,
    encoding: Encoding,
    most: usize,
) -> Result<ClientFrame, FrameError> {
    let message = match (message, encoding.is_binary) {
        (Message::Text(text), false) => return decode_client(text),
        (Message::Binary(bytes), true) => return msgpack::decode_client(bytes, most),
        (_, true) => "frames are binary messages of MessagePack under `tidings.v1.msgpack`",
        (_, false) => "frames are JSON text; for binary ones offer `tidings.v1.msgpack`",
    };
    let message = message.to_owned();
    Err(FrameError { code: ErrorCode::BadFrame, message, reference: None })
}
