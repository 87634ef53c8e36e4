//! Questions of the gateways, answered from the store. Everybody sees only their own conversations.

pub mod chosen;
mod contacts;
mod convert;
pub mod dead_letters;
mod explain;
mod page;
mod sync;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use proto::chat::chat_server::Chat;
use proto::chat::{
    ContactsReply, ContactsRequest, Conversation, ExplainReply, ExplainRequest,
    GetConversationRequest, GetUsersReply, GetUsersRequest, HeadsReply, HeadsRequest,
    ListConversationsReply, ListConversationsRequest, ListMembersReply, ListMembersRequest,
    MembersAmongReply, MembersAmongRequest, ReadEntriesReply, ReadEntriesRequest,
    SearchUsersRequest, SyncEvent, SyncRequest,
};
use proto::heads::HeadsDigest;
use proto::id::{ConversationId, UserId};
use tonic::{Request, Response, Status};

use crate::config::QueryConfig;
use crate::store::{ChatStore, ConversationView, ListPlace, Page, StoreError};
use convert::{conversation_proto, member_proto, user_proto};
use page::first_within;

/// Members shown with a conversation.
const PREVIEW_MEMBERS: u32 = 8;
/// Ids in one question.
const MAX_IDS: usize = 1_000;
/// Users that a gateway asks about at once.
const MAX_AMONG: usize = 5_000;

/// The gRPC service.
#[derive(Clone)]
pub struct ChatQueries {
    store: Arc<dyn ChatStore>,
    config: QueryConfig,
    turns: sync::Turns,
}

impl ChatQueries {
    /// Answers from a store.
    pub fn new(store: Arc<dyn ChatStore>, config: QueryConfig) -> Self {
        let turns = sync::Turns::new(&config);
        Self { store, config, turns }
    }

    async fn member_view(
        &self,
        user_id: &UserId,
        id: ConversationId,
    ) -> Result<ConversationView, Status> {
        let view = self.store.conversation(user_id, id).await.map_err(unavailable)?;
        view.ok_or_else(|| {
            Status::permission_denied(
                "you are not a member of this conversation, or it does not exist",
            )
        })
    }

    async fn with_members(&self, view: ConversationView) -> Result<Conversation, Status> {
        let members =
            self.store.members(view.id, None, PREVIEW_MEMBERS).await.map_err(unavailable)?;
        Ok(conversation_proto(view, members))
    }
}

/// The store is away; gateways tell clients to come again.
#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
fn unavailable(error: StoreError) -> Status {
    tracing::warn!(%error, "a question was not answered");
    Status::unavailable("the message store is away")
}

fn user(text: &str) -> Result<UserId, Status> {
    UserId::parse(text).map_err(|error| Status::invalid_argument(format!("user id: {error}")))
}

fn conversation_id(bytes: &[u8]) -> Result<ConversationId, Status> {
    ConversationId::from_bytes(bytes)
        .map_err(|_| Status::invalid_argument("conversation id: not a UUID"))
}

fn users(texts: &[String]) -> Result<Vec<UserId>, Status> {
    if texts.len() > MAX_IDS {
        return Err(Status::invalid_argument("ask for at most 1,000 users at once"));
    }
    texts.iter().map(|text| user(text)).collect()
}

#[tonic::async_trait]
impl Chat for ChatQueries {
    async fn list_conversations(
        &self,
        request: Request<ListConversationsRequest>,
    ) -> Result<Response<ListConversationsReply>, Status> {
        let request = request.into_inner();
        let user_id = user(&request.user_id)?;
        let after = if request.after.is_empty() { None } else { Some(place(&request.after)?) };
        let limit = request.limit.clamp(1, self.config.page_conversations);
        let views =
            self.store.conversations_of(&user_id, after, limit).await.map_err(unavailable)?;
        let next = match views.last() {
            Some(last) if views.len() == limit as usize => place_text(last),
            _ => String::new(),
        };
        let mut conversations = Vec::with_capacity(views.len());
        for view in views {
            conversations.push(self.with_members(view).await?);
        }
        Ok(Response::new(ListConversationsReply { conversations, next }))
    }

    async fn get_conversation(
        &self,
        request: Request<GetConversationRequest>,
    ) -> Result<Response<Conversation>, Status> {
        let request = request.into_inner();
        let view = self
            .member_view(&user(&request.user_id)?, conversation_id(&request.conversation_id)?)
            .await?;
        Ok(Response::new(self.with_members(view).await?))
    }

    async fn list_members(
        &self,
        request: Request<ListMembersRequest>,
    ) -> Result<Response<ListMembersReply>, Status> {
        let request = request.into_inner();
        let id = conversation_id(&request.conversation_id)?;
        self.member_view(&user(&request.user_id)?, id).await?;
        let after = if request.after.is_empty() { None } else { Some(user(&request.after)?) };
        let limit = request.limit.clamp(1, MAX_IDS as u32);
        let members = self.store.members(id, after.as_ref(), limit).await.map_err(unavailable)?;
        let next = match members.last() {
            Some(last) if members.len() == limit as usize => last.user.id.to_string(),
            _ => String::new(),
        };
        let members = members.into_iter().map(member_proto).collect();
        Ok(Response::new(ListMembersReply { members, next }))
    }

    async fn read_entries(
        &self,
        request: Request<ReadEntriesRequest>,
    ) -> Result<Response<ReadEntriesReply>, Status> {
        let request = request.into_inner();
        let id = conversation_id(&request.conversation_id)?;
        let view = self.member_view(&user(&request.user_id)?, id).await?;
        let page = match (request.before_seq, request.after_seq) {
            (0, 0) => Page::Before(u64::MAX),
            (before, 0) => Page::Before(before),
            (0, after) => Page::After(after),
            _ => {
                return Err(Status::invalid_argument("give `before_seq` or `after_seq`, not both"));
            }
        };
        let limit = request.limit.clamp(1, self.config.page_entries);
        let stored =
            self.store.entries(id, page, view.me.from_seq, limit).await.map_err(unavailable)?;
        let more = match page {
            Page::Before(_) => {
                stored.first().is_some_and(|first| first.entry.seq > view.me.from_seq.max(1))
            }
            Page::After(_) => stored.last().is_some_and(|last| last.entry.seq < view.head),
        };
        let (entries, is_all) = match page {
            Page::After(_) => first_within(stored.into_iter(), self.config.page_bytes),
            // Those nearest to what was asked for.
            Page::Before(_) => {
                let latest = stored.into_iter().rev();
                let (mut entries, is_all) = first_within(latest, self.config.page_bytes);
                entries.reverse();
                (entries, is_all)
            }
        };
        let more = more || !is_all;
        Ok(Response::new(ReadEntriesReply { entries, head: view.head, more }))
    }

    type SyncStream = Pin<Box<dyn Stream<Item = Result<SyncEvent, Status>> + Send>>;

    async fn sync(
        &self,
        request: Request<SyncRequest>,
    ) -> Result<Response<Self::SyncStream>, Status> {
        let request = request.into_inner();
        let user_id = user(&request.user_id)?;
        let stream = sync::stream(
            Arc::clone(&self.store),
            self.config.clone(),
            self.turns.clone(),
            user_id,
            request,
        );
        Ok(Response::new(Box::pin(stream)))
    }

    async fn heads(&self, request: Request<HeadsRequest>) -> Result<Response<HeadsReply>, Status> {
        let users = users(&request.into_inner().user_ids)?;
        let digests = self.store.head_digests(&users).await.map_err(unavailable)?;
        let epoch = self.store.epoch().await.map_err(unavailable)?;
        let conversations = digests.iter().map(|digest| digest.conversations()).collect();
        let digests = digests.into_iter().map(HeadsDigest::value).collect();
        Ok(Response::new(HeadsReply { digests, conversations, epoch }))
    }

    async fn explain(
        &self,
        request: Request<ExplainRequest>,
    ) -> Result<Response<ExplainReply>, Status> {
        self.explained(request.into_inner()).await.map(Response::new)
    }

    async fn get_users(
        &self,
        request: Request<GetUsersRequest>,
    ) -> Result<Response<GetUsersReply>, Status> {
        let ids = users(&request.into_inner().user_ids)?;
        let found = self.store.users(&ids).await.map_err(unavailable)?;
        Ok(Response::new(GetUsersReply { users: found.into_iter().map(user_proto).collect() }))
    }

    async fn search_users(
        &self,
        request: Request<SearchUsersRequest>,
    ) -> Result<Response<GetUsersReply>, Status> {
        let request = request.into_inner();
        let limit = request.limit.clamp(1, 100);
        let found = self.store.search_users(&request.prefix, limit).await.map_err(unavailable)?;
        Ok(Response::new(GetUsersReply { users: found.into_iter().map(user_proto).collect() }))
    }

    async fn members_among(
        &self,
        request: Request<MembersAmongRequest>,
    ) -> Result<Response<MembersAmongReply>, Status> {
        let request = request.into_inner();
        if request.user_ids.len() > MAX_AMONG {
            return Err(Status::invalid_argument("ask about at most 5,000 users at once"));
        }
        let asked: Vec<UserId> =
            request.user_ids.iter().map(|text| user(text)).collect::<Result<_, _>>()?;
        let id = conversation_id(&request.conversation_id)?;
        let among = self.store.members_among(id, &asked).await.map_err(unavailable)?;
        let from_seqs: HashMap<UserId, u64> = among.members.into_iter().collect();
        let (indexes, from_seqs) = (0..)
            .zip(&asked)
            .filter_map(|(index, user)| Some((index, *from_seqs.get(user)?)))
            .unzip();
        Ok(Response::new(MembersAmongReply { head: among.head, indexes, from_seqs }))
    }

    async fn contacts(
        &self,
        request: Request<ContactsRequest>,
    ) -> Result<Response<ContactsReply>, Status> {
        self.contacts_of(request.into_inner()).await.map(Response::new)
    }
}

/// `next` of a list: the last activity and the id, which is all that the order needs.
fn place_text(view: &ConversationView) -> String {
    let active_at_ms =
        view.last_entry.as_ref().map_or(view.created_at_ms, |last| last.entry.created_at_ms);
    format!("{active_at_ms}.{}", view.id)
}

fn place(text: &str) -> Result<ListPlace, Status> {
    let parsed = text.split_once('.').and_then(|(active, id)| {
        Some(ListPlace { active_at_ms: active.parse().ok()?, id: ConversationId::parse(id).ok()? })
    });
    parsed.ok_or_else(|| Status::invalid_argument("`after` is the `next` of the page before"))
}
