//! What server processes cost: CPU time and memory out of `/proc`, their children included.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use crate::values::NamedPid;

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

/// What the kernel says of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    cpu: Duration,
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::collections::HashMap;
    use std::time::Duration;

    use procfs::process::{self, LimitValue, Process};

    use super::Stat;

    /// All processes of the machine by pid. One that ends meanwhile is left out.
    pub(super) fn all_stats() -> HashMap<u32, Stat> {
        let tick = Duration::from_secs(1) / (procfs::ticks_per_second().max(1) as u32);
        let all = process::all_processes().into_iter().flatten();
        all.filter_map(|process| {
            let stat = process.ok()?.stat().ok()?;
            let children = stat.cutime.max(0).cast_unsigned() + stat.cstime.max(0).cast_unsigned();
            let ticks = stat.utime + stat.stime + children;
            let cpu = tick.saturating_mul(ticks as u32);
            Some((stat.pid.cast_unsigned(), Stat { parent: stat.ppid.cast_unsigned(), cpu }))
        })
        .collect()
    }

    /// Resident memory in bytes: all of it, and what is shared with nobody.
    pub(super) fn resident(pid: u32) -> Option<[u64; 2]> {
        let status = Process::new(pid.cast_signed()).ok()?.status().ok()?;
        Some([status.vmrss, status.rssanon].map(|kib| kib.unwrap_or(0) * 1024))
    }

    /// See [`super::file_limit`].
    pub(super) fn file_limit() -> Option<u64> {
        match Process::myself().ok()?.limits().ok()?.max_open_files.soft_limit {
            LimitValue::Value(files) => Some(files),
            LimitValue::Unlimited => None,
        }
    }
}

/// Where no `/proc` is, nothing is known.
#[cfg(not(target_os = "linux"))]
mod kernel {
    use std::collections::HashMap;

    use super::Stat;

    pub(super) fn all_stats() -> HashMap<u32, Stat> {
        HashMap::new()
    }

    pub(super) fn resident(_pid: u32) -> Option<[u64; 2]> {
        None
    }

    pub(super) fn file_limit() -> Option<u64> {
        None
    }
}

/// Files that this process may have open; nothing where there is no limit.
pub fn file_limit() -> Option<u64> {
    kernel::file_limit()
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

/// Looks at the processes now.
pub fn sample(processes: &[NamedPid]) -> Sample {
    let named: HashSet<u32> = processes.iter().map(|process| process.pid).collect();
    let stats = kernel::all_stats();
    let mut sample = Sample::new();
    for process in processes {
        let usage = sample.entry(process.name.clone()).or_default();
        for pid in family(process.pid, &stats, &named) {
            let Some(stat) = stats.get(&pid) else { continue };
            usage.cpu += stat.cpu;
            let [all, own] = kernel::resident(pid).unwrap_or_default();
            usage.rss_bytes += if pid == process.pid { all } else { own };
        }
    }
    sample
}

/// Names of processes that are not there.
pub fn missing(processes: &[NamedPid]) -> Vec<String> {
    let stats = kernel::all_stats();
    let is_missing = |process: &&NamedPid| !stats.contains_key(&process.pid);
    let name = |process: &NamedPid| format!("{}={}", process.name, process.pid);
    processes.iter().filter(is_missing).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_ends_where_another_named_process_begins() {
        let stat = |parent| Stat { parent, cpu: Duration::ZERO };
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
