//! What all frames of this process take together, and what is sent instead of one that is too large. The count is
//! of the process, as its memory is: a frame is made in many places, goes to many sockets, and is counted once.

use std::ops::Deref;

use crate::metrics::frames::{HELD, OVERSIZED};

/// Instead of a frame that is too large. An entry is followed as usual: its device is given it from the store,
/// cut to what fits.
pub(super) const LEFT_OUT: &[u8] = br#"{"type":"error","code":"too_large","message":"a frame above `limits.frame_bytes` was left out: sync","stored":"unknown"}"#;

/// Bytes of all frames there are.
pub(crate) fn held() -> usize {
    usize::try_from(HELD.get()).unwrap_or_default()
}

/// True when a payload may not be sent because it is larger; it is counted.
pub(super) fn is_oversized(payload: &[u8], largest: usize) -> bool {
    let is_oversized = payload.len() > largest;
    if is_oversized {
        OVERSIZED.inc();
        tracing::error!(bytes = payload.len(), "a frame above limits.frame_bytes is left out");
    }
    is_oversized
}

/// Counts so many bytes as long as it is there.
#[derive(Debug, Default)]
pub(crate) struct Held(usize);

impl Held {
    pub(crate) fn new(bytes: usize) -> Self {
        HELD.inc_by(bytes as i64);
        Self(bytes)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.0 > 0 {
            HELD.dec_by(self.0 as i64);
        }
    }
}

/// Bytes for sockets, counted as long as they are there.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    bytes: Box<[u8]>,
    _held: Held,
}

impl From<Box<[u8]>> for Counted {
    fn from(bytes: Box<[u8]>) -> Self {
        let held = Held::new(bytes.len());
        Self { bytes, _held: held }
    }
}

impl From<Vec<u8>> for Counted {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(bytes.into_boxed_slice())
    }
}

impl Deref for Counted {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        self
    }
}
