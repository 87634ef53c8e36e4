//! The checker is tested by spoiling good histories: each fault breaks exactly the rule named after
//! it, and a good history breaks none.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use uuid::Uuid;

use super::*;
use crate::history::{FOREIGN, Observation, SYSTEM, Via};

mod good_run;

use good_run::{CLIENTS, Log, Plan, mark, plans, run, seen};

fn broken(history: &History) -> Vec<Rule> {
    broken_under(history, Policy::default())
}

fn broken_under(history: &History, policy: Policy) -> Vec<Rule> {
    check(history, policy).violations.into_keys().collect()
}

/// A view that has an entry by another, and that entry's place.
fn victim(history: &History, pick: Index) -> Option<(usize, usize, u32)> {
    let mut found = Vec::new();
    for (client, part) in history.clients.iter().enumerate() {
        for (view, seen) in part.views.iter().enumerate() {
            let others = seen.observations.iter().filter(|o| o.sender != client as u32);
            found.extend(others.map(|o| (client, view, o.seq)));
        }
    }
    (!found.is_empty()).then(|| *pick.get(&found))
}

fn observations(history: &mut History, client: usize, view: usize) -> &mut Vec<Observation> {
    &mut history.clients[client].views[view].observations
}

/// Every record of a conversation's entries: what members saw and what the store holds.
fn all_records(history: &mut History, conversation: u32) -> impl Iterator<Item = &mut Observation> {
    let views = history.clients.iter_mut().flat_map(|client| &mut client.views);
    let seen = views.filter(move |view| view.conversation == conversation);
    let seen = seen.flat_map(|view| &mut view.observations);
    seen.chain(history.stored.get_mut(&conversation).into_iter().flatten())
}

/// Appends a record to everybody's view of a conversation, and to the store's log.
fn show_everybody(history: &mut History, conversation: u32, record: Observation) {
    for view in history.clients.iter_mut().flat_map(|client| &mut client.views) {
        if view.conversation == conversation {
            let connection = view.observations.last().map_or(1, |last| last.connection);
            view.observations.push(Observation { connection, ..record });
        }
    }
    if let Some(stored) = history.stored.get_mut(&conversation) {
        stored.push(record);
    }
}

/// Swaps what stands in two places, for everybody and in the answers.
fn swap_places(history: &mut History, conversation: u32, one: u32, other: u32) {
    let swapped = |seq: u32| match seq {
        seq if seq == one => other,
        seq if seq == other => one,
        seq => seq,
    };
    for client in &mut history.clients {
        for send in client.sends.iter_mut().filter(|send| send.conversation == conversation) {
            send.seq = swapped(send.seq);
        }
    }
    for record in all_records(history, conversation) {
        record.seq = swapped(record.seq);
    }
    // Delivered in the order of the spoilt log.
    for view in history.clients.iter_mut().flat_map(|client| &mut client.views) {
        if view.conversation == conversation {
            view.observations.sort_by_key(|seen| (seen.connection, seen.seq));
            let mut connection = 0;
            for seen in &mut view.observations {
                connection = connection.max(seen.connection);
                seen.connection = connection;
                seen.via = Via::Sync;
            }
        }
    }
}

/// Neighbours in a log for which `is_meant` says yes.
fn neighbours(
    history: &History,
    logs: &[Log],
    is_meant: impl Fn(&Send, u32, &Send, u32) -> bool,
) -> Option<(u32, u32)> {
    let send = |(sender, number): (u32, u32)| {
        (sender != SYSTEM).then(|| history.clients[sender as usize].sends[number as usize])
    };
    (0..).zip(logs).find_map(|(conversation, log)| {
        (1..).zip(log.windows(2)).find_map(|(seq, pair)| {
            let (one, other) = (send(pair[0])?, send(pair[1])?);
            is_meant(&one, pair[0].0, &other, pair[1].0).then_some((conversation, seq))
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_global_rejects: 20_000, ..<_>::default() })]

    #[test]
    fn a_good_history_breaks_nothing(plan in plans()) {
        let (history, logs) = run(&plan);
        let findings = check(&history, Policy { is_strict_live: true });
        prop_assert_eq!(&findings.violations, &BTreeMap::new(), "{:?}", findings.examples);
        prop_assert_eq!(findings.entries, logs.iter().map(|log| log.len() as u64).sum::<u64>());
    }

    #[test]
    fn an_entry_dropped_at_one_member_is_unseen(plan in plans(), pick in any::<Index>()) {
        let (mut history, _) = run(&plan);
        let Some((client, view, seq)) = victim(&history, pick) else { return Ok(()) };
        observations(&mut history, client, view).retain(|seen| seen.seq != seq);
        prop_assert_eq!(broken(&history), [Rule::Unseen]);
        history.clients[client].is_reached = false;
        prop_assert_eq!(broken(&history), []);
    }

    #[test]
    fn a_tail_cut_off_at_one_member_is_unseen(plan in plans(), pick in any::<Index>()) {
        let (mut history, _) = run(&plan);
        let Some((client, view, seq)) = victim(&history, pick) else { return Ok(()) };
        observations(&mut history, client, view).retain(|seen| seen.seq < seq);
        prop_assert_eq!(broken(&history), [Rule::Unseen]);
    }

    #[test]
    fn an_entry_that_history_lacks_is_a_lost_write(
        mut plan in plans(), pick in any::<Index>(), is_tail in any::<bool>(),
    ) {
        plan.with_history = true;
        let (mut history, logs) = run(&plan);
        let conversation = (0..).zip(&logs).find(|(_, log)| log.len() > 1).unwrap().0;
        let stored = history.stored.get_mut(&conversation).unwrap();
        let at = 1 + pick.index(stored.len() - 1);
        if is_tail {
            stored.truncate(at);
        } else {
            stored.remove(at);
        }
        prop_assert_eq!(broken(&history), [Rule::LostWrite]);
    }

    #[test]
    fn an_acknowledged_send_that_nobody_has_is_a_lost_write(mut plan in plans()) {
        plan.with_history = true;
        let (mut history, logs) = run(&plan);
        let conversation = (0..).zip(&logs).find(|(_, log)| log.len() > 1).unwrap().0;
        let last = logs[conversation as usize].len() as u32;
        for view in history.clients.iter_mut().flat_map(|client| &mut client.views) {
            if view.conversation == conversation {
                view.observations.retain(|seen| seen.seq != last);
            }
        }
        history.stored.get_mut(&conversation).unwrap().pop();
        prop_assert_eq!(broken(&history), [Rule::LostWrite]);
    }

    #[test]
    fn a_send_stored_twice_is_a_duplicate(plan in plans(), pick in any::<Index>()) {
        let (mut history, logs) = run(&plan);
        let (conversation, log) = (0..).zip(&logs).find(|(_, log)| log.len() > 1).unwrap();
        let entry = log[1 + pick.index(log.len() - 1)];
        let record = seen(conversation, log.len() as u32 + 1, entry, Via::Live);
        show_everybody(&mut history, conversation, record);
        prop_assert_eq!(broken(&history), [Rule::Duplicate]);
    }

    #[test]
    fn an_entry_repeated_on_the_wire_is_counted(plan in plans(), pick in any::<Index>()) {
        let (mut history, _) = run(&plan);
        let before = check(&history, Policy::default()).wire_repeats;
        let Some((client, view, seq)) = victim(&history, pick) else { return Ok(()) };
        let seen = observations(&mut history, client, view);
        let again = *seen.iter().find(|seen| seen.seq == seq).unwrap();
        let connection = seen.last().unwrap().connection;
        seen.push(Observation { connection, ..again });
        let findings = check(&history, Policy { is_strict_live: true });
        prop_assert_eq!(findings.violations, BTreeMap::new());
        prop_assert_eq!(findings.wire_repeats, before + 1);
    }

    #[test]
    fn two_places_swapped_at_one_member_are_inconsistent_offsets(
        plan in plans(), pick in any::<Index>(), other in any::<Index>(),
    ) {
        let (mut history, _) = run(&plan);
        let Some((client, view, one)) = victim(&history, pick) else { return Ok(()) };
        let seen = observations(&mut history, client, view);
        let places: Vec<u32> = seen.iter().map(|seen| seen.seq).filter(|seq| *seq != one).collect();
        prop_assume!(!places.is_empty());
        let other = *other.get(&places);
        let at = |seq| *seen.iter().find(|seen| seen.seq == seq).unwrap();
        let (first, second) = (at(one), at(other));
        for seen in seen.iter_mut().filter(|seen| seen.seq == one || seen.seq == other) {
            let Observation { mark, sender, number, .. } =
                if seen.seq == one { second } else { first };
            *seen = Observation { mark, sender, number, ..*seen };
        }
        prop_assert_eq!(broken(&history), [Rule::InconsistentOffsets]);
    }

    #[test]
    fn another_id_at_one_member_or_in_an_answer_is_inconsistent_offsets(
        plan in plans(), pick in any::<Index>(), in_answer in any::<bool>(),
    ) {
        let (mut history, _) = run(&plan);
        let Some((client, view, seq)) = victim(&history, pick) else { return Ok(()) };
        let seen = observations(&mut history, client, view);
        let Observation { sender, number, .. } = *seen.iter().find(|o| o.seq == seq).unwrap();
        if in_answer && sender != SYSTEM {
            history.clients[sender as usize].sends[number as usize].mark = mark(77);
        } else {
            for seen in seen.iter_mut().filter(|seen| seen.seq == seq) {
                seen.mark = mark(77);
            }
        }
        prop_assert_eq!(broken(&history), [Rule::InconsistentOffsets]);
    }

    #[test]
    fn an_entry_nobody_sent_is_a_phantom(plan in plans(), is_foreign in any::<bool>()) {
        let (mut history, logs) = run(&plan);
        let author = if is_foreign { (FOREIGN, 0) } else { (0, 1_000) };
        let record = seen(0, logs[0].len() as u32 + 1, author, Via::Live);
        show_everybody(&mut history, 0, record);
        prop_assert_eq!(broken(&history), [Rule::Phantom]);
    }

    #[test]
    fn an_entry_of_a_refused_send_is_an_aborted_read(plan in plans(), pick in any::<Index>()) {
        let (mut history, _) = run(&plan);
        let mut sends: Vec<&mut Send> =
            history.clients.iter_mut().flat_map(|client| &mut client.sends).collect();
        let at = pick.index(sends.len());
        sends[at].outcome = Outcome::Refused;
        prop_assert_eq!(broken(&history), [Rule::AbortedRead]);
    }

    #[test]
    fn an_unknown_outcome_may_be_stored(plan in plans(), pick in any::<Index>()) {
        let (mut history, _) = run(&plan);
        let client = pick.index(CLIENTS as usize);
        for send in &mut history.clients[client].sends {
            send.outcome = Outcome::Unknown;
        }
        prop_assert_eq!(broken(&history), []);
    }

    #[test]
    fn a_place_that_nothing_stands_in_is_a_gap(plan in plans(), pick in any::<Index>()) {
        let (mut history, logs) = run(&plan);
        let from = 2 + pick.index(logs[0].len()) as u32;
        prop_assume!(from <= logs[0].len() as u32);
        for send in history.clients.iter_mut().flat_map(|client| &mut client.sends) {
            if send.conversation == 0 && send.seq >= from {
                send.seq += 1;
            }
        }
        for record in all_records(&mut history, 0).filter(|record| record.seq >= from) {
            record.seq += 1;
        }
        prop_assert_eq!(broken(&history), [Rule::Gap]);
    }

    #[test]
    fn an_altered_text_is_altered_content(plan in plans(), pick in any::<Index>()) {
        let (mut history, _) = run(&plan);
        let Some((client, view, seq)) = victim(&history, pick) else { return Ok(()) };
        let seen = observations(&mut history, client, view);
        seen.iter_mut().find(|seen| seen.seq == seq).unwrap().is_altered = true;
        prop_assert_eq!(broken(&history), [Rule::AlteredContent]);
    }

    #[test]
    fn a_senders_later_send_before_an_earlier_one_is_nonmonotonic(plan in plans()) {
        let (mut history, logs) = run(&plan);
        let pair = neighbours(&history, &logs, |_, one, _, other| one == other);
        let Some((conversation, seq)) = pair else { return Ok(()) };
        swap_places(&mut history, conversation, seq, seq + 1);
        prop_assert_eq!(broken(&history), [Rule::IntSendNonmonotonic]);
        // Unless it was refused for a while and went out again behind the other.
        for send in history.clients.iter_mut().flat_map(|client| &mut client.sends) {
            send.is_late = true;
        }
        prop_assert_eq!(broken(&history), []);
    }

    #[test]
    fn an_entry_before_one_acknowledged_earlier_is_stale(plan in plans()) {
        let (mut history, logs) = run(&plan);
        let pair = neighbours(&history, &logs, |one, sender, other, another| {
            sender != another && one.acknowledged_us < other.invoked_us
        });
        let Some((conversation, seq)) = pair else { return Ok(()) };
        swap_places(&mut history, conversation, seq, seq + 1);
        prop_assert_eq!(broken(&history), [Rule::StaleAppend]);
    }

    #[test]
    fn a_live_entry_after_a_later_one_is_a_nonmonotonic_poll(plan in plans()) {
        let (mut history, _) = run(&plan);
        for (client, part) in history.clients.iter_mut().enumerate() {
            for view in &mut part.views {
                let seen = &mut view.observations;
                seen.retain(|seen| seen.sender != client as u32);
                seen.dedup();
                let is_pair = |pair: &[Observation]| {
                    pair[0].connection == pair[1].connection
                        && pair.iter().all(|seen| seen.via == Via::Live)
                };
                let Some(at) = seen.windows(2).position(is_pair) else { continue };
                seen.swap(at, at + 1);
                prop_assert_eq!(broken(&history), [Rule::NonmonotonicPoll]);
                return Ok(());
            }
        }
    }

    #[test]
    fn a_skipped_entry_that_a_sync_brings_is_counted_or_strictly_a_poll_skip(plan in plans()) {
        let (mut history, _) = run(&Plan { noise: vec![1], ..plan });
        let views = history.clients.iter_mut().flat_map(|client| &mut client.views);
        let view = views.map(|view| &mut view.observations).max_by_key(|seen| seen.len());
        let Some(seen) = view else { return Ok(()) };
        seen.dedup();
        prop_assume!(seen.len() > 2);
        let skipped = seen.remove(1);
        seen.push(Observation { via: Via::Sync, ..skipped });
        let findings = check(&history, Policy::default());
        prop_assert_eq!((findings.violations, findings.live_skips), (BTreeMap::new(), 1));
        let strict = broken_under(&history, Policy { is_strict_live: true });
        prop_assert_eq!(strict, [Rule::PollSkip]);
    }
}

#[test]
fn what_is_wrong_at_once_has_its_rule() {
    let oddities = [
        (Oddity::ChangedAnswer { client: 0, number: 1 }, Rule::Duplicate),
        (Oddity::Leak { client: 0, conversation_id: Uuid::nil() }, Rule::Leak),
        (Oddity::StrangeAnswer { client: 0 }, Rule::Phantom),
        (Oddity::Unreadable { client: 0 }, Rule::Unreadable),
    ];
    for (oddity, rule) in oddities {
        let history = History { oddities: vec![oddity], ..History::default() };
        assert_eq!(broken(&history), [rule]);
    }
}
