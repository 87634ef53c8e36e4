//! The chaos suite: a cluster of its own, backends included, that is hurt on purpose while a fleet
//! talks through it, by a schedule that a seed replays. `fleet check` judges what was recorded.
//!
//! Nothing here may touch what others run: every process is its own child, every port and folder
//! its own, and all of it ends with the run.

mod all_in_one;
mod broker;
mod clock;
mod daemon;
mod deeds;
mod fleets;
mod journal;
mod machine;
mod means;
mod namespace;
mod options;
mod planted;
mod postgres;
pub mod proxy;
mod report;
pub mod run;
mod schedule;
mod slow_readers;
mod small_disk;
mod system;
mod verdict;
mod watch;
mod wiring;

pub use options::Options;
