//! Asks other processes what they remember of an entry: the chat service that works on its partition, to which
//! gateways it was pushed; every gateway, when it was written to which sockets. A process that does not answer
//! in time does not delay the answers of the others.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, PublishError};
use platform::grpc::{GrpcChannel, ask};
use proto::bus::finding::Finding as Found;
use proto::bus::{AskPushed, AskWritten, Frame, PushBatch, Pushed, WrittenTo, frame::Body, push};
use proto::chat::ExplainReply;
use proto::common::{DeviceType, GatewayRef};
use proto::id::ConversationId;
use proto::presence::GatewaysRequest;
use proto::presence::presence_client::PresenceClient;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use crate::connections::requests::{Question, Requests};
use crate::identity::Identity;
use crate::up::uplink::Uplink;

/// How long the chat service and then the gateways may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// A connection that presence knows: the place of its user, its gateway, its number.
pub(crate) type Located = (usize, GatewayRef, u64);

/// Asks what other processes remember, and waits for what comes back over the bus.
#[derive(Clone)]
pub(crate) struct AskGateways {
    pub(crate) bus: Arc<dyn Bus>,
    /// The incarnation that answers are addressed to; none while there is no queue.
    pub(crate) gateway: watch::Receiver<Option<GatewayRef>>,
    pub(crate) requests: Arc<Requests>,
    pub(crate) uplink: Uplink,
    pub(crate) presence: PresenceClient<GrpcChannel>,
}

/// What is remembered.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// None when nobody answered.
    pub(crate) pushed: Option<Pushed>,
    /// Of each gateway that answered, by its id.
    pub(crate) written: HashMap<String, Vec<WrittenTo>>,
    /// Gateways whose queue is gone.
    pub(crate) gone: HashSet<String>,
}

impl AskGateways {
    /// Asks all of them about the members of this page.
    pub(crate) async fn gather(
        &self,
        identity: &Identity,
        reply: &ExplainReply,
        located: &[Located],
    ) -> Findings {
        let mut findings = Findings::default();
        let here = self.gateway.borrow().clone();
        let (Some(here), Ok(id)) = (here, ConversationId::from_bytes(&reply.conversation_id))
        else {
            return findings;
        };
        // Without room, as if nobody had answered.
        let Some(mut answers) = self.requests.ask() else { return findings };
        let question = AskPushed { conversation_id: reply.conversation_id.clone(), seq: reply.seq };
        let origin = identity.origin(answers.number(), "rest", DeviceType::Unspecified);
        let frame = Frame { origin: Some(origin), ..Frame::from(Body::AskPushed(question)) };
        if self.uplink.chat(id, frame).is_ok() {
            findings.pushed = timeout(PATIENCE, pushed(&mut answers)).await.ok();
        }
        let gateways = self.gateways(findings.pushed.as_ref()).await;
        let question = AskWritten {
            asker: Some(here),
            connection: answers.number(),
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
            self.put(gateway, push::Body::AskWritten(question))
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
    async fn gateways(&self, pushed: Option<&Pushed>) -> Vec<GatewayRef> {
        let question = |mut presence: PresenceClient<_>, request| async move {
            presence.gateways(request).await
        };
        let known = ask(&self.presence, GatewaysRequest {}, question).await.unwrap_or_default();
        let mut gateways: Vec<GatewayRef> = known.gateways;
        let pushed = pushed.into_iter().flat_map(|pushed| &pushed.pushes);
        for gateway in pushed.filter_map(|push| push.gateway.as_ref()) {
            if gateways.iter().all(|known| known.id != gateway.id) {
                gateways.push(gateway.clone());
            }
        }
        gateways
    }

    /// Puts a question into a gateway's queue.
    pub(crate) async fn put(
        &self,
        gateway: GatewayRef,
        question: push::Body,
    ) -> (String, Result<(), PublishError>) {
        let publish =
            self.bus.publish_pushes(&gateway, PushBatch { pushes: vec![question.into()] });
        let put = timeout(PATIENCE, publish).await;
        let late = |_elapsed| PublishError::Unknown("no confirm in time".to_owned());
        (gateway.id, put.map_err(late).flatten())
    }
}

/// What the chat service answers.
async fn pushed(answers: &mut Question) -> Pushed {
    loop {
        if let Found::Pushed(pushed) = answers.next().await {
            return pushed;
        }
    }
}
