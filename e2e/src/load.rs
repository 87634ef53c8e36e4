//! The fleet as a process: load, and the verdict of its checker.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::process::Child;

use crate::process::{command, log_folder};
use crate::token::SECRET;

/// A fleet under way.
#[derive(Debug)]
pub struct Load {
    label: String,
    child: Child,
    report: PathBuf,
}

impl Load {
    /// Starts a scenario against the sockets of `gateways` (`host:port`).
    pub fn start(label: &str, gateways: &[&str], arguments: &[&str]) -> Self {
        Self::spawn(label, gateways, &["--secret", SECRET], arguments)
    }

    /// The same against a server that made its own secret.
    pub fn start_with_secret_file(
        label: &str,
        gateways: &[&str],
        secret: &Path,
        arguments: &[&str],
    ) -> Self {
        let secret = secret.to_str().expect("test folders have plain names");
        Self::spawn(label, gateways, &["--secret-file", secret], arguments)
    }

    fn spawn(label: &str, gateways: &[&str], secret: &[&str], arguments: &[&str]) -> Self {
        let report = log_folder().join(format!("{label}-report.json"));
        let _ = std::fs::remove_file(&report);
        let urls: Vec<String> =
            gateways.iter().map(|address| format!("ws://{address}/ws")).collect();
        let mut all = vec!["run", "--json", report.to_str().expect("plain path")];
        all.extend(secret);
        for url in &urls {
            all.extend(["--url", url]);
        }
        all.extend(arguments);
        let log =
            std::fs::File::create(log_folder().join(format!("{label}.log"))).expect("log file");
        let child = command("fleet", &all, &[])
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .expect("the fleet starts");
        Self { label: label.to_owned(), child, report }
    }

    /// Waits for the end and demands the verdict `valid`; the report.
    pub async fn valid(mut self, deadline: Duration) -> Value {
        let status = tokio::time::timeout(deadline, self.child.wait())
            .await
            .unwrap_or_else(|_| panic!("the fleet did not end within {deadline:?}"))
            .expect("a child can be waited for");
        let log = std::fs::read_to_string(log_folder().join(format!("{}.log", self.label)))
            .unwrap_or_default();
        assert!(status.success(), "the fleet's checker says {status}:\n{log}");
        let text = std::fs::read_to_string(&self.report).expect("a report");
        serde_json::from_str(&text).expect("the report is JSON")
    }
}
