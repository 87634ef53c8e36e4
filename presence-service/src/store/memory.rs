//! Presence in the memory of one process, for the all-in-one binary. Bounded: beyond the configured
//! number of users those who have been away longest are forgotten.

mod account;
mod clock;
mod listing;
mod spending;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use proto::id::{GatewayId, TenantId, UserId};

use super::{
    Choice, LeaseConfig, ListPage, ListPlace, Located, OwnChoice, PresenceStore, Report, Reported,
    Session, StoreError, Swept, UserState,
};
use account::{Gateway, Superseded};
use clock::Clock;
use spending::Spending;

use crate::domain::account::{AccountStamp, HeartbeatOutcome, Tally};
use crate::domain::lease::{Terms, has_ended};
use crate::domain::load::{Load, Loads};
use crate::domain::registration::{
    Allowed, Cause, Change, Connected, Disconnected, GatewayEpoch, Named, Place, Registration,
    UserRecord, is_reported_anew,
};
use crate::domain::rivals::{Heard, Speakers};
use crate::domain::spending::{Spent, most_micros};
use crate::domain::status::Chosen;

/// Users whose last-seen time and choice are remembered, unless told otherwise: some 20 MiB.
const USERS: usize = 100_000;

/// The store. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    config: LeaseConfig,
    users_max: usize,
    clock: Clock,
    // Not an async lock: it is held for microseconds and never over an await.
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    users: HashMap<UserId, UserRecord>,
    /// Those with a registration.
    connected: BTreeSet<UserId>,
    spending: Spending,
    gateways: HashMap<GatewayId, Gateway>,
    speakers: HashMap<GatewayId, Speakers>,
    loads: Loads,
    last_stamp: u64,
}

impl State {
    fn stamp(&mut self) -> AccountStamp {
        self.last_stamp += 1;
        AccountStamp(self.last_stamp)
    }

    /// The account that a report goes to, with its lease renewed.
    fn account(
        &mut self,
        report: &Report,
        terms: Terms,
        now_ms: u64,
    ) -> Result<&mut Gateway, StoreError> {
        let stamp = self.stamp();
        let GatewayEpoch { id, epoch } = &report.gateway;
        let gateway =
            self.gateways.entry(id.clone()).or_insert_with(|| Gateway::new(*epoch, stamp));
        if gateway.past_epochs.contains(epoch) {
            return Err(StoreError::StaleEpoch);
        }
        if gateway.epoch != *epoch || report.is_snapshot {
            let until_ms = terms.superseded_until_ms(gateway.lease_until_ms, now_ms);
            gateway.supersede(stamp, until_ms);
        }
        if gateway.epoch != *epoch {
            gateway.begin_epoch(*epoch);
        }
        gateway.lease_until_ms = terms.lease_until_ms(now_ms);
        gateway.has_ended = false;
        Ok(gateway)
    }

    fn connect(
        &mut self,
        gateway: &GatewayEpoch,
        stamp: AccountStamp,
        connected: &Connected,
        (terms, allowed): (Terms, Allowed),
        now_ms: u64,
    ) -> Option<Change> {
        let record = self.users.entry(connected.user_id.clone()).or_default();
        let before = record.standing();
        let was_seen = before.devices == 0 && record.last_seen_ms > 0;
        let offline_ms = was_seen.then(|| now_ms.saturating_sub(record.last_seen_ms));
        let is_anew = is_reported_anew(connected.connected_at_ms, now_ms, terms.lease);
        let registration = Registration {
            gateway: gateway.clone(),
            stamp,
            connection: connected.connection,
            device_id: connected.device_id.clone(),
            device_type: connected.device_type,
            connected_at_ms: connected.connected_at_ms,
            client: connected.client.clone(),
        };
        let replaced = record.connect(registration, is_anew, allowed)?;
        if before.devices == 0 {
            self.connected.insert(connected.user_id.clone());
        }
        Some(Change {
            user_id: connected.user_id.clone(),
            before,
            after: record.standing(),
            last_seen_ms: record.last_seen_ms,
            cause: Cause::Connected { offline_ms, is_anew },
            by: Some(Place { gateway: gateway.clone(), connection: connected.connection }),
            replaced,
        })
    }

    fn disconnect(
        &mut self,
        user_id: &UserId,
        named: Named<'_>,
        cause: Cause,
        now_ms: u64,
    ) -> Option<Change> {
        let record = self.users.get_mut(user_id)?;
        let before = record.standing();
        record.disconnect(named, now_ms);
        let after = record.standing();
        if record.registrations.is_empty() {
            self.connected.remove(user_id);
        }
        let last_seen_ms = record.last_seen_ms;
        let user_id = user_id.clone();
        let (by, replaced) = (None, Vec::new());
        let change = Change { user_id, before, after, last_seen_ms, cause, by, replaced };
        change.is_something().then_some(change)
    }

    /// Takes back connections of a gateway, whichever epoch reported them.
    fn close(
        &mut self,
        gateway: &GatewayEpoch,
        gone: &[&Disconnected],
        now_ms: u64,
    ) -> Vec<Change> {
        gone.iter()
            .filter_map(|gone| {
                let named = Named::Connection(&gateway.id, gone.connection);
                self.disconnect(&gone.user_id, named, Cause::Disconnected, now_ms)
            })
            .collect()
    }

    /// Forgets a tenth of the users, those who have been away longest, when there are too many.
    fn forget(&mut self, users_max: usize) {
        if self.users.len() <= users_max {
            return;
        }
        let mut absent: Vec<(u64, UserId)> = self
            .users
            .iter()
            .filter(|(_, record)| record.registrations.is_empty())
            .map(|(user_id, record)| (record.last_seen_ms, user_id.clone()))
            .collect();
        absent.sort_unstable();
        let excess = self.users.len() - users_max + users_max / 10;
        for (_, user_id) in absent.into_iter().take(excess) {
            self.users.remove(&user_id);
        }
    }
}

fn session(registration: &Registration) -> Session {
    Session {
        gateway_id: registration.gateway.id.to_string(),
        connection: registration.connection,
        device_id: registration.device_id.to_string(),
        device_type: registration.device_type.0,
        connected_at_ms: registration.connected_at_ms,
        client: registration.client.clone(),
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store with the usual leases.
    pub fn new() -> Self {
        Self::with(LeaseConfig::default(), USERS)
    }

    /// An empty store. Of more than about `users_max` users those who are away are forgotten.
    pub fn with(config: LeaseConfig, users_max: usize) -> Self {
        Self { config, users_max, clock: Clock::start(), state: Arc::default() }
    }
}

#[async_trait]
impl PresenceStore for MemoryStore {
    async fn report(&self, report: &Report) -> Result<Reported, StoreError> {
        let now_ms = self.clock.now_ms();
        let mut state = self.state.lock();
        let stamp = state.account(report, self.config.terms(), now_ms)?.stamp;
        let rules = (self.config.terms(), self.config.allowed(report.is_snapshot));
        let mut reported = Reported::default();
        let (before, after) = report.closed_before_and_after();
        reported.changes.extend(state.close(&report.gateway, &before, now_ms));
        for connected in &report.connected {
            match state.connect(&report.gateway, stamp, connected, rules, now_ms) {
                Some(change) => {
                    reported.chosen.push(OwnChoice {
                        connection: connected.connection,
                        user_id: connected.user_id.clone(),
                        chosen: change.after.chosen,
                    });
                    reported.changes.push(change);
                }
                None => reported.refused.push(connected.connection),
            }
        }
        reported.changes.extend(state.close(&report.gateway, &after, now_ms));
        if let Some(account) = state.gateways.get_mut(&report.gateway.id) {
            account.take(report, &reported.refused);
        }
        reported.changes.retain(Change::is_something);
        state.forget(self.users_max);
        Ok(reported)
    }

    async fn heartbeat(
        &self,
        gateway: &GatewayEpoch,
        tally: Tally,
    ) -> Result<HeartbeatOutcome, StoreError> {
        let now_ms = self.clock.now_ms();
        let mut state = self.state.lock();
        let Some(account) = state.gateways.get_mut(&gateway.id) else {
            return Ok(HeartbeatOutcome::Resync);
        };
        if account.past_epochs.contains(&gateway.epoch) {
            return Err(StoreError::StaleEpoch);
        }
        if account.epoch != gateway.epoch {
            return Ok(HeartbeatOutcome::Resync);
        }
        account.lease_until_ms = self.config.terms().lease_until_ms(now_ms);
        account.has_ended = false;
        Ok(if account.tally == tally { HeartbeatOutcome::Agreed } else { HeartbeatOutcome::Resync })
    }

    async fn hear(&self, gateway_id: &GatewayId, process: u64) -> Result<Heard, StoreError> {
        let now_ms = self.clock.now_ms();
        let mut state = self.state.lock();
        let speakers = state.speakers.entry(gateway_id.clone()).or_default();
        Ok(speakers.hear(process, now_ms, self.config.lease_ms))
    }

    async fn note_load(
        &self,
        gateway_id: &GatewayId,
        load: Load,
    ) -> Result<Vec<(GatewayId, Load)>, StoreError> {
        let now_ms = self.clock.now_ms();
        let times = (now_ms, self.config.terms().lease_until_ms(now_ms));
        Ok(self.state.lock().loads.note(gateway_id, load, times))
    }

    async fn sign_off(&self, gateway: &GatewayEpoch) -> Result<bool, StoreError> {
        let now_ms = self.clock.now_ms();
        let mut state = self.state.lock();
        let stamp = state.stamp();
        let Some(account) = state.gateways.get_mut(&gateway.id) else { return Ok(false) };
        if account.epoch != gateway.epoch || account.past_epochs.contains(&gateway.epoch) {
            return Ok(false);
        }
        account.supersede(stamp, now_ms);
        account.superseded_until_ms = now_ms;
        account.lease_until_ms = now_ms;
        account.has_ended = true;
        account.follow(gateway.epoch);
        state.loads.forget(&gateway.id);
        Ok(true)
    }

    async fn locate(&self, users: &[UserId]) -> Result<Located, StoreError> {
        let state = self.state.lock();
        let mut located = Located::with_capacity(users.len());
        for user_id in users {
            for registration in state.users.get(user_id).into_iter().flat_map(|r| &r.registrations)
            {
                let GatewayEpoch { id, epoch } = &registration.gateway;
                let device_type = registration.device_type.0;
                located.push(id.as_str(), *epoch, registration.connection, device_type);
            }
            located.end_user();
        }
        Ok(located)
    }

    async fn gateways(&self) -> Result<Vec<GatewayEpoch>, StoreError> {
        let state = self.state.lock();
        let living = state.gateways.iter().filter(|(_, gateway)| !gateway.has_ended);
        Ok(living
            .map(|(id, gateway)| GatewayEpoch { id: id.clone(), epoch: gateway.epoch })
            .collect())
    }

    async fn states(&self, users: &[UserId]) -> Result<Vec<UserState>, StoreError> {
        let state = self.state.lock();
        Ok(users
            .iter()
            .map(|user_id| {
                state.users.get(user_id).map_or_else(UserState::default, |record| UserState {
                    standing: record.standing(),
                    last_seen_ms: record.last_seen_ms,
                })
            })
            .collect())
    }

    async fn choose(&self, choices: &[Choice]) -> Result<Vec<Change>, StoreError> {
        let now_ms = self.clock.now_ms();
        let mut state = self.state.lock();
        let mut changes = Vec::new();
        for Choice { user_id, chosen, by } in choices {
            let record = state.users.entry(user_id.clone()).or_default();
            let before = record.standing();
            record.choose(*chosen, now_ms);
            let after = record.standing();
            if before != after {
                let (user_id, last_seen_ms, by) =
                    (user_id.clone(), record.last_seen_ms, by.clone());
                let (cause, replaced) = (Cause::Chose, Vec::new());
                changes.push(Change { user_id, before, after, last_seen_ms, cause, by, replaced });
            }
        }
        state.forget(self.users_max);
        Ok(changes)
    }

    async fn fill_in(
        &self,
        choices: &[(UserId, Chosen)],
    ) -> Result<Vec<(bool, UserState)>, StoreError> {
        let mut state = self.state.lock();
        let mut filled = Vec::with_capacity(choices.len());
        for (user_id, chosen) in choices {
            let record = state.users.entry(user_id.clone()).or_default();
            let was_unread = record.fill_in(*chosen);
            let (standing, last_seen_ms) = (record.standing(), record.last_seen_ms);
            filled.push((was_unread, UserState { standing, last_seen_ms }));
        }
        state.forget(self.users_max);
        Ok(filled)
    }

    async fn sessions(&self, user_id: &UserId) -> Result<Vec<Session>, StoreError> {
        let state = self.state.lock();
        let registrations = state.users.get(user_id).into_iter().flat_map(|it| &it.registrations);
        Ok(registrations.map(session).collect())
    }

    async fn connections(
        &self,
        tenant: TenantId,
        after: Option<&ListPlace>,
        limit: usize,
    ) -> Result<ListPage, StoreError> {
        Ok(self.state.lock().page(tenant, after, limit))
    }

    async fn spend(&self, spent: &[Spent], time: Duration) -> Result<Vec<Vec<u64>>, StoreError> {
        let now_us = self.clock.now_us();
        let spending = &mut self.state.lock().spending;
        Ok(spending.book(spent, most_micros(time), now_us, self.users_max))
    }

    async fn sweep(&self, most: usize) -> Result<Swept, StoreError> {
        let now_ms = self.clock.now_ms();
        let memory_ms = self.config.gateway_memory_secs * 1_000;
        let mut state = self.state.lock();
        let mut swept = Swept::default();
        let mut due = Vec::new();
        let stamp = state.stamp();
        for (gateway_id, gateway) in &mut state.gateways {
            if has_ended(gateway.lease_until_ms, now_ms) && !gateway.has_ended {
                gateway.supersede(stamp, now_ms);
                gateway.superseded_until_ms = now_ms;
                gateway.has_ended = true;
                swept.ended.push(gateway_id.clone());
            }
            if has_ended(gateway.superseded_until_ms, now_ms) {
                let count = gateway.superseded.len().min(most.saturating_sub(due.len()));
                due.extend(
                    gateway.superseded.drain(..count).map(|gone| (gateway_id.clone(), gone)),
                );
                swept.has_more |= !gateway.superseded.is_empty();
            }
        }
        for (gateway_id, Superseded { stamp, connection, user_id }) in due {
            let named = Named::InAccount(&gateway_id, connection, stamp);
            swept.changes.extend(state.disconnect(&user_id, named, Cause::TakenOver, now_ms));
        }
        state.speakers.retain(|_, speakers| !speakers.are_silent_for(memory_ms, now_ms));
        state.gateways.retain(|_, gateway| {
            !gateway.has_ended
                || !gateway.superseded.is_empty()
                || gateway.lease_until_ms + memory_ms > now_ms
        });
        Ok(swept)
    }
}
