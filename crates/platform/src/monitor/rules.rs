//! What figures mean: from two readings to a sample, and from a row of samples to a change of an alert. Pure: no clock,
//! no I/O.

use std::fmt::Write as _;

use crate::metrics::watch::Reading;

/// What one interval says of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Sample {
    /// This much.
    Value(f64),
    /// Too little happened for a rate or a mean: nothing bad either.
    Idle,
    /// Nobody can tell: says nothing for and nothing against an alert.
    Unknown,
}

/// An alert begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Raised,
    Cleared,
}

/// When it does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    /// A sample beyond this is bad.
    pub(super) above: f64,
    /// A sample below this is good. At most `above`: what is in between is neither.
    pub(super) below: f64,
    /// So many bad samples in a row raise it.
    pub(super) raise_after: u32,
    /// So many good samples in a row clear it.
    pub(super) clear_after: u32,
}

/// The state of an alert.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Hysteresis {
    is_raised: bool,
    /// Samples in a row that speak for a change.
    row: u32,
}

impl Hysteresis {
    /// Takes the next sample. Raised and cleared always take turns.
    pub(super) fn take(&mut self, sample: Sample, bounds: &Bounds) -> Option<Change> {
        let (speaks_for_change, after, change) = match (sample, self.is_raised) {
            (Sample::Unknown, _) => return None,
            (Sample::Idle, true) => (true, bounds.clear_after, Change::Cleared),
            (Sample::Value(value), true) => {
                (value < bounds.below, bounds.clear_after, Change::Cleared)
            }
            (Sample::Idle, false) => (false, bounds.raise_after, Change::Raised),
            (Sample::Value(value), false) => {
                (value > bounds.above, bounds.raise_after, Change::Raised)
            }
        };
        self.row = if speaks_for_change { self.row.saturating_add(1) } else { 0 };
        if self.row < after.max(1) {
            return None;
        }
        *self = Self { is_raised: !self.is_raised, row: 0 };
        Some(change)
    }
}

/// What two readings, so many seconds apart, say. Of fewer than `least` requests there is neither a rate nor a mean, nor
/// is there one over a counter that began anew.
pub(super) fn sample(before: Option<Reading>, now: Reading, secs: f64, least: u64) -> Sample {
    let value = match (now, before) {
        (Reading::Level(value), _) => value,
        (Reading::Part { used, of }, _) if of > 0.0 => used / of,
        (Reading::Total(now), Some(Reading::Total(before))) if now >= before && secs > 0.0 => {
            (now - before) / secs
        }
        (Reading::Bad { bad, all }, Some(Reading::Bad { bad: bad_before, all: all_before })) => {
            match (bad.checked_sub(bad_before), all.checked_sub(all_before)) {
                (Some(_), Some(all)) if all < least.max(1) => return Sample::Idle,
                (Some(bad), Some(all)) => bad as f64 / all as f64,
                _ => return Sample::Unknown,
            }
        }
        (Reading::Took { micros, count }, Some(Reading::Took { micros: since, count: from })) => {
            match (micros.checked_sub(since), count.checked_sub(from)) {
                (Some(_), Some(count)) if count < least.max(1) => return Sample::Idle,
                (Some(micros), Some(count)) => micros as f64 / 1_000_000.0 / count as f64,
                _ => return Sample::Unknown,
            }
        }
        _ => return Sample::Unknown,
    };
    if value.is_finite() { Sample::Value(value) } else { Sample::Unknown }
}

/// Adds `name=value` to the log line.
pub(super) fn describe(line: &mut String, name: &str, now: Reading, sample: Sample) {
    let joint = if line.is_empty() { "" } else { " " };
    // Writing into a `String` cannot fail.
    let _ = match (now, sample) {
        (Reading::Part { used, of }, _) => write!(line, "{joint}{name}={used:.0}/{of:.0}"),
        (_, Sample::Unknown) => write!(line, "{joint}{name}=?"),
        (_, Sample::Idle) => write!(line, "{joint}{name}=-"),
        (Reading::Total(_), Sample::Value(it)) => write!(line, "{joint}{name}={it:.2}/s"),
        (Reading::Bad { .. }, Sample::Value(it)) => {
            write!(line, "{joint}{name}={:.2}%", it * 100.0)
        }
        (Reading::Took { .. }, Sample::Value(it)) => {
            write!(line, "{joint}{name}={:.1}ms", it * 1_000.0)
        }
        (_, Sample::Value(it)) if it.fract() == 0.0 => write!(line, "{joint}{name}={it:.0}"),
        (_, Sample::Value(it)) => write!(line, "{joint}{name}={it:.1}"),
    };
}

#[cfg(test)]
mod tests;
