//! What the operating system says of this process, under the names that dashboards know. Read at each
//! scrape; where there is no `/proc`, only what does not need it.

use std::fmt::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Ticks of a second in `/proc/self/stat`: fixed at 100 for user space, whatever the kernel's own.
const TICKS: f64 = 100.0;

/// Reads the process's figures when asked.
#[derive(Debug)]
pub(super) struct Process {
    started: SystemTime,
}

impl Process {
    pub(super) fn new() -> Self {
        Self { started: SystemTime::now() }
    }
}

impl Collector for Process {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), Error> {
        let started = self.started.duration_since(UNIX_EPOCH).map_or(0.0, |at| at.as_secs_f64());
        gauge(&mut to, "process_start_time_seconds", "When it started, in Unix time.", started)?;
        let panics = ConstCounter::new(crate::shutdown::task_panics());
        let kind = panics.metric_type();
        panics.encode(to.encode_descriptor(
            "tidings_task_panics",
            "Tasks that panicked.",
            None,
            kind,
        )?)?;
        if let Some(secs) = cpu_seconds() {
            let cpu = ConstCounter::new(secs);
            let kind = cpu.metric_type();
            cpu.encode(to.encode_descriptor(
                "process_cpu_seconds",
                "CPU time, user and system.",
                None,
                kind,
            )?)?;
        }
        if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
            if let Some(bytes) = resident_of(&status) {
                let help = "Resident memory.";
                gauge(&mut to, "process_resident_memory_bytes", help, bytes)?;
            }
            if let Some(threads) = field(&status, "Threads:") {
                gauge(&mut to, "process_threads", "Threads.", threads)?;
            }
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            gauge(&mut to, "process_open_fds", "Open files and sockets.", files.count() as f64)?;
        }
        Ok(())
    }
}

fn gauge(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> Result<(), Error> {
    let gauge = ConstGauge::new(value);
    let kind = gauge.metric_type();
    gauge.encode(to.encode_descriptor(name, help, None, kind)?)
}

/// User and system time: fields 14 and 15. The command in field 2 may hold spaces; it ends at `)`.
pub(crate) fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS)
}

/// Resident memory.
pub(crate) fn resident_bytes() -> Option<f64> {
    resident_of(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn resident_of(status: &str) -> Option<f64> {
    field(status, "VmRSS:").map(|kib| kib * 1024.0)
}

fn field(status: &str, name: &str) -> Option<f64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}
