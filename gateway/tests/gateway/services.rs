//! The chat and the presence service as far as the gateway asks them, played by the test. Here the presence service.

mod chat;

use parking_lot::Mutex;
use proto::common::GatewayRef;
use proto::presence::presence_server::Presence;
use proto::presence::{
    Connected, ConnectionsReply, ConnectionsRequest, Disconnected, GatewayLoad, GatewaysReply,
    GatewaysRequest, HeartbeatReply, HeartbeatRequest, LocateReply, LocateRequest, OwnStatus,
    OwnStatusReply, OwnStatusRequest, ReportReply, ReportRequest, Session, SessionsReply,
    SessionsRequest, SpendReply, SpendRequest, StatusReply, StatusRequest, UserSession,
    UserSpending, UserStatus,
};
use tonic::{Request, Response, Status};

pub use chat::FakeChat;

pub use crate::switch::Mode;
use crate::switch::Switch;

/// The presence service.
pub struct FakePresence {
    switch: Switch,
    account: Mutex<Account>,
    /// What everybody chose.
    own_status: Mutex<Option<String>>,
    /// Whose connections are refused.
    full: Mutex<Option<String>>,
    /// What was spent, and what everybody has used up at other gateways.
    spending: Mutex<Spending>,
    others: Mutex<Vec<GatewayLoad>>,
}

/// What gateways told of rates.
#[derive(Debug, Clone, Default)]
pub struct Spending {
    pub told: Vec<(String, Vec<u64>)>,
    pub elsewhere: Vec<u64>,
}

/// What the gateway reported.
#[derive(Debug, Clone, Default)]
pub struct Account {
    pub gateway: Option<GatewayRef>,
    pub connected: Vec<Connected>,
    pub disconnected: Vec<Disconnected>,
    /// Full accounts.
    pub snapshots: usize,
    /// Calls that came, answered or not.
    pub calls: usize,
    /// Connections refused.
    pub refused: Vec<u64>,
    /// Heartbeats that were answered.
    pub heartbeats: usize,
    /// What it said last of whether it lets connections in.
    pub takes: bool,
    /// Connections that were not taken back yet when the gateway signed off.
    pub left_with: Option<usize>,
}

impl FakePresence {
    pub fn new() -> Self {
        Self {
            switch: Switch::new(),
            account: Mutex::default(),
            own_status: Mutex::default(),
            full: Mutex::default(),
            spending: Mutex::default(),
            others: Mutex::default(),
        }
    }

    /// What the other gateways carry from now on.
    pub fn others_carry(&self, loads: Vec<GatewayLoad>) {
        *self.others.lock() = loads;
    }

    pub fn switch(&self, mode: Mode) {
        self.switch.0.send_replace(mode);
    }

    /// Everybody who comes from now on chose this.
    pub fn all_chose(&self, status: &str) {
        *self.own_status.lock() = Some(status.to_owned());
    }

    /// This user has as many connections as allowed.
    pub fn is_full(&self, user: Option<&str>) {
        *self.full.lock() = user.map(str::to_owned);
    }

    pub fn spending(&self) -> Spending {
        self.spending.lock().clone()
    }

    /// Everybody has used up so much of each rate at other gateways, in microseconds of its time.
    pub fn used_elsewhere(&self, micros: &[u64]) {
        self.spending.lock().elsewhere = micros.to_vec();
    }

    pub fn account(&self) -> Account {
        self.account.lock().clone()
    }
}

#[tonic::async_trait]
impl Presence for FakePresence {
    async fn report(
        &self,
        request: Request<ReportRequest>,
    ) -> Result<Response<ReportReply>, Status> {
        let report = request.into_inner();
        self.account.lock().calls += 1;
        self.switch.pass().await?;
        let mut account = self.account.lock();
        account.gateway = report.gateway;
        let full = self.full.lock().clone();
        let (refused, connected): (Vec<_>, Vec<_>) =
            report.connected.into_iter().partition(|it| Some(&it.user_id) == full.as_ref());
        let refused: Vec<u64> = refused.iter().map(|it| it.connection).collect();
        account.connected.extend(connected);
        account.refused.extend(&refused);
        account.disconnected.extend(report.disconnected);
        account.snapshots += usize::from(report.snapshot);
        let own = self.own_status.lock().clone();
        let own = own.map(|status| {
            let connections = account.connected.iter().map(|it| it.connection);
            connections.map(|connection| OwnStatus { connection, status: status.clone() }).collect()
        });
        Ok(Response::new(ReportReply { refused, own: own.unwrap_or_default() }))
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatReply>, Status> {
        if *self.switch.0.borrow() != Mode::Holds {
            self.switch.pass().await?;
        }
        let mut account = self.account.lock();
        account.heartbeats += 1;
        let request = request.into_inner();
        if request.leaving {
            account.left_with =
                Some(account.connected.len().saturating_sub(account.disconnected.len()));
        }
        let HeartbeatRequest { gateway, connections, takes, draining, .. } = request;
        account.takes = takes;
        let id = gateway.map(|gateway| gateway.id).unwrap_or_default();
        let mut loads = self.others.lock().clone();
        loads.insert(0, GatewayLoad { id, connections, takes, draining });
        Ok(Response::new(HeartbeatReply { loads, ..HeartbeatReply::default() }))
    }

    /// Everybody has the connections that were reported of them.
    async fn sessions(
        &self,
        request: Request<SessionsRequest>,
    ) -> Result<Response<SessionsReply>, Status> {
        self.switch.pass().await?;
        let user_id = request.into_inner().user_id;
        let account = self.account.lock();
        let sessions = account
            .connected
            .iter()
            .filter(|it| it.user_id == user_id)
            .map(|it| Session {
                gateway_id: "gateway-1".to_owned(),
                connection: it.connection,
                device_id: it.device_id.clone(),
                device_type: it.device_type,
                connected_at_ms: it.connected_at_ms,
                ip: it.ip.clone(),
                user_agent: it.user_agent.clone(),
            })
            .collect();
        Ok(Response::new(SessionsReply { sessions }))
    }

    /// Everybody who was reported, one a page.
    async fn connections(
        &self,
        request: Request<ConnectionsRequest>,
    ) -> Result<Response<ConnectionsReply>, Status> {
        self.switch.pass().await?;
        let after = request.into_inner().after;
        let place = match after.as_str() {
            "" => 0,
            after => {
                after.parse::<usize>().map_err(|_| Status::invalid_argument("no such place"))?
            }
        };
        let account = self.account.lock();
        let connections = account.connected.get(place).map(|it| UserSession {
            user_id: it.user_id.clone(),
            session: Some(Session {
                gateway_id: "gateway-1".to_owned(),
                connection: it.connection,
                device_id: it.device_id.clone(),
                ..Session::default()
            }),
        });
        let has_more = place + 1 < account.connected.len();
        let next = if has_more { (place + 1).to_string() } else { String::new() };
        Ok(Response::new(ConnectionsReply { connections: connections.into_iter().collect(), next }))
    }

    async fn spend(&self, request: Request<SpendRequest>) -> Result<Response<SpendReply>, Status> {
        self.switch.pass().await?;
        let mut spending = self.spending.lock();
        let micros = spending.elsewhere.clone();
        let users = request.into_inner().users;
        let used =
            users.iter().map(|_| UserSpending { user_id: String::new(), micros: micros.clone() });
        let used = used.collect();
        spending.told.extend(users.into_iter().map(|user| (user.user_id, user.micros)));
        Ok(Response::new(SpendReply { users: used }))
    }

    async fn locate(&self, _: Request<LocateRequest>) -> Result<Response<LocateReply>, Status> {
        Err(Status::unimplemented("the gateway does not ask this"))
    }

    async fn gateways(
        &self,
        _: Request<GatewaysRequest>,
    ) -> Result<Response<GatewaysReply>, Status> {
        Err(Status::unimplemented("the gateway does not ask this"))
    }

    async fn own_status(
        &self,
        _: Request<OwnStatusRequest>,
    ) -> Result<Response<OwnStatusReply>, Status> {
        self.switch.pass().await?;
        let status = self.own_status.lock().clone().unwrap_or_else(|| "online".to_owned());
        Ok(Response::new(OwnStatusReply { status, devices: 1 }))
    }

    /// Everybody who is asked about is offline.
    async fn status(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<StatusReply>, Status> {
        self.switch.pass().await?;
        let asked = request.into_inner().user_ids.into_iter();
        let statuses = asked
            .map(|user_id| UserStatus {
                user_id,
                status: "offline".to_owned(),
                ..UserStatus::default()
            })
            .collect();
        Ok(Response::new(StatusReply { statuses }))
    }
}
