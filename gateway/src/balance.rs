//! Whether this gateway has more than its share of connections, and where else there is room: what all gateways carry,
//! as presence told it last, and what follows from it for new connections and for open ones.
//!
//! Must not touch sockets: [`mover::Mover`] asks them, and sessions tell their clients.

pub(crate) mod config;
pub(crate) mod mover;
mod plan;
mod returns;

use std::time::Duration;

use parking_lot::Mutex;
use proto::presence::GatewayLoad;
use tokio::time::Instant;

use crate::identity::UserHash;
use crate::metrics::GatewayMetrics;
use config::{RebalanceConfig, Servers};
use plan::{Carried, View};
use returns::Returns;

/// Heartbeats after which an answer is too old to act on.
const HEARTBEATS: u32 = 3;

/// What all gateways carry.
#[derive(Debug)]
pub(crate) struct Balance {
    gateway_id: String,
    config: RebalanceConfig,
    servers: Servers,
    fresh: Duration,
    state: Mutex<State>,
    metrics: GatewayMetrics,
}

#[derive(Debug)]
struct State {
    own: u64,
    told_at: Option<Instant>,
    others: Vec<Other>,
    /// Since when they are the same ones, and none of them leaves.
    settled_since: Option<Instant>,
    returns: Returns,
}

#[derive(Debug, PartialEq, Eq)]
struct Other {
    id: String,
    carried: Carried,
    /// Connections that were sent there since it was told.
    sent: u64,
}

impl Balance {
    pub(crate) fn new(
        gateway_id: String,
        (config, servers): (RebalanceConfig, Servers),
        heartbeat: Duration,
        metrics: GatewayMetrics,
    ) -> Self {
        let returns = Returns::new(Duration::from_secs(config.pause_secs));
        Self {
            gateway_id,
            config,
            servers,
            fresh: heartbeat * HEARTBEATS,
            state: Mutex::new(State {
                own: 0,
                told_at: None,
                others: Vec::new(),
                settled_since: None,
                returns,
            }),
            metrics,
        }
    }

    /// How many connections there are here.
    pub(crate) fn carries(&self, connections: usize) {
        self.state.lock().own = connections as u64;
    }

    /// Presence has told what all gateways carry.
    pub(crate) fn told(&self, loads: Vec<GatewayLoad>, now: Instant) {
        let is_known = loads.iter().any(|load| load.id == self.gateway_id);
        let is_draining = loads.iter().any(|load| load.draining);
        let others = loads.into_iter().filter(|load| load.id != self.gateway_id);
        let others: Vec<Other> = others
            .map(|load| Other {
                id: load.id,
                carried: Carried { connections: u64::from(load.connections), takes: load.takes },
                sent: 0,
            })
            .collect();
        let mut state = self.state.lock();
        let was_fresh = state.is_fresh(now, self.fresh);
        let is_as_before = state.others.iter().map(|it| &it.id).eq(others.iter().map(|it| &it.id));
        if is_draining {
            state.settled_since = None;
        } else if !(was_fresh && is_as_before) || state.settled_since.is_none() {
            state.settled_since = Some(now);
        }
        state.told_at = is_known.then_some(now);
        state.others = others;
    }

    /// Where a new connection of a user is to go instead; none: it stays.
    pub(crate) fn place(&self, user: UserHash, now: Instant) -> Option<String> {
        if self.servers.is_empty() {
            return None;
        }
        let mut state = self.state.lock();
        if !state.view(now, self.fresh)?.is_overfull(&self.config)
            || state.returns.paused_until(now).is_some()
        {
            return None;
        }
        let server = state.emptiest(&self.servers)?;
        state.returns.asked(user, now);
        Some(server)
    }

    /// A server for a connection that is to leave, where servers are configured.
    pub(crate) fn elsewhere(&self, now: Instant) -> Option<String> {
        if self.servers.is_empty() {
            return None;
        }
        let mut state = self.state.lock();
        if !state.is_fresh(now, self.fresh) {
            return None;
        }
        state.emptiest(&self.servers)
    }

    /// A user's connection is asked to move.
    fn asks(&self, user: UserHash, now: Instant) {
        self.state.lock().returns.asked(user, now);
    }

    /// A user has come.
    pub(crate) fn came(&self, user: UserHash, now: Instant) {
        if self.state.lock().returns.came(user, now) {
            self.metrics.rebalance_returned.inc();
        }
    }

    /// What all carry, while connections may be moved; `asked` of the own ones are about to go.
    fn view(&self, asked: u64, now: Instant) -> Option<View> {
        let mut state = self.state.lock();
        let settled = state.settled_since? + Duration::from_millis(self.config.settle_ms);
        if settled > now || state.returns.paused_until(now).is_some() {
            return None;
        }
        let mut view = state.view(now, self.fresh)?;
        view.own = view.own.saturating_sub(asked);
        Some(view)
    }
}

impl State {
    fn is_fresh(&self, now: Instant, fresh: Duration) -> bool {
        self.told_at.is_some_and(|at| at + fresh >= now)
    }

    fn view(&self, now: Instant, fresh: Duration) -> Option<View> {
        if !self.is_fresh(now, fresh) || self.others.is_empty() {
            return None;
        }
        let others = self.others.iter().map(|it| Carried {
            connections: it.carried.connections + it.sent,
            takes: it.carried.takes,
        });
        Some(View { own: self.own, others: others.collect() })
    }

    /// The address of the gateway with the fewest connections, one of which is sent there.
    fn emptiest(&mut self, servers: &Servers) -> Option<String> {
        let others = self.others.iter_mut().filter(|it| it.carried.takes);
        let (other, url) = others
            .filter_map(|it| servers.url(&it.id).map(|url| (it, url)))
            .min_by_key(|(it, _)| it.carried.connections + it.sent)?;
        other.sent += 1;
        Some(url.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use platform::metrics::Metrics;
    use proto::id::UserId;

    use super::config::EdgeConfig;
    use super::*;

    const HEARTBEAT: Duration = Duration::from_secs(3);

    fn balance() -> Balance {
        let servers = ["g1=ws://one/ws", "g2=ws://two/ws", "g3=ws://three/ws"].map(str::to_owned);
        let servers = Servers::new(&EdgeConfig { servers: servers.to_vec() }).unwrap();
        let metrics = GatewayMetrics::new(&Metrics::new());
        let config = (RebalanceConfig::default(), servers);
        Balance::new("g1".to_owned(), config, HEARTBEAT, metrics)
    }

    fn load(id: &str, connections: u32) -> GatewayLoad {
        GatewayLoad { id: id.to_owned(), connections, takes: true, draining: false }
    }

    fn user() -> UserHash {
        UserHash::of(&UserId::parse_qualified("ann").unwrap())
    }

    #[test]
    fn new_connections_go_where_the_fewest_are_once_there_are_too_many_here() {
        let (balance, now) = (balance(), Instant::now());
        balance.carries(300);
        assert_eq!(balance.place(user(), now), None, "nothing was told yet");
        balance.told(vec![load("g1", 0), load("g2", 100), load("g3", 98)], now);
        let placed: Vec<_> = (0..4).filter_map(|_| balance.place(user(), now)).collect();
        assert_eq!(placed, ["ws://three/ws", "ws://three/ws", "ws://two/ws", "ws://three/ws"]);
        balance.carries(120);
        assert_eq!(balance.place(user(), now), None, "it has its share");
        balance.carries(300);
        assert_eq!(
            balance.place(user(), now + 4 * HEARTBEAT),
            None,
            "who knows what they carry now"
        );
    }

    #[test]
    fn nobody_is_sent_to_a_gateway_that_takes_none_or_has_no_address() {
        let (balance, now) = (balance(), Instant::now());
        balance.carries(3_000);
        let full = GatewayLoad { takes: false, ..load("g2", 10) };
        balance.told(vec![load("g1", 0), full, load("g4", 0)], now);
        assert_eq!(balance.place(user(), now), None);
        balance.told(vec![load("g1", 0), load("g2", 10), load("g4", 0)], now);
        assert_eq!(balance.place(user(), now).as_deref(), Some("ws://two/ws"));
        assert_eq!(balance.elsewhere(now).as_deref(), Some("ws://two/ws"));
    }

    #[test]
    fn open_connections_are_moved_only_when_the_gateways_have_been_the_same_for_a_while() {
        let (balance, began) = (balance(), Instant::now());
        balance.carries(1_000);
        let draining = GatewayLoad { draining: true, takes: false, ..load("g2", 500) };
        let told: [(u64, Vec<GatewayLoad>); 5] = [
            (0, vec![load("g1", 0)]),
            (40, vec![load("g1", 0), load("g2", 0)]),
            (80, vec![load("g1", 0), draining]),
            (120, vec![load("g1", 0), load("g2", 0)]),
            (220, vec![load("g1", 0), load("g2", 0), load("g3", 0)]),
        ];
        let mut may_move = Vec::new();
        let mut told = told.into_iter().peekable();
        let mut loads = Vec::new();
        // A heartbeat every 3 s, but none between 153 and 171 s.
        for second in (0..260u64).step_by(3).filter(|second| !(155..170).contains(second)) {
            let now = began + Duration::from_secs(second);
            while told.peek().is_some_and(|(at, _)| *at <= second) {
                loads = told.next().unwrap().1;
            }
            balance.told(loads.clone(), now);
            if balance.view(0, now).is_some() {
                may_move.push(second);
            }
        }
        let first = |from: u64| may_move.iter().find(|second| **second >= from).copied();
        assert_eq!(first(0), Some(72), "30 s after the second one came at 42 s");
        assert_eq!(first(81), Some(150), "30 s after the drain was over at 120 s");
        assert_eq!(first(154), Some(201), "an interruption begins it anew");
        assert_eq!(first(222), Some(252), "a third one came at 222 s");
    }
}
