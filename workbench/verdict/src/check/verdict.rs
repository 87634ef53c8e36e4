//! From findings to a verdict, the same for a run and for recorded histories.

use serde::{Deserialize, Serialize};

use super::rule::Findings;

/// What the run shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every rule held.
    Valid,
    /// A rule was broken.
    Invalid,
    /// Nothing was broken, but too little was seen to say that all held.
    Unknown,
}

impl Verdict {
    /// What the program exits with.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::Invalid => 1,
            Self::Unknown => 2,
        }
    }

    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "INVALID",
            Self::Unknown => "unknown",
        }
    }
}

/// A broken rule decides; else a doubt does.
pub fn verdict(
    findings: &Findings,
    acknowledged: u64,
    min_acknowledged: u64,
    mut doubts: Vec<String>,
) -> (Verdict, Vec<String>) {
    if !findings.violations.is_empty() {
        let broken = findings.violations.iter();
        let reasons = broken.map(|(rule, count)| format!("{}: {count}", rule.name())).chain(doubts);
        return (Verdict::Invalid, reasons.collect());
    }
    if acknowledged < min_acknowledged {
        doubts.push(format!("only {acknowledged} sends were acknowledged"));
    }
    if findings.unreached_clients > 0 {
        doubts.push(format!(
            "{} clients were not connected and up to date at the end",
            findings.unreached_clients
        ));
    }
    if findings.unknown_outcomes > 0 {
        doubts.push(format!("{} sends were never answered", findings.unknown_outcomes));
    }
    let verdict = if doubts.is_empty() { Verdict::Valid } else { Verdict::Unknown };
    (verdict, doubts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Rule;

    #[test]
    fn a_broken_rule_decides_and_a_doubt_makes_it_unknown() {
        let judge =
            |acknowledged, findings: &Findings| verdict(findings, acknowledged, 5, Vec::new()).0;
        let good = Findings::default();
        assert_eq!(judge(5, &good), Verdict::Valid);
        assert_eq!(judge(4, &good), Verdict::Unknown);
        let unreached = Findings { unreached_clients: 1, ..Findings::default() };
        assert_eq!(judge(5, &unreached), Verdict::Unknown);
        let unanswered = Findings { unknown_outcomes: 1, ..Findings::default() };
        assert_eq!(judge(5, &unanswered), Verdict::Unknown);
        let broken = Findings { violations: [(Rule::Gap, 1)].into(), ..unreached };
        assert_eq!(judge(5, &broken), Verdict::Invalid);
    }
}
