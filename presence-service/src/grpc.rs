//! The gRPC service: what gateways report, and where users are. A report is answered when the store has it; must not wait
//! until anybody is told of it.

mod listing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use platform::shutdown::Tasks;
use platform::trace::Tracer;
use proto::common::GatewayRef;
use proto::id::{DeviceId, GatewayId, TenantId, UserId};
use proto::presence::presence_server::Presence;
use proto::presence::{
    ConnectionsReply, ConnectionsRequest, GatewayLoad, GatewaysReply, GatewaysRequest,
    HeartbeatReply, HeartbeatRequest, LocateReply, LocateRequest, OwnStatus, OwnStatusReply,
    OwnStatusRequest, ReportReply, ReportRequest, SessionsReply, SessionsRequest, SpendReply,
    SpendRequest, StatusReply, StatusRequest, UserSpending, UserStatus,
};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tonic::{Request, Response, Status};

use crate::announce::Announcements;
use crate::choices::Choices;
use crate::config::PresenceSettings;
use crate::domain::account::{HeartbeatOutcome, Tally};
use crate::domain::client::Client;
use crate::domain::load::Load;
use crate::domain::registration::{Connected, DeviceType, Disconnected, GatewayEpoch};
use crate::domain::rivals::Heard;
use crate::domain::spending::Spent;
use crate::domain::status::{Chosen, Standing};
use crate::metrics::PresenceMetrics;
use crate::store::{ListPlace, OwnChoice, PresenceStore, Report, StoreError, UserState};
use listing::{fitting, session};

#[derive(Clone)]
pub(crate) struct PresenceCalls {
    store: Arc<dyn PresenceStore>,
    announcements: Announcements,
    choices: Choices,
    metrics: PresenceMetrics,
    tracer: Tracer,
    tasks: Tasks,
    calls: Arc<Semaphore>,
    users_per_call: usize,
    page_connections: usize,
}

/// What answering works with.
pub(crate) struct CallParts {
    pub(crate) store: Arc<dyn PresenceStore>,
    pub(crate) announcements: Announcements,
    pub(crate) choices: Choices,
    pub(crate) metrics: PresenceMetrics,
    pub(crate) tracer: Tracer,
    pub(crate) tasks: Tasks,
}

impl PresenceCalls {
    /// Bounded by the settings.
    pub(crate) fn new(parts: CallParts, settings: &PresenceSettings) -> Self {
        let calls = Arc::new(Semaphore::new(settings.calls.clamp(1, Semaphore::MAX_PERMITS)));
        let PresenceSettings { users_per_call, page_connections, .. } = *settings;
        let CallParts { store, announcements, choices, metrics, tracer, tasks } = parts;
        Self {
            store,
            announcements,
            choices,
            metrics,
            tracer,
            tasks,
            calls,
            users_per_call,
            page_connections,
        }
    }

    /// Refuses instead of queueing: a caller with a deadline is better off asking elsewhere.
    fn admit(&self) -> Result<SemaphorePermit<'_>, Status> {
        self.calls.try_acquire().map_err(|_| {
            self.metrics.refused_calls.inc();
            Status::unavailable("too many calls at once")
        })
    }

    fn users(&self, texts: &[String]) -> Result<Vec<UserId>, Status> {
        if texts.len() > self.users_per_call {
            let most = self.users_per_call;
            return Err(Status::invalid_argument(format!("ask for at most {most} users at once")));
        }
        texts.iter().map(|text| user(text)).collect()
    }

    fn refusal(&self, error: &StoreError) -> Status {
        match error {
            StoreError::StaleEpoch => {
                self.metrics.stale.inc();
                Status::failed_precondition(error.to_string())
            }
            StoreError::Unavailable(reason) => {
                // Where the store is concerns this service's log, not its callers.
                tracing::debug!(reason, "not answered");
                Status::unavailable("the presence store is away")
            }
        }
    }

    /// Whether another living process speaks under this id; refuses one of which that is not known yet.
    async fn is_rival(&self, gateway_id: &GatewayId, process: u64) -> Result<bool, Status> {
        if process == 0 {
            return Ok(false);
        }
        match self.store.hear(gateway_id, process).await.map_err(|error| self.refusal(&error))? {
            Heard::Alone => Ok(false),
            Heard::Rival => Ok(true),
            Heard::TakenOver => {
                self.metrics.stale.inc();
                Err(Status::unavailable("another process took this gateway id over; say it again"))
            }
        }
    }

    /// What all gateways carry; nothing where the store does not say. No heartbeat fails for that.
    async fn loads(&self, gateway_id: &GatewayId, load: Load) -> Vec<GatewayLoad> {
        let loads = self.store.note_load(gateway_id, load).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "the loads are not known");
            Vec::new()
        });
        let told = |(id, Load { connections, takes, is_draining }): (GatewayId, Load)| {
            GatewayLoad { id: id.to_string(), connections, takes, draining: is_draining }
        };
        loads.into_iter().map(told).collect()
    }

    /// The sweep ends what the gateway still named; of one that reported all as gone there is nothing.
    async fn sign_off(&self, gateway: &GatewayEpoch) -> Result<Response<HeartbeatReply>, Status> {
        if self.store.sign_off(gateway).await.map_err(|error| self.refusal(&error))? {
            self.metrics.left_gateways.inc();
            tracing::info!(gateway.id = %gateway.id, "a gateway has left");
        }
        Ok(Response::new(HeartbeatReply::default()))
    }

    /// Registers, then notes what is to be told. In a task of its own, so that a caller who gives up
    /// does not leave a change that nobody is told of.
    async fn take(&self, report: Report) -> Result<ReportReply, StoreError> {
        let (sender, receiver) = oneshot::channel();
        let this = self.clone();
        self.tasks.spawn("report", async move {
            let (opened, closed) = (report.connected.len(), report.disconnected.len());
            let mut reported = this.store.report(&report).await;
            if let Ok(reported) = &mut reported {
                this.choices.fill_in(reported).await;
            }
            let reported = reported.map(|reported| {
                let refused = reported.refused.len();
                this.metrics.refused_connections.inc_by(refused as u64);
                this.metrics.connected.inc_by(opened.saturating_sub(refused) as u64);
                this.metrics.disconnected.inc_by(closed as u64);
                this.metrics.snapshots.inc_by(u64::from(report.is_snapshot));
                this.announcements.note(reported.changes);
                let own = reported.chosen.iter().filter_map(own).collect();
                ReportReply { refused: reported.refused, own }
            });
            // The caller may have gone.
            let _ = sender.send(reported);
        });
        receiver
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("the report broke".to_owned())))
    }
}

fn user(text: &str) -> Result<UserId, Status> {
    UserId::parse_qualified(text)
        .map_err(|error| Status::invalid_argument(format!("user id: {error}")))
}

fn gateway(named: Option<GatewayRef>) -> Result<GatewayEpoch, Status> {
    let named = named.ok_or_else(|| Status::invalid_argument("name the gateway"))?;
    let id = GatewayId::parse(&named.id)
        .map_err(|error| Status::invalid_argument(format!("gateway: {error}")))?;
    Ok(GatewayEpoch { id, epoch: named.epoch })
}

fn connected(connected: &proto::presence::Connected) -> Result<Connected, Status> {
    let device_id = DeviceId::parse(&connected.device_id)
        .map_err(|error| Status::invalid_argument(format!("device id: {error}")))?;
    Ok(Connected {
        user_id: user(&connected.user_id)?,
        device_id,
        // A type of a later version reads as unspecified.
        device_type: DeviceType(u8::try_from(connected.device_type() as i32).unwrap_or_default()),
        connection: connected.connection,
        connected_at_ms: connected.connected_at_ms,
        client: Client::new(&connected.ip, &connected.user_agent),
    })
}

fn disconnected(gone: &proto::presence::Disconnected) -> Result<Disconnected, Status> {
    Ok(Disconnected { user_id: user(&gone.user_id)?, connection: gone.connection })
}

#[tonic::async_trait]
impl Presence for PresenceCalls {
    async fn report(
        &self,
        request: Request<ReportRequest>,
    ) -> Result<Response<ReportReply>, Status> {
        let _permit = self.admit()?;
        let request = request.into_inner();
        let report = Report {
            gateway: gateway(request.gateway)?,
            is_snapshot: request.snapshot,
            connected: request.connected.iter().map(connected).collect::<Result<_, _>>()?,
            disconnected: request
                .disconnected
                .iter()
                .map(disconnected)
                .collect::<Result<_, _>>()?,
        };
        let reply = self.take(report).await.map_err(|error| self.refusal(&error))?;
        Ok(Response::new(reply))
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatReply>, Status> {
        let _permit = self.admit()?;
        let request = request.into_inner();
        let gateway = gateway(request.gateway)?;
        if request.leaving {
            return self.sign_off(&gateway).await;
        }
        let rival = self.is_rival(&gateway.id, request.process).await?;
        let tally = Tally { connections: request.connections, digest: request.digest };
        let outcome = self.store.heartbeat(&gateway, tally).await;
        if rival && outcome == Err(StoreError::StaleEpoch) {
            // Not refused: it would begin a new epoch and push the other one out.
            self.metrics.stale.inc();
            return Ok(Response::new(HeartbeatReply { resync: false, rival, loads: Vec::new() }));
        }
        let resync = match outcome.map_err(|error| self.refusal(&error))? {
            HeartbeatOutcome::Agreed => false,
            HeartbeatOutcome::Resync => {
                self.metrics.mismatches.inc();
                tracing::info!(
                    gateway.id = %gateway.id,
                    connections = tally.connections,
                    "a gateway counts other connections than presence; it reports everything anew"
                );
                true
            }
        };
        let load = Load {
            connections: request.connections,
            takes: request.takes,
            is_draining: request.draining,
        };
        let loads = self.loads(&gateway.id, load).await;
        Ok(Response::new(HeartbeatReply { resync, rival, loads }))
    }

    async fn locate(
        &self,
        request: Request<LocateRequest>,
    ) -> Result<Response<LocateReply>, Status> {
        let _permit = self.admit()?;
        let mut span =
            self.tracer.child("presence.locate", &platform::trace::extract(request.metadata()));
        let users = self.users(&request.get_ref().user_ids)?;
        span.set("presence.users", platform::number::fitted::<i64, _>(users.len()));
        let started = Instant::now();
        let located = self.store.locate(&users).await.map_err(|error| {
            span.fail("the presence store is away");
            self.refusal(&error)
        })?;
        self.metrics.locate_users.observe(users.len() as f64);
        self.metrics.locate_seconds.observe(started.elapsed().as_secs_f64());
        let gateways =
            located.gateways.into_iter().map(|(id, epoch)| GatewayRef { id, epoch }).collect();
        Ok(Response::new(LocateReply {
            gateways,
            device_counts: located.device_counts,
            gateway_indexes: located.gateway_indexes,
            connections: located.connections,
            device_types: located.device_types,
        }))
    }

    async fn gateways(
        &self,
        _: Request<GatewaysRequest>,
    ) -> Result<Response<GatewaysReply>, Status> {
        let _permit = self.admit()?;
        let gateways = self.store.gateways().await.map_err(|error| self.refusal(&error))?;
        let gateways = gateways
            .into_iter()
            .map(|gateway| GatewayRef { id: gateway.id.to_string(), epoch: gateway.epoch })
            .collect();
        Ok(Response::new(GatewaysReply { gateways }))
    }

    async fn status(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<StatusReply>, Status> {
        let _permit = self.admit()?;
        let users = self.users(&request.get_ref().user_ids)?;
        let states = self.store.states(&users).await.map_err(|error| self.refusal(&error))?;
        let unread = |(user_id, state): (&UserId, &UserState)| {
            let is_unread = state.standing.chosen == Chosen::Unread && state.standing.devices > 0;
            is_unread.then(|| user_id.clone())
        };
        self.choices.read_later(users.iter().zip(&states).filter_map(unread).collect::<Vec<_>>());
        let statuses = users.iter().zip(states).map(status).collect();
        Ok(Response::new(StatusReply { statuses }))
    }

    async fn own_status(
        &self,
        request: Request<OwnStatusRequest>,
    ) -> Result<Response<OwnStatusReply>, Status> {
        let _permit = self.admit()?;
        let user_id = user(&request.get_ref().user_id)?;
        let states = self.store.states(std::slice::from_ref(&user_id)).await;
        let states = states.map_err(|error| self.refusal(&error))?;
        let Standing { devices, mut chosen } =
            states.first().map(|state| state.standing).unwrap_or_default();
        if chosen == Chosen::Unread {
            chosen = self.choices.of(&user_id).await.map_err(|error| {
                tracing::debug!(error, "a choice is not known");
                Status::unavailable("the chosen status cannot be read now")
            })?;
        }
        Ok(Response::new(OwnStatusReply { status: chosen.as_str().to_owned(), devices }))
    }

    async fn sessions(
        &self,
        request: Request<SessionsRequest>,
    ) -> Result<Response<SessionsReply>, Status> {
        let _permit = self.admit()?;
        let user_id = user(&request.get_ref().user_id)?;
        let sessions = self.store.sessions(&user_id).await;
        let sessions = sessions.map_err(|error| self.refusal(&error))?;
        Ok(Response::new(SessionsReply { sessions: sessions.into_iter().map(session).collect() }))
    }

    async fn connections(
        &self,
        request: Request<ConnectionsRequest>,
    ) -> Result<Response<ConnectionsReply>, Status> {
        let _permit = self.admit()?;
        let ConnectionsRequest { after, limit, bytes, tenant } = request.into_inner();
        let tenant = TenantId::from_field(&tenant)
            .map_err(|error| Status::invalid_argument(format!("tenant: {error}")))?;
        let after = if after.is_empty() {
            None
        } else {
            let place = ListPlace::parse(&after).filter(|place| place.user_id.tenant() == tenant);
            Some(place.ok_or_else(|| Status::invalid_argument("`after` is no place in the list"))?)
        };
        let limit =
            platform::number::fitted::<usize, _>(limit).clamp(1, self.page_connections.max(1));
        let page = self.store.connections(tenant, after.as_ref(), limit).await;
        let page = page.map_err(|error| self.refusal(&error))?;
        Ok(Response::new(fitting(page, platform::number::fitted(bytes))))
    }

    async fn spend(&self, request: Request<SpendRequest>) -> Result<Response<SpendReply>, Status> {
        let _permit = self.admit()?;
        let SpendRequest { time_ms, users } = request.into_inner();
        if users.len() > self.users_per_call {
            let most = self.users_per_call;
            return Err(Status::invalid_argument(format!("at most {most} users at once")));
        }
        let spent =
            |UserSpending { user_id, micros }| Ok(Spent { user_id: user(&user_id)?, micros });
        let spent: Vec<Spent> = users.into_iter().map(spent).collect::<Result<_, Status>>()?;
        let used = self.store.spend(&spent, Duration::from_millis(time_ms)).await;
        let used = used.map_err(|error| self.refusal(&error))?;
        self.metrics.spending_users.inc_by(spent.len() as u64);
        let users = used.into_iter().map(|micros| UserSpending { user_id: String::new(), micros });
        Ok(Response::new(SpendReply { users: users.collect() }))
    }
}

/// What a connection is told of its user's choice; nothing while it is not known.
fn own(own: &OwnChoice) -> Option<OwnStatus> {
    let (connection, status) = (own.connection, own.chosen.as_str().to_owned());
    (own.chosen != Chosen::Unread).then_some(OwnStatus { connection, status })
}

fn status((user_id, state): (&UserId, UserState)) -> UserStatus {
    let UserState { standing, last_seen_ms } = state;
    UserStatus {
        user_id: user_id.to_string(),
        status: standing.status().as_str().to_owned(),
        last_seen_ms: if standing.is_visible() { 0 } else { last_seen_ms },
        devices: standing.told_devices(),
    }
}
