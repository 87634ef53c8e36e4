//! Large conversations: the gateway finds its own members, and they hear what is theirs, in order.

use proto::bus::{ChannelPush, EntryPush};
use proto::chat::SyncPage;
use proto::common::DeviceType;
use serde_json::json;
use uuid::Uuid;

use crate::device::{Device, Heard};
use crate::edge::{Edge, Kind, token, until};
use crate::services::Mode;

const ID: Uuid = Uuid::from_u128(7);

fn push(seq: u64, about: ChannelPush) -> EntryPush {
    EntryPush {
        frame: json!({ "type": "entry", "seq": seq }).to_string().into(),
        conversation_id: ID.as_bytes().to_vec().into(),
        seq,
        channel: Some(about),
        ..EntryPush::default()
    }
}

fn plain(seq: u64) -> EntryPush {
    push(seq, ChannelPush::default())
}

fn joins(seq: u64, user: &str) -> EntryPush {
    push(seq, ChannelPush { joined: vec![user.to_owned()], ..ChannelPush::default() })
}

fn leaves(seq: u64, user: &str) -> EntryPush {
    push(seq, ChannelPush { left: user.to_owned(), ..ChannelPush::default() })
}

/// The entries up to this one, each the next that it hears.
async fn hears(device: &mut Device, seqs: impl IntoIterator<Item = u64>) {
    for seq in seqs {
        assert_eq!(device.expect("entry").await["seq"], seq);
    }
}

/// Nothing was pushed to it: an answer through the same outbox is the next it hears.
async fn hears_nothing(edge: &Edge, device: &mut Device) {
    let mark = json!({ "type": "mark" }).to_string();
    edge.push(&[device.number], Kind::Receipt, mark).await;
    device.expect("mark").await;
}

#[tokio::test]
async fn members_who_are_here_hear_every_entry_in_order_and_strangers_none() {
    let edge = Edge::with(|limits| limits.channel_slice = 2).await;
    edge.chat.has_members(3, &[("ann", 1), ("bob", 1), ("cleo", 1)]);
    let mut devices = Vec::new();
    for user in ["ann", "ann", "bob", "cleo"] {
        devices.push(Device::connect(&edge, user).await);
    }
    let mut stranger = Device::connect(&edge, "mallory").await;
    edge.push_entries((3..=60).map(plain).collect()).await;
    for device in &mut devices {
        hears(device, 3..=60).await;
    }
    hears_nothing(&edge, &mut stranger).await;
    assert_eq!(edge.chat.asked_among().len(), 1, "what is known is not asked again");
    edge.stop().await;
}

#[tokio::test]
async fn a_long_round_gives_way_to_others_and_reaches_every_member_in_order() {
    // More slices than a short round has.
    let edge = Edge::with(|limits| limits.channel_slice = 1).await;
    edge.chat.has_members(3, &[("ann", 1)]);
    let mut devices = Vec::new();
    for _ in 0..40 {
        devices.push(Device::connect(&edge, "ann").await);
    }
    edge.push_entries((3..=30).map(plain).collect()).await;
    for device in &mut devices {
        hears(device, 3..=30).await;
    }
    edge.stop().await;
}

#[tokio::test]
async fn a_member_hears_from_the_join_on_and_up_to_the_leave() {
    let edge = Edge::start().await;
    edge.chat.has_members(1, &[("ann", 1)]);
    let mut ann = Device::connect(&edge, "ann").await;
    let mut bob = Device::connect(&edge, "bob").await;
    let steps = [plain(1), plain(2), joins(3, "bob"), plain(4), leaves(5, "bob"), plain(6)];
    edge.push_entries(steps.to_vec()).await;
    hears(&mut ann, 1..=6).await;
    hears(&mut bob, 3..=5).await;
    hears_nothing(&edge, &mut bob).await;
    // And back again.
    edge.push_entries(vec![joins(7, "bob"), plain(8)]).await;
    hears(&mut bob, 7..=8).await;
    assert_eq!(edge.chat.asked_among().len(), 1, "the log tells who joins and who leaves");
    edge.stop().await;
}

#[tokio::test]
async fn a_device_that_connects_later_is_asked_about_once_and_misses_nothing() {
    let edge = Edge::start().await;
    edge.chat.has_members(1, &[("ann", 1), ("bob", 1)]);
    let mut ann = Device::connect(&edge, "ann").await;
    edge.push_entries(vec![plain(1)]).await;
    hears(&mut ann, [1]).await;
    let mut bob = Device::connect(&edge, "bob").await;
    let mut stranger = Device::connect(&edge, "mallory").await;
    edge.push_entries(vec![plain(2), plain(3)]).await;
    for device in [&mut ann, &mut bob] {
        hears(device, 2..=3).await;
    }
    hears_nothing(&edge, &mut stranger).await;
    let mut asked = edge.chat.asked_among();
    asked[1].sort();
    assert_eq!(asked[1..], [["bob", "mallory"]], "about the users who connected, and nobody else");
    // A device that connects again: the old socket is gone, the new one hears.
    drop(bob);
    let mut bob = Device::connect(&edge, "bob").await;
    edge.push_entries(vec![plain(4)]).await;
    hears(&mut bob, [4]).await;
    edge.stop().await;
}

#[tokio::test]
async fn a_hole_in_the_log_makes_the_members_be_asked_for_anew() {
    let edge = Edge::start().await;
    edge.chat.has_members(1, &[("ann", 1), ("bob", 1)]);
    let mut ann = Device::connect(&edge, "ann").await;
    let mut bob = Device::connect(&edge, "bob").await;
    edge.push_entries(vec![plain(1)]).await;
    for device in [&mut ann, &mut bob] {
        hears(device, [1]).await;
    }
    // Entry 2 is lost: it removed bob and added nobody else who is here.
    edge.chat.has_members(3, &[("ann", 1)]);
    edge.push_entries(vec![plain(3)]).await;
    hears(&mut ann, [3]).await;
    hears_nothing(&edge, &mut bob).await;
    edge.stop().await;
}

#[tokio::test]
async fn an_entry_from_before_a_join_is_not_for_the_new_member_whatever_is_known() {
    let edge = Edge::start().await;
    // The answer is newer than the push: bob joined at 5.
    edge.chat.has_members(6, &[("ann", 1), ("bob", 5)]);
    let mut ann = Device::connect(&edge, "ann").await;
    let mut bob = Device::connect(&edge, "bob").await;
    let steps = [plain(3), plain(4), joins(5, "bob"), plain(6), plain(7)];
    edge.push_entries(steps.to_vec()).await;
    hears(&mut ann, 3..=7).await;
    hears(&mut bob, 5..=7).await;
    edge.stop().await;
}

#[tokio::test]
async fn the_asking_connection_and_other_kinds_of_devices_are_left_out() {
    let edge = Edge::start().await;
    edge.chat.has_members(1, &[("ann", 1), ("bob", 1)]);
    let mut ann = Device::connect(&edge, "ann").await;
    let mut bob = Device::connect(&edge, "bob").await;
    let to_phones = ChannelPush { device_type: DeviceType::Ios as i32, ..ChannelPush::default() };
    let by_ann = ChannelPush { except: ann.number, ..ChannelPush::default() };
    edge.push_entries(vec![push(1, to_phones), push(2, by_ann), plain(3)]).await;
    hears(&mut bob, 2..=3).await;
    hears(&mut ann, [3]).await;
    edge.stop().await;
}

#[tokio::test]
async fn devices_of_other_types_get_a_blank_so_that_no_log_has_a_gap() {
    let edge = Edge::start().await;
    edge.chat.has_members(1, &[("ann", 1), ("bob", 1)]);
    let open = async |user: &str, kind: &str| {
        let path = format!("/ws?token={}&device_type={kind}", token(user));
        let mut device = Device::open(&edge, &path, &[]).await;
        device.welcome().await;
        device
    };
    let (mut page, mut phone) = (open("ann", "web").await, open("bob", "ios").await);
    let mut writer = open("bob", "web").await;
    let blank = json!({ "type": "entry", "seq": 2, "kind": "blank" }).to_string();
    let to_phones = ChannelPush {
        device_type: DeviceType::Ios as i32,
        sender: "bob".to_owned(),
        blank: blank.into(),
        ..ChannelPush::default()
    };
    edge.push_entries(vec![plain(1), push(2, to_phones), plain(3)]).await;
    for (device, is_blank) in [(&mut page, true), (&mut phone, false), (&mut writer, false)] {
        hears(device, [1]).await;
        let entry = device.expect("entry").await;
        assert_eq!((&entry["seq"], entry["kind"] == "blank"), (&json!(2), is_blank));
        hears(device, [3]).await;
    }
    edge.stop().await;
}

#[tokio::test]
async fn entries_that_go_out_together_reach_each_connection_in_the_form_that_it_asked_for() {
    let edge = Edge::start().await;
    edge.chat.has_members(0, &[("ann", 1), ("bob", 3), ("cleo", 1), ("dan", 1)]);
    let mut ann = Device::connect(&edge, "ann").await;
    let mut bob = Device::connect(&edge, "bob").await;
    let mut cleo = Device::connect(&edge, "cleo").await;
    let path = format!("/ws?token={}&batch=10&batch_ms=100", token("dan"));
    let mut dan = Device::open(&edge, &path, &[]).await;
    dan.welcome().await;
    let by_cleo = ChannelPush { except: cleo.number, ..ChannelPush::default() };
    let mut entries: Vec<EntryPush> = (1..=8).map(plain).collect();
    entries[4].channel = Some(by_cleo);
    edge.push_entries(entries).await;
    hears(&mut ann, 1..=8).await;
    // Bob is a member from the third entry on, and Cleo wrote the fifth.
    hears(&mut bob, 3..=8).await;
    hears(&mut cleo, (1..=8).filter(|seq| *seq != 5)).await;
    let batch = dan.expect("batch").await;
    let seqs: Vec<_> = batch["frames"].as_array().unwrap().iter().map(|it| &it["seq"]).collect();
    assert!(seqs.into_iter().eq(&(1..=8).map(|seq: u64| json!(seq)).collect::<Vec<_>>()));
    edge.stop().await;
}

#[tokio::test]
async fn nothing_overtakes_an_entry_that_waits_for_an_answer_in_its_conversation_and_all_else_goes_on()
 {
    let edge = Edge::start().await;
    edge.chat.has_members(1, &[("ann", 1)]);
    let mut ann = Device::connect(&edge, "ann").await;
    let mut bob = Device::connect(&edge, "bob").await;
    edge.chat.switch(Mode::Holds);
    edge.push_entries(vec![plain(1)]).await;
    until("the members are asked for", || !edge.chat.asked_among().is_empty()).await;
    // The conversation has shrunk: its next entry names its connections.
    let named = EntryPush { connections: vec![ann.number], channel: None, ..plain(2) };
    edge.push_entries(vec![named]).await;
    let other = json!({ "type": "entry", "seq": 99 }).to_string();
    edge.push(&[ann.number, bob.number], Kind::Entry, other).await;
    for device in [&mut ann, &mut bob] {
        hears(device, [99]).await;
    }
    edge.chat.switch(Mode::Answers);
    hears(&mut ann, 1..=2).await;
    edge.stop().await;
}

#[tokio::test]
async fn what_cannot_be_handed_out_is_left_to_the_heads() {
    let edge = Edge::with(|limits| limits.channel_pushes = 3).await;
    edge.chat.has_members(9, &[("ann", 1)]);
    edge.chat.has(Vec::new(), 77);
    let mut ann = Device::connect(&edge, "ann").await;
    edge.chat.switch(Mode::Holds);
    edge.push_entries((1..=4).map(plain).collect()).await;
    until("they are given up", || edge.metric("tidings_gateway_channel_lost_total") == 3).await;
    edge.chat.switch(Mode::Answers);
    let told = ann.expect("pong").await;
    assert_eq!(told["heads"], 77, "the device computes another one, and syncs");
    edge.push_entries(vec![plain(9)]).await;
    loop {
        match ann.hear().await {
            Heard::Frame(frame) if frame["type"] == "entry" => {
                assert_eq!(frame["seq"], 9, "what was given up does not come late");
                break;
            }
            Heard::Frame(_) | Heard::Ping => {}
            Heard::Closed(code, reason) => panic!("closed {code} {reason}"),
        }
    }
    edge.stop().await;
}

#[tokio::test]
async fn entries_written_while_a_session_sleeps_are_followed_like_all_others() {
    let edge = Edge::with(|limits| {
        (limits.redelivery_ms, limits.delivery_timeout_ms) = (vec![200], 60_000);
    })
    .await;
    edge.chat.has_members(2, &[("ann", 1)]);
    let page = SyncPage {
        conversation_id: ID.as_bytes().to_vec().into(),
        entries: vec![r#"{"seq":4}"#.into()],
        head: 4,
        ..SyncPage::default()
    };
    edge.chat.has(vec![page], 0);
    let mut ann = Device::connect(&edge, "ann").await;
    // The first entry wakes the session task, which then waits for its acknowledgement.
    for seq in [3, 4] {
        edge.push_entries(vec![plain(seq)]).await;
        hears(&mut ann, [seq]).await;
    }
    ann.say(&json!({ "type": "delivered", "conversation_id": ID, "seq": 3 })).await;
    assert_eq!(ann.expect("sync_page").await["entries"][0]["seq"], 4);
    edge.stop().await;
}

#[tokio::test]
async fn an_entry_that_comes_again_after_later_ones_is_left_out_where_they_were_written() {
    let edge = Edge::start().await;
    edge.chat.has_members(6, &[("ann", 1), ("bob", 1)]);
    let mut ann = Device::connect(&edge, "ann").await;
    edge.push_entries(vec![plain(6)]).await;
    hears(&mut ann, [6]).await;
    // Written while the session task is idle.
    edge.push_entries(vec![plain(7)]).await;
    hears(&mut ann, [7]).await;
    let mut bob = Device::connect(&edge, "bob").await;
    edge.push_entries(vec![plain(4), plain(8)]).await;
    hears(&mut ann, [8]).await;
    // A connection that did not get the later entries gets it.
    hears(&mut bob, [4, 8]).await;
    edge.stop().await;
}

#[tokio::test]
async fn a_member_without_room_gets_every_entry_whole_once_it_reads() {
    let edge = Edge::with(|limits| {
        (limits.outbox_bytes, limits.frame_bytes) = (64 << 20, 2 << 20);
        limits.memory.channel_bytes = 64 << 20;
    })
    .await;
    edge.chat.has_members(2, &[("ann", 1), ("bob", 1)]);
    let mut slow = Device::connect_narrow(&edge, "ann").await;
    let mut quick = Device::connect(&edge, "bob").await;
    for seq in 3..=20 {
        let frame = json!({ "type": "entry", "seq": seq, "plug": "x".repeat(1 << 20) });
        edge.push_entries(vec![EntryPush { frame: frame.to_string().into(), ..plain(seq) }]).await;
        hears(&mut quick, [seq]).await;
    }
    for seq in 3..=20 {
        let entry = slow.expect("entry").await;
        assert_eq!((&entry["seq"], entry["plug"].as_str().unwrap().len()), (&json!(seq), 1 << 20));
    }
    edge.stop().await;
}
