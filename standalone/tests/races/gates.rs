//! Hooks: places where a step of the system stops until the test lets it go on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use presence_service::domain::account::{HeartbeatOutcome, Tally};
use presence_service::domain::load::Load;
use presence_service::domain::registration::{Change, GatewayEpoch};
use presence_service::domain::rivals::Heard;
use presence_service::domain::spending::Spent;
use presence_service::domain::status::Chosen;
use presence_service::store::memory::MemoryStore;
use presence_service::store::{
    Choice, ListPage, ListPlace, Located, PresenceStore, Report, Reported, Session, StoreError,
    Swept, UserState,
};
use proto::id::{GatewayId, TenantId, UserId};
use tokio::sync::watch;

use crate::house::PATIENCE;

/// A gate on a step.
#[derive(Debug, Clone)]
pub struct Gate {
    is_open: Arc<watch::Sender<bool>>,
    arrived: Arc<watch::Sender<usize>>,
    passed: Arc<watch::Sender<usize>>,
}

impl Gate {
    fn new() -> Self {
        let count = || Arc::new(watch::channel(0).0);
        Self { is_open: Arc::new(watch::channel(true).0), arrived: count(), passed: count() }
    }

    pub fn close(&self) {
        self.is_open.send_replace(false);
    }

    pub fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// Waits until so many have come to the gate.
    pub async fn arrived(&self, count: usize) {
        reached(&self.arrived, count, "arrived").await;
    }

    /// Waits until so many have gone through and done what is behind it.
    pub async fn passed(&self, count: usize) {
        reached(&self.passed, count, "passed").await;
    }

    async fn pass(&self) {
        self.arrived.send_modify(|count| *count += 1);
        // The sender lives in this gate.
        let _ = self.is_open.subscribe().wait_for(|is_open| *is_open).await;
    }

    fn done(&self) {
        self.passed.send_modify(|count| *count += 1);
    }
}

async fn reached(counter: &watch::Sender<usize>, count: usize, what: &str) {
    let mut counter = counter.subscribe();
    let reached = counter.wait_for(|reached| *reached >= count);
    tokio::time::timeout(PATIENCE, reached).await.expect(what).unwrap();
}

/// Presence with gates before what concerns one user.
pub struct GatedPresence {
    inner: MemoryStore,
    user: UserId,
    /// Before the user's connections are registered.
    pub registration: Gate,
    /// Before the user is located.
    pub location: Gate,
}

impl GatedPresence {
    pub fn of(user: &str) -> Self {
        let (registration, location) = (Gate::new(), Gate::new());
        let user = UserId::parse_qualified(user).unwrap();
        Self { inner: MemoryStore::new(), user, registration, location }
    }
}

#[async_trait]
impl PresenceStore for GatedPresence {
    async fn report(&self, report: &Report) -> Result<Reported, StoreError> {
        let is_concerned = report.connected.iter().any(|it| it.user_id == self.user);
        if is_concerned {
            self.registration.pass().await;
        }
        let reported = self.inner.report(report).await;
        if is_concerned {
            self.registration.done();
        }
        reported
    }

    async fn heartbeat(
        &self,
        gateway: &GatewayEpoch,
        tally: Tally,
    ) -> Result<HeartbeatOutcome, StoreError> {
        self.inner.heartbeat(gateway, tally).await
    }

    async fn hear(&self, gateway_id: &GatewayId, process: u64) -> Result<Heard, StoreError> {
        self.inner.hear(gateway_id, process).await
    }

    async fn note_load(
        &self,
        gateway_id: &GatewayId,
        load: Load,
    ) -> Result<Vec<(GatewayId, Load)>, StoreError> {
        self.inner.note_load(gateway_id, load).await
    }

    async fn sign_off(&self, gateway: &GatewayEpoch) -> Result<bool, StoreError> {
        self.inner.sign_off(gateway).await
    }

    async fn locate(&self, users: &[UserId]) -> Result<Located, StoreError> {
        let is_concerned = users.contains(&self.user);
        if is_concerned {
            self.location.pass().await;
        }
        let located = self.inner.locate(users).await;
        if is_concerned {
            self.location.done();
        }
        located
    }

    async fn gateways(&self) -> Result<Vec<GatewayEpoch>, StoreError> {
        self.inner.gateways().await
    }

    async fn states(&self, users: &[UserId]) -> Result<Vec<UserState>, StoreError> {
        self.inner.states(users).await
    }

    async fn choose(&self, choices: &[Choice]) -> Result<Vec<Change>, StoreError> {
        self.inner.choose(choices).await
    }

    async fn fill_in(
        &self,
        choices: &[(UserId, Chosen)],
    ) -> Result<Vec<(bool, UserState)>, StoreError> {
        self.inner.fill_in(choices).await
    }

    async fn sessions(&self, user_id: &UserId) -> Result<Vec<Session>, StoreError> {
        self.inner.sessions(user_id).await
    }

    async fn connections(
        &self,
        tenant: TenantId,
        after: Option<&ListPlace>,
        limit: usize,
    ) -> Result<ListPage, StoreError> {
        self.inner.connections(tenant, after, limit).await
    }

    async fn spend(&self, spent: &[Spent], time: Duration) -> Result<Vec<Vec<u64>>, StoreError> {
        self.inner.spend(spent, time).await
    }

    async fn sweep(&self, most: usize) -> Result<Swept, StoreError> {
        self.inner.sweep(most).await
    }
}
