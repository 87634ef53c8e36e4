//! Processes, ports and memory of this machine, as the kernel tells them.

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use procfs::Current as _;
use procfs::process::{self, Process};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// Nanoseconds of the clock that the fleet's histories use.
pub fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// A port of `host` that nobody listens on.
pub fn free_port(host: Ipv4Addr) -> anyhow::Result<u16> {
    let listener = TcpListener::bind((host, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

/// An address of loopback that other runs hardly have.
pub fn own_host() -> Ipv4Addr {
    let octet = || rand::random_range(2..=250_u8);
    Ipv4Addr::new(127, octet(), octet(), octet())
}

/// Sends a signal; true when there was such a process.
pub fn signal(pid: u32, signal: Signal) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// Kills processes and waits until they have ended, but not longer than `patience`.
pub fn kill_all(pids: &[u32], patience: Duration) {
    let ends: Vec<OwnedFd> = pids
        .iter()
        .filter_map(|pid| Pid::from_raw(i32::try_from(*pid).ok()?))
        .filter_map(|pid| {
            let end = pidfd_open(pid, PidfdFlags::empty()).ok()?;
            kill_process(pid, Signal::KILL).ok().map(|()| end)
        })
        .collect();
    let deadline = Instant::now() + patience;
    for end in &ends {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut polled = [PollFd::new(end, PollFlags::IN)];
        // One that takes too long is left to the kernel.
        let _ = poll(&mut polled, Timespec::try_from(left).ok().as_ref());
    }
}

fn process(pid: u32) -> Option<Process> {
    Process::new(pid.cast_signed()).ok()
}

/// `R`, `S`, `T`…; nothing when the process is gone.
pub fn state(pid: u32) -> Option<char> {
    Some(process(pid)?.stat().ok()?.state)
}

/// True while the process runs; a zombie has ended.
pub fn is_running(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z' && state != 'X')
}

/// A process and everything below it.
pub fn family(pid: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    // One that ends meanwhile is left out.
    for child in process::all_processes().into_iter().flatten().flatten() {
        if let Ok(stat) = child.stat() {
            let (parent, child) = (stat.ppid.cast_unsigned(), stat.pid.cast_unsigned());
            children.entry(parent).or_default().push(child);
        }
    }
    let mut family = vec![pid];
    let mut at = 0;
    while let Some(parent) = family.get(at) {
        family.extend(children.get(parent).into_iter().flatten().copied());
        at += 1;
    }
    family
}

/// Resident memory in bytes.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    process(pid)?.status().ok()?.vmrss.map(|kib| kib * 1024)
}

/// Open files.
pub fn open_files(pid: u32) -> Option<u64> {
    process(pid)?.fd_count().ok().map(|files| files as u64)
}

/// A line about the machine that names nobody.
pub fn description() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = procfs::Meminfo::current().map_or(0, |memory| memory.mem_total >> 30);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores, {memory} GiB, Linux {}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_has_a_family() {
        let this = std::process::id();
        assert!(is_running(this) && !is_running(u32::MAX - 1));
        assert!(family(this).contains(&this));
        assert!(resident_bytes(this) > Some(1 << 20) && open_files(this) > Some(2));
        assert!(!signal(i32::MAX as u32, Signal::CONT));
    }

    #[test]
    fn what_is_killed_has_ended() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        kill_all(&[child.id(), u32::MAX], Duration::from_secs(30));
        assert!(!is_running(child.id()));
        assert!(!child.wait().unwrap().success());
    }
}
