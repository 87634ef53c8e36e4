//! Questions of operators that other gateways pass on: when an entry was written to sockets of this one, and what it
//! counts. In a task of its own, so that looking for it holds up no push.

use std::collections::HashSet;
use std::sync::Arc;

use bus::Bus;
use platform::shutdown::Shutdown;
use proto::bus::{
    AskFigures, AskWritten, Finding, PushBatch, Written, WrittenTo, finding, push::Body,
};
use proto::id::{ConversationId, TenantId, UserId};
use tokio::sync::mpsc;

use crate::connections::Registry;
use crate::explain::figures::{Counting, EVERY};
use crate::explain::journal::{Found, Journal, Which};
use crate::metrics::GatewayMetrics;

/// Questions waiting; further ones get no answer, and the operator asks again.
const QUEUE: usize = 64;

/// A question.
#[derive(Debug)]
pub(crate) enum Inquiry {
    /// When an entry was written.
    Written(AskWritten),
    /// What is counted here.
    Figures(AskFigures),
}

/// The entrance.
#[derive(Debug, Clone)]
pub(crate) struct InquiryLink(mpsc::Sender<Inquiry>);

/// What has come in.
pub(crate) struct Inquiries(mpsc::Receiver<Inquiry>);

impl InquiryLink {
    pub(crate) fn new() -> (Self, Inquiries) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), Inquiries(receiver))
    }

    /// Hands a question on, or drops it where too many wait.
    pub(crate) fn ask(&self, question: Inquiry) {
        // The asker says that it has no answer.
        let _ = self.0.try_send(question);
    }
}

/// Answers questions.
pub(crate) struct Answerer {
    bus: Arc<dyn Bus>,
    gateway_id: String,
    registry: Arc<Registry>,
    journal: Arc<Journal>,
    counting: Counting,
    shutdown: Shutdown,
}

impl Answerer {
    /// Of the gateway of this id; it answers over the bus, to the gateway that asked.
    pub(crate) fn new(
        (bus, gateway_id): (Arc<dyn Bus>, String),
        registry: Arc<Registry>,
        journal: Arc<Journal>,
        metrics: GatewayMetrics,
        shutdown: Shutdown,
    ) -> Self {
        let counting = Counting::new(gateway_id.clone(), Arc::clone(&registry), metrics);
        Self { bus, gateway_id, registry, journal, counting, shutdown }
    }

    /// Answers one after the other until the end.
    pub(crate) async fn run(mut self, mut inquiries: Inquiries) {
        let mut moments = tokio::time::interval(EVERY);
        moments.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let question = tokio::select! {
                question = inquiries.0.recv() => question,
                _ = moments.tick() => {
                    self.counting.remember();
                    continue;
                }
                () = self.shutdown.forced() => return,
            };
            let Some(question) = question else { return };
            let (asker, connection, found) = match question {
                Inquiry::Written(question) => {
                    let found = self.look(&question).map(finding::Finding::Written);
                    (question.asker, question.connection, found)
                }
                Inquiry::Figures(question) => {
                    let found = finding::Finding::Figures(self.counting.show());
                    (question.asker, question.connection, Some(found))
                }
            };
            let Some((found, asker)) = found.zip(asker) else { continue };
            let finding = Finding { connection, finding: Some(found) };
            let batch = PushBatch { pushes: vec![Body::Finding(finding).into()] };
            if let Err(error) = self.bus.publish_pushes(&asker, batch).await {
                tracing::debug!(%error, gateway.id = asker.id, "a question is not answered");
            }
        }
    }

    /// Nothing for a question that is malformed.
    fn look(&self, question: &AskWritten) -> Option<Written> {
        let which = Which {
            conversation_id: ConversationId::from_bytes(&question.conversation_id).ok()?,
            seq: question.seq,
            stored_ms: question.stored_at_ms,
        };
        let users: Vec<UserId> = question
            .user_ids
            .iter()
            .map(|id| UserId::parse_qualified(id))
            .collect::<Result<_, _>>()
            .ok()?;
        let tenant = TenantId::from_field(&question.tenant).ok()?;
        if users.iter().any(|user| user.tenant() != tenant) {
            return None;
        }
        let mut connections = Vec::new();
        let mut seen = HashSet::new();
        for number in &question.connections {
            let Some(connection) = self.registry.get(*number) else { continue };
            let Some(user) = users.iter().position(|user| *user == connection.user_id) else {
                continue;
            };
            let found = self.journal.find(*number, connection.connected_at_ms, which);
            connections.push(told(*number, user, found, true));
            seen.insert(*number);
        }
        for (number, user, found) in self.journal.of_users(&users, which) {
            if seen.insert(number) {
                connections.push(told(number, user, found, self.registry.get(number).is_some()));
            }
        }
        Some(Written { gateway_id: self.gateway_id.clone(), connections })
    }
}

fn told(connection: u64, user: usize, found: Found, is_open: bool) -> WrittenTo {
    WrittenTo {
        connection,
        user: user as u32,
        state: found.state as i32,
        after_ms: found.between_ms.0,
        until_ms: found.between_ms.1,
        is_open,
    }
}
