//! Asks those who remember about an entry: the chat service that works on its partition, to which gateways it
//! was pushed; every gateway, when it was written to whose sockets. Who does not answer in time does not
//! hold up the others.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use bus::PublishError;
use platform::grpc::ask;
use prost::Message;
use proto::bus::finding::Finding as Found;
use proto::bus::{
    AskPushed, AskWritten, Finding, GatewayRef, Push, PushBatch, PushClass, Pushed, WrittenTo,
    frame::Body,
};
use proto::chat::ExplainReply;
use proto::id::ConversationId;
use proto::presence::GatewaysRequest;
use tokio::time::{Instant, timeout, timeout_at};

use super::asker::Asker;
use crate::shared::{Identity, Shared};

/// How long the chat service and then the gateways may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// A connection that presence knows: the place of its user, its gateway, its number.
pub(super) type Located = (usize, GatewayRef, u64);

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// None when nobody answered.
    pub(super) pushed: Option<Pushed>,
    /// Of each gateway that answered, by its id.
    pub(super) written: HashMap<String, Vec<WrittenTo>>,
    /// Gateways whose queue is gone.
    pub(super) gone: HashSet<String>,
}

/// Asks all of them about the members of this page.
pub(super) async fn gather(
    shared: &Shared,
    identity: &Identity,
    reply: &ExplainReply,
    located: &[Located],
) -> Findings {
    let mut findings = Findings::default();
    let here = shared.gateway.borrow().clone();
    let (Some(here), Ok(id)) = (here, ConversationId::from_bytes(&reply.conversation_id)) else {
        return findings;
    };
    let asker = Asker::enter(shared, identity);
    let mut answers = Answers { asker: &asker, waiting: VecDeque::new() };
    let question = AskPushed { conversation_id: reply.conversation_id.clone(), seq: reply.seq };
    let frame = asker.frame(identity, String::new(), Body::AskPushed(question));
    if shared.uplink.chat(id, frame).is_ok() {
        findings.pushed = timeout(PATIENCE, answers.pushed()).await.ok();
    }
    let gateways = gateways(shared, findings.pushed.as_ref()).await;
    let question = AskWritten {
        asker: Some(here),
        connection: asker.number(),
        conversation_id: reply.conversation_id.clone(),
        seq: reply.seq,
        stored_at_ms: reply.stored_at_ms,
        user_ids: reply.members.iter().map(|member| member.user_id.clone()).collect(),
        connections: Vec::new(),
        tenant: identity.tenant().to_field(),
    };
    let asked = gateways.into_iter().map(|gateway| {
        let at_gateway = located.iter().filter(|(_, at, _)| at.id == gateway.id);
        let connections = at_gateway.map(|(.., connection)| *connection).collect();
        let question = AskWritten { connections, ..question.clone() };
        let push = Push {
            frame: question.encode_to_vec().into(),
            class: PushClass::Inquiry as i32,
            ..Push::default()
        };
        put(shared, gateway, push)
    });
    let mut awaited = HashSet::new();
    for (id, asked) in futures_util::future::join_all(asked).await {
        match asked {
            Ok(()) => drop(awaited.insert(id)),
            Err(PublishError::Unroutable) => drop(findings.gone.insert(id)),
            Err(error) => tracing::debug!(%error, id, "a gateway is not asked"),
        }
    }
    let until = Instant::now() + PATIENCE;
    while !awaited.is_empty() {
        match timeout_at(until, answers.next()).await {
            Ok(Found::Written(written)) => {
                awaited.remove(&written.gateway_id);
                findings.written.insert(written.gateway_id, written.connections);
            }
            Ok(Found::Pushed(_) | Found::Figures(_)) => {}
            Err(_elapsed) => break,
        }
    }
    findings
}

/// Those that presence knows, and those that were pushed to.
async fn gateways(shared: &Shared, pushed: Option<&Pushed>) -> Vec<GatewayRef> {
    let question = |mut presence: proto::presence::presence_client::PresenceClient<_>, request| async move {
        presence.gateways(request).await
    };
    let known = ask(&shared.presence, GatewaysRequest {}, question).await.unwrap_or_default();
    let mut gateways: Vec<GatewayRef> = known
        .gateways
        .into_iter()
        .map(|gateway| GatewayRef { id: gateway.id, epoch: gateway.epoch })
        .collect();
    let pushed = pushed.into_iter().flat_map(|pushed| &pushed.pushes);
    for gateway in pushed.filter_map(|push| push.gateway.as_ref()) {
        if gateways.iter().all(|known| known.id != gateway.id) {
            gateways.push(gateway.clone());
        }
    }
    gateways
}

/// Puts a question into a gateway's queue.
pub(super) async fn put(
    shared: &Shared,
    gateway: GatewayRef,
    push: Push,
) -> (String, Result<(), PublishError>) {
    let publish = shared.bus.publish_pushes(&gateway, PushBatch { pushes: vec![push] });
    let put = timeout(PATIENCE, publish).await;
    let late = |_elapsed| PublishError::Unknown("no confirm in time".to_owned());
    (gateway.id, put.map_err(late).flatten())
}

/// The answers as they come.
pub(super) struct Answers<'a> {
    pub(super) asker: &'a Asker,
    pub(super) waiting: VecDeque<Found>,
}

impl Answers<'_> {
    pub(super) async fn next(&mut self) -> Found {
        loop {
            if let Some(found) = self.waiting.pop_front() {
                return found;
            }
            let frames = self.asker.taken().await.frames;
            let answers = frames.iter().filter(|it| it.about().class == PushClass::Answer);
            self.waiting.extend(answers.filter_map(|it| Finding::decode(it.json()).ok()?.finding));
        }
    }

    async fn pushed(&mut self) -> Pushed {
        loop {
            if let Found::Pushed(pushed) = self.next().await {
                return pushed;
            }
        }
    }
}
