//! What became of a message: stored when, pushed where, written when, who has it, and what it waits for. For
//! operators; shows no content. What is not remembered any more is said to be so.

mod offline_push;

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use platform::grpc::ask;
use proto::bus::{PushOutcome, WrittenState, WrittenTo};
use proto::chat::{ExplainReply, ExplainRequest, ExplainedFollower, ExplainedMember};
use proto::common::GatewayRef;
use proto::id::{ConversationId, UserName};
use proto::presence::{LocateReply, LocateRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::explain::ask_gateways::{Findings, Located};
use crate::http::HttpState;
use crate::identity::Identity;
use crate::rest::error::{ApiError, ErrorBody, Query};
use crate::rest::shapes::name_of;
use offline_push::OfflinePushExplained;

/// Members of one page.
const PAGE: u32 = 500;

/// Which message.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// `conversation:seq`, the id of the entry, or the client id of the operation that wrote it.
    message: String,
    /// Only what concerns this user.
    #[param(value_type = Option<String>)]
    user: Option<UserName>,
    /// `next` of the page before.
    #[serde(default)]
    after: String,
}

/// What became of a message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Explanation {
    /// Whose log.
    conversation_id: String,
    /// Its place.
    seq: u64,
    /// Its id.
    id: String,
    /// The sender's id of the operation.
    client_id: String,
    /// Who wrote it.
    sender: String,
    /// `text`, `notice`, `pin`, `system`, or one of a later version.
    kind: String,
    /// When it was committed, in Unix milliseconds.
    stored_at: u64,
    /// Highest sequence in the log now.
    head: u64,
    /// To which gateways it was pushed.
    pushes: Vec<PushExplained>,
    /// Why it is not known; absent where `pushes` says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pushes_unknown: Option<&'static str>,
    /// The chat service remembers all that it pushed since then, in Unix milliseconds; 0 when it remembers
    /// nothing.
    pushes_since: u64,
    /// False when presence did not answer: nobody's connections are known.
    is_located: bool,
    /// What tells other systems: events on the broker, and each webhook of the tenant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    followers: Vec<FollowerExplained>,
    /// The members who may see it.
    members: Vec<MemberExplained>,
    /// `after` of the next page; empty when this was the last.
    next: String,
}

/// One reader of the log that tells other systems.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FollowerExplained {
    /// `events`, or `webhook/` with tenant and id.
    name: String,
    /// `passed`: published, delivered, or not wanted. `waiting`: it has not come so far. `blocked`: its conversation waits for the
    /// next attempt. `dead`: given up.
    state: String,
    /// How often a blocked one was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    /// When a blocked one is tried again, in Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<u64>,
    /// The last error.
    #[serde(skip_serializing_if = "String::is_empty")]
    error: String,
}

impl From<ExplainedFollower> for FollowerExplained {
    fn from(it: ExplainedFollower) -> Self {
        Self {
            attempt: (it.attempt > 0).then_some(it.attempt),
            next_attempt_at: (it.next_at_ms > 0).then_some(it.next_at_ms),
            name: it.name,
            state: it.state,
            error: it.error,
        }
    }
}

/// One push of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PushExplained {
    /// Where to; absent where it went to no gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<String>,
    /// In Unix milliseconds.
    at: u64,
    /// `confirmed`, `gone`, `given_up`, `nobody`, `postponed`.
    outcome: &'static str,
    /// Connections that the push named; 0 for a large conversation, whose gateways know their members.
    connections: u32,
    /// False when the gateway has none of the answers that it could give: it is gone, or silent.
    is_answered: bool,
}

/// One member's side of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MemberExplained {
    /// Who.
    user_id: String,
    /// `read`, `acknowledged`, `connected`, `offline` or, without presence, `unacknowledged`.
    state: &'static str,
    /// All up to here reached a device.
    delivered_seq: u64,
    /// All up to here was read.
    read_seq: u64,
    /// Where the user is connected now, and connections that had it written and are gone.
    devices: Vec<DeviceExplained>,
    /// What offline push makes of it; absent where no provider is on, and of what is never pushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    offline_push: Option<OfflinePushExplained>,
    /// What the delivery waits for; absent when it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<&'static str>,
}

/// One connection.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeviceExplained {
    /// Which gateway.
    gateway: String,
    /// Its incarnation; empty for a connection that has gone.
    epoch: String,
    /// The connection, as in `welcome`.
    connection_id: String,
    /// False when it has gone.
    is_connected: bool,
    /// Written to its socket between then
    #[serde(skip_serializing_if = "Option::is_none")]
    written_after: Option<u64>,
    /// and then, in Unix milliseconds; absent when it was not, or nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    written_at: Option<u64>,
    /// Why there is no such moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_written: Option<&'static str>,
}

/// What became of a message; for tokens with the role admin.
#[utoipa::path(get, path = "/api/v1/admin/explain", params(Which),
    responses((status = 200, body = Explanation), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn explain(
    State(state): State<HttpState>,
    identity: Identity,
    Query(which): Query<Which>,
) -> Result<Json<Explanation>, ApiError> {
    identity.require_admin()?;
    let request = ExplainRequest {
        limit: PAGE,
        after: which.after,
        user_id: which.user.map(|name| identity.user(&name).to_string()).unwrap_or_default(),
        tenant: identity.tenant().to_field(),
        ..place(&which.message)?
    };
    let reply = ask(&state.services.chat, request, |mut chat, request| async move {
        chat.explain(request).await
    })
    .await?;
    if reply.members.is_empty() {
        return Err(ApiError::not_found("this user may not see the entry"));
    }
    let user_ids = reply.members.iter().map(|member| member.user_id.clone()).collect();
    let located = state.services.presence.clone().locate(LocateRequest { user_ids }).await.ok();
    let is_located = located.is_some();
    let located = connections(&located.map(tonic::Response::into_inner).unwrap_or_default());
    let findings = state.gateways.gather(&identity, &reply, &located).await;
    Ok(Json(explained(reply, is_located, &located, &findings)))
}

fn place(message: &str) -> Result<ExplainRequest, ApiError> {
    let wrong = || ApiError::invalid("`message` is `conversation:seq`, an entry id or a client id");
    let mut request = ExplainRequest::default();
    if let Some((id, seq)) = message.split_once(':') {
        request.conversation_id = ConversationId::parse(id).map_err(|_| wrong())?.to_bytes();
        request.seq = seq.parse().map_err(|_| wrong())?;
    } else {
        let id = uuid::Uuid::try_parse(message).map_err(|_| wrong())?;
        request.id = Bytes::copy_from_slice(id.as_bytes());
    }
    Ok(request)
}

/// Everybody's connections.
fn connections(located: &LocateReply) -> Vec<Located> {
    let counts = located.device_counts.iter().enumerate();
    let members = counts.flat_map(|(member, count)| std::iter::repeat_n(member, *count as usize));
    let columns = located.gateway_indexes.iter().zip(&located.connections);
    let connections = members.zip(columns).filter_map(|(member, (gateway, connection))| {
        let gateway = located.gateways.get(*gateway as usize)?;
        let gateway = GatewayRef { id: gateway.id.clone(), epoch: gateway.epoch };
        Some((member, gateway, *connection))
    });
    connections.collect()
}

fn explained(
    reply: ExplainReply,
    is_located: bool,
    located: &[Located],
    findings: &Findings,
) -> Explanation {
    let uuid = |bytes: &[u8]| uuid::Uuid::from_slice(bytes).unwrap_or_default().to_string();
    let mut devices = devices(&reply, located, findings);
    let members = reply.members.iter().enumerate().map(|(place, member)| {
        let devices = devices.remove(&place).unwrap_or_default();
        explained_member(member, &reply, is_located, devices)
    });
    Explanation {
        conversation_id: uuid(&reply.conversation_id),
        seq: reply.seq,
        id: uuid(&reply.entry_id),
        client_id: uuid(&reply.client_id),
        members: members.collect(),
        sender: name_of(&reply.sender_id),
        kind: reply.kind,
        stored_at: reply.stored_at_ms,
        head: reply.head,
        pushes: pushes(findings),
        pushes_unknown: pushes_unknown(findings, reply.stored_at_ms),
        pushes_since: findings.pushed.as_ref().map_or(0, |pushed| pushed.remembers_since_ms),
        is_located,
        followers: reply.followers.into_iter().map(Into::into).collect(),
        next: reply.next,
    }
}

fn explained_member(
    member: &ExplainedMember,
    reply: &ExplainReply,
    is_located: bool,
    devices: Vec<DeviceExplained>,
) -> MemberExplained {
    let is_sender = member.user_id == reply.sender_id;
    let (state, waits_for) = if member.read_seq >= reply.seq {
        ("read", None)
    } else if member.delivered_seq >= reply.seq || is_sender {
        ("acknowledged", None)
    } else if !is_located {
        ("unacknowledged", Some("presence does not answer; then as below"))
    } else if devices.iter().all(|device| !device.is_connected) {
        ("offline", Some("a device of this user to connect and sync"))
    } else {
        ("connected", Some("`delivered` of a device; it is pushed again until it is closed"))
    };
    MemberExplained {
        user_id: name_of(&member.user_id),
        state,
        delivered_seq: member.delivered_seq,
        read_seq: member.read_seq,
        devices,
        offline_push: member.push.clone().map(Into::into),
        waits_for,
    }
}

fn pushes(findings: &Findings) -> Vec<PushExplained> {
    let pushes = findings.pushed.iter().flat_map(|pushed| &pushed.pushes);
    let explained = pushes.map(|push| {
        let gateway = push.gateway.as_ref().map(|gateway| gateway.id.clone());
        PushExplained {
            is_answered: gateway.as_ref().is_some_and(|id| findings.written.contains_key(id)),
            gateway,
            at: push.at_ms,
            outcome: match push.outcome() {
                PushOutcome::Confirmed => "confirmed",
                PushOutcome::Gone => "gone",
                PushOutcome::GivenUp => "given_up",
                PushOutcome::Nobody => "nobody",
                PushOutcome::Postponed => "postponed",
                PushOutcome::Unspecified => "",
            },
            connections: push.connections,
        }
    });
    explained.collect()
}

fn pushes_unknown(findings: &Findings, stored_ms: u64) -> Option<&'static str> {
    let Some(pushed) = &findings.pushed else {
        return Some(
            "not remembered: the chat service that works on its partition does not answer",
        );
    };
    if !pushed.pushes.is_empty() {
        return None;
    }
    Some(match pushed.remembers_since_ms {
        0 => "not remembered: `lanes.journal_entries` is 0",
        since if stored_ms < since => {
            "not remembered: the chat service that works on its partition began later, or forgot it"
        }
        _ => "not remembered: it is being pushed, or another process pushed it",
    })
}

/// What is known of the connections of each member, by the member's place.
fn devices(
    reply: &ExplainReply,
    located: &[Located],
    findings: &Findings,
) -> HashMap<usize, Vec<DeviceExplained>> {
    let mut devices: HashMap<usize, Vec<DeviceExplained>> = HashMap::new();
    for (member, gateway, number) in located {
        let answer = findings.written.get(&gateway.id);
        let written = answer.and_then(|all| all.iter().find(|it| it.connection == *number));
        let is_sender = reply.members.get(*member).is_some_and(|it| it.user_id == reply.sender_id);
        let not_written = match (answer, written.map(WrittenTo::state)) {
            (_, Some(WrittenState::Written)) => None,
            (_, Some(WrittenState::NotWritten)) if is_sender => {
                Some("not as a push: the connection that wrote it got `sent`")
            }
            (_, Some(WrittenState::NotWritten)) => {
                Some("not written as a push; a sync may have brought it")
            }
            (_, Some(WrittenState::CameLater)) => {
                Some("connected after it was stored: its sync brings it")
            }
            (_, Some(WrittenState::Forgotten | WrittenState::Unspecified)) => {
                Some("not remembered: its gateway wrote too much since")
            }
            (Some(_), None) => Some("not remembered: this connection has just gone"),
            (None, None) if findings.gone.contains(&gateway.id) => {
                Some("not remembered: its gateway is gone")
            }
            (None, None) => Some("not remembered: its gateway does not answer"),
        };
        let is_written = not_written.is_none();
        devices.entry(*member).or_default().push(DeviceExplained {
            gateway: gateway.id.clone(),
            epoch: format!("{:x}", gateway.epoch),
            connection_id: connection_id(&gateway.id, *number),
            is_connected: true,
            written_after: written.filter(|_| is_written).map(|it| it.after_ms),
            written_at: written.filter(|_| is_written).map(|it| it.until_ms),
            not_written,
        });
    }
    for (gateway, written) in &findings.written {
        let is_known =
            |number| located.iter().any(|(_, at, it)| *it == number && at.id == *gateway);
        for it in written.iter().filter(|it| !is_known(it.connection)) {
            devices.entry(it.user as usize).or_default().push(DeviceExplained {
                gateway: gateway.clone(),
                epoch: String::new(),
                connection_id: connection_id(gateway, it.connection),
                is_connected: it.is_open,
                written_after: Some(it.after_ms),
                written_at: Some(it.until_ms),
                not_written: None,
            });
        }
    }
    devices
}

fn connection_id(gateway: &str, number: u64) -> String {
    format!("{gateway}.{number:x}")
}
