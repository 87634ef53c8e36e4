//! What concerns the caller in particular: messages that mention them, and the threads that they follow.

use axum::Json;
use axum::extract::State;
use platform::grpc::ask;
use proto::chat::{
    FollowedThread, ListMentionsRequest, ListThreadsRequest, Mention as MentionProto,
};
use proto::id::ConversationId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::http::HttpState;
use crate::identity::Identity;
use crate::rest::asking_device::AskingDevice;
use crate::rest::error::{ApiError, ErrorBody, Query};
use crate::rest::paging::PageLimit;
use crate::rest::shapes::{Entry, listed};

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FollowingPage {
    /// At most so many; 50 when absent, 100 at most.
    #[param(inline)]
    limit: Option<PageLimit>,
    /// `next` of the page before.
    #[serde(default)]
    after: String,
    /// Only what is unread.
    #[serde(default)]
    unread: bool,
    /// The type of the asking device.
    #[param(inline)]
    device_type: Option<AskingDevice>,
}

/// Messages that mention the caller, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Mentions {
    mentions: Vec<Mention>,
    /// Hand it in as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A message that mentions the caller, or all members.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Mention {
    /// The message; its texts are cut to 200 characters, with `"is_cut": true` in `content`.
    #[schema(value_type = Entry)]
    entry: Box<RawValue>,
    /// It is after what the caller has read of the conversation, or of its thread.
    unread: bool,
}

impl Mention {
    fn read(mention: &MentionProto) -> Option<Self> {
        Some(Self { entry: listed(&mention.entry)?, unread: mention.unread })
    }
}

/// Threads that the caller follows, the one with the newest reply first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Threads {
    threads: Vec<Thread>,
    /// Hand it in as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A thread that the caller follows.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Thread {
    /// A UUID.
    conversation_id: String,
    /// The seq of its first message.
    thread: u64,
    /// The caller has read its replies up to here.
    read_seq: u64,
    /// Replies by others after it, counted to 100.
    unread: u32,
    /// There are more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unread_more: bool,
    /// Its first message, cut like messages in lists; absent for a member who came later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Entry>)]
    root: Option<Box<RawValue>>,
    /// Its newest reply, cut like that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Entry>)]
    last_reply: Option<Box<RawValue>>,
}

impl Thread {
    fn read(thread: &FollowedThread) -> Option<Self> {
        Some(Self {
            conversation_id: ConversationId::from_bytes(&thread.conversation_id).ok()?.to_string(),
            thread: thread.thread,
            read_seq: thread.read_seq,
            unread: thread.unread,
            unread_more: thread.unread_more,
            root: listed(&thread.root),
            last_reply: listed(&thread.last_reply),
        })
    }
}

/// Messages that mention the caller, of all conversations, the newest first.
#[utoipa::path(get, path = "/api/v1/me/mentions", operation_id = "list_mentions", params(FollowingPage),
    responses((status = 200, body = Mentions), (status = 400, body = ErrorBody)))]
pub(super) async fn mentions(
    State(state): State<HttpState>,
    identity: Identity,
    Query(page): Query<FollowingPage>,
) -> Result<Json<Mentions>, ApiError> {
    let request = ListMentionsRequest {
        user_id: identity.user_id.to_string(),
        limit: PageLimit::or(page.limit, 50),
        after: page.after,
        device_type: AskingDevice::code(page.device_type),
        unread: page.unread,
    };
    let reply = ask(&state.services.chat, request, |mut chat, request| async move {
        chat.list_mentions(request).await
    })
    .await?;
    let mentions = reply.mentions.iter().filter_map(Mention::read).collect();
    Ok(Json(Mentions { mentions, next: (!reply.next.is_empty()).then_some(reply.next) }))
}

/// Threads that the caller follows, of all conversations: those in which they wrote, or that were begun by a message of
/// theirs, or in which they were mentioned. The one with the newest reply comes first.
#[utoipa::path(get, path = "/api/v1/threads", operation_id = "list_threads", params(FollowingPage),
    responses((status = 200, body = Threads), (status = 400, body = ErrorBody)))]
pub(super) async fn threads(
    State(state): State<HttpState>,
    identity: Identity,
    Query(page): Query<FollowingPage>,
) -> Result<Json<Threads>, ApiError> {
    let request = ListThreadsRequest {
        user_id: identity.user_id.to_string(),
        limit: PageLimit::or(page.limit, 50),
        after: page.after,
        device_type: AskingDevice::code(page.device_type),
        unread: page.unread,
    };
    let reply = ask(&state.services.chat, request, |mut chat, request| async move {
        chat.list_threads(request).await
    })
    .await?;
    let threads = reply.threads.iter().filter_map(Thread::read).collect();
    Ok(Json(Threads { threads, next: (!reply.next.is_empty()).then_some(reply.next) }))
}
