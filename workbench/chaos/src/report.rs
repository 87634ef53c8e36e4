//! The report for people, written by the run itself.

use std::fmt::Write as _;

use serde_json::Value;
use tokio::process::Command;

use super::run::Ended;
use super::{Options, machine};

/// The command that does the same again.
pub fn replay(options: &Options, seed: u64) -> String {
    let length =
        if options.quick { "--quick".to_owned() } else { format!("--seconds {}", options.seconds) };
    format!("`target/debug/chaos --seed {seed} {length}`")
}

const NOT_COVERED: &str = "\
- Power loss and lying disks: processes are killed, the machine is not, so what was written to the
  kernel is never lost.
- More than one broker or database node, fail-over between them, and disks that are broken.
- Clocks of the backends. Those of services jump by the library `faketime`, durations go on.
- The gRPC link from presence to the chat services, which no proxy stands in.
- Presence as single observers saw it between notices; only false and stale words are judged.
";

/// The report as Markdown.
pub async fn markdown(options: &Options, seed: u64, ended: &Ended) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = head(&mut text, &replay(options, seed), seed, ended, &commit().await);
    let _ = faults(&mut text, &ended.judged.data);
    let _ = memory(&mut text, &ended.judged.data);
    let _ = write!(text, "\n## What is not covered\n\n{NOT_COVERED}");
    for what in &ended.left_out {
        let _ = writeln!(text, "- Here not possible: {what}.");
    }
    if let Some(rules) = ended.judged.data["not_judged"].as_array().filter(|all| !all.is_empty()) {
        let _ = writeln!(text, "\nRules that this run could not judge:\n");
        for rule in rules {
            let _ = writeln!(text, "- {}", rule.as_str().unwrap_or_default());
        }
    }
    text
}

/// What the binaries were built from.
pub async fn commit() -> String {
    let output = Command::new("git").args(["describe", "--always", "--dirty"]).output().await;
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.ok().filter(|said| !said.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

fn head(
    text: &mut String,
    replay: &str,
    seed: u64,
    ended: &Ended,
    commit: &str,
) -> std::fmt::Result {
    let Ended { judged, told, complaints, steps, versions, rows, seconds, .. } = ended;
    let data = &judged.data;
    let findings = &data["findings"];
    let versions: Vec<String> =
        versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    writeln!(text, "# Reliability\n")?;
    writeln!(
        text,
        "Two gateways, two chat services and a presence service (debug builds) on a RabbitMQ, a \
         Postgres and a Redis of their own, hurt on purpose while fleets talk through them: 16 \
         direct conversations in each of two tenants at 120 messages a second and 4 groups of 5 at 40, \
         whose members do nothing but write; 3 groups in which 20 of a hundred operations are edits, \
         reactions, pins, deletes and replies; and 5 groups of which a webhook is told. Everything that \
         clients did and saw is recorded; `fleet check` compares it with REST history and with the \
         database's rows, `fleet changes` what devices hold of messages and what is answered with the \
         folds of the logs, and `fleet hooks` what its receiver was told, which dies now and then, with \
         the logs. Written by the run itself, with {replay}. That the suite would notice is \
         shown by bugs that are built in on purpose: see [planted.md](planted.md).\n"
    )?;
    writeln!(text, "| | |\n|---|---|")?;
    let verdict = data["verdict"].as_str().unwrap_or("unknown");
    writeln!(text, "| verdict | **{verdict}** |")?;
    writeln!(text, "| commit | {commit} |")?;
    writeln!(text, "| versions | {} |", versions.join(", "))?;
    writeln!(text, "| machine | {} |", machine::description())?;
    writeln!(text, "| seed | {seed} |")?;
    writeln!(text, "| run | {seconds:.0} s, {} faults |", steps.len())?;
    writeln!(text, "| sends acknowledged | {} |", data["acknowledged"])?;
    writeln!(text, "| refused as not stored (and sent again) | {} |", data["refused"])?;
    writeln!(text, "| outcomes unknown for a while (and sent again) | {} |", data["unknown"])?;
    writeln!(text, "| entries checked; rows in the database | {}; {rows} |", findings["entries"])?;
    for (what, rules) in [
        ("lost", ["lost-write", "unseen", "gap"].as_slice()),
        ("doubled", &["duplicate", "duplicate-delivery"]),
        ("reordered", &["int-send-nonmonotonic", "stale-append", "nonmonotonic-poll"]),
    ] {
        let count: u64 =
            rules.iter().filter_map(|rule| findings["violations"][*rule].as_u64()).sum();
        writeln!(text, "| {what} | {count} |")?;
    }
    writeln!(text, "| pushed again (dropped by devices) | {} |", findings["wire_repeats"])?;
    for (fleet, said) in told {
        writeln!(text, "| fleet {fleet} | {said} |")?;
    }
    let reasons = data["reasons"].as_array().cloned().unwrap_or_default();
    let reasons = reasons.iter().filter_map(Value::as_str).map(str::to_owned);
    let all: Vec<String> = reasons.chain(complaints.iter().cloned()).collect();
    if !all.is_empty() {
        writeln!(text, "\nWhat was found:\n")?;
        all.iter().try_for_each(|reason| writeln!(text, "- {reason}"))?;
    }
    Ok(())
}

fn faults(text: &mut String, data: &Value) -> std::fmt::Result {
    writeln!(
        text,
        "\n## Faults\n\nCounts and silences are those from the start of the fault to the start of \
         the next. *Healed* is when the last send that was written before the fault ended was \
         answered.\n"
    )?;
    writeln!(
        text,
        "| at | fault | evidence | ok | refused | unknown | lost, doubled, reordered | longest time \
         without an ok | healed after | peak memory |\n|---|---|---|---|---|---|---|---|---|---|"
    )?;
    for line in data["faults"].as_array().into_iter().flatten() {
        let from = line["from_s"].as_f64().unwrap_or(0.0);
        let to = line["to_s"].as_f64().unwrap_or(from);
        let word = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let ms = |name: &str| line[name].as_u64().unwrap_or(0);
        let memory = line["memory"][0].as_str().map_or_else(String::new, |process| {
            format!("{process} {} MiB", line["memory"][1].as_u64().unwrap_or(0) >> 20)
        });
        writeln!(
            text,
            "| {from:.1} to {to:.1} s | {} of {} | {} | {} | {} | {} | {}, {}, {} | {} ms | {} ms | {} \
             |",
            word("fault"),
            word("target"),
            word("evidence"),
            line["acknowledged"],
            line["refused"],
            line["unknown"],
            ms("lost"),
            ms("doubled"),
            ms("reordered"),
            ms("silence_ms"),
            ms("heal_ms"),
            memory
        )?;
    }
    Ok(())
}

fn memory(text: &mut String, data: &Value) -> std::fmt::Result {
    writeln!(text, "\n## Peaks\n\n| process | resident memory | open files |\n|---|---|---|")?;
    let peaks: Vec<(&str, &str, u64)> = data["peaks"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|peak| Some((peak[0].as_str()?, peak[1].as_str()?, peak[2].as_u64()?)))
        .collect();
    let mut processes: Vec<&str> = peaks.iter().map(|(process, ..)| *process).collect();
    processes.dedup();
    for process in processes {
        let of = |what: &str| {
            peaks.iter().find(|(p, w, _)| (*p, *w) == (process, what)).map_or(0, |peak| peak.2)
        };
        writeln!(text, "| {process} | {} MiB | {} |", of("rss") >> 20, of("files"))?;
    }
    Ok(())
}
