//! Questions of the gateways, answered from the store. Everybody sees only their own conversations.

pub mod chosen;
mod contacts;
mod convert;
mod cursor;
pub mod dead_letters;
mod entries;
mod explain;
mod lists;
pub mod overview;
mod page;
pub mod revocations;
mod sync;
mod waiting;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use proto::chat::chat_server::Chat;
use proto::chat::{
    AcquaintedReply, AcquaintedRequest, ContactsReply, ContactsRequest, Conversation, ExplainReply,
    ExplainRequest, GetConversationRequest, GetUsersReply, GetUsersRequest, HeadsReply,
    HeadsRequest, ListConversationsReply, ListConversationsRequest, ListMembersReply,
    ListMembersRequest, MembersAmongReply, MembersAmongRequest, ReadEntriesReply,
    ReadEntriesRequest, SearchUsersRequest, SyncEvent, SyncRequest,
};
use proto::heads::HeadsDigest;
use proto::id::{ConversationId, ConversationKey, TenantId, UserId, UserName};
use tonic::{Request, Response, Status};

use crate::config::QueryConfig;
use crate::store::{ChatStore, ConversationView, StoreError};
use convert::user_proto;

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
    /// Members up to which everybody hears of everybody's receipts.
    receipt_members: usize,
    turns: sync::Turns,
    /// Syncs that are read or wait for it.
    open: waiting::OpenSyncs,
}

impl ChatQueries {
    /// Answers from a store.
    pub fn new(store: Arc<dyn ChatStore>, config: QueryConfig, receipt_members: usize) -> Self {
        let turns = sync::Turns::new(&config);
        let open = waiting::OpenSyncs::new(&config);
        Self { store, config, receipt_members, turns, open }
    }

    async fn member_view(
        &self,
        user_id: &UserId,
        id: ConversationId,
    ) -> Result<ConversationView, Status> {
        // Of another tenant than the user's there is none.
        let view = self.store.conversation(user_id, id).await.map_err(failed)?;
        view.ok_or_else(|| {
            Status::permission_denied(
                "you are not a member of this conversation, or it does not exist",
            )
        })
    }
}

/// A value of the asker that the database refuses is the asker's mistake; any other error means that the store
/// is away, and gateways tell clients to come again.
#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
fn failed(error: StoreError) -> Status {
    if error.is_askers() {
        tracing::debug!(%error, "the database refuses a value of a question");
        return Status::invalid_argument(
            "a value cannot be stored or searched for: leave out odd characters",
        );
    }
    tracing::warn!(%error, "a question was not answered");
    Status::unavailable("the message store is away")
}

/// Longest text that is searched for, and longest id of a dead letter, in bytes.
const MAX_TEXT_BYTES: usize = 256;

/// Checks a text of a question before a database sees it: databases differ in what they refuse.
fn text<'a>(what: &str, text: &'a str) -> Result<&'a str, Status> {
    if text.len() > MAX_TEXT_BYTES || text.contains('\0') {
        return Err(Status::invalid_argument(format!(
            "{what}: at most {MAX_TEXT_BYTES} bytes without a NUL character"
        )));
    }
    Ok(text)
}

fn user(text: &str) -> Result<UserId, Status> {
    UserId::parse_qualified(text)
        .map_err(|error| Status::invalid_argument(format!("user id: {error}")))
}

fn tenant(field: &str) -> Result<TenantId, Status> {
    TenantId::from_field(field)
        .map_err(|error| Status::invalid_argument(format!("tenant: {error}")))
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

/// Those of a tenant among users.
fn names(tenant: TenantId, users: &[UserId]) -> Vec<UserName> {
    users.iter().filter(|user| user.tenant() == tenant).map(UserId::name).collect()
}

#[tonic::async_trait]
impl Chat for ChatQueries {
    async fn list_conversations(
        &self,
        request: Request<ListConversationsRequest>,
    ) -> Result<Response<ListConversationsReply>, Status> {
        self.conversations(request.into_inner()).await.map(Response::new)
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
        self.members(request.into_inner()).await.map(Response::new)
    }

    async fn read_entries(
        &self,
        request: Request<ReadEntriesRequest>,
    ) -> Result<Response<ReadEntriesReply>, Status> {
        self.entries(request.into_inner()).await.map(Response::new)
    }

    type SyncStream = Pin<Box<dyn Stream<Item = Result<SyncEvent, Status>> + Send>>;

    async fn sync(
        &self,
        request: Request<SyncRequest>,
    ) -> Result<Response<Self::SyncStream>, Status> {
        let request = request.into_inner();
        let user_id = user(&request.user_id)?;
        let place = self.open.take()?;
        let stream = sync::stream(
            Arc::clone(&self.store),
            self.config.clone(),
            self.turns.clone(),
            user_id,
            request,
        );
        Ok(Response::new(Box::pin(place.kept_by(stream))))
    }

    async fn heads(&self, request: Request<HeadsRequest>) -> Result<Response<HeadsReply>, Status> {
        let users = users(&request.into_inner().user_ids)?;
        let digests = self.store.head_digests(&users).await.map_err(failed)?;
        let epoch = self.store.epoch().await.map_err(failed)?;
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
        let found = self.store.users(&ids).await.map_err(failed)?;
        Ok(Response::new(GetUsersReply { users: found.into_iter().map(user_proto).collect() }))
    }

    async fn search_users(
        &self,
        request: Request<SearchUsersRequest>,
    ) -> Result<Response<GetUsersReply>, Status> {
        let request = request.into_inner();
        let limit = request.limit.clamp(1, 100);
        let prefix = text("prefix", &request.prefix)?;
        let found = if request.acquainted_with.is_empty() {
            self.store.search_users(tenant(&request.tenant)?, prefix, limit).await
        } else {
            let of = user(&request.acquainted_with)?;
            self.store.search_acquainted(&of, prefix, limit).await
        };
        let found = found.map_err(failed)?;
        Ok(Response::new(GetUsersReply { users: found.into_iter().map(user_proto).collect() }))
    }

    async fn acquainted(
        &self,
        request: Request<AcquaintedRequest>,
    ) -> Result<Response<AcquaintedReply>, Status> {
        let request = request.into_inner();
        let of = user(&request.user_id)?;
        // Nobody knows anybody of another tenant.
        let among = names(of.tenant(), &users(&request.user_ids)?);
        let known = self.store.acquainted(&of, &among).await.map_err(failed)?;
        let user_ids = known.iter().map(|name| name.of(of.tenant()).to_string()).collect();
        Ok(Response::new(AcquaintedReply { user_ids }))
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
        let tenant = tenant(&request.tenant)?;
        let key = ConversationKey::new(tenant, conversation_id(&request.conversation_id)?);
        let among = self.store.members_among(key, &names(tenant, &asked)).await.map_err(failed)?;
        let from_seqs: HashMap<UserId, u64> =
            among.members.into_iter().map(|(name, from_seq)| (name.of(tenant), from_seq)).collect();
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
