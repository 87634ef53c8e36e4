//! The client frames: JSON text, one object a frame, tagged by `type`; in [`msgpack`] their binary form.
//!
//! Decoding is in two steps, head first and then the struct of that type from the same bytes:
//! serde's tagged enums would buffer the value and cannot hold a `RawValue`.

pub mod batch;
pub mod client;
pub mod keys;
pub mod msgpack;
mod reference;
pub mod server;

use std::borrow::Cow;

use serde::Deserialize;

use crate::error_code::ErrorCode;
use client::ClientFrame;

/// Deepest nesting of arrays and objects in a client frame.
pub const MAX_DEPTH: usize = 32;
/// Longest `ref` of a client frame, in bytes: it is kept while the request awaits its answer.
pub const MAX_REF_BYTES: usize = 64;
/// Longest description of what is wrong with a frame, in bytes: it may repeat a part of the frame.
const MAX_SHAPE_BYTES: usize = 256;

/// Why a text is not a frame. `reference` is the frame's `ref` where it could still be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct FrameError {
    /// From the closed list.
    pub code: ErrorCode,
    /// Says what to correct; contains nothing of the frame's content.
    pub message: String,
    /// The frame's `ref`.
    pub reference: Option<String>,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    r#ref: Option<Cow<'a, str>>,
}

/// Reads one client frame. Never panics and never recurses deeper than [`MAX_DEPTH`].
pub fn decode_client(text: &str) -> Result<ClientFrame, FrameError> {
    if !is_depth_allowed(text.as_bytes()) {
        return Err(FrameError {
            code: ErrorCode::BadFrame,
            message: format!("nested deeper than {MAX_DEPTH} levels"),
            reference: reference::reference_in(text),
        });
    }
    let head: Head<'_> = serde_json::from_str(text).map_err(|error| FrameError {
        code: ErrorCode::BadFrame,
        message: format!("a frame is a JSON object with a text `type`: {}", shape(&error)),
        reference: reference::reference_in(text),
    })?;
    if head.r#ref.as_ref().is_some_and(|reference| reference.len() > MAX_REF_BYTES) {
        return Err(FrameError {
            code: ErrorCode::Invalid,
            message: format!("`ref` is at most {MAX_REF_BYTES} bytes"),
            reference: None,
        });
    }
    let reference = head.r#ref.map(Cow::into_owned);
    let frame = match head.r#type.as_ref() {
        "auth" => body(text).map(ClientFrame::Auth),
        "ping" => Ok(ClientFrame::Ping),
        "send" => body(text).map(ClientFrame::Send),
        "pin" => body(text).map(ClientFrame::Pin),
        "forward" => body(text).map(ClientFrame::Forward),
        "edit" => body(text).map(ClientFrame::Edit),
        "delete" => body(text).map(ClientFrame::Delete),
        "react" => body(text).map(ClientFrame::React),
        "set" => body(text).map(ClientFrame::Set),
        "draft" => body(text).map(ClientFrame::Draft),
        "act" => body(text).map(ClientFrame::Act),
        "sync" => body(text).map(ClientFrame::Sync),
        "delivered" => body(text).map(ClientFrame::Delivered),
        "read" => body(text).map(ClientFrame::Read),
        "typing" => body(text).map(ClientFrame::Typing),
        "status" => body(text).map(ClientFrame::Status),
        "signal" => body(text).map(ClientFrame::Signal),
        "show" => body(text).map(ClientFrame::Show),
        "broadcast" => body(text).map(ClientFrame::Broadcast),
        _ => {
            return Err(FrameError {
                code: ErrorCode::UnknownType,
                message: "unknown frame type; see the protocol description".to_owned(),
                reference,
            });
        }
    };
    frame.map_err(|error| FrameError {
        code: ErrorCode::BadFrame,
        message: format!("`{}`: {}", head.r#type, shape(&error)),
        reference,
    })
}

fn body<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, serde_json::Error> {
    serde_json::from_str(text)
}

/// serde's words say which field and where; its quotes of values are cut, they may be private.
fn shape(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    text.truncate(text.floor_char_boundary(MAX_SHAPE_BYTES));
    let quotes = ["invalid type", "invalid value", "unknown variant"]
        .iter()
        .any(|beginning| text.starts_with(beginning));
    // The last one: the quoted value may say the same words.
    match text.rsplit_once(", expected ") {
        Some((_, expected)) if quotes => format!("expected {expected}"),
        _ => text,
    }
}

/// Counts brackets outside strings: 2 ns a byte at worst, before any parser recurses.
fn is_depth_allowed(bytes: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return false;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}
