//! One connection's life: handshake, registration, `welcome`, what is said both ways, close. One task each, no more.
//!
//! Must not know HTTP, nor decide what the services decide: who is a member, what is stored.

mod asked;
mod batching;
pub(crate) mod decoding;
pub(crate) mod handshake;
mod in_flight;
pub mod quality;
mod sync;
pub(crate) mod unacknowledged;
mod welcomed;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::http::HeaderMap;
use bus::Bus;
use parking_lot::Mutex;
use platform::grpc::GrpcChannel;
use platform::shutdown::{Shutdown, guarded};
use platform::token::TokenError;
use platform::trace::Tracer;
use proto::chat::chat_client::ChatClient;
use proto::chat::notices_client::NoticesClient;
use proto::common::DeviceType;
use proto::frame::server::{Limits, Redirect, ServerFrame, Welcome};
use proto::id::{ConversationId, DeviceId};
use tokio::time::Instant;
use websocket::Message;

use crate::admission::Refusal;
use crate::balance::Balance;
use crate::clock::unix_ms;
use crate::connections::own_status::OwnStatusCell;
use crate::connections::{Connection, HeadsState, Registry};
use crate::down::Down;
use crate::explain::journal::Journal;
use crate::freeze_detector::FreezeDetector;
use crate::identity::{Access, Identity, UserHash, device};
use crate::limits::LimitsConfig;
use crate::memory::Budget;
use crate::metrics::GatewayMetrics;
use crate::moments::ConnectionMoments;
use crate::net::close::{Close, Limit};
use crate::net::frame::Frame;
use crate::net::stream::Gate;
use crate::net::transport::Transport;
use crate::operations::Operations;
use crate::presence::{PresenceLink, Registered};
use crate::up::Up;
pub(crate) use asked::{Asked, ConnectQuery};
use quality::NetworkConfig;
use unacknowledged::Patience;
use welcomed::Session;

/// What all sessions work with; cheap to hand on.
#[derive(Clone)]
pub(crate) struct SessionContext(Arc<SessionParts>);

/// See [`SessionContext`].
pub(crate) struct SessionParts {
    pub(crate) gateway_id: String,
    /// From when moments that connections share are counted.
    pub(crate) began: Instant,
    pub(crate) access: Arc<Access>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) operations: Operations,
    pub(crate) up: Up,
    pub(crate) down: Down,
    pub(crate) presence: PresenceLink,
    pub(crate) balance: Arc<Balance>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) freeze: Arc<FreezeDetector>,
    pub(crate) chat: ChatClient<GrpcChannel>,
    pub(crate) notices: NoticesClient<GrpcChannel>,
    /// For broadcasts.
    pub(crate) bus: Arc<dyn Bus>,
    /// Of requests that await their answer.
    pub(crate) request_memory: Budget,
    pub(crate) network: NetworkConfig,
    pub(crate) patience: Patience,
    pub(crate) limits: Arc<LimitsConfig>,
    pub(crate) metrics: GatewayMetrics,
    /// Other systems are told of connections.
    pub(crate) moments: ConnectionMoments,
    pub(crate) tracer: Tracer,
    pub(crate) shutdown: Shutdown,
}

impl SessionContext {
    pub(crate) fn new(parts: SessionParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for SessionContext {
    type Target = SessionParts;

    fn deref(&self) -> &SessionParts {
        &self.0
    }
}

/// What the upgrade request said.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a parameter of the address")]
pub(crate) struct Request {
    pub(crate) token: Option<String>,
    pub(crate) device_id: Option<DeviceId>,
    pub(crate) device_type: DeviceType,
    /// Says `delivered` of what it gets.
    pub(crate) acknowledges: bool,
    /// From the path `/ws/{conversation_id}`.
    pub(crate) conversation_id: Option<ConversationId>,
    /// Where it comes from, as admission found it.
    pub(crate) ip: IpAddr,
    /// What the client calls itself.
    pub(crate) user_agent: Box<str>,
    /// None for nearly all clients.
    pub(crate) asked: Option<Box<Asked>>,
    /// Rates do not apply where it comes from.
    pub(crate) is_exempt: bool,
    /// The page that it comes from, where that is none of this host.
    pub(crate) page: Option<Box<HeaderMap>>,
    /// It goes where a `redirect` names a server.
    pub(crate) may_redirect: bool,
    /// It is told `heads2`.
    pub(crate) compares_entries: bool,
    /// It keeps the log of notices.
    pub(crate) keeps_notices: bool,
    /// Of the TCP connection: opened when the token has been verified.
    pub(crate) gate: Arc<Gate>,
}

/// Runs a socket to its end.
pub(crate) async fn run(context: SessionContext, mut socket: Transport, request: Request) {
    context.metrics.connections.inc();
    // A fault in one session ends that session, with a code, and no other one.
    let ended = guarded("session", live(&context, &mut socket, request)).await;
    let ended = ended.unwrap_or(Some(Close::Internal));
    if let Some(close) = ended {
        context.metrics.closed(close.label());
        goodbye(&mut socket, &close).await;
    } else {
        // The answer to the client's own close frame, where it sent one.
        let _ = tokio::time::timeout(GOODBYE, socket.flush()).await;
    }
    context.metrics.connections.dec();
}

fn connection(
    context: &SessionContext,
    socket: &Transport,
    request: &mut Request,
    identity: &Identity,
) -> Connection {
    Connection {
        number: context.registry.next_number(),
        user_id: identity.user_id.clone(),
        user_hash: UserHash::of(&identity.user_id),
        device_id: device::device(identity, request.device_id.clone()),
        device_type: request.device_type,
        connected_at_ms: unix_ms(),
        ip: request.ip,
        user_agent: std::mem::take(&mut request.user_agent),
        own_status: OwnStatusCell::default(),
        gone: AtomicBool::new(false),
        is_to_move: AtomicBool::new(false),
        credential: Mutex::new(identity.credential.clone()),
        outbox: crate::connections::outbox::Outbox::default(),
        inbox: socket.inbox(),
        heads: HeadsState::of(request.compares_entries),
        roles: Mutex::new(identity.claims.roles.as_slice().into()),
        keeps_notices: request.keeps_notices,
    }
}

/// Everything up to the reason to close; `None` when the client has gone.
async fn live(
    context: &SessionContext,
    socket: &mut Transport,
    mut request: Request,
) -> Option<Close> {
    let mut identity = match handshake::identify(context, socket, request.token.as_deref()).await {
        Ok(identity) => identity,
        Err(ended) => return ended,
    };
    (identity.is_exempt, identity.ip) = (request.is_exempt, Some(request.ip));
    socket.belongs_to(&identity.user_id);
    request.gate.open();
    if request
        .page
        .take()
        .is_some_and(|page| !context.access.tenants.lets_in(identity.tenant(), &page))
    {
        return Some(Close::ForeignOrigin);
    }
    let Some(_seat) = context.access.tenants.enter(identity.tenant()) else {
        context.metrics.refused(Refusal::Tenant.name());
        return Some(Close::Limited(Limit::Tenant));
    };
    if request.may_redirect
        && let Some(server) = context.balance.place(UserHash::of(&identity.user_id), Instant::now())
    {
        return Box::pin(send_elsewhere(context, socket, server)).await;
    }
    // Boxed: an idle connection keeps only what its session needs.
    if let Some(id) = request.conversation_id
        && let Err(close) = Box::pin(handshake::check_member(context, &identity, id)).await
    {
        return Some(close);
    }
    let connection = Arc::new(connection(context, socket, &mut request, &identity));
    // Before the registration: what is pushed from then on finds the socket here.
    context.registry.insert(Arc::clone(&connection));
    let ended = match Box::pin(register(context, socket, &connection)).await {
        Ok(()) => {
            context.up.report_profile(&identity, connection.number);
            context.moments.connected(&connection);
            let session =
                Session::new(context.clone(), Arc::clone(&connection), identity, &request);
            // Here, too: the registry and presence have to hear of the end.
            let ended = guarded("session", session.run(socket)).await;
            let ended = ended.unwrap_or(Some(Close::Internal));
            context.moments.disconnected(&connection, ended.as_ref());
            ended
        }
        Err(ended) => ended,
    };
    context.registry.remove(connection.number);
    if ended != Some(Close::Limited(Limit::User)) {
        context.presence.disconnected(connection).await;
    }
    ended
}

/// Names another gateway in the place of a welcome, and waits a while for the client to go.
async fn send_elsewhere(
    context: &SessionContext,
    socket: &mut Transport,
    server: String,
) -> Option<Close> {
    context.metrics.placed.inc();
    let redirect = ServerFrame::Redirect(Redirect { after_ms: 0, server: Some(server) });
    let mut frames = VecDeque::from([Frame::answer(&redirect.to_json())]);
    let goes = async {
        socket.write(&mut frames).await.ok()?;
        // Whatever else it says is for the other one.
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Close(_) = message {
                break;
            }
        }
        Some(())
    };
    let linger = Duration::from_millis(context.limits.drain_linger_ms);
    let has_gone = tokio::time::timeout(linger, goes).await.is_ok();
    (!has_gone).then_some(Close::Restarting)
}

/// Registers with presence and says welcome.
async fn register(
    context: &SessionContext,
    socket: &mut Transport,
    connection: &Arc<Connection>,
) -> Result<(), Option<Close>> {
    let timeout = Duration::from_millis(context.limits.register_timeout_ms);
    let registered =
        tokio::time::timeout(timeout, context.presence.connected(Arc::clone(connection)));
    let credential = connection.credential.lock().clone();
    // Both are done before it is let in: a request that ends this device, connected or not, then ends this token.
    let noted = context.access.notes.note(&credential, &connection.user_id, &connection.device_id);
    let (registered, ()) = tokio::join!(registered, noted);
    match registered {
        Ok(Some(Registered::Taken)) => {}
        Ok(Some(Registered::TooMany)) => return Err(Some(Close::Limited(Limit::User))),
        Ok(None) | Err(_) => return Err(Some(Close::TryAgain)),
    }
    if !context.access.revocations.loaded(timeout).await {
        return Err(Some(Close::TryAgain));
    }
    // It is in the registry: whatever is revoked from now on finds it there.
    if context.access.revocations.has(&credential, &connection.user_id, Some(&connection.device_id))
    {
        return Err(Some(Close::Unauthenticated(TokenError::Revoked)));
    }
    context.metrics.welcomed.inc();
    context.balance.came(connection.user_hash, Instant::now());
    let welcome = ServerFrame::Welcome(Welcome {
        connection_id: format!("{}.{:x}", context.gateway_id, connection.number),
        user_id: connection.user_id.name(),
        status: connection.own_status.get().map(|status| status.as_str().to_owned()),
        heartbeat_ms: context.limits.heartbeat_ms,
        epoch: context.down.epoch.get(),
        notices: context.down.notices.for_connection(connection),
        notices_id: connection
            .keeps_notices
            .then(|| ConversationId::notices(connection.user_id.tenant())),
        limits: Limits {
            frame_bytes: context.limits.frame_bytes as u64,
            in_flight: context.limits.in_flight as u32,
            content_bytes: proto::limits::CONTENT_BYTES as u64,
            text_chars: proto::limits::TEXT_CHARS as u32,
        },
        self_log: Some(proto::id::ConversationId::own(&connection.user_id)),
    });
    let mut frames = VecDeque::from([Frame::answer(&welcome.to_json())]);
    let write = socket.write(&mut frames);
    match tokio::time::timeout(Duration::from_millis(context.limits.write_timeout_ms), write).await
    {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(None),
        Err(_elapsed) => Err(Some(Close::TooSlow)),
    }
}

/// Says why and waits a moment for the client's own close frame.
pub(crate) async fn goodbye(socket: &mut Transport, close: &Close) {
    let polite = async {
        if socket.close(close.code(), &close.reason()).await.is_ok() {
            if matches!(close, Close::MuchTooBig | Close::NoRoom) {
                // The rest of the frame lies unread: letting go now would reset the connection, and the
                // client would lose the reason with it.
                return std::future::pending().await;
            }
            while let Some(Ok(message)) = socket.recv().await {
                if let Message::Close(_) = message {
                    break;
                }
            }
        }
    };
    let _ = tokio::time::timeout(GOODBYE, polite).await;
}

/// How long a close may take.
const GOODBYE: Duration = Duration::from_secs(1);
