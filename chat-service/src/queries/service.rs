//! The gRPC service of gateways: each question is answered in the file of what it asks for.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use proto::chat::chat_server::Chat;
use proto::chat::{
    AcquaintedReply, AcquaintedRequest, ContactsReply, ContactsRequest, Conversation,
    DraftHistoryReply, DraftHistoryRequest, ExplainReply, ExplainRequest, GetConversationRequest,
    GetUsersReply, GetUsersRequest, HeadsReply, HeadsRequest, ListConversationsReply,
    ListConversationsRequest, ListDraftsReply, ListDraftsRequest, ListMembersReply,
    ListMembersRequest, ListMentionsReply, ListMentionsRequest, ListPinsReply, ListPinsRequest,
    ListReactionsReply, ListReactionsRequest, ListReadsReply, ListReadsRequest, ListThreadsReply,
    ListThreadsRequest, MembersAmongReply, MembersAmongRequest, OwnSettingsReply,
    OwnSettingsRequest, PrivacyReply, PrivacyRequest, ReadChangesReply, ReadChangesRequest,
    ReadDeliveryReply, ReadDeliveryRequest, ReadEntriesReply, ReadEntriesRequest, ReadHistoryReply,
    ReadHistoryRequest, ReadMessagesReply, ReadMessagesRequest, SearchUsersRequest, SyncEvent,
    SyncRequest,
};
use tonic::{Request, Response, Status};

use super::chat_queries::ChatQueries;
use super::request::user;
use super::sync;

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
        self.conversation(request.into_inner()).await.map(Response::new)
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

    async fn read_messages(
        &self,
        request: Request<ReadMessagesRequest>,
    ) -> Result<Response<ReadMessagesReply>, Status> {
        self.messages(request.into_inner()).await.map(Response::new)
    }

    async fn read_changes(
        &self,
        request: Request<ReadChangesRequest>,
    ) -> Result<Response<ReadChangesReply>, Status> {
        self.changes(request.into_inner()).await.map(Response::new)
    }

    async fn read_history(
        &self,
        request: Request<ReadHistoryRequest>,
    ) -> Result<Response<ReadHistoryReply>, Status> {
        self.history(request.into_inner()).await.map(Response::new)
    }

    async fn list_pins(
        &self,
        request: Request<ListPinsRequest>,
    ) -> Result<Response<ListPinsReply>, Status> {
        self.pins(request.into_inner()).await.map(Response::new)
    }

    async fn own_settings(
        &self,
        request: Request<OwnSettingsRequest>,
    ) -> Result<Response<OwnSettingsReply>, Status> {
        self.own(request.into_inner()).await.map(Response::new)
    }

    async fn list_drafts(
        &self,
        request: Request<ListDraftsRequest>,
    ) -> Result<Response<ListDraftsReply>, Status> {
        self.drafts(request.into_inner()).await.map(Response::new)
    }

    async fn draft_history(
        &self,
        request: Request<DraftHistoryRequest>,
    ) -> Result<Response<DraftHistoryReply>, Status> {
        self.earlier_drafts(request.into_inner()).await.map(Response::new)
    }

    async fn list_mentions(
        &self,
        request: Request<ListMentionsRequest>,
    ) -> Result<Response<ListMentionsReply>, Status> {
        self.mentions(request.into_inner()).await.map(Response::new)
    }

    async fn list_reactions(
        &self,
        request: Request<ListReactionsRequest>,
    ) -> Result<Response<ListReactionsReply>, Status> {
        self.reactions(request.into_inner()).await.map(Response::new)
    }

    async fn list_reads(
        &self,
        request: Request<ListReadsRequest>,
    ) -> Result<Response<ListReadsReply>, Status> {
        self.reads(request.into_inner()).await.map(Response::new)
    }

    async fn read_delivery(
        &self,
        request: Request<ReadDeliveryRequest>,
    ) -> Result<Response<ReadDeliveryReply>, Status> {
        self.delivery(request.into_inner()).await.map(Response::new)
    }

    async fn list_threads(
        &self,
        request: Request<ListThreadsRequest>,
    ) -> Result<Response<ListThreadsReply>, Status> {
        self.threads(request.into_inner()).await.map(Response::new)
    }

    type SyncStream = Pin<Box<dyn Stream<Item = Result<SyncEvent, Status>> + Send>>;

    async fn sync(
        &self,
        request: Request<SyncRequest>,
    ) -> Result<Response<Self::SyncStream>, Status> {
        let request = request.into_inner();
        let user_id = user(&request.user_id)?;
        let permit = self.open.take()?;
        let stream = sync::stream(
            Arc::clone(&self.store),
            self.config.clone(),
            self.turns.clone(),
            user_id,
            request,
        );
        Ok(Response::new(Box::pin(permit.kept_by(stream))))
    }

    async fn heads(&self, request: Request<HeadsRequest>) -> Result<Response<HeadsReply>, Status> {
        self.head_digests(request.into_inner()).await.map(Response::new)
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
        self.users(request.into_inner()).await.map(Response::new)
    }

    async fn search_users(
        &self,
        request: Request<SearchUsersRequest>,
    ) -> Result<Response<GetUsersReply>, Status> {
        self.found_users(request.into_inner()).await.map(Response::new)
    }

    async fn acquainted(
        &self,
        request: Request<AcquaintedRequest>,
    ) -> Result<Response<AcquaintedReply>, Status> {
        self.known_to(request.into_inner()).await.map(Response::new)
    }

    async fn privacy(
        &self,
        request: Request<PrivacyRequest>,
    ) -> Result<Response<PrivacyReply>, Status> {
        self.hidden(request.into_inner()).await.map(Response::new)
    }

    async fn members_among(
        &self,
        request: Request<MembersAmongRequest>,
    ) -> Result<Response<MembersAmongReply>, Status> {
        self.among(request.into_inner()).await.map(Response::new)
    }

    async fn contacts(
        &self,
        request: Request<ContactsRequest>,
    ) -> Result<Response<ContactsReply>, Status> {
        self.contacts_of(request.into_inner()).await.map(Response::new)
    }
}
