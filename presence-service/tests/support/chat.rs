//! A chat service that knows who shares a conversation, and nothing else.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use platform::grpc::{GrpcChannel, Incoming, in_memory};
use platform::shutdown::{Shutdown, Tasks};
use proto::chat::chat_server::{Chat, ChatServer};
use proto::chat::chosen_statuses_server::{ChosenStatuses, ChosenStatusesServer};
use proto::chat::{
    AcquaintedReply, AcquaintedRequest, ChosenStatus, ContactList, ContactsReply, ContactsRequest,
    Conversation, DraftHistoryReply, DraftHistoryRequest, ExplainReply, ExplainRequest,
    GetConversationRequest, GetUsersReply, GetUsersRequest, HeadsReply, HeadsRequest,
    KeepChosenReply, KeepChosenRequest, ListConversationsReply, ListConversationsRequest,
    ListDraftsReply, ListDraftsRequest, ListMembersReply, ListMembersRequest, ListMentionsReply,
    ListMentionsRequest, ListPinsReply, ListPinsRequest, ListReactionsReply, ListReactionsRequest,
    ListReadsReply, ListReadsRequest, ListThreadsReply, ListThreadsRequest, MembersAmongReply,
    MembersAmongRequest, OwnSettingsReply, OwnSettingsRequest, PrivacyReply, PrivacyRequest,
    ReadChangesReply, ReadChangesRequest, ReadChosenReply, ReadChosenRequest, ReadDeliveryReply,
    ReadDeliveryRequest, ReadEntriesReply, ReadEntriesRequest, ReadHistoryReply,
    ReadHistoryRequest, ReadMessagesReply, ReadMessagesRequest, SearchUsersRequest, SyncEvent,
    SyncRequest,
};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// What a test says about the chat service, and sees of it.
#[derive(Debug, Default)]
pub struct ChatState {
    /// Every question fails.
    pub is_away: AtomicBool,
    /// What users chose, as it is stored.
    pub chosen: Mutex<HashMap<String, String>>,
    /// Questions for contacts.
    pub contact_calls: AtomicUsize,
}

impl ChatState {
    fn asked(&self) -> Result<(), Status> {
        if self.is_away.load(Ordering::Relaxed) {
            return Err(Status::unavailable("switched off"));
        }
        Ok(())
    }
}

/// Answers for users who know each other.
#[derive(Clone)]
pub struct Acquaintances {
    pub known: Arc<HashMap<&'static str, Vec<&'static str>>>,
    pub state: Arc<ChatState>,
}

impl Acquaintances {
    /// Serves over a pipe.
    pub fn serve(self, tasks: &Tasks, shutdown: &Shutdown) -> GrpcChannel {
        let (channel, incoming): (GrpcChannel, Incoming) = in_memory();
        let stop = shutdown.clone();
        tasks.spawn("chat", async move {
            let routes = Routes::new(ChatServer::new(self.clone()))
                .add_service(ChosenStatusesServer::new(self));
            platform::grpc::serve(routes, incoming, stop).await.unwrap();
        });
        channel
    }

    fn page(&self, user_id: &str, after: &str, limit: usize) -> ContactList {
        let known = self.known.get(user_id).map(Vec::as_slice).unwrap_or_default();
        let start = if after.is_empty() { 0 } else { after.parse().unwrap() };
        let end = known.len().min(start + limit);
        ContactList {
            user_ids: known[start..end].iter().map(ToString::to_string).collect(),
            next: if end < known.len() { end.to_string() } else { String::new() },
            large: u32::from(start == 0 && user_id.starts_with("crowd")),
            hides_last_seen: false,
        }
    }
}

#[tonic::async_trait]
impl ChosenStatuses for Acquaintances {
    async fn keep(
        &self,
        request: Request<KeepChosenRequest>,
    ) -> Result<Response<KeepChosenReply>, Status> {
        self.state.asked()?;
        let kept = request.into_inner().chosen.into_iter().map(|it| (it.user_id, it.status));
        self.state.chosen.lock().extend(kept);
        Ok(Response::new(KeepChosenReply {}))
    }

    async fn read(
        &self,
        request: Request<ReadChosenRequest>,
    ) -> Result<Response<ReadChosenReply>, Status> {
        self.state.asked()?;
        let kept = self.state.chosen.lock();
        let read = |user_id: String| {
            kept.get(&user_id).map(|status| ChosenStatus { status: status.clone(), user_id })
        };
        let chosen = request.into_inner().user_ids.into_iter().filter_map(read).collect();
        Ok(Response::new(ReadChosenReply { chosen }))
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
        self.state.contact_calls.fetch_add(1, Ordering::Relaxed);
        self.state.asked()?;
        let request = request.into_inner();
        let page = |(user_id, after): (&String, &String)| {
            self.page(user_id, after, request.limit as usize)
        };
        let lists = request.user_ids.iter().zip(&request.after).map(page).collect();
        Ok(Response::new(ContactsReply { lists }))
    }

    async fn privacy(&self, _: Request<PrivacyRequest>) -> Result<Response<PrivacyReply>, Status> {
        not_asked()
    }

    async fn members_among(
        &self,
        _: Request<MembersAmongRequest>,
    ) -> Result<Response<MembersAmongReply>, Status> {
        not_asked()
    }

    async fn read_messages(
        &self,
        _: Request<ReadMessagesRequest>,
    ) -> Result<Response<ReadMessagesReply>, Status> {
        not_asked()
    }

    async fn read_changes(
        &self,
        _: Request<ReadChangesRequest>,
    ) -> Result<Response<ReadChangesReply>, Status> {
        not_asked()
    }

    async fn read_history(
        &self,
        _: Request<ReadHistoryRequest>,
    ) -> Result<Response<ReadHistoryReply>, Status> {
        not_asked()
    }

    async fn list_pins(
        &self,
        _: Request<ListPinsRequest>,
    ) -> Result<Response<ListPinsReply>, Status> {
        not_asked()
    }

    async fn list_drafts(
        &self,
        _: Request<ListDraftsRequest>,
    ) -> Result<Response<ListDraftsReply>, Status> {
        not_asked()
    }

    async fn draft_history(
        &self,
        _: Request<DraftHistoryRequest>,
    ) -> Result<Response<DraftHistoryReply>, Status> {
        not_asked()
    }

    async fn own_settings(
        &self,
        _: Request<OwnSettingsRequest>,
    ) -> Result<Response<OwnSettingsReply>, Status> {
        not_asked()
    }

    async fn list_mentions(
        &self,
        _: Request<ListMentionsRequest>,
    ) -> Result<Response<ListMentionsReply>, Status> {
        not_asked()
    }

    async fn list_reactions(
        &self,
        _: Request<ListReactionsRequest>,
    ) -> Result<Response<ListReactionsReply>, Status> {
        not_asked()
    }

    async fn list_reads(
        &self,
        _: Request<ListReadsRequest>,
    ) -> Result<Response<ListReadsReply>, Status> {
        not_asked()
    }

    async fn read_delivery(
        &self,
        _: Request<ReadDeliveryRequest>,
    ) -> Result<Response<ReadDeliveryReply>, Status> {
        not_asked()
    }

    async fn list_threads(
        &self,
        _: Request<ListThreadsRequest>,
    ) -> Result<Response<ListThreadsReply>, Status> {
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

    async fn acquainted(
        &self,
        _: Request<AcquaintedRequest>,
    ) -> Result<Response<AcquaintedReply>, Status> {
        not_asked()
    }

    async fn search_users(
        &self,
        _: Request<SearchUsersRequest>,
    ) -> Result<Response<GetUsersReply>, Status> {
        not_asked()
    }
}
