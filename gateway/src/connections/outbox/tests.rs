//! What is kept, what is dropped, and who is woken.

use super::*;
use crate::net::frame::About;

const LIMITS: OutboxLimits = OutboxLimits { frames: 3, bytes: 100, bulk: 8 };

fn queued(class: Class, bytes: usize) -> Frame {
    Frame::new(&vec![b'x'; bytes], About::class(class))
}

/// How many of which kind.
fn push(outbox: &Outbox, class: Class, bytes: usize) -> Vec<(&'static str, u32)> {
    outbox.push(queued(class, bytes), LIMITS).by_kind().collect()
}

#[test]
fn a_full_outbox_drops_the_ephemeral_and_keeps_the_entries() {
    let outbox = Outbox::default();
    push(&outbox, Class::Entry, 10);
    push(&outbox, Class::Ephemeral, 10);
    push(&outbox, Class::Ephemeral, 10);
    let itself = push(&outbox, Class::Ephemeral, 10);
    assert_eq!(itself, [("ephemeral", 1)]);
    assert_eq!(push(&outbox, Class::Entry, 10), [("ephemeral", 2)]);
    let taken = outbox.take();
    assert_eq!(taken.frames.len(), 2);
    assert!(taken.close.is_none());
}

#[test]
fn entries_that_find_no_room_close_the_socket_and_hold_no_memory() {
    let outbox = Outbox::default();
    for class in [Class::Entry, Class::Bulk, Class::Receipt] {
        assert_eq!(push(&outbox, class, 40), []);
    }
    let cleared = push(&outbox, Class::Entry, 40);
    assert_eq!(cleared, [("entry", 2), ("receipt", 1), ("bulk", 1)], "itself among them");
    let taken = outbox.take();
    assert_eq!(taken.close, Some(Close::TooSlow));
    assert!(taken.frames.is_empty());
}

#[test]
fn a_signal_that_finds_no_room_is_dropped_and_closes_nothing() {
    let outbox = Outbox::default();
    push(&outbox, Class::Ephemeral, 10);
    push(&outbox, Class::Entry, 10);
    push(&outbox, Class::Entry, 10);
    let before_typing = push(&outbox, Class::Signal, 10);
    assert_eq!(before_typing, [("ephemeral", 1)]);
    let itself = push(&outbox, Class::Signal, 10);
    assert_eq!(itself, [("signal", 1)]);
    let taken = outbox.take();
    assert_eq!(taken.frames.len(), 3);
    assert!(taken.close.is_none());
}

fn classes(taken: &Taken) -> Vec<Class> {
    taken.frames.iter().map(|frame| frame.about().class).collect()
}

#[test]
fn whatever_comes_later_overtakes_the_bulk_that_waits_and_what_is_high_overtakes_all() {
    let outbox = Outbox::default();
    for _ in 0..6 {
        push(&outbox, Class::Bulk, 10);
    }
    push(&outbox, Class::Entry, 10);
    push(&outbox, Class::Signal, 10);
    let mut first = vec![Class::Signal, Class::Entry];
    first.extend([Class::Bulk; BULK_AT_ONCE]);
    assert_eq!(classes(&outbox.take()), first);
    // While those were written: it stands before the rest of the bulk.
    push(&outbox, Class::Answer, 10);
    let rest = [Class::Answer, Class::Bulk, Class::Bulk];
    assert_eq!(classes(&outbox.take()), rest);
}

fn notice(class: Class, place: u64) -> Frame {
    Frame::new(b"{}", About { notice: place, ..About::class(class) })
}

fn notices(taken: &Taken) -> Vec<u64> {
    taken.frames.iter().map(|frame| frame.about().notice).collect()
}

#[test]
fn notices_are_never_written_in_another_order_than_that_of_their_log() {
    let outbox = Outbox::default();
    let push = |class, place| -> u32 {
        outbox.push(notice(class, place), LIMITS).by_kind().map(|(_, count)| count).sum()
    };
    assert_eq!((push(Class::Bulk, 4), push(Class::Bulk, 5), push(Class::Bulk, 7)), (0, 0, 0));
    assert_eq!(push(Class::Bulk, 6), 1, "it came after a later one");
    super::tests::push(&outbox, Class::Bulk, 10);
    assert_eq!(push(Class::Urgent, 9), 3, "what it overtakes");
    assert_eq!(push(Class::Bulk, 8), 1);
    assert_eq!(push(Class::Bulk, 10), 0);
    assert_eq!(notices(&outbox.take()), [9, 0, 10]);

    // While pages of a sync are written, entries of every line wait behind them.
    push(Class::Bulk, 11);
    push(Class::Urgent, 12);
    super::tests::push(&outbox, Class::Entry, 10);
    super::tests::push(&outbox, Class::Answer, 10);
    assert_eq!(classes(&outbox.take_but_entries()), [Class::Answer]);
    assert_eq!(classes(&outbox.take()), [Class::Urgent, Class::Entry]);
}

#[tokio::test]
async fn bulk_that_is_left_is_told_again_without_anything_new() {
    let outbox = Outbox::default();
    for _ in 0..=BULK_AT_ONCE {
        push(&outbox, Class::Bulk, 10);
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
        let dropped = push(&outbox, Class::Bulk, number);
        assert_eq!(dropped, [("bulk", 1)][usize::from(number < LIMITS.bulk)..]);
    }
    for _ in 0..3 {
        assert_eq!(push(&outbox, Class::Entry, 10), []);
    }
    let taken = outbox.take();
    assert!(taken.close.is_none());
    assert_eq!(taken.frames.len(), 3 + BULK_AT_ONCE);
    assert_eq!(taken.frames[3].len(), 20 - LIMITS.bulk, "the oldest that is left");
}

#[test]
fn a_run_takes_the_room_of_its_frames_and_is_dropped_as_so_many() {
    let outbox = Outbox::default();
    let run = Frame::run(vec![queued(Class::Entry, 10); 2]);
    assert!(outbox.push(run.clone(), LIMITS).is_none());
    assert_eq!(outbox.waiting().0, 2);
    push(&outbox, Class::Entry, 10);
    let dropped: Vec<_> = outbox.push(run, LIMITS).by_kind().collect();
    assert_eq!(dropped, [("entry", 5)]);
    assert_eq!(outbox.take().close, Some(Close::TooSlow));
}

#[test]
fn one_frame_larger_than_the_bound_still_goes_out_alone() {
    let outbox = Outbox::default();
    push(&outbox, Class::Entry, 1_000);
    assert_eq!(outbox.take().frames.len(), 1);
}
