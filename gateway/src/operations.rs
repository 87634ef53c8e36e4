//! What appends to a log. Each operation has a file here: what REST asks for, what a frame of a socket says, and the
//! one function that makes of either what goes up. A new one is a file, its line in [`routes`], and its line among the
//! frames of sockets (`session/welcomed/said.rs`) where it has a frame.
//!
//! Decides nothing that the chat service decides: members, roles and what is stored are its own.

pub(crate) mod act;
mod add_members;
mod create_conversation;
pub(crate) mod delete;
pub(crate) mod draft;
pub(crate) mod edit;
pub(crate) mod forward;
mod over_rest;
pub(crate) mod pin;
pub(crate) mod react;
mod remove_member;
mod rename;
pub(crate) mod send;
pub(crate) mod set;
mod set_role;

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::FromRef;
use platform::grpc::GrpcChannel;
use platform::shares::Shares;
use platform::trace::Tracer;
use proto::bus::operation::Action;
use proto::bus::{self, Frame, Origin, frame::Body};
use proto::chat::chat_client::ChatClient;
use proto::id::{ClientId, ConversationId, UserId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::connections::requests::Requests;
use crate::identity::Access;
use crate::limits::LimitsConfig;
use crate::metrics::GatewayMetrics;
use crate::rest::RestContext;
use crate::up::Up;
use crate::up::load_limit::Awaiting;

/// What operations are handed up with; cheap to hand on.
#[derive(Clone)]
pub(crate) struct Operations(Arc<OperationParts>);

/// See [`Operations`].
pub(crate) struct OperationParts {
    pub(crate) access: Arc<Access>,
    pub(crate) up: Up,
    pub(crate) requests: Arc<Requests>,
    /// Requests of a user over REST that await their answer.
    pub(crate) posts: Arc<Shares<UserId>>,
    pub(crate) chat: ChatClient<GrpcChannel>,
    pub(crate) limits: Arc<LimitsConfig>,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) tracer: Tracer,
}

impl Deref for Operations {
    type Target = OperationParts;

    fn deref(&self) -> &OperationParts {
        &self.0
    }
}

/// The routes of REST.
pub(crate) fn routes<S>(router: OpenApiRouter<S>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Operations: FromRef<S>,
    RestContext: FromRef<S>,
{
    router
        .routes(routes!(send::send))
        .routes(routes!(send::send_to))
        .routes(routes!(create_conversation::create))
        .routes(routes!(rename::rename))
        .routes(routes!(add_members::add))
        .routes(routes!(remove_member::remove))
        .routes(routes!(set_role::set_role))
        .routes(routes!(pin::pin))
        .routes(routes!(pin::unpin))
        .routes(routes!(forward::forward))
        .routes(routes!(edit::edit))
        .routes(routes!(delete::delete))
        .routes(routes!(delete::delete_several))
        .routes(routes!(react::react))
        .routes(routes!(react::unreact))
        .routes(routes!(set::for_conversation))
        .routes(routes!(set::for_all))
        .routes(routes!(act::act))
        .routes(routes!(draft::keep))
        .routes(routes!(draft::take_back))
}

/// What goes up.
#[derive(Debug)]
pub(crate) struct Operation {
    /// In the tenant of the caller.
    conversation_id: ConversationId,
    /// Why the caller may not do this now, for people; empty when they may.
    refusal: String,
    action: Action,
    /// Users that it names.
    names: usize,
}

/// What the frame of a socket asks for.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Repeated in the answer.
    pub(crate) reference: Option<String>,
    /// Repeated in the answer.
    pub(crate) client_id: ClientId,
    /// What goes up, or what is wrong with the frame.
    pub(crate) operation: Result<Operation, &'static str>,
}

impl Asked {
    /// What it takes while it waits, nearly; nothing where it is refused at once.
    pub(crate) fn bytes(&self) -> usize {
        self.operation.as_ref().map_or(0, Operation::bytes)
    }
}

/// Why an operation is not handed up; nothing is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// More is asked for than is answered in time: to come again after so long.
    Busy(Duration),
    /// Too much waits for the bus.
    Away,
}

impl Operation {
    /// One that names nobody.
    pub(crate) fn new(conversation_id: ConversationId, action: Action) -> Self {
        Self { conversation_id, refusal: String::new(), action, names: 0 }
    }

    /// The same, which names so many users.
    pub(crate) fn naming(self, names: usize) -> Self {
        Self { names, ..self }
    }

    /// The same, which is not allowed where a text says why.
    pub(crate) fn refused(self, refusal: String) -> Self {
        Self { refusal, ..self }
    }

    /// Where.
    pub(crate) fn conversation_id(&self) -> ConversationId {
        self.conversation_id
    }

    /// What it takes while it waits, nearly.
    pub(crate) fn bytes(&self) -> usize {
        /// A user, and what its id is kept in.
        const USER_BYTES: usize = 64;
        self.action.encoded_len() + self.refusal.len() + self.names * USER_BYTES
    }
}

impl Operations {
    pub(crate) fn new(parts: OperationParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Hands an operation up, whichever way it came in. Its answer comes to the connection, or the request, that its origin
    /// names; it has a place among what awaits one as long as the result is kept.
    pub(crate) fn submit(
        &self,
        origin: Origin,
        reference: Option<&str>,
        client_id: ClientId,
        operation: Operation,
    ) -> Result<Awaiting, NotTaken> {
        let (at, bytes) = (operation.conversation_id, operation.bytes());
        let awaiting = self.up.load_limit.admit(at, Instant::now()).map_err(|wait| {
            self.metrics.refused("unanswered");
            NotTaken::Busy(wait)
        })?;
        let span = self.tracer.root("gateway.receive");
        let Operation { refusal, action, .. } = operation;
        let operation =
            bus::Operation { conversation_id: at.to_bytes(), refusal, action: Some(action) };
        let frame = Frame {
            origin: Some(origin),
            traceparent: span.traceparent(),
            r#ref: reference.unwrap_or_default().to_owned(),
            client_id: client_id.to_bytes(),
            body: Some(Body::Operation(operation)),
        };
        self.up.uplink.operation(at, frame, bytes).map_err(|_| NotTaken::Away)?;
        Ok(awaiting)
    }
}
