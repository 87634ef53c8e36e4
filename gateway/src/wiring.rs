//! What the tasks of a gateway are made of: each gets what it needs of what all share.

use std::sync::Arc;
use std::time::Duration;

use platform::readiness::{Cause, Latch, Readiness};
use platform::shutdown::{Shutdown, Tasks};
use proto::bus::GatewayRef;
use proto::id::GatewayId;
use tokio::sync::watch;

use crate::Adapters;
use crate::balance::Balance;
use crate::balance::config::{RebalanceConfig, Servers};
use crate::balance::mover::Mover;
use crate::broadcast::Broadcasts;
use crate::config::LimitsConfig;
use crate::downlink::Downlink;
use crate::fullness::Fullness;
use crate::heads::HeadsTeller;
use crate::inquiry::InquiryLink;
use crate::metrics::GatewayMetrics;
use crate::outbox::OutboxLimits;
use crate::presence_link::{self, Reporter};
use crate::pulse::Pulse;
use crate::rate_link::RateLink;
use crate::revocations::link::Link;
use crate::revocations::notes::{NoteEvents, NoteTeller};
use crate::rival::Rival;
use crate::shared::Shared;
use crate::uplink::UplinkParts;

/// Notices that this process stood still. Load balancers send no further clients meanwhile, nor while there are
/// `most` connections, or were and not enough of them have gone.
pub(super) fn pulse(
    readiness: &Readiness,
    metrics: &GatewayMetrics,
    frozen_ms: u64,
    most: usize,
) -> Arc<Pulse> {
    readiness.count_connections(metrics.connections.clone());
    metrics.connections_limit.set(i64::try_from(most).unwrap_or(i64::MAX));
    let (open, fullness) = (metrics.connections.clone(), Fullness::of(most));
    let is_full = move || fullness.with(usize::try_from(open.get()).unwrap_or_default());
    readiness.serves_unless(Cause::Full, is_full);
    let pulse = Arc::new(Pulse::new(Duration::from_millis(frozen_ms), metrics.clone()));
    let watched = Arc::clone(&pulse);
    readiness.serves_unless(Cause::Frozen, move || !watched.is_fit());
    pulse
}

pub(super) fn uplink_parts(
    shared: &Shared,
    adapters: &Adapters,
    gateway: &watch::Receiver<Option<GatewayRef>>,
) -> UplinkParts {
    UplinkParts {
        bus: Arc::clone(&adapters.bus),
        registry: Arc::clone(&shared.registry),
        gateway: gateway.clone(),
        limits: shared.limits.clone(),
        held: shared.uplink.held(),
        metrics: shared.metrics.clone(),
    }
}

pub(super) fn downlink(
    shared: &Shared,
    adapters: &Adapters,
    gateway_id: GatewayId,
    inquiries: InquiryLink,
    ended: &Shutdown,
) -> Downlink {
    Downlink {
        bus: Arc::clone(&adapters.bus),
        gateway_id,
        registry: Arc::clone(&shared.registry),
        revocations: Arc::clone(&shared.revocations),
        inquiries,
        gateway: Arc::clone(&shared.gateway),
        limits: shared.limits.clone(),
        pulse: Arc::clone(&shared.pulse),
        relief: Arc::clone(&shared.relief),
        metrics: shared.metrics.clone(),
        shutdown: ended.clone(),
    }
}

pub(super) fn broadcasts(
    shared: &Shared,
    adapters: &Adapters,
    gateway_id: GatewayId,
    ended: &Shutdown,
) -> Broadcasts {
    Broadcasts {
        bus: Arc::clone(&adapters.bus),
        gateway_id,
        registry: Arc::clone(&shared.registry),
        limits: shared.limits.clone(),
        relief: Arc::clone(&shared.relief),
        metrics: shared.metrics.clone(),
        shutdown: ended.clone(),
    }
}

pub(super) fn teller(shared: &Shared, ended: &Shutdown) -> HeadsTeller {
    HeadsTeller {
        chat: shared.chat.clone(),
        link: shared.heads.clone(),
        epoch: Arc::clone(&shared.epoch),
        registry: Arc::clone(&shared.registry),
        limits: OutboxLimits::from(&shared.limits),
        apart: Duration::from_millis(shared.limits.heads_apart_ms),
        metrics: shared.metrics.clone(),
        shutdown: ended.clone(),
    }
}

pub(super) fn reporter(
    shared: &Shared,
    gateway: watch::Receiver<Option<GatewayRef>>,
    ended: &Shutdown,
) -> Reporter {
    let rival = Arc::new(Rival::new());
    let watched = Arc::clone(&rival);
    shared.readiness.is_ready_unless(Cause::NameTaken, move || watched.is_there());
    Reporter {
        client: shared.presence.clone(),
        gateway,
        limits: shared.limits.clone(),
        metrics: shared.metrics.clone(),
        heads: shared.heads.clone(),
        shutdown: ended.clone(),
        pulse: Arc::clone(&shared.pulse),
        live: presence_link::Live::default(),
        presence: shared.readiness.dependency(Cause::PresenceService),
        reported: None,
        spoken: None,
        rival,
        balance: Arc::clone(&shared.balance),
        readiness: shared.readiness.clone(),
        leaving: shared.shutdown.clone(),
    }
}

/// What all gateways carry, and what follows from it.
pub(super) fn balance(
    gateway_id: &GatewayId,
    config: RebalanceConfig,
    servers: Servers,
    (limits, metrics): (&LimitsConfig, &GatewayMetrics),
) -> Arc<Balance> {
    let heartbeat = presence_link::heartbeat(limits);
    let metrics = metrics.clone();
    Arc::new(Balance::new(gateway_id.to_string(), (config, servers), heartbeat, metrics))
}

pub(super) fn mover(shared: &Shared) -> Mover {
    Mover {
        balance: Arc::clone(&shared.balance),
        registry: Arc::clone(&shared.registry),
        metrics: shared.metrics.clone(),
        shutdown: shared.shutdown.clone(),
    }
}

pub(super) fn rate_link(shared: &Shared, ended: &Shutdown) -> RateLink {
    RateLink {
        client: shared.presence.clone(),
        rates: Arc::clone(&shared.rates),
        every: Duration::from_millis(shared.admission.config().share_ms),
        metrics: shared.metrics.clone(),
        shutdown: ended.clone(),
    }
}

/// What the tasks about ended sessions begin with.
pub(super) struct EndedSessions {
    pub(super) noted: NoteEvents,
    /// Held until the list was read.
    pub(super) heard: Latch,
}

impl EndedSessions {
    pub(super) fn start(self, shared: &Shared, links: &Tasks, ended: &Shutdown) {
        let link = Link {
            client: shared.sessions.clone(),
            revocations: Arc::clone(&shared.revocations),
            heard: Some(self.heard),
            every: Duration::from_millis(shared.limits.presence_heartbeat_ms.max(100)),
            shutdown: ended.clone(),
        };
        links.spawn("ended sessions", link.run());
        let teller = NoteTeller { client: shared.sessions.clone(), shutdown: ended.clone() };
        links.spawn("notes", teller.run(self.noted));
    }
}
