//! Names of exchanges and queues: one place for publishers, consumers and operators.

use proto::bus::GatewayRef;
use proto::partition::Partition;

use crate::Lane;

/// Direct exchange for frames; routing key [`frame_key`].
pub const FRAMES_EXCHANGE: &str = "tidings.frames";
/// Direct exchange for pushes; routing key [`push_key`].
pub const PUSH_EXCHANGE: &str = "tidings.push";

/// Routing key and queue name of a partition.
pub fn frame_key(lane: Lane, partition: Partition) -> String {
    format!("{}.{partition}", lane.as_str())
}

/// Routing key and queue name of one gateway epoch.
pub fn push_key(gateway: &GatewayRef) -> String {
    format!("gateway.{}.{:016x}", gateway.id, gateway.epoch)
}
