//! Connections as they come: how many a second one server takes in, and how long each waits until it
//! is registered and welcomed.

use std::time::Duration;

use clap::Args;
use tokio::runtime::{Builder, LocalOptions};
use wire_client::message::MIN_PAYLOAD_BYTES;
use wire_client::values::Rate;

use crate::crowd::approach::{Approach, Role, ServerOptions};
use crate::crowd::costs::{self, Figures, Watched};
use crate::crowd::error::BenchError;
use crate::crowd::{Crowd, Pace};

/// With a rate, connections that may be opening at once.
const MOST_OPENING: usize = 10_000;

/// What the help says beyond the options.
pub const HELP: &str = "\
A connection is ready: Tidings, `welcome` (authenticated and registered with presence); NATS, the
PONG after CONNECT and SUB; the floors, the answer to the first line.

Without --rate as many as --parallel are opening at any time. With it, the time counts from when a
connection was due. Prints one line of name=value; cpu_us.* is per connection.";

/// One run.
#[derive(Debug, Clone, Args)]
pub struct ArrivalsOptions {
    /// The server.
    #[command(flatten)]
    pub server: ServerOptions,
    /// How many connect; all stay to the end.
    #[arg(long, default_value_t = 5_000)]
    pub connections: u32,
    /// Closed loop: opening at once.
    #[arg(long, default_value_t = 64, conflicts_with = "rate")]
    pub parallel: u32,
    /// Open loop: new ones a second.
    #[arg(long)]
    pub rate: Option<Rate>,
}

/// Runs to the end and blocks meanwhile.
pub fn run(options: &ArrivalsOptions) -> Result<Figures, BenchError> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(measure(options))
}

async fn measure(options: &ArrivalsOptions) -> Result<Figures, BenchError> {
    let approach =
        Approach::prepare(&options.server, options.connections, MIN_PAYLOAD_BYTES, false).await?;
    let crowd = Crowd::new(approach);
    let pace = match options.rate {
        Some(rate) => Pace { parallel: MOST_OPENING, per_second: Some(rate.per_second()) },
        None => Pace { parallel: options.parallel as usize, per_second: None },
    };
    let watched = Watched::with_generator(&options.server.server_pids);
    let before = watched.sample();
    let gathered = crowd.gather(1..options.connections + 1, Role::Visitor, pace).await;
    let after = watched.sample();
    let setup = crowd.setup.borrow().clone();
    crowd.leave();
    let took = gathered?;
    let connections = f64::from(options.connections);
    let mut figures = Figures::of("arrivals");
    figures.add("target", options.server.target.name());
    figures.add("connections", options.connections);
    match options.rate {
        Some(rate) => figures.add("load", format!("{}/s", rate.per_second())),
        None => figures.add("load", format!("p{}", options.parallel)),
    }
    figures.add_fraction("seconds", took.as_secs_f64());
    figures.add("per_second", format!("{:.0}", connections / took.as_secs_f64()));
    for (name, quantile) in [("p50_ms", 0.5), ("p99_ms", 0.99), ("max_ms", 1.0)] {
        let us = setup.histogram().value_at_quantile(quantile);
        figures.add_fraction(name, Duration::from_micros(us).as_secs_f64() * 1e3);
    }
    figures.add_costs("cpu_us", &costs::cpu_us(&before, &after), connections);
    Ok(figures)
}
