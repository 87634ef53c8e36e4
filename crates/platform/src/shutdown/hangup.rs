//! What SIGHUP means. The system sends it when the terminal of a process goes away, and operators send it
//! to have files read again: which of the two it was is seen by whether the terminal is still there.

use std::fs::{self, File};

/// What to do at a SIGHUP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// The terminal has gone, and nobody can see or stop this process there any more.
    Stop,
    /// Files are to be read again.
    Reload,
}

/// How this process was started, as far as SIGHUP is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hangup {
    had_terminal: bool,
    /// By `nohup`: it is to outlive its terminal.
    was_ignored: bool,
}

impl Hangup {
    /// Looks. Call it before the signal is watched, which ends its being ignored.
    pub(super) fn look() -> Self {
        Self { had_terminal: has_terminal(), was_ignored: is_ignored() }
    }

    /// What a SIGHUP that came now means.
    pub(super) fn wish(self) -> Wish {
        self.wish_with(has_terminal())
    }

    fn wish_with(self, has_terminal: bool) -> Wish {
        let has_gone = self.had_terminal && !has_terminal;
        if has_gone && !self.was_ignored { Wish::Stop } else { Wish::Reload }
    }
}

/// Whether there is a controlling terminal: the system refuses to open this file without one.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Whether SIGHUP is ignored. Where the system does not say, it is not.
fn is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    // Signal 1 is the lowest bit.
    mask & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_loss_of_a_terminal_stops_and_not_under_nohup() {
        let wish = |had_terminal, was_ignored, has_terminal| {
            Hangup { had_terminal, was_ignored }.wish_with(has_terminal)
        };
        assert_eq!(wish(true, false, false), Wish::Stop);
        assert_eq!(wish(true, false, true), Wish::Reload, "sent by hand");
        assert_eq!(wish(true, true, false), Wish::Reload, "nohup");
        assert_eq!(wish(false, false, false), Wish::Reload, "a service of the system");
    }
}
