//! The end of a run: asks for the logs, lets the checker judge, and writes the report.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tokio::task::JoinSet;
use verdict::check::{self, Policy};
use verdict::history::{ClientHistory, History, Observation};
use wire_client::processes::Usage;

use super::conductor::Conducted;
use crate::measures::Measures;
use crate::options::Scenario;
use crate::report::{Percentiles, Process, Report, per_second};
use crate::rest::Rest;
use crate::shared::Common;
use crate::worker::Harvest;

/// Logs read at once.
const LOGS_AT_ONCE: usize = 8;
/// What fails for now while logs are read is tried again for so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads the logs that `--verify-history` asks for, and what could not be read.
pub(super) async fn stored_logs(common: &Common) -> (BTreeMap<u32, Vec<Observation>>, Vec<String>) {
    let (mut stored, mut failures) = (BTreeMap::new(), Vec::new());
    let options = &common.options;
    let Some(most) = options.verify_history else { return (stored, failures) };
    let mut wanted: Vec<u32> = (0..common.plan.conversations.len() as u32)
        .filter(|conversation| common.heads.get(*conversation) > 0)
        .collect();
    wanted.shuffle(&mut StdRng::seed_from_u64(options.seed));
    wanted.truncate(most as usize);
    let rests: Result<Vec<Rest>, _> = options
        .urls
        .iter()
        .map(|url| Rest::new(&url.authority, Arc::clone(&common.signer), PATIENCE))
        .collect();
    let rests = match rests {
        Ok(rests) => rests,
        Err(error) => return (stored, vec![error.to_string()]),
    };
    let mut reading = JoinSet::new();
    let mut wanted = wanted.into_iter();
    loop {
        while reading.len() < LOGS_AT_ONCE
            && let Some(conversation) = wanted.next()
        {
            let rest = rests[conversation as usize % rests.len()].clone();
            let (plan, payload) = (Arc::clone(&common.plan), options.payload);
            let recorder = common.recorder.clone();
            reading.spawn(async move {
                let log = rest.history(&plan, payload, conversation, recorder.as_ref()).await;
                (conversation, log)
            });
        }
        match reading.join_next().await {
            Some(Ok((conversation, Ok(log)))) => {
                stored.insert(conversation, log);
            }
            Some(Ok((_, Err(error)))) => failures.push(error.to_string()),
            Some(Err(error)) => failures.push(error.to_string()),
            None => return (stored, first_of(failures)),
        }
    }
}

/// One line for all failures of a kind.
fn first_of(failures: Vec<String>) -> Vec<String> {
    let others = failures.len().saturating_sub(1);
    let first = failures.into_iter().next();
    first.map(|first| format!("{first} (and {others} more like it)")).into_iter().collect()
}

/// What the threads brought, as one.
fn gathered(
    common: &Common,
    harvests: Vec<Harvest>,
    stored: BTreeMap<u32, Vec<Observation>>,
) -> (History, Measures) {
    let mut measures = Measures::new();
    let mut history = History {
        conversations: common.plan.conversations.len() as u32,
        stored,
        ..History::default()
    };
    for (conversation, planned) in (0..).zip(&common.plan.conversations) {
        for member in &planned.members {
            let first = common.plan.first_place(*member, conversation);
            if first > 1 {
                history.memberships.insert((conversation, *member), (first, u32::MAX));
            }
        }
    }
    history.clients.resize_with(common.plan.users.len(), ClientHistory::default);
    for harvest in harvests {
        measures.merge(harvest.measures);
        for (client, part) in harvest.clients {
            history.clients[client as usize] = part;
        }
    }
    history.oddities = std::mem::take(&mut measures.oddities);
    (history, measures)
}

/// Judges what was recorded.
pub(super) fn report(conducted: Conducted) -> Report {
    let Conducted { common, harvests, stored, totals, measured, .. } = conducted;
    let options = &common.options;
    let (history, measures) = gathered(&common, harvests, stored);
    let judging = Instant::now();
    let mut findings = check::check(&history, Policy { is_strict_live: options.strict_live });
    for (conversation, detail) in conducted.wrong_pins {
        findings.pins_differ(conversation, detail);
    }
    if !options.quiet && judging.elapsed() > Duration::from_secs(1) {
        eprintln!("checked in {:.1} s", judging.elapsed().as_secs_f64());
    }
    let min_acknowledged = match options.scenario {
        Scenario::Idle => 0,
        Scenario::Pairs | Scenario::Group => options.min_acknowledged,
    };
    let (verdict, reasons) =
        check::verdict(&findings, totals.acknowledged, min_acknowledged, conducted.doubts);
    let [from, until] = measured;
    let time = conducted.measured_time;
    let messages = until.acknowledged.saturating_sub(from.acknowledged);
    let clients = u64::from(options.client_count());
    let deliveries = until.delivered.saturating_sub(from.delivered);
    let processes = costs(&conducted.samples, messages, deliveries, clients);
    let server_costs = processes.iter().filter(|process| process.name != "fleet");
    let servers_cpu_us_per_message = (processes.len() > 1 && messages > 0)
        .then(|| server_costs.filter_map(|process| process.cpu_us_per_message).sum());
    Report {
        verdict,
        reasons,
        scenario: scenario_name(options.scenario).to_owned(),
        run: common.plan.run.name().to_owned(),
        seed: options.seed,
        rate: options.open_rate(),
        window: options.closed_window(),
        payload_bytes: options.payload,
        clients,
        conversations: common.plan.conversations.len() as u64,
        measured_seconds: time.as_secs_f64(),
        connects_per_second: clients as f64 / conducted.connect_time.as_secs_f64().max(1e-6),
        connect_ms: Percentiles::from(&measures.connect),
        offered: totals.offered,
        skipped: totals.skipped,
        sent: totals.written,
        acknowledged: totals.acknowledged,
        reactions: totals.reactions,
        delivered: totals.delivered,
        acknowledged_per_second: per_second(from, until, |t| t.acknowledged, time),
        delivered_per_second: per_second(from, until, |t| t.delivered, time),
        received_bytes_per_delivery: (deliveries > 0).then(|| {
            until.received_bytes.saturating_sub(from.received_bytes) as f64 / deliveries as f64
        }),
        delivery_ms: Percentiles::from(&measures.delivery),
        acknowledgement_ms: Percentiles::from(&measures.acknowledgement),
        signals: [totals.signals, totals.signals_heard],
        signal_ms: Percentiles::from(&measures.signal),
        notices: totals.notices,
        notice_ms: Percentiles::from(&measures.notice),
        errors: measures.errors,
        reconnects: totals.reconnects,
        repeated_answers: totals.repeated_answers,
        overdue_answers: totals.overdue_answers,
        gap_syncs: totals.gap_syncs,
        resets: totals.resets,
        drain_seconds: conducted.drain_time.as_secs_f64(),
        findings,
        processes,
        servers_cpu_us_per_message,
    }
}

fn scenario_name(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::Pairs => "pairs",
        Scenario::Group => "group",
        Scenario::Idle => "idle",
    }
}

/// What each name cost, the fleet last.
fn costs(
    [idle, from, until]: &[BTreeMap<String, Usage>; 3],
    messages: u64,
    deliveries: u64,
    connections: u64,
) -> Vec<Process> {
    let at = |sample: &BTreeMap<String, Usage>, name: &str| {
        sample.get(name).copied().unwrap_or_default()
    };
    let mut names: Vec<&String> = until.keys().collect();
    names.sort_by_key(|name| name.as_str() == "fleet");
    names
        .into_iter()
        .map(|name| {
            let samples = [at(idle, name), at(from, name), at(until, name)];
            Process::of(name, samples, messages, deliveries, connections)
        })
        .collect()
}
