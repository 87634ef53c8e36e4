//! A backend as a child process: started, killed, paused and started again in the same place.

use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::machine;

/// A backend answers in this time after a start.
const START: Duration = Duration::from_mins(1);
/// A process that was told to end is gone in this time.
const GONE: Duration = Duration::from_secs(20);
/// A process that ends by itself has done so in this time.
const DYING: Duration = Duration::from_secs(1);
/// A killed process is gone in this time.
const LAST: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// How a backend is started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// What it is called.
    pub name: &'static str,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
    /// The user and group it runs as, when not ours.
    pub user: Option<(u32, u32)>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where the server's own pid is found, when a script starts it.
    pub pid_file: Option<PathBuf>,
    /// Where it says what it does.
    pub log: PathBuf,
}

/// A running backend; killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    launch: Launch,
    child: Child,
}

impl Daemon {
    /// Starts it and waits until it listens.
    pub async fn start(launch: Launch) -> anyhow::Result<Self> {
        let child = spawn(&launch)?;
        let mut daemon = Self { launch, child };
        daemon.listening().await?;
        Ok(daemon)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.launch.address
    }

    /// The server's pid.
    pub fn pid(&self) -> u32 {
        let from_file = self
            .launch
            .pid_file
            .as_ref()
            .and_then(|path| std::fs::read_to_string(path).ok()?.trim().parse().ok());
        from_file.or(self.child.id()).unwrap_or(0)
    }

    async fn listening(&mut self) -> anyhow::Result<()> {
        let (name, address) = (self.launch.name, self.launch.address);
        let deadline = Instant::now() + START;
        while TcpStream::connect(address).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                // A crashed predecessor may hold on to its memory for a moment.
                if Instant::now() > deadline {
                    bail!("{name} ended ({status}): see {}", self.launch.log.display());
                }
                tokio::time::sleep(LOOK * 4).await;
                self.child = spawn(&self.launch)?;
            }
            if Instant::now() > deadline {
                bail!("{name} does not listen on {address}: see {}", self.launch.log.display());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Ends the server itself with a signal, and waits until it is gone; what shows it.
    pub async fn end(&mut self, by: Signal) -> anyhow::Result<String> {
        let pid = self.pid();
        let family = machine::family(pid);
        machine::signal(pid, by);
        let deadline = Instant::now() + GONE;
        // Children that outlive it would hold its port or its memory.
        while family.iter().any(|pid| machine::is_running(*pid)) {
            // Reaps our own child.
            let _ = self.child.try_wait();
            if Instant::now() > deadline {
                for pid in &family {
                    machine::signal(*pid, Signal::KILL);
                }
                bail!("{} does not die", self.launch.name);
            }
            tokio::time::sleep(LOOK).await;
        }
        let _ = tokio::time::timeout(GONE, self.child.wait()).await;
        if let Some(path) = &self.launch.pid_file {
            let _ = std::fs::remove_file(path);
        }
        Ok(format!("pid {pid} and {} below it are gone", family.len() - 1))
    }

    /// Starts it again in the same place, with the same data.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.child = spawn(&self.launch)?;
        self.listening().await
    }

    /// Where it says what it does.
    pub fn log(&self) -> &Path {
        &self.launch.log
    }

    /// Starts it again when it has ended by itself; whether it had.
    pub async fn revive(&mut self) -> anyhow::Result<bool> {
        // A process that is about to end has a moment to do it.
        let ended = tokio::time::timeout(DYING, self.child.wait()).await.is_ok();
        if ended {
            if let Some(path) = &self.launch.pid_file {
                let _ = std::fs::remove_file(path);
            }
            self.restart().await?;
        }
        Ok(ended)
    }

    /// Stops or continues all of its processes; what shows it.
    pub fn pause(&self, is_paused: bool) -> String {
        let family = machine::family(self.pid());
        let sent = if is_paused { Signal::STOP } else { Signal::CONT };
        let stopped = family.iter().filter(|pid| machine::signal(**pid, sent)).count();
        format!("{stopped} processes of {}", self.launch.name)
    }

    /// How many of its processes are stopped.
    pub fn stopped(&self) -> usize {
        let family = machine::family(self.pid());
        family.iter().filter(|pid| machine::state(**pid) == Some('T')).count()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // No graceful stop: its data ends with the run.
        // Its folder is removed next, so nobody may write there any more.
        let pid = self.pid();
        if pid != 0 {
            machine::kill_all(&machine::family(pid), LAST);
        }
    }
}

fn spawn(launch: &Launch) -> anyhow::Result<Child> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&launch.log)
        .with_context(|| launch.log.display().to_string())?;
    // The kernel ends it when we vanish without a word.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]);
    if let Some((user, group)) = launch.user {
        command.args([&format!("--reuid={user}"), &format!("--regid={group}")]);
        command.arg("--clear-groups");
    }
    command.arg("--").arg(&launch.program).args(&launch.arguments).env_clear();
    command.envs(launch.environment.iter().cloned()).stdin(Stdio::null()).kill_on_drop(true);
    command.stdout(log.try_clone()?).stderr(log);
    command.spawn().with_context(|| format!("{} cannot be started", launch.program.display()))
}

/// What Debian's scripts need to find their tools.
pub fn path_variable() -> (String, String) {
    ("PATH".to_owned(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned())
}

/// Redis, without a file of its own.
pub async fn redis(host: Ipv4Addr, folder: &Path, log: PathBuf) -> anyhow::Result<Daemon> {
    let port = machine::free_port(host)?;
    let folder = folder.to_str().context("the folder has a plain name")?;
    let (port_text, host_text) = (port.to_string(), host.to_string());
    let arguments = ["--port", &port_text, "--bind", &host_text, "--dir", folder];
    let plain = ["--save", "", "--appendonly", "no", "--daemonize", "no", "--protected-mode", "no"];
    Daemon::start(Launch {
        name: "redis",
        program: "redis-server".into(),
        arguments: arguments.iter().chain(&plain).map(|text| (*text).to_owned()).collect(),
        environment: vec![path_variable()],
        user: None,
        address: (host, port).into(),
        pid_file: None,
        log,
    })
    .await
}
