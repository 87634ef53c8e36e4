//! Whatever the slices and whenever pushes come: every member has what is theirs, once and in order.

use bytes::Bytes;
use prometheus_client::metrics::gauge::Gauge;
use proptest::collection::vec;
use proptest::prelude::*;
use proto::bus::ChannelPush;
use proto::id::TenantId;
use uuid::Uuid;

use super::*;
use crate::memory::Budget;
use crate::net::frame::About;

/// What devices get that an entry is not for.
const BLANK: &str = "blank";

const LIMITS: OutboxLimits = OutboxLimits { frames: 10_000, bytes: 1 << 20, bulk: 1 };

#[derive(Debug, Clone)]
enum Change {
    Plain,
    Except(usize),
    OnlyWeb,
    /// Of this user, and with a frame for the devices that it is not for.
    ToWeb(usize),
    Joins(usize),
    Leaves(usize),
}

#[derive(Debug, Clone)]
enum Step {
    Comes(Change),
    Slice(usize),
    Reads(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let push = prop_oneof![
        8 => Just(Change::Plain),
        2 => (0..8_usize).prop_map(Change::Except),
        1 => Just(Change::OnlyWeb),
        2 => (0..8_usize).prop_map(Change::ToWeb),
        1 => (0..8_usize).prop_map(Change::Joins),
        1 => (0..8_usize).prop_map(Change::Leaves),
    ];
    let step = prop_oneof![
        3 => push.prop_map(Step::Comes),
        2 => (1..6_usize).prop_map(Step::Slice),
        1 => (0..8_usize).prop_map(Step::Reads),
    ];
    vec(step, 1..200)
}

fn connection(registry: &Registry, place: usize) -> Arc<Connection> {
    let mut connection = Connection::for_test(registry.next_number(), &format!("user-{place}"));
    if let Some(connection) = Arc::get_mut(&mut connection) {
        connection.device_type =
            if place.is_multiple_of(2) { DeviceType::Web } else { DeviceType::Ios };
    }
    registry.insert(Arc::clone(&connection));
    connection
}

/// A channel of which everybody is known, and what each has to hear of it.
struct World {
    registry: Registry,
    connections: Vec<Arc<Connection>>,
    channel: LargeConversation,
    is_member: Vec<bool>,
    /// Each with whether it is the frame, and not the blank.
    expected: Vec<Vec<(u64, bool)>>,
    heard: Vec<Vec<(u64, bool)>>,
    seq: u64,
}

impl World {
    fn new(members: &[bool]) -> Self {
        let registry = Registry::default();
        let connections: Vec<_> =
            (0..members.len()).map(|place| connection(&registry, place)).collect();
        let mut channel = LargeConversation::default();
        let from_seqs = connections.iter().zip(members).filter(|(_, is_member)| **is_member);
        let here = MembersHere {
            head: 0,
            asked: connections.clone(),
            from_seqs: from_seqs.map(|(connection, _)| (connection.user_id.clone(), 1)).collect(),
        };
        channel.learn(here, registry.arrivals(), true);
        let nothing = vec![Vec::new(); members.len()];
        let is_member = members.to_vec();
        let (expected, heard) = (nothing.clone(), nothing);
        Self { registry, connections, channel, is_member, expected, heard, seq: 0 }
    }

    fn comes(&mut self, what: &Change) {
        let count = self.connections.len();
        let mut about = ChannelPush::default();
        let mut is_for: Vec<bool> = self.is_member.clone();
        let mut is_whole = vec![true; count];
        let name = |place: usize| format!("user-{}", place % count);
        match what {
            Change::Plain => {}
            Change::Except(place) => {
                about.except = self.connections[place % count].number;
                is_for[place % count] = false;
            }
            Change::OnlyWeb => {
                about.set_device_type(DeviceType::Web);
                for (is_for, connection) in is_for.iter_mut().zip(&self.connections) {
                    *is_for &= connection.device_type == DeviceType::Web;
                }
            }
            Change::ToWeb(sender) => {
                about.set_device_type(DeviceType::Web);
                (about.sender, about.blank) = (name(*sender), BLANK.into());
                for (place, connection) in self.connections.iter().enumerate() {
                    is_whole[place] =
                        connection.device_type == DeviceType::Web || place == sender % count;
                }
            }
            Change::Joins(place) => {
                about.joined = vec![name(*place)];
                is_for[place % count] = true;
                self.is_member[place % count] = true;
            }
            Change::Leaves(place) => {
                about.left = name(*place);
                self.is_member[place % count] = false;
            }
        }
        self.seq += 1;
        for (place, expected) in self.expected.iter_mut().enumerate().filter(|it| is_for[it.0]) {
            expected.push((self.seq, is_whole[place]));
        }
        let push = EntryPush {
            frame: Bytes::from(self.seq.to_string()),
            conversation_id: Bytes::copy_from_slice(Uuid::from_u128(7).as_bytes()),
            seq: self.seq,
            channel: Some(about),
            ..EntryPush::default()
        };
        let about = || About::entry(&push, String::new());
        let frame = Frame::new(&push.frame, about());
        let blank = push.channel.as_ref().filter(|about| !about.blank.is_empty());
        let blank = blank.map(|it| Frame::new(&it.blank, about()));
        let arrivals = self.registry.arrivals();
        let share = Budget::new(1, 1, Gauge::default()).empty(None);
        self.channel.waiting.push_back(WaitingPush {
            push,
            frame,
            keys: None,
            blank,
            _share: share,
            arrivals,
            asked: 0,
            left: 0,
        });
    }

    fn slice(&mut self, members: usize) {
        if self.channel.is_handed_out() {
            if !matches!(self.channel.need(&self.registry, TenantId::DEFAULT), Need::HandOut) {
                assert!(self.channel.waiting.is_empty(), "everybody is known");
                return;
            }
            self.channel.begin(&self.registry);
        }
        assert!(self.channel.hand_out(members, LIMITS, &self.registry).dropped.is_none());
    }

    fn reads(&mut self, place: usize) {
        let place = place % self.connections.len();
        for frame in self.connections[place].outbox.take().frames {
            let told = frame
                .parts()
                .iter()
                .map(|part| (part.about().entries.unwrap().first, part.json() != BLANK.as_bytes()));
            self.heard[place].extend(told);
        }
    }
}

proptest! {
    #[test]
    fn every_member_has_what_is_theirs_once_and_in_order(
        members in vec(any::<bool>(), 1..8),
        steps in steps(),
    ) {
        let mut world = World::new(&members);
        for step in &steps {
            match step {
                Step::Comes(push) => world.comes(push),
                Step::Slice(members) => world.slice(*members),
                Step::Reads(place) => world.reads(*place),
            }
        }
        while !world.channel.waiting.is_empty() {
            world.slice(3);
        }
        for place in 0..members.len() {
            world.reads(place);
        }
        prop_assert_eq!(world.heard, world.expected);
    }

    #[test]
    fn what_comes_while_the_round_is_under_way_is_written_once_to_those_whose_turn_is_yet_to_come(
        place in 1..7_usize,
    ) {
        let mut world = World::new(&[true; 8]);
        world.comes(&Change::Plain);
        world.slice(place);
        (0..15).for_each(|_| world.comes(&Change::Plain));
        world.slice(8);
        let frames = |world: &World, place: usize| world.connections[place].outbox.take().frames.len();
        // Members stand in some order: so many have had the first alone, the others all as one.
        let singles = (0..8).filter(|member| {
            let connection = &world.connections[*member];
            connection.outbox.waiting().0 == 1
        });
        prop_assert_eq!(singles.count(), place);
        while !world.channel.waiting.is_empty() {
            world.slice(8);
        }
        let writes: usize = (0..8).map(|member| frames(&world, member)).sum();
        prop_assert_eq!(writes, 8 + place, "the second of two is the fifteen as one");
    }
}
