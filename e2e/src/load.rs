//! The fleet as a process: load, and the verdict of its checker.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::process::{Child, Command};

use crate::process::{binary, log_folder, program};
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
        Self::start_by(&binary("fleet"), label, gateways, arguments)
    }

    /// The same by a fleet from elsewhere.
    pub fn start_by(fleet: &Path, label: &str, gateways: &[&str], arguments: &[&str]) -> Self {
        Self::spawn(fleet, label, gateways, &["--secret", SECRET], arguments)
    }

    /// The same against a server that made its own secret.
    pub fn start_with_secret_file(
        label: &str,
        gateways: &[&str],
        secret: &Path,
        arguments: &[&str],
    ) -> Self {
        let secret = secret.to_str().expect("test folders have plain names");
        Self::spawn(&binary("fleet"), label, gateways, &["--secret-file", secret], arguments)
    }

    fn spawn(
        fleet: &Path,
        label: &str,
        gateways: &[&str],
        secret: &[&str],
        arguments: &[&str],
    ) -> Self {
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
        let child = program(fleet, &all, &[])
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .expect("the fleet starts");
        Self { label: label.to_owned(), child, report }
    }

    /// Ends the sending, since the test has seen what it wanted under load; then as [`Self::valid`].
    pub async fn enough(self, deadline: Duration) -> Value {
        // Nothing where it has ended by itself.
        if let Some(pid) = self.child.id() {
            let told = Command::new("kill").args(["-USR1", &pid.to_string()]).status().await;
            assert!(told.is_ok_and(|status| status.success()), "kill -USR1 {pid}");
        }
        self.valid(deadline).await
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
