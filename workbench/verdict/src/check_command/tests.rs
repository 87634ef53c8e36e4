//! Recorded histories are spoilt one way at a time: each is caught by exactly the rule named after
//! it, and what cannot be judged is unknown.

mod single_faults;
mod story;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::check::Rule;
use crate::event::{Doubt, Event, Line, Way};
use story::{Story, conversation_id, entry, hash, steps};

fn options() -> CheckOptions {
    CheckOptions {
        files: Vec::new(),
        min_acknowledged: 1,
        strict_live: false,
        presence_window: Duration::from_secs(15),
        delivery_window: Some(Duration::from_secs(10)),
        json: None,
    }
}

fn text(lines: &[Line]) -> Vec<u8> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line).unwrap();
        text.push(b'\n');
    }
    text
}

fn judged(story: &Story) -> Judgement {
    judged_under(story, &options())
}

fn judged_under(story: &Story, options: &CheckOptions) -> Judgement {
    let (mut run, mut common) = (RunLines::default(), CommonLines::default());
    replay::feed(text(&story.run).as_slice(), &mut run, &mut common).unwrap();
    let mut beside = RunLines::default();
    replay::feed(text(&story.common).as_slice(), &mut beside, &mut common).unwrap();
    assert!(run.is_run() && !beside.is_run());
    let runs = vec![(PathBuf::from("story"), run.judged(&common))];
    judge(&common, &runs, options).0
}

fn broken(story: &Story) -> Vec<Rule> {
    let judgement = judged(story);
    assert_eq!(judgement.verdict == Verdict::Invalid, !judgement.findings.violations.is_empty());
    judgement.findings.violations.into_keys().collect()
}

/// Why a story without a broken rule is not valid.
fn unknown(story: &Story) -> String {
    let judgement = judged(story);
    assert_eq!((judgement.verdict, judgement.exit_code()), (Verdict::Unknown, 2), "{judgement}");
    judgement.reasons.join("\n")
}

fn is_recv(event: &Event) -> bool {
    matches!(event, Event::Recv { .. })
}

/// Changes one entry that came.
fn spoil(story: &mut Story, pick: Index, change: impl Fn(&mut Event)) {
    let places = story.places(is_recv);
    change(&mut story.run[*pick.get(&places)].event);
}

fn beside(story: &mut Story, is_meant: impl Fn(&Event) -> bool, change: impl Fn(&mut Event)) {
    let line = story.common.iter_mut().find(|line| is_meant(&line.event)).unwrap();
    change(&mut line.event);
}

/// A conversation with neighbours for which `is_meant` says yes, and the place of the first.
fn neighbours(story: &Story, is_meant: impl Fn(u32, u32) -> bool) -> Option<(u32, u32)> {
    (0..2).find_map(|conv| {
        let mut pairs = (1..).zip(story.log(conv).windows(2));
        pairs.find(|(_, pair)| is_meant(pair[0].0, pair[1].0)).map(|(seq, _)| (conv, seq))
    })
}

fn swap(story: &mut Story, conv: u32, seq: u32) {
    story.renumber(conv, |place| match place {
        place if place == seq => seq + 1,
        place if place == seq + 1 => seq,
        place => place,
    });
    // Not live, where the order on the wire counts too, and no sync in between.
    story.run.retain(|line| !matches!(line.event, Event::SyncBegin { .. }));
    for line in &mut story.run {
        if let Event::Recv { via, .. } = &mut line.event {
            *via = Way::Sync;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_global_rejects: 20_000, ..<_>::default() })]

    #[test]
    fn a_good_history_is_valid_and_nothing_is_left_unjudged(steps in steps()) {
        let judgement = judged(&Story::of(&steps));
        prop_assert_eq!(judgement.verdict, Verdict::Valid, "{}", judgement);
        prop_assert_eq!(judgement.acknowledged, steps.len() as u64);
        prop_assert_eq!(judgement.findings.entries, steps.len() as u64);
        prop_assert_eq!(judgement.faults.len(), 2);
        // No fault hides behind these: pushes may be lost, no notice came, and nothing was put back to a moment before.
        prop_assert_eq!(judgement.not_judged.len(), 3, "{:?}", judgement.not_judged);
    }

    #[test]
    fn an_entry_that_never_came_is_unseen(steps in steps(), pick in any::<Index>()) {
        let mut story = Story::of(&steps);
        let places = story.places(is_recv);
        story.run.remove(*pick.get(&places));
        prop_assert_eq!(broken(&story), [Rule::Unseen]);
    }

    #[test]
    fn an_entry_shown_twice_is_a_duplicate_delivery_and_a_dropped_repeat_is_counted(
        steps in steps(), pick in any::<Index>(),
    ) {
        let mut story = Story::of(&steps);
        let at = *pick.get(&story.places(is_recv));
        let again = story.run[at].clone();
        story.run.insert(at + 1, again);
        prop_assert_eq!(broken(&story), [Rule::DuplicateDelivery]);
        let Event::Recv { shown, .. } = &mut story.run[at + 1].event else { unreachable!() };
        *shown = false;
        let judgement = judged(&story);
        prop_assert_eq!(judgement.verdict, Verdict::Valid, "{}", judgement);
        prop_assert_eq!(judgement.findings.wire_repeats, 1);
    }

    #[test]
    fn a_changed_hash_is_altered_content(steps in steps(), pick in any::<Index>(), in_row: bool) {
        let mut story = Story::of(&steps);
        if in_row {
            beside(&mut story, |event| matches!(event, Event::Row { .. }), |event| {
                if let Event::Row { text, .. } = event { text.push('!') }
            });
        } else {
            spoil(&mut story, pick, |event| {
                if let Event::Recv { entry, .. } = event { entry.hash ^= 1 }
            });
        }
        prop_assert_eq!(broken(&story), [Rule::AlteredContent]);
    }

    #[test]
    fn another_id_is_an_inconsistent_offset(steps in steps(), pick in any::<Index>()) {
        let mut story = Story::of(&steps);
        spoil(&mut story, pick, |event| {
            if let Event::Recv { entry, .. } = event { entry.id = conversation_id(77) }
        });
        prop_assert_eq!(broken(&story), [Rule::InconsistentOffsets]);
    }

    #[test]
    fn a_senders_swapped_sends_are_nonmonotonic_and_those_of_others_stale(steps in steps()) {
        let story = Story::of(&steps);
        if let Some((conv, seq)) = neighbours(&story, |one, other| one == other) {
            let mut story = story.clone();
            swap(&mut story, conv, seq);
            prop_assert_eq!(broken(&story), [Rule::IntSendNonmonotonic]);
        }
        if let Some((conv, seq)) = neighbours(&story, |one, other| one != other) {
            let mut story = story.clone();
            swap(&mut story, conv, seq);
            prop_assert_eq!(broken(&story), [Rule::StaleAppend]);
        }
    }

    #[test]
    fn an_ok_before_a_sync_that_missed_it_is_a_stale_read(steps in steps()) {
        let mut story = Story::of(&steps);
        let sync = story.places(|event| matches!(event, Event::SyncBegin { dev: 0, .. }))[0];
        let first = story.places(|event| matches!(event, Event::Ok { .. }));
        let Some(ok) = first.into_iter().find(|at| *at > sync) else { return Ok(()) };
        if !matches!(story.run[ok].event, Event::Ok { dev: 0, .. }) {
            return Ok(());
        }
        // With its send, so that nothing else is wrong about it.
        let Event::Ok { cid: meant, .. } = story.run[ok].event else { unreachable!() };
        let invoke = story.places(
            |event| matches!(event, Event::Invoke { cid, .. } if *cid == meant),
        )[0];
        let begun = story.run[sync].t;
        let mut line = story.run.remove(ok);
        line.t = begun - 1;
        let mut asked = story.run.remove(invoke);
        asked.t = begun - 2;
        story.run.insert(sync, line);
        story.run.insert(sync, asked);
        prop_assert_eq!(broken(&story), [Rule::StaleRead]);
    }

    #[test]
    fn an_unknown_outcome_shown_as_ok_is_a_lost_write(steps in steps()) {
        let mut story = Story::of(&steps);
        let (dev, n) = (0, steps.len() as u32);
        let seen = entry(0, story.head(0) + 1, (dev, n));
        let at = story.places(|event| matches!(event, Event::Status { .. }))[0];
        let t = story.run[at - 1].t;
        let cid = seen.cid.unwrap();
        let invoke = Event::Invoke { dev, conv: 0, n, cid, hash: hash(dev, n), again: false };
        let info = Event::Info { dev, n, why: Doubt::Lost };
        let mut doubtful = story.clone();
        doubtful.run.insert(at, Line { t, event: info });
        doubtful.run.insert(at, Line { t, event: invoke.clone() });
        prop_assert!(unknown(&doubtful).contains("never answered"));
        let ok = Event::Ok { dev, conv: Some(0), n: Some(n), cid, seq: seen.seq, id: seen.id };
        story.run.insert(at, Line { t, event: ok });
        story.run.insert(at, Line { t, event: invoke });
        let found = broken(&story);
        prop_assert!(found.contains(&Rule::LostWrite), "{:?}", found);
            prop_assert!(found.iter().all(|rule| [Rule::LostWrite, Rule::Unseen].contains(rule)));
    }

    #[test]
    fn a_row_or_a_page_that_lacks_an_entry_is_a_lost_write(steps in steps(), in_row: bool) {
        let mut story = Story::of(&steps);
        if in_row {
            let is_row = |line: &Line| matches!(line.event, Event::Row { .. });
            let at = story.common.iter().rposition(is_row).unwrap();
            story.common.remove(at);
        } else {
            let at = *story.places(|event| matches!(event, Event::Log { .. })).last().unwrap();
            story.run.remove(at);
        }
        prop_assert_eq!(broken(&story), [Rule::LostWrite]);
    }

    #[test]
    fn a_row_of_a_refused_send_is_an_aborted_read_and_one_of_nobody_a_phantom(steps in steps()) {
        let mut story = Story::of(&steps);
        let (dev, n) = (1, steps.len() as u32);
        let seen = entry(0, story.head(0) + 1, (dev, n));
        let (conversation, seq, id, cid) = (conversation_id(0), seen.seq, seen.id, seen.cid);
        let (sender, text) = (format!("story-{dev}"), format!("text {n} of {dev}"));
        let row = Event::Row { conversation, seq, id, cid, system: false, sender, text };
        let t = story.common[0].t;
        story.common.insert(1, Line { t, event: row });
        prop_assert_eq!(broken(&story), [Rule::Phantom]);
        let at = story.places(|event| matches!(event, Event::Status { .. }))[0];
        let t = story.run[at - 1].t;
        let fail = Event::Fail { dev, n, code: "forbidden".to_owned() };
        let hash = hash(dev, n);
        let invoke = Event::Invoke { dev, conv: 0, n, cid: cid.unwrap(), hash, again: false };
        story.run.insert(at, Line { t, event: fail });
        story.run.insert(at, Line { t, event: invoke });
        prop_assert_eq!(broken(&story), [Rule::AbortedRead]);
    }

    #[test]
    fn a_place_left_out_everywhere_is_a_gap(steps in steps()) {
        let mut story = Story::of(&steps);
        prop_assume!(story.head(0) > 2);
        for line in &mut story.run {
            // Receipts and cursors follow the log, or they would be wrong too.
            if let Event::Cursor { conv: 0, seq, .. } = &mut line.event {
                *seq += u32::from(*seq >= 2);
            }
            if let Event::SyncPage { conv: 0, head, .. } = &mut line.event { *head += 1 }
        }
        for line in &mut story.common {
            if let Event::CursorRow { conversation, delivered, .. } = &mut line.event {
                *delivered += u64::from(*conversation == conversation_id(0));
            }
        }
        story.renumber(0, |seq| seq + u32::from(seq >= 2));
        prop_assert_eq!(broken(&story), [Rule::Gap]);
    }

    #[test]
    fn entries_outside_a_membership_are_a_leak(steps in steps(), is_late: bool) {
        let mut story = Story::of(&steps);
        let is_new = |event: &Event| matches!(
            event, Event::Recv { dev: 1, entry, .. } if entry.conv == 0 && entry.seq == 1
        );
        let first = story.places(is_new);
        prop_assume!(!first.is_empty());
        let member = story.places(|event| matches!(event, Event::Member { dev: 1, conv: 0, .. }))[0];
        let Event::Member { from_seq, to_seq, .. } = &mut story.run[member].event else {
            unreachable!()
        };
        if is_late { *from_seq = 2 } else { *to_seq = Some(0) }
        prop_assert_eq!(broken(&story), [Rule::Leak]);
    }

    #[test]
    fn a_receipt_that_goes_back_or_too_far_is_a_cursor_regress(
        steps in steps(), pick in any::<Index>(), way in 0..3,
    ) {
        let mut story = Story::of(&steps);
        let receipts = story.places(|event| matches!(event, Event::Receipt { .. }));
        let at = *pick.get(&receipts);
        let mut event = story.run[at].event.clone();
        let Event::Receipt { delivered, read, .. } = &mut event else { unreachable!() };
        match way {
            0 => *delivered -= 1,
            1 => *delivered = 1_000,
            _ => *read = *delivered + 1,
        }
        let t = story.run[at].t;
        story.run.insert(at + 1, Line { t, event });
        if way == 0 {
            // Clients keep the highest, and a partition that moves may do it.
            let judgement = judged(&story);
            prop_assert_eq!(judgement.verdict, Verdict::Valid, "{}", judgement);
            prop_assert_eq!(judgement.findings.late_receipts, 1);
            let strict = CheckOptions { strict_live: true, ..options() };
            let violations = judged_under(&story, &strict).findings.violations;
            prop_assert_eq!(violations.into_keys().collect::<Vec<_>>(), [Rule::CursorRegress]);
        } else {
            prop_assert_eq!(broken(&story), [Rule::CursorRegress]);
        }
    }

    #[test]
    fn a_cursor_that_the_database_has_otherwise_is_a_cursor_regress(
        steps in steps(), is_more: bool,
    ) {
        let mut story = Story::of(&steps);
        prop_assume!(story.head(0) > 0);
        beside(&mut story, |event| matches!(event, Event::CursorRow { .. }), |event| {
            let Event::CursorRow { delivered, .. } = event else { return };
            *delivered = if is_more { *delivered + 1 } else { *delivered - 1 };
        });
        prop_assert_eq!(broken(&story), [Rule::CursorRegress]);
    }
}
