//! What is listed and not looked up: gateways, and the sessions of a user.

use std::collections::HashMap;

use proto::id::{GatewayId, UserId};

use super::{RedisStore, packed};
use crate::domain::client::Client;
use crate::domain::registration::GatewayEpoch;
use crate::store::{Session, StoreError};

impl RedisStore {
    pub(super) async fn list_gateways(&self) -> Result<Vec<GatewayEpoch>, StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("SMEMBERS").arg(self.keys.gateways());
        let (ids,): (Vec<String>,) = self.read(&pipeline).await?;
        // Whatever else stands there was not written by this service.
        let ids: Vec<GatewayId> = ids.iter().filter_map(|id| GatewayId::parse(id).ok()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = redis::pipe();
        for id in &ids {
            let [account, ..] = self.keys.gateway(id);
            pipeline.cmd("HMGET").arg(account).arg("epoch").arg("ended");
        }
        let accounts: Vec<(Option<String>, Option<String>)> = self.read(&pipeline).await?;
        Ok(ids
            .into_iter()
            .zip(accounts)
            .filter(|(_, (_, ended))| ended.as_deref() != Some("1"))
            .filter_map(|(id, (epoch, _))| {
                let epoch = u64::from_str_radix(&epoch?, 16).ok()?;
                Some(GatewayEpoch { id, epoch })
            })
            .collect())
    }

    pub(super) async fn list_sessions(&self, user_id: &UserId) -> Result<Vec<Session>, StoreError> {
        let records = self.records(std::slice::from_ref(user_id)).await?;
        let record = records.first().and_then(Option::as_deref).unwrap_or_default();
        let mut pipeline = redis::pipe();
        pipeline.cmd("HGETALL").arg(self.keys.clients(user_id));
        let (clients,): (HashMap<String, String>,) = self.read(&pipeline).await?;
        let client = |connection: u64| {
            let text = clients.get(&format!("{connection:016x}"))?;
            let (ip, user_agent) = text.split_once(' ')?;
            Some(Client::new(ip, user_agent))
        };
        Ok(packed::registrations(record)
            .map(|registration| Session {
                gateway_id: registration.gateway_id.to_owned(),
                connection: registration.connection,
                device_id: registration.device_id.to_owned(),
                device_type: registration.device_type,
                connected_at_ms: registration.connected_at_ms,
                client: client(registration.connection).unwrap_or_default(),
            })
            .collect())
    }
}
