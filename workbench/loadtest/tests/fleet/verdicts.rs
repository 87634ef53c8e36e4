//! The whole fleet against a scripted server: a good one is valid, and each fault is found and named.

use loadtest::{Options, Report};
use verdict::Verdict;
use verdict::check::Rule;

use crate::scripted::{Fault, Server};

/// Runs the fleet against a server with a fault.
fn run(fault: Fault, arguments: &[&str]) -> Report {
    let server = Server::start(fault);
    let url = format!("ws://{}/ws", server.address);
    let common = ["--url", &url, "--secret", "s", "--quiet", "--warmup", "0s", "--ramp", "5000"];
    let options = Options::parse(common.into_iter().chain(arguments.iter().copied()));
    let options = options.expect("options");
    let report = loadtest::run(options).expect("a run");
    println!("{fault:?}: {report}");
    report
}

/// Four pairs at some 400 messages a second for one second.
const PAIRS: &[&str] = &["--pairs", "4", "--rate", "400", "--duration", "1s", "--drain", "4s"];

fn pairs(fault: Fault, more: &[&str]) -> Report {
    let arguments: Vec<&str> = PAIRS.iter().chain(more).copied().collect();
    run(fault, &arguments)
}

fn broken(report: &Report) -> Vec<Rule> {
    assert_eq!(report.exit_code() == 1, !report.findings.violations.is_empty());
    report.findings.violations.keys().copied().collect()
}

#[test]
fn a_good_server_is_valid() {
    let report = pairs(Fault::None, &["--verify-history", "--strict-live"]);
    assert_eq!((report.verdict, report.exit_code()), (Verdict::Valid, 0), "{report}");
    assert!((380..=400).contains(&report.offered), "{report}");
    assert_eq!([report.acknowledged, report.delivered, report.sent], [report.offered; 3]);
    assert_eq!((report.clients, report.findings.verified_logs), (8, 4));
    assert_eq!((report.findings.entries, report.findings.wire_repeats), (report.offered, 0));
    assert_eq!(report.delivery_ms.count, report.offered);
    assert!(report.delivery_ms.p50 > 0.0 && report.delivery_ms.p99 <= report.delivery_ms.max);
    let fleet = report.processes.iter().find(|process| process.name == "fleet").unwrap();
    assert!(fleet.rss_after > 0, "{fleet:?}");
}

#[test]
fn a_closed_loop_keeps_the_window_full_over_several_threads() {
    let report = run(
        Fault::None,
        &[
            "--pairs",
            "3",
            "--window",
            "4",
            "--threads",
            "2",
            "--duration",
            "1s",
            "--verify-history",
        ],
    );
    assert_eq!(report.verdict, Verdict::Valid, "{report}");
    assert!(report.acknowledged > 300, "{report}");
    assert_eq!(report.acknowledged, report.delivered);
}

#[test]
fn reactions_replies_and_mentions_are_mixed_into_texts() {
    let mix = ["--reactions", "20", "--replies", "10", "--mentions", "5"];
    let report = pairs(Fault::None, &[&mix[..], &["--verify-history", "--strict-live"]].concat());
    assert_eq!(report.verdict, Verdict::Valid, "{report}");
    assert_eq!([report.acknowledged, report.sent], [report.offered; 2], "{report}");
    assert!((50..=95).contains(&report.reactions), "{report}");
    assert_eq!(report.delivered, report.acknowledged - report.reactions);
    assert_eq!(report.findings.entries, report.offered);
    let window = ["--window", "4", "--duration", "1s", "--pairs", "3"];
    let report = run(Fault::None, &[&mix[..], &window, &["--verify-history"]].concat());
    assert_eq!(report.verdict, Verdict::Valid, "{report}");
    assert!(report.reactions > 0 && report.reactions * 4 < report.acknowledged, "{report}");
}

#[test]
fn groups_are_made_and_every_member_gets_everything() {
    let report = run(
        Fault::None,
        &[
            "--scenario",
            "group",
            "--groups",
            "3",
            "--members",
            "5",
            "--clients",
            "9",
            "--threads",
            "2",
            "--rate",
            "200",
            "--duration",
            "1s",
            "--verify-history",
            "--strict-live",
        ],
    );
    assert_eq!(report.verdict, Verdict::Valid, "{report}");
    assert_eq!(report.delivered, report.acknowledged * 4);
    // With the system entry of each group.
    assert_eq!(report.findings.entries, report.acknowledged + 3);
}

#[test]
fn idle_clients_connect_and_hold() {
    let sources = ["--scenario", "idle", "--clients", "50", "--sources", "127.0.0.2-127.0.0.4"];
    let report = run(Fault::None, &[sources.as_slice(), &["--duration", "200ms"]].concat());
    assert_eq!((report.verdict, report.acknowledged), (Verdict::Valid, 0), "{report}");
    assert_eq!((report.clients, report.connect_ms.count), (50, 50));
}

#[test]
fn a_lost_entry_is_unseen() {
    assert_eq!(broken(&pairs(Fault::Lose, &[])), [Rule::Unseen]);
}

#[test]
fn a_lost_push_is_healed_by_sync_and_a_violation_only_when_strict() {
    let report = pairs(Fault::LosePush, &[]);
    assert!(report.gap_syncs > 0 && report.findings.live_skips > 0, "{report}");
    // Nothing tells a client that the last entry of all is missing.
    assert!(broken(&report).iter().all(|rule| *rule == Rule::Unseen), "{report}");
    let strict = pairs(Fault::LosePush, &["--strict-live"]);
    assert!(broken(&strict).contains(&Rule::PollSkip), "{strict}");
}

#[test]
fn a_repeated_push_is_counted() {
    let report = pairs(Fault::RepeatPush, &[]);
    assert_eq!(report.verdict, Verdict::Valid, "{report}");
    assert_eq!(report.findings.wire_repeats, report.offered / 10, "{report}");
}

#[test]
fn a_send_stored_twice_is_a_duplicate() {
    assert_eq!(broken(&pairs(Fault::StoreTwice, &[])), [Rule::Duplicate]);
}

#[test]
fn a_reordered_push_is_a_nonmonotonic_poll() {
    let report = run(
        Fault::Reorder,
        &[
            "--scenario",
            "group",
            "--members",
            "3",
            "--senders",
            "one",
            "--rate",
            "200",
            "--duration",
            "1s",
            "--drain",
            "4s",
        ],
    );
    assert!(broken(&report).contains(&Rule::NonmonotonicPoll), "{report}");
}

#[test]
fn a_place_left_out_is_a_gap() {
    assert_eq!(broken(&pairs(Fault::SkipPlace, &[])), [Rule::Gap]);
}

#[test]
fn an_id_that_differs_is_an_inconsistent_offset() {
    assert_eq!(broken(&pairs(Fault::ChangeId, &[])), [Rule::InconsistentOffsets]);
}

#[test]
fn a_changed_text_is_altered_content() {
    assert_eq!(broken(&pairs(Fault::ChangeText, &[])), [Rule::AlteredContent]);
}

#[test]
fn an_entry_that_history_forgot_is_a_lost_write() {
    assert_eq!(broken(&pairs(Fault::Forget, &["--verify-history"])), [Rule::LostWrite]);
}

#[test]
fn an_entry_nobody_sent_is_a_phantom() {
    assert_eq!(broken(&pairs(Fault::Invent, &[])), [Rule::Phantom]);
}

#[test]
fn an_entry_for_a_stranger_is_a_leak() {
    assert_eq!(broken(&pairs(Fault::Leak, &[])), [Rule::Leak]);
}

#[test]
fn cut_connections_are_made_again_and_nothing_is_lost_or_doubled() {
    let report = pairs(Fault::Cut, &["--verify-history"]);
    assert_eq!(report.verdict, Verdict::Valid, "{report}");
    assert!(report.reconnects >= 4, "{report}");
    assert_eq!([report.acknowledged, report.findings.entries], [report.offered; 2]);
    assert!(report.sent > report.offered, "resent: {report}");
}

#[test]
fn refused_and_doubtful_sends_are_sent_again() {
    for fault in [Fault::Refuse, Fault::Doubt] {
        let report = pairs(fault, &["--verify-history"]);
        assert_eq!(report.verdict, Verdict::Valid, "{report}");
        assert_eq!([report.acknowledged, report.findings.entries], [report.offered; 2]);
        assert!(report.errors["error unavailable"] > 30, "{report}");
    }
}

#[test]
fn a_server_that_never_answers_is_unknown() {
    let report = run(
        Fault::Silence,
        &["--pairs", "2", "--rate", "40", "--duration", "500ms", "--drain", "500ms"],
    );
    assert_eq!((report.verdict, report.exit_code()), (Verdict::Unknown, 2), "{report}");
    assert!(report.findings.unknown_outcomes > 0);
}

#[test]
fn slow_servers_are_waited_for_as_long_as_one_client_after_the_other_comes_in() {
    // Twenty clients, a tenth of a second each: twice what one of them may take.
    let patience = ["--connect-timeout", "1s"];
    let load = ["--pairs", "10", "--rate", "100", "--duration", "300ms"];
    let report = run(Fault::Dawdle, &[&load[..], &patience].concat());
    assert_eq!(report.verdict, Verdict::Valid, "{report}");
    assert!(report.connects_per_second <= 10.0, "{report}");
}
