//! A precise metronome. The runtime's timers fire up to a millisecond late, which would show up as
//! latency of the servers; the kernel's fire within some microseconds.

use std::io;
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
mod precise {
    use std::io;
    use std::time::Duration;

    use rustix::fd::OwnedFd;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    /// A kernel timer that the runtime waits for as for a socket.
    #[derive(Debug)]
    pub(super) struct Timer(AsyncFd<OwnedFd>);

    #[expect(
        deprecated,
        reason = "its successor is unsafe because the type may answer with another descriptor \
                  later; an OwnedFd owns one and always answers with it"
    )]
    fn registered(timer: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
        AsyncFd::new(timer)
    }

    impl Timer {
        pub(super) fn every(period: Duration) -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            let period = Timespec {
                tv_sec: period.as_secs().cast_signed(),
                tv_nsec: i64::from(period.subsec_nanos()),
            };
            let setting = Itimerspec { it_interval: period, it_value: period };
            timerfd_settime(&timer, TimerfdTimerFlags::empty(), &setting)?;
            Ok(Self(registered(timer)?))
        }

        pub(super) async fn passed(&mut self) -> io::Result<u64> {
            loop {
                let mut guard = self.0.readable().await?;
                let mut count = [0; 8];
                let read = guard.try_io(|timer| {
                    rustix::io::read(timer.get_ref(), &mut count).map_err(io::Error::from)
                });
                if let Ok(read) = read {
                    // A read takes all that has passed: the next would find nothing.
                    guard.clear_ready();
                    return read.map(|_| u64::from_ne_bytes(count));
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod precise {
    use std::io;
    use std::time::Duration;

    /// The runtime's timer, up to a millisecond late.
    #[derive(Debug)]
    pub(super) struct Timer(tokio::time::Interval);

    impl Timer {
        pub(super) fn every(period: Duration) -> io::Result<Self> {
            let start = tokio::time::Instant::now() + period;
            Ok(Self(tokio::time::interval_at(start, period)))
        }

        pub(super) async fn passed(&mut self) -> io::Result<u64> {
            self.0.tick().await;
            Ok(1)
        }
    }
}

/// Ticks at fixed distances from its start.
#[derive(Debug)]
pub struct Ticker {
    timer: precise::Timer,
    start: Instant,
    period: Duration,
    ticks: u64,
}

impl Ticker {
    /// Starts now. `period` is not zero.
    pub fn every(period: Duration) -> io::Result<Self> {
        let start = Instant::now();
        Ok(Self { timer: precise::Timer::every(period)?, start, period, ticks: 0 })
    }

    /// Waits for the next tick; the range of those that have passed since the last call.
    pub async fn tick(&mut self) -> io::Result<std::ops::Range<u64>> {
        let first = self.ticks;
        self.ticks += self.timer.passed().await?;
        Ok(first..self.ticks)
    }

    /// When a tick was due. The first is tick 0, one period after the start.
    pub fn due(&self, tick: u64) -> Instant {
        let nanos = (self.period.as_nanos() as u64).saturating_mul(tick + 1);
        self.start + Duration::from_nanos(nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn ticks_come_when_due_and_none_is_lost() {
        let mut ticker = Ticker::every(Duration::from_micros(500)).unwrap();
        let mut next = 0;
        while next < 20 {
            let ticks = ticker.tick().await.unwrap();
            assert_eq!(ticks.start, next);
            next = ticks.end;
            assert!(Instant::now() + Duration::from_micros(100) >= ticker.due(next - 1));
        }
    }
}
