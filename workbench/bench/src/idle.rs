//! Connections that only stay: what each costs in memory, of the process and of the kernel, and in
//! CPU time.

mod kernel;

use std::time::{Duration, Instant};

use clap::Args;
use tokio::runtime::{Builder, LocalOptions};
use wire_client::message::MIN_PAYLOAD_BYTES;
use wire_client::values::{Rate, duration as parse_duration};

use crate::crowd::approach::{Approach, Role, ServerOptions};
use crate::crowd::costs::{self, Figures, Watched};
use crate::crowd::error::BenchError;
use crate::crowd::{Crowd, Pace};

/// Connections that may be opening at once.
const OPENING: usize = 200;

/// What the help says beyond the options.
pub const HELP: &str = "\
Prints one line of name=value. rss_kib.NAME: growth of a process's resident memory per connection;
kernel_slab_kib and kernel_socket_kib: growth of the kernel's slab caches and of TCP's buffers per
connection, for the whole machine, so both ends of a connection on this machine are in it;
cpu_us.NAME: CPU-µs a second and connection while all are idle, heartbeats included.

Idle starts with a fresh server: memory that a process had before is not told apart.";

/// One run.
#[derive(Debug, Clone, Args)]
pub struct IdleOptions {
    /// The server.
    #[command(flatten)]
    pub server: ServerOptions,
    /// How many connect.
    #[arg(long, default_value_t = 10_000)]
    pub connections: u32,
    /// New connections a second.
    #[arg(long, default_value = "1000/s")]
    pub ramp: Rate,
    /// How long after the last connection is not measured.
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    pub settle: Duration,
    /// How long is measured.
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    pub duration: Duration,
}

/// Runs to the end and blocks meanwhile.
pub fn run(options: &IdleOptions, tell: impl FnMut(&str)) -> Result<Figures, BenchError> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(measure(options, tell))
}

async fn measure(options: &IdleOptions, mut tell: impl FnMut(&str)) -> Result<Figures, BenchError> {
    let approach =
        Approach::prepare(&options.server, options.connections, MIN_PAYLOAD_BYTES, false).await?;
    let crowd = Crowd::new(approach);
    let watched = Watched::with_generator(&options.server.server_pids);
    let (empty, empty_kernel) = (watched.sample(), kernel::Memory::now());
    let pace = Pace { parallel: OPENING, per_second: Some(options.ramp.per_second()) };
    crowd.gather(1..options.connections + 1, Role::Visitor, pace).await?;
    tell("connected");
    let idle = async {
        tokio::time::sleep(options.settle).await;
        let (before, begun) = (watched.sample(), Instant::now());
        let kernel = kernel::Memory::now();
        tokio::time::sleep(options.duration).await;
        (before, kernel, watched.sample(), begun.elapsed())
    };
    let held = tokio::select! {
        biased;
        trouble = crowd.trouble() => Err(trouble),
        held = idle => Ok(held),
    };
    crowd.leave();
    let (before, kernel, after, held) = held?;
    let connections = f64::from(options.connections);
    let mut figures = Figures::of("idle");
    figures.add("target", options.server.target.name());
    figures.add("connections", options.connections);
    figures.add_fraction("seconds", held.as_secs_f64());
    let kib = connections * 1024.0;
    figures.add_costs("rss_kib", &costs::rss_growth(&empty, &before), kib);
    let slab = kernel.slab_bytes as f64 - empty_kernel.slab_bytes as f64;
    figures.add_fraction("kernel_slab_kib", slab / kib);
    let sockets = kernel.socket_bytes as f64 - empty_kernel.socket_bytes as f64;
    figures.add_fraction("kernel_socket_kib", sockets / kib);
    let by = connections * held.as_secs_f64();
    figures.add_costs("cpu_us", &costs::cpu_us(&before, &after), by);
    Ok(figures)
}
