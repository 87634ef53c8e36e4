//! Which client is judged, and by which scripts.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use wire_client::values::duration;

/// What the help says beyond the options.
pub const HELP: &str = "\
Starts the driver of a client once for each rule, beside a server that plays a script: it drops the answer to a send,
leaves a gap, closes with each code, says what nobody knows. docs/conformance.md lists the rules and says how a driver is
written; web/harness/driver.ts is the one of the TypeScript SDK.

Exit code: 0 all rules are kept, skipped ones aside; 1 a rule is broken; 2 nothing could be tried.

Examples:
  fleet conformance-client -- node web/harness/dist/driver.js
  fleet conformance-client --only log --json report.json -- ./driver
  fleet conformance-client --list";

/// One run against a client.
#[derive(Debug, Clone, Args)]
pub struct ClientOptions {
    /// The driver and its arguments.
    #[arg(last = true, required_unless_present = "list")]
    pub command: Vec<String>,
    /// Only rules whose name begins so; may be given several times.
    #[arg(long)]
    pub only: Vec<String>,
    /// Scripts that are played at once, each with a driver of its own.
    #[arg(long, default_value_t = 16)]
    pub parallel: usize,
    /// How long the client may take for what it has to do.
    #[arg(long, default_value = "40s", value_parser = duration)]
    pub patience: Duration,
    /// Write the report as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Print the rules as a Markdown table and try nothing.
    #[arg(long)]
    pub list: bool,
}
