//! Whichever task writes, and however much room there is: the client gets every frame once, whole and in order.

use parking_lot::Mutex;
use proptest::collection::vec;
use proptest::prelude::*;
use proto::id::ConversationId;
use uuid::Uuid;

use super::*;
use crate::connections::outbox::{Outbox, OutboxLimits};
use crate::net::frame::{About, Class, Entries};

const LIMITS: OutboxLimits = OutboxLimits { frames: 10_000, bytes: 10 << 20, bulk: 1 };

/// A socket with so much room.
#[derive(Debug, Default)]
struct Wire(Mutex<(usize, Vec<u8>)>);

impl TryWrite for Wire {
    fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let (room, taken) = &mut *self.0.lock();
        if *room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let before = taken.len();
        for part in parts {
            let count = part.len().min(*room);
            taken.extend(&part[..count]);
            *room -= count;
        }
        Ok(taken.len() - before)
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// So many frames of so many bytes are handed out and written.
    HandedOut(Vec<usize>),
    /// One comes by the way on which the session is woken.
    Comes(usize),
    /// The client reads.
    Room(usize),
    /// The session wakes, says something of so many bytes, and rests again.
    Wakes(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => vec(1..400_usize, 1..4).prop_map(Step::HandedOut),
        1 => (1..400_usize).prop_map(Step::Comes),
        3 => (0..1_500_usize).prop_map(Step::Room),
        2 => (0..300_usize).prop_map(Step::Wakes),
    ];
    vec(step, 1..80)
}

/// A session and what it knows.
struct World {
    outbox: Outbox,
    wire: Arc<Wire>,
    lent: WritePermission,
    seq: u64,
    expected: Vec<u8>,
    told: Vec<u64>,
    journalled: Vec<u64>,
}

impl World {
    fn new(lent: WritePermission) -> Self {
        let (outbox, wire) = (Outbox::default(), Arc::new(Wire::default()));
        outbox.connect(Some(Line::new(wire.clone(), Encoding::default())));
        let world = Self {
            outbox,
            wire,
            lent,
            seq: 0,
            expected: Vec::new(),
            told: Vec::new(),
            journalled: Vec::new(),
        };
        world.rests();
        world
    }

    fn rests(&self) {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let is_changed = self.outbox.poll_changed(&mut cx, self.lent).is_ready();
        assert!(!is_changed, "it has taken everything");
    }

    fn frame(&mut self, bytes: usize) -> Frame {
        self.seq += 1;
        let entries = Entries::one(ConversationId(Uuid::from_u128(7)), self.seq);
        let about = About { entries: Some(entries), ..About::class(Class::Entry) };
        let frame = Frame::new(&vec![b'a' + (self.seq % 26) as u8; bytes], about);
        self.expected.extend(frame.wire(Encoding::default()));
        frame
    }

    fn handed_out(&mut self, sizes: &[usize]) {
        let frames: Vec<_> = sizes.iter().map(|bytes| self.frame(*bytes)).collect();
        assert!(self.outbox.push_quietly(frames.into_iter(), LIMITS).is_none());
        let written = self.outbox.write();
        let seqs: Vec<u64> = written.entries.iter().flat_map(|it| it.first..=it.last).collect();
        assert_eq!(written.frames, seqs.len() as u64);
        self.journalled.extend(seqs);
    }

    fn wakes(&mut self, says: usize) {
        let used = self.outbox.take_back();
        self.told.extend(used.entries.iter().flat_map(|it| it.first..=it.last));
        let mut out = used.rest;
        let taken = self.outbox.take();
        for frame in &taken.frames {
            out.extend(frame.wire(Encoding::default()));
            let entries = frame.about().entries.unwrap();
            self.told.extend(entries.first..=entries.last);
            self.journalled.extend(entries.first..=entries.last);
        }
        let said = Frame::new(&vec![b'!'; says], About::class(Class::Answer));
        out.extend(said.wire(Encoding::default()));
        self.expected.extend(said.wire(Encoding::default()));
        // It waits for room as long as it takes.
        self.wire.0.lock().1.extend(out);
        self.rests();
    }
}

proptest! {
    #[test]
    fn the_client_gets_every_frame_once_whole_and_in_order(
        steps in steps(), is_told: bool,
    ) {
        let mut world = World::new(if is_told { WritePermission::Told } else { WritePermission::Untold });
        for step in steps {
            match step {
                Step::HandedOut(sizes) => world.handed_out(&sizes),
                Step::Comes(bytes) => {
                    let frame = world.frame(bytes);
                    assert!(world.outbox.push(frame, LIMITS).is_none());
                }
                Step::Room(bytes) => world.wire.0.lock().0 = bytes,
                Step::Wakes(says) => world.wakes(says),
            }
        }
        world.wakes(0);
        prop_assert_eq!(&world.wire.0.lock().1, &world.expected);
        let all: Vec<u64> = (1..=world.seq).collect();
        prop_assert_eq!(&world.journalled, &all);
        if is_told {
            prop_assert_eq!(&world.told, &all);
        }
    }
}

/// Whether a frame is written without the session.
fn is_written(lent: WritePermission, about: About) -> bool {
    let world = World::new(lent);
    world.wire.0.lock().0 = usize::MAX;
    let frame = Frame::new(b"{}", about);
    assert!(world.outbox.push_quietly(std::iter::once(frame), LIMITS).is_none());
    let count = world.outbox.write().frames;
    assert_eq!(world.outbox.waiting().0 as u64, 1 - count, "what is not written waits");
    count == 1
}

#[test]
fn what_the_session_has_to_do_itself_waits_for_it() {
    let entries = || Some(Entries::one(ConversationId(Uuid::from_u128(7)), 1));
    let entry = || About { entries: entries(), ..About::class(Class::Entry) };
    let typing = || About::class(Class::Ephemeral);
    let answer = || About { answers: vec![1].into(), ..entry() };
    let late = || About { is_late: true, ..entry() };
    let traced = || About { traceparent: "00-1".into(), ..entry() };
    let cases = [
        (WritePermission::No, [false; 5]),
        (WritePermission::ButEntries, [false, true, false, false, false]),
        (WritePermission::Told, [true, true, false, false, false]),
        (WritePermission::Untold, [true, true, false, false, false]),
    ];
    for (lent, expected) in cases {
        let abouts = [entry(), typing(), answer(), traced(), late()];
        let written = abouts.map(|about| is_written(lent, about));
        assert_eq!(written, expected, "{lent:?}");
    }
}

#[tokio::test]
async fn a_session_is_woken_for_what_could_not_be_written_and_for_nothing_else() {
    let mut world = World::new(WritePermission::Untold);
    world.wire.0.lock().0 = 100;
    world.handed_out(&[50]);
    let woken = |world: &World| {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        world.outbox.poll_changed(&mut cx, WritePermission::Untold).is_ready()
    };
    assert!(!woken(&world));
    world.handed_out(&[80]);
    assert!(woken(&world), "of the second the rest is left");
    assert_eq!(world.outbox.waiting().0, 0);
    assert!(!world.outbox.take_back().rest.is_empty());
}
