//! The section `[network]`: when a network counts as weak, and what fits which.

use proto::frame::server::{NetworkOptimization, Quality};
use serde::{Deserialize, Serialize};

/// Networks of clients that asked for a profile. Nobody else is measured or served differently.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkConfig {
    /// Heartbeats that take so long there and back, smoothed, mean a fair network, in milliseconds.
    pub fair_rtt_ms: u64,
    /// Heartbeats that take so long there and back, smoothed, mean a poor network, in milliseconds.
    pub poor_rtt_ms: u64,
    /// Heartbeats without an answer, smoothed, that mean a fair network, in percent.
    pub fair_lost_percent: u32,
    /// Heartbeats without an answer, smoothed, that mean a poor network, in percent.
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
    /// How often it is pinged, in milliseconds.
    pub heartbeat_ms: u64,
    /// The most frames in one `batch`, up to 100; 1: none is made.
    pub batch: u32,
    /// Whether frames are compressed, where the upgrade has agreed on it.
    pub compression: bool,
    /// How often the client is to send again before it tells its user.
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
