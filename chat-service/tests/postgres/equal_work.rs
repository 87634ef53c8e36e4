//! A question with the id of another tenant's conversation costs what one costs whose id does not exist: the same statements
//! in the same order, and the same bytes for an answer. A client that measures how long an answer takes learns nothing.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chat_service::queries::ChatQueries;
use futures_util::StreamExt;
use parking_lot::Mutex;
use prost::Message;
use proto::bus::operation::Action;
use proto::bus::{AddMembers, Frame, RemoveMember, Rename, Send, Typing, frame::Body};
use proto::chat::chat_server::Chat;
use proto::chat::{
    ExplainRequest, GetConversationRequest, ListMembersRequest, ListPinsRequest,
    MembersAmongRequest, ReadEntriesRequest, SyncEvent, SyncRequest, sync_event,
};
use proto::id::{ClientId, ConversationId};
use tonic::{Request, Response, Status};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::contract::paging::queries;
use crate::contract::worker::{Rig, Told, operation};
use crate::contract::{entry, group};
use crate::fresh;

/// Parts of the statements by which a connection makes sure of its database.
const IDENTITY: [&str; 3] = ["system_identifier", "store_origin", "CAST(epoch AS text)"];

/// Hears of every statement that this thread runs.
#[derive(Clone, Default)]
struct Statements {
    heard: Arc<Mutex<Vec<String>>>,
    spans: Arc<AtomicU64>,
}

impl Statements {
    /// What was heard since. A thread without a subscriber that comes to a place of an event first has it taken for one that
    /// nobody hears, for all threads: that is asked anew.
    fn take(&self) -> Vec<String> {
        tracing::callsite::rebuild_interest_cache();
        std::mem::take(&mut self.heard.lock())
    }
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if matches!(field.name(), "summary" | "db.statement") {
            write!(self.0, "{value:?}").expect("a text takes it");
        }
    }
}

impl Subscriber for Statements {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        // A connection asks from time to time which database it is on, whatever else is asked.
        if !IDENTITY.iter().any(|part| text.0.contains(part)) {
            self.heard.lock().push(text.0);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn bytes(answer: Result<Response<impl Message>, Status>) -> String {
    match answer {
        Ok(reply) => format!("{:?}", reply.into_inner().encode_to_vec()),
        Err(status) => format!("{:?}: {}", status.code(), status.message()),
    }
}

/// Every question that names a conversation, asked for `ann` of the default tenant about one.
async fn ask(queries: &ChatQueries, id: ConversationId, heard: &Statements) -> Vec<Asked> {
    let (user_id, conversation_id) = ("ann".to_owned(), id.to_bytes());
    let mut asked = Vec::new();
    let mut note = |what, answer| asked.push(Asked { what, answer, statements: heard.take() });
    let request = GetConversationRequest {
        user_id: user_id.clone(),
        conversation_id: conversation_id.clone(),
        device_type: 0,
    };
    note("a conversation", bytes(queries.get_conversation(Request::new(request)).await));
    let request = ReadEntriesRequest {
        user_id: user_id.clone(),
        conversation_id: conversation_id.clone(),
        limit: 10,
        ..ReadEntriesRequest::default()
    };
    note("entries", bytes(queries.read_entries(Request::new(request)).await));
    let request = ListMembersRequest {
        user_id: user_id.clone(),
        conversation_id: conversation_id.clone(),
        limit: 10,
        ..ListMembersRequest::default()
    };
    note("members", bytes(queries.list_members(Request::new(request)).await));
    let request = ListPinsRequest {
        user_id: user_id.clone(),
        conversation_id: conversation_id.clone(),
        limit: 10,
        ..ListPinsRequest::default()
    };
    note("pins", bytes(queries.list_pins(Request::new(request)).await));
    let request = MembersAmongRequest {
        conversation_id: conversation_id.clone(),
        user_ids: vec![user_id.clone(), "acme/ann".to_owned()],
        tenant: String::new(),
    };
    note("members among", bytes(queries.members_among(Request::new(request)).await));
    let request = ExplainRequest {
        conversation_id: conversation_id.clone(),
        seq: 1,
        limit: 10,
        ..ExplainRequest::default()
    };
    note("explain", bytes(queries.explain(Request::new(request)).await));
    let request = SyncRequest { user_id, only: conversation_id, ..SyncRequest::default() };
    let events = queries.sync(Request::new(request)).await.unwrap().into_inner();
    // Its end names the id that was asked for.
    let nameless = |mut event: SyncEvent| {
        if let Some(sync_event::Event::Done(done)) = &mut event.event {
            done.only.clear();
        }
        event.encode_to_vec()
    };
    let events: Vec<_> = events.map(|event| nameless(event.unwrap())).collect().await;
    note("a sync", format!("{events:?}"));
    asked
}

#[derive(Debug, PartialEq, Eq)]
struct Asked {
    what: &'static str,
    answer: String,
    statements: Vec<String>,
}

/// On one thread: it alone is heard.
#[tokio::test]
async fn an_id_of_another_tenant_costs_what_an_id_costs_that_does_not_exist() {
    let (store, keeper) = fresh().await;
    let (foreign, nowhere) = (ConversationId::generate(), ConversationId::generate());
    let mut begun = group(foreign, &["acme/ann", "acme/bob"]);
    begun.entries.push(entry(foreign, 2, "acme/ann"));
    store.append(&begun).await.unwrap();
    let queries = queries(&store, 1 << 20);
    let heard = Statements::default();
    let _guard = tracing::subscriber::set_default(heard.clone());
    // The first question of a connection may prepare more than it asks.
    ask(&queries, nowhere, &heard).await;
    let of_foreign = ask(&queries, foreign, &heard).await;
    let of_nowhere = ask(&queries, nowhere, &heard).await;
    assert!(of_nowhere.iter().all(|asked| !asked.statements.is_empty()), "{of_nowhere:#?}");
    assert_eq!(of_foreign, of_nowhere);
    keeper.remove().await;
}

/// The same for frames: what is written into another tenant's conversation.
#[tokio::test]
async fn a_frame_into_a_conversation_of_another_tenant_costs_what_one_into_none_costs() {
    let (store, keeper) = fresh().await;
    let (foreign, nowhere) = (ConversationId::generate(), ConversationId::generate());
    store.append(&group(foreign, &["acme/ann", "acme/bob"])).await.unwrap();
    let mut rig = Rig::over(store).await;
    let heard = Statements::default();
    let _guard = tracing::subscriber::set_default(heard.clone());
    let actions = [
        Action::Send(Send {
            kind: "text".to_owned(),
            content: r#"{"text":"hi"}"#.to_owned(),
            ..Send::default()
        }),
        Action::Rename(Rename { title: "Ours".to_owned() }),
        Action::AddMembers(AddMembers { user_ids: vec!["bob".to_owned()], role: 1 }),
        Action::RemoveMember(RemoveMember { user_id: "bob".to_owned() }),
    ];
    for action in actions {
        let client_id = ClientId::generate();
        let frame = |id| operation(Some(id), client_id, action.clone());
        let alike = alike(&mut rig, &heard, [foreign, nowhere].map(frame), 1).await;
        assert!(alike.is_ok(), "{action:?}: {alike:#?}");
    }
    let typing = |id: ConversationId| {
        Frame::from(Body::Typing(Typing { conversation_id: id.to_bytes(), on: true }))
    };
    let alike = alike(&mut rig, &heard, [foreign, nowhere].map(typing), 0).await;
    assert!(alike.is_ok(), "{alike:#?}");
    keeper.remove().await;
}

/// What a frame was answered, and its statements.
type Costs = (Told, Vec<String>);

/// Whether two frames have the same answer and the same statements, at least so many. A difference that is not there again was the machine's: a
/// connection that was made anew, a statement that ended too late.
async fn alike(
    rig: &mut Rig,
    heard: &Statements,
    frames: [Frame; 2],
    least: usize,
) -> Result<(), Vec<[Costs; 2]>> {
    let [foreign, nowhere] = frames;
    // The first of its kind may prepare more than it asks.
    rig.ask("ann", nowhere.clone()).await;
    heard.take();
    let mut different = Vec::new();
    for _ in 0..3 {
        let one = (rig.ask("ann", foreign.clone()).await, heard.take());
        let other = (rig.ask("ann", nowhere.clone()).await, heard.take());
        if one == other && one.1.len() >= least {
            return Ok(());
        }
        different.push([one, other]);
    }
    Err(different)
}
