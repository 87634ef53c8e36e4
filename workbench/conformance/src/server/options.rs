//! What is tried, against which server.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use wire_client::values::{Secret, WsUrl, duration};

/// What the help says beyond the options.
pub const HELP: &str = "\
Connects as users of its own and tries each rule of docs/protocol.md that can be seen from outside; docs/conformance.md
lists them. Prints one line for each rule; --json writes the same for programs.

Needs the HS256 secret that the server verifies tokens with, and limits that let it in: some 40 connections from one
address and 100 writing requests a minute for each of its users (admission.exempt_networks). It leaves users and
conversations named cf-… behind.

Exit code: 0 all rules are kept, skipped ones aside; 1 a rule is broken; 2 nothing could be tried.

Examples:
  fleet conformance --url ws://127.0.0.1:8080/ws --secret-file data/secret
  fleet conformance --url wss://a.example.org/ws --url wss://b.example.org/ws --secret-file secret --json report.json
  fleet conformance --list";

/// One run against a server.
#[derive(Debug, Clone, Args)]
pub struct ServerOptions {
    /// A gateway's WebSocket, ws:// or wss://; of several, connections take turns.
    #[arg(long = "url", required_unless_present = "list")]
    pub urls: Vec<Url>,
    /// The HS256 secret that signs tokens. Visible in the process list.
    #[arg(long)]
    pub secret: Option<Secret>,
    /// A file with the secret; white space around it is dropped.
    #[arg(long, conflicts_with = "secret")]
    pub secret_file: Option<PathBuf>,
    /// The secret of a second tenant: without one, the rules of tenants are skipped.
    #[arg(long)]
    pub second_secret: Option<Secret>,
    /// A file with it.
    #[arg(long, conflicts_with = "second_secret")]
    pub second_secret_file: Option<PathBuf>,
    /// Only rules whose name begins so; may be given several times.
    #[arg(long)]
    pub only: Vec<String>,
    /// Rules that are tried at once.
    #[arg(long, default_value_t = 12)]
    pub parallel: usize,
    /// Rules that wait longer than this for the server's own times (heartbeats, redelivery) are skipped.
    #[arg(long, default_value = "40s", value_parser = duration)]
    pub patience: Duration,
    /// Write the report as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Print the rules as a Markdown table and try nothing.
    #[arg(long)]
    pub list: bool,
}

/// `ws://` or `wss://`, with or without the path of the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether TLS is spoken.
    pub is_tls: bool,
    /// `host:port`.
    pub authority: String,
}

impl std::str::FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("wss://") {
            let authority = rest.split('/').next().unwrap_or_default();
            if authority.is_empty() {
                return Err("wss://host[:port]/ws".to_owned());
            }
            return Ok(Self { is_tls: true, authority: authority.to_owned() });
        }
        let url: WsUrl = text.parse()?;
        Ok(Self { is_tls: false, authority: url.authority })
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.is_tls { "wss" } else { "ws" };
        write!(f, "{scheme}://{}", self.authority)
    }
}
