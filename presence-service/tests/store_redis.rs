//! The presence store's contract on Redis: a random prefix for each test, removed at the end.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

#[macro_use]
mod contract;
mod support;

use std::sync::Arc;
use std::time::Duration;

use fault_proxy::{Fault, Proxy};
use platform::readiness::Readiness;
use platform::shutdown::{Shutdown, Tasks};
use presence_service::store::redis::{RedisConfig, RedisStore};
use presence_service::store::{PresenceStore, StoreError};
use proto::id::UserId;
use support::redis_keys::{Prefix, redis_address, redis_url};

struct Keeper {
    prefix: Prefix,
    shutdown: Shutdown,
    tasks: Tasks,
}

impl Keeper {
    async fn remove(self) {
        self.shutdown.force();
        self.tasks.join(Duration::from_secs(5)).await.unwrap();
        self.prefix.remove().await;
    }
}

async fn fresh() -> (contract::Replicas, Keeper) {
    let prefix = Prefix::fresh().await;
    let (shutdown, tasks) = (Shutdown::new(), Tasks::new());
    let replica = || async {
        let config = RedisConfig {
            url: redis_url(),
            prefix: prefix.name.clone(),
            // Small, so that the tests cross the cuts.
            pipeline_commands: 100,
            read_users: 150,
            ..RedisConfig::default()
        };
        let readiness = Readiness::new();
        let store = RedisStore::start(
            config.clone(),
            config.backend().unwrap(),
            contract::leases(),
            &readiness,
            &tasks,
            &shutdown,
        );
        support::eventually("Redis answers at REDIS_URL", || async {
            readiness.report().ready.then_some(()).ok_or_else(|| readiness.report().causes)
        })
        .await;
        Arc::new(store)
    };
    let replicas: contract::Replicas = [replica().await, replica().await];
    (replicas, Keeper { prefix, shutdown, tasks })
}

contract!(fresh);

fn ann() -> UserId {
    UserId::parse_qualified("ann").unwrap()
}

#[tokio::test]
async fn without_redis_every_call_fails_at_once_and_the_reason_names_the_place_not_the_password() {
    // Bound and never accepting: nobody else gets the port, and connecting fails or hangs.
    let reserved = tokio::net::TcpSocket::new_v4().unwrap();
    reserved.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = reserved.local_addr().unwrap();
    let config = RedisConfig {
        url: format!("redis://:hunter2@{address}/0"),
        connect_timeout_ms: 200,
        ..RedisConfig::default()
    };
    let (readiness, tasks, shutdown) = (Readiness::new(), Tasks::new(), Shutdown::new());
    let store = RedisStore::start(
        config.clone(),
        config.backend().unwrap(),
        contract::leases(),
        &readiness,
        &tasks,
        &shutdown,
    );
    support::eventually("readiness says where it looked", || async {
        let causes = readiness.report().causes;
        let named = causes.iter().any(|cause| cause.contains(&address.to_string()));
        named.then_some(()).ok_or(causes)
    })
    .await;
    assert!(!readiness.report().causes.concat().contains("hunter2"));
    let located = tokio::time::timeout(Duration::from_millis(500), store.locate(&[ann()])).await;
    let Ok(Err(StoreError::Unavailable(reason))) = located else { panic!("{located:?}") };
    assert!(reason.contains(&address.to_string()) && !reason.contains("hunter2"), "{reason}");
    shutdown.force();
    tasks.join(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test]
async fn a_lost_redis_is_found_again_and_reads_do_not_notice_a_broken_connection() {
    let prefix = Prefix::fresh().await;
    let proxy = Proxy::start(([127, 0, 0, 1], 0).into(), redis_address().await).unwrap();
    let config = RedisConfig {
        url: format!("redis://{}", proxy.address()),
        prefix: prefix.name.clone(),
        // Only the failing command shows the break.
        check_ms: 60_000,
        reconnect_max_ms: 100,
        read_retry_ms: 1_000,
        ..RedisConfig::default()
    };
    let (readiness, tasks, shutdown) = (Readiness::new(), Tasks::new(), Shutdown::new());
    let store = RedisStore::start(
        config.clone(),
        config.backend().unwrap(),
        contract::leases(),
        &readiness,
        &tasks,
        &shutdown,
    );
    let ready = |wanted: bool| {
        let readiness = readiness.clone();
        async move {
            let report = readiness.report();
            (report.ready == wanted).then_some(()).ok_or(report.causes)
        }
    };
    support::eventually("connected", || ready(true)).await;
    store.locate(&[ann()]).await.unwrap();

    proxy.set(Fault::Cut);
    store.locate(&[ann()]).await.expect("on the next connection");

    proxy.set(Fault::Refuse);
    let away = store.choose(&[]).await;
    assert!(away.is_ok(), "nothing to write is nothing to fail");
    support::eventually("reads say that Redis is away", || async {
        store.locate(&[ann()]).await.err().map(|_| ()).ok_or("still answered")
    })
    .await;
    support::eventually("not ready", || ready(false)).await;
    proxy.set(Fault::Pass);
    support::eventually("ready again", || ready(true)).await;
    store.locate(&[ann()]).await.unwrap();
    shutdown.force();
    tasks.join(Duration::from_secs(5)).await.unwrap();
    proxy.stop().await;
    prefix.remove().await;
}

#[tokio::test]
async fn a_spoilt_record_reads_as_nobody_harms_no_other_and_is_mended_by_the_next_write() {
    use presence_service::domain::client::Client;
    use presence_service::domain::registration::{Connected, DeviceType, GatewayEpoch};
    use presence_service::store::Report;
    use proto::id::{DeviceId, GatewayId};

    let ([store, _], keeper) = fresh().await;
    let key = format!("{}:default:user:{{ann}}", keeper.prefix.name);
    keeper.prefix.set(&key, "\u{1}garbage;;,,").await;
    let opened = |user_id: &str, connection| Connected {
        user_id: UserId::parse_qualified(user_id).unwrap(),
        device_id: DeviceId::parse("phone").unwrap(),
        device_type: DeviceType(1),
        connection,
        connected_at_ms: 1,
        client: Client::default(),
    };
    let gateway = GatewayEpoch { id: GatewayId::parse("g1").unwrap(), epoch: 1 };
    let report = |connected| Report {
        gateway: gateway.clone(),
        is_snapshot: false,
        connected,
        disconnected: vec![],
    };
    store.report(&report(vec![opened("bob", 1)])).await.unwrap();
    let users = [ann(), UserId::parse_qualified("bob").unwrap()];
    assert_eq!(store.locate(&users).await.unwrap().device_counts, [0, 1]);
    store.report(&report(vec![opened("ann", 2)])).await.unwrap();
    assert_eq!(store.locate(&users).await.unwrap().device_counts, [1, 1]);
    keeper.remove().await;
}

#[tokio::test]
async fn what_a_connection_came_from_goes_with_it_however_it_ends() {
    use presence_service::domain::client::Client;
    use presence_service::domain::registration::{
        Connected, DeviceType, Disconnected, GatewayEpoch,
    };
    use presence_service::store::Report;
    use proto::id::{DeviceId, GatewayId};

    let ([store, _], keeper) = fresh().await;
    let opened = |connection| Connected {
        user_id: ann(),
        device_id: DeviceId::parse(&format!("device-{connection}")).unwrap(),
        device_type: DeviceType(1),
        connection,
        connected_at_ms: 1,
        client: Client::new("192.0.2.1", "a phone"),
    };
    let report = |epoch, connected, disconnected| Report {
        gateway: GatewayEpoch { id: GatewayId::parse("g1").unwrap(), epoch },
        is_snapshot: false,
        connected,
        disconnected,
    };
    let is_kept = async || keeper.prefix.keys().await.iter().any(|key| key.ends_with(":clients"));
    store.report(&report(1, vec![opened(1), opened(2)], vec![])).await.unwrap();
    assert!(is_kept().await);
    let closed = Disconnected { user_id: ann(), connection: 1 };
    store.report(&report(1, vec![], vec![closed])).await.unwrap();
    // The other one ends with the epoch that named it.
    store.report(&report(2, vec![], vec![])).await.unwrap();
    while is_kept().await {
        store.sweep(100).await.unwrap();
    }
    assert!(store.sessions(&ann()).await.unwrap().is_empty());
    keeper.remove().await;
}
