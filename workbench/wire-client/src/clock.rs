//! One clock for all processes of a machine, so that their histories can be laid side by side.

/// Nanoseconds of the system's monotonic clock.
#[cfg(target_os = "linux")]
pub fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Nanoseconds since 1970, where there is no monotonic clock to share.
#[cfg(not(target_os = "linux"))]
pub fn monotonic_ns() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}
