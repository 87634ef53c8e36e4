//! When the cursors of a member moved: the steps of the last moves, as one text that is stored with the member. Pure.
//!
//! A step is `d` (delivered) or `r` (read, which implies delivered), the seq in 10 digits and the moment in 11 digits, both
//! hexadecimal; the newest is the last. The texts of SQL that move cursors append them. A step that follows another of its
//! kind within [`MERGED_MS`] takes its place and keeps its moment, so that a burst is one step.

/// Characters of a step.
pub const STEP_CHARS: usize = 22;
/// Steps that are kept of a member.
pub const KEPT: usize = 32;
/// Steps of one kind that are so close, in milliseconds, are one.
pub const MERGED_MS: u64 = 1_000;

/// A moment as steps hold it.
pub fn moment(at_ms: u64) -> String {
    format!("{at_ms:011x}")
}

/// When an entry was delivered to a member and read by them, as far as that is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Unix milliseconds.
    pub delivered_ms: Option<u64>,
    /// Unix milliseconds.
    pub read_ms: Option<u64>,
}

/// By the first step that covers the entry: of one older than all steps that are kept, the moment is the latest possible.
pub fn times(steps: &str, seq: u64) -> Times {
    let mut times = Times::default();
    for chunk in steps.as_bytes().chunks(STEP_CHARS) {
        let Some((kind, up_to, at_ms)) = step(chunk) else { continue };
        if up_to < seq {
            continue;
        }
        times.delivered_ms = times.delivered_ms.or(Some(at_ms));
        if kind == b'r' {
            times.read_ms = Some(at_ms);
            break;
        }
    }
    times
}

/// Kind, seq and moment; `None` of what is none.
fn step(chunk: &[u8]) -> Option<(u8, u64, u64)> {
    let text = std::str::from_utf8(chunk).ok().filter(|text| text.len() == STEP_CHARS)?;
    let number = |from: usize, to: usize| u64::from_str_radix(text.get(from..to)?, 16).ok();
    Some((*chunk.first()?, number(1, 11)?, number(11, 22)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(of: &[(char, u64, u64)]) -> String {
        let each = of.iter().map(|(kind, seq, at)| format!("{kind}{seq:010x}{}", moment(*at)));
        each.collect::<Vec<_>>().concat()
    }

    #[test]
    fn an_entry_has_the_times_of_the_first_steps_that_cover_it() {
        let steps = steps(&[('d', 5, 100), ('d', 9, 200), ('r', 7, 300), ('r', 9, 400)]);
        assert_eq!(steps.len(), 4 * STEP_CHARS);
        let of = |seq| times(&steps, seq);
        let known = |delivered, read| Times { delivered_ms: Some(delivered), read_ms: Some(read) };
        assert_eq!(of(1), known(100, 300));
        assert_eq!(of(6), known(200, 300));
        assert_eq!(of(8), known(200, 400));
        assert_eq!(of(10), Times::default());
        assert_eq!(times(&steps[..STEP_CHARS], 5).read_ms, None);
    }

    #[test]
    fn reading_is_receiving_and_what_is_no_step_is_skipped() {
        assert_eq!(times(&steps(&[('r', 3, 50)]), 2).delivered_ms, Some(50));
        for spoilt in ["", "x", "d00", &"z".repeat(STEP_CHARS), &"é".repeat(11)] {
            assert_eq!(times(spoilt, 1), Times::default(), "{spoilt}");
        }
    }
}
