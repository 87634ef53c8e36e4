//! One line a second on standard error while a run goes on.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::counters::Totals;

/// Says how it goes, once a second.
#[derive(Debug)]
pub struct Progress {
    is_quiet: bool,
    begun: Instant,
    last: Instant,
    known: Totals,
}

impl Progress {
    /// From now on.
    pub fn begin(is_quiet: bool) -> Self {
        let now = Instant::now();
        Self { is_quiet, begun: now, last: now, known: Totals::default() }
    }

    /// Prints a line when a second has passed since the last.
    pub fn tell(&mut self, phase: &str, totals: Totals) {
        let passed = self.last.elapsed();
        if passed < Duration::from_secs(1) {
            return;
        }
        let line = line(phase, self.begun.elapsed(), passed, &self.known, &totals);
        if !self.is_quiet {
            eprintln!("{line}");
        }
        (self.last, self.known) = (Instant::now(), totals);
    }

    /// Prints a remark.
    pub fn remark(&self, text: &str) {
        if !self.is_quiet {
            eprintln!("{text}");
        }
    }
}

fn line(phase: &str, at: Duration, passed: Duration, before: &Totals, now: &Totals) -> String {
    let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / passed.as_secs_f64();
    let mut line = format!(
        "{:>6.1}s {phase:<8} connected {:>6}  sent {:>8.0}/s  acknowledged {:>8.0}/s  \
         delivered {:>9.0}/s  unanswered {:>6}",
        at.as_secs_f64(),
        now.connected,
        rate(now.written, before.written),
        rate(now.acknowledged, before.acknowledged),
        rate(now.delivered, before.delivered),
        now.offered.saturating_sub(now.skipped).saturating_sub(now.acknowledged),
    );
    for (name, count) in [
        ("errors", now.errors),
        ("reconnects", now.reconnects),
        ("skipped", now.skipped),
        ("gap syncs", now.gap_syncs),
    ] {
        if count > 0 {
            // Writing to a String does not fail.
            let _ = write!(line, "  {name} {count}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_rates_and_what_is_not_as_it_should_be() {
        let now =
            Totals { connected: 20, offered: 300, acknowledged: 290, errors: 2, ..<_>::default() };
        let second = Duration::from_secs(1);
        let line = line("send", second * 5, second * 2, &Totals::default(), &now);
        assert!(line.contains("acknowledged      145/s"), "{line}");
        assert!(line.contains("unanswered     10") && line.ends_with("errors 2"), "{line}");
    }
}
