//! Nobody connected is called offline, and what is said at the end is true.

use std::collections::HashMap;

use super::rule::{Findings, Rule, Site};
use crate::facts::{Facts, Notice, Windows};

pub(super) fn check(facts: &Facts, windows: Windows, findings: &mut Findings) {
    let window_us = windows.presence_us;
    for notice in facts.notices.iter().filter(|notice| notice.is_offline) {
        let from_us = notice.at_us.saturating_sub(window_us);
        if facts.is_connected_throughout(notice.user, from_us, notice.at_us)
            && !is_excused(facts, from_us, notice.at_us)
        {
            findings.add(Rule::FalseOffline, Site::client(notice.observer), || {
                format!(
                    "client {} was told that client {} is offline, which was connected",
                    notice.observer, notice.user
                )
            });
        }
    }
    left_behind(facts, window_us, findings);
    for (at_us, user, is_offline) in &facts.statuses {
        let from_us = at_us.saturating_sub(window_us);
        if *is_offline
            && facts.is_connected_throughout(*user, from_us, *at_us)
            && !is_excused(facts, from_us, *at_us)
        {
            findings.add(Rule::FalseOffline, Site::client(*user), || {
                format!("the server says that client {user} is offline, which is connected")
            });
        }
        let mine = facts.sessions.iter().filter(|session| session.client == *user);
        let is_long_gone = mine.map(|session| session.closed_us).max() < Some(from_us);
        if !is_offline && is_long_gone {
            findings.add(Rule::GhostOnline, Site::client(*user), || {
                format!("the server says that client {user} is online, which is long gone")
            });
        }
    }
}

/// While a gateway or the way to it is out of order, a client cannot tell whether it is connected.
fn is_excused(facts: &Facts, from_us: u64, to_us: u64) -> bool {
    facts.faults.iter().any(|fault| {
        let is_at_the_edge = ["gateway", "client", "presence-gateway"]
            .iter()
            .any(|edge| fault.target.starts_with(edge));
        is_at_the_edge && fault.from_us <= to_us && fault.to_us.unwrap_or(u64::MAX) >= from_us
    })
}

/// A client that was told `offline` is told when the user is back, on the same connection.
fn left_behind(facts: &Facts, window_us: u64, findings: &mut Findings) {
    let mut last: HashMap<(u32, u32), &Notice> = HashMap::new();
    for notice in &facts.notices {
        last.insert((notice.observer, notice.user), notice);
    }
    let mut last: Vec<&Notice> = last.into_values().filter(|notice| notice.is_offline).collect();
    last.sort_unstable_by_key(|notice| (notice.observer, notice.user));
    for notice in last {
        let until_us = facts.end_us;
        let is_same_connection = facts.sessions.iter().any(|session| {
            (session.client, session.epoch) == (notice.observer, notice.epoch)
                && session.closed_us >= until_us
        });
        let from_us = until_us.saturating_sub(window_us);
        if is_same_connection
            && notice.at_us < from_us
            && facts.is_connected_throughout(notice.user, from_us, until_us)
        {
            findings.add(Rule::StalePresence, Site::client(notice.observer), || {
                format!(
                    "client {} was last told that client {} is offline, which is back",
                    notice.observer, notice.user
                )
            });
        }
    }
}
