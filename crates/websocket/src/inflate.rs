//! Inflates compressed messages (RFC 7692), each without what came before it, up to the longest message that is
//! accepted. One serves many connections. It must not know what the messages mean.

use flate2::{Decompress, FlushDecompress, Status};

/// Ends every message and is not sent (section 7.2.1).
pub(super) const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];
/// What is inflated in one go.
const STEP_BYTES: usize = 4 << 10;

/// Why a message cannot be inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotInflated {
    /// It is larger than the limit.
    TooBig,
    /// It is not deflated.
    Broken,
}

/// Keeps its window and its room between messages: only their contents are forgotten.
#[derive(Debug)]
pub struct Inflater {
    decompress: Decompress,
    message: Vec<u8>,
    /// Longest message, in bytes.
    limit: usize,
}

impl Inflater {
    /// For messages of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { decompress: Decompress::new(false), message: Vec::new(), limit }
    }

    /// The message that these bytes were.
    pub fn inflate(&mut self, deflated: &[u8]) -> Result<&[u8], NotInflated> {
        self.decompress.reset(false);
        self.message.clear();
        for mut rest in [deflated, &TAIL] {
            loop {
                self.message.reserve(STEP_BYTES);
                let (taken_before, len_before) = (self.decompress.total_in(), self.message.len());
                let status = self
                    .decompress
                    .decompress_vec(rest, &mut self.message, FlushDecompress::Sync)
                    .map_err(|_| NotInflated::Broken)?;
                let taken = (self.decompress.total_in() - taken_before) as usize;
                rest = &rest[taken..];
                if self.message.len() > self.limit {
                    return Err(NotInflated::TooBig);
                }
                // A last block: what follows it belongs to no message.
                if status == Status::StreamEnd {
                    return Ok(&self.message);
                }
                // All room used: there may be more of it inside.
                if self.message.len() == self.message.capacity() {
                    continue;
                }
                if rest.is_empty() {
                    break;
                }
                if taken == 0 && self.message.len() == len_before {
                    return Err(NotInflated::Broken);
                }
            }
        }
        Ok(&self.message)
    }

    /// The last message, for whose owner nothing else is inflated.
    pub(super) fn into_message(self) -> Vec<u8> {
        self.message
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 16 << 20;

    /// A message as a server compresses it.
    fn deflated(message: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(message.len() + 1024);
        let mut compress = Compress::new(Compression::fast(), false);
        compress.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
        assert_eq!(compress.total_in(), message.len() as u64);
        assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
        out
    }

    #[test]
    fn a_message_above_the_longest_that_is_accepted_is_refused() {
        let bomb = deflated(&vec![b'a'; LIMIT + 1]);
        assert!(bomb.len() < 1024 * 1024);
        let mut inflater = Inflater::new(LIMIT);
        assert_eq!(inflater.inflate(&bomb), Err(NotInflated::TooBig));
        assert_eq!(inflater.inflate(&deflated(b"after it")).unwrap(), b"after it");
    }

    proptest! {
        #[test]
        fn one_inflater_gives_back_every_message_whatever_came_before_it(
            messages in prop::collection::vec("[a-e ]{0,9000}", 1..6),
            noise in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let mut inflater = Inflater::new(LIMIT);
            for message in &messages {
                let _ = inflater.inflate(&noise);
                let inflated = inflater.inflate(&deflated(message.as_bytes())).unwrap();
                prop_assert_eq!(inflated, message.as_bytes());
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let _ = Inflater::new(LIMIT).inflate(&bytes);
        }
    }
}
