//! What is listed and not looked up: gateways, the sessions of a user, what is revoked.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use proto::id::{GatewayId, UserId};

use super::{RedisStore, packed};
use crate::domain::client::Client;
use crate::domain::registration::GatewayEpoch;
use crate::store::{Revoked, Session, StoreError};

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

    /// All in one transaction, so that no version names a list without it.
    pub(super) async fn add_revoked(&self, revoked: &[Revoked]) -> Result<(), StoreError> {
        let [list, version] = self.keys.revoked();
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        pipeline.cmd("ZREMRANGEBYSCORE").arg(&list).arg("-inf").arg(now_ms()).ignore();
        for Revoked { until_ms, what } in revoked {
            pipeline.cmd("ZADD").arg(&list).arg("GT").arg(*until_ms).arg(what).ignore();
        }
        let most = i64::try_from(self.leases.revocations.max(1)).unwrap_or(i64::MAX);
        pipeline.cmd("ZREMRANGEBYRANK").arg(&list).arg(0).arg(-most - 1).ignore();
        // Random: after Redis forgot everything no number comes twice.
        let fresh = uuid::Uuid::new_v4().simple().to_string();
        pipeline.cmd("SET").arg(version).arg(fresh).ignore();
        self.write(&pipeline).await
    }

    pub(super) async fn list_revoked(&self) -> Result<(Vec<Revoked>, String), StoreError> {
        let [list, version] = self.keys.revoked();
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        pipeline.cmd("GET").arg(version);
        pipeline.cmd("ZRANGEBYSCORE").arg(list).arg(format!("({}", now_ms())).arg("+inf");
        pipeline.arg("WITHSCORES");
        let (version, pairs): (Option<String>, Vec<(Vec<u8>, f64)>) = self.read(&pipeline).await?;
        let revoked = pairs
            .into_iter()
            .map(|(what, until)| Revoked { until_ms: until as u64, what })
            .collect();
        Ok((revoked, version.unwrap_or_default()))
    }

    pub(super) async fn version_of_revoked(&self) -> Result<String, StoreError> {
        let [_, version] = self.keys.revoked();
        let mut pipeline = redis::pipe();
        pipeline.cmd("GET").arg(version);
        let (version,): (Option<String>,) = self.read(&pipeline).await?;
        Ok(version.unwrap_or_default())
    }
}

/// Times of ending are Unix times of others: this machine's clock is as good as theirs.
fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
