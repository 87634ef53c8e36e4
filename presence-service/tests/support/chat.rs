//! A chat service that knows who shares a conversation, and nothing else.

use std::collections::HashMap;

use platform::grpc::{GrpcChannel, Incoming, in_memory};
use platform::shutdown::{Shutdown, Tasks};
use proto::chat::chat_server::{Chat, ChatServer};
use proto::chat::{
    ContactList, ContactsReply, ContactsRequest, Conversation, ExplainReply, ExplainRequest,
    GetConversationRequest, GetUsersReply, GetUsersRequest, HeadsReply, HeadsRequest,
    ListConversationsReply, ListConversationsRequest, ListMembersReply, ListMembersRequest,
    MembersAmongReply, MembersAmongRequest, ReadEntriesReply, ReadEntriesRequest,
    SearchUsersRequest, SyncEvent, SyncRequest,
};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

pub struct Acquaintances(pub HashMap<&'static str, Vec<&'static str>>);

impl Acquaintances {
    /// Serves over a pipe.
    pub fn serve(self, tasks: &Tasks, shutdown: &Shutdown) -> GrpcChannel {
        let (channel, incoming): (GrpcChannel, Incoming) = in_memory();
        let stop = shutdown.clone();
        tasks.spawn("chat", async move {
            let routes = Routes::new(ChatServer::new(self));
            platform::grpc::serve(routes, incoming, stop).await.unwrap();
        });
        channel
    }
}

fn not_asked<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("presence does not ask this"))
}

#[tonic::async_trait]
impl Chat for Acquaintances {
    async fn contacts(
        &self,
        request: Request<ContactsRequest>,
    ) -> Result<Response<ContactsReply>, Status> {
        let known = |id: &String| ContactList {
            user_ids: self
                .0
                .get(id.as_str())
                .map(|names| names.iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
        };
        let lists = request.get_ref().user_ids.iter().map(known).collect();
        Ok(Response::new(ContactsReply { lists }))
    }

    async fn members_among(
        &self,
        _: Request<MembersAmongRequest>,
    ) -> Result<Response<MembersAmongReply>, Status> {
        not_asked()
    }

    async fn list_conversations(
        &self,
        _: Request<ListConversationsRequest>,
    ) -> Result<Response<ListConversationsReply>, Status> {
        not_asked()
    }

    async fn get_conversation(
        &self,
        _: Request<GetConversationRequest>,
    ) -> Result<Response<Conversation>, Status> {
        not_asked()
    }

    async fn list_members(
        &self,
        _: Request<ListMembersRequest>,
    ) -> Result<Response<ListMembersReply>, Status> {
        not_asked()
    }

    async fn read_entries(
        &self,
        _: Request<ReadEntriesRequest>,
    ) -> Result<Response<ReadEntriesReply>, Status> {
        not_asked()
    }

    async fn heads(&self, _: Request<HeadsRequest>) -> Result<Response<HeadsReply>, Status> {
        not_asked()
    }

    async fn explain(&self, _: Request<ExplainRequest>) -> Result<Response<ExplainReply>, Status> {
        not_asked()
    }

    type SyncStream = futures_util::stream::Empty<Result<SyncEvent, Status>>;

    async fn sync(&self, _: Request<SyncRequest>) -> Result<Response<Self::SyncStream>, Status> {
        not_asked()
    }

    async fn get_users(
        &self,
        _: Request<GetUsersRequest>,
    ) -> Result<Response<GetUsersReply>, Status> {
        not_asked()
    }

    async fn search_users(
        &self,
        _: Request<SearchUsersRequest>,
    ) -> Result<Response<GetUsersReply>, Status> {
        not_asked()
    }
}
