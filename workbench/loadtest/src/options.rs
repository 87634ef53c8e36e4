//! What a run is asked to do, from the command line or from code.

mod beside;
mod mix;

use std::path::PathBuf;
use std::time::Duration;

use bench::arrivals::{self, ArrivalsOptions};
use bench::fanout::{self, FanoutOptions};
use bench::floor::{self, FloorOptions};
use bench::idle::{self, IdleOptions};
use bench::pages::{self, PagesOptions};
use bench::storm::{self, StormOptions};
use bench::waiting::{self, WaitingOptions};
use clap::{Args, FromArgMatches as _, Parser, ValueEnum};
use conformance::client::ClientOptions;
use conformance::server::ServerOptions;
use fault_proxy::command::{self, ProxyOptions};
use proto::id::TenantId;
use verdict::check_command::{self, CheckOptions};
use wire_client::identity::{MAX_CLIENTS, Run};
use wire_client::message::{MAX_PAYLOAD_BYTES, MIN_PAYLOAD_BYTES};
use wire_client::values;
pub use wire_client::values::{Load, NamedPid, Rate, Secret, Sources, WsUrl};
pub use wire_client::wire::{Encoding, Wire};

use crate::attack::{self, AttackOptions};
use crate::changes::{self, ChangesOptions};
use crate::events::{self, EventsOptions};
use crate::hooks::{self, HooksOptions};
use crate::pushes::{self, PushesOptions};
pub use beside::Beside;
pub use mix::{Mix, Part};

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "fleet", version, about, long_about = LONG_ABOUT)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Connect clients, drive a scenario, check every message, report.
    #[command(after_long_help = RUN_HELP)]
    Run(Box<Options>),
    /// Judge recorded histories.
    #[command(after_long_help = check_command::HELP)]
    Check(CheckOptions),
    /// Stand between clients and servers, and spoil their connections when told to.
    #[command(after_long_help = command::HELP)]
    Proxy(ProxyOptions),
    /// Measure one publisher and many members: Tidings, NATS or a floor.
    #[command(after_long_help = fanout::options::HELP)]
    Fanout(FanoutOptions),
    /// Measure connections that come in.
    #[command(after_long_help = arrivals::HELP)]
    Arrivals(ArrivalsOptions),
    /// Measure connections that only stay.
    #[command(after_long_help = idle::HELP)]
    Idle(IdleOptions),
    /// Measure what waits for a device that was away.
    #[command(after_long_help = waiting::HELP)]
    Waiting(WaitingOptions),
    /// Measure many members who react to one message.
    #[command(after_long_help = storm::HELP)]
    Storm(StormOptions),
    /// Measure pages of messages with states out of a large store.
    #[command(after_long_help = pages::HELP)]
    Pages(PagesOptions),
    /// Serve the least that could deliver a message, to measure against.
    #[command(after_long_help = floor::HELP)]
    Floor(FloorOptions),
    /// Misbehave as many users at once, within limits and up against them.
    #[command(after_long_help = attack::HELP)]
    Attack(AttackOptions),
    /// Edit, react, pin, delete and reply, and check what devices and answers make of it.
    #[command(after_long_help = changes::HELP)]
    Changes(ChangesOptions),
    /// Receive webhooks, die now and then, and check that they are complete and in order.
    #[command(after_long_help = hooks::HELP)]
    Hooks(HooksOptions),
    /// Subscribe to events, on the broker, by long polling or by webhooks, and measure how late they come.
    #[command(after_long_help = events::HELP)]
    Events(EventsOptions),
    /// Register browsers with a fake push service, write to groups of them, and measure decisions and pushes.
    #[command(after_long_help = pushes::HELP)]
    Pushes(PushesOptions),
    /// Try the rules of the protocol against a server.
    #[command(after_long_help = conformance::server::options::HELP)]
    Conformance(ServerOptions),
    /// Play a server to a client, and judge what it does by the rules of the protocol.
    #[command(after_long_help = conformance::client::options::HELP)]
    ConformanceClient(ClientOptions),
}

const LONG_ABOUT: &str = "\
A load-testing client fleet that checks correctness while it measures.

It opens many WebSocket clients with tokens it signs itself, drives a scenario, reconnects and
resends as a good client does when servers die, and records every entry that every client sees.
At the end a checker judges the whole history: every acknowledged send at every member exactly
once, in order, without gaps.";

const RUN_HELP: &str = "\
Scenarios:
  pairs   2N clients; 2i and 2i+1 send to each other, both ways (with several --url they sit on
          different gateways). --pairs N
  group   G groups of M members, made over REST; all members send, or the first (--senders).
          --groups G --members M; with --clients N the groups share N clients
  idle    clients connect, get their welcome and hold. --clients N

Load:
  --rate R     open loop: R messages a second in total, due on a fixed schedule. Latency counts
               from when a send was due, also while the client could not send, so a stalled
               server is not flattered (no coordinated omission)
  --window W   closed loop: every sender keeps W sends in flight, which saturates the servers

Phases: connect (--ramp), warm up, measure, then drain: nothing is sent any more, and the fleet
waits until everything acknowledged has arrived everywhere, at most --drain. Ctrl-C goes straight
to the drain; so does SIGUSR1, which means nothing while nothing is sent.

Rules of the checker:
  lost-write             an acknowledged send is not in REST history (--verify-history)
  unseen                 a connected member never got an entry of the log
  duplicate              two entries of one (sender, client id), or two different answers to it
  gap                    a place in the log that nothing stands in
  inconsistent-offsets   two observers disagree about what stands in a place
  int-send-nonmonotonic  a sender's later send stands before an earlier one
  stale-append           a send that began after another was acknowledged stands before it
  pin-state              what is pinned is not what the log says, or an acknowledged pin is not in
                         it (--pins)
  nonmonotonic-poll      on one connection a new live entry came after a later one
  poll-skip              a live entry skipped others (only with --strict-live; else counted)
  phantom, aborted-read  an entry that nobody sent, or whose send was refused as not stored
  altered-content        text, sender or client id is not what was sent
  leak                   an entry of a conversation the client is no member of
  unreadable             a frame that is no frame of the protocol
Repeats of an entry on the wire are harmless (clients drop them by their place); they are counted.

Exit code:
  0  valid
  1  a rule was broken
  2  unknown: too few acknowledgements, clients unreached at the end, history not readable;
     also wrong arguments or a server that cannot be reached

Needs --secret or --secret-file with the HS256 secret the gateways verify with, gateway limits
(rate, connections per address) above the load, and `ulimit -n` above the number of clients.
A run makes new users and conversations, named fleet.<time>.<number>, and leaves them behind.

Examples:
  fleet run --url ws://127.0.0.1:8080/ws --secret-file data/secret --pairs 100 --rate 1000
  fleet run --url ws://127.0.0.1:8081/ws --url ws://127.0.0.1:8082/ws --secret-file secret \\
        --scenario pairs --pairs 500 --window 16 --duration 20s --verify-history \\
        --server-pids gateway=101,gateway=102,chat=103,postgres=55,rabbitmq=60,redis=61
  fleet run --url ws://127.0.0.1:8080/ws --secret-file secret --scenario idle --clients 10000 \\
        --sources 127.0.0.2-127.0.0.9 --duration 30s --server-pids gateway=101";

/// Who does what to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Two users each, writing to one another.
    Pairs,
    /// Groups.
    Group,
    /// Connected and silent.
    Idle,
}

/// Who of a group sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Senders {
    /// The first member.
    One,
    /// Every member.
    All,
}

/// One run.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// A gateway's WebSocket, ws://host:port/path; may be given several times, clients take turns.
    #[arg(long = "url", required = true)]
    pub urls: Vec<WsUrl>,
    /// The HS256 secret that signs the clients' tokens. Visible in the process list.
    #[arg(long, required_unless_present = "secret_file")]
    pub secret: Option<Secret>,
    /// A file with the secret; white space around it is dropped.
    #[arg(long, conflicts_with = "secret")]
    pub secret_file: Option<PathBuf>,
    /// The tokens' `aud`.
    #[arg(long)]
    pub audience: Option<String>,
    /// The tokens' `iss`.
    #[arg(long)]
    pub issuer: Option<String>,
    /// The tenant whose secret it is: ids of direct conversations depend on it.
    #[arg(long, default_value_t = TenantId::DEFAULT)]
    pub tenant: TenantId,
    /// What the clients do.
    #[arg(long, value_enum, default_value = "pairs")]
    pub scenario: Scenario,
    /// Pairs of the scenario pairs.
    #[arg(long, default_value_t = 10)]
    pub pairs: u32,
    /// Groups of the scenario group.
    #[arg(long, default_value_t = 1)]
    pub groups: u32,
    /// Members of each group.
    #[arg(long, default_value_t = 10)]
    pub members: u32,
    /// Who of a group sends.
    #[arg(long, value_enum, default_value = "all")]
    pub senders: Senders,
    /// Clients of the scenario idle; of group, how many the groups share (else none is shared).
    #[arg(long)]
    pub clients: Option<u32>,
    /// What goes on beside the messages.
    #[command(flatten)]
    pub beside: Beside,
    /// What is mixed into the texts.
    #[command(flatten)]
    pub mix: Mix,
    /// How it goes over the wire.
    #[command(flatten)]
    pub wire: Wire,
    /// New connections a second.
    #[arg(long, default_value = "500/s")]
    pub ramp: Rate,
    /// Open loop: messages a second in total. 100 when neither this nor --window is given.
    #[arg(long, conflicts_with = "window")]
    pub rate: Option<Rate>,
    /// Closed loop: sends in flight per sender.
    #[arg(long)]
    pub window: Option<u32>,
    /// How long is measured.
    #[arg(long, default_value = "10s", value_parser = values::duration)]
    pub duration: Duration,
    /// How long is sent before it is measured.
    #[arg(long, default_value = "2s", value_parser = values::duration)]
    pub warmup: Duration,
    /// How long the end may wait for what is under way.
    #[arg(long, default_value = "15s", value_parser = values::duration)]
    pub drain: Duration,
    /// How long it may take, beyond what the ramp takes, until one more client is connected and up to
    /// date.
    #[arg(long, default_value = "30s", value_parser = values::duration)]
    pub connect_timeout: Duration,
    /// Length of each text in bytes.
    #[arg(long, default_value_t = 128)]
    pub payload: usize,
    /// Source addresses, first-last, taken in turns: one address has 28,000 ports.
    #[arg(long)]
    pub sources: Option<Sources>,
    /// How often each client says how far it got (`delivered`), in milliseconds; 0 is never.
    #[arg(long, default_value_t = 1_000)]
    pub ack_every_ms: u64,
    /// Threads, each with a share of the clients.
    #[arg(long, default_value_t = 1)]
    pub threads: u32,
    /// Compares the logs with REST history at the end: all, or a sample of so many.
    #[arg(long, value_name = "LOGS", num_args = 0..=1, require_equals = true,
          default_missing_value = "4294967295")]
    pub verify_history: Option<u32>,
    /// A live entry that skips others breaks a rule. Pushes may be lost in faults and are healed
    /// by sync; without faults none is.
    #[arg(long)]
    pub strict_live: bool,
    /// The verdict is unknown with fewer acknowledgements.
    #[arg(long, default_value_t = 1)]
    pub min_acknowledged: u64,
    /// Sends that may wait in each client, in flight or for a connection. Beyond it, due sends are
    /// dropped and counted as skipped.
    #[arg(long, default_value_t = 10_000)]
    pub outbox: u32,
    /// Records kept for the checker: sends (48 bytes) and entries seen (24 bytes). Beyond it the
    /// sending ends early and the verdict is unknown.
    #[arg(long, default_value_t = 100_000_000)]
    pub max_records: u64,
    /// Server processes, name=pid,name=pid: CPU time per message and memory, children included.
    #[arg(long, value_delimiter = ',')]
    pub server_pids: Vec<NamedPid>,
    /// The name of another run: users and client ids are those it has with the same options, for instance in
    /// another tenant beside it.
    #[arg(long, value_name = "RUN", value_parser = a_run)]
    pub run_name: Option<String>,
    /// Seed of the order of senders and of all jitter.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Writes the report there as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Writes everything that happens there, one JSON object a line, for `fleet check`.
    #[arg(long)]
    pub history: Option<PathBuf>,
    /// No progress lines.
    #[arg(long)]
    pub quiet: bool,
}

fn a_run(name: &str) -> Result<String, String> {
    match Run::named(name) {
        Some(run) => Ok(run.name().to_owned()),
        None => {
            Err("give the name of a run, fleet.<time>.<number>, both in hexadecimal".to_owned())
        }
    }
}

/// Options that contradict each other or the fleet's limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OptionsError(String);

impl Options {
    /// Options as the command line gives them, for code: `["--url", "ws://…", …]`.
    pub fn parse<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<Self, clap::Error> {
        let all = ["run"].into_iter().chain(arguments);
        let matches = Self::augment_args(clap::Command::new("fleet")).try_get_matches_from(all)?;
        Self::from_arg_matches(&matches)
    }

    /// Clients, those that only listen included; they come last.
    pub fn client_count(&self) -> u32 {
        self.member_count().saturating_add(self.beside.listeners)
    }

    /// Clients of the scenario.
    pub fn member_count(&self) -> u32 {
        match self.scenario {
            Scenario::Pairs => self.pairs.saturating_mul(2),
            Scenario::Group => {
                self.clients.unwrap_or_else(|| self.groups.saturating_mul(self.members))
            }
            Scenario::Idle => self.clients.unwrap_or(1),
        }
    }

    /// How sends come about.
    pub fn load(&self) -> Load {
        match (self.scenario, self.window, self.rate) {
            (Scenario::Idle, _, _) => Load::None,
            (_, Some(window), _) => Load::Closed(window),
            (_, None, rate) => Load::Open(rate.map_or(100.0, Rate::per_second)),
        }
    }

    /// Messages a second in total, in the open loop.
    pub fn open_rate(&self) -> Option<f64> {
        match self.load() {
            Load::Open(rate) => Some(rate),
            Load::Closed(_) | Load::None => None,
        }
    }

    /// Sends in flight per sender, in the closed loop.
    pub fn closed_window(&self) -> Option<u32> {
        match self.load() {
            Load::Closed(window) => Some(window),
            Load::Open(_) | Load::None => None,
        }
    }

    /// Refuses what cannot be run.
    pub fn validate(&self) -> Result<(), OptionsError> {
        let refuse = |what: String| Err(OptionsError(what));
        let clients = self.client_count();
        if clients == 0 || clients > MAX_CLIENTS {
            return refuse(format!("clients: 1 to {MAX_CLIENTS}, not {clients}"));
        }
        let most = self.member_count();
        if self.scenario == Scenario::Group && !(1..=most).contains(&self.members) {
            return refuse(format!("--members: 1 to --clients ({most}), not {}", self.members));
        }
        if self.beside.signals.is_some() && self.scenario != Scenario::Pairs {
            return refuse("--signals: pairs call each other; see --scenario".to_owned());
        }
        if self.mix.percent() > 0 {
            if self.mix.percent() > 100 || self.scenario != Scenario::Pairs {
                return refuse(
                    "--reactions, --replies, --mentions: of pairs, 100 at most".to_owned(),
                );
            }
            if self.history.is_some() {
                return refuse("--history: knows no reactions, replies and mentions".to_owned());
            }
        }
        if self.scenario == Scenario::Group && self.groups == 0 {
            return refuse("--groups: at least 1".to_owned());
        }
        if !(MIN_PAYLOAD_BYTES..=MAX_PAYLOAD_BYTES).contains(&self.payload) {
            return refuse(format!(
                "--payload: {MIN_PAYLOAD_BYTES} to {MAX_PAYLOAD_BYTES} bytes, not {}",
                self.payload
            ));
        }
        if !(1..=64).contains(&self.threads) {
            return refuse(format!("--threads: 1 to 64, not {}", self.threads));
        }
        if self.window == Some(0) || self.outbox < self.window.unwrap_or(1) {
            return refuse("--window: 1 to --outbox".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use verdict::check::Rule;

    #[test]
    fn the_help_names_every_rule() {
        for rule in Rule::ALL {
            let is_named =
                [RUN_HELP, check_command::HELP].iter().any(|help| help.contains(rule.name()));
            assert!(is_named, "{}", rule.name());
        }
    }

    #[test]
    fn load_is_open_or_closed_and_idle_is_neither() {
        let load = |more: &[&str]| {
            let common = ["--url", "ws://h:1/ws", "--secret", "s"];
            Options::parse(common.into_iter().chain(more.iter().copied())).map(|o| o.load())
        };
        assert_eq!(load(&[]).unwrap(), Load::Open(100.0));
        assert_eq!(load(&["--rate", "7/s"]).unwrap(), Load::Open(7.0));
        assert_eq!(load(&["--window", "7"]).unwrap(), Load::Closed(7));
        assert_eq!(load(&["--scenario", "idle"]).unwrap(), Load::None);
        assert!(load(&["--window", "7", "--rate", "7"]).is_err());
    }
}
