//! What presence is told of this gateway: connections that came and went, a heartbeat, and everything
//! anew when the two accounts differ.
//!
//! One call is under way at a time; what happens meanwhile is the next report. A registration is
//! answered when presence has it, which is what `welcome` waits for. When everything is told, or the end is
//! forced, the lease is signed off; nobody depends on it, since an unsigned one ends by itself.

use std::sync::Arc;
use std::time::Duration;

use platform::backoff::Backoff;
use platform::grpc::GrpcChannel;
use platform::readiness::{Dependency, Readiness};
use platform::shutdown::Shutdown;
use proto::common::GatewayRef;
use proto::presence::presence_client::PresenceClient;
use proto::presence::{Connected, Disconnected, HeartbeatRequest, ReportReply, ReportRequest};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::{Live, Rival};
use crate::balance::Balance;
use crate::clock::unix_ms;
use crate::connections::Connection;
use crate::connections::own_status::OwnStatus;
use crate::down::heads::HeadsLink;
use crate::freeze_detector::FreezeDetector;
use crate::limits::LimitsConfig;
use crate::metrics::GatewayMetrics;
use crate::planted;

/// Connections of one report.
const REPORT_CONNECTIONS: usize = 500;
/// Reports waiting; arrivals beyond wait in their handshake.
const QUEUE: usize = 4_096;
/// After a heartbeat without an answer the next one comes so many times sooner.
const AGAIN: u32 = 6;
/// How long a call may take.
const CALL: Duration = Duration::from_secs(5);
/// How long signing off may take, with repeats.
const SIGN_OFF: Duration = Duration::from_secs(2);

/// Hands arrivals and departures to the link.
#[derive(Debug, Clone)]
pub struct PresenceLink {
    sender: mpsc::Sender<Event>,
}

#[derive(Debug)]
enum Event {
    Connected(Arc<Connection>, oneshot::Sender<Registered>),
    Disconnected(Arc<Connection>),
}

/// What presence says to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// It is known.
    Taken,
    /// Its user has as many connections as allowed, over all gateways.
    TooMany,
}

impl PresenceLink {
    /// The entrance and what the link reads.
    pub(crate) fn new() -> (Self, PresenceEvents) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self { sender }, PresenceEvents(receiver))
    }

    /// Resolves when presence has decided on the connection; none when the link is gone.
    pub async fn connected(&self, connection: Arc<Connection>) -> Option<Registered> {
        let (done, registered) = oneshot::channel();
        self.sender.send(Event::Connected(connection, done)).await.ok()?;
        if planted::WELCOME_BEFORE_REGISTRATION {
            return Some(Registered::Taken);
        }
        registered.await.ok()
    }

    /// Tells that a connection is gone.
    pub async fn disconnected(&self, connection: Arc<Connection>) {
        // The link outlives the connections; without it the lease ends and says the same.
        let _ = self.sender.send(Event::Disconnected(connection)).await;
    }
}

pub(crate) struct PresenceEvents(mpsc::Receiver<Event>);

pub(crate) struct Reporter {
    pub(crate) client: PresenceClient<GrpcChannel>,
    pub(crate) gateway: watch::Receiver<Option<GatewayRef>>,
    pub(crate) limits: Arc<LimitsConfig>,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) freeze: Arc<FreezeDetector>,
    pub(crate) heads: HeadsLink,
    pub(crate) shutdown: Shutdown,
    /// The connections that presence is to know.
    pub(crate) live: Live,
    /// Whether it answers, and has what it needs to do so.
    pub(crate) presence: Dependency,
    /// The incarnation of the last full account.
    pub(crate) reported: Option<GatewayRef>,
    /// The incarnation of the last report, also of one without an answer.
    pub(crate) spoken: Option<GatewayRef>,
    /// Whether another process has the same name.
    pub(crate) rival: Arc<Rival>,
    /// Is told what all gateways carry.
    pub(crate) balance: Arc<Balance>,
    /// Whether further connections are let in.
    pub(crate) readiness: Readiness,
    /// Of the process: begun while connections are asked to go elsewhere.
    pub(crate) leaving: Shutdown,
}

/// How often presence hears of a gateway.
pub(crate) fn heartbeat(limits: &LimitsConfig) -> Duration {
    Duration::from_millis(limits.presence_heartbeat_ms.max(100))
}

impl Reporter {
    /// Reports until the end, then signs off.
    pub(crate) async fn run(mut self, events: PresenceEvents) {
        self.until_end(events).await;
        let Some(gateway) = self.spoken.take() else { return };
        if tokio::time::timeout(SIGN_OFF, self.sign_off(&gateway)).await.is_err() {
            tracing::warn!(
                "presence does not hear that this gateway leaves; its lease will run out"
            );
        }
    }

    /// Says that this incarnation leaves, until it is heard.
    async fn sign_off(&mut self, gateway: &GatewayRef) {
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(500));
        let request = HeartbeatRequest {
            gateway: Some(gateway.clone()),
            connections: self.live.len() as u32,
            digest: self.live.digest(),
            leaving: true,
            process: self.rival.process(),
            takes: false,
            draining: true,
        };
        while self.client.heartbeat(request.clone()).await.is_err() {
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    async fn until_end(&mut self, mut events: PresenceEvents) {
        let period = heartbeat(&self.limits);
        let mut heartbeat = tokio::time::interval(period);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut gateway = self.gateway.clone();
        let leaving = self.leaving.clone();
        let mut leaves = std::pin::pin!(leaving.begun());
        let mut is_leaving = false;
        loop {
            tokio::select! {
                event = events.0.recv() => match event {
                    Some(event) => self.report(event, &mut events).await,
                    None => return,
                },
                changed = gateway.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.account().await;
                    // The first one of an incarnation: it tells soonest whether the name is its own.
                    heartbeat.reset_immediately();
                }
                _ = heartbeat.tick() => if !self.heartbeat().await {
                    // The lease runs meanwhile, and what presence forgot is missed.
                    heartbeat.reset_after(period / AGAIN);
                },
                // Presence has to know at once that no client is to be sent here any more.
                () = &mut leaves, if !is_leaving => {
                    is_leaving = true;
                    heartbeat.reset_immediately();
                }
                () = self.shutdown.forced() => return,
            }
        }
    }

    /// Reports an event and what has piled up behind it.
    async fn report(&mut self, first: Event, events: &mut PresenceEvents) {
        let (mut connected, mut disconnected, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(event) = next {
            match event {
                Event::Connected(connection, done) => {
                    self.live.insert(Arc::clone(&connection));
                    connected.push(connected_proto(&connection));
                    waiting.push((connection.number, done));
                }
                Event::Disconnected(connection) => {
                    self.live.remove(connection.number);
                    disconnected.push(Disconnected {
                        connection: connection.number,
                        user_id: connection.user_id.to_string(),
                    });
                }
            }
            let is_room = connected.len() + disconnected.len() < REPORT_CONNECTIONS;
            next = if is_room { events.0.try_recv().ok() } else { None };
        }
        self.balance.carries(self.live.len());
        let report = ReportRequest { gateway: None, connected, disconnected, snapshot: false };
        let Some(reply) = self.send(report).await else { return };
        self.learn(&reply.own);
        let refused = reply.refused;
        for (number, done) in waiting {
            let is_refused = refused.contains(&number);
            if is_refused {
                self.live.remove(number);
            }
            // A session that gave up waiting has closed its socket and will report that.
            let _ = done.send(if is_refused { Registered::TooMany } else { Registered::Taken });
        }
    }

    /// Takes over what users chose.
    fn learn(&self, own: &[proto::presence::OwnStatus]) {
        for own in own {
            if let Some(connection) = self.live.get(own.connection) {
                connection.own_status.set(OwnStatus::parse(&own.status));
            }
        }
    }

    /// Everything anew, under the present incarnation.
    async fn account(&mut self) {
        let Some(gateway) = self.gateway.borrow().clone() else { return };
        if self.live.is_empty() && self.reported.is_none() {
            self.freeze.reported(&gateway);
            self.reported = Some(gateway);
            return;
        }
        self.metrics.snapshots.inc();
        let connected = self.live.iter().map(|connection| connected_proto(connection)).collect();
        let report =
            ReportRequest { gateway: None, connected, disconnected: Vec::new(), snapshot: true };
        // An account is never refused in part: its connections were admitted before.
        if let Some(reply) = self.send(report).await {
            self.learn(&reply.own);
            self.freeze.reported(&gateway);
            self.reported = Some(gateway);
            // What was committed while presence did not know these connections was not pushed to them.
            if !planted::HEADS_NOT_TOLD_AGAIN {
                self.heads.tell_everybody().await;
            }
        }
    }

    /// Sends a report until it is taken. None when the process ends first.
    async fn send(&mut self, report: ReportRequest) -> Option<ReportReply> {
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        loop {
            let gateway = self.gateway.borrow().clone();
            if let Some(gateway) = gateway {
                let mut request = report.clone();
                request.gateway = Some(gateway.clone());
                self.spoken = Some(gateway);
                match tokio::time::timeout(CALL, self.client.report(request)).await {
                    Ok(Ok(reply)) => {
                        self.presence.up();
                        return Some(reply.into_inner());
                    }
                    Ok(Err(status)) if status.code() == tonic::Code::InvalidArgument => {
                        tracing::error!(%status, "presence refuses a report");
                        return None;
                    }
                    // A heartbeat tells whether the other one lives, and begins anew if not.
                    refused if is_stale(&refused) => _ = self.beat().await,
                    refused => self.presence.down(why(refused.map(|taken| taken.map(|_| ())))),
                }
                self.metrics.presence_failures.inc();
            } else {
                // There is no queue: the report waits for the next one and the account that comes with it.
                self.beat().await;
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next_delay()) => {}
                () = self.shutdown.forced() => return None,
            }
        }
    }

    /// False when presence did not answer.
    async fn heartbeat(&mut self) -> bool {
        match self.beat().await {
            Some(true) => {
                self.account().await;
                true
            }
            Some(false) => true,
            None => false,
        }
    }

    /// Whether presence wants a full account; nothing when it did not answer.
    ///
    /// If the broker is down, the heartbeats go on under the previous epoch, so that users stay online.
    async fn beat(&mut self) -> Option<bool> {
        let present = self.gateway.borrow().clone();
        let is_present = present.is_some();
        let Some(gateway) = present.or_else(|| self.reported.clone()) else { return Some(false) };
        let request = HeartbeatRequest {
            gateway: Some(gateway.clone()),
            connections: self.live.len() as u32,
            digest: self.live.digest(),
            leaving: false,
            process: self.rival.process(),
            takes: self.readiness.serving().ready,
            draining: self.leaving.is_begun(),
        };
        match tokio::time::timeout(CALL, self.client.heartbeat(request)).await {
            Ok(Ok(reply)) => {
                self.presence.up();
                let now_ms = i64::try_from(unix_ms()).unwrap_or_default();
                self.metrics.presence_heard_ms.set(now_ms);
                let reply = reply.into_inner();
                self.rival.told(&gateway.id, reply.rival);
                self.balance.carries(self.live.len());
                self.balance.told(reply.loads, Instant::now());
                Some(reply.resync)
            }
            refused => {
                if is_stale(&refused) {
                    self.rival.told(&gateway.id, false);
                    // A process of the same name was here and has ended: this one begins anew.
                    if is_present {
                        self.freeze.renew();
                    }
                }
                self.metrics.presence_failures.inc();
                self.presence.down(why(refused.map(|answered| answered.map(|_| ()))));
                None
            }
        }
    }
}

/// Another incarnation of this gateway has followed the one that spoke.
fn is_stale<T>(answer: &Result<Result<T, tonic::Status>, tokio::time::error::Elapsed>) -> bool {
    matches!(answer, Ok(Err(status)) if status.code() == tonic::Code::FailedPrecondition)
}

/// What came instead of an answer.
fn why(answer: Result<Result<(), tonic::Status>, tokio::time::error::Elapsed>) -> String {
    match answer {
        Ok(Err(status)) => status.message().to_owned(),
        _ => format!("no answer within {CALL:?}"),
    }
}

fn connected_proto(connection: &Connection) -> Connected {
    Connected {
        connection: connection.number,
        user_id: connection.user_id.to_string(),
        device_id: connection.device_id.to_string(),
        device_type: connection.device_type as i32,
        connected_at_ms: connection.connected_at_ms,
        ip: connection.ip.to_string(),
        user_agent: connection.user_agent.to_string(),
    }
}
