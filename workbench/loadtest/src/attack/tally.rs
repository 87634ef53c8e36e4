//! What servers answered to attackers, counted.

use std::collections::BTreeMap;
use std::fmt;

/// The tactic of parameters with values that they cannot have.
pub const ODD_VALUES: &str = "values that cannot be";

/// Kinds of answers kept for a tactic; what comes beyond is counted as `other`.
const KINDS: usize = 64;

/// Answers by tactic and kind.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<&'static str, BTreeMap<String, u64>>);

impl Tally {
    /// Counts one answer.
    pub fn count(&mut self, tactic: &'static str, answer: &str) {
        let answers = self.0.entry(tactic).or_default();
        let kind =
            if answers.contains_key(answer) || answers.len() < KINDS { answer } else { "other" };
        match answers.get_mut(kind) {
            Some(count) => *count += 1,
            None => drop(answers.insert(kind.to_owned(), 1)),
        }
    }

    /// Answers that no client can cause where the server is in order.
    pub fn internal_errors(&self) -> u64 {
        let is_internal = |answer: &str| {
            matches!(answer, "http 500" | "http 502" | "close 1011" | "error internal")
        };
        // A value that no parameter can have is its sender's mistake and no outage: the server has all that it needs.
        let is_outage = |tactic: &str, answer: &str| tactic == ODD_VALUES && answer == "http 503";
        let answers = self.0.iter().flat_map(|(tactic, answers)| {
            answers.iter().filter(|(answer, _)| is_internal(answer) || is_outage(tactic, answer))
        });
        answers.map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (tactic, answers) in &self.0 {
            let each: Vec<String> =
                answers.iter().map(|(answer, count)| format!("{answer} ×{count}")).collect();
            writeln!(f, "{tactic}: {}", each.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_errors_are_told_from_refusals() {
        let mut tally = Tally::default();
        for answer in ["http 429", "http 500", "close 1011", "close 1009", "error internal"] {
            tally.count("sends", answer);
        }
        assert_eq!(tally.internal_errors(), 3);
        tally.count("sends", "http 503");
        assert_eq!(tally.internal_errors(), 3, "too much at once may be refused so");
        tally.count(ODD_VALUES, "http 503");
        assert_eq!(tally.internal_errors(), 4);
        assert!(tally.to_string().starts_with("sends: close 1009 ×1, close 1011 ×1"), "{tally}");
    }

    #[test]
    fn kinds_of_answers_are_bounded() {
        let mut tally = Tally::default();
        for number in 0..1_000 {
            tally.count("sends", &number.to_string());
        }
        assert_eq!(tally.0["sends"].len(), KINDS + 1);
        assert_eq!(tally.0["sends"]["other"], 1_000 - KINDS as u64);
    }
}
