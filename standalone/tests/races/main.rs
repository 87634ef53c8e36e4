//! The hard races in all their orders, by gates and not by luck: a device registers (R) and then syncs (S),
//! while a message to it is committed (C) and then its user is located (L). In each of the six orders the
//! message is heard, live or in the sync. A batch that is cut off between commit and delivery; a partition that is
//! yielded while it has such a batch; a cursor that is committed before or after its user's other device syncs.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

mod gates;
mod house;

use house::{Device, House};
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

/// Ann and Bob, while the first chat service yields with her first message to him committed and not located,
/// and a second one behind it. Another chat service waits to become the active consumer.
async fn yielding(house: &mut House) -> (Device, Device) {
    let mut ann = house.connect("ann").await;
    let bob = house.connect("bob").await;
    house.presence.location.close();
    ann.write_to("bob", Uuid::now_v7()).await;
    house.presence.location.arrived(1).await;
    assert_eq!(ann.expect("sent").await["seq"], 1);
    ann.write_to("bob", Uuid::now_v7()).await;
    house.start_another_chat();
    house.ask_first_chat_to_yield();
    (ann, bob)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_is_yielded_after_the_batch_in_hand_and_what_stood_behind_it_follows() {
    let mut house = House::about("bob").await;
    let (mut ann, mut bob) = yielding(&mut house).await;
    assert!(bob.is_silent(), "the second message is not delivered before the first");
    house.presence.location.open();
    assert_eq!(bob.expect("entry").await["seq"], 1);
    assert_eq!(bob.expect("entry").await["seq"], 2);
    assert_eq!(ann.expect("sent").await["seq"], 2);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_yield_that_is_cut_off_leaves_all_of_it_to_the_next_in_line_in_its_order() {
    let mut house = House::about("bob").await;
    let (mut ann, mut bob) = yielding(&mut house).await;
    house.cut_off_first_chat();
    house.presence.location.arrived(2).await;
    assert!(bob.is_silent());
    house.presence.location.open();
    assert_eq!(bob.expect("entry").await["seq"], 1);
    assert_eq!(bob.expect("entry").await["seq"], 2);
    // Each is stored once, whichever process answers.
    let second = ann.expect("sent").await["seq"].as_u64();
    let last = if second == Some(1) { ann.expect("sent").await["seq"].as_u64() } else { second };
    assert_eq!(last, Some(2));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_counts_the_same_whether_it_is_committed_before_or_after_a_sync() {
    for is_held in [false, true] {
        let house = House::about("bob").await;
        let mut ann = house.connect("ann").await;
        let mut bob = house.connect("bob").await;
        let mut other = house.connect("bob").await;
        ann.write_to("bob", Uuid::now_v7()).await;
        let entry = bob.expect("entry").await;
        let read = |seq: u64| serde_json::json!({ "type": "read", "conversation_id": entry["conversation_id"], "seq": seq });
        if is_held {
            let commits = house.hold_commits().await;
            bob.say(&read(1)).await;
            assert_eq!(other.sync().await, [1]);
            commits.let_go().await;
        } else {
            bob.say(&read(1)).await;
        }
        assert_eq!(ann.expect("receipt").await["read_seq"], 1);
        assert_eq!(other.sync().await, [1], "a cursor takes no entry away");
        // What the other device says later of earlier takes nothing back, and nobody is told.
        other.say(&read(0)).await;
        ann.write_to("bob", Uuid::now_v7()).await;
        assert_eq!(other.expect("entry").await["seq"], 2);
        other.say(&read(2)).await;
        assert_eq!(ann.expect("receipt").await["read_seq"], 2);
        house.stop().await;
    }
}
