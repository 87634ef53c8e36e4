//! `tidings capacity`: a bounded self-test. Starts a server of its own on loopback and an empty folder,
//! connects to it, lets it deliver, and says what this machine will carry and which limit comes first.

mod crowd;
mod figures;
mod server;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use gateway::{AdmissionConfig, config::LimitsConfig};

use crate::config::TidingsConfig;
use crowd::Crowd;
use figures::Figures;
use server::TestServer;

/// How far the self-test goes.
#[derive(Debug, Args)]
pub struct CapacityArguments {
    /// Connections that are opened; as many files are needed in this and in the server's process.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(100..=15_000))]
    connections: u64,
    /// How long messages are delivered, in seconds.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=30))]
    seconds: u64,
}

/// Members of the group that is written to.
const MEMBERS: usize = 200;
/// Messages on their way at once.
const POSTERS: usize = 8;
/// Files of this process that are no connections.
const OWN_FILES: u64 = 100;

/// Measures, and says what it found.
pub async fn measure(arguments: CapacityArguments, config: &TidingsConfig) -> Result<String> {
    let files = platform::files::raise_limit();
    let connections = arguments.connections as usize;
    ensure!(
        files.is_none_or(|files| files > arguments.connections + OWN_FILES),
        "this process may open too few files for {connections} connections: raise `ulimit -n`, or ask \
         for fewer (--connections)"
    );
    let server = TestServer::start().await?;
    let before = server.memory()?;
    let mut crowd = Crowd::connect(&server, connections).await?;
    let after = server.memory()?;
    let (sent, cpu, began) = (server.frames_out().await?, server.cpu()?, Instant::now());
    crowd.deliver(&server, MEMBERS, POSTERS, Duration::from_secs(arguments.seconds)).await?;
    let figures = Figures {
        connections: arguments.connections,
        resident_bytes: after.resident.saturating_sub(before.resident),
        // Both ends of each connection are on this machine.
        kernel_bytes: after.kernel.saturating_sub(before.kernel) / 2,
        deliveries: server.frames_out().await?.saturating_sub(sent),
        cpu_secs: server.cpu()? - cpu,
        wall_secs: began.elapsed().as_secs_f64(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        available_bytes: platform::usage::memory().context("reading /proc/meminfo")?.available,
        files,
        by_files: by_files(&config.admission, files),
        configured: configured(&config.limits),
    };
    Ok(figures.to_string())
}

fn by_files(admission: &AdmissionConfig, files: Option<u64>) -> u64 {
    admission.connections_by_files(files) as u64
}

fn configured(limits: &LimitsConfig) -> u64 {
    limits.connections as u64
}
