//! No process uses more than its bound, whatever happens around it.

use super::rule::{Findings, Rule, Site};
use crate::facts::Facts;

pub(super) fn check(facts: &Facts, findings: &mut Findings) {
    for ((process, what), most) in &facts.bounds {
        let peak = facts.peaks.get(&(process.clone(), what.clone())).copied().unwrap_or(0);
        if peak > *most {
            findings.add(Rule::Unbounded, Site::default(), || {
                format!("{process}: {what} reached {peak}, the bound is {most}")
            });
        }
    }
}
