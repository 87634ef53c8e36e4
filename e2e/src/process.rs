//! One real process: started with its own environment, watched by its printed address, ended by pid.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::machine;
use crate::second_tenant;

/// How long a start may take on a busy machine.
const START: Duration = Duration::from_mins(1);

/// A running process; killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    addresses: HashMap<String, String>,
    log: PathBuf,
}

/// The folder of the built binaries: where cargo put the test, or the program, itself.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test knows its own path");
    let folder = test.parent().expect("a program lies in a folder");
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is missing: run `make test`, or `cargo build --workspace --bins`",
        path.display()
    );
    path
}

/// Where a test's processes write their logs.
pub fn log_folder() -> PathBuf {
    let folder = binary("tidings").with_file_name("e2e-logs");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

/// A command for one of our binaries that sees nothing of the caller's configuration.
pub fn command(name: &str, arguments: &[&str], environment: &[(String, String)]) -> Command {
    program(&binary(name), arguments, environment)
}

/// The same for a binary from elsewhere.
pub fn program(path: &Path, arguments: &[&str], environment: &[(String, String)]) -> Command {
    machine::share();
    let mut command = Command::new(path);
    command.args(arguments).env_clear().envs(environment.iter().cloned());
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

impl Process {
    /// Starts a binary and waits for its line `listening name=address …`.
    pub async fn start(
        label: &str,
        name: &str,
        arguments: &[&str],
        environment: &[(String, String)],
    ) -> Self {
        Self::start_at(label, &binary(name), arguments, environment).await
    }

    /// The same with a binary from elsewhere.
    pub async fn start_at(
        label: &str,
        path: &Path,
        arguments: &[&str],
        environment: &[(String, String)],
    ) -> Self {
        second_tenant::start();
        let log = log_folder().join(format!("{label}.log"));
        let file =
            std::fs::OpenOptions::new().create(true).append(true).open(&log).expect("log file");
        let mut child = program(path, arguments, environment)
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", path.display()));
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut lines = BufReader::new(stdout).lines();
        let mut process = Self { name: label.to_owned(), child, addresses: HashMap::new(), log };
        let listening = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(rest) = line.strip_prefix("listening ") {
                    return Some(rest.to_owned());
                }
            }
            None
        };
        let line = tokio::time::timeout(START, listening).await.ok().flatten();
        let Some(line) = line else { panic!("{label} did not start:\n{}", process.log_tail()) };
        process.addresses = line
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, address)| (name.to_owned(), address.to_owned()))
            .collect();
        process
    }

    /// An address it printed: `http`, `grpc`, `management`.
    pub fn address(&self, kind: &str) -> &str {
        self.addresses
            .get(kind)
            .unwrap_or_else(|| panic!("{} printed no {kind} address", self.name))
    }

    /// The process id; panics when it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or_else(|| panic!("{} has ended:\n{}", self.name, self.log_tail()))
    }

    /// Resident memory in KiB.
    pub fn memory_kib(&self) -> u64 {
        let process = procfs::process::Process::new(self.pid().cast_signed());
        let status = process.and_then(|process| process.status());
        status.expect("a running process has a status").vmrss.expect("it has memory")
    }

    /// SIGKILL: no graceful stop.
    pub async fn kill(&mut self) {
        self.signal("KILL").await;
        self.child.wait().await.expect("a child can be waited for");
    }

    /// SIGTERM, then waits for the end; panics after `deadline`.
    pub async fn terminate(&mut self, deadline: Duration) -> ExitStatus {
        self.signal("TERM").await;
        match tokio::time::timeout(deadline, self.child.wait()).await {
            Ok(status) => status.expect("a child can be waited for"),
            Err(_elapsed) => {
                panic!("{} did not stop within {deadline:?}:\n{}", self.name, self.log_tail())
            }
        }
    }

    /// SIGSTOP: it stands still with all its connections open.
    pub async fn freeze(&self) {
        self.signal("STOP").await;
    }

    /// SIGCONT.
    pub async fn thaw(&self) {
        self.signal("CONT").await;
    }

    /// Sends a signal by its name: STOP, CONT.
    pub async fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args([&format!("-{signal}"), &pid]).status().await;
        assert!(status.is_ok_and(|status| status.success()), "kill -{signal} {pid}");
    }

    /// The last lines it logged.
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }
}

fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
