//! What the suite does and sees, as events beside the fleets' histories.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::machine::monotonic_ns;

/// A file of events.
#[derive(Debug, Clone)]
pub struct Journal {
    path: PathBuf,
    out: Arc<Mutex<BufWriter<File>>>,
}

impl Journal {
    /// Begins a file.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        Ok(Self { path: path.to_path_buf(), out: Arc::new(Mutex::new(BufWriter::new(file))) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes an event that happens now. What cannot be written ends the run as unknown.
    pub fn write(&self, mut event: Value) -> anyhow::Result<()> {
        event["t"] = monotonic_ns().into();
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(out, "{event}").and_then(|()| out.flush()).context("the journal")
    }

    /// A fault begins or ends; empty evidence is none.
    pub fn nemesis(
        &self,
        fault: &str,
        target: &str,
        act: &str,
        evidence: &str,
    ) -> anyhow::Result<()> {
        let evidence = (!evidence.is_empty()).then_some(evidence);
        self.write(json!({
            "e": "nemesis", "fault": fault, "target": target, "act": act, "evidence": evidence,
        }))
    }

    /// A process may use at most so much of something.
    pub fn bound(&self, process: &str, what: &str, most: u64) -> anyhow::Result<()> {
        self.write(json!({ "e": "bound", "process": process, "what": what, "most": most }))
    }

    /// A process uses so much of something.
    pub fn gauge(&self, process: &str, what: &str, value: u64) -> anyhow::Result<()> {
        self.write(json!({ "e": "gauge", "process": process, "what": what, "value": value }))
    }
}
