//! The process, its disk and its clock.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use e2e::process::{Process, binary};
use e2e::tenants;
use e2e::token::SECRET;
use rustix::process::Signal;
use tempfile::TempDir;

use super::deeds::Deed;
use crate::clock::Clocks;
use crate::machine;
use crate::small_disk::SmallDisk;
use crate::system::Service;
use crate::watch::Pids;
use crate::wiring::hooks;

/// What the process is called in histories.
pub(super) const NAME: &str = "tidings";
/// There is one process: any of the clocks will do.
const CLOCK: Service = Service::Chat(0);
/// A health check is asked again when it is not answered in this time.
const ANSWER: Duration = Duration::from_secs(2);
/// The files of the database. The third, which processes share in memory, ends them when it cannot be written.
const FILES: [&str; 2] = ["tidings.db", "tidings.db-wal"];

/// The running process. It is dropped before its disk, and this before its folder.
#[derive(Debug)]
pub(super) struct House {
    process: Process,
    /// Where clients find it, before and after a restart.
    pub(super) address: SocketAddr,
    management: SocketAddr,
    /// Who is watched.
    pub(super) pids: Pids,
    label: String,
    disk: Result<SmallDisk, String>,
    clocks: Result<Clocks, String>,
    is_immutable_kept: bool,
    folder: TempDir,
}

impl House {
    /// Starts the process in a folder of its own and waits until it is ready.
    pub(super) async fn start(label: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidings-chaos-").tempdir()?;
        let data = folder.path().join("data");
        // Where a disk of our own cannot be mounted the folder is on that of everybody.
        let disk = SmallDisk::mount_image(&data).or_else(|_| SmallDisk::mount(&data));
        std::fs::create_dir_all(&data)?;
        let is_immutable_kept = keeps_immutable(&data);
        // As on a laptop, where nobody is limited.
        let host = Ipv4Addr::LOCALHOST;
        let address = SocketAddr::from((host, machine::free_port(host)?));
        let management = SocketAddr::from((host, machine::free_port(host)?));
        let clocks = Clocks::find(folder.path()).map_err(|error| format!("{error:#}"));
        let process = process(label, &folder, address, management, clocks.as_ref().ok()).await;
        let pids = Pids::default();
        pids.set(NAME, process.pid());
        let house = Self {
            process,
            address,
            management,
            pids,
            label: label.to_owned(),
            disk: disk.map_err(|error| format!("{error:#}")),
            clocks,
            is_immutable_kept,
            folder,
        };
        house.ready(Duration::from_mins(1)).await.map_err(anyhow::Error::msg)?;
        Ok(house)
    }

    /// Why a deed cannot be done here.
    pub(super) fn lacks(&self, deed: Deed) -> Option<&str> {
        match deed {
            Deed::FullDisk => self.disk.as_ref().err().map(String::as_str),
            Deed::Clock => self.clocks.as_ref().err().map(String::as_str),
            Deed::ReadOnly if !self.is_immutable_kept => Some("no file can be made immutable"),
            _ => None,
        }
    }

    /// The file of the database.
    pub(super) fn database(&self) -> PathBuf {
        self.folder.path().join("data").join(FILES[0])
    }

    /// Its disk.
    pub(super) fn disk(&self) -> anyhow::Result<&SmallDisk> {
        self.disk.as_ref().map_err(|why| anyhow::anyhow!("no disk of its own: {why}"))
    }

    /// SIGKILL, and started again in the same place.
    pub(super) async fn kill(&mut self) -> anyhow::Result<String> {
        let pid = self.process.pid();
        self.process.kill().await;
        ensure!(!machine::signal(pid, Signal::CONT), "it outlives SIGKILL");
        let (address, management) = (self.address, self.management);
        let clocks = self.clocks.as_ref().ok();
        self.process = process(&self.label, &self.folder, address, management, clocks).await;
        self.pids.set(NAME, self.process.pid());
        Ok(format!("pid {pid} is gone"))
    }

    /// Lets nobody write to the database, or everybody again.
    pub(super) fn set_immutable(&self, is_immutable: bool) -> anyhow::Result<()> {
        let flag = if is_immutable { "+i" } else { "-i" };
        let folder = self.folder.path().join("data");
        for file in FILES.iter().map(|name| folder.join(name)).filter(|file| file.exists()) {
            ensure!(chattr(flag, &file), "chattr {flag} {}", file.display());
        }
        Ok(())
    }

    /// Sets its clock so far off.
    pub(super) fn set_clock(&self, offset: &str) -> anyhow::Result<()> {
        self.clocks.as_ref().map_err(|why| anyhow::anyhow!("{why}"))?.set(CLOCK, offset)
    }

    /// Whether it has looked at its clock since.
    pub(super) fn has_read_clock(&self) -> anyhow::Result<bool> {
        self.clocks.as_ref().map_err(|why| anyhow::anyhow!("{why}"))?.is_read(CLOCK)
    }

    /// What it says of itself: ready, or why not.
    pub(super) async fn readiness(&self) -> Result<(), String> {
        let client = reqwest::Client::builder().timeout(ANSWER).build();
        let client = client.map_err(|error| error.to_string())?;
        let url = format!("http://{}/health/ready", self.management);
        let answer = client.get(url).send().await.map_err(|error| error.to_string())?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(answer.text().await.unwrap_or_default())
    }

    /// Waits until it is ready; why it is not.
    pub(super) async fn ready(&self, patience: Duration) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        loop {
            match self.readiness().await {
                Ok(()) => return Ok(()),
                Err(said) if Instant::now() > deadline => {
                    return Err(format!("not ready after {patience:?}: {said}"));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // A folder with immutable files cannot be removed.
        let _ = self.set_immutable(false);
    }
}

async fn process(
    label: &str,
    folder: &TempDir,
    address: SocketAddr,
    management: SocketAddr,
    clocks: Option<&Clocks>,
) -> Process {
    let data = folder.path().join("data");
    let (listen, management) = (address.to_string(), management.to_string());
    let data = data.to_string_lossy();
    let arguments =
        ["serve", "--listen", &listen, "--management-listen", &management, "--data", &data];
    let mut environment = clocks.map(|clocks| clocks.environment(CLOCK)).unwrap_or_default();
    environment.push(("TIDINGS__AUTH__HS256_SECRET".to_owned(), SECRET.to_owned()));
    environment.push(("TIDINGS__TENANTS".to_owned(), tenants::list(&[])));
    let hooks = hooks(&[address.ip()]);
    environment.extend(hooks.map(|(key, value)| (format!("TIDINGS__{key}"), value)));
    Process::start_at(&format!("{label}/{NAME}"), &binary(NAME), &arguments, &environment).await
}

fn chattr(flag: &str, file: &Path) -> bool {
    let output = Command::new("chattr").arg(flag).arg(file).output();
    output.is_ok_and(|output| output.status.success())
}

/// Whether a file there can be made so that a process that has it open cannot write any more.
fn keeps_immutable(folder: &Path) -> bool {
    let path = folder.join("immutable");
    let kept = (|| -> anyhow::Result<bool> {
        let file = std::fs::File::create(&path).context("a file to try with")?;
        let is_set = chattr("+i", &path);
        let is_kept = file.set_len(1).is_err() && std::io::Write::write(&mut &file, b"x").is_err();
        chattr("-i", &path);
        std::fs::remove_file(&path)?;
        Ok(is_set && is_kept)
    })();
    kept.unwrap_or(false)
}
