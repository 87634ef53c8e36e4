//! What was found of each planted bug, as a table for people.

use std::fmt::Write as _;

use super::Bug;
use crate::run::Ended;
use crate::{machine, report};

/// A bug, and what the suite says with it and without.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) bug: &'a Bug,
    /// Nothing when no binaries with bugs were given.
    pub(super) planted: Option<Ended>,
    pub(super) control: Ended,
}

impl Row<'_> {
    /// The rules that found it: those that the bug must break, with their counts.
    fn found(&self) -> Vec<String> {
        let Some(planted) = &self.planted else { return Vec::new() };
        let violations = &planted.judged.data["findings"]["violations"];
        let of = |rule: &&str| violations[*rule].as_u64().map(|count| format!("{rule} ({count})"));
        self.bug.found_by.iter().filter_map(of).collect()
    }

    /// With the bug it is found, without it nothing is.
    pub(super) fn is_right(&self) -> bool {
        (self.planted.is_none() || !self.found().is_empty()) && self.control.code() == 0
    }

    fn without(&self) -> String {
        let verdict = self.control.judged.data["verdict"].as_str().unwrap_or("unknown");
        let reasons = self.control.judged.data["reasons"].as_array().cloned().unwrap_or_default();
        let reasons = reasons.iter().filter_map(|reason| reason.as_str());
        let all: Vec<&str> =
            reasons.chain(self.control.complaints.iter().map(String::as_str)).collect();
        if all.is_empty() { verdict.to_owned() } else { format!("{verdict}: {}", all.join("; ")) }
    }

    fn with(&self) -> String {
        let found = self.found();
        match &self.planted {
            None => "not built".to_owned(),
            Some(_) if found.is_empty() => "**not found**".to_owned(),
            Some(_) => found.join(", "),
        }
    }

    pub(super) fn said(&self) -> String {
        format!("{}: {}; without it {}", self.bug.name, self.with(), self.without())
    }
}

/// The table with its words.
pub(super) async fn markdown(rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write(&mut text, rows, &report::commit().await);
    text
}

fn write(text: &mut String, rows: &[Row<'_>], commit: &str) -> std::fmt::Result {
    writeln!(text, "# Planted bugs\n")?;
    writeln!(
        text,
        "A green run says little about a checker that finds nothing. So each of these bugs is built \
         into a service on purpose (a feature `planted-…` of its crate, off otherwise), hurt by a \
         schedule that makes it show, and must be found by a rule that it breaks; the same schedule \
         without it must find nothing. Written by `make chaos-planted`, which fails when either is \
         not so.\n"
    )?;
    writeln!(text, "Commit {commit}; {}.\n", machine::description())?;
    writeln!(
        text,
        "| bug | what it breaks | faults | found by (times) | after | without it |\n\
         |---|---|---|---|---|---|"
    )?;
    for row in rows {
        let mut faults: Vec<String> = Vec::new();
        for step in &row.control.steps {
            let fault = format!("{} of {}", step.deed.name(), step.deed.target());
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
        let seconds =
            row.planted.as_ref().map_or_else(String::new, |it| format!("{:.0} s", it.seconds));
        writeln!(
            text,
            "| {} | {} | {} | {} | {seconds} | {} |",
            row.bug.name,
            row.bug.breaks,
            faults.join(", "),
            row.with(),
            row.without()
        )?;
    }
    writeln!(
        text,
        "\nTimes are those of a whole run: starting the cluster, the faults, the quiet time after \
         them, the drain and the judgement. `poll-skip` is judged with `--strict-live` and \
         `late-delivery` with a window of 8 s; in the other runs faults of the bus excuse the one, \
         and the other has 15 s."
    )
}
