//! The kernel's own memory, of the whole machine, out of `/proc`.

/// At one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Slab caches: sockets, files, epoll items, route caches and everything else.
    pub slab_bytes: u64,
    /// Pages of TCP's buffers.
    pub socket_bytes: u64,
}

impl Memory {
    /// As it is; zeroes where the system does not tell.
    pub fn now() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self::parse(&read("/proc/meminfo"), &read("/proc/net/sockstat"))
    }

    fn parse(meminfo: &str, sockstat: &str) -> Self {
        let slab_kib = meminfo
            .lines()
            .find_map(|line| line.strip_prefix("Slab:")?.split_ascii_whitespace().next())
            .and_then(|kib| kib.parse::<u64>().ok());
        let pages = sockstat.lines().find_map(|line| {
            let mut words = line.strip_prefix("TCP:")?.split_ascii_whitespace();
            words.find(|word| *word == "mem")?;
            words.next()?.parse::<u64>().ok()
        });
        Self {
            slab_bytes: slab_kib.unwrap_or(0) * 1024,
            socket_bytes: pages.unwrap_or(0) * page_bytes(),
        }
    }
}

fn page_bytes() -> u64 {
    #[cfg(target_os = "linux")]
    let bytes = rustix::param::page_size() as u64;
    #[cfg(not(target_os = "linux"))]
    let bytes = 4096;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slab_and_socket_pages_are_read() {
        let meminfo = "MemTotal:  100 kB\nSlab:   2048 kB\nSReclaimable: 9 kB\n";
        let sockstat = "sockets: used 9\nTCP: inuse 5 orphan 0 tw 0 alloc 6 mem 3\nUDP: mem 7\n";
        let expected = Memory { slab_bytes: 2048 * 1024, socket_bytes: 3 * page_bytes() };
        assert_eq!(Memory::parse(meminfo, sockstat), expected);
        assert_eq!(Memory::parse("", ""), Memory { slab_bytes: 0, socket_bytes: 0 });
    }
}
