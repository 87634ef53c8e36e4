//! What each fault did to the load: answers in its time, the longest silence, how long to heal.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Runs;
use crate::check::{Findings, Rule, Site};
use crate::replay::CommonLines;

/// One fault and its time, until the next fault starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultLine {
    /// What was done.
    pub fault: String,
    /// To what.
    pub target: String,
    /// Seconds since the first event.
    pub from_s: f64,
    /// Seconds since the first event; nothing when it never ended.
    pub to_s: Option<f64>,
    /// How it is known that it did something.
    pub evidence: String,
    /// Sends acknowledged until the next fault.
    pub acknowledged: u64,
    /// Refusals in that time.
    pub refused: u64,
    /// Outcomes that became unknown in that time.
    pub unknown: u64,
    /// Longest time without an acknowledgement in that time, in milliseconds.
    pub silence_ms: u64,
    /// Entries of sends of that time that are missing somewhere.
    pub lost: u64,
    /// Those that stand twice.
    pub doubled: u64,
    /// Those that stand in the wrong order.
    pub reordered: u64,
    /// The process that used the most memory in that time, and how many bytes.
    pub memory: Option<(String, u64)>,
    /// From the end of the fault until every send that was written before it ended was answered,
    /// in milliseconds.
    pub heal_ms: u64,
}

/// One line for each fault.
pub(super) fn lines(
    common: &CommonLines,
    runs: &Runs,
    findings: &[(PathBuf, Findings)],
) -> Vec<FaultLine> {
    let all = |of: fn(&super::Judged) -> Vec<u64>| {
        let mut times: Vec<u64> = runs.iter().flat_map(|(_, run)| of(run)).collect();
        times.sort_unstable();
        times
    };
    let answers = all(|run| run.answered.iter().map(|(_, at_us)| *at_us).collect());
    let refusals = all(|run| run.refused.clone());
    let doubts = all(|run| run.facts.unanswered.iter().map(|each| each.at_us).collect());
    let spans: Vec<(u64, u64)> =
        runs.iter().flat_map(|(_, run)| run.answered.iter().copied()).collect();
    let violations = timed(runs, findings);
    let begin_us = spans.iter().map(|(sent_us, _)| *sent_us).min().unwrap_or(0);
    let last_us = answers.last().copied().unwrap_or(0);
    let mut faults: Vec<_> = common.faults().iter().collect();
    faults.sort_by_key(|fault| fault.from_us);
    let seconds = |at_us: u64| at_us.saturating_sub(begin_us) as f64 / 1e6;
    let describe = |(at, fault): (usize, &&crate::facts::Fault)| {
        let next_us = faults.get(at + 1).map(|next| next.from_us);
        let end_us = fault.to_us.unwrap_or(fault.from_us);
        let until_us = next_us.unwrap_or(last_us).max(end_us);
        let within = |times: &[u64]| index(times, until_us) - index(times, fault.from_us);
        let broken = |rules: &[Rule]| {
            let times = violations.iter().filter(|(rule, _)| rules.contains(rule));
            let within = |at_us: u64| (fault.from_us..until_us).contains(&at_us);
            times.filter(|(_, at_us)| within(*at_us)).count() as u64
        };
        let memory = common.memory_peak(fault.from_us, until_us);
        let late = spans.iter().filter(|(sent_us, _)| *sent_us <= end_us);
        let healed_us = late.map(|(_, at_us)| *at_us).max().unwrap_or(end_us);
        FaultLine {
            fault: fault.fault.clone(),
            target: fault.target.clone(),
            from_s: seconds(fault.from_us),
            to_s: fault.to_us.map(seconds),
            evidence: fault.evidence.clone(),
            acknowledged: within(&answers) as u64,
            refused: within(&refusals) as u64,
            unknown: within(&doubts) as u64,
            silence_ms: silence_us(&answers, fault.from_us, until_us.min(last_us)) / 1_000,
            lost: broken(&[Rule::LostWrite, Rule::Unseen, Rule::Gap]),
            doubled: broken(&[Rule::Duplicate, Rule::DuplicateDelivery]),
            reordered: broken(&[
                Rule::IntSendNonmonotonic,
                Rule::StaleAppend,
                Rule::NonmonotonicPoll,
            ]),
            memory: memory.map(|(process, bytes)| (process.to_owned(), bytes)),
            heal_ms: healed_us.saturating_sub(end_us) / 1_000,
        }
    };
    faults.iter().enumerate().map(describe).collect()
}

/// The described violations whose send is known, with when it was written.
fn timed(runs: &Runs, findings: &[(PathBuf, Findings)]) -> Vec<(Rule, u64)> {
    let mut timed = Vec::new();
    for ((_, judged), (_, findings)) in runs.iter().zip(findings) {
        for violation in &findings.examples {
            let Site { conversation, seq, client, number } = violation.site;
            let all = judged.history.clients.iter().flat_map(|client| &client.sends);
            let by_place = all.filter(|send| {
                seq.is_some() && (Some(send.conversation), Some(send.seq)) == (conversation, seq)
            });
            let by_number = client.zip(number).and_then(|(client, number)| {
                judged.history.clients.get(client as usize)?.sends.get(number as usize)
            });
            let send = by_number.or(by_place.into_iter().next());
            timed.extend(send.map(|send| (violation.rule, send.invoked_us)));
        }
    }
    timed
}

fn index(times: &[u64], at_us: u64) -> usize {
    times.partition_point(|time| *time < at_us)
}

/// The longest time without an answer between two moments.
fn silence_us(answers: &[u64], from_us: u64, to_us: u64) -> u64 {
    let within = &answers[index(answers, from_us)..index(answers, to_us.max(from_us))];
    let moments = [from_us].into_iter().chain(within.iter().copied()).chain([to_us.max(from_us)]);
    let moments: Vec<u64> = moments.collect();
    moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}

impl fmt::Display for FaultLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>7.1} s {} of {}: {} ok, {} refused, {} unknown, silent {} ms, healed after {} ms",
            self.from_s,
            self.fault,
            self.target,
            self.acknowledged,
            self.refused,
            self.unknown,
            self.silence_ms,
            self.heal_ms
        )
    }
}
