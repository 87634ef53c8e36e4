//! What server processes cost: CPU time and memory out of `/proc`, their children included.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use crate::options::NamedPid;

/// What the processes of one name have used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// User and system time, that of ended children included.
    pub cpu: Duration,
    /// Resident memory: all of the process, and of its children what they do not share.
    pub rss_bytes: u64,
}

/// All usages at one moment, by name. A process that is gone counts nothing.
pub type Sample = BTreeMap<String, Usage>;

/// One line of `/proc/<pid>/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    ticks: u64,
}

/// Reads `pid (name) state ppid … utime stime cutime cstime …`; the name may hold anything.
fn parse_stat(line: &str) -> Option<Stat> {
    let fields: Vec<&str> = line.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let ticks = number(11)? + number(12)? + number(13)? + number(14)?;
    Some(Stat { parent: number(1)? as u32, ticks })
}

/// The value of a line `name:   123 kB`, in bytes.
fn parse_kib(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn all_stats() -> HashMap<u32, Stat> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            Some((pid, parse_stat(&line)?))
        })
        .collect()
}

/// A process and its children, their children and so on, without those of `others`.
fn family(pid: u32, stats: &HashMap<u32, Stat>, others: &HashSet<u32>) -> Vec<u32> {
    let mut family = vec![pid];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        let children = stats.iter().filter(|(_, stat)| stat.parent == parent);
        family.extend(children.map(|(child, _)| *child).filter(|child| !others.contains(child)));
        at += 1;
    }
    family
}

fn clock_tick() -> Duration {
    #[cfg(target_os = "linux")]
    let per_second = rustix::param::clock_ticks_per_second();
    #[cfg(not(target_os = "linux"))]
    let per_second = 100;
    Duration::from_secs(1) / (per_second.max(1) as u32)
}

/// Looks at the processes now.
pub fn sample(processes: &[NamedPid]) -> Sample {
    let named: HashSet<u32> = processes.iter().map(|process| process.pid).collect();
    let stats = all_stats();
    let tick = clock_tick();
    let mut sample = Sample::new();
    for process in processes {
        let usage = sample.entry(process.name.clone()).or_default();
        for pid in family(process.pid, &stats, &named) {
            let Some(stat) = stats.get(&pid) else { continue };
            usage.cpu += tick.saturating_mul(stat.ticks as u32);
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let field = if pid == process.pid { "VmRSS" } else { "RssAnon" };
            usage.rss_bytes += parse_kib(&status, field);
        }
    }
    sample
}

/// Names of processes that are not there.
pub fn missing(processes: &[NamedPid]) -> Vec<String> {
    let stats = all_stats();
    let is_missing = |process: &&NamedPid| !stats.contains_key(&process.pid);
    let name = |process: &NamedPid| format!("{}={}", process.name, process.pid);
    processes.iter().filter(is_missing).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_name_holds() {
        let line = "42 (a (b) c) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 5 6 7";
        assert_eq!(parse_stat(line), Some(Stat { parent: 7, ticks: 127 }));
        assert_eq!(parse_stat("42 (x) S"), None);
        assert_eq!(parse_kib("Name:\tx\nVmRSS:\t  12 kB\n", "VmRSS"), 12 * 1024);
    }

    #[test]
    fn a_family_ends_where_another_named_process_begins() {
        let stat = |parent| Stat { parent, ticks: 0 };
        let stats: HashMap<u32, Stat> =
            [(1, stat(0)), (2, stat(1)), (3, stat(2)), (4, stat(1)), (5, stat(4))].into();
        let mut found = family(1, &stats, &[1, 4].into());
        found.sort_unstable();
        assert_eq!(found, [1, 2, 3]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_uses_memory_and_time() {
        let this = NamedPid { name: "test".to_owned(), pid: std::process::id() };
        let before = sample(std::slice::from_ref(&this))["test"];
        assert!(before.rss_bytes > 1024 * 1024, "{before:?}");
        let mut after = before;
        let mut work = 0_u64;
        while after.cpu == before.cpu {
            work = (0..1_000_000_u64).fold(work, |sum, n| sum.wrapping_mul(31) ^ n);
            after = sample(std::slice::from_ref(&this))["test"];
        }
        assert!(after.cpu > before.cpu, "{work}");
        assert!(missing(std::slice::from_ref(&this)).is_empty());
    }
}
