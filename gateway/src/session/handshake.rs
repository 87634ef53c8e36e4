//! The first frame of a connection: finds out who is there where the request did not say. Must not decide what a user may
//! do.

use std::time::Duration;

use platform::grpc::ask;
use platform::token::TokenError;
use proto::chat::GetConversationRequest;
use proto::frame::client::ClientFrame;
use proto::id::ConversationId;
use websocket::Message;

use crate::identity::Identity;
use crate::net::close::Close;
use crate::net::transport::Transport;
use crate::session::SessionContext;
use crate::session::decoding::{decode, read_error};

/// Longest first frame: a token of 8 KiB and what is around it.
pub(crate) const AUTH_FRAME_BYTES: usize = 16 << 10;

/// Finds out who is there, from the request or from a first `auth` frame.
pub(crate) async fn identify(
    context: &SessionContext,
    socket: &mut Transport,
    token: Option<&str>,
) -> Result<Identity, Option<Close>> {
    let refuse = |error| Some(Close::Unauthenticated(error));
    match token {
        Some(token) => context.access.identify(token).map_err(refuse),
        None => {
            let token = Box::pin(first_frame(context, socket)).await?;
            context.access.identify(&token).map_err(refuse)
        }
    }
}

/// Waits for `auth`. Anything else ends the connection: before the token nobody is served.
async fn first_frame(
    context: &SessionContext,
    socket: &mut Transport,
) -> Result<String, Option<Close>> {
    let timeout = Duration::from_millis(context.limits.auth_timeout_ms);
    let message =
        tokio::time::timeout(timeout, socket.recv()).await.map_err(|_| Some(Close::AuthTimeout))?;
    match message {
        Some(Ok(Message::Text(text))) if text.len() > AUTH_FRAME_BYTES => Err(Some(Close::TooBig)),
        Some(Ok(Message::Binary(bytes))) if bytes.len() > AUTH_FRAME_BYTES => {
            Err(Some(Close::TooBig))
        }
        Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
            match decode(&message, socket.encoding(), AUTH_FRAME_BYTES) {
                Ok(ClientFrame::Auth(auth)) => Ok(auth.token),
                _ => Err(Some(Close::Unauthenticated(TokenError::Missing))),
            }
        }
        Some(Err(error)) => Err(read_error(&error)),
        _ => Err(None),
    }
}

/// Only members open `/ws/{conversation_id}`.
pub(crate) async fn check_member(
    context: &SessionContext,
    identity: &Identity,
    id: ConversationId,
) -> Result<(), Close> {
    let request = GetConversationRequest {
        user_id: identity.user_id.to_string(),
        conversation_id: id.to_bytes(),
        ..GetConversationRequest::default()
    };
    match ask(&context.chat, request, |mut chat, request| async move {
        chat.get_conversation(request).await
    })
    .await
    {
        Ok(_) => Ok(()),
        Err(status) if status.code() == tonic::Code::PermissionDenied => Err(Close::NotAllowed),
        Err(_) => Err(Close::TryAgain),
    }
}
