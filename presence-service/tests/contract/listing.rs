//! Guarantee 14: walks over all connections.

use std::collections::{BTreeMap, BTreeSet};

use presence_service::store::ListPlace;
use proto::id::TenantId;

use super::*;

type Connections = BTreeSet<(String, String, u64)>;

/// What a walk shows, with how often; `meanwhile` is called between two pages.
async fn walk(
    store: &dyn PresenceStore,
    limit: usize,
    meanwhile: impl AsyncFnMut(usize),
) -> BTreeMap<(String, String, u64), usize> {
    walk_of(store, TenantId::DEFAULT, limit, meanwhile).await
}

/// The same of another tenant.
async fn walk_of(
    store: &dyn PresenceStore,
    tenant: TenantId,
    limit: usize,
    mut meanwhile: impl AsyncFnMut(usize),
) -> BTreeMap<(String, String, u64), usize> {
    let (mut seen, mut after, mut pages) = (BTreeMap::new(), None::<ListPlace>, 0);
    loop {
        let page = store.connections(tenant, after.as_ref(), limit).await.unwrap();
        assert!(page.connections.len() <= limit, "no more than asked for");
        for listed in &page.connections {
            let session = &listed.session;
            assert_eq!(listed.place.gateway_id.as_str(), session.gateway_id);
            let user_id = listed.place.user_id.to_string();
            *seen.entry((user_id, session.gateway_id.clone(), session.connection)).or_default() +=
                1;
        }
        let Some(next) = page.next else { return seen };
        assert_eq!(next.user_id.tenant(), tenant, "a place names no other tenant's user");
        // As it is handed out and comes back.
        after = Some(ListPlace::parse(&next.encode()).unwrap());
        pages += 1;
        assert!(pages < 1_000, "the walk ends");
        meanwhile(pages).await;
    }
}

fn expected(gateway: &str, connections: &[(&str, u64)]) -> Connections {
    let one =
        |(user, connection): &(&str, u64)| ((*user).to_owned(), gateway.to_owned(), *connection);
    connections.iter().map(one).collect()
}

pub async fn every_walk_of_all_connections_gives_each_once_whatever_the_limit(
    [one, other]: Replicas,
) {
    assert!(other.connections(TenantId::DEFAULT, None, 10).await.unwrap().connections.is_empty());
    let (g1, g2) = (gateway("g1", 1), gateway("g2", 9));
    // Ids whose order by letter and by bytes differ, one user at two gateways, equal numbers at both.
    let at_g1 =
        [("ann", 1), ("ann", 7), ("ann+1", 2), ("ann-2", 3), ("zoe", 4), ("Bob", 5), ("a.n", 6)];
    let at_g2 = [("ann", 1), ("ann", 2), ("ann+1", 1), ("cleo", u64::MAX), ("zoe", 4)];
    let opened_all = |all: &[(&str, u64)], device: &str| {
        all.iter()
            .map(|(user, number)| opened(user, &format!("{device}-{number}"), *number))
            .collect::<Vec<_>>()
    };
    one.report(&report(&g1, opened_all(&at_g1, "one"), vec![])).await.unwrap();
    one.report(&report(&g2, opened_all(&at_g2, "two"), vec![])).await.unwrap();
    let mut all = expected("g1", &at_g1);
    all.extend(expected("g2", &at_g2));
    for limit in 1..=13 {
        let seen = walk(&*other, limit, async |_| {}).await;
        assert_eq!(seen.keys().cloned().collect::<Connections>(), all, "limit {limit}");
        assert!(seen.values().all(|count| *count == 1), "limit {limit}: {seen:?}");
    }
    let page = other.connections(TenantId::DEFAULT, None, 1).await.unwrap();
    let session = &page.connections[0].session;
    assert_eq!((session.device_type, session.device_id.is_empty()), (1, false));
    one.report(&report(&g1, vec![], vec![closed("zoe", 4), closed("ann", 7)])).await.unwrap();
    all.remove(&("zoe".to_owned(), "g1".to_owned(), 4));
    all.remove(&("ann".to_owned(), "g1".to_owned(), 7));
    assert_eq!(walk(&*other, 3, async |_| {}).await.keys().cloned().collect::<Connections>(), all);
}

pub async fn each_tenant_walks_its_own_connections_alone([one, other]: Replicas) {
    let (g1, g2) = (gateway("g1", 1), gateway("g2", 9));
    // Users of `default` stand before, between and behind those of the others, whose ids begin alike.
    let default = ["a", "ac", "ac0", "acme", "acme-x", "acmf", "zoe"];
    let tenants = ["ac", "acme", "acme-x"];
    let named = |tenant: &str| (0..7).map(|n| format!("{tenant}/{n}-ann")).collect::<Vec<_>>();
    let all = tenants.iter().flat_map(|tenant| named(tenant)).chain(default.map(str::to_owned));
    for (number, user) in all.enumerate() {
        let number = number as u64;
        for gateway in [&g1, &g2] {
            let device = format!("{}-{number}", gateway.id);
            one.report(&report(gateway, vec![opened(&user, &device, number)], vec![]))
                .await
                .unwrap();
        }
    }
    let users = |seen: BTreeMap<(String, String, u64), usize>| {
        assert!(seen.values().all(|count| *count == 1), "{seen:?}");
        let users: Vec<_> = seen.into_keys().map(|(user, ..)| user).collect();
        assert_eq!(users.len() % 2, 0, "at both gateways");
        users.into_iter().step_by(2).collect::<Vec<_>>()
    };
    for limit in [1, 2, 3, 5, 8, 100] {
        assert_eq!(users(walk(&*other, limit, async |_| {}).await), default, "limit {limit}");
        for tenant in tenants {
            let id = TenantId::parse(tenant).unwrap();
            let seen = walk_of(&*other, id, limit, async |_| {}).await;
            assert_eq!(users(seen), named(tenant), "limit {limit}");
        }
    }
    assert!(walk_of(&*one, TenantId::parse("acm").unwrap(), 10, async |_| {}).await.is_empty());
}

pub async fn who_stays_is_shown_once_while_others_come_and_go([one, other]: Replicas) {
    let g1 = gateway("g1", 1);
    let stays: Vec<_> = (0..40_u64).map(|n| opened(&format!("stay-{n}"), "d", 100 + n)).collect();
    one.report(&report(&g1, stays.clone(), vec![])).await.unwrap();
    let seen = walk(&*other, 3, async |page: usize| {
        let number = 1_000 + page as u64;
        let name =
            |page: usize| format!("{}-{page}", if page.is_multiple_of(2) { "a" } else { "z" });
        let gone = if page > 1 { vec![closed(&name(page - 1), number - 1)] } else { vec![] };
        one.report(&report(&g1, vec![opened(&name(page), "d", number)], gone)).await.unwrap();
        if page == 5 {
            // A full account names them again.
            let mut all = stays.clone();
            all.push(opened(&name(page), "d", number));
            one.report(&snapshot(&g1, all)).await.unwrap();
        }
    })
    .await;
    for n in 0..40_u64 {
        let key = (format!("stay-{n}"), "g1".to_owned(), 100 + n);
        assert_eq!(seen.get(&key), Some(&1), "{key:?}");
    }
}

pub async fn a_dead_gateway_s_connections_leave_the_list([one, other]: Replicas) {
    let (g1, g2) = (gateway("g1", 1), gateway("g2", 1));
    one.report(&report(&g1, vec![opened("ann", "d", 1), opened("bob", "d", 2)], vec![]))
        .await
        .unwrap();
    // One that a later account names too stays; `bob` is not named any more.
    let later = gateway("g1", 2);
    one.report(&snapshot(&later, vec![opened("ann", "d", 1)])).await.unwrap();
    one.report(&report(&g2, vec![opened("cleo", "d", 3)], vec![])).await.unwrap();
    // `g2` gives no sign any more, and `bob` was of the earlier account. `later` says each time what it has: on a busy
    // machine its lease, too, could end in between.
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        one.sweep(10).await.unwrap();
        one.report(&snapshot(&later, vec![opened("ann", "d", 1)])).await.unwrap();
        let seen = walk(&*other, 2, async |_| {}).await;
        let left: Vec<_> = seen.keys().map(|(user, _, _)| user.as_str()).collect();
        let is_agreed = one.heartbeat(&later, tally(&[("ann", 1)])).await;
        if left == ["ann"] && is_agreed == Ok(HeartbeatOutcome::Agreed) {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{left:?} are left, {is_agreed:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
