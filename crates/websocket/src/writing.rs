//! Frames through a socket that takes so much at a time as it likes. Knows no socket.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::task::{Poll, ready};

use crate::{Encoding, Prepared};

/// Frames that are written with one call.
const FRAMES_AT_ONCE: usize = 64;

/// Writes all these frames, many with one call, and takes away what is written, after `note` has seen it.
/// `written` bytes of the first are out already; it says so of what is the first afterwards.
pub fn write_frames<F: Prepared>(
    frames: &mut VecDeque<F>,
    encoding: Encoding,
    written: &mut usize,
    mut write: impl FnMut(&[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    mut note: impl FnMut(&F),
) -> Poll<io::Result<()>> {
    while let Some(first) = frames.front() {
        let rest = IoSlice::new(&first.wire(encoding)[*written..]);
        let mut count = if frames.len() == 1 {
            ready!(write(&[rest]))?
        } else {
            let mut parts = [IoSlice::new(&[]); FRAMES_AT_ONCE];
            parts[0] = rest;
            for (part, frame) in parts[1..].iter_mut().zip(frames.iter().skip(1)) {
                *part = IoSlice::new(frame.wire(encoding));
            }
            ready!(write(&parts[..frames.len().min(FRAMES_AT_ONCE)]))?
        };
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        count += std::mem::take(written);
        while let Some(first) = frames.front() {
            let length = first.wire(encoding).len();
            if count < length {
                *written = count;
                break;
            }
            count -= length;
            note(first);
            frames.pop_front();
        }
    }
    Poll::Ready(Ok(()))
}
