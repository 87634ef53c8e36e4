//! What a fan-out is asked to do.

use std::time::Duration;

use clap::Args;

use crate::crowd::approach::ServerOptions;
use crate::crowd::carrier::Carrier;
use crate::options::{Load, Rate, parse_duration};

/// What the help says beyond the options.
pub const HELP: &str = "\
Prints one line of name=value. each_*: from when a message was due to each member's socket; last_*:
to the last one's. cpu_us.NAME: user and system time of a process per delivery; cpu_us.servers: of
all of --server-pids; cpu_us.fleet: of the generator. bytes_per_delivery: what the members' sockets
gave, heads of frames and heartbeats included, TCP's own not.

Tidings stores and orders each message before it is delivered, NATS and the floors do not. Members
connect with acks=off, as nothing is acknowledged elsewhere; --delivered-every turns it on.

Examples:
  fleet floor axum --listen 127.0.0.1:9001
  fleet fanout --target axum --server 127.0.0.1:9001 --members 1000 --server-pids axum=101
  fleet fanout --target tidings --server 127.0.0.1:8080 --secret-file data/secret --members 1000 \\
        --window 16 --server-pids gateway=101,chat=103";

/// One fan-out.
#[derive(Debug, Clone, Args)]
pub struct FanoutOptions {
    /// The server.
    #[command(flatten)]
    pub server: ServerOptions,
    /// How the members' connections carry frames.
    #[command(flatten)]
    pub carrier: Carrier,
    /// Members online.
    #[arg(long, default_value_t = 1_000)]
    pub members: u32,
    /// Closed loop: messages on their way. The next is published when the oldest has reached all.
    #[arg(long, default_value_t = 1, conflicts_with = "rate")]
    pub window: u32,
    /// Open loop: messages a second, due on a fixed schedule.
    #[arg(long)]
    pub rate: Option<Rate>,
    /// Length of each text in bytes.
    #[arg(long, default_value_t = 200)]
    pub payload: usize,
    /// New connections a second.
    #[arg(long, default_value = "2000/s")]
    pub ramp: Rate,
    /// How long all are connected and silent before the first message.
    #[arg(long, default_value = "2s", value_parser = parse_duration)]
    pub hold: Duration,
    /// How long is sent before it is measured.
    #[arg(long, default_value = "2s", value_parser = parse_duration)]
    pub warmup: Duration,
    /// How long is measured.
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    pub duration: Duration,
    /// How often each member says `delivered`; Tidings only. 0s: never, with acks=off.
    #[arg(long, default_value = "0s", value_parser = parse_duration)]
    pub delivered_every: Duration,
}

impl FanoutOptions {
    /// How messages come about.
    pub fn load(&self) -> Load {
        self.rate.map_or(Load::Closed(self.window), |rate| Load::Open(rate.per_second()))
    }
}

impl Load {
    /// As it is called in tables.
    pub fn name(self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Open(rate) => format!("{rate}/s"),
            Self::Closed(window) => format!("w{window}"),
        }
    }
}
