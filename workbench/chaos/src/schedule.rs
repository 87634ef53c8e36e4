//! What is done when: a pure function of the seed, so that a seed replays it.

use std::ops::RangeInclusive;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng, SeedableRng};

use super::clock::CLOCKED;
use super::means::APART;
use super::namespace::Packets;
use super::system::{Backend, Service};
use super::wiring::{BUSY_LINKS, LINKS};

/// What is done to a link; the proxy's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Late, in order.
    Delay { ms: u64, jitter_ms: u64 },
    /// Slow.
    Throttle { bytes_per_second: u64 },
    /// Accepts and reads nothing.
    HalfOpen,
    /// Forwards one way only: to the server, or from it.
    OneWay { is_up: bool },
    /// The port is closed.
    Refuse,
    /// Open connections are reset.
    Reset,
    /// Open connections end as with a dying peer.
    Cut,
    /// Open connections end in the middle.
    Truncate { is_up: bool, after_bytes: u64 },
}

/// Something that is done to the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// SIGKILL, started again after the hold.
    KillService(Service),
    /// SIGKILL, started again after the hold.
    KillBackend(Backend),
    /// Stopped as its operator stops it, and started again after the hold.
    RestartBackend(Backend),
    /// Two services at once.
    KillTwo(Service, Service),
    /// SIGSTOP for the hold.
    PauseService(Service),
    /// SIGSTOP for the hold.
    PauseBackend(Backend),
    /// SIGTERM, started again when it has ended.
    Drain(Service),
    /// Redis forgets everything.
    Flush,
    /// Redis answers nothing for the hold.
    RedisPause,
    /// Postgres ends all its connections.
    CutSessions,
    /// Somebody locks the log for the hold.
    LockLog,
    /// The broker is out of memory for the hold.
    Alarm,
    /// The broker has too little disk for the hold.
    DiskAlarm,
    /// A link.
    Link(&'static str, How),
    /// The answers to what is being committed are lost.
    CommitCut(&'static str),
    /// Packets from and to a service are lost for the hold.
    LosePackets(Service, Packets),
    /// A service's time of day is so far off for the hold.
    Clock(Service, &'static str),
    /// Nothing more fits on a backend's disk for the hold.
    FullDisk(Backend),
    /// The clients behind a link lose their connections while commits wait.
    ResetWhileCommitsWait(&'static str),
    /// Postgres ends the sessions whose commits wait.
    AbortCommits,
    /// The clients of a gateway lose their connections while it reaches presence late.
    LateRegistration(u16),
    /// All clients lose their connection, three times.
    Storm,
    /// Devices that read nothing, for the hold.
    SlowReaders,
}

impl Deed {
    /// What it is called in histories and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::KillService(_) | Self::KillBackend(_) => "kill",
            Self::RestartBackend(_) => "restart",
            Self::KillTwo(..) => "kill two",
            Self::PauseService(_) | Self::PauseBackend(_) => "pause",
            Self::Drain(_) => "drain",
            Self::Flush => "flush",
            Self::RedisPause => "no answers",
            Self::CutSessions => "cut sessions",
            Self::LockLog => "lock",
            Self::Alarm => "alarm",
            Self::DiskAlarm => "disk alarm",
            Self::Link(_, How::Delay { .. }) => "delay",
            Self::Link(_, How::Throttle { .. }) => "throttle",
            Self::Link(_, How::HalfOpen) => "half-open",
            Self::Link(_, How::OneWay { .. }) => "one way",
            Self::Link(_, How::Refuse) => "refuse",
            Self::Link(_, How::Reset) => "reset",
            Self::Link(_, How::Cut) => "cut",
            Self::Link(_, How::Truncate { .. }) => "truncate",
            Self::CommitCut(_) => "commit cut",
            Self::LosePackets(_, Packets::Some(_)) => "packet loss",
            Self::LosePackets(..) => "partition",
            Self::Clock(..) => "clock",
            Self::FullDisk(_) => "full disk",
            Self::ResetWhileCommitsWait(_) => "reset in commits",
            Self::AbortCommits => "abort commits",
            Self::LateRegistration(_) => "late registration",
            Self::Storm => "storm",
            Self::SlowReaders => "slow readers",
        }
    }

    /// To whom.
    pub fn target(&self) -> String {
        match self {
            Self::KillService(service)
            | Self::PauseService(service)
            | Self::Drain(service)
            | Self::LosePackets(service, _)
            | Self::Clock(service, _) => service.to_string(),
            Self::KillTwo(one, other) => format!("{one}+{other}"),
            Self::KillBackend(backend)
            | Self::RestartBackend(backend)
            | Self::PauseBackend(backend)
            | Self::FullDisk(backend) => backend.to_string(),
            Self::Flush | Self::RedisPause => Backend::Redis.to_string(),
            Self::LateRegistration(gateway) => format!("client-gateway-{gateway}"),
            Self::CutSessions | Self::LockLog | Self::AbortCommits => Backend::Postgres.to_string(),
            Self::Alarm | Self::DiskAlarm => Backend::Broker.to_string(),
            Self::Link(link, _) | Self::CommitCut(link) | Self::ResetWhileCommitsWait(link) => {
                (*link).to_owned()
            }
            Self::Storm | Self::SlowReaders => "clients".to_owned(),
        }
    }
}

/// A deed and its times, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub deed: Deed,
    /// How long it lasts.
    pub hold_ms: u64,
    /// How long the system is left alone afterwards.
    pub rest_ms: u64,
}

/// How much is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// One deed of each kind, short.
    Quick,
    /// Rounds of deeds for so many seconds, longer ones too.
    Seconds(u64),
}

/// Starting what was killed, and waiting until it is ready, takes about so long.
const OVERHEAD_MS: u64 = 1_500;
/// Kinds of deeds; each round has one of each.
const KINDS: u32 = 32;

/// One of them, which takes long.
const FULL_BROKER_DISK: u32 = 30;

/// The schedule of a seed.
pub fn plan(seed: u64, length: Length) -> Vec<Step> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut steps = Vec::new();
    let mut time_ms = 0;
    loop {
        let mut kinds: Vec<u32> = (0..KINDS).collect();
        if length == Length::Quick {
            // The broker looks at its disk every ten seconds only.
            kinds.retain(|kind| *kind != FULL_BROKER_DISK);
        }
        kinds.shuffle(&mut random);
        for kind in kinds {
            let step = step(kind, length, &mut random);
            time_ms += step.hold_ms + step.rest_ms + OVERHEAD_MS;
            steps.push(step);
            if matches!(length, Length::Seconds(seconds) if time_ms >= seconds * 1_000) {
                return steps;
            }
        }
        if length == Length::Quick {
            return steps;
        }
    }
}

fn step(kind: u32, length: Length, random: &mut StdRng) -> Step {
    let is_quick = length == Length::Quick;
    let (deed, quick, full): (Deed, RangeInclusive<u64>, RangeInclusive<u64>) = match kind {
        0..13 => processes(kind, random),
        13..24 => links(kind, random),
        _ => races(kind, random),
    };
    let hold_ms = random.random_range(if is_quick { quick } else { full });
    let rest_ms = random.random_range(if is_quick { 500..=1_500 } else { 1_500..=5_000 });
    Step { deed, hold_ms, rest_ms }
}

type Choice = (Deed, RangeInclusive<u64>, RangeInclusive<u64>);

/// Cannot fail: the lists are constants with members.
fn one_of<T: Copy>(all: &[T], random: &mut StdRng) -> T {
    *all.choose(random).unwrap_or(&all[0])
}

fn processes(kind: u32, random: &mut StdRng) -> Choice {
    let service = one_of(&Service::ALL, random);
    let backend = one_of(&Backend::ALL, random);
    match kind {
        0 => (Deed::KillService(service), 0..=1_000, 0..=6_000),
        1 => (Deed::KillBackend(backend), 0..=1_000, 0..=6_000),
        2 => {
            let others: Vec<Service> =
                Service::ALL.into_iter().filter(|other| *other != service).collect();
            (Deed::KillTwo(service, one_of(&others, random)), 0..=500, 0..=3_000)
        }
        // Beyond a lease (10 s) and a heartbeat too.
        3 => (Deed::PauseService(service), 1_000..=3_000, 1_000..=25_000),
        4 => (Deed::PauseBackend(backend), 1_000..=3_000, 1_000..=12_000),
        5 => (Deed::Drain(service), 0..=200, 0..=2_000),
        6 => (Deed::Flush, 0..=200, 0..=200),
        7 => (Deed::RedisPause, 1_000..=2_000, 1_000..=6_000),
        8 => (Deed::CutSessions, 0..=200, 0..=200),
        9 => (Deed::LockLog, 1_000..=2_500, 1_000..=10_000),
        10 => (Deed::RestartBackend(backend), 0..=500, 0..=3_000),
        11 => (Deed::DiskAlarm, 1_000..=2_000, 2_000..=8_000),
        _ => (Deed::Alarm, 1_500..=3_000, 2_000..=12_000),
    }
}

fn links(kind: u32, random: &mut StdRng) -> Choice {
    let link = one_of(&LINKS, random);
    let is_up = random.random_bool(0.5);
    let (how, quick, full) = match kind {
        13 => {
            let ms = random.random_range(20..=300);
            (How::Delay { ms, jitter_ms: ms / 2 }, 1_500..=2_500, 2_000..=8_000)
        }
        14 => {
            let bytes_per_second = random.random_range(2_000..=20_000);
            (How::Throttle { bytes_per_second }, 1_500..=2_500, 2_000..=8_000)
        }
        15 => (How::HalfOpen, 1_500..=3_000, 1_000..=15_000),
        16 => (How::OneWay { is_up }, 1_500..=3_000, 1_000..=15_000),
        17 => (How::Refuse, 1_000..=2_000, 1_000..=8_000),
        18 => (How::Reset, 0..=200, 0..=200),
        19 => (How::Cut, 0..=200, 0..=200),
        20 => {
            // A quiet link carries so much within its time.
            let after_bytes = random.random_range(1..=200);
            let link = one_of(&BUSY_LINKS, random);
            let how = How::Truncate { is_up, after_bytes };
            return (Deed::Link(link, how), 500..=1_000, 500..=2_000);
        }
        21 => {
            let link = one_of(&["postgres-chat-0", "postgres-chat-1"], random);
            return (Deed::CommitCut(link), 50..=300, 50..=300);
        }
        22 => return (Deed::Storm, 500..=500, 500..=2_000),
        _ => return (Deed::SlowReaders, 4_000..=6_000, 4_000..=12_000),
    };
    (Deed::Link(link, how), quick, full)
}

fn races(kind: u32, random: &mut StdRng) -> Choice {
    match kind {
        24 => {
            let link = one_of(&["client-gateway-0", "client-gateway-1"], random);
            (Deed::ResetWhileCommitsWait(link), 800..=1_500, 800..=3_000)
        }
        25 => (Deed::AbortCommits, 0..=500, 0..=2_000),
        26 => {
            let ways = [Packets::All, Packets::Incoming, Packets::Outgoing];
            let deed = Deed::LosePackets(one_of(&APART, random), one_of(&ways, random));
            (deed, 1_500..=3_000, 1_000..=15_000)
        }
        27 => {
            let some = Packets::Some(random.random_range(5..=30));
            (Deed::LosePackets(one_of(&APART, random), some), 1_500..=3_000, 2_000..=8_000)
        }
        28 => {
            let offset = one_of(&["+1h", "+3d", "-1h"], random);
            (Deed::Clock(one_of(&CLOCKED, random), offset), 2_500..=4_000, 3_000..=15_000)
        }
        29 => (Deed::FullDisk(Backend::Postgres), 1_000..=2_000, 1_000..=8_000),
        FULL_BROKER_DISK => (Deed::FullDisk(Backend::Broker), 0..=500, 1_000..=6_000),
        _ => {
            let gateway = random.random_range(0..=1);
            (Deed::LateRegistration(gateway), 1_500..=2_500, 1_500..=5_000)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays_its_schedule_and_another_has_another() {
        for length in [Length::Quick, Length::Seconds(600)] {
            assert_eq!(plan(7, length), plan(7, length));
            assert_ne!(plan(7, length), plan(8, length));
        }
    }

    #[test]
    fn a_round_has_every_kind_once_and_stays_within_its_time() {
        for seed in 0..50 {
            let steps = plan(seed, Length::Quick);
            assert_eq!(steps.len(), KINDS as usize - 1, "all but one that takes long");
            let mut names: Vec<_> = steps.iter().map(|step| step.deed.name()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), KINDS as usize - 3, "kill and pause come twice: {names:?}");
            let time_ms: u64 = steps.iter().map(|step| step.hold_ms + step.rest_ms).sum();
            assert!(time_ms < 120_000, "{time_ms}");
        }
    }

    #[test]
    fn a_long_run_fills_its_time() {
        let steps = plan(3, Length::Seconds(600));
        let time_ms: u64 = steps.iter().map(|step| step.hold_ms + step.rest_ms + OVERHEAD_MS).sum();
        assert!((600_000..650_000).contains(&time_ms), "{time_ms}");
    }
}
