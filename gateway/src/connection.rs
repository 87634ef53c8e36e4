//! One socket's life: handshake, registered, welcome, session, close. One task each, no more.

mod asked;
mod batching;
pub mod close;
pub(crate) mod handshake;
mod in_flight;
pub mod quality;
mod session;
mod sync;
pub(crate) mod unacknowledged;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::http::HeaderMap;
use parking_lot::Mutex;
use platform::shutdown::guarded;
use platform::token::TokenError;
use proto::bus::DeviceType;
use proto::frame::server::{Limits, Redirect, ServerFrame, Welcome};
use proto::id::{ConversationId, DeviceId};
use tokio::time::Instant;

use crate::accept::stream::Gate;
use crate::admission::Refusal;
use crate::frame::Frame;
use crate::heads::HeadsState;
use crate::journal::UserHash;
use crate::own_status::OwnStatusCell;
use crate::presence_link::Registered;
use crate::registry::Connection;
use crate::shared::{Shared, unix_ms};
use crate::socket::Message;
use crate::transport::Transport;
pub(crate) use asked::{Asked, ConnectQuery};
use close::{Close, Limit};
use session::Session;

/// What the upgrade request said.
#[derive(Debug)]
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
    /// None for nearly everybody.
    pub(crate) asked: Option<Box<Asked>>,
    /// Rates do not apply where it comes from.
    pub(crate) is_exempt: bool,
    /// The page that it comes from, where that is none of this host.
    pub(crate) page: Option<Box<HeaderMap>>,
    /// It goes where a `redirect` names a server.
    pub(crate) may_redirect: bool,
    /// Of the TCP connection: opened when it is known who is there.
    pub(crate) gate: Arc<Gate>,
}

/// Runs a socket to its end.
pub(crate) async fn run(shared: Shared, mut socket: Transport, request: Request) {
    shared.metrics.connections.inc();
    // A fault in one session ends that session, with a code, and nobody else's.
    let ended = guarded("session", live(&shared, &mut socket, request)).await;
    let ended = ended.unwrap_or(Some(Close::Internal));
    if let Some(close) = ended {
        shared.metrics.closed(&close);
        goodbye(&mut socket, &close).await;
    } else {
        // The answer to the client's own close frame, where it sent one.
        let _ = tokio::time::timeout(GOODBYE, socket.flush()).await;
    }
    shared.metrics.connections.dec();
}

/// Everything up to the reason to close; `None` when the client has gone.
async fn live(shared: &Shared, socket: &mut Transport, mut request: Request) -> Option<Close> {
    let mut identity = match handshake::identify(shared, socket, request.token.as_deref()).await {
        Ok(identity) => identity,
        Err(ended) => return ended,
    };
    identity.is_exempt = request.is_exempt;
    socket.belongs_to(&identity.user_id);
    request.gate.open();
    if request.page.take().is_some_and(|page| !shared.tenants.lets_in(identity.tenant(), &page)) {
        return Some(Close::ForeignOrigin);
    }
    let Some(_seat) = shared.tenants.enter(identity.tenant()) else {
        shared.metrics.refused(Refusal::Tenant.name());
        return Some(Close::Limited(Limit::Tenant));
    };
    let user_hash = UserHash::of(&identity.user_id);
    if request.may_redirect
        && let Some(server) = shared.balance.place(user_hash, Instant::now())
    {
        return Box::pin(send_elsewhere(shared, socket, server)).await;
    }
    // Boxed: an idle connection keeps only what its session needs.
    if let Some(id) = request.conversation_id
        && let Err(close) = Box::pin(handshake::check_member(shared, &identity, id)).await
    {
        return Some(close);
    }
    let connection = Arc::new(Connection {
        number: shared.registry.next_number(),
        user_id: identity.user_id.clone(),
        user_hash,
        device_id: handshake::device(&identity, request.device_id.clone()),
        device_type: request.device_type,
        connected_at_ms: unix_ms(),
        ip: Some(request.ip),
        user_agent: std::mem::take(&mut request.user_agent),
        is_socket: true,
        own_status: OwnStatusCell::default(),
        gone: AtomicBool::new(false),
        is_to_move: AtomicBool::new(false),
        credential: Mutex::new(identity.credential.clone()),
        outbox: crate::outbox::Outbox::default(),
        inbox: socket.inbox(),
        heads: HeadsState::default(),
    });
    // Before the registration: what is pushed from then on finds the socket here.
    shared.registry.insert(Arc::clone(&connection));
    let ended = match Box::pin(register(shared, socket, &connection)).await {
        Ok(()) => {
            shared.report_profile(&identity, connection.number);
            let session = Session::new(shared.clone(), Arc::clone(&connection), identity, &request);
            // Here, too: the registry and presence have to hear of the end.
            let ended = guarded("session", session.run(socket)).await;
            ended.unwrap_or(Some(Close::Internal))
        }
        Err(ended) => ended,
    };
    shared.registry.remove(connection.number);
    if ended != Some(Close::Limited(Limit::User)) {
        shared.presence_link.disconnected(connection).await;
    }
    ended
}

/// Names another gateway in the place of a welcome, and waits a while for the client to go.
async fn send_elsewhere(shared: &Shared, socket: &mut Transport, server: String) -> Option<Close> {
    shared.metrics.placed.inc();
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
    let linger = Duration::from_millis(shared.limits.drain_linger_ms);
    let has_gone = tokio::time::timeout(linger, goes).await.is_ok();
    (!has_gone).then_some(Close::Restarting)
}

/// Registers with presence and says welcome.
async fn register(
    shared: &Shared,
    socket: &mut Transport,
    connection: &Arc<Connection>,
) -> Result<(), Option<Close>> {
    let timeout = Duration::from_millis(shared.limits.register_timeout_ms);
    let registered =
        tokio::time::timeout(timeout, shared.presence_link.connected(Arc::clone(connection)));
    let credential = connection.credential.lock().clone();
    // Both before it is let in: whoever ends this device, connected or not, ends this token.
    let noted = shared.notes.note(&credential, &connection.user_id, &connection.device_id);
    let (registered, ()) = tokio::join!(registered, noted);
    match registered {
        Ok(Some(Registered::Taken)) => {}
        Ok(Some(Registered::TooMany)) => return Err(Some(Close::Limited(Limit::User))),
        Ok(None) | Err(_) => return Err(Some(Close::TryAgain)),
    }
    if !shared.revocations.loaded(timeout).await {
        return Err(Some(Close::TryAgain));
    }
    // It is in the registry: whatever is revoked from now on finds it there.
    if shared.revocations.has(&credential, &connection.user_id, Some(&connection.device_id)) {
        return Err(Some(Close::Unauthenticated(TokenError::Revoked)));
    }
    shared.metrics.welcomed.inc();
    shared.balance.came(connection.user_hash, Instant::now());
    let welcome = ServerFrame::Welcome(Welcome {
        connection_id: format!("{}.{:x}", shared.gateway_id, connection.number),
        user_id: connection.user_id.name(),
        status: connection.own_status.get().map(|status| status.as_str().to_owned()),
        heartbeat_ms: shared.limits.heartbeat_ms,
        epoch: shared.epoch.get(),
        limits: Limits {
            frame_bytes: shared.limits.frame_bytes as u64,
            in_flight: shared.limits.in_flight as u32,
            content_bytes: proto::limits::CONTENT_BYTES as u64,
            text_chars: proto::limits::TEXT_CHARS as u32,
        },
    });
    let mut frames = VecDeque::from([Frame::answer(&welcome.to_json())]);
    let write = socket.write(&mut frames);
    match tokio::time::timeout(Duration::from_millis(shared.limits.write_timeout_ms), write).await {
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
