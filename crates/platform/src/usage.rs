//! What processes use, and what this machine has left, as the kernel says. Nothing is known where there is no `/proc`.
//!
//! Must not decide what is too much.

/// What a process uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// User and system time so far, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Threads.
    pub threads: u64,
}

/// Memory of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// What can still be given, in bytes.
    pub available: u64,
    /// What the kernel's own objects take, sockets among them, in bytes.
    pub kernel: u64,
}

/// What this process uses.
pub fn own() -> Option<Usage> {
    kernel::own()
}

/// Files and sockets that this process has open.
pub fn own_files() -> Option<u64> {
    kernel::own_files()
}

/// What another process uses.
pub fn of(pid: u32) -> Option<Usage> {
    kernel::of(pid)
}

/// Memory of the machine.
pub fn memory() -> Option<Memory> {
    kernel::memory()
}

#[cfg(target_os = "linux")]
mod kernel {
    use procfs::process::Process;
    use procfs::{Current as _, Meminfo};

    use super::{Memory, Usage};

    pub(super) fn own() -> Option<Usage> {
        usage(&Process::myself().ok()?)
    }

    pub(super) fn own_files() -> Option<u64> {
        Process::myself().ok()?.fd_count().ok().map(|files| files as u64)
    }

    pub(super) fn of(pid: u32) -> Option<Usage> {
        usage(&Process::new(pid.cast_signed()).ok()?)
    }

    fn usage(process: &Process) -> Option<Usage> {
        let (stat, status) = (process.stat().ok()?, process.status().ok()?);
        let ticks = (stat.utime + stat.stime) as f64;
        Some(Usage {
            cpu_seconds: ticks / procfs::ticks_per_second().max(1) as f64,
            resident_bytes: status.vmrss.unwrap_or(0) * 1024,
            threads: status.threads,
        })
    }

    pub(super) fn memory() -> Option<Memory> {
        let memory = Meminfo::current().ok()?;
        Some(Memory { available: memory.mem_available?, kernel: memory.slab })
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use super::{Memory, Usage};

    pub(super) fn own() -> Option<Usage> {
        None
    }

    pub(super) fn own_files() -> Option<u64> {
        None
    }

    pub(super) fn of(_pid: u32) -> Option<Usage> {
        None
    }

    pub(super) fn memory() -> Option<Memory> {
        None
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn this_process_and_this_machine_are_known() {
        let own = own().unwrap();
        assert!(own.resident_bytes > 1 << 20 && own.threads > 0, "{own:?}");
        let of = of(std::process::id()).unwrap();
        assert!(of.cpu_seconds >= own.cpu_seconds, "{own:?} {of:?}");
        assert!(own_files() > Some(2));
        assert!(memory().unwrap().available > 0);
        assert_eq!(super::of(u32::MAX - 1), None);
    }
}
