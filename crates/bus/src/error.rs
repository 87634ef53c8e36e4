//! What a caller of the bus can do about a failure.

use proto::partition::Partition;

/// Why a publish failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The queue is full: nothing was taken. Slow down.
    #[error("the bus refused the batch: its queue is full")]
    Refused,
    /// No queue is bound for the key: nothing was taken. For a push: the gateway is gone.
    #[error("the bus has no queue for this batch")]
    Unroutable,
    /// Not connected or blocked: nothing was taken. Try again later.
    #[error("the bus is not available: {0}")]
    Unavailable(String),
    /// The connection broke or the confirm did not come in time: it may have been taken.
    #[error("the bus did not confirm: {0}")]
    Unknown(String),
}

/// Why a consumer could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsumeError {
    /// Not connected. Try again later.
    #[error("the bus is not available: {0}")]
    Unavailable(String),
    /// What the configuration asks for is not what there is: a queue with other arguments, a
    /// partition beyond the last. The text says which and what to do; trying again alone is no help.
    #[error("{0}")]
    Topology(String),
}

impl ConsumeError {
    pub(crate) fn no_partition(partition: Partition, count: Partition) -> Self {
        Self::Topology(format!(
            "Topology mismatch: there is no partition {partition} of {count}; every process of an              install must be configured with the same number of partitions"
        ))
    }
}
