//! A client without a socket: what it writes is read out of its buffer.

use std::rc::Rc;
use std::sync::Arc;

use proto::frame::client::ClientFrame;
use serde_json::{Value, json};
use uuid::Uuid;
use wire_client::identity::Run;
use wire_client::token::Signer;

use super::*;
use crate::counters::Counters;
use crate::options::Options;
use crate::plan::Plan;
use crate::shared::{Common, Heads};

const SECOND: u64 = 1_000_000;

/// Client 0 of one pair.
struct Stage {
    shared: Rc<Shared>,
    client: Client,
}

impl Stage {
    fn new(arguments: &[&str]) -> Self {
        let common = ["--url", "ws://h:1/ws", "--secret", "s", "--pairs", "1"];
        let options = Options::parse(common.into_iter().chain(arguments.iter().copied())).unwrap();
        let plan = Plan::of(&options, Run::begin());
        let secret = options.secret.clone().unwrap();
        let common = Common {
            heads: Arc::new(Heads::new(plan.conversations.len())),
            signer: Arc::new(Signer::new(&secret, None, None)),
            targets: Arc::new([]),
            options: Arc::new(options),
            plan: Arc::new(plan),
            recorder: None,
        };
        let shared = Shared::new(common, Arc::new(Counters::default()), 0);
        shared.measured_us.set((0, u64::MAX));
        let client = Client::new(0, &shared);
        Self { shared, client }
    }

    /// As after a handshake.
    fn connect(&mut self, now_us: u64) {
        self.client.link = Link::Opening(now_us);
        self.client.connection += 1;
        (self.client.heard_us, self.client.heartbeat_us) = (now_us, 30 * SECOND);
    }

    fn hear(&mut self, frame: &Value, now_us: u64) {
        self.client.hear(&self.shared, frame.to_string().as_bytes(), now_us);
    }

    fn welcome(&mut self, in_flight: u32, now_us: u64) {
        self.connect(now_us);
        let limits = json!({ "frame_bytes": 1_000, "in_flight": in_flight });
        let frame = json!({ "type": "welcome", "heartbeat_ms": 30_000, "limits": limits });
        self.hear(&frame, now_us);
        self.hear(&json!({ "type": "synced", "epoch": "e", "conversations": 1 }), now_us);
    }

    /// The frames written since the last call, unmasked.
    fn said(&mut self) -> Vec<Value> {
        let mut bytes = std::mem::take(&mut self.client.out);
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            let (start, length) = match bytes[1] & 0x7F {
                126 => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
                short => (2, usize::from(short)),
            };
            let mask: Vec<u8> = bytes[start..start + 4].to_vec();
            let rest = bytes.split_off(start + 4 + length);
            let masked = bytes[start + 4..].iter().zip(mask.iter().cycle());
            let text: Vec<u8> = masked.map(|(byte, key)| byte ^ key).collect();
            let text = String::from_utf8(text).unwrap();
            proto::frame::decode_client(&text).expect("a frame of the protocol");
            frames.push(serde_json::from_str(&text).unwrap());
            bytes = rest;
        }
        frames
    }

    fn said_types(&mut self) -> Vec<String> {
        self.said().iter().map(|frame| frame["type"].as_str().unwrap().to_owned()).collect()
    }

    fn answer(&mut self, send: &Value, seq: u64, now_us: u64) {
        let id = self.shared.plan().conversations[0].id;
        let frame = json!({ "type": "sent", "client_id": send["client_id"],
            "conversation_id": id, "id": Uuid::from_u128(u128::from(seq)), "seq": seq });
        self.hear(&frame, now_us);
    }

    fn refuse(&mut self, send: &Value, code: &str, stored: &str, now_us: u64) {
        let frame = json!({ "type": "error", "ref": send["ref"], "code": code, "message": "",
            "stored": stored, "retry_after_ms": 10 });
        self.hear(&frame, now_us);
    }

    fn frame(&self, seq: u64, id: u128) -> Value {
        let conversation_id = self.shared.plan().conversations[0].id;
        json!({ "type": "entry", "conversation_id": conversation_id, "seq": seq,
            "id": Uuid::from_u128(id), "kind": "system", "sender": { "id": "x" }, "content": {} })
    }

    fn entry(&mut self, seq: u64, now_us: u64) {
        let frame = self.frame(seq, seq.into());
        self.hear(&frame, now_us);
    }

    fn offer(&mut self, now_us: u64) {
        self.client.offer(&self.shared, 0, now_us, now_us);
    }
}

#[test]
fn the_first_send_names_the_user_and_later_ones_the_conversation() {
    let mut stage = Stage::new(&[]);
    stage.welcome(32, 0);
    let synced = stage.said();
    assert_eq!((synced.len(), &synced[0]["type"]), (1, &json!("sync")));
    stage.offer(1);
    let first = stage.said().remove(0);
    assert_eq!(first["to"], stage.shared.plan().users[1].as_str());
    stage.answer(&first, 1, 2);
    stage.offer(3);
    let later = stage.said().remove(0);
    assert_eq!(later["conversation_id"], json!(stage.shared.plan().conversations[0].id));
    assert!(later["to"].is_null());
}

#[test]
fn unanswered_sends_go_out_again_unchanged_after_the_sync_of_a_new_connection() {
    let mut stage = Stage::new(&[]);
    stage.welcome(2, 0);
    stage.said();
    for now_us in 1..=4 {
        stage.offer(now_us);
    }
    let first = stage.said();
    assert_eq!(first.len(), 2, "as many as the server allows");
    stage.client.lost(&stage.shared, &HangUp::Silent, 2 * SECOND);
    stage.offer(5);
    assert!(stage.said().is_empty());
    stage.connect(10);
    stage.welcome(3, 11);
    let again = stage.said();
    assert_eq!(again[0]["type"], "sync");
    assert_eq!(again[0]["epoch"], "e");
    assert_eq!(again.len(), 4, "{again:?}");
    assert_eq!(again[1..3], first[..]);
    stage.answer(&again[1], 1, 12);
    assert_eq!(stage.said().len(), 1, "an answer makes room for the next");
}

#[test]
fn a_refused_send_waits_and_goes_out_again_before_later_ones() {
    let mut stage = Stage::new(&[]);
    stage.welcome(8, 0);
    stage.said();
    stage.offer(1);
    let send = stage.said().remove(0);
    stage.refuse(&send, "unavailable", "no", 2);
    stage.offer(3);
    assert!(stage.said().is_empty(), "told to wait");
    assert!(!stage.client.resume(&stage.shared, 4));
    assert!(stage.client.resume(&stage.shared, SECOND));
    let again = stage.said();
    assert_eq!((again.len(), &again[0]), (2, &send));
    let record = stage.client.sends[0];
    assert!(record.is_late && record.invoked_us == SECOND, "a new beginning: {record:?}");
    assert_eq!(record.outcome, Outcome::Unknown);
}

#[test]
fn a_send_refused_for_good_is_given_up() {
    let mut stage = Stage::new(&[]);
    stage.welcome(8, 0);
    stage.said();
    stage.offer(1);
    let send = stage.said().remove(0);
    stage.refuse(&send, "not_member", "no", 2);
    assert_eq!(stage.client.sends[0].outcome, Outcome::Refused);
    assert!(stage.client.is_complete(&stage.shared));
    assert_eq!(stage.shared.measures.borrow().errors["error not_member"], 1);
}

#[test]
fn a_hole_is_asked_for_once_it_does_not_close_by_itself() {
    let mut stage = Stage::new(&[]);
    stage.welcome(8, 0);
    stage.said();
    stage.entry(1, 1);
    stage.entry(3, 2);
    stage.client.tick(&stage.shared, SECOND);
    assert!(stage.said().is_empty(), "it may be on its way");
    stage.client.tick(&stage.shared, 3 * SECOND);
    let sync = stage.said().remove(0);
    let id = stage.shared.plan().conversations[0].id.to_string();
    assert_eq!(sync["cursors"][id], json!({ "seq": 1, "id": Uuid::from_u128(1) }));
    stage.client.tick(&stage.shared, 4 * SECOND);
    assert!(stage.said().is_empty(), "asked already");
    assert!(!stage.client.is_complete(&stage.shared));
    stage.entry(2, 5 * SECOND);
    assert!(stage.client.is_complete(&stage.shared));
}

#[test]
fn heads_that_are_not_its_own_are_followed_by_a_sync() {
    let mut stage = Stage::new(&[]);
    stage.welcome(8, 0);
    stage.said();
    stage.entry(1, 1);
    let id = proto::id::ConversationId(stage.shared.plan().conversations[0].id);
    let pong = |head: u64, entry: u128| {
        let mut digest = proto::heads::HeadsDigest::default();
        digest.add(id, head, proto::id::EntryId(Uuid::from_u128(entry)));
        json!({ "type": "pong", "heads": digest.value(), "heads2": digest.value_with_entries() })
    };
    stage.client.tick(&stage.shared, 31 * SECOND);
    assert_eq!(stage.said_types(), ["ping"]);
    let mut of_before = pong(1, 9);
    of_before.as_object_mut().unwrap().remove("heads2");
    for same in [pong(1, 1), of_before, json!({ "type": "pong" })] {
        stage.hear(&same, 31 * SECOND);
    }
    assert!(stage.said().is_empty());
    for (at, other) in [(31, pong(2, 2)), (61, pong(1, 9))] {
        stage.hear(&other, at * SECOND);
        assert_eq!(stage.said_types(), ["sync"], "{other}");
    }
}

#[test]
fn what_is_held_is_forgotten_where_the_server_says_so() {
    let mut stage = Stage::new(&[]);
    stage.welcome(8, 0);
    stage.said();
    for seq in 1..=3 {
        stage.entry(seq, 1);
    }
    let page = json!({ "type": "sync_page", "conversation_id": stage.shared.plan().conversations[0].id,
        "entries": [stage.frame(2, 7)], "head": 2, "more": false, "reset": true });
    stage.hear(&page, 2);
    stage.client.sync(&stage.shared, 3);
    let sync = stage.said().remove(0);
    let id = stage.shared.plan().conversations[0].id.to_string();
    assert_eq!(sync["cursors"][id], json!({ "seq": 2, "id": Uuid::from_u128(7) }));
}

#[test]
fn an_overdue_send_goes_out_again_while_the_server_says_other_things() {
    let mut stage = Stage::new(&[]);
    stage.welcome(8, 0);
    stage.said();
    stage.offer(1);
    let send = stage.said().remove(0);
    stage.client.tick(&stage.shared, 9 * SECOND);
    assert!(stage.said().is_empty());
    stage.client.heard(9 * SECOND);
    stage.client.tick(&stage.shared, 11 * SECOND);
    assert_eq!(stage.said(), [send]);
    assert_eq!(stage.client.wants_to_end(), None);
}

#[test]
fn a_silent_connection_is_given_up_sooner_when_an_answer_is_overdue() {
    let mut stage = Stage::new(&[]);
    stage.welcome(8, 0);
    stage.client.tick(&stage.shared, 89 * SECOND);
    assert_eq!(stage.client.wants_to_end(), None, "three heartbeats");
    stage.client.tick(&stage.shared, 91 * SECOND);
    assert_eq!(stage.client.wants_to_end(), Some(&HangUp::Silent));

    let mut stage = Stage::new(&[]);
    stage.welcome(8, 0);
    stage.offer(1);
    stage.client.tick(&stage.shared, 11 * SECOND);
    assert_eq!(stage.client.wants_to_end(), Some(&HangUp::Silent));
}

#[test]
fn delivered_is_said_when_it_is_news() {
    let mut stage = Stage::new(&[]);
    stage.welcome(8, 0);
    stage.said();
    stage.entry(1, 1);
    stage.entry(2, 2);
    stage.client.tell_delivered(&stage.shared, SECOND);
    let told = stage.said();
    assert_eq!(
        (told.len(), &told[0]["type"], &told[0]["seq"]),
        (1, &json!("delivered"), &json!(2))
    );
    stage.client.tell_delivered(&stage.shared, SECOND);
    assert!(stage.said().is_empty());
}

#[test]
fn a_closed_loop_refills_on_answers_and_stops_with_the_phase() {
    let mut stage = Stage::new(&["--window", "3"]);
    stage.shared.is_sending.set(true);
    stage.welcome(8, 0);
    let sends = stage.said().split_off(1);
    assert_eq!(sends.len(), 3);
    stage.answer(&sends[0], 1, 1);
    assert_eq!(stage.said_types(), ["send"]);
    stage.shared.is_sending.set(false);
    stage.answer(&sends[1], 2, 2);
    assert!(stage.said().is_empty());
}

#[test]
fn what_is_wrong_at_once_is_kept() {
    let mut stage = Stage::new(&[]);
    stage.welcome(8, 0);
    stage.said();
    stage.offer(1);
    let send = stage.said().remove(0);
    stage.answer(&send, 1, 2);
    stage.answer(&send, 1, 3);
    assert!(stage.shared.measures.borrow().oddities.is_empty(), "the same answer again");
    stage.answer(&send, 2, 4);
    stage.answer(&json!({ "client_id": Uuid::now_v7() }), 3, 5);
    stage.hear(&json!({ "type": "entry", "seq": 1 }), 6);
    let stranger = json!({ "type": "sync_page", "conversation_id": Uuid::now_v7(), "entries": [],
        "head": 0 });
    stage.hear(&stranger, 7);
    let oddities = &stage.shared.measures.borrow().oddities;
    assert!(
        matches!(
            oddities.as_slice(),
            [
                Oddity::ChangedAnswer { .. },
                Oddity::StrangeAnswer { .. },
                Oddity::Unreadable { .. },
                Oddity::Leak { .. },
            ]
        ),
        "{oddities:?}"
    );
}

#[test]
fn the_sync_frame_is_one_of_the_protocol() {
    let mut stage = Stage::new(&[]);
    stage.welcome(8, 0);
    let text = stage.said().remove(0).to_string();
    assert!(matches!(proto::frame::decode_client(&text), Ok(ClientFrame::Sync(_))));
}

#[test]
fn a_redirected_client_goes_when_what_is_under_way_is_answered() {
    let mut stage = Stage::new(&[]);
    stage.welcome(8, 0);
    stage.offer(1);
    let send = stage.said().pop().unwrap();
    stage.hear(&json!({ "type": "redirect", "after_ms": 70 }), 2);
    assert!(stage.client.wants_to_end().is_none());
    stage.offer(3);
    assert!(stage.said().is_empty(), "nothing new is written");
    // No socket takes the bytes of this stage, so the close frame is still there.
    stage.answer(&send, 1, 4);
    assert_eq!(stage.client.wants_to_end(), Some(&HangUp::Redirected(70)));

    let mut stage = Stage::new(&[]);
    stage.welcome(8, 0);
    stage.offer(1);
    stage.hear(&json!({ "type": "redirect", "after_ms": 70 }), 2);
    stage.client.tick(&stage.shared, 9 * SECOND);
    assert!(stage.client.wants_to_end().is_none());
    stage.client.heard_us = 11 * SECOND;
    stage.client.tick(&stage.shared, 11 * SECOND);
    assert_eq!(stage.client.wants_to_end(), Some(&HangUp::Redirected(70)), "not for ever");
}

#[test]
fn a_refusal_after_a_lost_answer_leaves_the_outcome_unknown() {
    let mut stage = Stage::new(&[]);
    stage.welcome(8, 0);
    stage.said();
    stage.offer(1);
    stage.said();
    stage.client.lost(&stage.shared, &HangUp::Silent, 2);
    stage.welcome(8, 3);
    let send = stage.said().pop().unwrap();
    stage.refuse(&send, "unavailable", "no", 4);
    let record = stage.client.sends[0];
    assert_eq!((record.outcome, record.invoked_us), (Outcome::Unknown, 1));
}
