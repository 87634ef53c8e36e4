//! The whole install in one answer, for operators. Presence names the gateways, each gateway gives its figures over its
//! push queue, and one chat service gives those of all chat services. A process that does not answer in time is shown as
//! such, and the answer comes without its figures.

use std::collections::{HashMap, HashSet};

use axum::Json;
use axum::extract::State;
use platform::grpc::ask;
use platform::readiness::Cause;
use proto::bus::finding::Finding as Found;
use proto::bus::{AskFigures, Figures, push::Body};
use proto::chat::{OverviewReply, OverviewRequest};
use proto::common::GatewayRef;
use proto::error_code::ErrorCode;
use proto::presence::GatewaysRequest;
use serde::Serialize;
use tokio::time::{Instant, timeout, timeout_at};
use utoipa::ToSchema;

use crate::explain::ask_gateways::PATIENCE;
use crate::explain::figures::Sketch;
use crate::http::HttpState;
use crate::identity::Identity;
use crate::rest::error::{ApiError, ErrorBody};

/// Gateways that are asked and shown.
const GATEWAYS: usize = 1_000;

/// The install now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stats {
    /// The gateway that answers.
    gateway_id: String,
    /// Its version.
    version: &'static str,
    /// How long it has run.
    uptime_secs: u64,
    /// Open sockets and event streams of all gateways that answered.
    connections: u64,
    /// Different users among them: exact for a handful, else within some percent.
    users_online: u64,
    /// Requests on sockets that were answered, of all gateways that answered.
    requests: Flow,
    /// From a request to its answer, in milliseconds: the mean of the last minute; 0 when there was none.
    mean_latency_ms: f64,
    /// Frames written to sockets, of all gateways that answered.
    frames_out: Flow,
    /// Every gateway that presence knows, by id.
    gateways: Vec<GatewayStats>,
    /// Every chat service, by id; empty when none answers.
    chat_services: Vec<ChatStats>,
    /// The queue of every partition; empty when no chat service answers, or the bus does not.
    queues: Vec<QueueStats>,
    /// What the services need.
    parts: PartStats,
}

/// How many, and how fast.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Flow {
    /// Since each gateway started.
    total: u64,
    /// In the last minute.
    per_second: f64,
}

/// One gateway.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GatewayStats {
    id: String,
    /// False when it did not answer in time: all that follows is unknown.
    is_answered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_secs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<u32>,
    /// How many there may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    connections_limit: Option<u64>,
    /// Since presence answered its last heartbeat; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_ms_ago: Option<u64>,
}

/// One chat service.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChatStats {
    /// New with every start.
    id: String,
    /// Since the database heard from it.
    heartbeat_ms_ago: u64,
    /// Its share of the partitions; for seconds after one came or went, another may still work on them.
    partitions: Vec<u32>,
}

/// What waits in the queue of a partition.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QueueStats {
    partition: u32,
    /// Batches of frames that no chat service has taken.
    waiting_batches: u64,
}

/// What is there.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PartStats {
    /// This gateway and the chat service that was asked have the bus.
    bus: bool,
    /// A chat service answers.
    chat_service: bool,
    /// It can read and write the store; absent when none answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<bool>,
    /// A presence service answers, from its store.
    presence: bool,
}

/// The whole install in one answer; for tokens with the role admin of the tenant `default`. Takes some seconds
/// at most, also when a service does not answer.
#[utoipa::path(get, path = "/api/v1/admin/stats",
    responses((status = 200, body = Stats), (status = 403, body = ErrorBody)))]
pub(super) async fn stats(
    State(state): State<HttpState>,
    identity: Identity,
) -> Result<Json<Stats>, ApiError> {
    identity.require_admin()?;
    if !identity.tenant().is_default() {
        let text = "these figures are of the whole install: they are for its operators, in the tenant `default`";
        return Err(ApiError::new(ErrorCode::Forbidden, text));
    }
    let (known, overview) = tokio::join!(gateways(&state), overview(&state));
    let is_presence_up = known.is_some();
    let known =
        known.unwrap_or_else(|| state.gateways.gateway.borrow().clone().into_iter().collect());
    let figures = figures(&state, &known).await;
    Ok(Json(summed(&state, &known, &figures, is_presence_up, overview)))
}

/// Nothing when presence, or its store, does not answer.
async fn gateways(state: &HttpState) -> Option<Vec<GatewayRef>> {
    let question =
        ask(&state.services.presence, GatewaysRequest {}, |mut presence, request| async move {
            presence.gateways(request).await
        });
    let reply = timeout(PATIENCE, question).await.ok()?.ok()?;
    let mut gateways: Vec<_> = reply.gateways.into_iter().take(GATEWAYS).collect();
    gateways.sort_by(|one, other| one.id.cmp(&other.id));
    Some(gateways)
}

async fn overview(state: &HttpState) -> Option<OverviewReply> {
    let question =
        ask(&state.services.overview, OverviewRequest {}, |mut chat, request| async move {
            chat.show(request).await
        });
    timeout(PATIENCE, question).await.ok()?.ok()
}

/// Of each gateway that answered, by its id.
async fn figures(state: &HttpState, known: &[GatewayRef]) -> HashMap<String, Figures> {
    let mut figures = HashMap::new();
    let Some(here) = state.gateways.gateway.borrow().clone() else { return figures };
    // Without room, as if nobody had answered.
    let Some(mut answers) = state.gateways.requests.ask() else { return figures };
    let question = AskFigures { asker: Some(here), connection: answers.number() };
    let asked = known
        .iter()
        .map(|gateway| state.gateways.put(gateway.clone(), Body::AskFigures(question.clone())));
    let until = Instant::now() + PATIENCE;
    let asked = futures_util::future::join_all(asked).await;
    let mut awaited: HashSet<String> =
        asked.into_iter().filter_map(|(id, asked)| asked.ok().map(|()| id)).collect();
    while !awaited.is_empty() {
        match timeout_at(until, answers.next()).await {
            Ok(Found::Figures(found)) => {
                awaited.remove(&found.gateway_id);
                figures.insert(found.gateway_id.clone(), found);
            }
            Ok(Found::Pushed(_) | Found::Written(_)) => {}
            Err(_elapsed) => break,
        }
    }
    figures
}

fn summed(
    state: &HttpState,
    known: &[GatewayRef],
    figures: &HashMap<String, Figures>,
    is_presence_up: bool,
    overview: Option<OverviewReply>,
) -> Stats {
    let (mut users, mut connections) = (Sketch::default(), 0);
    let (mut requests, mut frames_out, mut latency) = (Flow::default(), Flow::default(), 0.0);
    for it in figures.values() {
        users.merge(&Sketch::from_bytes(&it.users));
        connections += u64::from(it.connections);
        requests.total += it.answered;
        requests.per_second += it.answered_per_second;
        frames_out.total += it.frames_out;
        frames_out.per_second += it.frames_out_per_second;
        // Each weighs as much as it answers.
        latency += it.latency_ms * it.answered_per_second;
    }
    let mean_latency_ms =
        if requests.per_second > 0.0 { latency / requests.per_second } else { 0.0 };
    let has_bus = !state.readiness.report().labels.contains(&Cause::Bus);
    Stats {
        gateway_id: state.gateway_id.clone(),
        version: env!("CARGO_PKG_VERSION"),
        uptime_secs: state.began.elapsed().as_secs(),
        connections,
        users_online: users.count(),
        requests,
        mean_latency_ms,
        frames_out,
        gateways: known.iter().map(|it| of_gateway(it, figures.get(&it.id))).collect(),
        parts: PartStats {
            bus: has_bus && overview.as_ref().is_none_or(|it| it.bus),
            chat_service: overview.is_some(),
            database: overview.as_ref().map(|it| it.database),
            presence: is_presence_up,
        },
        queues: overview.as_ref().map(of_queues).unwrap_or_default(),
        chat_services: overview.map(of_chats).unwrap_or_default(),
    }
}

fn of_gateway(gateway: &GatewayRef, figures: Option<&Figures>) -> GatewayStats {
    GatewayStats {
        id: gateway.id.clone(),
        is_answered: figures.is_some(),
        version: figures.map(|it| it.version.clone()),
        uptime_secs: figures.map(|it| it.uptime_secs),
        connections: figures.map(|it| it.connections),
        connections_limit: figures.map(|it| it.connections_limit),
        heartbeat_ms_ago: figures.and_then(|it| it.heartbeat_ms_ago),
    }
}

fn of_queues(overview: &OverviewReply) -> Vec<QueueStats> {
    let depths = overview.depths.iter();
    depths.map(|it| QueueStats { partition: it.partition, waiting_batches: it.batches }).collect()
}

fn of_chats(overview: OverviewReply) -> Vec<ChatStats> {
    let mut chats: Vec<_> = overview
        .replicas
        .into_iter()
        .map(|it| ChatStats {
            id: it.id,
            heartbeat_ms_ago: it.heard_ms_ago,
            partitions: it.partitions,
        })
        .collect();
    chats.sort_by(|one, other| one.id.cmp(&other.id));
    chats
}
