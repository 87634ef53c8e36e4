//! The service as gateways and the chat service see it: gRPC in, pushes out.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bus::Bus;
use platform::readiness::Readiness;
use platform::shutdown::{Shutdown, Tasks};
use presence_service::store::LeaseConfig;
use presence_service::store::redis::{RedisConfig, RedisStore};
use proto::bus::{Replaced, push::Body};
use serde_json::Value;
use support::house::{CONTACTS, GRACE, House, LEASE, connected};
use support::redis_keys::{Prefix, redis_url};
use tonic::Code;

/// Long enough for 5,000 departures and arrivals on a busy machine.
const STORM_GRACE: Duration = Duration::from_secs(3);

const FRIENDS: &[(&str, &[&str])] = &[("ann", &["bob"]), ("bob", &["ann"])];

#[tokio::test]
async fn who_is_registered_is_located_with_gateway_connection_and_device_type() {
    let house = House::start(&[]);
    let mut g1 = house.gateway("g1").await;
    let mut g2 = house.gateway("g2").await;
    g1.open("ann", "phone", 11).await;
    g1.open("bob", "phone", 12).await;
    g2.open("ann", "laptop", 21).await;
    let reply = house.locate(&["bob", "nobody", "ann"]).await;
    assert_eq!(reply.device_counts, [1, 0, 2]);
    assert_eq!(reply.connections, [12, 11, 21]);
    assert_eq!(reply.device_types, [1, 1, 1]);
    let at = |index: usize| &reply.gateways[reply.gateway_indexes[index] as usize];
    assert_eq!((at(0), at(1), at(2)), (&g1.named, &g1.named, &g2.named));
    house.stop().await;
}

#[tokio::test]
async fn contacts_are_told_who_comes_and_who_goes_and_own_devices_of_each_other() {
    let house = House::start(FRIENDS);
    let mut gateway = house.gateway("g1").await;
    gateway.open("bob", "phone", 1).await;
    gateway.open("ann", "phone", 2).await;
    let (connections, frame) = gateway.told_one().await;
    assert_eq!((connections, &frame["event"]), (vec![1], &"user_online".into()));
    assert_eq!((&frame["user_id"], &frame["status"]), (&"ann".into(), &"online".into()));

    gateway.open("ann", "laptop", 3).await;
    let mut told = gateway.told().await;
    told.sort_by_key(|(connections, _)| connections.clone());
    let heard: Vec<_> = told.iter().map(|(at, frame)| (at[0], &frame["event"])).collect();
    let event = "device_connected".into();
    assert_eq!(heard, [(1, &event), (2, &event)], "bob, and ann's phone");
    assert_eq!(told[0].1["devices"], 2);

    gateway.close("ann", 3).await;
    assert_eq!(gateway.told().await[0].1["event"], "device_disconnected");
    gateway.close("ann", 2).await;
    let (connections, frame) = gateway.told_one().await;
    assert_eq!((connections, &frame["event"]), (vec![1], &"user_offline".into()));
    assert!(frame["last_seen"].as_u64().unwrap() > 0);
    assert!(house.counted("tidings_presence_announcements_total{outcome=\"told\"}") >= 4);
    house.stop().await;
}

#[tokio::test]
async fn the_users_of_a_silent_gateway_are_offline_for_their_contacts() {
    let house = House::start(FRIENDS);
    let mut alive = house.gateway("alive").await;
    let mut dead = house.gateway("dead").await;
    alive.open("bob", "phone", 1).await;
    dead.open("ann", "phone", 1).await;
    assert_eq!(alive.told_one().await.1["event"], "user_online");
    drop(dead);
    let (connections, frame) = alive.told_one().await;
    assert_eq!((connections, &frame["event"]), (vec![1], &"user_offline".into()));
    assert_eq!(house.status("ann").await.status, "offline");
    assert!(house.status("ann").await.last_seen_ms > 0);
    assert_eq!(house.locate(&["ann", "bob"]).await.device_counts, [0, 1]);
    assert_eq!(house.counted("tidings_presence_expired_gateways_total"), 1);
    house.stop().await;
}

#[tokio::test]
async fn a_gateway_that_signs_off_is_counted_as_left_and_not_as_lost() {
    let house = House::start(FRIENDS);
    let mut alive = house.gateway("alive").await;
    let mut leaving = house.gateway("leaving").await;
    alive.open("bob", "phone", 1).await;
    leaving.open("ann", "phone", 1).await;
    assert_eq!(alive.told_one().await.1["event"], "user_online");
    // One that it did not take back: a forced end.
    leaving.sign_off().await.unwrap();
    leaving.sign_off().await.expect("repeated, it is answered the same");
    assert_eq!(alive.told_one().await.1["event"], "user_offline");
    assert_eq!(house.counted("tidings_presence_left_gateways_total"), 1);
    assert_eq!(house.counted("tidings_presence_expired_gateways_total"), 0);
    house.stop().await;
}

#[tokio::test]
async fn who_is_back_within_the_grace_time_is_not_mentioned() {
    let house = House::start(FRIENDS);
    let mut g1 = house.gateway("g1").await;
    let mut g2 = house.gateway("g2").await;
    g1.open("bob", "phone", 1).await;
    g2.open("ann", "phone", 1).await;
    assert_eq!(g1.told_one().await.1["event"], "user_online");
    for connection in 2..6 {
        g2.close("ann", connection - 1).await;
        g2.open("ann", "phone", connection).await;
    }
    // Whatever would be told about the flaps is told before this; both leases outlast it.
    let told_by = tokio::time::Instant::now() + GRACE * 2;
    while tokio::time::Instant::now() < told_by {
        g1.heartbeat().await.unwrap();
        g2.heartbeat().await.unwrap();
        tokio::time::sleep(GRACE / 10).await;
    }
    g2.set_status("ann", 5, "busy").await;
    let (_, frame) = g1.told_one().await;
    assert_eq!((&frame["event"], &frame["status"]), (&"status_changed".into(), &"busy".into()));
    house.stop().await;
}

#[tokio::test]
async fn a_gateway_that_is_back_right_after_its_lease_leaves_nobody_offline_for_others() {
    let house = House::start(FRIENDS);
    let mut alive = house.gateway("alive").await;
    let mut late = house.gateway("late").await;
    alive.open("bob", "phone", 1).await;
    late.open("ann", "phone", 1).await;
    assert_eq!(alive.told_one().await.1["event"], "user_online");
    drop(late);
    while house.counted("tidings_presence_expired_gateways_total") == 0 {
        alive.heartbeat().await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut back = house.gateway("late").await;
    back.report(vec![connected("ann", "phone", 1)], vec![], true).await.unwrap();
    // Shorter than the next lease, which nobody renews.
    let told = alive.told_until_quiet(GRACE + GRACE / 2).await;
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(house.status("ann").await.status, "online");
    house.stop().await;
}

#[tokio::test]
async fn five_thousand_who_reconnect_at_once_are_not_mentioned() {
    let names: Vec<&'static str> =
        (0..5_000).map(|number| &*format!("user-{number}").leak()).collect();
    let acquaintances: Vec<(&'static str, &[&'static str])> =
        names.iter().map(|name| (*name, &["bob"][..])).collect();
    // The grace time of a real install: a storm is never over within a test's short one.
    let house = House::with_grace(&acquaintances, STORM_GRACE);
    let mut watching = house.gateway("g1").await;
    let mut storming = house.gateway("g2").await;
    // Long connected, so that their coming itself is no news.
    let opened = |first: u64| -> Vec<_> {
        let open = |(number, name): (usize, &&str)| connected(name, "phone", first + number as u64);
        names.iter().enumerate().map(open).collect()
    };
    for part in opened(1).chunks(500) {
        storming.report(part.to_vec(), vec![], false).await.unwrap();
        watching.heartbeat().await.unwrap();
    }
    watching.open("bob", "phone", 1).await;
    watching.told_until_quiet(GRACE).await;

    let began = std::time::Instant::now();
    let closed: Vec<_> = names.iter().zip(1..).map(|(name, number)| (*name, number)).collect();
    for part in closed.chunks(500) {
        storming.report(vec![], part.to_vec(), false).await.unwrap();
        watching.heartbeat().await.unwrap();
    }
    assert_eq!(house.status(names[0]).await.devices, 0, "they are gone");
    for part in opened(10_001).chunks(500) {
        storming.report(part.to_vec(), vec![], false).await.unwrap();
        watching.heartbeat().await.unwrap();
    }
    let took = began.elapsed();
    assert!(took < STORM_GRACE, "the storm took {took:?}");
    let told = watching.told_until_quiet(STORM_GRACE + GRACE).await;
    assert!(told.is_empty(), "{} notices, such as {:?}", told.len(), told[0]);
    let users: Vec<&str> = names.clone();
    assert_eq!(house.locate(&users).await.connections.len(), 5_000);
    house.stop().await;
}

#[tokio::test]
async fn a_stale_epoch_is_refused_and_changes_nothing() {
    let house = House::start(&[]);
    let mut old = house.gateway("g1").await;
    old.open("ann", "phone", 1).await;
    let mut new = house.gateway("g1").await;
    new.report(vec![connected("ann", "phone", 1)], vec![], true).await.unwrap();
    let refused = old.report(vec![connected("bob", "phone", 2)], vec![], false).await;
    assert_eq!(refused.unwrap_err().code(), Code::FailedPrecondition);
    assert_eq!(old.heartbeat().await.unwrap_err().code(), Code::FailedPrecondition);
    let reply = house.locate(&["ann", "bob"]).await;
    assert_eq!(reply.device_counts, [1, 0]);
    assert_eq!(reply.gateways, std::slice::from_ref(&new.named));
    assert_eq!(house.counted("tidings_presence_stale_epochs_total"), 2);
    house.stop().await;
}

#[tokio::test]
async fn a_heartbeat_that_does_not_fit_asks_for_everything_and_the_snapshot_heals() {
    let house = House::start(&[]);
    let mut gateway = house.gateway("g1").await;
    gateway.open("ann", "phone", 1).await;
    assert!(!gateway.heartbeat().await.unwrap());
    // A report of bob's was lost.
    gateway.open.insert(2, "bob".to_owned());
    assert!(gateway.heartbeat().await.unwrap());
    let everything = vec![connected("ann", "phone", 1), connected("bob", "phone", 2)];
    gateway.report(everything, vec![], true).await.unwrap();
    assert!(!gateway.heartbeat().await.unwrap());
    assert_eq!(house.locate(&["ann", "bob"]).await.device_counts, [1, 1]);
    assert_eq!(house.counted("tidings_presence_heartbeat_mismatches_total"), 1);
    house.stop().await;
}

#[tokio::test]
async fn a_flushed_redis_is_filled_again_without_telling_anybody_anything() {
    let prefix = Prefix::fresh().await;
    let (tasks, shutdown, readiness) = (Tasks::new(), Shutdown::new(), Readiness::new());
    let config =
        RedisConfig { url: redis_url(), prefix: prefix.name.clone(), ..RedisConfig::default() };
    let leases = LeaseConfig { lease_ms: LEASE.as_millis() as u64, ..LeaseConfig::default() };
    let store = RedisStore::start(
        config.clone(),
        config.backend().unwrap(),
        leases,
        &readiness,
        &tasks,
        &shutdown,
    );
    support::eventually("Redis answers at REDIS_URL", || async {
        readiness.report().ready.then_some(()).ok_or_else(|| readiness.report().causes)
    })
    .await;
    let house = House::over(Arc::new(store), FRIENDS);
    let mut gateway = house.gateway("g1").await;
    // Older than a lease: what is reported again later is no news.
    let mut ann = connected("ann", "phone", 1);
    ann.connected_at_ms -= 60_000;
    let bob = connected("bob", "phone", 2);
    gateway.report(vec![ann.clone(), bob.clone()], vec![], false).await.unwrap();
    assert_eq!(gateway.told_one().await.1["user_id"], "bob", "bob comes, ann hears it");
    gateway.set_status("ann", 1, "busy").await;
    assert_eq!(gateway.told_one().await.1["status"], "busy");

    prefix.flush().await;
    assert_eq!(house.locate(&["ann"]).await.device_counts, [0]);
    assert!(gateway.heartbeat().await.unwrap(), "the loss is noticed");
    let mut old_bob = bob;
    old_bob.connected_at_ms -= 60_000;
    gateway.report(vec![ann, old_bob], vec![], true).await.unwrap();
    assert!(!gateway.heartbeat().await.unwrap());
    assert_eq!(house.locate(&["ann", "bob"]).await.device_counts, [1, 1]);
    assert_eq!(house.own_status("ann").await.unwrap(), "busy", "her choice outlives Redis");
    gateway.set_status("ann", 1, "away").await;
    let (connections, frame) = gateway.told_one().await;
    assert_eq!((connections, &frame["event"]), (vec![2], &"status_changed".into()));
    house.stop().await;
    shutdown.force();
    tasks.join(Duration::from_secs(5)).await.unwrap();
    prefix.remove().await;
}

#[tokio::test]
async fn the_invisible_look_offline_to_contacts_and_not_to_their_own_devices() {
    let house = House::start(FRIENDS);
    let mut g1 = house.gateway("g1").await;
    let mut g2 = house.gateway("g2").await;
    g1.open("bob", "phone", 1).await;
    g2.open("ann", "phone", 1).await;
    assert_eq!(g1.told_one().await.1["event"], "user_online");
    g2.open("ann", "laptop", 2).await;
    g1.told().await;
    g2.told().await;
    g2.set_status("ann", 1, "invisible").await;
    let (_, frame) = g1.told_one().await;
    assert_eq!((&frame["event"], &frame["status"]), (&"user_offline".into(), &"offline".into()));
    let (connections, frame) = g2.told_one().await;
    assert_eq!((connections, &frame["status"]), (vec![2], &"invisible".into()));
    let status = house.status("ann").await;
    assert_eq!((status.status.as_str(), status.devices), ("offline", 0));
    assert_eq!(house.locate(&["ann"]).await.device_counts, [2], "messages still reach her");
    house.stop().await;
}

#[tokio::test]
async fn other_systems_are_told_how_a_user_is_seen_and_nothing_of_who_is_invisible() {
    let house = House::with_grace(&[], GRACE);
    let mut events = house.bus.consume_events(&["user.presence"]).await.unwrap();
    let mut heard = async || {
        let body = events.next().await.expect("the bus is there");
        let one: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&one["tenant"], &one["tidingsclass"]), (&"green".into(), &"moment".into()));
        let data = |name: &str| one["data"][name].as_str().unwrap().to_owned();
        (data("user"), data("status"))
    };
    let mut gateway = house.gateway("g1").await;
    gateway.open("green/ann", "phone", 1).await;
    assert_eq!(heard().await, ("ann".to_owned(), "online".to_owned()));
    // Another device changes nothing of how others see her.
    gateway.open("green/ann", "laptop", 2).await;
    gateway.set_status("green/ann", 2, "busy").await;
    assert_eq!(heard().await.1, "busy");
    gateway.set_status("green/ann", 2, "invisible").await;
    assert_eq!(heard().await.1, "offline");
    // Nothing of this is heard: bob's coming is the next.
    gateway.close("green/ann", 2).await;
    gateway.close("green/ann", 1).await;
    while house.locate(&["green/ann"]).await.device_counts != [0] {
        gateway.heartbeat().await.unwrap();
    }
    gateway.open("green/ann", "phone", 3).await;
    gateway.open("green/bob", "phone", 4).await;
    assert_eq!(heard().await, ("bob".to_owned(), "online".to_owned()));
    gateway.set_status("green/ann", 3, "away").await;
    assert_eq!(heard().await, ("ann".to_owned(), "away".to_owned()));
    house.stop().await;
}

#[tokio::test]
async fn a_choice_outlives_the_memory_of_presence_and_nobody_sees_the_invisible_come() {
    let house = House::start(FRIENDS);
    house.chat.chosen.lock().insert("ann".to_owned(), "invisible".to_owned());
    let mut g1 = house.gateway("g1").await;
    g1.open("bob", "phone", 1).await;
    let told = g1.report(vec![connected("ann", "phone", 2)], vec![], false).await.unwrap().own;
    assert_eq!((told[0].connection, told[0].status.as_str()), (2, "invisible"), "for `welcome`");
    assert_eq!(house.own_status("ann").await.unwrap(), "invisible");
    assert_eq!(house.own_status("cleo").await.unwrap(), "online", "she never chose");
    let status = house.status("ann").await;
    assert_eq!((status.status.as_str(), status.devices, status.last_seen_ms), ("offline", 0, 0));
    g1.open("ann", "laptop", 3).await;
    g1.close("ann", 2).await;
    let told = g1.told_until_quiet(GRACE * 2).await;
    assert!(told.iter().all(|(at, _)| *at != [1]), "bob hears nothing: {told:?}");

    g1.set_status("ann", 3, "busy").await;
    let (connections, frame) = g1.told_one().await;
    assert_eq!((connections, &frame["event"]), (vec![1], &"user_online".into()));
    assert_eq!(house.chat.chosen.lock()["ann"], "busy", "it is stored before it is told");
    house.stop().await;
}

#[tokio::test]
async fn while_choices_cannot_be_read_who_comes_looks_offline_and_is_told_afterwards() {
    let house = House::start(FRIENDS);
    let mut g1 = house.gateway("g1").await;
    g1.open("bob", "phone", 1).await;
    g1.told_until_quiet(GRACE / 3).await;
    house.chat.is_away.store(true, Ordering::Relaxed);
    let own = g1.report(vec![connected("ann", "phone", 2)], vec![], false).await.unwrap().own;
    assert!(own.is_empty(), "nobody knows: {own:?}");
    assert_eq!(house.status("ann").await.status, "offline");
    assert_eq!(house.own_status("ann").await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(house.locate(&["ann"]).await.connections, [2], "messages reach her");
    g1.set_status("bob", 1, "busy").await;
    let (_, refused) = g1.told_one().await;
    assert_eq!(refused["code"], "unavailable", "it could not be stored: {refused}");
    house.chat.is_away.store(false, Ordering::Relaxed);
    let told = g1.told_until_quiet(GRACE * 4).await;
    assert!(
        told.iter().any(|(at, frame)| *at == [1] && frame["event"] == "user_online"),
        "{told:?}"
    );
    assert_eq!(house.status("ann").await.status, "online");
    house.stop().await;
}

#[tokio::test]
async fn a_status_that_does_not_exist_is_answered_with_an_error() {
    let house = House::start(&[]);
    let mut gateway = house.gateway("g1").await;
    gateway.open("ann", "phone", 7).await;
    gateway.set_status("ann", 7, "asleep").await;
    let (connections, frame) = gateway.told_one().await;
    assert_eq!((connections, &frame["type"]), (vec![7], &"error".into()));
    assert_eq!((&frame["code"], &frame["stored"]), (&"invalid".into(), &"no".into()));
    house.stop().await;
}

#[tokio::test]
async fn a_device_that_connects_elsewhere_has_its_older_connection_closed() {
    let house = House::start(&[]);
    let mut g1 = house.gateway("g1").await;
    let mut g2 = house.gateway("g2").await;
    g1.open("ann", "phone", 1).await;
    g2.open("ann", "phone", 9).await;
    let pushes = g1.pushes().await;
    let replaced = Body::Replaced(Replaced { connections: vec![1] });
    assert_eq!(pushes, [replaced.into()]);
    assert!(!g1.heartbeat().await.unwrap(), "until it is closed both sides count it");
    g1.close("ann", 1).await;
    assert_eq!(house.locate(&["ann"]).await.connections, [9]);
    house.stop().await;
}

#[tokio::test]
async fn without_the_chat_service_presence_works_and_contacts_hear_of_it_later() {
    let house = House::start(FRIENDS);
    for user in ["ann", "bob"] {
        // Presence knows what they chose.
        assert_eq!(house.own_status(user).await.unwrap(), "online");
    }
    house.chat.is_away.store(true, Ordering::Relaxed);
    let mut gateway = house.gateway("g1").await;
    gateway.open("bob", "phone", 1).await;
    gateway.open("ann", "phone", 2).await;
    assert_eq!(house.locate(&["ann"]).await.connections, [2]);
    let outcome = "tidings_presence_announcements_total{outcome=\"without_contacts\"}";
    support::eventually("it is counted", || async {
        let counted = house.counted(outcome);
        if counted >= 2 { Ok(()) } else { Err(counted) }
    })
    .await;
    gateway.open("ann", "laptop", 3).await;
    let (connections, frame) = gateway.told_one().await;
    assert_eq!((connections, &frame["event"]), (vec![2], &"device_connected".into()));
    house.chat.is_away.store(false, Ordering::Relaxed);
    let told = gateway.told_until_quiet(GRACE * 4).await;
    let mut heard: Vec<_> = told
        .iter()
        .flat_map(|(at, frame)| at.iter().map(|at| (*at, &frame["user_id"], &frame["event"])))
        .collect();
    heard.sort_by_key(|it| it.0);
    let online = "user_online".into();
    assert_eq!(
        heard,
        [(1, &"ann".into(), &online), (2, &"bob".into(), &online), (3, &"bob".into(), &online)],
        "what could not be told is told when the chat service is back"
    );
    house.stop().await;
}

/// Waits until the changes of so many users are told.
async fn announced(house: &House, users: u64) {
    support::eventually("all is told of the users", || async {
        let told = house.counted("tidings_presence_announcements_total{outcome=\"told\"}");
        if told >= users { Ok(()) } else { Err(told) }
    })
    .await;
}

#[tokio::test]
async fn all_contacts_are_told_however_many_there_are_in_bounded_steps() {
    let names: Vec<&'static str> =
        (0..1_050).map(|number| &*format!("friend-{number:04}").leak()).collect();
    let crowd: &'static [&'static str] = names.clone().leak();
    // Leases outlast it: what is tried is not how fast this machine renews a thousand.
    let house = House::with_grace(&[("crowd-ann", crowd)], GRACE);
    let (mut g1, mut g2) = (house.gateway("g1").await, house.gateway("g2").await);
    for (gateway, names) in [(&mut g1, &names[..500]), (&mut g2, &names[500..])] {
        let open = |(number, name): (u64, &&'static str)| connected(name, "phone", number);
        gateway.report((1..).zip(names).map(open).collect(), vec![], false).await.unwrap();
    }
    announced(&house, 1_050).await;
    let before = house.chat.contact_calls.load(Ordering::Relaxed);
    g1.open("crowd-ann", "phone", 10_000).await;
    announced(&house, 1_051).await;
    let mut told = 0;
    let begun = std::time::Instant::now();
    loop {
        let mut more = g1.told_until_quiet(GRACE).await;
        more.extend(g2.told_until_quiet(GRACE).await);
        for (connections, frame) in &more {
            assert!(connections.len() <= CONTACTS as usize, "a step is bounded");
            assert_eq!(frame["event"], "user_online");
            told += connections.len();
        }
        let is_over = begun.elapsed() > Duration::from_secs(20);
        if (told >= 1_050 && more.is_empty()) || is_over {
            break;
        }
    }
    assert_eq!(told, 1_050, "each is told once");
    let calls = house.chat.contact_calls.load(Ordering::Relaxed) - before;
    assert_eq!(calls, 1_050_usize.div_ceil(CONTACTS as usize));
    let large = house.counted("tidings_presence_large_groups_not_told_total");
    assert_eq!(large, 1, "what is not told is counted");
    house.stop().await;
}

#[tokio::test]
async fn a_replica_that_stops_tells_what_it_holds_back() {
    let house = House::start(FRIENDS);
    let mut gateway = house.gateway("g1").await;
    gateway.open("bob", "phone", 1).await;
    gateway.open("ann", "phone", 2).await;
    assert_eq!(gateway.told_one().await.1["event"], "user_online");
    gateway.close("ann", 2).await;
    house.begin_stop();
    let told = gateway.told_one().await;
    assert_eq!((told.0, &told.1["event"]), (vec![1], &"user_offline".into()));
    house.stop().await;
}

#[tokio::test]
async fn a_malformed_call_is_refused_by_name() {
    let house = House::start(&[]);
    let mut gateway = house.gateway("g1").await;
    let bad_user = gateway.report(vec![connected("a b", "phone", 1)], vec![], false).await;
    assert_eq!(bad_user.unwrap_err().code(), Code::InvalidArgument);
    let bad_device = gateway.report(vec![connected("ann", "", 1)], vec![], false).await;
    assert!(bad_device.unwrap_err().message().contains("device id"));
    let too_many = proto::presence::LocateRequest { user_ids: vec!["ann".to_owned(); 10_001] };
    let refused = house.client.clone().locate(too_many).await.unwrap_err();
    assert!(refused.message().contains("10000"), "{refused}");
    house.stop().await;
}
