//! What is said of a scenario that has an account of its own: broken rules with their counts, what was compared, and a verdict.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::check::Verdict;

/// So many violations are described; all are counted.
const DESCRIBED: usize = 30;

/// What was found wrong, and what was compared.
#[derive(Debug, Clone, Default)]
pub struct Found {
    violations: BTreeMap<String, u64>,
    examples: Vec<String>,
    counts: BTreeMap<String, u64>,
    doubts: Vec<String>,
}

impl Found {
    /// A rule is broken.
    pub fn broken(&mut self, rule: &str, detail: impl FnOnce() -> String) {
        *self.violations.entry(rule.to_owned()).or_default() += 1;
        if self.examples.len() < DESCRIBED {
            self.examples.push(format!("{rule}: {}", detail()));
        }
    }

    /// Breaks the rule unless it holds.
    pub fn holds(&mut self, is_so: bool, rule: &str, detail: impl FnOnce() -> String) {
        if !is_so {
            self.broken(rule, detail);
        }
    }

    /// So many more of something.
    pub fn count(&mut self, what: &str, more: u64) {
        *self.counts.entry(what.to_owned()).or_default() += more;
    }

    /// Nothing can be said of something.
    pub fn doubt(&mut self, why: String) {
        self.doubts.push(why);
    }

    /// The verdict; it is unknown where less of something was seen than has to be.
    pub fn judgement(mut self, least: &[(&str, u64)]) -> Judgement {
        for (what, least) in least {
            let seen = self.counts.get(*what).copied().unwrap_or(0);
            if seen < *least {
                self.doubts.push(format!("{what}: only {seen}, {least} are needed"));
            }
        }
        let broken = self.violations.iter().map(|(rule, count)| format!("{rule}: {count}"));
        let verdict = match (self.violations.is_empty(), self.doubts.is_empty()) {
            (false, _) => Verdict::Invalid,
            (true, false) => Verdict::Unknown,
            (true, true) => Verdict::Valid,
        };
        Judgement {
            verdict,
            reasons: broken.chain(self.doubts.iter().cloned()).collect(),
            counts: self.counts,
            violations: self.violations,
            examples: self.examples,
        }
    }
}

/// The verdict of a scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Judgement {
    /// What was seen shows this.
    pub verdict: Verdict,
    /// Why it is not valid.
    pub reasons: Vec<String>,
    /// What was done and compared, by name.
    pub counts: BTreeMap<String, u64>,
    /// How often each rule was broken.
    pub violations: BTreeMap<String, u64>,
    /// Some of them.
    pub examples: Vec<String>,
}

impl Judgement {
    /// What a program exits with.
    pub fn exit_code(&self) -> u8 {
        self.verdict.exit_code()
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> =
            self.counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
        writeln!(f, "{}", counts.join(", "))?;
        self.examples.iter().try_for_each(|example| writeln!(f, "{example}"))?;
        write!(f, "{}", self.verdict.name())?;
        self.reasons.iter().try_for_each(|reason| write!(f, "\n  {reason}"))
    }
}
