//! The server under test: this binary once more, in a process and a folder of its own.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use platform::secret::Secret;
use platform::token::{NewToken, Signer};
use platform::usage;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long it may take to start.
const START: Duration = Duration::from_secs(20);
/// How long tokens last: longer than any self-test.
const TOKEN: Duration = Duration::from_mins(10);

/// What memory is taken, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// By the process.
    pub(super) resident: u64,
    /// By the kernel's own objects, sockets among them.
    pub(super) kernel: u64,
}

/// A running server. It and its folder go when this is dropped.
pub(super) struct TestServer {
    child: Child,
    pid: u32,
    folder: PathBuf,
    signer: Signer,
    /// `host:port` of sockets and REST.
    pub(super) http: String,
    management: String,
}

impl TestServer {
    pub(super) async fn start() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("tidings-capacity-{}", std::process::id()));
        let secret = format!("{:032x}", rand::random::<u128>());
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", "--listen", "127.0.0.1:0", "--management-listen", "127.0.0.1:0"])
            .arg("--data")
            .arg(&folder)
            .env("TIDINGS__AUTH__HS256_SECRET", &secret)
            .env("TIDINGS__TELEMETRY__LOG_FILTER", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting a server to test")?;
        let output = child.stdout.take().context("the server's output")?;
        let mut lines = BufReader::new(output).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(places) = line.strip_prefix("listening http=") {
                    let places = places.split_once(" management=");
                    let (http, management) = places.context("the server's addresses")?;
                    return Ok((http.to_owned(), management.to_owned()));
                }
            }
            anyhow::bail!("the server under test did not start")
        };
        let (http, management) =
            tokio::time::timeout(START, listening).await.context("the server's start")??;
        let signer = Signer::hs256(&Secret::new(&secret), None, None);
        let pid = child.id().context("the server has ended")?;
        Ok(Self { child, pid, folder, signer, http, management })
    }

    /// A token for a user.
    pub(super) fn token(&self, user: &str) -> Result<String> {
        let token = NewToken { sub: user.to_owned(), ttl: TOKEN, ..NewToken::default() };
        Ok(self.signer.sign(&token, SystemTime::now())?.0)
    }

    pub(super) fn memory(&self) -> Result<Memory> {
        let process = usage::of(self.pid).context("the server's memory")?;
        let machine = usage::memory().context("the kernel's memory")?;
        Ok(Memory { resident: process.resident_bytes, kernel: machine.kernel })
    }

    /// CPU time so far, in seconds.
    pub(super) fn cpu(&self) -> Result<f64> {
        Ok(usage::of(self.pid).context("the server's CPU time")?.cpu_seconds)
    }

    /// Frames written to sockets so far.
    pub(super) async fn frames_out(&self) -> Result<u64> {
        let text =
            reqwest::get(format!("http://{}/metrics", self.management)).await?.text().await?;
        let value =
            text.lines().find_map(|line| line.strip_prefix("tidings_gateway_frames_out_total "));
        value.and_then(|value| value.parse().ok()).context("the server's count of frames")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        // Its own folder, made for this: nothing in it is anybody's.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
