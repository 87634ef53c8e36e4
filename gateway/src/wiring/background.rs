//! The tasks that run beside the handlers of clients, from the start to the end: the bus, the reports to presence, the
//! lists that are kept fresh, and what readiness is told.
//!
//! Must not hold the entrances of the uplink and of the presence link: both end when the last handler has gone.

use std::sync::Arc;
use std::time::Duration;

use bus::moments::MomentQueue;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use platform::readiness::Cause;
use platform::shutdown::{Shutdown, Tasks};
use prometheus_client::metrics::gauge::Gauge;
use tokio::task::JoinHandle;

use super::{Common, watches};
use crate::Adapters;
use crate::balance::mover::Mover;
use crate::connections::outbox::OutboxLimits;
use crate::down::broadcast::Broadcasts;
use crate::down::downlink::Downlink;
use crate::down::heads::{HeadsAsks, HeadsTeller};
use crate::down::large::{LargeConversations, LargeParts};
use crate::down::urgent::UrgentPushes;
use crate::explain::inquiry::{Answerer, InquiryLink};
use crate::identity::revocations::link::Link;
use crate::identity::revocations::notes::{NoteEvents, NoteTeller};
use crate::presence::{Live, PresenceEvents, Reporter, Rival};
use crate::rates::link::RateLink;
use crate::up::lost_answers::LostAnswers;
use crate::up::notice_cursors::NoticeCursors;
use crate::up::uplink::{self, UplinkFrames, UplinkParts};

/// What the tasks read, whose other ends the handlers of clients have.
pub(super) struct Entrances {
    pub(super) frames: UplinkFrames,
    /// Bytes of what waits in the uplink.
    pub(super) held: Gauge,
    pub(super) arrivals: PresenceEvents,
    pub(super) asks: HeadsAsks,
    pub(super) noted: NoteEvents,
    pub(super) cursors: Arc<NoticeCursors>,
    pub(super) told: MomentQueue,
}

/// A task and its name.
type Named = (&'static str, BoxFuture<'static, ()>);

/// All of them, not running yet.
pub(crate) struct Background {
    /// Those that finish what they hold once their entrances are gone.
    finishing: [Named; 2],
    others: Vec<Named>,
    /// Ends the others.
    ended: Shutdown,
}

impl Background {
    /// Starts all of them. Answers those that finish by themselves, and what ends the others.
    pub(crate) fn start(self, tasks: &Tasks) -> ([JoinHandle<()>; 2], Shutdown) {
        for (name, task) in self.others {
            tasks.spawn(name, task);
        }
        (self.finishing.map(|(name, task)| tasks.spawn(name, task)), self.ended)
    }
}

/// The tasks of a gateway.
pub(super) fn of(common: &Common, entrances: Entrances, adapters: &Adapters) -> Background {
    let ended = Shutdown::new();
    let Entrances { frames, held, arrivals, asks, noted, cursors, told } = entrances;
    let uplink = UplinkParts {
        bus: Arc::clone(&common.bus),
        registry: Arc::clone(&common.registry),
        requests: Arc::clone(&common.requests),
        gateway: common.gateway.subscribe(),
        limits: Arc::clone(&common.limits),
        held,
        metrics: common.metrics.clone(),
    };
    let finishing = [
        ("uplink", uplink::run(uplink, frames).boxed()),
        ("presence link", reporter(common, &ended).run(arrivals).boxed()),
    ];
    let mut others = down(common, &ended);
    others.extend(asked(common, asks, &ended));
    others.extend(notices(common, cursors, &ended));
    others.extend(access(common, noted, adapters, &ended));
    others.extend(readiness(common, adapters));
    let (bus, stopping) = (Arc::clone(&common.bus), ended.clone());
    let telling = async move { bus::moments::publish(told, bus, stopping.begun()).await };
    others.push(("moments", telling.boxed()));
    Background { finishing, others, ended }
}

/// Pushes and broadcasts, and the questions that come over the same way.
fn down(common: &Common, ended: &Shutdown) -> Vec<Named> {
    let (inquiry_link, inquiries) = InquiryLink::new();
    let downlink = Downlink {
        bus: Arc::clone(&common.bus),
        gateway_id: common.gateway_id.clone(),
        registry: Arc::clone(&common.registry),
        requests: Arc::clone(&common.requests),
        revocations: Arc::clone(&common.access.revocations),
        inquiries: inquiry_link,
        gateway: Arc::clone(&common.gateway),
        limits: Arc::clone(&common.limits),
        freeze: Arc::clone(&common.freeze),
        relief: Arc::clone(&common.down.relief),
        metrics: common.metrics.clone(),
        shutdown: ended.clone(),
    };
    let large = LargeParts {
        registry: Arc::clone(&common.registry),
        chat: common.chat.clone(),
        heads: common.down.heads.clone(),
        limits: Arc::clone(&common.limits),
        metrics: common.metrics.clone(),
        freeze: Arc::clone(&common.freeze),
        journal: Arc::clone(&common.journal),
        tasks: common.sockets.clone(),
        memory: common.budgets.channels.clone(),
    };
    let broadcasts = Broadcasts {
        bus: Arc::clone(&common.bus),
        gateway_id: common.gateway_id.clone(),
        registry: Arc::clone(&common.registry),
        limits: Arc::clone(&common.limits),
        relief: Arc::clone(&common.down.relief),
        notices: Arc::clone(&common.down.notices),
        metrics: common.metrics.clone(),
        shutdown: ended.clone(),
    };
    let urgent = UrgentPushes {
        bus: Arc::clone(&common.bus),
        gateway: common.gateway.subscribe(),
        registry: Arc::clone(&common.registry),
        limits: Arc::clone(&common.limits),
        relief: Arc::clone(&common.down.relief),
        notices: Arc::clone(&common.down.notices),
        metrics: common.metrics.clone(),
        shutdown: ended.clone(),
    };
    let answerer = Answerer::new(
        (Arc::clone(&common.bus), common.gateway_id.to_string()),
        Arc::clone(&common.registry),
        Arc::clone(&common.journal),
        common.metrics.clone(),
        ended.clone(),
    );
    vec![
        // The threads of the writers begin with the task.
        ("downlink", async move { downlink.run(LargeConversations::new(large)).await }.boxed()),
        ("urgent pushes", urgent.run().boxed()),
        ("broadcasts", broadcasts.run().boxed()),
        ("inquiries", answerer.run(inquiries).boxed()),
    ]
}

/// Heads that devices are told of, and answers that no longer come.
fn asked(common: &Common, asks: HeadsAsks, ended: &Shutdown) -> [Named; 2] {
    let teller = HeadsTeller {
        chat: common.chat.clone(),
        link: common.down.heads.clone(),
        epoch: Arc::clone(&common.down.epoch),
        notices: Arc::clone(&common.down.notices),
        registry: Arc::clone(&common.registry),
        limits: OutboxLimits::from(&*common.limits),
        apart: Duration::from_millis(common.limits.heads_apart_ms),
        metrics: common.metrics.clone(),
        shutdown: ended.clone(),
    };
    let waiting = (Arc::clone(&common.registry), Arc::clone(&common.requests));
    let lost = LostAnswers::new(waiting, common.gateway.subscribe(), ended.clone());
    [("heads", teller.run(asks).boxed()), ("lost answers", lost.run().boxed())]
}

/// How far the logs of notices have come, and how far users have.
fn notices(common: &Common, cursors: Arc<NoticeCursors>, ended: &Shutdown) -> Vec<Named> {
    let limits = &common.limits;
    let every = Duration::from_millis(limits.notice_heads_ms.max(10));
    let soonest = Duration::from_millis(limits.notice_cursors_ms);
    let tell = common.down.heads.clone();
    let heads = Arc::clone(&common.down.notices);
    let heads = heads.run(common.notices.clone(), every, tell, ended.clone());
    let apart = (soonest, soonest * 5);
    let cursors = cursors.run(Arc::clone(&common.bus), apart, ended.clone());
    vec![("heads of notices", heads.boxed()), ("notice cursors", cursors.boxed())]
}

/// What is known of tokens, rates and tenants, and how many connections others have.
fn access(common: &Common, noted: NoteEvents, adapters: &Adapters, ended: &Shutdown) -> Vec<Named> {
    let link = Link {
        client: common.revocation_list.clone(),
        revocations: Arc::clone(&common.access.revocations),
        heard: Some(adapters.readiness.latch("ended sessions")),
        every: Duration::from_millis(common.limits.presence_heartbeat_ms.max(100)),
        shutdown: ended.clone(),
    };
    let teller = NoteTeller { client: common.revocation_list.clone(), shutdown: ended.clone() };
    let rates = RateLink {
        client: common.presence.clone(),
        rates: Arc::clone(&common.access.rates),
        every: Duration::from_millis(common.admission.config().share_ms),
        metrics: common.metrics.clone(),
        shutdown: ended.clone(),
    };
    let mover = Mover {
        balance: Arc::clone(&common.balance),
        registry: Arc::clone(&common.registry),
        metrics: common.metrics.clone(),
        shutdown: common.shutdown.clone(),
    };
    vec![
        ("ended sessions", link.run().boxed()),
        ("notes", teller.run(noted).boxed()),
        ("rate link", rates.run().boxed()),
        ("tenants", Arc::clone(&common.access.tenants).rank(ended.clone()).boxed()),
        ("mover", mover.run().boxed()),
        ("freeze detector", Arc::clone(&common.freeze).run(ended.clone()).boxed()),
    ]
}

/// What is asked until it is known, and what readiness is told.
fn readiness(common: &Common, adapters: &Adapters) -> Vec<Named> {
    let (readiness, shutdown) = (&common.readiness, &common.shutdown);
    let epoch = Arc::clone(&common.down.epoch).learn(common.chat.clone(), shutdown.clone());
    let broker = readiness.dependency(Cause::Bus);
    let queue = readiness.dependency(Cause::AnswerQueue);
    let bus = watches::bus(Arc::clone(&common.bus), broker, shutdown.clone());
    let queue = watches::queue(common.gateway.subscribe(), queue, shutdown.clone());
    let mut tasks = vec![
        ("epoch", epoch.boxed()),
        ("broker watch", bus.boxed()),
        ("queue watch", queue.boxed()),
    ];
    // Within one process it is there whenever this is.
    if let Some(serving) = adapters.chat.serving() {
        let chat = readiness.dependency(Cause::ChatService);
        tasks.push(("chat watch", watches::service(serving, chat, shutdown.clone()).boxed()));
    }
    tasks
}

fn reporter(common: &Common, ended: &Shutdown) -> Reporter {
    let rival = Arc::new(Rival::new());
    let watched = Arc::clone(&rival);
    common.readiness.is_ready_unless(Cause::NameTaken, move || watched.is_there());
    Reporter {
        client: common.presence.clone(),
        gateway: common.gateway.subscribe(),
        limits: Arc::clone(&common.limits),
        metrics: common.metrics.clone(),
        heads: common.down.heads.clone(),
        shutdown: ended.clone(),
        freeze: Arc::clone(&common.freeze),
        live: Live::default(),
        presence: common.readiness.dependency(Cause::PresenceService),
        reported: None,
        spoken: None,
        rival,
        balance: Arc::clone(&common.balance),
        readiness: common.readiness.clone(),
        leaving: common.shutdown.clone(),
    }
}
