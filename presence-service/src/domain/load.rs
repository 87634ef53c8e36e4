//! What gateways say of how much they carry: plain values, no clock.

use std::collections::BTreeMap;

use proto::id::GatewayId;

use super::lease::has_ended;

/// What one gateway says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Open connections.
    pub connections: u32,
    /// Further ones are let in.
    pub takes: bool,
    /// It leaves, and its connections with it.
    pub is_draining: bool,
}

/// What living gateways said last, by id. Bounded by how many there are within a lease.
#[derive(Debug, Default)]
pub struct Loads(BTreeMap<GatewayId, (Load, u64)>);

impl Loads {
    /// A gateway says something that counts until then; the answer is what all say.
    pub fn note(
        &mut self,
        gateway_id: &GatewayId,
        load: Load,
        (now_ms, until_ms): (u64, u64),
    ) -> Vec<(GatewayId, Load)> {
        self.0.retain(|_, (_, until_ms)| !has_ended(*until_ms, now_ms));
        self.0.insert(gateway_id.clone(), (load, until_ms));
        self.0.iter().map(|(id, (load, _))| (id.clone(), *load)).collect()
    }

    /// A gateway has left.
    pub fn forget(&mut self, gateway_id: &GatewayId) {
        self.0.remove(gateway_id);
    }
}
