//! What the append step is given.

use bus::FrameDelivery;
use proto::partition::Partition;

/// A batch of the bus and where it came from.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) delivery: FrameDelivery,
    pub(crate) partition: Partition,
}
