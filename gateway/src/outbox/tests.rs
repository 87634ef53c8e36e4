//! What is kept, what is dropped, and who is woken.

use super::*;
use crate::frame::About;

const LIMITS: OutboxLimits = OutboxLimits { frames: 3, bytes: 100, bulk: 8 };

fn queued(class: PushClass, bytes: usize) -> Frame {
    Frame::new(&vec![b'x'; bytes], About::class(class))
}

/// How many of which kind.
fn push(outbox: &Outbox, class: PushClass, bytes: usize) -> Vec<(&'static str, u32)> {
    outbox.push(queued(class, bytes), LIMITS).by_kind().collect()
}

#[test]
fn a_full_outbox_drops_the_ephemeral_and_keeps_the_entries() {
    let outbox = Outbox::default();
    push(&outbox, PushClass::Entry, 10);
    push(&outbox, PushClass::Ephemeral, 10);
    push(&outbox, PushClass::Ephemeral, 10);
    let itself = push(&outbox, PushClass::Ephemeral, 10);
    assert_eq!(itself, [("ephemeral", 1)]);
    assert_eq!(push(&outbox, PushClass::Entry, 10), [("ephemeral", 2)]);
    let taken = outbox.take();
    assert_eq!(taken.frames.len(), 2);
    assert!(taken.close.is_none());
}

#[test]
fn entries_that_find_no_room_close_the_socket_and_hold_no_memory() {
    let outbox = Outbox::default();
    for class in [PushClass::Entry, PushClass::Bulk, PushClass::Receipt] {
        assert_eq!(push(&outbox, class, 40), []);
    }
    let cleared = push(&outbox, PushClass::Entry, 40);
    assert_eq!(cleared, [("entry", 2), ("receipt", 1), ("bulk", 1)], "itself among them");
    let taken = outbox.take();
    assert_eq!(taken.close, Some(Close::TooSlow));
    assert!(taken.frames.is_empty());
}

#[test]
fn a_signal_that_finds_no_room_is_dropped_and_closes_nothing() {
    let outbox = Outbox::default();
    push(&outbox, PushClass::Ephemeral, 10);
    push(&outbox, PushClass::Entry, 10);
    push(&outbox, PushClass::Entry, 10);
    let before_typing = push(&outbox, PushClass::Signal, 10);
    assert_eq!(before_typing, [("ephemeral", 1)]);
    let itself = push(&outbox, PushClass::Signal, 10);
    assert_eq!(itself, [("signal", 1)]);
    let taken = outbox.take();
    assert_eq!(taken.frames.len(), 3);
    assert!(taken.close.is_none());
}

fn classes(taken: &Taken) -> Vec<PushClass> {
    taken.frames.iter().map(|frame| frame.about().class).collect()
}

#[test]
fn whatever_comes_later_overtakes_the_bulk_that_waits() {
    let outbox = Outbox::default();
    for _ in 0..6 {
        push(&outbox, PushClass::Bulk, 10);
    }
    push(&outbox, PushClass::Entry, 10);
    push(&outbox, PushClass::Signal, 10);
    let mut first = vec![PushClass::Entry, PushClass::Signal];
    first.extend([PushClass::Bulk; BULK_AT_ONCE]);
    assert_eq!(classes(&outbox.take()), first);
    // While those were written: it stands before the rest of the bulk.
    push(&outbox, PushClass::Answer, 10);
    let rest = [PushClass::Answer, PushClass::Bulk, PushClass::Bulk];
    assert_eq!(classes(&outbox.take()), rest);
}

#[tokio::test]
async fn bulk_that_is_left_is_told_again_without_anything_new() {
    let outbox = Outbox::default();
    for _ in 0..=BULK_AT_ONCE {
        push(&outbox, PushClass::Bulk, 10);
    }
    outbox.changed().await;
    assert_eq!(outbox.take().frames.len(), BULK_AT_ONCE);
    outbox.changed().await;
    assert_eq!(outbox.take().frames.len(), 1);
}

#[test]
fn bulk_takes_no_room_from_entries_and_pushes_out_only_its_oldest() {
    let outbox = Outbox::default();
    for number in 0..20 {
        let dropped = push(&outbox, PushClass::Bulk, number);
        assert_eq!(dropped, [("bulk", 1)][usize::from(number < LIMITS.bulk)..]);
    }
    for _ in 0..3 {
        assert_eq!(push(&outbox, PushClass::Entry, 10), []);
    }
    let taken = outbox.take();
    assert!(taken.close.is_none());
    assert_eq!(taken.frames.len(), 3 + BULK_AT_ONCE);
    assert_eq!(taken.frames[3].len(), 20 - LIMITS.bulk, "the oldest that is left");
}

#[test]
fn a_run_takes_the_room_of_its_frames_and_is_dropped_as_so_many() {
    let outbox = Outbox::default();
    let run = Frame::run(vec![queued(PushClass::Entry, 10); 2]);
    assert!(outbox.push(run.clone(), LIMITS).is_none());
    assert_eq!(outbox.waiting().0, 2);
    push(&outbox, PushClass::Entry, 10);
    let dropped: Vec<_> = outbox.push(run, LIMITS).by_kind().collect();
    assert_eq!(dropped, [("entry", 5)]);
    assert_eq!(outbox.take().close, Some(Close::TooSlow));
}

#[test]
fn one_frame_larger_than_the_bound_still_goes_out_alone() {
    let outbox = Outbox::default();
    push(&outbox, PushClass::Entry, 1_000);
    assert_eq!(outbox.take().frames.len(), 1);
}
