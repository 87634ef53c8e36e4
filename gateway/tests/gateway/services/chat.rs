//! The chat service as far as the gateway asks it, played by the test.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use parking_lot::Mutex;
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
    ReadHistoryRequest, ReadMessagesReply, ReadMessagesRequest, SearchUsersRequest, SyncDone,
    SyncEvent, SyncPage, SyncRequest, User, sync_event::Event,
};
use tonic::{Request, Response, Status};

use crate::ended::Sessions;
use crate::services::Mode;
use crate::switch::Switch;

/// The chat service.
pub struct FakeChat {
    pub switch: Switch,
    /// Of the pages of a sync behind the first.
    pages: Switch,
    state: Mutex<Told>,
    pub sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Told {
    pages: Vec<SyncPage>,
    digest: u32,
    /// Who has very many conversations, and how long it takes to read their heads.
    many: Option<(String, Duration)>,
    syncs: Vec<SyncRequest>,
    /// Calls for a sync, answered or not.
    sync_calls: usize,
    /// Of the one conversation there is: its head, and of each member the first entry to see.
    large: (u64, Vec<(String, u64)>),
    /// Users of each question about it.
    among: Vec<Vec<String>>,
    /// Everybody's acquaintances.
    acquainted: Vec<String>,
    /// Who let nobody add them to groups or call them.
    closed: Vec<String>,
    /// With whom the users of a search have to be acquainted; empty: with nobody.
    searches: Vec<String>,
}

impl FakeChat {
    pub fn new() -> Self {
        Self {
            switch: Switch::new(),
            pages: Switch::new(),
            state: Mutex::default(),
            sessions: Mutex::default(),
        }
    }

    /// What becomes of the pages of a sync behind the first.
    pub fn switch_pages(&self, mode: Mode) {
        self.pages.0.send_replace(mode);
    }

    /// This user has so many conversations that reading their heads takes so long.
    pub fn has_many(&self, user: &str, takes: Duration) {
        self.state.lock().many = Some((user.to_owned(), takes));
    }

    /// How far the large conversation is, and who is in it from which entry on.
    pub fn has_members(&self, head: u64, members: &[(&str, u64)]) {
        let members = members.iter().map(|(user, from_seq)| ((*user).to_owned(), *from_seq));
        self.state.lock().large = (head, members.collect());
    }

    /// Everybody knows these, and nobody else.
    pub fn knows(&self, users: &[&str]) {
        self.state.lock().acquainted = users.iter().map(|it| (*it).to_owned()).collect();
    }

    /// These let nobody add them to groups or call them.
    pub fn closes(&self, users: &[&str]) {
        self.state.lock().closed = users.iter().map(|it| (*it).to_owned()).collect();
    }

    /// Of each search, with whom the users have to be acquainted.
    pub fn searches(&self) -> Vec<String> {
        self.state.lock().searches.clone()
    }

    /// The users of each question about the members.
    pub fn asked_among(&self) -> Vec<Vec<String>> {
        self.state.lock().among.clone()
    }

    pub fn switch(&self, mode: Mode) {
        self.switch.0.send_replace(mode);
    }

    /// What every sync is answered with.
    pub fn has(&self, pages: Vec<SyncPage>, digest: u32) {
        let mut told = self.state.lock();
        (told.pages, told.digest) = (pages, digest);
    }

    /// How many syncs were asked for, answered or not.
    pub fn sync_calls(&self) -> usize {
        self.state.lock().sync_calls
    }

    /// The syncs so far.
    pub fn syncs(&self) -> Vec<SyncRequest> {
        self.state.lock().syncs.clone()
    }
}

type Events = Pin<Box<dyn Stream<Item = Result<SyncEvent, Status>> + Send>>;

#[tonic::async_trait]
impl Chat for FakeChat {
    async fn list_conversations(
        &self,
        _: Request<ListConversationsRequest>,
    ) -> Result<Response<ListConversationsReply>, Status> {
        self.switch.pass().await?;
        Ok(Response::new(ListConversationsReply::default()))
    }

    /// Nobody is a member of anything.
    async fn get_conversation(
        &self,
        _: Request<GetConversationRequest>,
    ) -> Result<Response<Conversation>, Status> {
        self.switch.pass().await?;
        Err(Status::permission_denied("not a member"))
    }

    async fn list_members(
        &self,
        _: Request<ListMembersRequest>,
    ) -> Result<Response<ListMembersReply>, Status> {
        self.switch.pass().await?;
        Ok(Response::new(ListMembersReply::default()))
    }

    async fn read_entries(
        &self,
        _: Request<ReadEntriesRequest>,
    ) -> Result<Response<ReadEntriesReply>, Status> {
        self.switch.pass().await?;
        Ok(Response::new(ReadEntriesReply::default()))
    }

    async fn read_messages(
        &self,
        _: Request<ReadMessagesRequest>,
    ) -> Result<Response<ReadMessagesReply>, Status> {
        self.switch.pass().await?;
        Ok(Response::new(ReadMessagesReply::default()))
    }

    async fn read_changes(
        &self,
        _: Request<ReadChangesRequest>,
    ) -> Result<Response<ReadChangesReply>, Status> {
        self.switch.pass().await?;
        Ok(Response::new(ReadChangesReply::default()))
    }

    async fn read_history(
        &self,
        _: Request<ReadHistoryRequest>,
    ) -> Result<Response<ReadHistoryReply>, Status> {
        self.switch.pass().await?;
        Ok(Response::new(ReadHistoryReply::default()))
    }

    async fn list_pins(
        &self,
        _: Request<ListPinsRequest>,
    ) -> Result<Response<ListPinsReply>, Status> {
        self.switch.pass().await?;
        Ok(Response::new(ListPinsReply::default()))
    }

    async fn list_drafts(
        &self,
        _: Request<ListDraftsRequest>,
    ) -> Result<Response<ListDraftsReply>, Status> {
        self.switch.pass().await?;
        Ok(Response::new(ListDraftsReply::default()))
    }

    async fn draft_history(
        &self,
        _: Request<DraftHistoryRequest>,
    ) -> Result<Response<DraftHistoryReply>, Status> {
        self.switch.pass().await?;
        Ok(Response::new(DraftHistoryReply::default()))
    }

    async fn own_settings(
        &self,
        _: Request<OwnSettingsRequest>,
    ) -> Result<Response<OwnSettingsReply>, Status> {
        self.switch.pass().await?;
        Ok(Response::new(OwnSettingsReply::default()))
    }

    async fn list_mentions(
        &self,
        _: Request<ListMentionsRequest>,
    ) -> Result<Response<ListMentionsReply>, Status> {
        self.switch.pass().await?;
        Ok(Response::new(ListMentionsReply::default()))
    }

    async fn list_reactions(
        &self,
        _: Request<ListReactionsRequest>,
    ) -> Result<Response<ListReactionsReply>, Status> {
        self.switch.pass().await?;
        Ok(Response::new(ListReactionsReply::default()))
    }

    async fn list_reads(
        &self,
        _: Request<ListReadsRequest>,
    ) -> Result<Response<ListReadsReply>, Status> {
        self.switch.pass().await?;
        Ok(Response::new(ListReadsReply::default()))
    }

    async fn read_delivery(
        &self,
        _: Request<ReadDeliveryRequest>,
    ) -> Result<Response<ReadDeliveryReply>, Status> {
        self.switch.pass().await?;
        Ok(Response::new(ReadDeliveryReply::default()))
    }

    async fn list_threads(
        &self,
        _: Request<ListThreadsRequest>,
    ) -> Result<Response<ListThreadsReply>, Status> {
        self.switch.pass().await?;
        Ok(Response::new(ListThreadsReply::default()))
    }

    type SyncStream = Events;

    async fn sync(&self, request: Request<SyncRequest>) -> Result<Response<Events>, Status> {
        self.state.lock().sync_calls += 1;
        self.switch.pass().await?;
        let mut told = self.state.lock();
        told.syncs.push(request.into_inner());
        let pages = told.pages.iter().cloned().map(Event::Page);
        let done = SyncDone { epoch: "e".to_owned(), conversations: 1, ..SyncDone::default() };
        let events: Vec<_> = pages
            .chain([Event::Done(done)])
            .map(|event| Ok(SyncEvent { event: Some(event) }))
            .collect();
        let rest = self.pages.0.subscribe();
        let events = futures_util::stream::iter(events).enumerate().then(move |(place, event)| {
            let mut rest = rest.clone();
            async move {
                if place > 0 {
                    let _ = rest.wait_for(|mode| *mode != Mode::Holds).await;
                }
                event
            }
        });
        Ok(Response::new(Box::pin(events)))
    }

    async fn heads(&self, request: Request<HeadsRequest>) -> Result<Response<HeadsReply>, Status> {
        self.switch.pass().await?;
        let user_ids = request.into_inner().user_ids;
        let (digest, many) = {
            let told = self.state.lock();
            (told.digest, told.many.clone())
        };
        if let Some((user, takes)) = &many
            && user_ids.contains(user)
        {
            tokio::time::sleep(*takes).await;
        }
        let conversations = |user: &String| {
            if many.as_ref().is_some_and(|(many, _)| many == user) { 20_000 } else { 1 }
        };
        Ok(Response::new(HeadsReply {
            digests: user_ids.iter().map(|_| digest).collect(),
            conversations: user_ids.iter().map(conversations).collect(),
            epoch: "e".to_owned(),
            digests_with_entries: user_ids.iter().map(|_| digest.wrapping_add(1)).collect(),
        }))
    }

    async fn privacy(
        &self,
        request: Request<PrivacyRequest>,
    ) -> Result<Response<PrivacyReply>, Status> {
        self.switch.pass().await?;
        let mut closed = request.into_inner().user_ids;
        closed.retain(|user| self.state.lock().closed.contains(user));
        Ok(Response::new(PrivacyReply {
            closed_to_groups: closed.clone(),
            closed_to_calls: closed,
            ..PrivacyReply::default()
        }))
    }

    async fn members_among(
        &self,
        request: Request<MembersAmongRequest>,
    ) -> Result<Response<MembersAmongReply>, Status> {
        let asked = request.into_inner().user_ids;
        self.state.lock().among.push(asked.clone());
        self.switch.pass().await?;
        let (head, members) = self.state.lock().large.clone();
        let place = |user: &String| asked.iter().position(|asked| asked == user);
        let (indexes, from_seqs) = members
            .iter()
            .filter_map(|(user, from_seq)| Some((place(user)? as u32, *from_seq)))
            .unzip();
        Ok(Response::new(MembersAmongReply { head, indexes, from_seqs }))
    }

    async fn explain(&self, _: Request<ExplainRequest>) -> Result<Response<ExplainReply>, Status> {
        Err(Status::not_found("no such entry"))
    }

    async fn get_users(
        &self,
        request: Request<GetUsersRequest>,
    ) -> Result<Response<GetUsersReply>, Status> {
        self.switch.pass().await?;
        let asked = request.into_inner().user_ids.into_iter();
        let users = asked.map(|id| User { id, ..User::default() }).collect();
        Ok(Response::new(GetUsersReply { users }))
    }

    async fn acquainted(
        &self,
        request: Request<AcquaintedRequest>,
    ) -> Result<Response<AcquaintedReply>, Status> {
        self.switch.pass().await?;
        let mut user_ids = request.into_inner().user_ids;
        let known = self.state.lock().acquainted.clone();
        user_ids.retain(|user| known.contains(user));
        Ok(Response::new(AcquaintedReply { user_ids }))
    }

    async fn search_users(
        &self,
        request: Request<SearchUsersRequest>,
    ) -> Result<Response<GetUsersReply>, Status> {
        self.switch.pass().await?;
        self.state.lock().searches.push(request.into_inner().acquainted_with);
        Ok(Response::new(GetUsersReply::default()))
    }

    async fn contacts(
        &self,
        _: Request<ContactsRequest>,
    ) -> Result<Response<ContactsReply>, Status> {
        self.switch.pass().await?;
        Ok(Response::new(ContactsReply::default()))
    }
}
