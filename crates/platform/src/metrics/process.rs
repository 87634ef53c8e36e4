//! What the operating system says of this process, under the names that dashboards know. Read at each
//! scrape; where there is no `/proc`, only what does not need it.

use std::fmt::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::usage;

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
        if let Some(usage) = usage::own() {
            let cpu = ConstCounter::new(usage.cpu_seconds);
            let kind = cpu.metric_type();
            cpu.encode(to.encode_descriptor(
                "process_cpu_seconds",
                "CPU time, user and system.",
                None,
                kind,
            )?)?;
            let bytes = usage.resident_bytes as f64;
            gauge(&mut to, "process_resident_memory_bytes", "Resident memory.", bytes)?;
            gauge(&mut to, "process_threads", "Threads.", usage.threads as f64)?;
        }
        if let Some(files) = usage::own_files() {
            gauge(&mut to, "process_open_fds", "Open files and sockets.", files as f64)?;
        }
        Ok(())
    }
}

fn gauge(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> Result<(), Error> {
    let gauge = ConstGauge::new(value);
    let kind = gauge.metric_type();
    gauge.encode(to.encode_descriptor(name, help, None, kind)?)
}
