//! The questions and reports of the other services.

use std::collections::HashMap;
use std::sync::Arc;

use platform::trace::Tracer;
use proto::id::{DeviceId, GatewayId, UserId};
use proto::presence::presence_server::Presence;
use proto::presence::{
    GatewayRef, HeartbeatReply, HeartbeatRequest, LocateReply, LocateRequest, ReportReply,
    ReportRequest, StatusReply, StatusRequest, UserStatus,
};
use tonic::{Request, Response, Status};

use crate::domain::device::{Device, Gateway, Registration};
use crate::domain::status::told;
use crate::registrar::Registrar;
use crate::store::{PresenceStore, StoreError};

/// Users of one question.
const MAX_USERS: usize = 10_000;

/// The gRPC service.
#[derive(Clone)]
pub struct PresenceQueries {
    pub(crate) store: Arc<dyn PresenceStore>,
    pub(crate) registrar: Registrar,
    pub(crate) tracer: Tracer,
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
fn unavailable(error: StoreError) -> Status {
    tracing::debug!(%error, "not answered");
    Status::unavailable("the presence store is away")
}

fn gateway(named: Option<GatewayRef>) -> Result<Gateway, Status> {
    let named = named.ok_or_else(|| Status::invalid_argument("name the gateway"))?;
    // Its id becomes part of a key and of a packed line.
    let id = GatewayId::parse(&named.id)
        .map_err(|error| Status::invalid_argument(format!("gateway: {error}")))?;
    Ok(Gateway { id: id.to_string(), epoch: named.epoch })
}

fn user(text: &str) -> Result<UserId, Status> {
    UserId::parse(text).map_err(|error| Status::invalid_argument(format!("user id: {error}")))
}

fn users(texts: &[String]) -> Result<Vec<UserId>, Status> {
    if texts.len() > MAX_USERS {
        return Err(Status::invalid_argument("ask for at most 10,000 users at once"));
    }
    texts.iter().map(|text| user(text)).collect()
}

#[tonic::async_trait]
impl Presence for PresenceQueries {
    async fn report(
        &self,
        request: Request<ReportRequest>,
    ) -> Result<Response<ReportReply>, Status> {
        let request = request.into_inner();
        let gateway = gateway(request.gateway)?;
        let registration = |connected: proto::presence::Connected| {
            let device_id = DeviceId::parse(&connected.device_id)
                .map_err(|error| Status::invalid_argument(format!("device id: {error}")))?;
            Ok(Registration {
                user_id: user(&connected.user_id)?,
                device: Device {
                    gateway: gateway.clone(),
                    connection: connected.connection,
                    device_type: connected.device_type,
                    device_id: device_id.to_string(),
                },
            })
        };
        let connected: Vec<_> =
            request.connected.into_iter().map(registration).collect::<Result<_, Status>>()?;
        let disconnected: Vec<_> = request
            .disconnected
            .into_iter()
            .map(|gone| Ok((user(&gone.user_id)?, gone.connection)))
            .collect::<Result<_, Status>>()?;
        self.registrar
            .report(&gateway, &connected, &disconnected, request.snapshot)
            .await
            .map_err(unavailable)?;
        Ok(Response::new(ReportReply {}))
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatReply>, Status> {
        let request = request.into_inner();
        let gateway = gateway(request.gateway)?;
        let resync = self
            .registrar
            .heartbeat(&gateway, request.connections, request.digest)
            .await
            .map_err(unavailable)?;
        Ok(Response::new(HeartbeatReply { resync }))
    }

    async fn locate(
        &self,
        request: Request<LocateRequest>,
    ) -> Result<Response<LocateReply>, Status> {
        let mut span =
            self.tracer.child("presence.locate", &platform::trace::extract(request.metadata()));
        let users = users(&request.into_inner().user_ids)?;
        span.set("presence.users", users.len() as i64);
        self.registrar.metrics.locate_users.observe(users.len() as f64);
        let located = self.store.locate(&users).await.map_err(unavailable)?;
        Ok(Response::new(columns(located)))
    }

    async fn status(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<StatusReply>, Status> {
        let users = users(&request.into_inner().user_ids)?;
        let known = self.store.known(&users).await.map_err(unavailable)?;
        let status = |(user, known): (UserId, _)| {
            let told = told(known);
            UserStatus {
                user_id: user.to_string(),
                status: told.status.to_owned(),
                last_seen_ms: told.last_seen_ms.unwrap_or(0),
                devices: told.devices,
            }
        };
        Ok(Response::new(StatusReply {
            statuses: users.into_iter().zip(known).map(status).collect(),
        }))
    }
}

fn columns(located: Vec<Vec<Device>>) -> LocateReply {
    let mut reply =
        LocateReply { device_counts: Vec::with_capacity(located.len()), ..LocateReply::default() };
    let mut indexes: HashMap<Gateway, u32> = HashMap::new();
    for devices in located {
        reply.device_counts.push(devices.len() as u32);
        for device in devices {
            let next = indexes.len() as u32;
            let index = *indexes.entry(device.gateway).or_insert_with_key(|gateway| {
                reply.gateways.push(GatewayRef { id: gateway.id.clone(), epoch: gateway.epoch });
                next
            });
            reply.gateway_indexes.push(index);
            reply.connections.push(device.connection);
            reply.device_types.push(device.device_type);
        }
    }
    reply
}
