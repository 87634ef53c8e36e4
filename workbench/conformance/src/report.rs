//! What is known of each rule after a run, for people and for programs.

use std::time::Duration;

use serde::Serialize;

use crate::PROTOCOL;
use crate::checked::{Checked, NotKept};
use crate::rule::Rule;

/// Of one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// What was seen is what the rule says.
    Kept,
    /// It is not.
    Broken,
    /// It could not be tried.
    Skipped,
}

/// One rule with its outcome.
#[derive(Debug, Serialize)]
pub struct Ruled {
    /// The name of the rule.
    pub name: &'static str,
    /// The section of docs/protocol.md.
    pub place: String,
    /// What the rule says.
    pub rule: &'static str,
    /// Whether it is kept.
    pub outcome: Outcome,
    /// Why it is not known to be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long the check took, in milliseconds.
    pub took_ms: u128,
}

impl Ruled {
    pub(crate) fn new<C>(rule: &Rule<C>, checked: Checked, took: Duration) -> Self {
        let (outcome, reason) = match checked {
            Ok(()) => (Outcome::Kept, None),
            Err(NotKept::Broken(reason)) => (Outcome::Broken, Some(reason)),
            Err(NotKept::Skipped(reason)) => (Outcome::Skipped, Some(reason)),
        };
        let place = format!("{PROTOCOL}#{}", rule.section);
        Self { name: rule.name, place, rule: rule.says, outcome, reason, took_ms: took.as_millis() }
    }
}

/// All rules.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The addresses of the server, or the command of the client.
    pub tried: Vec<String>,
    /// How many are kept.
    pub kept: usize,
    /// How many are broken.
    pub broken: usize,
    /// How many could not be tried.
    pub skipped: usize,
    /// Each of them.
    pub rules: Vec<Ruled>,
}

impl Report {
    pub(crate) fn new(tried: Vec<String>, rules: Vec<Ruled>) -> Self {
        let count = |outcome| rules.iter().filter(|rule| rule.outcome == outcome).count();
        Self {
            tried,
            kept: count(Outcome::Kept),
            broken: count(Outcome::Broken),
            skipped: count(Outcome::Skipped),
            rules,
        }
    }

    /// 0 where no rule is broken, else 1.
    pub fn exit_code(&self) -> u8 {
        u8::from(self.broken > 0)
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for rule in &self.rules {
            match rule.outcome {
                Outcome::Kept => writeln!(f, "kept     {:<34} {} ms", rule.name, rule.took_ms)?,
                Outcome::Skipped => {
                    let reason = rule.reason.as_deref().unwrap_or_default();
                    writeln!(f, "skipped  {:<34} {reason}", rule.name)?;
                }
                Outcome::Broken => {
                    let reason = rule.reason.as_deref().unwrap_or_default();
                    writeln!(f, "BROKEN   {:<34} {reason}", rule.name)?;
                    writeln!(f, "         {}: {}", rule.place, rule.rule)?;
                }
            }
        }
        let (kept, broken, skipped) = (self.kept, self.broken, self.skipped);
        write!(f, "{} rules: {kept} kept, {broken} broken, {skipped} skipped", self.rules.len())
    }
}
