//! The section `[network]`: when a network counts as weak, and what fits which.

use proto::frame::server::{NetworkOptimization, Quality};
use serde::{Deserialize, Serialize};

/// Networks of clients that asked for a profile. Nobody else is measured or served differently.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkConfig {
    /// Smoothed round trip of heartbeats from which a network is fair, in milliseconds.
    pub fair_rtt_ms: u64,
    /// Smoothed round trip of heartbeats from which a network is poor, in milliseconds.
    pub poor_rtt_ms: u64,
    /// Smoothed loss of heartbeats from which a network is fair, in percent.
    pub fair_lost_percent: u32,
    /// Smoothed loss of heartbeats from which a network is poor, in percent.
    pub poor_lost_percent: u32,
    /// What fits a good network.
    pub good: ProfileConfig,
    /// What fits a fair one.
    pub fair: ProfileConfig,
    /// What fits a poor one.
    pub poor: ProfileConfig,
}

/// How a connection is served.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileConfig {
    /// Interval of the pings to a connection, in milliseconds.
    pub heartbeat_ms: u64,
    /// Maximum number of frames in one `batch`, up to 100; 1: no batches.
    pub batch: u32,
    /// Whether offers of `permessage-deflate` are accepted: fewer bytes, more CPU time.
    pub compression: bool,
    /// How often the client repeats an unanswered request before it reports a failure to its user.
    pub retries: u32,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        let profile = |heartbeat_ms, batch, compression, retries| ProfileConfig {
            heartbeat_ms,
            batch,
            compression,
            retries,
        };
        Self {
            fair_rtt_ms: 300,
            poor_rtt_ms: 1_000,
            fair_lost_percent: 20,
            poor_lost_percent: 40,
            good: profile(15_000, 10, false, 2),
            fair: profile(30_000, 5, true, 3),
            poor: profile(60_000, 1, true, 5),
        }
    }
}

impl NetworkConfig {
    /// What the client is told.
    pub(crate) fn optimization(&self, quality: Quality) -> NetworkOptimization {
        let profile = match quality {
            Quality::Good => self.good,
            Quality::Fair => self.fair,
            Quality::Poor => self.poor,
        };
        NetworkOptimization {
            quality,
            heartbeat_ms: profile.heartbeat_ms.max(1),
            batch: profile.batch.clamp(1, super::super::batching::MOST_FRAMES),
            compression: profile.compression,
            retries: profile.retries,
        }
    }
}
