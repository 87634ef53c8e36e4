//! Leads the threads through the phases and watches them meanwhile.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use verdict::history::Observation;
use wire_client::processes::{self, Sample};

use super::RunError;
use super::enough::Enough;
use super::setup::Setup;
use crate::counters::{Counters, Totals};
use crate::options::Load;
use crate::phase::Phase;
use crate::progress::Progress;
use crate::shared::Common;
use crate::worker::{Harvest, work};

/// How often the totals are looked at.
const LOOK: Duration = Duration::from_millis(20);
/// After everything has arrived: what comes now is a repeat or a phantom, and is to be seen too.
const QUIET: Duration = Duration::from_millis(300);

/// Everything a run brought, before it is judged.
#[derive(Debug)]
pub(super) struct Conducted {
    pub(super) common: Common,
    pub(super) harvests: Vec<Harvest>,
    /// The logs as REST gave them.
    pub(super) stored: BTreeMap<u32, Vec<Observation>>,
    pub(super) totals: Totals,
    /// Totals at both ends of the measured time.
    pub(super) measured: [Totals; 2],
    pub(super) measured_time: Duration,
    pub(super) connect_time: Duration,
    pub(super) drain_time: Duration,
    /// Processes before connecting, and at both ends of the measured time.
    pub(super) samples: [Sample; 3],
    /// Conversations whose pinned messages are not what their log says, and in what way.
    pub(super) wrong_pins: Vec<(u32, String)>,
    /// What keeps the verdict from being valid.
    pub(super) doubts: Vec<String>,
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// What was waited for is there.
    Reached,
    /// The time is over.
    Deadline,
    /// Ctrl-C.
    Interrupted,
    /// Somebody has seen enough.
    Enough,
    /// The checker's memory is used up.
    Full,
}

struct Conductor {
    common: Common,
    counters: Vec<Arc<Counters>>,
    threads: Vec<JoinHandle<io::Result<Harvest>>>,
    phases: watch::Sender<Phase>,
    progress: Progress,
    phase_name: &'static str,
    enough: Enough,
}

impl Conductor {
    fn start(common: Common) -> Result<Self, RunError> {
        let (phases, receiver) = watch::channel(Phase::Connect);
        let progress = Progress::begin(common.options.quiet);
        let mut conductor = Self {
            counters: Vec::new(),
            threads: Vec::new(),
            phases,
            progress,
            phase_name: "connect",
            enough: Enough::listen()?,
            common,
        };
        for thread in 0..conductor.common.options.threads {
            let counters = Arc::new(Counters::default());
            conductor.counters.push(Arc::clone(&counters));
            let (common, phases) = (conductor.common.clone(), receiver.clone());
            let started = std::thread::Builder::new()
                .name(format!("fleet-{thread}"))
                .spawn(move || work(common, counters, thread, phases))?;
            conductor.threads.push(started);
        }
        Ok(conductor)
    }

    fn totals(&self) -> Totals {
        Totals::of(self.counters.iter().map(AsRef::as_ref))
    }

    fn enter(&mut self, phase: Phase, name: &'static str) {
        self.phase_name = name;
        self.phases.send_replace(phase);
    }

    /// Waits, and meanwhile tells the progress and looks after the threads.
    async fn wait(
        &mut self,
        until: Instant,
        is_reached: impl Fn(&Totals) -> bool,
    ) -> Result<End, RunError> {
        let interrupted = tokio::signal::ctrl_c();
        tokio::pin!(interrupted);
        loop {
            let totals = self.totals();
            self.progress.tell(self.phase_name, totals);
            let now = Instant::now();
            if is_reached(&totals) {
                return Ok(End::Reached);
            }
            if now >= until {
                return Ok(End::Deadline);
            }
            let records = totals.observations + totals.offered;
            let is_sending = matches!(*self.phases.borrow(), Phase::Send { .. });
            if is_sending && records > self.common.options.max_records {
                return Ok(End::Full);
            }
            if self.threads.iter().any(JoinHandle::is_finished) {
                return Err(self.failure());
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK.min(until - now)) => {}
                _ = &mut interrupted => return Ok(End::Interrupted),
                () = self.enough.heard() => {
                    if is_sending {
                        return Ok(End::Enough);
                    }
                }
            }
        }
    }

    /// Why a thread ended before its time.
    fn failure(&mut self) -> RunError {
        let ended = self.threads.iter().position(JoinHandle::is_finished);
        let joined = ended.map(|at| self.threads.swap_remove(at).join());
        RunError::Thread(match joined {
            Some(Ok(Err(error))) => error.to_string(),
            Some(Err(_panic)) => "it panicked".to_owned(),
            Some(Ok(Ok(_))) | None => "it ended early".to_owned(),
        })
    }

    fn stop(mut self) -> Result<Vec<Harvest>, RunError> {
        self.enter(Phase::Stop, "stop");
        let mut harvests = Vec::new();
        for thread in self.threads {
            match thread.join() {
                Ok(harvest) => harvests.push(harvest?),
                Err(_panic) => return Err(RunError::Thread("it panicked".to_owned())),
            }
        }
        Ok(harvests)
    }
}

pub(super) async fn conduct(setup: Setup) -> Result<Conducted, RunError> {
    let Setup { common, writer, processes } = setup;
    let options = Arc::clone(&common.options);
    let idle = processes::sample(&processes);
    let mut conductor = Conductor::start(common.clone())?;
    let connect_time = connect(&mut conductor).await?;
    let mut beside = JoinSet::new();
    beside.spawn(super::broadcasting::run(common.clone(), conductor.phases.subscribe()));

    let mut pinning = JoinSet::new();
    pinning.spawn(super::pinning::run(common.clone(), conductor.phases.subscribe()));

    let mut doubts = Vec::new();
    let measured_from = Instant::now() + options.warmup;
    let measured_until = measured_from + options.duration;
    let micros = |instant| common.plan.run.micros(instant);
    let measured_us = (micros(measured_from), micros(measured_until));
    conductor.enter(Phase::Send { measured_us }, "warm up");
    let mut end = conductor.wait(measured_from, |_| false).await?;
    let (from, from_totals) = (processes::sample(&processes), conductor.totals());
    if end == End::Deadline {
        conductor.phase_name = if options.load() == Load::None { "hold" } else { "send" };
        end = conductor.wait(measured_until, |_| false).await?;
    }
    if end == End::Full {
        doubts.push("the checker's memory was used up: see --max-records".to_owned());
    }
    let measured_time = measured_until.min(Instant::now()).saturating_duration_since(measured_from);
    let (until, until_totals) = (processes::sample(&processes), conductor.totals());

    let (drain_time, is_drained) = drain(&mut conductor, options.drain).await?;
    while let Some(ended) = beside.join_next().await {
        let failures = ended.map_err(|error| RunError::Thread(error.to_string()))??;
        if failures > 0 {
            doubts.push(format!("{failures} broadcasts were not taken"));
        }
    }
    let mut wrong_pins = Vec::new();
    while let Some(ended) = pinning.join_next().await {
        let asked = ended.map_err(|error| RunError::Thread(error.to_string()))??;
        let (wrong, pin_doubts) = super::pinning::check(&common, &asked).await;
        wrong_pins.extend(wrong);
        doubts.extend(pin_doubts);
    }
    let (stored, history_doubts) = super::judge::stored_logs(&common).await;
    doubts.extend(history_doubts);
    if writer.is_some() {
        doubts.extend(super::ending::statuses(&common).await);
    }
    let totals = conductor.totals();
    let harvests = conductor.stop()?;
    if let Some(writer) = writer {
        doubts.extend(super::ending::finish(writer, &common, is_drained, &doubts));
    }
    Ok(Conducted {
        harvests,
        common,
        stored,
        totals,
        measured: [from_totals, until_totals],
        measured_time,
        connect_time,
        drain_time,
        samples: [idle, from, until],
        wrong_pins,
        doubts,
    })
}

/// Waits until everything acknowledged has arrived everywhere; how long that took, and whether
/// all did.
async fn drain(
    conductor: &mut Conductor,
    patience: Duration,
) -> Result<(Duration, bool), RunError> {
    let begun = Instant::now();
    conductor.enter(Phase::Drain, "drain");
    let end = conductor.wait(begun + patience, |totals| totals.incomplete == 0).await?;
    let drained = begun.elapsed();
    match end {
        End::Reached => {
            conductor.wait(Instant::now() + QUIET, |_| false).await?;
            Ok((drained, true))
        }
        // What is missing now may only be late.
        End::Interrupted => Err(RunError::Interrupted),
        End::Deadline | End::Full | End::Enough => {
            let incomplete = conductor.totals().incomplete;
            let remark = format!("{incomplete} clients still wait for something after the drain");
            conductor.progress.remark(&remark);
            Ok((drained, false))
        }
    }
}

/// Waits until every client is ready; how long that took.
async fn connect(conductor: &mut Conductor) -> Result<Duration, RunError> {
    let options = Arc::clone(&conductor.common.options);
    let clients = u64::from(options.client_count());
    let begun = Instant::now();
    let ramp = Duration::from_secs_f64(clients as f64 / options.ramp.per_second());
    let (mut until, mut ready_before) = (begun + ramp + options.connect_timeout, 0);
    loop {
        let end = conductor.wait(until, |totals| totals.ready == clients).await?;
        let ready = conductor.totals().ready;
        match end {
            End::Reached => return Ok(begun.elapsed()),
            End::Interrupted => return Err(RunError::Interrupted),
            // Slow servers are no dead ones: what a new member of a large group syncs may be large.
            End::Deadline | End::Full | End::Enough if ready > ready_before => {
                (until, ready_before) = (Instant::now() + options.connect_timeout, ready);
            }
            End::Deadline | End::Full | End::Enough => {
                let (seconds, happened) = (begun.elapsed().as_secs(), happened(conductor));
                return Err(RunError::NotReady { ready, clients, seconds, happened });
            }
        }
    }
}

/// Ends the threads, which know what happened: errors by kind.
fn happened(conductor: &mut Conductor) -> String {
    conductor.phases.send_replace(Phase::Stop);
    let mut happened = BTreeMap::new();
    for thread in conductor.threads.drain(..) {
        if let Ok(Ok(harvest)) = thread.join() {
            happened.extend(harvest.measures.errors);
        }
    }
    let happened: Vec<String> =
        happened.iter().map(|(kind, count)| format!("{kind} ({count})")).collect();
    if happened.is_empty() { "nothing".to_owned() } else { happened.join(", ") }
}
