//! What is listed and not looked up: gateways, the sessions of a user, and all connections.
//!
//! Each gateway has a sorted set of its connections' places, which its scripts keep together with its account. A page
//! is merged from the next places of every gateway, and then read from the users' records.

use std::collections::HashMap;

use proto::id::{GatewayId, TenantId, UserId};

use super::{RedisStore, packed};
use crate::domain::client::Client;
use crate::domain::registration::GatewayEpoch;
use crate::store::{ListPage, ListPlace, Listed, Session, StoreError};

impl RedisStore {
    async fn known_gateways(&self) -> Result<Vec<GatewayId>, StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("SMEMBERS").arg(self.keys.gateways());
        let (ids,): (Vec<String>,) = self.read(&pipeline).await?;
        // Whatever else stands there was not written by this service.
        Ok(ids.iter().filter_map(|id| GatewayId::parse(id).ok()).collect())
    }

    pub(super) async fn list_gateways(&self) -> Result<Vec<GatewayEpoch>, StoreError> {
        let ids = self.known_gateways().await?;
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
        Ok(packed::registrations(record)
            .map(|registration| {
                let client = clients.get(&format!("{:016x}", registration.connection));
                session(&registration, client.map(String::as_str))
            })
            .collect())
    }

    pub(super) async fn list_connections(
        &self,
        tenant: TenantId,
        after: Option<&ListPlace>,
        limit: usize,
    ) -> Result<ListPage, StoreError> {
        let (places, has_more) = self.places(tenant, after, limit.max(1)).await?;
        let mut users: Vec<UserId> = places.iter().map(|place| place.user_id.clone()).collect();
        users.dedup();
        let records = self.records(&users).await?;
        let records: HashMap<&UserId, Option<Vec<u8>>> = users.iter().zip(records).collect();
        let clients = self.clients(&places).await?;
        let listed = |(place, client): (&ListPlace, Option<String>)| {
            let record = records.get(&place.user_id)?.as_deref()?;
            // None where it is not registered yet, or was refused, or has been replaced.
            let registration = packed::registrations(record).find(|registration| {
                registration.connection == place.connection
                    && registration.gateway_id == place.gateway_id.as_str()
            })?;
            let session = session(&registration, client.as_deref());
            Some(Listed { place: place.clone(), session })
        };
        let connections = places.iter().zip(clients).filter_map(listed).collect();
        Ok(ListPage { connections, next: places.last().filter(|_| has_more).cloned() })
    }

    /// The next places of a tenant's users at all gateways, in their order, and whether more follow.
    ///
    /// Users of the tenant `default` stand between those of others, of whom the rest of a tenant is passed over in
    /// one step.
    async fn places(
        &self,
        tenant: TenantId,
        after: Option<&ListPlace>,
        limit: usize,
    ) -> Result<(Vec<ListPlace>, bool), StoreError> {
        let gateways = self.known_gateways().await?;
        let mut found = Vec::new();
        let (mut after, mut from) = (after.cloned(), first_of(tenant));
        while !gateways.is_empty() && found.len() <= limit {
            let places = self.next_places(&gateways, tenant, after.as_ref(), &from, limit).await?;
            let Some(last) = places.last().cloned() else { break };
            found.extend(places.into_iter().filter(|place| place.user_id.tenant() == tenant));
            if last.user_id.tenant() == tenant {
                after = Some(last);
            } else {
                (after, from) = (None, format!("[{}", behind(last.user_id.tenant())));
            }
        }
        let has_more = found.len() > limit;
        found.truncate(limit);
        Ok((found, has_more))
    }

    /// The next places behind one, or from a text on, at most one more than so many.
    async fn next_places(
        &self,
        gateways: &[GatewayId],
        tenant: TenantId,
        after: Option<&ListPlace>,
        from: &str,
        limit: usize,
    ) -> Result<Vec<ListPlace>, StoreError> {
        let mut pipeline = redis::pipe();
        for gateway_id in gateways {
            let from = after.map_or_else(
                || from.to_owned(),
                |after| {
                    // Of one place the gateways follow each other in their order.
                    let mark = if *gateway_id <= after.gateway_id { '(' } else { '[' };
                    format!("{mark}{},{:016x}", after.user_id, after.connection)
                },
            );
            let to =
                if tenant.is_default() { "+".to_owned() } else { format!("({}", behind(tenant)) };
            let [_, _, _, listed] = self.keys.gateway(gateway_id);
            pipeline.cmd("ZRANGEBYLEX").arg(listed).arg(from).arg(to);
            pipeline.arg("LIMIT").arg(0).arg(limit + 1);
        }
        let found: Vec<Vec<String>> = self.read(&pipeline).await?;
        let mut places: Vec<(String, &GatewayId)> = gateways
            .iter()
            .zip(found)
            .flat_map(|(gateway_id, texts)| texts.into_iter().map(move |text| (text, gateway_id)))
            .collect();
        // By their bytes, as Redis sorts them.
        places.sort_unstable();
        places.truncate(limit + 1);
        let place = |(text, gateway_id): (String, &GatewayId)| {
            ListPlace::parse(&format!("{text},{gateway_id}"))
        };
        Ok(places.into_iter().filter_map(place).collect())
    }

    /// What connections came from, in their order.
    async fn clients(&self, places: &[ListPlace]) -> Result<Vec<Option<String>>, StoreError> {
        let mut clients = Vec::with_capacity(places.len());
        for chunk in places.chunks(self.config.pipeline_commands.max(1)) {
            let mut pipeline = redis::pipe();
            for ListPlace { user_id, connection, .. } in chunk {
                let field = format!("{connection:016x}");
                pipeline.cmd("HGET").arg(self.keys.clients(user_id)).arg(field);
            }
            let found: Vec<Option<String>> = self.read(&pipeline).await?;
            clients.extend(found);
        }
        Ok(clients)
    }
}

/// Where the list of a tenant's users begins, as a bound of Redis.
fn first_of(tenant: TenantId) -> String {
    if tenant.is_default() { "-".to_owned() } else { format!("[{tenant}/") }
}

/// The first text that sorts behind the users of a tenant that is not `default`: `0` follows `/`.
fn behind(tenant: TenantId) -> String {
    format!("{tenant}0")
}

fn session(registration: &packed::PackedRegistration<'_>, client: Option<&str>) -> Session {
    let client = client.and_then(|text| text.split_once(' '));
    Session {
        gateway_id: registration.gateway_id.to_owned(),
        connection: registration.connection,
        device_id: registration.device_id.to_owned(),
        device_type: registration.device_type,
        connected_at_ms: registration.connected_at_ms,
        client: client.map(|(ip, agent)| Client::new(ip, agent)).unwrap_or_default(),
    }
}
