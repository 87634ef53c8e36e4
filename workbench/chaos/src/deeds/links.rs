//! Spoils links through the fault proxy, and reads from its counts that it was felt.

use std::time::{Duration, Instant};

use fault_proxy::{Fault, Seen, Way};

use crate::proxy::FaultProxy;
use crate::schedule::How;

/// A quiet link is given so much longer until the fault is felt.
const PATIENCE: Duration = Duration::from_secs(8);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

fn way(is_up: bool) -> Way {
    if is_up { Way::Up } else { Way::Down }
}

fn fault(how: How) -> Fault {
    match how {
        How::Delay { ms, jitter_ms } => Fault::Delay { ms, jitter_ms },
        How::Throttle { bytes_per_second } => Fault::Throttle { bytes_per_second },
        How::HalfOpen => Fault::HalfOpen,
        How::OneWay { is_up } => Fault::OneWay { way: way(is_up) },
        How::Refuse => Fault::Refuse,
        How::Reset => Fault::Reset,
        How::Cut => Fault::Cut,
        How::Truncate { is_up, after_bytes } => Fault::Truncate { way: way(is_up), after_bytes },
    }
}

/// What shows that the fault was felt; empty while nothing does.
fn evidence(how: How, before: Seen, now: Seen) -> String {
    let (held, broken) = (now.held - before.held, now.broken - before.broken);
    let (up, down) = (now.up_bytes - before.up_bytes, now.down_bytes - before.down_bytes);
    let when = |is_felt: bool, what: String| if is_felt { what } else { String::new() };
    let silent = |bytes: u64, which: &str| {
        // What was read before may still be on its way out.
        let what = format!("{} open connections, {bytes} bytes {which}", now.open);
        when(now.open > 0 && bytes < 64 * 1024, what)
    };
    match how {
        How::Delay { .. } | How::Throttle { .. } => {
            when(held > 0, format!("{held} chunks were held back"))
        }
        How::HalfOpen => silent(up + down, "either way"),
        How::OneWay { is_up: true } => silent(down, "came back"),
        How::OneWay { is_up: false } => silent(up, "went out"),
        How::Refuse => when(
            now.open == 0 && now.accepted == before.accepted,
            format!("{broken} connections reset, none accepted"),
        ),
        How::Reset | How::Cut | How::Truncate { .. } => {
            when(broken > 0, format!("{broken} connections broken"))
        }
    }
}

/// Spoils a link for a while; what shows it.
pub(super) async fn spoil(
    proxy: &mut FaultProxy,
    link: &str,
    how: How,
    hold: Duration,
) -> anyhow::Result<String> {
    let before = proxy.seen(link).await?;
    proxy.tell(link, fault(how)).await?;
    let begun = Instant::now();
    tokio::time::sleep(hold).await;
    let mut felt = evidence(how, before, proxy.seen(link).await?);
    while felt.is_empty() && begun.elapsed() < hold + PATIENCE {
        tokio::time::sleep(LOOK).await;
        felt = evidence(how, before, proxy.seen(link).await?);
    }
    proxy.tell(link, Fault::Pass).await?;
    Ok(felt)
}

/// Lets requests through and loses their answers: what they commit is unknown to who asked.
pub(super) async fn commit_cut(
    proxy: &mut FaultProxy,
    link: &str,
    hold: Duration,
) -> anyhow::Result<String> {
    let before = proxy.tell(link, Fault::OneWay { way: Way::Up }).await?;
    let begun = Instant::now();
    let mut now = before;
    while now.up_bytes == before.up_bytes && begun.elapsed() < PATIENCE {
        tokio::time::sleep(LOOK).await;
        now = proxy.seen(link).await?;
    }
    tokio::time::sleep(hold).await;
    now = proxy.tell(link, Fault::Reset).await?;
    let (asked, answered) = (now.up_bytes - before.up_bytes, now.down_bytes - before.down_bytes);
    proxy.tell(link, Fault::Pass).await?;
    let what = format!("{asked} bytes of requests went through, {answered} bytes came back");
    Ok(if asked > 0 { what } else { String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What shows a fault on a link that had one connection and 100 bytes each way before.
    fn shown(how: How, change: impl Fn(&mut Seen)) -> bool {
        let before =
            Seen { open: 1, accepted: 1, up_bytes: 100, down_bytes: 100, ..<_>::default() };
        let mut now = before;
        change(&mut now);
        !evidence(how, before, now).is_empty()
    }

    #[test]
    fn a_fault_that_nothing_felt_has_no_evidence() {
        let delay = How::Delay { ms: 5, jitter_ms: 0 };
        assert!(!shown(delay, |_| {}) && shown(delay, |now| now.held += 1));
        for how in [How::Reset, How::Cut, How::Truncate { is_up: true, after_bytes: 1 }] {
            assert!(!shown(how, |now| now.up_bytes += 9) && shown(how, |now| now.broken += 1));
        }
        assert!(!shown(How::Refuse, |_| {}), "a connection is still open");
        assert!(!shown(How::Refuse, |now| (now.open, now.accepted) = (0, 2)));
        assert!(shown(How::Refuse, |now| (now.open, now.broken) = (0, 1)));
    }

    #[test]
    fn a_half_open_link_is_shown_by_what_did_not_move() {
        assert!(shown(How::HalfOpen, |_| {}) && !shown(How::HalfOpen, |now| now.open = 0));
        assert!(!shown(How::HalfOpen, |now| now.down_bytes += 1 << 20));
        let up_only = How::OneWay { is_up: true };
        assert!(shown(up_only, |now| now.up_bytes += 1 << 20));
        assert!(!shown(up_only, |now| now.down_bytes += 1 << 20));
    }
}
