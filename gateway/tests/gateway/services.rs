//! The chat and the presence service as far as the gateway asks them, played by the test.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use parking_lot::Mutex;
use proto::chat::chat_server::Chat;
use proto::chat::{
    AcquaintedReply, AcquaintedRequest, ContactsReply, ContactsRequest, Conversation, ExplainReply,
    ExplainRequest, GetConversationRequest, GetUsersReply, GetUsersRequest, HeadsReply,
    HeadsRequest, ListConversationsReply, ListConversationsRequest, ListMembersReply,
    ListMembersRequest, MembersAmongReply, MembersAmongRequest, ReadEntriesReply,
    ReadEntriesRequest, SearchUsersRequest, SyncDone, SyncEvent, SyncPage, SyncRequest, User,
    sync_event::Event,
};
use proto::presence::presence_server::Presence;
use proto::presence::{
    Connected, ConnectionsReply, ConnectionsRequest, Disconnected, GatewayLoad, GatewayRef,
    GatewaysReply, GatewaysRequest, HeartbeatReply, HeartbeatRequest, LocateReply, LocateRequest,
    OwnStatus, OwnStatusReply, OwnStatusRequest, ReportReply, ReportRequest, Session,
    SessionsReply, SessionsRequest, SpendReply, SpendRequest, StatusReply, StatusRequest,
    UserSession, UserSpending, UserStatus,
};
use tonic::{Request, Response, Status};

use crate::ended::Sessions;
pub use crate::switch::Mode;
use crate::switch::Switch;

/// The presence service.
pub struct FakePresence {
    switch: Switch,
    account: Mutex<Account>,
    /// What everybody chose.
    own_status: Mutex<Option<String>>,
    /// Whose connections are refused.
    full: Mutex<Option<String>>,
    /// What was spent, and what everybody has used up at other gateways.
    spending: Mutex<Spending>,
    others: Mutex<Vec<GatewayLoad>>,
}

/// What gateways told of rates.
#[derive(Debug, Clone, Default)]
pub struct Spending {
    pub told: Vec<(String, Vec<u64>)>,
    pub elsewhere: Vec<u64>,
}

/// What the gateway reported.
#[derive(Debug, Clone, Default)]
pub struct Account {
    pub gateway: Option<GatewayRef>,
    pub connected: Vec<Connected>,
    pub disconnected: Vec<Disconnected>,
    /// Full accounts.
    pub snapshots: usize,
    /// Calls that came, answered or not.
    pub calls: usize,
    /// Connections refused.
    pub refused: Vec<u64>,
    /// Heartbeats that were answered.
    pub heartbeats: usize,
    /// What it said last of whether it lets connections in.
    pub takes: bool,
    /// Connections that were not taken back yet when the gateway signed off.
    pub left_with: Option<usize>,
}

impl FakePresence {
    pub fn new() -> Self {
        Self {
            switch: Switch::new(),
            account: Mutex::default(),
            own_status: Mutex::default(),
            full: Mutex::default(),
            spending: Mutex::default(),
            others: Mutex::default(),
        }
    }

    /// What the other gateways carry from now on.
    pub fn others_carry(&self, loads: Vec<GatewayLoad>) {
        *self.others.lock() = loads;
    }

    pub fn switch(&self, mode: Mode) {
        self.switch.0.send_replace(mode);
    }

    /// Everybody who comes from now on chose this.
    pub fn all_chose(&self, status: &str) {
        *self.own_status.lock() = Some(status.to_owned());
    }

    /// This user has as many connections as allowed.
    pub fn is_full(&self, user: Option<&str>) {
        *self.full.lock() = user.map(str::to_owned);
    }

    pub fn spending(&self) -> Spending {
        self.spending.lock().clone()
    }

    /// Everybody has used up so much of each rate at other gateways, in microseconds of its time.
    pub fn used_elsewhere(&self, micros: &[u64]) {
        self.spending.lock().elsewhere = micros.to_vec();
    }

    pub fn account(&self) -> Account {
        self.account.lock().clone()
    }
}

#[tonic::async_trait]
impl Presence for FakePresence {
    async fn report(
        &self,
        request: Request<ReportRequest>,
    ) -> Result<Response<ReportReply>, Status> {
        let report = request.into_inner();
        self.account.lock().calls += 1;
        self.switch.pass().await?;
        let mut account = self.account.lock();
        account.gateway = report.gateway;
        let full = self.full.lock().clone();
        let (refused, connected): (Vec<_>, Vec<_>) =
            report.connected.into_iter().partition(|it| Some(&it.user_id) == full.as_ref());
        let refused: Vec<u64> = refused.iter().map(|it| it.connection).collect();
        account.connected.extend(connected);
        account.refused.extend(&refused);
        account.disconnected.extend(report.disconnected);
        account.snapshots += usize::from(report.snapshot);
        let own = self.own_status.lock().clone();
        let own = own.map(|status| {
            let connections = account.connected.iter().map(|it| it.connection);
            connections.map(|connection| OwnStatus { connection, status: status.clone() }).collect()
        });
        Ok(Response::new(ReportReply { refused, own: own.unwrap_or_default() }))
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatReply>, Status> {
        if *self.switch.0.borrow() != Mode::Holds {
            self.switch.pass().await?;
        }
        let mut account = self.account.lock();
        account.heartbeats += 1;
        let request = request.into_inner();
        if request.leaving {
            account.left_with =
                Some(account.connected.len().saturating_sub(account.disconnected.len()));
        }
        let HeartbeatRequest { gateway, connections, takes, draining, .. } = request;
        account.takes = takes;
        let id = gateway.map(|gateway| gateway.id).unwrap_or_default();
        let mut loads = self.others.lock().clone();
        loads.insert(0, GatewayLoad { id, connections, takes, draining });
        Ok(Response::new(HeartbeatReply { loads, ..HeartbeatReply::default() }))
    }

    /// Everybody has the connections that were reported of them.
    async fn sessions(
        &self,
        request: Request<SessionsRequest>,
    ) -> Result<Response<SessionsReply>, Status> {
        self.switch.pass().await?;
        let user_id = request.into_inner().user_id;
        let account = self.account.lock();
        let sessions = account
            .connected
            .iter()
            .filter(|it| it.user_id == user_id)
            .map(|it| Session {
                gateway_id: "gateway-1".to_owned(),
                connection: it.connection,
                device_id: it.device_id.clone(),
                device_type: it.device_type,
                connected_at_ms: it.connected_at_ms,
                ip: it.ip.clone(),
                user_agent: it.user_agent.clone(),
            })
            .collect();
        Ok(Response::new(SessionsReply { sessions }))
    }

    /// Everybody who was reported, one a page.
    async fn connections(
        &self,
        request: Request<ConnectionsRequest>,
    ) -> Result<Response<ConnectionsReply>, Status> {
        self.switch.pass().await?;
        let after = request.into_inner().after;
        let place = match after.as_str() {
            "" => 0,
            after => {
                after.parse::<usize>().map_err(|_| Status::invalid_argument("no such place"))?
            }
        };
        let account = self.account.lock();
        let connections = account.connected.get(place).map(|it| UserSession {
            user_id: it.user_id.clone(),
            session: Some(Session {
                gateway_id: "gateway-1".to_owned(),
                connection: it.connection,
                device_id: it.device_id.clone(),
                ..Session::default()
            }),
        });
        let has_more = place + 1 < account.connected.len();
        let next = if has_more { (place + 1).to_string() } else { String::new() };
        Ok(Response::new(ConnectionsReply { connections: connections.into_iter().collect(), next }))
    }

    async fn spend(&self, request: Request<SpendRequest>) -> Result<Response<SpendReply>, Status> {
        self.switch.pass().await?;
        let mut spending = self.spending.lock();
        let micros = spending.elsewhere.clone();
        let users = request.into_inner().users;
        let used =
            users.iter().map(|_| UserSpending { user_id: String::new(), micros: micros.clone() });
        let used = used.collect();
        spending.told.extend(users.into_iter().map(|user| (user.user_id, user.micros)));
        Ok(Response::new(SpendReply { users: used }))
    }

    async fn locate(&self, _: Request<LocateRequest>) -> Result<Response<LocateReply>, Status> {
        Err(Status::unimplemented("the gateway does not ask this"))
    }

    async fn gateways(
        &self,
        _: Request<GatewaysRequest>,
    ) -> Result<Response<GatewaysReply>, Status> {
        Err(Status::unimplemented("the gateway does not ask this"))
    }

    async fn own_status(
        &self,
        _: Request<OwnStatusRequest>,
    ) -> Result<Response<OwnStatusReply>, Status> {
        self.switch.pass().await?;
        let status = self.own_status.lock().clone().unwrap_or_else(|| "online".to_owned());
        Ok(Response::new(OwnStatusReply { status, devices: 1 }))
    }

    /// Everybody who is asked about is offline.
    async fn status(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<StatusReply>, Status> {
        self.switch.pass().await?;
        let asked = request.into_inner().user_ids.into_iter();
        let statuses = asked
            .map(|user_id| UserStatus {
                user_id,
                status: "offline".to_owned(),
                ..UserStatus::default()
            })
            .collect();
        Ok(Response::new(StatusReply { statuses }))
    }
}

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
    /// Of the one conversation there is: its head, and of each member the first entry to see.
    large: (u64, Vec<(String, u64)>),
    /// Users of each question about it.
    among: Vec<Vec<String>>,
    /// Everybody's acquaintances.
    acquainted: Vec<String>,
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

    type SyncStream = Events;

    async fn sync(&self, request: Request<SyncRequest>) -> Result<Response<Events>, Status> {
        self.switch.pass().await?;
        let mut told = self.state.lock();
        told.syncs.push(request.into_inner());
        let pages = told.pages.iter().cloned().map(Event::Page);
        let done = SyncDone { epoch: "e".to_owned(), conversations: 1 };
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
