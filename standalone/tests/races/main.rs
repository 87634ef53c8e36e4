//! The hard races in all their orders, by gates and not by luck: a device registers (R) and then syncs (S),
//! while a message to it is committed (C) and then its user is located (L). In each of the six orders the
//! message is heard, live or in the sync. And a batch that is cut off between commit and delivery.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

mod gates;
mod house;

use house::House;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registered_synced_committed_located_is_heard_live() {
    let house = House::about("bob").await;
    let mut ann = house.connect("ann").await;
    let commits = house.hold_commits().await;
    ann.write_to("bob", Uuid::now_v7()).await;
    let mut bob = house.connect("bob").await;
    assert!(bob.sync().await.is_empty());
    commits.let_go().await;
    assert_eq!(bob.expect("entry").await["seq"], 1);
    assert_eq!(ann.expect("sent").await["seq"], 1);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registered_committed_synced_located_is_heard_in_the_sync_and_once_more_live() {
    let house = House::about("bob").await;
    let mut ann = house.connect("ann").await;
    let mut bob = house.connect("bob").await;
    house.presence.location.close();
    ann.write_to("bob", Uuid::now_v7()).await;
    // It is located only after it is committed.
    house.presence.location.arrived(1).await;
    assert_eq!(bob.sync().await, [1]);
    house.presence.location.open();
    assert_eq!(bob.expect("entry").await["seq"], 1);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registered_committed_located_synced_is_heard_live_and_again_in_the_sync() {
    let house = House::about("bob").await;
    let mut ann = house.connect("ann").await;
    let mut bob = house.connect("bob").await;
    ann.write_to("bob", Uuid::now_v7()).await;
    assert_eq!(bob.expect("entry").await["seq"], 1);
    assert_eq!(bob.sync().await, [1]);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_registered_synced_located_is_heard_in_the_sync_and_once_more_live() {
    let house = House::about("bob").await;
    let mut ann = house.connect("ann").await;
    house.presence.location.close();
    ann.write_to("bob", Uuid::now_v7()).await;
    house.presence.location.arrived(1).await;
    let mut bob = house.connect("bob").await;
    assert_eq!(bob.sync().await, [1]);
    house.presence.location.open();
    assert_eq!(bob.expect("entry").await["seq"], 1);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_registered_located_synced_is_heard_before_and_in_the_sync() {
    let house = House::about("bob").await;
    let mut ann = house.connect("ann").await;
    house.presence.location.close();
    ann.write_to("bob", Uuid::now_v7()).await;
    house.presence.location.arrived(1).await;
    let mut bob = house.connect("bob").await;
    house.presence.location.open();
    assert_eq!(bob.expect("entry").await["seq"], 1);
    assert_eq!(bob.sync().await, [1]);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_located_registered_synced_is_heard_in_the_sync_and_no_welcome_comes_before() {
    let house = House::about("bob").await;
    let mut ann = house.connect("ann").await;
    house.presence.registration.close();
    let mut bob = house.open("bob").await;
    house.presence.registration.arrived(1).await;
    ann.write_to("bob", Uuid::now_v7()).await;
    house.presence.location.passed(1).await;
    assert_eq!(ann.expect("sent").await["seq"], 1);
    assert!(bob.is_silent(), "presence does not have the connection yet");
    house.presence.registration.open();
    bob.expect("welcome").await;
    assert_eq!(bob.sync().await, [1]);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_cut_off_after_its_commit_is_delivered_by_the_next_in_line_and_stored_once()
{
    let mut house = House::about("bob").await;
    let mut ann = house.connect("ann").await;
    let mut bob = house.connect("bob").await;
    house.presence.location.close();
    let client_id = Uuid::now_v7();
    ann.write_to("bob", client_id).await;
    house.presence.location.arrived(1).await;
    assert_eq!(ann.expect("sent").await["seq"], 1);
    house.start_another_chat();
    house.cut_off_first_chat();
    // The batch was not acknowledged: it comes again, and the client id makes it the same entry.
    house.presence.location.arrived(2).await;
    house.presence.location.open();
    let again = ann.expect("sent").await;
    assert_eq!(
        (again["seq"].as_u64(), &again["client_id"]),
        (Some(1), &client_id.to_string().into())
    );
    assert_eq!(bob.expect("entry").await["seq"], 1);
    house.stop().await;
}
