//! Keeps the events around each broken rule beside the history, so that one need not search.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::check::{Findings, Site};

/// Violations that are illustrated.
const MOST: usize = 10;
/// Events kept for each.
const EVENTS: usize = 400;
/// Entries before and after the place in question.
const AROUND: u64 = 3;

/// Writes `FILE.counter-example.jsonl` when a rule was broken; its path.
pub(super) fn keep(history: &Path, findings: &Findings) -> io::Result<Option<PathBuf>> {
    if findings.examples.is_empty() {
        return Ok(None);
    }
    let mut name = history.as_os_str().to_owned();
    name.push(".counter-example.jsonl");
    let path = PathBuf::from(name);
    let mut out = BufWriter::new(File::create(&path)?);
    for violation in findings.examples.iter().take(MOST) {
        serde_json::to_writer(&mut out, &serde_json::json!({ "violation": violation }))?;
        writeln!(out)?;
        let cids = client_ids(history, &violation.site)?;
        let mut kept = 0;
        for line in BufReader::new(File::open(history)?).lines() {
            let line = line?;
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            let is_its_send = event["cid"].as_str().is_some_and(|cid| cids.contains(cid));
            if kept < EVENTS && (is_its_send || is_about(&event, &violation.site)) {
                writeln!(out, "{line}")?;
                kept += 1;
            }
        }
    }
    out.flush()?;
    Ok(Some(path))
}

/// The client ids of what stands in the place.
fn client_ids(history: &Path, site: &Site) -> io::Result<BTreeSet<String>> {
    let mut cids = BTreeSet::new();
    for line in BufReader::new(File::open(history)?).lines() {
        let event: Value = serde_json::from_str(&line?).unwrap_or_default();
        let entry = if event["entry"].is_object() { &event["entry"] } else { &event };
        let is_there = site.seq.is_some()
            && entry["seq"].as_u64() == site.seq.map(u64::from)
            && entry["conv"].as_u64() == site.conversation.map(u64::from);
        cids.extend(entry["cid"].as_str().filter(|_| is_there).map(str::to_owned));
    }
    Ok(cids)
}

/// True for events about the site: its send, or its places, or its client when it names no place.
fn is_about(event: &Value, site: &Site) -> bool {
    let field = |name: &str| event[name].as_u64().or_else(|| event["entry"][name].as_u64());
    let number = |value: Option<u32>| value.map(u64::from);
    let is_send = site.number.is_some()
        && field("dev") == number(site.client)
        && field("n") == number(site.number);
    let is_near = match (field("seq"), site.seq) {
        (Some(seq), Some(place)) => seq.abs_diff(u64::from(place)) <= AROUND,
        _ => false,
    };
    let is_place = site.conversation.is_some() && field("conv") == number(site.conversation);
    let is_client = site.client.is_some()
        && (field("dev") == number(site.client) || field("user") == number(site.client));
    is_send
        || (is_place && is_near)
        || (is_place && site.seq.is_none() && is_client)
        || (site.conversation.is_none() && is_client)
}
