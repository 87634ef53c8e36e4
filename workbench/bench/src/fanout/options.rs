//! What a fan-out is asked to do.

use std::time::Duration;

use clap::{Args, ValueEnum};
use wire_client::values::{Load, Rate, duration as parse_duration};

use crate::crowd::approach::{Kind, ServerOptions};
use crate::crowd::carrier::Carrier;
use crate::crowd::error::BenchError;

/// What the help says beyond the options.
pub const HELP: &str = "\
Prints one line of name=value. each_*: from when a message was due to each member's socket; last_*:
to the last one's. cpu_us.NAME: user and system time of a process per delivery; cpu_us.servers: of
all of --server-pids; cpu_us.fleet: of the generator. bytes_per_delivery: what the members' sockets
gave, heads of frames and heartbeats included, TCP's own not.

Tidings stores and orders each message before it is delivered, NATS and the floors do not. Members
connect with acks=off, as nothing is acknowledged elsewhere; --delivered-every turns it on.

With --publish notice or high-notice, an operator sends notices to everybody over REST, and the members keep the log of
notices. A time then counts from when the request was due. With --delivered-every the line also says for how many users the
server counts the last notice as delivered, how long that took (receipts_after_s), and how many --readers it counts.

Examples:
  fleet floor axum --listen 127.0.0.1:9001
  fleet fanout --target axum --server 127.0.0.1:9001 --members 1000 --server-pids axum=101
  fleet fanout --target tidings --server 127.0.0.1:8080 --secret-file data/secret --members 1000 \\
        --window 16 --server-pids gateway=101,chat=103";

/// What is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Published {
    /// Messages of a group.
    Message,
    /// Notices of an operator to everybody.
    Notice,
    /// The same with the priority `high`.
    HighNotice,
}

impl Published {
    /// The priority of a notice; nothing for messages.
    pub fn priority(self) -> Option<&'static str> {
        match self {
            Self::Message => None,
            Self::Notice => Some("normal"),
            Self::HighNotice => Some("high"),
        }
    }

    /// As it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Notice => "notice",
            Self::HighNotice => "high-notice",
        }
    }
}

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
    /// What is published; notices with Tidings only.
    #[arg(long, value_enum, default_value = "message")]
    pub publish: Published,
    /// Broadcasts to everybody a second, over REST, beside what is published; Tidings only.
    #[arg(long)]
    pub broadcasts: Option<Rate>,
    /// Members who say at the end that they have read the last notice, each of them twice.
    #[arg(long, default_value_t = 0)]
    pub readers: u32,
}

impl FanoutOptions {
    /// How messages come about.
    pub fn load(&self) -> Load {
        self.rate.map_or(Load::Closed(self.window), |rate| Load::Open(rate.per_second()))
    }

    /// Whether the members say how far they are.
    pub fn is_acknowledging(&self) -> bool {
        !self.delivered_every.is_zero()
    }

    /// Refuses what cannot be measured.
    pub fn validate(&self) -> Result<(), BenchError> {
        let refuse = |text: &str| Err(BenchError::Options(text.to_owned()));
        let is_tidings = self.server.target == Kind::Tidings;
        if !is_tidings && (self.publish != Published::Message || self.broadcasts.is_some()) {
            return refuse("notices and broadcasts are for Tidings only");
        }
        if self.is_acknowledging() && !self.carrier.hears_json() {
            return refuse(
                "--delivered-every is said in JSON, over the WebSocket that the member hears",
            );
        }
        if self.readers > 0 && !(self.publish.priority().is_some() && self.is_acknowledging()) {
            return refuse("--readers read notices, with --delivered-every");
        }
        if self.readers > self.members {
            return refuse("--readers: at most --members");
        }
        Ok(())
    }
}
