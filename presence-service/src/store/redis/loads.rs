//! What gateways say of their load: one small key for all of them, since each heartbeat asks for all.

use proto::id::GatewayId;

use super::{RedisStore, call};
use crate::domain::load::Load;
use crate::store::StoreError;

impl RedisStore {
    pub(super) async fn write_load(
        &self,
        gateway_id: &GatewayId,
        load: Load,
    ) -> Result<Vec<(GatewayId, Load)>, StoreError> {
        let mut pipeline = redis::pipe();
        call(&mut pipeline, &self.scripts.load, &[self.keys.loads()])
            .arg(gateway_id.as_str())
            .arg(load.connections)
            .arg(u8::from(load.takes))
            .arg(u8::from(load.is_draining))
            .arg(self.leases.lease_ms);
        let (said,): (Vec<String>,) = self.write(&pipeline).await?;
        let mut loads: Vec<_> =
            said.chunks_exact(2).filter_map(|pair| read(&pair[0], &pair[1])).collect();
        loads.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(loads)
    }

    /// Of a gateway that has left.
    pub(super) async fn forget_load(&self, gateway_id: &GatewayId) -> Result<(), StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("HDEL").arg(self.keys.loads()).arg(gateway_id.as_str()).ignore();
        self.write(&pipeline).await
    }
}

fn read(id: &str, said: &str) -> Option<(GatewayId, Load)> {
    let mut words = said.split(' ');
    let connections = words.next()?.parse().ok()?;
    let takes = words.next()? == "1";
    let is_draining = words.next()? == "1";
    Some((GatewayId::parse(id).ok()?, Load { connections, takes, is_draining }))
}
