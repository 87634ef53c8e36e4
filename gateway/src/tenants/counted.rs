//! What is counted of each tenant. The label `tenant` has a bounded set of values: the largest tenants have one each,
//! and all others share one. Which are the largest is found out again from time to time.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use platform::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use proto::id::TenantId;

/// Tenants with a label of their own.
pub(super) const SHOWN: usize = 50;
/// The label of all others. No tenant has this id: it is not of `a-z`, `0-9` and `-` alone.
const OTHER: &str = "_other";

/// Which limit of a tenant was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TenantLimit {
    /// Its connections.
    Connections,
    /// Its messages.
    Messages,
}

impl TenantLimit {
    const ALL: [Self; 2] = [Self::Connections, Self::Messages];

    fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "tenant_connections",
            Self::Messages => "tenant_messages",
        }
    }
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TenantLabel {
    tenant: &'static str,
}

/// A tenant and a limit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabel {
    tenant: &'static str,
    limit: &'static str,
}

/// The series.
#[derive(Debug, Clone, Default)]
pub(super) struct TenantMetrics {
    connections: Family<TenantLabel, Gauge>,
    messages: Family<TenantLabel, Counter>,
    refused: Family<RefusedLabel, Counter>,
}

/// Where a tenant is counted at present.
#[derive(Debug, Clone)]
struct Series {
    label: &'static str,
    connections: Gauge,
    messages: Counter,
    refused: [Counter; TenantLimit::ALL.len()],
}

/// The counts of one tenant.
#[derive(Debug)]
pub(super) struct Counted {
    series: RwLock<Series>,
    /// Open now.
    open: AtomicU64,
    /// What it did since it was ranked last.
    lately: AtomicU64,
}

impl TenantMetrics {
    /// Registers them.
    pub(super) fn new(metrics: &Metrics) -> Self {
        let this = Self::default();
        metrics.register(|registry| {
            let r = registry.sub_registry_with_prefix("tidings_gateway_tenant");
            r.register(
                "connections",
                "Open sockets by tenant; the smaller ones are `_other`",
                this.connections.clone(),
            );
            r.register(
                "messages",
                "Messages and requests that change something, taken from clients, by tenant",
                this.messages.clone(),
            );
            r.register("refused", "Refused for a limit of the tenant", this.refused.clone());
        });
        this
    }

    fn series(&self, label: &'static str) -> Series {
        let tenant = TenantLabel { tenant: label };
        Series {
            label,
            connections: self.connections.get_or_create(&tenant).clone(),
            messages: self.messages.get_or_create(&tenant).clone(),
            refused: TenantLimit::ALL.map(|limit| {
                let label = RefusedLabel { tenant: label, limit: limit.as_str() };
                self.refused.get_or_create(&label).clone()
            }),
        }
    }

    fn forget(&self, label: &'static str) {
        let tenant = TenantLabel { tenant: label };
        self.connections.remove(&tenant);
        self.messages.remove(&tenant);
        for limit in TenantLimit::ALL {
            self.refused.remove(&RefusedLabel { tenant: label, limit: limit.as_str() });
        }
    }

    /// The counts of a tenant, the n-th of all.
    pub(super) fn counted(&self, tenant: TenantId, place: usize) -> Counted {
        let label = if place < SHOWN { tenant.as_str() } else { OTHER };
        Counted {
            series: RwLock::new(self.series(label)),
            open: AtomicU64::new(0),
            lately: AtomicU64::new(0),
        }
    }

    /// Gives the labels to those that do most. A tenant that loses its own is counted with the others from then on,
    /// and one that comes to it begins at 0: no counter ever falls.
    pub(super) fn rank<'a>(&self, tenants: impl Iterator<Item = (TenantId, &'a Counted)>) {
        let mut ranked: Vec<_> = tenants
            .map(|(tenant, counted)| {
                let open = counted.open.load(Ordering::Relaxed);
                (open + counted.lately.swap(0, Ordering::Relaxed), tenant, counted)
            })
            .collect();
        if ranked.len() <= SHOWN {
            return;
        }
        // Of equals those stay that have a label.
        ranked.sort_by_key(|(size, tenant, counted)| {
            (std::cmp::Reverse(*size), counted.series.read().label == OTHER, *tenant)
        });
        for (_, _, counted) in &ranked[SHOWN..] {
            let before = counted.series.read().label;
            if before != OTHER {
                counted.move_to(self.series(OTHER));
                self.forget(before);
            }
        }
        for (_, tenant, counted) in &ranked[..SHOWN] {
            if counted.series.read().label == OTHER {
                counted.move_to(self.series(tenant.as_str()));
            }
        }
    }
}

impl Counted {
    fn move_to(&self, next: Series) {
        let mut series = self.series.write();
        let open = self.open.load(Ordering::Relaxed) as i64;
        series.connections.dec_by(open);
        next.connections.inc_by(open);
        *series = next;
    }

    pub(super) fn came(&self) {
        let series = self.series.read();
        self.open.fetch_add(1, Ordering::Relaxed);
        series.connections.inc();
    }

    pub(super) fn went(&self) {
        let series = self.series.read();
        self.open.fetch_sub(1, Ordering::Relaxed);
        series.connections.dec();
    }

    pub(super) fn said(&self, messages: u32) {
        self.lately.fetch_add(messages.into(), Ordering::Relaxed);
        self.series.read().messages.inc_by(messages.into());
    }

    pub(super) fn refused(&self, limit: TenantLimit) {
        self.series.read().refused[limit as usize].inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants(count: usize) -> Vec<TenantId> {
        (0..count).map(|n| TenantId::parse(&format!("ranked-{n:03}")).unwrap()).collect()
    }

    fn labels(metrics: &Metrics, name: &str) -> Vec<String> {
        let text = metrics.encode();
        let lines = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn the_largest_tenants_have_labels_and_no_more_and_no_counter_falls() {
        let registry = Metrics::new();
        let metrics = TenantMetrics::new(&registry);
        let ids = tenants(120);
        let counted: Vec<_> =
            ids.iter().enumerate().map(|(place, id)| metrics.counted(*id, place)).collect();
        let rank = || metrics.rank(ids.iter().copied().zip(&counted));
        counted[100].came();
        counted[100].said(7);
        counted[3].said(2);
        let messages = "tidings_gateway_tenant_messages_total";
        let connections = "tidings_gateway_tenant_connections";
        assert_eq!(labels(&registry, messages).len(), SHOWN + 1);
        assert!(
            labels(&registry, messages).contains(&format!("{messages}{{tenant=\"_other\"}} 7"))
        );
        rank();
        assert_eq!(labels(&registry, messages).len(), SHOWN + 1);
        counted[100].said(5);
        counted[100].refused(TenantLimit::Messages);
        let shown = labels(&registry, messages);
        assert!(shown.contains(&format!("{messages}{{tenant=\"ranked-100\"}} 5")), "{shown:?}");
        assert!(shown.contains(&format!("{messages}{{tenant=\"_other\"}} 7")), "{shown:?}");
        assert!(shown.contains(&format!("{messages}{{tenant=\"ranked-003\"}} 2")), "{shown:?}");
        let shown = labels(&registry, connections);
        assert!(shown.contains(&format!("{connections}{{tenant=\"ranked-100\"}} 1")), "{shown:?}");
        assert!(shown.contains(&format!("{connections}{{tenant=\"_other\"}} 0")), "{shown:?}");
        let refused = labels(&registry, "tidings_gateway_tenant_refused_total");
        assert_eq!(refused.len(), 2 * (SHOWN + 1));
        // It is quiet, and others are not.
        counted[100].went();
        rank();
        (0..SHOWN).for_each(|place| counted[60 + place].said(9));
        counted[100].said(0);
        rank();
        counted[0].said(1);
        let shown = labels(&registry, messages);
        assert_eq!(shown.len(), SHOWN + 1);
        assert!(
            shown.contains(&format!("{messages}{{tenant=\"_other\"}} 8"))
                || shown.iter().any(|it| it.contains("_other")),
            "{shown:?}"
        );
        assert!(labels(&registry, connections).iter().all(|line| line.ends_with(" 0")));
    }
}
