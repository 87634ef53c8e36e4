//! Names of exchanges and queues: one place for publishers, consumers and operators.

use proto::common::GatewayRef;
use proto::partition::Partition;

use crate::Lane;

/// The names under one prefix. Installs and test runs on one broker differ in it.
#[derive(Debug, Clone)]
pub struct Topology {
    prefix: String,
}

impl Topology {
    /// Names that begin with `prefix`.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// Direct exchange for frames; the routing key is the queue's name.
    pub fn frames_exchange(&self) -> String {
        format!("{}.frames", self.prefix)
    }

    /// Direct exchange for pushes; the routing key is the queue's name.
    pub fn push_exchange(&self) -> String {
        format!("{}.push", self.prefix)
    }

    /// Fanout exchange for broadcasts.
    pub fn broadcast_exchange(&self) -> String {
        format!("{}.broadcast", self.prefix)
    }

    /// Fanout exchange for urgent pushes to all gateways.
    pub fn urgent_exchange(&self) -> String {
        format!("{}.urgent", self.prefix)
    }

    /// The urgent queue of one gateway epoch. It vanishes with its connection.
    pub fn urgent_queue(&self, gateway: &GatewayRef) -> String {
        format!("{}.urgent.{}.{:016x}", self.prefix, gateway.id, gateway.epoch)
    }

    /// Fanout exchange for nudges.
    pub fn nudge_exchange(&self) -> String {
        format!("{}.nudge", self.prefix)
    }

    /// Topic exchange for events; integrators bind their own queues to it.
    pub fn events_exchange(&self) -> String {
        format!("{}.events", self.prefix)
    }

    /// The queue of one listener for events within an install. It vanishes with its connection.
    pub fn event_queue(&self, listener: u64) -> String {
        format!("{}.events.{listener:016x}", self.prefix)
    }

    /// The queue of one listener for nudges. It vanishes with its connection.
    pub fn nudge_queue(&self, listener: u64) -> String {
        format!("{}.nudge.{listener:016x}", self.prefix)
    }

    /// The queue of a partition.
    pub fn frame_queue(&self, lane: Lane, partition: Partition) -> String {
        format!("{}.{}.{partition}", self.prefix, lane.as_str())
    }

    /// The queue of one gateway epoch. It vanishes with its connection.
    pub fn push_queue(&self, gateway: &GatewayRef) -> String {
        format!("{}.gateway.{}.{:016x}", self.prefix, gateway.id, gateway.epoch)
    }

    /// A bulk queue of a gateway. It vanishes with its connection.
    pub fn bulk_queue(&self, gateway: &GatewayRef) -> String {
        format!("{}.bulk.{}.{:016x}", self.prefix, gateway.id, gateway.epoch)
    }
}
