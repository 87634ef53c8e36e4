//! Which message a text is: found at the place where the last one was, else searched for.

use std::io::Write as _;

use wire_client::identity::Run;
use wire_client::message::{self, Canary};

/// Digits of the number in a [`Canary`].
const DIGITS: usize = 7;

/// Finds the number of a message of this run in whatever the server wrapped it in.
#[derive(Debug)]
pub struct Finder {
    /// What stands before the number in every text of the run.
    prefix: Vec<u8>,
    nonce: u32,
    payload_bytes: usize,
}

impl Finder {
    /// For texts of so many bytes.
    pub fn new(run: &Run, payload_bytes: usize) -> Self {
        let mut prefix = Vec::new();
        // Writing to a Vec does not fail.
        let _ = write!(prefix, "{:06x}.{:06x}.{:06x}.", run.nonce(), 0, 0);
        Self { prefix, nonce: run.nonce(), payload_bytes }
    }

    /// What the text of a message says of itself.
    pub fn canary(&self, number: u32) -> Canary {
        Canary { nonce: self.nonce, conversation: 0, sender: 0, number, due_us: 0 }
    }

    /// Appends the text of a message.
    pub fn write(&self, out: &mut Vec<u8>, number: u32) {
        message::write_text(out, self.canary(number), self.payload_bytes);
    }

    /// Length of each text.
    pub fn payload_bytes(&self) -> usize {
        self.payload_bytes
    }

    /// The number of the message in `payload`; `at` is where the last one stood and is kept up to
    /// date.
    pub fn find(&self, payload: &[u8], at: &mut u32) -> Option<u32> {
        let mut start = *at as usize;
        let is_there = payload.get(start..).is_some_and(|rest| rest.starts_with(&self.prefix));
        if !is_there {
            start = memchr::memmem::find(payload, &self.prefix)?;
            *at = start as u32;
        }
        let digits = payload.get(start + self.prefix.len()..)?.get(..DIGITS)?;
        digits
            .iter()
            .try_fold(0, |number, digit| Some(number << 4 | (*digit as char).to_digit(16)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_wherever_the_text_stands() {
        let run = Run::begin();
        let finder = Finder::new(&run, 200);
        let mut at = 0;
        for (number, before) in [(0, ""), (7, "{\"type\":\"entry\","), (0x0FFF_FFFF, "{")] {
            let mut payload = before.as_bytes().to_vec();
            finder.write(&mut payload, number);
            assert_eq!(payload.len(), before.len() + 200);
            assert_eq!(finder.find(&payload, &mut at), Some(number));
            assert_eq!(at as usize, before.len());
        }
    }

    #[test]
    fn another_runs_text_has_no_number() {
        let (run, other) = (Run::begin(), Run::begin());
        assert_ne!(run.nonce(), other.nonce());
        let mut text = Vec::new();
        Finder::new(&other, 200).write(&mut text, 1);
        assert_eq!(Finder::new(&run, 200).find(&text, &mut 0), None);
        assert_eq!(Finder::new(&run, 200).find(b"", &mut 9), None);
    }
}
