//! Recorded histories: what `fleet check` makes of them is what the run itself says.

use std::path::{Path, PathBuf};

use loadtest::{Options, Report};
use verdict::Verdict;
use verdict::check_command::{CheckOptions, Judgement};

use crate::scripted::{Fault, Server};

/// Runs against a server with a fault, and judges the recorded history.
fn run(folder: &Path, fault: Fault) -> (Report, Judgement) {
    let server = Server::start(fault);
    let url = format!("ws://{}/ws", server.address);
    let history = folder.join("history.jsonl");
    let path = history.to_str().expect("a plain path");
    let options = Options::parse([
        "--url",
        &url,
        "--secret",
        "s",
        "--quiet",
        "--warmup",
        "0s",
        "--pairs",
        "4",
        "--rate",
        "400",
        "--duration",
        "1s",
        "--drain",
        "4s",
        "--threads",
        "2",
        "--verify-history",
        "--history",
        path,
    ]);
    let report = loadtest::run(options.expect("options")).expect("a run");
    (report, judge(history))
}

fn judge(history: PathBuf) -> Judgement {
    let options = CheckOptions {
        files: vec![history],
        min_acknowledged: 1,
        strict_live: false,
        presence_window: std::time::Duration::from_secs(15),
        delivery_window: None,
        json: None,
    };
    verdict::check_command::run(&options).expect("the history can be read")
}

#[test]
fn a_good_run_is_valid_in_its_history_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let (report, judgement) = run(folder.path(), Fault::None);
    assert_eq!(
        (report.verdict, judgement.verdict),
        (Verdict::Valid, Verdict::Valid),
        "{judgement}"
    );
    assert_eq!(judgement.acknowledged, report.acknowledged);
    assert_eq!(judgement.findings, report.findings);
}

#[test]
fn each_fault_breaks_the_same_rules_in_the_history_as_in_the_run() {
    let faults = [
        Fault::Lose,
        Fault::StoreTwice,
        Fault::SkipPlace,
        Fault::ChangeId,
        Fault::ChangeText,
        Fault::Forget,
        Fault::Invent,
        Fault::Leak,
        Fault::Cut,
        Fault::Refuse,
        Fault::Doubt,
    ];
    for fault in faults {
        let folder = tempfile::tempdir().expect("a folder");
        let (report, judgement) = run(folder.path(), fault);
        assert_eq!(report.verdict, judgement.verdict, "{fault:?}: {judgement}");
        assert_eq!(report.findings.violations, judgement.findings.violations, "{fault:?}");
        assert_eq!(judgement.exit_code() == 1, !judgement.counter_examples.is_empty());
    }
}

#[test]
fn a_history_without_its_end_is_unknown() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, judgement) = run(folder.path(), Fault::None);
    assert_eq!(judgement.exit_code(), 0);
    let path = folder.path().join("history.jsonl");
    let text = std::fs::read_to_string(&path).expect("a history");
    let cut = text.trim_end().rsplit_once('\n').expect("many lines").0;
    std::fs::write(&path, cut).expect("the folder can be written");
    let judgement = judge(path);
    assert_eq!(judgement.exit_code(), 2, "{judgement}");
}
