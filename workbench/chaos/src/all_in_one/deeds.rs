//! What is done to the all-in-one binary, and what shows that it happened.

use std::time::{Duration, Instant};

use super::house::House;
use crate::fleets::Fleets;
use crate::slow_readers::SlowReaders;

/// How long a fault lasts at least.
const HOLD: Duration = Duration::from_millis(1_500);
/// A store that takes nothing is noticed within this time.
const NOTICED: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// Devices that read nothing stay so long.
const READERS: Duration = Duration::from_secs(4);
/// How far the clock jumps.
const OFFSET: &str = "+1h";

/// Something that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// SIGKILL, started again.
    Kill,
    /// Nothing more fits on the disk.
    FullDisk,
    /// The files cannot be written.
    ReadOnly,
    /// The time of day jumps.
    Clock,
    /// Devices that read nothing.
    SlowReaders,
}

impl Deed {
    /// All of them.
    pub(super) const ALL: [Self; 5] =
        [Self::Kill, Self::FullDisk, Self::ReadOnly, Self::Clock, Self::SlowReaders];

    /// What it is called in histories.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::FullDisk => "full disk",
            Self::ReadOnly => "read-only",
            Self::Clock => "clock",
            Self::SlowReaders => "slow readers",
        }
    }
}

/// Does it from its start to its end; what shows it.
pub(super) async fn perform(
    house: &mut House,
    fleets: &Fleets,
    deed: Deed,
) -> anyhow::Result<String> {
    match deed {
        Deed::Kill => house.kill().await,
        Deed::FullDisk => {
            let ballast = house.disk()?.fill()?;
            let said = stores_nothing(house).await;
            drop(ballast);
            Ok(said)
        }
        Deed::ReadOnly => {
            house.set_immutable(true)?;
            let said = stores_nothing(house).await;
            house.set_immutable(false)?;
            Ok(said)
        }
        Deed::Clock => {
            house.set_clock(OFFSET)?;
            tokio::time::sleep(HOLD * 2).await;
            let is_read = house.has_read_clock()?;
            house.set_clock("+0")?;
            Ok(if is_read { format!("its clock said {OFFSET}") } else { String::new() })
        }
        Deed::SlowReaders => {
            let readers = SlowReaders::connect(&[house.address], &fleets.group_users()?).await?;
            tokio::time::sleep(READERS).await;
            let (count, given_up) = readers.hang_up().await;
            Ok(format!("{count} devices read nothing, {given_up} were given up"))
        }
    }
}

/// Waits until the process says that it is not ready, and why; nothing when it does not.
async fn stores_nothing(house: &House) -> String {
    let begun = Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        let said = house.readiness().await;
        let is_noticed = said.as_ref().is_err_and(|said| said.contains("database"));
        if is_noticed && begun.elapsed() >= HOLD {
            return said.err().unwrap_or_default();
        }
        if begun.elapsed() > NOTICED {
            return String::new();
        }
    }
}
