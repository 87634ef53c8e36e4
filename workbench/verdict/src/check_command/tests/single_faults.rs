//! Faults that need no variety: presence, bounds, graceful stops, and what makes a verdict unknown.

use std::io::Write as _;

use super::story::{CLIENTS, MS, entry};
use super::*;
use crate::event::Act;

fn a_story() -> Story {
    let steps: Vec<_> = (0..24).map(|n| ((n / 3) % 2, n % CLIENTS)).collect();
    Story::of(&steps)
}

/// Puts an event before the end of the sending.
fn insert(story: &mut Story, event: Event) {
    let at = story.places(|event| matches!(event, Event::Status { .. }))[0];
    let t = story.run[at].t - 20_000 * MS;
    story.run.insert(at, Line { t, event });
}

#[test]
fn offline_said_of_a_connected_user_is_false_offline() {
    let offline = |user| Event::Presence { dev: 0, epoch: 2, user, status: "offline".to_owned() };
    let online = |user| Event::Presence { dev: 0, epoch: 2, user, status: "online".to_owned() };
    let mut story = a_story();
    insert(&mut story, offline(2));
    // Told in time that it was wrong: only the notice itself breaks a rule.
    insert(&mut story, online(2));
    assert_eq!(broken(&story), [Rule::FalseOffline]);
    let mut story = a_story();
    let at = story.places(|event| matches!(event, Event::Status { user: 2, .. }))[0];
    let Event::Status { status, .. } = &mut story.run[at].event else { unreachable!() };
    *status = "offline".to_owned();
    assert_eq!(broken(&story), [Rule::FalseOffline]);
}

#[test]
fn offline_that_was_true_once_and_never_taken_back_is_stale_presence() {
    let mut story = a_story();
    // Right after client 1 lost its connection.
    let at = story.places(|event| matches!(event, Event::Close { dev: 1, .. }))[0];
    let t = story.run[at].t;
    let event = Event::Presence { dev: 2, epoch: 1, user: 1, status: "offline".to_owned() };
    story.run.insert(at + 1, Line { t, event });
    assert_eq!(broken(&story), [Rule::StalePresence]);
}

#[test]
fn online_said_of_a_user_long_gone_is_a_ghost() {
    let mut story = a_story();
    insert(&mut story, Event::Close { dev: 2, epoch: 1, code: 1000, by_peer: false });
    let at = story.places(|event| matches!(event, Event::End { dev: 2, .. }))[0];
    story.run[at].event = Event::End { dev: 2, reached: false };
    assert_eq!(broken(&story), [Rule::GhostOnline]);
}

#[test]
fn a_sync_that_goes_on_from_another_entry_or_forgets_what_is_there_is_a_wrong_resume() {
    // Client 0 comes back with the first entry of conversation 0, or with another one.
    let back = |has_it: bool, is_reset: bool| {
        let mut story = a_story();
        let asked = story.places(|event| matches!(event, Event::SyncBegin { dev: 0, .. }))[0];
        let Event::SyncBegin { cursors, entries, .. } = &mut story.run[asked].event else {
            unreachable!()
        };
        let id = entry(0, if has_it { 1 } else { 99 }, (0, 0)).id;
        (*cursors, *entries) = (vec![(0, 1)], vec![(0, id)]);
        let Event::SyncPage { conv: 0, reset, .. } = &mut story.run[asked + 1].event else {
            unreachable!()
        };
        *reset = is_reset;
        broken(&story)
    };
    assert_eq!(back(true, false), []);
    assert_eq!(back(false, true), []);
    assert_eq!(back(false, false), [Rule::WrongResume]);
    assert_eq!(back(true, true), [Rule::WrongResume]);
}

#[test]
fn memory_above_its_bound_is_unbounded() {
    let mut story = a_story();
    beside(
        &mut story,
        |event| matches!(event, Event::Gauge { .. }),
        |event| {
            if let Event::Gauge { value, .. } = event {
                *value = 1_001;
            }
        },
    );
    assert_eq!(broken(&story), [Rule::Unbounded]);
}

#[test]
fn a_graceful_stop_that_cuts_off_or_leaves_sends_unanswered_is_a_dirty_drain() {
    let mut story = a_story();
    let at = story.places(|event| matches!(event, Event::Close { dev: 0, .. }))[0];
    let Event::Close { code, .. } = &mut story.run[at].event else { unreachable!() };
    *code = 1006;
    assert_eq!(broken(&story), [Rule::DirtyDrain]);

    let mut story = a_story();
    let at = story.places(|event| matches!(event, Event::Close { dev: 0, .. }))[0];
    let t = story.run[at].t;
    let event = Event::Info { dev: 0, n: 0, why: Doubt::Lost };
    story.run.insert(at, Line { t, event });
    assert_eq!(broken(&story), [Rule::DirtyDrain]);
}

#[test]
fn an_answer_that_changes_is_a_duplicate() {
    let mut story = a_story();
    let at = story.places(|event| matches!(event, Event::Ok { .. }))[3];
    let mut again = story.run[at].clone();
    let Event::Ok { id, .. } = &mut again.event else { unreachable!() };
    *id = conversation_id(9);
    story.run.insert(at + 1, again);
    assert_eq!(broken(&story), [Rule::Duplicate]);
}

#[test]
fn a_refusal_after_a_doubt_speaks_of_the_later_attempt_only() {
    let mut story = a_story();
    // Send 0 of client 1 is stored at once, its answer lost, a second attempt refused, and the third
    // answered long after what others sent meanwhile.
    let ok = story.places(|event| matches!(event, Event::Ok { dev: 1, n: Some(0), .. }))[0];
    let Event::Ok { cid, .. } = story.run[ok].event else { unreachable!() };
    let line = story.run.remove(ok);
    let t = line.t;
    let invoke = |t| {
        let event =
            Event::Invoke { dev: 1, conv: 0, n: 0, cid, hash: story::hash(1, 0), again: true };
        Line { t, event }
    };
    let fail = Event::Fail { dev: 1, n: 0, code: "unavailable".to_owned() };
    story.run.insert(ok, Line { t, event: fail });
    story.run.insert(ok, invoke(t));
    story.run.insert(ok, Line { t, event: Event::Info { dev: 1, n: 0, why: Doubt::Told } });
    let at = story.places(|event| matches!(event, Event::Status { .. }))[0];
    let later = story.run[at - 1].t;
    story.run.insert(at, Line { t: later, ..line });
    story.run.insert(at, invoke(later));
    assert_eq!(broken(&story), []);
}

#[test]
fn what_is_cut_off_unproven_or_unfinished_is_unknown() {
    assert_eq!(judged(&a_story()).verdict, Verdict::Valid);
    let mut cut = a_story();
    cut.run.pop();
    assert!(unknown(&cut).contains("cut off"));

    let done = |dropped, drained| {
        let mut story = a_story();
        story.run.last_mut().unwrap().event = Event::Done { dropped, drained, doubts: Vec::new() };
        unknown(&story)
    };
    assert!(done(7, true).contains("7 events are missing"));
    assert!(done(0, false).contains("drain was not reached"));

    let mut unproven = a_story();
    for line in &mut unproven.common {
        if let Event::Nemesis { evidence, .. } = &mut line.event {
            *evidence = None;
        }
    }
    assert!(unknown(&unproven).contains("kill of chat-0: no evidence"));

    let mut open = a_story();
    open.common.retain(|line| !matches!(line.event, Event::Nemesis { act: Act::Stop, .. }));
    assert!(unknown(&open).contains("never ended"));

    let mut half = a_story();
    half.common.retain(|line| !matches!(line.event, Event::RowsEnd {}));
    assert!(unknown(&half).contains("rows are cut off"));

    let mut unreached = a_story();
    let at = unreached.places(|event| matches!(event, Event::End { dev: 2, .. }))[0];
    unreached.run[at].event = Event::End { dev: 2, reached: false };
    assert!(unknown(&unreached).contains("1 clients were not connected"));

    let few = CheckOptions { min_acknowledged: 1_000, ..options() };
    let (mut run, mut common) = (RunLines::default(), CommonLines::default());
    replay::feed(text(&a_story().run).as_slice(), &mut run, &mut common).unwrap();
    let runs = vec![(PathBuf::new(), run.judged(&common))];
    assert_eq!(judge(&common, &runs, &few).0.verdict, Verdict::Unknown);
}

/// The first entry that came live to client 1 after its second connection had synced.
fn first_after_sync(story: &Story) -> usize {
    story.places(|event| matches!(event, Event::Recv { dev: 1, epoch: 2, .. }))[0]
}

#[test]
fn a_first_live_entry_that_skips_what_came_after_the_sync_is_strictly_a_poll_skip() {
    let strict = CheckOptions { strict_live: true, ..options() };
    let broken_strictly = |story: &Story| -> Vec<Rule> {
        judged_under(story, &strict).findings.violations.into_keys().collect()
    };
    let mut story = a_story();
    assert_eq!(broken_strictly(&story), []);
    // It was pushed to a connection that was gone, and the next sync brings it.
    let lost = story.run.remove(first_after_sync(&story));
    let Event::Recv { dev, epoch, entry, shown, .. } = lost.event else { unreachable!() };
    let last = story.places(is_recv).pop().unwrap();
    let event = Event::Recv { dev, epoch, entry, via: Way::Sync, shown };
    story.run.insert(last + 1, Line { t: story.run[last].t, event });
    assert_eq!(broken(&story), []);
    assert_eq!(broken_strictly(&story), [Rule::PollSkip]);
}

#[test]
fn what_a_connected_device_gets_too_late_is_a_late_delivery_unless_a_fault_was_under_way() {
    let mut story = a_story();
    let mut late = story.run.remove(first_after_sync(&story));
    let Event::Recv { via, .. } = &mut late.event else { unreachable!() };
    *via = Way::Sync;
    let at = story.places(|event| matches!(event, Event::Status { .. }))[0];
    // Sending ended a minute before.
    late.t = story.run[at].t - 40_000 * MS;
    story.run.insert(at, late);
    assert_eq!(broken(&story), [Rule::LateDelivery]);
    let unlimited = CheckOptions { delivery_window: None, ..options() };
    assert_eq!(judged_under(&story, &unlimited).verdict, Verdict::Valid);
    let end = story.run[at].t;
    for line in &mut story.common {
        if let Event::Nemesis { act: Act::Stop, .. } = &line.event {
            line.t = end;
        }
    }
    assert_eq!(broken(&story), []);
}

#[test]
fn a_broken_rule_leaves_its_events_beside_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let (run, beside) = (folder.path().join("run.jsonl"), folder.path().join("beside.jsonl"));
    let mut story = a_story();
    let at = story.places(is_recv)[5];
    story.run.remove(at);
    std::fs::write(&run, text(&story.run)).unwrap();
    std::fs::write(&beside, text(&story.common)).unwrap();
    let options = CheckOptions { files: vec![run.clone(), beside], ..options() };
    let judgement = crate::check_command::run(&options).unwrap();
    assert_eq!(judgement.exit_code(), 1);
    let kept = folder.path().join("run.jsonl.counter-example.jsonl");
    assert_eq!(judgement.counter_examples, std::slice::from_ref(&kept));
    let kept = std::fs::read_to_string(kept).unwrap();
    assert!(kept.starts_with(r#"{"violation":"#) && kept.contains("invoke"), "{kept}");
    assert!(kept.lines().count() > 5 && kept.lines().count() < story.run.len(), "{kept}");
    assert!(judgement.to_string().contains("unseen: conversation"), "{judgement}");

    let mut file = std::fs::OpenOptions::new().append(true).open(&run).unwrap();
    file.write_all(b"{\"t\":1,\"e\":\"comet\"}\n").unwrap();
    assert!(
        crate::check_command::run(&options)
            .unwrap()
            .reasons
            .iter()
            .any(|why| why.contains("comet"))
    );
    let gone = CheckOptions { files: vec![folder.path().join("gone")], ..options };
    assert!(crate::check_command::run(&gone).unwrap_err().to_string().contains("gone"));
}

#[test]
fn each_fault_is_told_what_happened_in_its_time() {
    let mut story = a_story();
    let good = judged(&story);
    let names: Vec<&str> = good.faults.iter().map(|line| line.fault.as_str()).collect();
    assert_eq!(names, ["drain", "kill"]);
    // The first half came before any fault.
    assert_eq!(good.faults.iter().map(|line| line.acknowledged).sum::<u64>(), 12 - 1);
    assert!(good.faults.iter().all(|line| line.silence_ms > 0 && line.lost == 0));
    assert_eq!(good.faults[1].unknown, 1);
    let last = story.places(is_recv).pop().unwrap();
    story.run.remove(last);
    let lost: Vec<u64> = judged(&story).faults.iter().map(|line| line.lost).collect();
    assert_eq!(lost, [0, 1], "an entry of the second fault's time");
}

#[test]
fn entries_of_a_second_device_are_its_users() {
    const USER: u32 = 7;
    let steps: Vec<(u32, u32)> = (0..20).map(|n| (n % 2, n % 3)).collect();
    let mut story = Story::of(&steps);
    let name = |name: &mut String| *name = name.replace("story-0", &format!("story-{USER}"));
    for line in story.run.iter_mut().chain(&mut story.common) {
        match &mut line.event {
            Event::Recv { entry, .. } | Event::Log { entry } if entry.from == 0 => {
                entry.from = i64::from(USER);
            }
            Event::Receipt { user, .. } if *user == 0 => *user = USER,
            Event::Row { sender, .. } => name(sender),
            Event::CursorRow { user, .. } => name(user),
            _ => {}
        }
    }
    story.run.retain(|line| !matches!(line.event, Event::Status { .. }));
    assert!(broken(&story).contains(&Rule::AlteredContent));
    let t = story.run[0].t;
    story.run.insert(1, Line { t, event: Event::Device { dev: 0, user: USER } });
    assert_eq!(broken(&story), []);
}
