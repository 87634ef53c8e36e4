//! One conversation, as the chat service tells it to a member. Must not decide who may see it.

use platform::grpc::{GrpcChannel, ask};
use proto::chat::GetConversationRequest;
use proto::chat::chat_client::ChatClient;
use proto::id::ConversationId;

use super::asking_device::AskingDevice;
use super::error::ApiError;
use super::shapes::Conversation;
use crate::identity::Identity;

/// A conversation as its member sees it.
pub(crate) async fn fetch(
    chat: &ChatClient<GrpcChannel>,
    identity: &Identity,
    id: ConversationId,
    device_type: Option<AskingDevice>,
) -> Result<Conversation, ApiError> {
    let request = GetConversationRequest {
        user_id: identity.user_id.to_string(),
        conversation_id: id.to_bytes(),
        device_type: AskingDevice::code(device_type),
    };
    Ok(ask(chat, request, |mut chat, request| async move { chat.get_conversation(request).await })
        .await?
        .into())
}
