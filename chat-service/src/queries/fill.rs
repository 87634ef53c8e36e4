//! How full a page of a list is.

use prost::Message;

/// How much a page holds already.
pub(super) struct Fill {
    bytes: usize,
    most: usize,
}

impl Fill {
    pub(super) fn new(most: usize) -> Self {
        Self { bytes: 0, most }
    }

    /// Whether one more fits; the first always does.
    pub(super) fn takes(&mut self, message: &impl Message) -> bool {
        // Its head in the list, at most.
        let bytes = message.encoded_len() + 8;
        let fits = self.bytes == 0 || self.bytes + bytes <= self.most;
        self.bytes += if fits { bytes } else { 0 };
        fits
    }
}
