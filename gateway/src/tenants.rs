//! The tenants of the install as this gateway serves them: which pages each lets in, how much of the gateway each may
//! take, and what is counted of each. Must not decide which tenant a user is of: the verifier does.

mod config;
mod counted;
pub(crate) mod origin;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use parking_lot::Mutex;
use platform::metrics::Metrics;
use platform::rate_limit::Rate;
use platform::shutdown::Shutdown;
use platform::token::{Signer, TokenError};
use proto::error_code::Limit;
use proto::id::TenantId;

use crate::rates::TooMuch;
pub use config::{TenantConfig, TenantList, TenantsError};
use counted::{Counted, TenantLimit, TenantMetrics};

/// How often it is found out which tenants are the largest.
const RANK: Duration = Duration::from_mins(1);

/// What makes development tokens, by tenant.
#[derive(Debug, Clone, Default)]
pub struct DevSigners(HashMap<TenantId, Arc<Signer>>);

impl DevSigners {
    /// Those of the tenant of the section `auth` alone.
    pub fn of_default(signer: Arc<Signer>) -> Self {
        Self(HashMap::from([(TenantId::DEFAULT, signer)]))
    }

    /// Adds those of a tenant.
    pub fn add(&mut self, tenant: TenantId, signer: Arc<Signer>) {
        self.0.insert(tenant, signer);
    }

    /// That of a tenant, where it has development tokens.
    pub fn get(&self, tenant: TenantId) -> Option<&Arc<Signer>> {
        self.0.get(&tenant)
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Signer>> {
        self.0.values().cloned().collect()
    }
}

/// One tenant at this gateway.
#[derive(Debug)]
struct Tenant {
    origins: Vec<String>,
    open: AtomicUsize,
    /// How many connections there may be.
    most: usize,
    rate: Option<Rate>,
    /// Until when the rate is used up, in microseconds.
    booked_us: Mutex<u64>,
    counted: Counted,
}

/// All tenants at this gateway.
#[derive(Debug)]
pub(crate) struct Tenants {
    tenants: HashMap<TenantId, Tenant>,
    /// Of all of them: what is not known yet is whose token a page has.
    origins: Vec<String>,
    metrics: TenantMetrics,
    began: Instant,
}

/// A connection's place among those of its tenant; given back when dropped.
#[derive(Debug)]
pub(crate) struct TenantSeat {
    tenants: Arc<Tenants>,
    tenant: TenantId,
}

impl Tenants {
    /// Those of a list, and the one of the section `auth`, whose pages these are.
    pub(crate) fn new(
        list: &TenantList,
        allowed_origins: Vec<String>,
        metrics: &Metrics,
    ) -> Arc<Self> {
        let metrics = TenantMetrics::new(metrics);
        let default = TenantConfig { origins: allowed_origins, ..TenantConfig::default() };
        let all = std::iter::once((TenantId::DEFAULT, &default)).chain(list.iter());
        let mut origins = Vec::new();
        let tenants = all.enumerate().map(|(place, (id, config))| {
            origins.extend(config.origins.iter().cloned());
            let tenant = Tenant {
                origins: config.origins.clone(),
                open: AtomicUsize::new(0),
                most: if config.connections == 0 { usize::MAX } else { config.connections },
                rate: Rate::new(config.messages_per_second, Duration::from_secs(1)),
                booked_us: Mutex::new(0),
                counted: metrics.counted(id, place),
            };
            (id, tenant)
        });
        let tenants = tenants.collect();
        Arc::new(Self { tenants, origins, metrics, began: Instant::now() })
    }

    /// The tenant whose key has verified a token, as the verifier names it.
    pub(crate) fn of_key(&self, named: &str) -> Result<TenantId, TokenError> {
        let tenant = TenantId::from_field(named).map_err(|_| TokenError::WrongTenant)?;
        if self.tenants.contains_key(&tenant) { Ok(tenant) } else { Err(TokenError::WrongTenant) }
    }

    /// The pages of other hosts that some tenant lets in.
    pub(crate) fn origins(&self) -> &[String] {
        &self.origins
    }

    /// Whether the page that a request comes from may speak for users of this tenant. Pages that no tenant lists are
    /// not judged here: sockets refuse them before, and of REST they cannot read the answers.
    pub(crate) fn lets_in(&self, tenant: TenantId, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        let is_listed =
            |origins: &[String]| origins.iter().any(|it| it.as_bytes() == origin.as_bytes());
        !is_listed(&self.origins)
            || self.tenants.get(&tenant).is_some_and(|tenant| is_listed(&tenant.origins))
            || origin::is_origin_allowed(headers, &[])
    }

    /// Whether a tenant may have one more connection now.
    pub(crate) fn has_room(&self, tenant: TenantId) -> bool {
        let tenant = self.tenants.get(&tenant);
        let has_room = |it: &Tenant| it.open.load(Ordering::Acquire) < it.most;
        tenant.is_some_and(|tenant| {
            has_room(tenant) || {
                tenant.counted.refused(TenantLimit::Connections);
                false
            }
        })
    }

    /// A place for one more connection of a tenant; none when it has as many as it may.
    pub(crate) fn enter(self: &Arc<Self>, tenant: TenantId) -> Option<TenantSeat> {
        let it = self.tenants.get(&tenant)?;
        // Counted first: a connection beyond the limit is taken off again.
        if it.open.fetch_add(1, Ordering::AcqRel) >= it.most {
            it.open.fetch_sub(1, Ordering::AcqRel);
            it.counted.refused(TenantLimit::Connections);
            return None;
        }
        it.counted.came();
        Some(TenantSeat { tenants: Arc::clone(self), tenant })
    }

    /// Whether the users of a tenant may say so much more. It is counted.
    pub(crate) fn may_say(&self, tenant: TenantId, messages: u32) -> Result<(), TooMuch> {
        let Some(tenant) = self.tenants.get(&tenant) else { return Ok(()) };
        if let Some(rate) = &tenant.rate {
            let now_us = self.began.elapsed().as_micros() as u64;
            let passed = rate.pass_many(messages, &mut tenant.booked_us.lock(), now_us);
            passed.map_err(|wait| {
                tenant.counted.refused(TenantLimit::Messages);
                TooMuch { limit: Limit::TenantMessages, wait }
            })?;
        }
        tenant.counted.said(messages);
        Ok(())
    }

    /// Finds out which tenants are the largest, until the end.
    pub(crate) async fn rank(self: Arc<Self>, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(RANK) => {}
                () = shutdown.forced() => return,
            }
            self.metrics.rank(self.tenants.iter().map(|(id, tenant)| (*id, &tenant.counted)));
        }
    }
}

impl Drop for TenantSeat {
    fn drop(&mut self) {
        if let Some(tenant) = self.tenants.tenants.get(&self.tenant) {
            tenant.open.fetch_sub(1, Ordering::AcqRel);
            tenant.counted.went();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants(configs: &[TenantConfig]) -> Arc<Tenants> {
        let list = TenantList::new(configs).unwrap();
        Tenants::new(&list, vec!["https://own.example".to_owned()], &Metrics::new())
    }

    fn named(id: &str) -> TenantConfig {
        TenantConfig { id: id.to_owned(), ..TenantConfig::default() }
    }

    fn id(text: &str) -> TenantId {
        TenantId::parse(text).unwrap()
    }

    #[test]
    fn a_list_with_mistakes_names_each() {
        let list = ["acme", "Acme", "default", "acme", ""].map(named);
        let wrong = TenantList::new(&list).unwrap_err();
        let wrong: Vec<_> = wrong.iter().map(ToString::to_string).collect();
        assert_eq!(wrong.len(), 4, "{wrong:?}");
        assert!(wrong[0].contains("`Acme` cannot name a tenant"), "{wrong:?}");
        assert!(
            wrong[1].contains("section `auth`") && wrong[2].contains("`acme` stands"),
            "{wrong:?}"
        );
    }

    #[test]
    fn a_full_tenant_refuses_its_own_connections_alone() {
        let tenants = tenants(&[TenantConfig { connections: 2, ..named("full") }, named("free")]);
        let seats = [tenants.enter(id("full")).unwrap(), tenants.enter(id("full")).unwrap()];
        assert!(tenants.enter(id("full")).is_none() && !tenants.has_room(id("full")));
        assert!(tenants.enter(id("free")).is_some() && tenants.enter(TenantId::DEFAULT).is_some());
        drop(seats);
        assert!(tenants.has_room(id("full")) && tenants.enter(id("full")).is_some());
        assert!(tenants.enter(id("no-such-tenant")).is_none());
        assert_eq!(tenants.of_key("no-such-tenant"), Err(TokenError::WrongTenant));
        assert_eq!(tenants.of_key(""), Ok(TenantId::DEFAULT));
    }

    #[test]
    fn a_tenant_that_says_too_much_is_told_when_to_come_again_and_others_are_not() {
        let tenants =
            tenants(&[TenantConfig { messages_per_second: 3, ..named("loud") }, named("free")]);
        (0..3).for_each(|_| tenants.may_say(id("loud"), 1).unwrap());
        let refused = tenants.may_say(id("loud"), 1).unwrap_err();
        assert_eq!(refused.limit, Limit::TenantMessages);
        assert!(refused.wait <= Duration::from_millis(334), "{refused:?}");
        assert_eq!(tenants.may_say(id("free"), 1_000), Ok(()));
    }

    #[test]
    fn a_page_of_one_tenant_does_not_speak_for_users_of_another() {
        let origins = |origin: &str| vec![origin.to_owned()];
        let tenants = tenants(&[
            TenantConfig { origins: origins("https://a.example"), ..named("a") },
            TenantConfig { origins: origins("https://b.example"), ..named("b") },
        ]);
        let from = |origin: &str| {
            HeaderMap::from_iter([
                (header::ORIGIN, origin.parse().unwrap()),
                (header::HOST, "chat.example".parse().unwrap()),
            ])
        };
        for (page, fits) in [
            ("https://a.example", [true, false, false]),
            ("https://b.example", [false, true, false]),
            ("https://own.example", [false, false, true]),
            ("https://chat.example", [true; 3]),
        ] {
            let page = from(page);
            let let_in = [id("a"), id("b"), TenantId::DEFAULT].map(|it| tenants.lets_in(it, &page));
            assert_eq!(let_in, fits, "{page:?}");
        }
        assert!(tenants.lets_in(id("a"), &HeaderMap::new()));
        assert_eq!(tenants.origins().len(), 3);
    }
}
